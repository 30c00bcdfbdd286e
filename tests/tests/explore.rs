//! `goinject explore` and `goinject sweep`: planted faults are found, their correct twins are not called so, and what is
//! found is repeated, resumed, divided and compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use goinject_tests::Outcome;
use goinject_tests::exploration::{explore, findings, fixture, list, results, text};
use goinject_tests::module::Module;
use serde_json::Value;

#[test]
fn planted_faults_are_found_and_their_twins_are_not() {
    let module = fixture("planted");
    let outcome = explore(&module, &[], &["go", "test", "."], &[]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.describe());
    let results = results(&module, ".goinject");
    let expected: Value =
        serde_json::from_str(&fs::read_to_string(module.path("expected.json")).expect("read")).expect("JSON");
    let expected = expected.as_array().expect("a list");
    assert_eq!(expected.len(), 40);
    let mut wrong = Vec::new();
    for entry in expected {
        let file = text(entry, "file");
        let found: Vec<[&str; 3]> = list(&results, "findings")
            .iter()
            .filter(|finding| text(&finding["stack"][0], "file").ends_with(&format!("/{file}")))
            .map(|finding| {
                [
                    text(finding, "class"),
                    text(finding, "function"),
                    text(&finding["frame"], "function"),
                ]
            })
            .collect();
        let is_right = match entry["class"].as_str() {
            Some(class) => found.iter().any(|[is, function, frame]| {
                *is == class && *function == text(entry, "function") && *frame == text(entry, "judged_frame")
            }),
            None => found.is_empty(),
        };
        if !is_right {
            wrong.push(format!("{file}: expected {}, found {found:?}", entry["class"]));
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), outcome.describe());
    assert_eq!(results["version"], 1);
    // Nothing is left but results, and no process.
    let left: BTreeSet<String> = fs::read_dir(module.path(".goinject"))
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    let expected = [".gitignore", "explore.json", "rules", "state.jsonl"].map(str::to_owned);
    assert_eq!(left, BTreeSet::from(expected));
}

#[test]
fn each_class_is_told_from_what_comes_close_to_it() {
    let module = fixture("classes");
    let state = module.path("tmp").join("flaky");
    let state = state.to_string_lossy().into_owned();
    let outcome = explore(&module, &[], &["go", "test", "./..."], &[("FLAKY_STATE", &state)]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.describe());
    let results = results(&module, ".goinject");
    let mut seen: BTreeMap<[&str; 4], Vec<&str>> = BTreeMap::new();
    for outcome in list(&results, "outcomes") {
        let function = match text(outcome, "function") {
            // The compiler's wrapper around it, which is what the interface calls.
            "net.(*TCPConn).Write" => "net.(*conn).Write",
            function => function,
        };
        let key = [
            text(outcome, "subject"),
            function,
            text(&outcome["caller"], "function"),
            text(outcome, "mode"),
        ];
        seen.entry(key).or_default().push(text(outcome, "class"));
    }
    let expected: Value =
        serde_json::from_str(&fs::read_to_string(module.path("expected.json")).expect("read")).expect("JSON");
    let good = ["reported", "recovered", "unasserted", "not-fired"];
    let mut wrong = Vec::new();
    let mut checked = 0;
    for entry in expected.as_array().expect("a list") {
        if entry["scope"] == "own" {
            continue;
        }
        let key = ["package", "function", "frame", "mode"].map(|key| text(entry, key));
        let found = seen.get(&key).map_or(&[][..], Vec::as_slice);
        let is_right = match entry["class"].as_str() {
            Some(class) => found.contains(&class),
            // No finding, and perhaps no fault at all.
            None => found.iter().all(|class| good.contains(class)),
        };
        checked += 1;
        if !is_right {
            wrong.push(format!("{key:?}: expected {}, found {found:?}", entry["class"]));
        }
    }
    assert!(checked > 80, "{checked}");
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), outcome.describe());
}

#[test]
fn classes_that_are_no_findings_are_listed_where_they_count() {
    let module = fixture("classes");
    let run = |options: &[&str]| {
        let all: Vec<&str> = ["--mode", "once"].iter().chain(options).copied().collect();
        explore(&module, &all, &["go", "test", "./unasserted"], &[])
    };
    let line = "goinject: unasserted: os.(*File).Sync fails in example.com/classes/unasserted.(*Log).Flush";
    let counted = run(&["--fail-on", "unasserted"]);
    assert_eq!(counted.code, Some(1), "{}", counted.describe());
    assert!(counted.stderr.contains(line), "{}", counted.describe());
    let plain = run(&[]);
    assert_eq!(plain.code, Some(0), "{}", plain.describe());
    assert!(!plain.stderr.contains(line), "{}", plain.describe());
}

