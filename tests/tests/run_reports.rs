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
fn run(module: &Module, writer: Writer, rules: &str) -> Outcome {
    module.write("all.yaml", rules);
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
    let outcome = run(module, writer, RULES);
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

/// Mistakes in a file of rules, and what every report says of each: its rule, its line, its words.
fn check_mistakes(module: &Module, rules: &str, code: i32, mistakes: &[(&str, u64, &str)]) {
    let outcome = run(module, Writer::Breakpoints, rules);
    assert_eq!(outcome.code, Some(code), "{}", outcome.describe());
    let told: Vec<(&str, u64, &str)> = outcome
        .of_type("error")
        .map(|error| {
            (
                error["rule"].as_str().unwrap_or_default(),
                error["line"].as_u64().unwrap_or_default(),
                error["message"].as_str().expect("words"),
            )
        })
        .collect();
    let is_told = |(rule, line, words): &(&str, u64, &str)| {
        let same = |told: &(&str, u64, &str)| told.0 == *rule && told.1 == *line && told.2.contains(words);
        told.iter().any(same)
    };
    assert!(mistakes.iter().all(is_told), "{told:?}");
    assert_eq!(told.len(), mistakes.len(), "{told:?}");

    let read = readers::junit(&module.path("junit.xml"));
    let cases = read["cases"].as_array().expect("cases");
    let [comment, summary, page] = ["comment.md", "summary.md", "page.html"]
        .map(|name| fs::read_to_string(module.path(name)).expect("a report"));
    assert!(comment.starts_with("## ❌ goinject: all.yaml\n"), "{comment}");
    assert_eq!(summary.trim_end(), comment.trim_end());
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    for (rule, line, words) in mistakes {
        // As texts are told apart from markup, differently in each.
        let plain = words.trim_matches('`');
        let case = cases.iter().find(|case| match *rule {
            "" => case[1] == "run",
            rule => case[1] == rule,
        });
        let case = case.unwrap_or_else(|| panic!("{rule}: {read}")).to_string();
        assert!(case.contains("Error") && case.contains(plain), "{case}");
        assert!(case.contains(&format!("all.yaml:{line}:")), "{case}");
        assert!(comment.contains(&format!("all.yaml&#58;{line}")), "{comment}");
        assert!(page.contains(&format!("all.yaml:{line}")), "{page}");
        let annotation = format!("::error file=all.yaml,line={line},");
        let annotated = said
            .lines()
            .any(|line| line.starts_with(&annotation) && line.contains(plain));
        assert!(annotated, "{said}");
    }
}

#[test]
fn what_cannot_be_armed_is_in_every_report() {
    let module = Module::copy(
        "1.27",
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/shop"),
    );
    // In no program of the run.
    let quota = "version: 1\nrules:\n- name: quota\n  function: example.com/shop/store.Quota\n";
    let gone = "- name: gone\n  function: example.com/shop/store.Gone\n  inject: {delay: 1ms}\n";
    let acting = format!("{quota}  inject: {{set: {{\"results[0]\": 50}}}}\n");
    let words = "there is no function";
    check_mistakes(
        &module,
        &format!("version: 1\nrules:\n{gone}"),
        3,
        &[("gone", 4, words)],
    );
    // The other rule acts.
    check_mistakes(&module, &format!("{acting}{gone}"), 3, &[("gone", 7, words)]);
    // It does not fit.
    let unfit = format!("{quota}  inject: {{set: {{\"results[0]\": many}}}}\n");
    check_mistakes(&module, &unfit, 2, &[("quota", 5, "many")]);
    // Nothing runs.
    let unknown = format!("{acting}  whn: {{nth: 1}}\n");
    check_mistakes(&module, &unknown, 2, &[("quota", 6, "a rule has no key")]);
}
