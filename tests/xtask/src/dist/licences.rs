//! Whose code is in a static program, and the licences that must come with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::repository::{cargo, locked};
use crate::run::{Error, Result, captured};

/// Libraries of the system that are linked statically; the source of goinject and these makes a program with other versions
/// of them, which is what their licences ask for.
const LIBRARIES: &str = "\
Besides crates, the program has in it, from the system that it was built on:

  glibc   GNU Lesser General Public License 2.1 or later
  libelf  GNU Lesser General Public License 3 or later, or GNU General Public License 2 or later
  zlib    zlib licence
  libgcc  GNU General Public License 3 or later with the GCC Runtime Library Exception

To have it with other versions of these, build goinject from source: `cargo xtask dist`.
";

/// A text with each crate, its licence, and each licence text once.
pub(crate) fn third_parties() -> Result<String> {
    let crates = crates()?;
    let mut list = String::from("goinject is built from these crates:\n\n");
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, package) in &crates {
        let licence = package["license"].as_str().unwrap_or("see below");
        list.push_str(&format!("  {name}  {licence}\n"));
        let manifest = package["manifest_path"].as_str().unwrap_or_default();
        for text in licence_texts(Path::new(manifest))? {
            texts.entry(text).or_default().push(name.clone());
        }
    }
    list.push_str(&format!("\n{LIBRARIES}"));
    for (text, names) in texts {
        let line = "-".repeat(78);
        list.push_str(&format!(
            "\n{line}\n{}\n\n{}\n",
            names.join(", "),
            text.trim_end()
        ));
    }
    Ok(list)
}

/// Crates that end up in the program, by name and version.
fn crates() -> Result<BTreeMap<String, Value>> {
    let tree = [
        "tree",
        "--package",
        "goinject",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ];
    let tree = captured(cargo(&tree).args(locked()))?;
    let linked: BTreeSet<(String, String)> = tree
        .lines()
        .filter(|line| !line.contains("(proc-macro)"))
        .filter_map(|line| {
            let (name, rest) = line.split_once(" v")?;
            Some((name.to_owned(), rest.split(' ').next()?.to_owned()))
        })
        .collect();
    let metadata = captured(cargo(&["metadata", "--format-version", "1"]).args(locked()))?;
    let mut metadata: Value =
        serde_json::from_str(&metadata).map_err(|error| Error::new(format!("cargo metadata: {error}")))?;
    let Value::Array(packages) = metadata["packages"].take() else {
        return Err(Error::new("cargo metadata has no packages"));
    };
    let text = |package: &Value, field: &str| package[field].as_str().unwrap_or_default().to_owned();
    Ok(packages
        .into_iter()
        .filter(|package| !package["source"].is_null())
        .map(|package| ((text(&package, "name"), text(&package, "version")), package))
        .filter(|(key, _)| linked.contains(key))
        .map(|((name, version), package)| (format!("{name} {version}"), package))
        .collect())
}

fn licence_texts(manifest: &Path) -> Result<Vec<String>> {
    let Some(folder) = manifest.parent() else {
        return Ok(Vec::new());
    };
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_uppercase();
        let is_one = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"]
            .iter()
            .any(|word| name.starts_with(word));
        if is_one && path.is_file() {
            texts.push(String::from_utf8_lossy(&fs::read(path)?).replace('\r', ""));
        }
    }
    Ok(texts)
}
