//! Explorations and their results.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::Outcome;
use crate::module::Module;

/// A module of `fixtures/explore`.
///
/// # Panics
/// If it can't be copied.
#[must_use]
pub fn fixture(name: &str) -> Module {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/explore");
    Module::copy("1.27", &folder.join(name))
}

/// Runs `goinject explore` on a command.
#[must_use]
pub fn explore(module: &Module, options: &[&str], command: &[&str], settings: &[(&str, &str)]) -> Outcome {
    let mut all = vec!["explore", "--quiet"];
    all.extend(options);
    all.push("--");
    all.extend(command);
    module.goinject(&all, settings)
}

/// `explore.json`.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn results(module: &Module, out: &str) -> Value {
    let file = module.path(out).join("explore.json");
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_str(&text).expect("JSON")
}

/// A list of a JSON object.
#[must_use]
pub fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// A text of a JSON object.
#[must_use]
pub fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// The findings as class, function, innermost frame and mode.
#[must_use]
pub fn findings(results: &Value) -> BTreeSet<[String; 3]> {
    list(results, "findings")
        .iter()
        .map(|finding| {
            let caller = text(&finding["stack"][0], "function");
            [text(finding, "class"), text(finding, "function"), caller].map(str::to_owned)
        })
        .collect()
}
