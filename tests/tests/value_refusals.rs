//! Values and paths that do not fit a program: what is said, and what is to be written instead; and that a run with jumps says the
//! same, and runs nothing.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use goinject::error::ExitCode;
use goinject::go::Binary;
use goinject::resolve::resolve;
use goinject_rules::diagnostic::{Diagnostic, render_short};
use goinject_rules::source::Source;
use goinject_tests::goinject::{Running, command};
use goinject_tests::{Build, Writer};

/// What `check` says of one rule, and its exit code. `run` is asked, too.
fn said(rule: &str, binary: &Binary, path: &Path) -> String {
    let text = format!("version: 1\nrules:\n- {rule}\n");
    let source = Source::new("rules.yaml", text.clone());
    let (rules, _) = match goinject_rules::parse(&source) {
        Ok(rules) => rules,
        Err(diagnostics) => {
            refused_with_jumps(&text, path, &diagnostics, ExitCode::Invalid as i32);
            return format!("without a binary:\n{}", render_short(&diagnostics, &source));
        }
    };
    let resolution = resolve(&rules, binary);
    let code = resolution.failure().map_or(0, |code| code as i32);
    assert_ne!(code, ExitCode::Met as i32, "{rule} fits");
    let diagnostics: Vec<Diagnostic> = resolution
        .findings
        .iter()
        .map(|finding| (*finding.diagnostic).clone())
        .collect();
    refused_with_jumps(&text, path, &diagnostics, code);
    let notes: String = diagnostics
        .iter()
        .flat_map(|diagnostic| &diagnostic.notes)
        .map(|note| format!("note: {note}\n"))
        .collect();
    format!("exit {code}\n{}{notes}", render_short(&diagnostics, &source))
}

/// A run with the writer of the inline engine says each of these, and does not come to the program. A function that it lacks may be
/// in one that it starts.
fn refused_with_jumps(text: &str, path: &Path, diagnostics: &[Diagnostic], code: i32) {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("rules.yaml");
    fs::write(&rules, text).expect("written");
    let mut command = command(["run", "--quiet"]);
    command.args(Writer::Trampoline.options()).arg(&rules);
    command.arg("--").arg(path).arg("no-such-section");
    let outcome = Running::start(&mut command).end();
    let described = format!("{text}{}", outcome.describe());
    assert_eq!(outcome.code, Some(code), "{described}");
    let may_run = code == ExitCode::Unarmable as i32;
    assert!(may_run || outcome.stdout.is_empty(), "{described}");
    for diagnostic in diagnostics {
        let message = &diagnostic.message;
        assert!(outcome.stderr.contains(message), "{message}: {described}");
    }
}

/// Sets of values, each wrong in one way, with what is said of them.
fn report<const N: usize>(version: &'static str, sets: [(&str, &str); N]) -> String {
    let path = Build::plain(version).of("values");
    let binary = Binary::open(&path).expect("a fixture is a Go binary");
    let mut text = String::new();
    for (function, set) in sets {
        let rule = format!("{{function: \"main.{function}\", inject: {{set: {set}}}}}");
        let said = said(&rule, &binary, &path)
            .replace("rules.yaml:3:", "")
            .replace(&path.display().to_string(), "values");
        let _ = writeln!(text, "{function} {set}\n{said}");
    }
    text
}

#[test]
fn texts_and_slices() {
    let said = report(
        "1.27",
        [
            ("text", "{s: 5}"),
            ("text", "{s: null}"),
            ("text", "{s: {xor: 0x1ff}}"),
            ("text", "{s: {errno: ENOSPC}}"),
            ("text", "{s: {bytes: \"0x\"}}"),
            ("text", "{s.lne: 3}"),
            ("text", "{s.cap: 3}"),
            ("text", "{s.len: -1}"),
            ("text", "{\"s[0]\": 65}"),
            ("raw", "{p: true}"),
            ("raw", "{p: [1, 300]}"),
            ("raw", "{\"p[0]\": 256}"),
            ("raw", "{p.length: 3}"),
            ("raw", "{\"p[99999999999]\": 1}"),
            ("list", "{words: [a, 5]}"),
            ("list", "{p: [1, 2.5]}"),
            ("list", "{p: [1, {add: 1}]}"),
            ("list", "{p: a text}"),
            ("list", "{\"words[0].name\": x}"),
        ],
    );
    insta::assert_snapshot!(said);
}

