//! The reports of an exploration, each read back by a program that is not ours, or held against a published schema.

use std::fs;
use std::path::{Path, PathBuf};

use goinject_lab::Cache;
use goinject_tests::module::Module;
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn readers() -> PathBuf {
    let readers = Cache::from_env().readers();
    assert!(
        readers.join("sarif-schema-2.1.0.json").is_file(),
        "run `cargo xtask setup --only readers`"
    );
    readers
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).expect("written");
    serde_json::from_str(&text).expect("JSON")
}

/// A document against a schema.
fn check(document: &Value, mut schema: Value) {
    // Nothing is fetched by its name.
    schema.as_object_mut().expect("a schema").remove("$id");
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .expect("a schema");
    let errors: Vec<String> = validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

/// The published schema. One of its patterns, for names of languages, is no regular expression.
fn sarif_schema() -> Value {
    let mut schema = read(&readers().join("sarif-schema-2.1.0.json"));
    for of in ["run", "toolComponent"] {
        let language = schema.pointer_mut(&format!("/definitions/{of}/properties/language"));
        let language = language.and_then(Value::as_object_mut);
        language.expect("as published").remove("pattern");
    }
    schema
}

/// The schema of explorations, but made to refuse fields that it does not know: goinject must not write them.
fn strict() -> Value {
    let mut schema = read(&root().join("schema/explore.schema.json"));
    schema["additionalProperties"] = json!(false);
    for part in schema["$defs"].as_object_mut().expect("parts").values_mut() {
        if part["type"] == "object" {
            part["additionalProperties"] = json!(false);
        }
    }
    schema
}

#[test]
fn an_exploration_writes_the_reports_that_are_asked_for() {
    let module = Module::copy("1.27", &root().join("tests/fixtures/explore/classes"));
    let summary = module.path("summary.md");
    let settings = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_WORKSPACE", ""),
        ("GITHUB_STEP_SUMMARY", summary.to_str().expect("a path")),
    ];
    let explore = |more: &[&str]| {
        let mut arguments = vec!["explore", "--mode", "once", "--junit", "junit.xml"];
        arguments.extend([
            "--sarif",
            "new.sarif",
            "--html",
            "new.html",
            "--markdown",
            "new.md",
        ]);
        arguments.extend(more);
        arguments.extend(["--", "go", "test", "./panic", "./swallowed"]);
        module.goinject(&arguments, &settings)
    };
    let outcome = explore(&[]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    let exploration = read(&module.path(".goinject/explore.json"));
    check(&exploration, strict());
    let findings = exploration["findings"].as_array().expect("findings");
    assert!(!findings.is_empty(), "{exploration}");
    for finding in findings {
        let class = finding["class"].as_str().expect("a class");
        let line = format!("title=goinject%3A {class}::");
        assert!(outcome.stderr.contains(&line), "{}", outcome.stderr);
    }

    let sarif = read(&module.path("new.sarif"));
    let schema = sarif_schema();
    check(&sarif, schema.clone());
    let results = sarif["runs"][0]["results"].as_array().expect("results");
    let ids = |list: &[Value], pointer: &str| -> Vec<Value> {
        list.iter()
            .map(|one| one.pointer(pointer).cloned().expect("an id"))
            .collect()
    };
    assert_eq!(
        ids(results, "/partialFingerprints/goinjectFinding~1v1"),
        ids(findings, "/id")
    );
    for result in results {
        let at = &result["locations"][0]["physicalLocation"]["artifactLocation"];
        assert_eq!(at["uriBaseId"], "%SRCROOT%");
        let uri = at["uri"].as_str().expect("a file");
        assert!(module.path(uri).is_file(), "{uri}");
    }

    let junit = goinject_tests::readers::junit(&module.path("junit.xml"));
    assert_eq!(
        junit["suites"],
        json!(["example.com/classes/panic", "example.com/classes/swallowed"])
    );
    let cases = junit["cases"].as_array().expect("cases");
    assert_eq!(
        Some(cases.len()),
        exploration["outcomes"].as_array().map(Vec::len)
    );
    let failed = |junit: &Value, kind: &str| {
        let cases = junit["cases"].as_array().expect("cases").iter();
        cases.filter(|case| case[2][0][0] == kind).count()
    };
    assert!(failed(&junit, "Failure") >= findings.len() && failed(&junit, "Skipped") == 0);
    let comment = fs::read_to_string(module.path("new.md")).expect("written");
    let summary = fs::read_to_string(&summary).expect("written");
    assert_eq!(summary.trim_end(), comment.trim_end());
    let page = fs::read_to_string(module.path("new.html")).expect("written");
    assert!(
        page.contains("✗ Findings") && page.contains("version: 1"),
        "{page}"
    );

    // What a baseline has is told, but no failure.
    fs::copy(module.path(".goinject/explore.json"), module.path("known.json")).expect("copied");
    let again = explore(&["--baseline", "known.json"]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    let sarif = read(&module.path("new.sarif"));
    check(&sarif, schema);
    let results = sarif["runs"][0]["results"].as_array().expect("results");
    assert!(
        results
            .iter()
            .all(|result| result["baselineState"] == "unchanged")
    );
    assert_eq!(results.len(), findings.len());
    let known = goinject_tests::readers::junit(&module.path("junit.xml"));
    assert_eq!(failed(&known, "Failure"), 0);
    assert_eq!(failed(&known, "Skipped"), failed(&junit, "Failure"));

    let lost = module.goinject(
        &[
            "explore",
            "--sarif",
            "missing/new.sarif",
            "--",
            "go",
            "test",
            "./panic",
        ],
        &[],
    );
    assert_eq!(lost.code, Some(2), "{}", lost.stderr);
    assert!(lost.stderr.contains("missing/new.sarif"), "{}", lost.stderr);
}
