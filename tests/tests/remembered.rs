//! What was found out about the host once is not tried again in the same boot.

use std::fs;
use std::path::Path;

use goinject_tests::{Flags, Outcome, fixture, goinject};
use serde_json::{Value, json};

/// A run with a folder for what is remembered, and which engine it took.
fn run(folder: &Path) -> (Outcome, String) {
    let rules = folder.join("rules.yaml");
    let text = "version: 1\nrules:\n- function: main.scale\n  inject: {set: {by: 1.5}}\n";
    fs::write(&rules, text).expect("written");
    let mut command = goinject::command(["run", "--quiet"]);
    command.env("XDG_RUNTIME_DIR", folder).arg(&rules).arg("--");
    command.arg(fixture("catalog", "1.27", Flags::default()));
    let outcome = goinject::Running::start(&mut command).end();
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    let engine = outcome
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("goinject: engine "));
    let engine = engine.expect("an engine").to_owned();
    (outcome, engine)
}

#[test]
fn bpf_is_tried_once_in_a_boot() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("goinject/bpf.json");
    let (_, first) = run(folder.path());
    let read =
        || -> Value { serde_json::from_str(&fs::read_to_string(&file).expect("remembered")).expect("JSON") };
    let mut remembered = read();
    // What is remembered decides.
    remembered["load"] = json!({"no": "it was said so"});
    fs::write(&file, remembered.to_string()).expect("written");
    let (_, second) = run(folder.path());
    assert!(
        second.starts_with(
            "inline, writer trampoline (this kernel refuses goinject's BPF program: it was said so)"
        ),
        "{second}"
    );
    // Not what another boot, program or user has left there.
    remembered["circumstances"]["boot"] = json!("another");
    fs::write(&file, remembered.to_string()).expect("written");
    let engine = |words: &str| words.split_once("; seed").map(|(engine, _)| engine.to_owned());
    let (_, third) = run(folder.path());
    assert_eq!(engine(&third), engine(&first));
    assert_ne!(read()["circumstances"]["boot"], json!("another"));
    // Nor a file that is none.
    fs::write(&file, "{").expect("written");
    let (_, fourth) = run(folder.path());
    assert_eq!(engine(&fourth), engine(&first));
}