#[test]
fn own_functions_fail_after_their_work() {
    let module = fixture("classes");
    let outcome = explore(&module, &["--scope", "own"], &["go", "test", "./own"], &[]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.describe());
    let found = findings(&results(&module, ".goinject"));
    let own = |name: &str| format!("example.com/classes/own.{name}");
    let expected = ["swallowed".to_owned(), own("split"), own("(*Index).Known")];
    assert_eq!(found, BTreeSet::from([expected]), "{}", outcome.describe());
}

/// Tests of `planted` with a handful of faults in them.
const FEW: [&str; 4] = ["go", "test", "-run=TestSnapshot|TestFolder|TestTable", "."];

#[test]
fn parts_find_together_what_one_exploration_finds() {
    let module = fixture("planted");
    let whole = explore(&module, &["--mode", "once"], &FEW, &[]);
    assert_eq!(whole.code, Some(1), "{}", whole.describe());
    let all = results(&module, ".goinject");
    assert!(findings(&all).len() >= 3, "{}", whole.describe());
    let mut parts = BTreeSet::new();
    let mut tried = 0;
    for part in ["1/3", "2/3", "3/3"] {
        let out = format!("part{}", &part[..1]);
        let outcome = explore(
            &module,
            &["--mode", "once", "--shard", part, "--out", &out],
            &FEW,
            &[],
        );
        assert!(matches!(outcome.code, Some(0 | 1)), "{}", outcome.describe());
        let results = results(&module, &out);
        tried += list(&results, "outcomes").len();
        parts.extend(findings(&results));
    }
    assert_eq!(parts, findings(&all));
    assert_eq!(tried, list(&all, "outcomes").len());
    // What is known is no news.
    let baseline = module.path(".goinject/explore.json");
    fs::copy(&baseline, module.path("baseline.json")).expect("copied");
    let again = explore(
        &module,
        &["--mode", "once", "--baseline", "baseline.json"],
        &FEW,
        &[],
    );
    assert_eq!(again.code, Some(0), "{}", again.describe());
    assert!(again.stderr.contains("of the baseline"), "{}", again.describe());
    let ids = |value: &Value| -> BTreeSet<String> {
        list(value, "findings")
            .iter()
            .map(|finding| text(finding, "id").to_owned())
            .collect()
    };
    assert_eq!(ids(&results(&module, ".goinject")), ids(&all));
}

#[test]
fn an_exploration_that_was_killed_goes_on_with_the_next_fault() {
    let module = fixture("planted");
    let options = ["--mode", "once", "--budget", "4s", "--jobs", "1"];
    let first = explore(&module, &options, &FEW, &[]);
    let begun = results(&module, ".goinject");
    let tried = list(&begun, "outcomes").len();
    assert!(
        begun["left"].as_u64().expect("a number") > 0,
        "{}",
        first.describe()
    );
    // As if it had been killed in the middle of a line.
    let state = module.path(".goinject/state.jsonl");
    let mut lines = fs::read_to_string(&state).expect("read");
    lines.push_str("{\"fault\":\"0");
    fs::write(&state, lines).expect("written");
    let second = explore(&module, &["--mode", "once", "--resume"], &FEW, &[]);
    assert_eq!(second.code, Some(1), "{}", second.describe());
    let ended = results(&module, ".goinject");
    assert_eq!(
        (&ended["left"], &ended["ended"]),
        (&Value::from(0), &Value::from("complete"))
    );
    let outcomes = list(&ended, "outcomes");
    assert!(outcomes.len() > tried);
    for outcome in list(&begun, "outcomes") {
        assert!(outcomes.contains(outcome), "{outcome} was tried before");
    }
    let other = explore(&module, &["--resume"], &["go", "test", "./nowhere"], &[]);
    assert_eq!(other.code, Some(2), "{}", other.describe());
    assert!(
        other.stderr.contains("start without `--resume`"),
        "{}",
        other.describe()
    );
}

