//! The committed JSON Schema against the reader: what one takes the other takes, and what is wrong in
//! shape both refuse.

use std::fs;
use std::path::{Path, PathBuf};

use goinject_rules::source::Source;
use serde_json::Value;

/// Mistakes that no schema can see: they are about meaning, or about two places at once.
const BEYOND_A_SCHEMA: &[&str] = &[
    "callers-glob",
    "container-name",
    "delay-zero",
    "every-behind-until",
    "fired-more-than-calls",
    "fired-more-than-times",
    "fired-of-rule-switched-off",
    "fired-range-reversed",
    "glob-unclosed",
    "if-arithmetic",
    "if-assignment",
    "if-blank",
    "if-block",
    "if-chain",
    "if-constants",
    "if-duration-literal",
    "if-ends-early",
    "if-escaped",
    "if-folded",
    "if-has",
    "if-in",
    "if-len",
    "if-matches",
    "if-nil",
    "if-results-and-parameter",
    "if-results-and-return",
    "if-size-alone",
    "if-tab",
    "if-ternary",
    "if-text-ordered",
    "if-text-unclosed",
    "if-words",
    "limits-below-expectation",
    "name-twice",
    "nth-behind-first",
    "panic-and-set",
    "path-keyword",
    "random-mixed",
    "random-reversed",
    "regex-malformed",
    "return-add",
    "return-and-set",
    "seed-leading-zero",
    "set-twice",
    "signature-brackets",
    "tag",
    "tag-on-mapping",
    "test-glob",
    "value-float-too-large",
    "value-leading-zero",
    "version-float",
    "window-of-calls-empty",
    "window-of-time-empty",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn validator() -> jsonschema::Validator {
    let text = fs::read_to_string(root().join("schema/rules.schema.json")).expect("the committed schema");
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    jsonschema::draft202012::new(&schema).expect("a valid schema")
}

/// The file as an editor sees it: anchors and merge keys resolved, special floats as text.
fn as_json(text: &str) -> Option<Value> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::AsString,
    };
    serde_saphyr::from_str_with_options(text, options).ok()
}

fn yaml_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            yaml_files(&path, found);
        } else if path
            .extension()
            // Files for CI systems are called `.yml` here.
            .is_some_and(|extension| extension == "yaml")
        {
            found.push(path);
        }
    }
    found.sort();
}

fn files(folder: &str) -> Vec<(String, String)> {
    let mut paths = Vec::new();
    yaml_files(&root().join(folder), &mut paths);
    let named = |path: &PathBuf| {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        (name, fs::read_to_string(path).expect("text"))
    };
    paths.iter().map(named).collect()
}

#[test]
fn valid_files_and_examples_fit_the_schema() {
    let validator = validator();
    let valid = files("rules/tests/fixtures/valid");
    assert!(!valid.is_empty());
    for (name, text) in valid.into_iter().chain(files("examples")) {
        let json = as_json(&text).unwrap_or_else(|| panic!("{name} is no YAML"));
        let errors: Vec<String> = validator
            .iter_errors(&json)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{name}: {}", errors.join("\n"));
    }
}

#[test]
fn examples_are_taken_by_the_reader() {
    let mut paths = Vec::new();
    yaml_files(&root().join("examples"), &mut paths);
    for path in paths {
        let source = Source::read(&path).expect("text");
        if let Err(findings) = goinject_rules::parse(&source) {
            panic!("{}", goinject_rules::diagnostic::render_short(&findings, &source));
        }
    }
}

#[test]
fn invalid_files_do_not_fit_the_schema() {
    let validator = validator();
    let mut complaints = Vec::new();
    let invalid = files("rules/tests/fixtures/invalid");
    for (name, text) in &invalid {
        // What is no YAML never comes to the schema.
        let Some(json) = as_json(text) else { continue };
        let fits = validator.is_valid(&json);
        match (fits, BEYOND_A_SCHEMA.contains(&name.as_str())) {
            (true, false) => complaints.push(format!("{name} fits the schema")),
            (false, true) => {
                complaints.push(format!("{name} is listed as beyond a schema, but refused by it"))
            }
            _ => {}
        }
    }
    for name in BEYOND_A_SCHEMA {
        if !invalid.iter().any(|(file, _)| file == name) {
            complaints.push(format!("{name} is listed, but there is no such file"));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
