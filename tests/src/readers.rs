//! Reports read back by programs that are not ours.

use std::path::{Path, PathBuf};
use std::process::Command;

use goinject_lab::Cache;
use serde_json::Value;

/// What junitparser reads of a file, after a schema has let it pass.
///
/// # Panics
/// If it can't be read, or the readers are not set up.
#[must_use]
pub fn junit(path: &Path) -> Value {
    python("read_junit.py", &[path, &fixtures().join("junit.xsd")])
}

/// The tables of a page or of a Markdown file.
///
/// # Panics
/// If it can't be read, or the readers are not set up.
#[must_use]
pub fn tables(path: &Path) -> Value {
    python("read_tables.py", &[path])
}

/// The samples of metrics: name, labels and value each.
///
/// # Panics
/// If they can't be read, or the readers are not set up.
#[must_use]
pub fn metrics(path: &Path) -> Value {
    python("read_metrics.py", &[path])
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/reports")
}

fn python(script: &str, arguments: &[&Path]) -> Value {
    let readers = Cache::from_env().readers();
    assert!(readers.is_dir(), "run `cargo xtask setup --only readers`");
    let output = Command::new("python3")
        .arg(fixtures().join(script))
        .args(arguments)
        .env("PYTHONPATH", readers)
        .output()
        .expect("python3");
    let told = String::from_utf8_lossy(&output.stderr);
    let text = std::fs::read_to_string(arguments[0]).unwrap_or_default();
    assert!(output.status.success(), "{told}\n{text}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}
