//! Where rules stop on the way from a call to a fault, in words and in numbers, on both engines.

use std::fs;
use std::process::Command;

use goinject_tests::{Flags, Outcome, Writer, fixture, goinject};
use serde_json::{Value, json};

/// `main.work` is called nine times with 1 to 9, and then once with 0 by `main.outer`; its pointer is always nil.
const RULES: &str = r#"
version: 1
name: every place to stop
seed: 1
rules:
- {name: never called, function: main.unused, inject: {set: {n: 1}}}
- {name: none called, function: {glob: "main.{unused,reserve}"}, inject: {set: {n: 1}}}
- {name: one part is false, function: main.work, if: 'n >= 0 && note == "elsewhere"', inject: {set: {n: 1}}}
- {name: parts exclude each other, function: main.work, if: n > 5 && n < 3, inject: {set: {n: 1}}}
- {name: a part is skipped, function: main.work, if: n > 100 && note != "", inject: {set: {n: 1}}}
- {name: unreadable, function: main.work, if: none.size > 3, inject: {set: {n: 1}}}
- {name: elsewhere, function: main.work, within: main.unused, inject: {set: {n: 1}}}
- {name: not due, function: main.work, if: n > 0, when: {nth: 100}, inject: {set: {n: 1}}}
- {name: wrong time, function: main.work, when: {after: 1h}, inject: {set: {n: 1}}}
- {name: bad luck, function: main.work, when: {probability: 0.000001}, inject: {set: {n: 1}}}
- {name: too seldom, function: main.work, when: {every: 3}, inject: {set: {note: short}}, expect: {fired: 5}}
- {name: refused, function: main.work, inject: {set: {none.size: 3}}}
- {name: within outer, function: main.work, within: main.outer, inject: {set: {n: 1000}}, expect: {fired: 1}}
- {name: only watched, function: main.work, mode: observe, if: n > 7, inject: {set: {n: 5}}, expect: {fired: "2..3"}}
"#;

fn run(writer: Writer) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let (rules, events) = (
        folder.path().join("rules.yaml"),
        folder.path().join("events.jsonl"),
    );
    fs::write(&rules, RULES).expect("written");
    let mut command = goinject::command(["run", "--quiet", "--writer", writer.name(), "--json"]);
    command.args([&events, &rules]).arg("--");
    command.arg(fixture("funnel", "1.27", Flags::default()));
    let mut outcome = goinject::Running::start(&mut command).end();
    outcome.json = Outcome::lines(&fs::read_to_string(events).unwrap_or_default());
    outcome
}

/// What goinject said after the lines on arming, which differ from run to run.
fn summary(outcome: &Outcome) -> String {
    let lines = outcome.stderr.lines();
    let lines = lines.skip_while(|line| !line.contains("rule ") || !line.contains("calls"));
    let lines = lines.filter(|line| !line.contains("to repeat:"));
    lines.fold(String::new(), |text, line| text + line + "\n")
}

/// The numbers of each rule, without its name.
fn numbers(outcome: &Outcome) -> Vec<Value> {
    outcome.of_type("rule").cloned().collect()
}

#[test]
fn each_rule_says_where_it_stopped() {
    let outcome = run(Writer::Breakpoints);
    assert_eq!(outcome.code, Some(1), "{}", outcome.describe());
    insta::assert_snapshot!("summary", summary(&outcome));
}

#[test]
fn events_say_it_too() {
    let outcome = run(Writer::Breakpoints);
    let of = |name: &str| {
        let found = numbers(&outcome).into_iter().find(|line| line["rule"] == name);
        found.unwrap_or_else(|| panic!("no result of {name}: {}", outcome.describe()))
    };
    assert_eq!(of("never called")["calls"], 0);
    let part = of("one part is false");
    assert_eq!(
        part["tests"],
        json!([
            {"text": "n >= 0", "tested": 10, "held": 10, "unreadable": 0},
            {"text": "note == \"elsewhere\"", "tested": 10, "held": 0, "unreadable": 0},
        ])
    );
    assert_eq!((&part["calls"], &part["matched"]), (&json!(10), &json!(0)));
    assert_eq!(of("unreadable")["held_back"], json!({"unreadable": 10}));
    assert_eq!(of("elsewhere")["held_back"], json!({"within": 10}));
    assert_eq!(of("not due")["held_back"], json!({"calls": 9}));
    assert_eq!(of("wrong time")["held_back"], json!({"window": 10}));
    assert_eq!(of("bad luck")["held_back"], json!({"probability": 10}));
    assert_eq!(of("too seldom")["held_back"], json!({"calls": 7}));
    let refused = of("refused");
    assert_eq!(refused["failures"], json!({"a pointer on the way was nil": 10}));
    assert_eq!((&refused["fired"], &refused["applied"]), (&json!(10), &json!(0)));
    assert_eq!(of("within outer")["applied"], 1);
    // 1 to 9 and "from main" nine times, but "short" three times of them; 1000 and "from outer".
    assert_eq!(outcome.stdout, format!("{}\n", 45 + 6 * 9 + 3 * 5 + 1010));
}

#[test]
fn both_engines_stop_at_the_same_places() {
    let bpf = run(Writer::Tracer);
    if !loads_bpf() {
        assert_eq!(bpf.code, Some(3), "{}", bpf.describe());
        goinject_tests::Tally::skip("the funnel by BPF", "this host loads no BPF");
        return;
    }
    let ptrace = run(Writer::Breakpoints);
    assert_eq!(ptrace.code, Some(1), "{}", ptrace.describe());
    assert_eq!(numbers(&bpf), numbers(&ptrace), "{}", bpf.describe());
    assert_eq!(summary(&bpf), summary(&ptrace));
    assert_eq!(bpf.stdout, ptrace.stdout);
}

fn loads_bpf() -> bool {
    let doctor = Command::new(goinject::program())
        .arg("doctor")
        .output()
        .expect("goinject runs");
    let text = String::from_utf8_lossy(&doctor.stdout);
    let engine = text.lines().find(|line| line.starts_with("engine bpf"));
    engine.expect("doctor tells of each engine").contains("yes")
}
