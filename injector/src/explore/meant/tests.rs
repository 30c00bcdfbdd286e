use super::*;

/// The passage at the line that has `call(`, or the closing of `f`.
fn passage(body: &str) -> Passage {
    let text = format!("package p\n\nfunc f() error {{\n{body}\n\treturn nil\n}}\n");
    let is_call = |line: &str| line.contains("call(") || line.contains(".Close()");
    let line = text.lines().position(is_call).expect("a call") + 1;
    Passage {
        text,
        line: u32::try_from(line).expect("small"),
    }
}

#[test]
fn what_is_meant_is_said() {
    for body in [
        "\t_ = call()",
        "\t_, _ = call()",
        "\tdefer func() { _ = call() }()",
        "\tcall() // best effort",
        "\tcall() //nolint:errcheck",
        "\tcall() // ignored",
        "\t// The error is ignored: it is\n\t// only a cache.\n\tcall()",
        "\tn, _ := call() // must succeed after validation",
        "\tif err := call(); err != nil {\n\t\t// ignore\n\t}",
        "\tc, err := call()\n\tif err != nil {\n\t\t// The reader will keep err until the next read.\n\t\tbreak\n\t}",
    ] {
        assert!(passage(body).says_so().is_some(), "{body}");
    }
}

#[test]
fn what_is_not_said_is_not_meant() {
    for body in [
        "\tcall()",
        "\tn, _ := call()",
        "\tx = call()",
        "\tcall() // TODO: don't ignore the error",
        "\t// FIXME: best effort\n\tcall()",
        "\t// Ignores hidden files.\n\tcall()",
        "\tcall() // the rename must succeed",
        "\tcall(\"// best effort\")",
        "\tother() // best effort\n\tcall()",
        "\tif err := call(); err != nil {\n\t\treturn nil\n\t}\n\tother() // ignore",
    ] {
        assert_eq!(passage(body).says_so(), None, "{body}");
    }
}

#[test]
fn what_is_done_where_there_is_an_error() {
    let asks = passage("\tn, err := call()\n\tif err == nil {\n\t\tx = n\n\t}");
    assert!(asks.asks_if_it_worked() && asks.looks_at_it());
    let goes_on = passage("\tn, err := call()\n\tif err != nil {\n\t\tcontinue\n\t}");
    assert!(goes_on.does(Instead::GoOn) && goes_on.looks_at_it());
    assert!(!goes_on.does(Instead::Panic) && !goes_on.asks_if_it_worked());
    let panics = passage("\tn, err := call()\n\tif err != nil {\n\t\tpanic(failure{err})\n\t}");
    assert!(panics.does(Instead::Panic));
    let line = panics.line + 2;
    assert!(Passage { line, ..panics }.panics_on_error());
    let plain = passage("\tcall()\n\tpanic(\"never\")");
    let line = plain.line + 1;
    assert!(!plain.looks_at_it() && !Passage { line, ..plain }.panics_on_error());
}

#[test]
fn documentation_says_what_becomes_of_errors() {
    let documented = |comment: &str| {
        let text = format!("package p\n\n{comment}\nfunc f() {{\n\tcall()\n}}\n");
        let line = text
            .lines()
            .position(|line| line.contains("call()"))
            .expect("a call")
            + 1;
        let line = u32::try_from(line).expect("small");
        Passage { text, line }.documented()
    };
    for comment in [
        "// F finds files. It ignores errors of\n// reading folders.",
        "// F is like g.\n// If the folder cannot be opened, it returns what there is.",
        "// alterations are: errors are swallowed",
    ] {
        assert!(documented(comment).is_some(), "{comment}");
    }
    for comment in [
        "// F ignores hidden files. Errors are returned.",
        "// F reads a file. If that fails, it returns the error.",
        "// F must not ignore errors.\n// TODO: it ignores errors",
        "// It ignores errors.\n",
        "// Programs can ignore the error, and it is ignored by some.",
        "// F discards n bytes, reporting an error if that fails.",
    ] {
        assert_eq!(documented(comment), None, "{comment}");
    }
}

#[test]
fn another_result_may_be_looked_at_instead() {
    for body in [
        "\tif kind, _, _ := call(); kind == \"text\" {",
        "\tn, _ := call()\n\tif n != 12 || b[0] == 0 {",
    ] {
        assert!(passage(body).asks_for_value(), "{body}");
    }
    for body in [
        "\tn, _ := call()\n\tsum += n",
        "\tn, _ := call()\n\tif nothing {",
        "\tn, err := call()\n\tif n != 12 {",
        "\t_, _ = call()\n\tif _ == 1 {",
    ] {
        assert!(!passage(body).asks_for_value(), "{body}");
    }
}

