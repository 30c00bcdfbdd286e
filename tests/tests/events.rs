//! What `run --json` writes, against the committed schema; and the schema against lines that are wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use goinject_tests::{Flags, fixture, goinject};
use serde_json::{Value, json};

const RULES: &str = r#"
version: 1
name: every kind of event
seed: 42
limits: {faults: 2}
rules:
- name: applied
  function: main.scale
  inject: {set: {by: 1.5, place.X: 7}}
- name: observed
  mode: observe
  function: main.scale
  inject: {set: {"results[1]": .nan}}
- name: failed
  function: main.scale
  inject: {set: {config.Next.Limit: 1}}
  expect: {fired: 2..5, failed: 0}
- name: never
  function: main.fail
  inject: {set: {code: 3}}
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The committed schema, but made to refuse fields that it does not know: a reader must take those, and
/// goinject must not write them.
fn strict() -> jsonschema::Validator {
    let text = fs::read_to_string(root().join("schema/events.schema.json")).expect("the committed schema");
    let mut schema: Value = serde_json::from_str(&text).expect("JSON");
    for choice in schema["oneOf"].as_array_mut().expect("one kind each") {
        choice["unevaluatedProperties"] = json!(false);
    }
    jsonschema::validator_for(&schema).expect("a schema")
}

/// The lines of a run of the fixture.
fn lines() -> (Option<i32>, Vec<Value>) {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("rules.yaml");
    let events = folder.path().join("events.jsonl");
    fs::write(&rules, RULES).expect("written");
    let output = Command::new(goinject::program())
        .args(["run", "--engine", "ptrace", "--json"])
        .args([&events, &rules])
        .arg("--")
        .arg(fixture("catalog", "1.27", Flags::default()))
        .output()
        .expect("goinject is built: `cargo build --release`");
    let text = fs::read_to_string(&events)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let lines = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    (output.status.code(), lines.collect())
}

#[test]
fn a_run_writes_what_the_schema_says() {
    let (status, lines) = lines();
    let validator = strict();
    for line in &lines {
        let errors: Vec<String> = validator
            .iter_errors(line)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{line}: {}", errors.join("\n"));
    }
    let types: Vec<&str> = lines.iter().filter_map(|line| line["type"].as_str()).collect();
    assert_eq!(types.first(), Some(&"armed"));
    assert_eq!(types.last(), Some(&"end"));
    assert!(types.contains(&"limit"), "{types:?}");
    let outcomes: Vec<(&str, &str)> = lines
        .iter()
        .filter_map(|line| Some((line["rule"].as_str()?, line["outcome"].as_str()?)))
        .collect();
    assert!(outcomes.contains(&("applied", "applied")), "{outcomes:?}");
    assert!(outcomes.contains(&("failed", "failed")), "{outcomes:?}");
    assert_eq!(lines[0]["seed"], json!(42));
    let failed = lines
        .iter()
        .find(|line| line["type"] == "rule" && line["rule"] == "failed");
    assert_eq!(
        failed.expect("a result for each rule")["unmet"],
        json!([
            {"counter": "fired", "expected": "2..5", "actual": 1},
            {"counter": "failed", "expected": "0", "actual": 1},
        ])
    );
    assert_eq!(lines.last().expect("an end")["exit_code"], json!(1));
    assert_eq!(status, Some(1));
}

#[test]
fn lines_that_are_wrong_are_refused() {
    let (_, lines) = lines();
    let validator = strict();
    let mut tried = 0;
    for line in &lines {
        let fields = line.as_object().expect("an object");
        for name in fields.keys() {
            let mut lacking = fields.clone();
            lacking.remove(name);
            assert!(
                !validator.is_valid(&Value::Object(lacking)),
                "{line} without {name}"
            );
            let mut other = fields.clone();
            other.insert(name.clone(), json!({"x": []}));
            let any_reason = name == "failures";
            assert!(
                any_reason || !validator.is_valid(&Value::Object(other)),
                "{line} with another {name}"
            );
            tried += 1;
        }
        let mut more = fields.clone();
        more.insert("unheard".to_owned(), json!(1));
        assert!(!validator.is_valid(&Value::Object(more)), "{line} with more");
    }
    assert!(tried > 40, "{tried} fields");
}