#[test]
fn contexts_that_end_no_delay() {
    let path = Build::plain("1.27").of("cases");
    let binary = Binary::open(&path).expect("a fixture is a Go binary");
    let mut text = String::new();
    for (function, until) in [
        ("query", "n"),
        ("query", "ctxt"),
        ("query", "ctx.done"),
        ("query", "err"),
        ("(*errand).send", "r.id"),
        // It returns nothing, and so no error.
        ("asked", "ctx"),
    ] {
        let rule =
            format!("{{function: \"main.{function}\", inject: {{delay: {{fixed: 1s, until: {until}}}}}}}");
        let said = said(&rule, &binary, &path)
            .replace("rules.yaml:3:", "")
            .replace(&path.display().to_string(), "cases");
        let _ = writeln!(text, "{function} {until}\n{said}");
    }
    insta::assert_snapshot!(text);
}

/// Panics and delays in and below the runtime, which would end the program.
#[test]
fn faults_that_would_be_fatal() {
    let mut text = String::new();
    for (version, function, fault) in [
        ("1.15", "runtime.GC", "panic: true"),
        ("1.27", "runtime.GC", "panic: true"),
        ("1.27", "runtime.GC", "delay: 1ms"),
        ("1.27", "runtime.mallocgc", "panic: true"),
        ("1.27", "runtime.systemstack", "panic: true"),
        ("1.27", "runtime.mstart", "panic: true"),
        ("1.27", "internal/runtime/maps.(*Iter).Next", "panic: true"),
        ("1.27", "internal/bytealg.IndexByteString", "panic: true"),
        ("1.27", "internal/chacha8rand.(*State).Refill", "panic: true"),
        ("1.27", "internal/chacha8rand.(*State).Refill", "delay: 1ms"),
        ("1.27", "syscall.RawSyscall6", "panic: true"),
        ("1.27", "time.Sleep", "delay: 1ms"),
    ] {
        let path = Build::plain(version).of("cases");
        let binary = Binary::open(&path).expect("a fixture is a Go binary");
        let rule = format!("{{function: \"{function}\", inject: {{{fault}}}}}");
        let _ = writeln!(
            text,
            "go{version} {function} {fault}\n{}",
            said(&rule, &binary, &path)
        );
    }
    insta::assert_snapshot!(text);
}

