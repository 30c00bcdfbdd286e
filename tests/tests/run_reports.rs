//! The reports of a real run of `go test` against what the same run wrote as events.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use goinject_tests::module::Module;
use goinject_tests::{Outcome, Writer, readers};
use serde_json::{Value, json};

/// A rule whose faults show in several packages, one with a wrong expectation, one that never fires, and one without calls that
/// is not expected to have any.
const RULES: &str = r#"version: 1
name: reports of the shop
rules:
- name: put-fails
  function: example.com/shop/store.(*File).write
  when: {first: 1}
  inject: {return: {"results[1]": {errno: ENOSPC}}}
- name: quota
  function: example.com/shop/store.Quota
  inject: {set: {"results[0]": 0}}
  expect: {fired: 3}
- name: never
  function: example.com/shop/store.(*File).write
  when: {nth: 100000}
  inject: {delay: 1ms}
- name: idle
  function: testing.(*B).doBench
  inject: {delay: 1ms}
  expect: {fired: 0}
"#;

/// A run with every report.
fn run(module: &Module, writer: Writer) -> Outcome {
    module.write("all.yaml", RULES);
    let [json, junit, markdown, html, summary] = [
        "events.jsonl",
        "junit.xml",
        "comment.md",
        "page.html",
        "summary.md",
    ]
    .map(|name| module.path(name));
    let mut command = goinject_tests::goinject::command(["test", "--quiet", "--writer", writer.name()]);
    for (option, file) in [
        ("--json", &json),
        ("--junit", &junit),
        ("--markdown", &markdown),
        ("--html", &html),
    ] {
        command.arg(option).arg(file);
    }
    command.args(["all.yaml", "--", "./..."]);
    let folder = module.path("");
    let _ = fs::remove_file(&summary);
    let settings = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_WORKSPACE", folder.to_str().expect("a path")),
        ("GITHUB_STEP_SUMMARY", summary.to_str().expect("a path")),
    ];
    command.env("GITHUB_ACTIONS", "true");
    let mut outcome = module.run(command, &settings);
    outcome.json = Outcome::lines(&fs::read_to_string(json).expect("events"));
    outcome
}

/// What the events say.
struct Told<'a> {
    rules: Vec<&'a Value>,
    fired: Vec<&'a Value>,
    /// Faults of each test, by its full name and the package of the function that called.
    tests: BTreeMap<String, u64>,
}

impl Told<'_> {
    fn of(outcome: &Outcome) -> Told<'_> {
        let fired: Vec<&Value> = outcome.of_type("fired").collect();
        let mut tests = BTreeMap::<String, u64>::new();
        for event in &fired {
            if let Some(test) = event["test"].as_str() {
                *tests.entry(test.to_owned()).or_default() += 1;
            }
        }
        Told {
            rules: outcome.of_type("rule").collect(),
            fired,
            tests,
        }
    }

    /// Calls, matched, fired, applied and failed calls of a rule, as tables have them.
    fn counts(rule: &Value) -> Vec<String> {
        ["calls", "matched", "fired", "applied", "failed"]
            .map(|counter| rule[counter].to_string())
            .to_vec()
    }
}

fn name(rule: &Value) -> &str {
    rule["rule"].as_str().expect("a name")
}

fn is_met(rule: &Value) -> bool {
    rule["unmet"].as_array().is_none_or(Vec::is_empty)
}

fn texts(row: &Value) -> Vec<&str> {
    let cells = row.as_array().expect("cells").iter();
    cells.map(|cell| cell.as_str().expect("a text")).collect()
}