#[test]
fn the_rule_file_of_a_finding_is_met_once_the_program_is_mended() {
    let module = fixture("planted");
    let run = ["go", "test", "-run=TestSnapshot|TestFolder", "."];
    let found = explore(&module, &["--mode", "once"], &run, &[]);
    assert_eq!(found.code, Some(1), "{}", found.describe());
    // Findings and the summary, and nothing before.
    let first = found.stderr.lines().next().unwrap_or_default();
    assert!(
        first.contains(" fails in example.com/planted."),
        "{}",
        found.describe()
    );
    let results = results(&module, ".goinject");
    let rules: Vec<(&str, &str)> = list(&results, "findings")
        .iter()
        .map(|finding| (text(finding, "class"), text(finding, "rule")))
        .collect();
    assert_eq!(rules.len(), 2, "{rules:?}");
    for (class, rule) in &rules {
        let before = module.goinject(&["run", "--quiet", rule], &[]);
        assert!(
            matches!(before.code, Some(1 | 4)),
            "{class}: {}",
            before.describe()
        );
    }
    let edit = |file: &str, from: &str, to: &str| {
        let path = module.path(file);
        let source = fs::read_to_string(&path).expect("read");
        assert!(source.contains(from), "{file}: {source}");
        fs::write(&path, source.replace(from, to)).expect("written");
    };
    edit(
        "01_sync.go",
        "\tf.Sync()\n",
        "\tif err := f.Sync(); err != nil {\n\t\treturn errors.Join(err, f.Close())\n\t}\n",
    );
    edit("01_sync.go", "import (\n", "import (\n\t\"errors\"\n");
    edit(
        "08_nil_entry.go",
        "\t\tlog.Printf(\"size of %s: %v\", name, err)\n",
        "\t\tlog.Printf(\"size of %s: %v\", name, err)\n\t\treturn 0\n",
    );
    for (class, rule) in &rules {
        let after = module.goinject(&["run", "--quiet", rule], &[]);
        assert_eq!(after.code, Some(0), "{class}: {}", after.describe());
    }
}

#[test]
fn a_command_that_ends_by_itself_is_explored() {
    let module = Module::new("1.27");
    module.write("go.mod", "module example.com/notes\n\ngo 1.21\n");
    module.write(
        "main.go",
        "package main\n\nimport (\n\t\"fmt\"\n\t\"os\"\n)\n\n\
         //go:noinline\nfunc note(path, text string) error {\n\tf, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)\n\
         \tif err != nil {\n\t\treturn fmt.Errorf(\"note: %w\", err)\n\t}\n\tdefer f.Close()\n\t_, err = f.WriteString(text)\n\treturn err\n}\n\n\
         func main() {\n\tif err := note(os.TempDir()+\"/note\", \"pears\"); err != nil {\n\t\tfmt.Fprintln(os.Stderr, err)\n\t\tos.Exit(1)\n\t}\n\tfmt.Println(\"noted\")\n}\n",
    );
    let built = module.go(&["build", "-o", "notes", "."]);
    assert_eq!(built.code, Some(0), "{}", built.describe());
    let outcome = explore(&module, &[], &["./notes"], &[]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.describe());
    let results = results(&module, ".goinject");
    let found = findings(&results);
    // The deferred Close of a file that was written to; the rest is reported.
    let classes: BTreeSet<&str> = found.iter().map(|[class, ..]| class.as_str()).collect();
    assert_eq!(classes, BTreeSet::from(["swallowed"]), "{}", outcome.describe());
    assert!(
        results["counts"]["reported"].as_u64() >= Some(4),
        "{}",
        outcome.describe()
    );
    // Paths in a rule file are relative to it.
    let rule = text(&list(&results, "findings")[0], "rule");
    let before = module.goinject(&["run", "--quiet", rule], &[]);
    assert!(matches!(before.code, Some(1 | 4)), "{}", before.describe());
    let mended = fs::read_to_string(module.path("main.go")).expect("read").replace(
        "\tdefer f.Close()\n\t_, err = f.WriteString(text)\n\treturn err\n",
        "\tif _, err := f.WriteString(text); err != nil {\n\t\treturn err\n\t}\n\treturn f.Close()\n",
    );
    module.write("main.go", &mended);
    let built = module.go(&["build", "-o", "notes", "."]);
    assert_eq!(built.code, Some(0), "{}", built.describe());
    let after = module.goinject(&["run", "--quiet", rule], &[]);
    assert_eq!(after.code, Some(0), "{}", after.describe());
}