/// Early returns of what only the body could have made.
#[test]
fn results_of_skipped_bodies() {
    let path = Build::plain("1.27").of("values");
    let binary = Binary::open(&path).expect("a fixture is a Go binary");
    let mut text = String::new();
    for (function, results) in [
        ("text", "{\"results[0].len\": 2}"),
        ("list", "{\"results[0][1]\": 2}"),
        ("list", "{\"results[0].cap\": 2}"),
        ("node", "{\"results[0].Value\": 2}"),
        ("node", "{\"results[0]\": {Value: 2}}"),
        ("config", "{\"results[0]\": {Host: out, Next: {Value: 1}}}"),
    ] {
        let rule = format!("{{function: \"main.{function}\", inject: {{return: {results}}}}}");
        let _ = writeln!(text, "{function} {results}\n{}", said(&rule, &binary, &path));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn errors_and_other_interfaces() {
    let said = report(
        "1.27",
        [
            ("fail", "{err: io.EFO}"),
            ("fail", "{err: disk full}"),
            ("fail", "{err: {errno: ENOSPACE}}"),
            ("fail", "{err: {message: \"\"}}"),
            ("fail", "{err: main.Spare}"),
            ("fail", "{err: main.Failing}"),
            ("fail", "{err: 5}"),
            ("fail", "{err.code: 5}"),
            ("fail", "{err: {type: \"main.Status\"}}"),
            ("fail", "{err: {type: \"*main.Staus\"}}"),
            ("fail", "{err: {type: \"*main.Status\", fields: {Cod: 1}}}"),
            ("fail", "{err: {type: \"*main.Status\", fields: {Code: x}}}"),
            (
                "fail",
                "{err: {type: \"*main.Status\", fields: {Detail: {Name: x}}}}",
            ),
            (
                "fail",
                "{err: {type: \"*main.Status\", fields: {Code: {add: 1}}}}",
            ),
            ("fail", "{err: {type: \"*main.Status\", value: 1}}"),
            ("fail", "{err: {type: 5}}"),
            (
                "fail",
                "{err: {type: \"*main.Status\", fields: {Code: 1}, value: 1}}",
            ),
            ("fail", "{err: {type: \"main.Square\"}}"),
            ("fail", "{err: {wrap: io.EOF}}"),
            ("fail", "{err: {wrap: null, message: x}}"),
            ("fail", "{err: {wrap: io.EFO, message: x}}"),
            ("fail", "{err: {join: []}}"),
            ("fail", "{err: {join: io.EOF}}"),
            ("fail", "{err: {join: [5]}}"),
            ("shape", "{s: {wrap: io.EOF, message: x}}"),
            ("shape", "{s: {type: \"*main.Status\"}}"),
            ("anything", "{v: {type: \"*main.Nothing\", fields: {Note: x}}}"),
            ("fail", "{error: io.EOF}"),
            ("shape", "{s: {message: no}}"),
            ("shape", "{s: main.ErrQuota}"),
            ("shape", "{s: main.Spare}"),
            ("anything", "{v: 5}"),
            ("anything", "{v: main.NoSuch}"),
            ("anything", "{v: nothing}"),
        ],
    );
    insta::assert_snapshot!(said);
}

/// Before Go 1.21, programs fill in the texts of their error variables as they begin.
#[test]
fn errors_whose_text_is_not_known() {
    let said = report("1.19", [("fail", "{err: {wrap: io.EOF, message: again}}")]);
    insta::assert_snapshot!(said);
}

#[test]
fn pointers_and_what_is_like_them() {
    let said = report(
        "1.27",
        [
            ("node", "{n: main.Table}"),
            ("node", "{n: 0x1000}"),
            ("node", "{n: {new: {Valu: 1}}}"),
            ("node", "{n: {new: {Next: {Value: 1}}}}"),
            ("pointers", "{n: 3000000000}"),
            ("pointers", "{n: true}"),
            ("pointers", "{n: {new: 1.5}}"),
            ("pointers", "{n: {new: null}}"),
            ("pointers", "{n: {new: {add: 1}}}"),
            ("pointers", "{s: main.Spare}"),
            ("pointers", "{s: {new: 5}}"),
            ("pointers", "{\"n[0]\": 1}"),
            ("pointers", "{\"*n\": 1}"),
            ("node", "{n.Valeu: 3}"),
            ("node", "{n.Next.Nxt.Value: 1}"),
            ("node", "{n.Value.Value: 1}"),
            ("node", "{n.Next.Next.Next.Next.Next.Next.Next.Value: 1}"),
            ("node", "{raw.Value: 1}"),
            ("node", "{address: main.Spare}"),
            ("node", "{n: {Valeu: 1}}"),
            ("references", "{m: main.Pipe}"),
            ("references", "{m: {a: 1}}"),
            ("references", "{\"m[0]\": 1}"),
            ("references", "{m.len: 3}"),
            ("references", "{c.cap: 4}"),
            ("references", "{c: 4}"),
            ("references", "{f: main.text}"),
            ("references", "{f: main.closures.func1}"),
            ("references", "{f: main.sum}"),
            ("references", "{f: \"main.Largest[...]\"}"),
            ("references", "{f: main.trpile}"),
            ("(*server).serve", "{\"s.cfg.limits[2].maximum\": 5}"),
            ("(*server).serve", "{s.cgf.limits.len: 0}"),
        ],
    );
    insta::assert_snapshot!(said);
}

#[test]
fn structs_arrays_and_numbers() {
    let eighty = format!("{{bytes: {{bytes: \"{}\"}}}}", "00".repeat(80));
    let said = report(
        "1.27",
        [
            ("pair", "{p: {Nmae: x}}"),
            ("pair", "{p: 5}"),
            ("pair", "{p: {Count: many}}"),
            ("pair", "{p.Count: 3000000000}"),
            ("pair", "{p.count: 3}"),
            ("config", "{c.Inner.Tgas: null}"),
            ("config", "{c.Seq: [1]}"),
            ("config", "{\"c.Seq[2]\": 1}"),
            ("config", "{c.Seq.len: 1}"),
            ("config", "{c.Err.Code: 1}"),
            ("arrays", "{a: [1, 2]}"),
            ("arrays", "{c: {bytes: \"00\"}}"),
            ("wide", &eighty),
            ("complexes", "{c: 1+2j}"),
            ("complexes", "{c: [1]}"),
            ("complexes", "{d: 1e300}"),
            ("numbers", "{a: {add: 300}}"),
            ("numbers", "{b: {xor: 0x10000}}"),
            ("numbers", "{h: {random: [1, 256]}}"),
            ("numbers", "{e: {add: x}}"),
            ("numbers", "{g: 5 minutes}"),
            ("numbers", "{h: -1}"),
            ("numbers", "{d: 1}"),
        ],
    );
    insta::assert_snapshot!(said);
}

#[test]
fn functions_and_positions() {
    let of_1_27 = report(
        "1.27",
        [
            ("logf", "{\"args[0]\": x}"),
            ("logf", "{\"args[1]\": null}"),
            ("unnamed", "{n: 1}"),
            ("unnamed", "{\"args[2]\": 1}"),
            ("double", "{recv: 1}"),
            ("Largest[...]", "{least: 7}"),
            ("sum", "{a: 10}"),
            ("(*Config).Rename", "{tag: x}"),
            ("txet", "{s: x}"),
        ],
    );
    let of_1_19 = report(
        "1.19",
        [("blank", "{\"args[0]\": 1}"), ("blank", "{\"args[1]\": x}")],
    );
    let of_1_15 = report(
        "1.15",
        [("blank", "{string_: x}"), ("unnamed", "{\"args[0]\": 1}")],
    );
    insta::assert_snapshot!(format!("{of_1_27}Go 1.15\n{of_1_15}Go 1.19\n{of_1_19}"));
}

#[test]
fn conditions_on_values() {
    let path = Build::plain("1.27").of("values");
    let binary = Binary::open(&path).expect("a fixture is a Go binary");
    let mut text = String::new();
    for (function, condition) in [
        ("pair", "p.Nmae == 'x'"),
        ("pair", "p.Name == 5"),
        ("pair", "p == null"),
        ("config", "c.Prot > 1"),
        ("config", "c.Port > 70000"),
        ("config", "c.Tags[0].x == 'x'"),
        ("config", "c.Err.Code == 1"),
        ("references", "m[5] == 1"),
        ("references", "m['a'] == 'x'"),
        ("references", "m['a']['b'] == 1"),
        ("references", "'a' in p"),
        ("pair", "p['a'] == 1"),
        ("references", "f() == 1"),
        ("complexes", "c == 1"),
        ("(*server).serve", "s.cfg.limits[2].maxx > 1"),
        ("logf", "args[0] == 'x'"),
        ("pair", "size(before) == 1"),
        ("config", "c.Err == io.EFO"),
        ("config", "c.Err == main.Spare"),
        ("config", "c.Err == main.Anything"),
        ("config", "c.Err < io.EOF"),
        ("config", "type(c.Err) == '*os.PathErorr'"),
        ("config", "type(c.Host) == 'string'"),
        ("config", "type(c.Err) == io.EOF"),
        ("config", "type(c.Err)"),
        ("config", "errors.Is(c.Host, io.EOF)"),
        ("config", "errors.Is(c.Err)"),
        ("config", "c.Host.(string) == 'x'"),
        ("config", "c.Err.(*os.PathEror).Path == 'x'"),
        ("config", "c.Err.(*os.PathError).Pth == 'x'"),
        ("config", "c.Err.(error) == null"),
        ("config", "errors.Is(c.Err, io.EFO)"),
        ("config", "errors.As(c.Err, io.EOF)"),
        ("config", "c.Port in 80"),
        ("config", "c.Port in []"),
        ("config", "c.Port in [80, 70000]"),
        (
            "config",
            "c.Port in [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23]",
        ),
        ("pair", "not (before == 1)"),
        ("pointers", "n == 'x'"),
        ("pointers", "s == 5"),
        ("pointers", "d"),
    ] {
        let rule = format!("{{function: \"main.{function}\", if: \"{condition}\", inject: {{panic: true}}}}");
        let said = said(&rule, &binary, &path)
            .replace("rules.yaml:3:", "")
            .replace(&path.display().to_string(), "values");
        let _ = writeln!(text, "{function} {condition}\n{said}");
    }
    insta::assert_snapshot!(text);
}

/// A rule on a condition on results that sets what is wrong: it is told of that, not also that it acts at entry, but where it does.
#[test]
fn conditions_on_results_of_what_cannot_be_set() {
    let path = Build::plain("1.27").of("cases");
    let binary = Binary::open(&path).expect("a fixture is a Go binary");
    let mut text = String::new();
    for set in [
        "{err: io.EFO}",
        "{eror: io.EOF}",
        "{n: no}",
        "{err: {join: [io.EOF, {type: \"*os.PathError\", fields: {Op: x}}]}}",
    ] {
        let rule = format!("{{function: main.query, if: err == null, inject: {{set: {set}}}}}");
        let said = said(&rule, &binary, &path)
            .replace("rules.yaml:3:", "")
            .replace(&path.display().to_string(), "cases");
        let _ = writeln!(text, "{set}\n{said}");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn panics_with_values() {
    let path = Build::plain("1.27").of("values");
    let binary = Binary::open(&path).expect("a fixture is a Go binary");
    let mut text = String::new();
    for (function, value) in [
        ("panicking", "false"),
        ("panicking", "null"),
        ("panicking", "[1]"),
        ("panicking", "io.EFO"),
        ("panicking", "{Code: 5}"),
        ("panicking", "{type: \"*main.Staus\"}"),
        ("panicking", "{add: 1}"),
        ("sum", "no"),
    ] {
        let rule = format!("{{function: \"main.{function}\", inject: {{panic: {value}}}}}");
        let said = said(&rule, &binary, &path)
            .replace("rules.yaml:3:", "")
            .replace(&path.display().to_string(), "values");
        let _ = writeln!(text, "{function} {value}\n{said}");
    }
    insta::assert_snapshot!(text);
}