#[test]
fn what_is_written_to_memory_is_told_from_files() {
    assert!(passage("\tio.Copy(io.Discard, call())").discards());
    assert!(!passage("\tio.Copy(f, call()) // io.Discard").discards());
    assert!(passage("\tvar b bytes.Buffer\n\tw := NewWriter(&b)\n\tw.Close()").writes_to_memory());
    assert!(!passage("\tvar b bytes.Buffer\n\tf, _ := os.Create(name)\n\tf.Close()").writes_to_memory());
    assert!(!passage("\t// bytes.Buffer\n\tw.Close()").writes_to_memory());
}

#[test]
fn an_error_that_is_given_on_is_told_from_one_that_is_looked_at() {
    let body = |code: &str| {
        passage(&format!(
            "\tx, saveErr := call()\n\tif saveErr != nil {{\n\t\t{code}\n\t}}"
        ))
    };
    for code in [
        "s.report(saveErr)",
        "return lenient(saveErr, strict)",
        "return wrapStrict(saveErr, strict)",
        "all = append(all, saveErr)",
        "log.Printf(\"%v: %v\", x, saveErr)",
    ] {
        assert!(body(code).hands_on(), "{code}");
    }
    for code in [
        "return nil",
        "saveErr = fmt.Errorf(\"save: %w\", saveErr)",
        "saveErr = wrap(saveErr)",
        "if errors.Is(saveErr, io.EOF) {\n\t\t}",
        "if os.IsNotExist(saveErr) {\n\t\t}",
        "s.report(otherErr)",
        "s.report(saveErr.Error) // s.report(saveErr)",
    ] {
        assert!(!body(code).hands_on(), "{code}");
    }
    assert!(!passage("\tcall()\n\treport(err)").hands_on());
}

#[test]
fn what_returns_nothing_is_told_from_what_returns_something() {
    let body = |code: &str| {
        passage(&format!(
            "\tx, err := call()\n\tif err != nil {{\n\t\t{code}\n\t}}"
        ))
    };
    for code in [
        "return nil",
        "return \"\"",
        "return Name{}, false",
        "return 0, nil",
    ] {
        assert!(body(code).does(Instead::ReturnNothing), "{code}");
    }
    for code in ["return", "return found", "return 8080", "break", "returned = nil"] {
        assert!(!body(code).does(Instead::ReturnNothing), "{code}");
    }
    assert!(body("if os.IsNotExist(err) {\n\t\t\treturn nil\n\t\t}").expects_absence());
    assert!(!body("return nil").expects_absence());
}

#[test]
fn a_file_that_is_removed_is_told_from_others() {
    assert!(passage("\tos.Remove(f.Name())\n\tf.Close()").removes_what_it_closes());
    assert!(passage("\tdefer s.f.Close()\n\tdefer os.Remove(s.f.Name())").removes_what_it_closes());
    assert!(!passage("\tos.Remove(old.Name())\n\tf.Close()").removes_what_it_closes());
    assert!(!passage("\tos.Remove(f.Name())\n\tg.f.Close()").removes_what_it_closes());
    assert!(!passage("\tf.Close()").removes_what_it_closes());
}

#[test]
fn a_file_that_is_read_is_told_from_others() {
    let reads = |body: &str| passage(body).opened_what_it_closes_for_reading();
    assert!(reads("\tf, err := os.Open(name)\n\tx()\n\tf.Close()"));
    assert!(reads(
        "\tif f, err = os.Open(name); err != nil {\n\t\treturn err\n\t}\n\tdefer f.Close()"
    ));
    assert!(reads("\t_, err := io.Copy(w, f)\n\tf.Close()"));
    assert!(reads("\tf, w, err := os.Pipe()\n\tf.Close()"));
    assert!(!reads("\t_, err := io.Copy(f, r)\n\tf.Close()"));
    assert!(!reads("\tr, f, err := os.Pipe()\n\tf.Close()"));
    assert!(!reads("\tf, err := os.Create(name)\n\tf.Close()"));
    assert!(!reads("\tg, err := os.Open(name)\n\tf.Close()"));
    assert!(!reads("\t// f, err := os.Open(name)\n\tf.Close()"));
    // A deferred call is made where the function ends.
    let at_end = |body: &str| {
        let passage = passage(body);
        let line = passage.text.lines().count() - 1;
        let line = u32::try_from(line).expect("small");
        Passage { line, ..passage }.opened_what_it_closes_for_reading()
    };
    assert!(at_end("\tf, err := os.Open(name)\n\tdefer f.Close()\n\tx()"));
    assert!(!at_end(
        "\tf, err := os.Open(name)\n\tdefer f.Close()\n\tdefer g.Close()\n\tx()"
    ));
}