#[test]
fn a_test_that_writes_into_its_module_gets_a_copy() {
    let module = Module::new("1.27");
    module.write("go.mod", "module example.com/notes\n\ngo 1.21\n");
    module.write(
        "notes/notes.go",
        "package notes\n\nimport \"os\"\n\n//go:noinline\nfunc Note(text string) error {\n\treturn os.WriteFile(\"note.txt\", []byte(text), 0o600)\n}\n",
    );
    module.write(
        "notes/notes_test.go",
        "package notes\n\nimport \"testing\"\n\nfunc TestNote(t *testing.T) {\n\tif err := Note(\"pears\"); err != nil {\n\t\tt.Fatal(err)\n\t}\n}\n",
    );
    let outcome = explore(&module, &["--copy"], &["go", "test", "./..."], &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    assert_eq!(
        results(&module, ".goinject")["counts"],
        serde_json::json!({"reported": 2})
    );
    assert!(!module.path("notes/note.txt").exists());
}

#[test]
fn a_rule_is_swept_over_its_calls() {
    let module = fixture("planted");
    module.write(
        "write.yaml",
        "version: 1\nrules:\n  - function: os.(*File).Write\n    within: [\"example.com/planted.(*Bank).transfer\", \"example.com/planted.(*BankOK).transfer\"]\n    inject:\n      return: {err: {errno: ENOSPC}}\n",
    );
    let sweep = |options: &[&str], command: &[&str]| {
        let mut all = vec!["sweep", "--quiet", "write.yaml"];
        all.extend(options);
        all.push("--");
        all.extend(command);
        module.goinject(&all, &[])
    };
    let outcome = sweep(&["--mode", "once"], &["go", "test", "-run=TestBank", "."]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.describe());
    let results = results(&module, ".goinject");
    let calls = results["points"].as_u64().expect("a number");
    assert!(calls >= 2, "{}", outcome.describe());
    assert_eq!(list(&results, "outcomes").len() as u64, calls);
    let found = findings(&results);
    let expected = [
        "corrupt",
        "os.(*File).Write",
        "example.com/planted.(*Bank).transfer",
    ]
    .map(str::to_owned);
    assert_eq!(found, BTreeSet::from([expected]), "{}", outcome.describe());
    // Each of them is in its rule file.
    let rule = fs::read_to_string(module.path(text(&results["findings"][0], "rule"))).expect("read");
    assert!(rule.contains("when: {nth: "), "{rule}");
    let none = sweep(&[], &["go", "test", "-run=TestFolder", "."]);
    assert_eq!(none.code, Some(4), "{}", none.describe());
}

#[test]
fn what_can_not_be_explored_is_told() {
    let module = fixture("planted");
    let told = |outcome: &Outcome, status: i32, words: &str| {
        assert_eq!(outcome.code, Some(status), "{}", outcome.describe());
        assert!(outcome.stderr.contains(words), "{words}: {}", outcome.describe());
    };
    told(
        &explore(&module, &[], &["go", "vet", "./..."], &[]),
        2,
        "`go` itself is not explored",
    );
    told(
        &explore(&module, &[], &["go", "test", "./nowhere"], &[]),
        3,
        "go list",
    );
    told(&explore(&module, &[], &["./nothing"], &[]), 3, "no such file");
    told(&explore(&module, &["--shard", "4/3"], &FEW, &[]), 2, "1/3");
    told(&explore(&module, &["--budget", "5"], &FEW, &[]), 2, "--budget");
    told(&explore(&module, &["--dry-run"], &FEW, &[]), 0, "fault points");
    let none = ["go", "test", "-run=Nope", "."];
    told(
        &explore(&module, &[], &none, &[]),
        4,
        "no test matches `-run Nope`",
    );
    module.write(
        "broken_test.go",
        "package planted\n\nimport \"testing\"\n\nfunc TestBroken(t *testing.T) { t.Fatal(\"oh no\") }\n",
    );
    told(&explore(&module, &[], &["go", "test", "."], &[]), 4, "oh no");
    module.write("two.yaml", "version: 1\nrules:\n  - {function: os.Open, inject: {panic: true}}\n  - {function: os.Create, inject: {panic: true}}\n");
    told(
        &module.goinject(&["sweep", "two.yaml", "--", "go", "test", "."], &[]),
        2,
        "of one rule",
    );
}