fn check_junit(path: &Path, told: &Told<'_>) {
    let read = readers::junit(path);
    assert_eq!(read["suites"], json!(["reports of the shop"]));
    let cases = read["cases"].as_array().expect("cases");
    let of_class = |class: &str| {
        let suffix = format!(".{class}");
        let cases = cases.iter();
        let of_class = cases.filter(move |case| case[0].as_str().expect("a class").ends_with(&suffix));
        of_class.collect::<Vec<&Value>>()
    };
    let rules = of_class("rules");
    assert_eq!(rules.len(), told.rules.len(), "{read}");
    for (case, rule) in rules.iter().zip(&told.rules) {
        assert_eq!(case[1], rule["rule"]);
        assert_eq!(case[2][0].is_null(), is_met(rule), "{case}");
        let counts = Told::counts(rule);
        let words = format!("{} calls, {} matched, {} fired", counts[0], counts[1], counts[2]);
        let said = format!("{} {}", case[2][0], case[3]);
        let said = said.replace("1 call,", "1 calls,");
        assert!(said.contains(&words), "{words}: {said}");
    }
    let tests: BTreeSet<String> = of_class("tests")
        .iter()
        .map(|case| case[1].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(tests.len(), told.tests.len(), "{tests:?} {:?}", told.tests);
    for test in told.tests.keys() {
        let end = format!(".{test}");
        assert!(tests.iter().any(|name| name.ends_with(&end)), "{test}: {tests:?}");
    }
    let unmet = told.rules.iter().filter(|rule| !is_met(rule)).count();
    assert_eq!(read["counts"][0][0], json!(cases.len()));
    assert_eq!(read["counts"][0][1], json!(unmet), "{read}");
}

fn check_tables(path: &Path, told: &Told<'_>) -> Value {
    let read = readers::tables(path);
    let rows: Vec<Vec<&str>> = read["rows"].as_array().expect("rows").iter().map(texts).collect();
    for rule in &told.rules {
        let counts = Told::counts(rule);
        let row = rows
            .iter()
            .find(|row| row.contains(&name(rule)) && row.len() >= 7);
        let row = row.unwrap_or_else(|| panic!("{}: no row in {rows:?}", name(rule)));
        let found = row.windows(5).any(|cells| cells == counts.as_slice());
        assert!(found, "{counts:?}: {row:?}");
        let bad = row.iter().any(|cell| cell.contains(", expected"));
        assert_eq!(bad, !is_met(rule), "{row:?}");
    }
    read
}

fn check_run(module: &Module, writer: Writer) {
    let outcome = run(module, writer);
    assert_eq!(outcome.code, Some(1), "{}", outcome.describe());
    let told = Told::of(&outcome);
    let fired: u64 = told
        .rules
        .iter()
        .map(|rule| rule["fired"].as_u64().expect("a count"))
        .sum();
    assert_eq!(fired, told.fired.len() as u64, "{}", outcome.describe());
    let met: Vec<bool> = told.rules.iter().map(|rule| is_met(rule)).collect();
    assert_eq!(met, [true, false, false, true], "{}", outcome.describe());
    assert!(told.tests.len() >= 3, "{:?}", told.tests);

    check_junit(&module.path("junit.xml"), &told);
    let markdown = check_tables(&module.path("comment.md"), &told);
    for (test, count) in &told.tests {
        let end = format!(".{test}");
        let rows: Vec<Vec<&str>> = markdown["rows"]
            .as_array()
            .expect("rows")
            .iter()
            .map(texts)
            .collect();
        let row = rows.iter().find(|row| row[0].ends_with(&end));
        assert_eq!(
            row.map(|row| row[1].to_owned()),
            Some(count.to_string()),
            "{rows:?}"
        );
    }
    let page = check_tables(&module.path("page.html"), &told);
    let events = |row: &&Value| {
        let cells = texts(row);
        cells.len() == 6 && cells[0].ends_with(" s")
    };
    let shown = page["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .filter(events)
        .count();
    assert_eq!(shown, told.fired.len(), "{page}");
    let summary = fs::read_to_string(module.path("summary.md")).expect("a summary");
    let comment = fs::read_to_string(module.path("comment.md")).expect("a comment");
    assert_eq!(summary.trim_end(), comment.trim_end());

    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    let annotations: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("::error file="))
        .collect();
    for rule in ["quota", "never"] {
        let words = format!("::{rule}: fired");
        let found = annotations
            .iter()
            .any(|line| line.starts_with("::error file=all.yaml") && line.contains(&words));
        assert!(found, "{rule}: {annotations:?}");
    }
    let at_call = annotations
        .iter()
        .filter(|line| line.contains("::error file=store/"))
        .count();
    assert!(at_call > 0, "{annotations:?}");
}

#[test]
fn every_report_says_what_the_events_say() {
    let module = Module::copy(
        "1.27",
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/shop"),
    );
    for writer in Writer::ANYWHERE {
        check_run(&module, writer);
    }
}
