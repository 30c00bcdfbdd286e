//! What is published, as `cargo xtask dist` makes it: each package is installed and used by the programs that people do
//! that with.

mod action;
mod chaos_toolkit;
mod empty_root;
mod engines;
mod image;
mod installed;
mod kubernetes;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use goinject_lab::Cache;
use goinject_tests::{Flags, Tally, fixture};

/// The folder with all that is published.
fn folder() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
    let folder = target.join("packages");
    assert!(
        folder.join("SHA256SUMS").is_file(),
        "{} is missing: run `cargo xtask dist`, or `cargo xtask test`, which does",
        folder.display()
    );
    folder.canonicalize().expect("it is there")
}

/// The package whose name ends so.
fn package(ending: &str) -> PathBuf {
    let found = fs::read_dir(folder())
        .expect("readable")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.to_string_lossy().ends_with(ending));
    found.unwrap_or_else(|| panic!("there is no {ending} among the packages"))
}

/// The static program.
fn program() -> PathBuf {
    folder().join("goinject")
}

/// A Go program without shared libraries, which runs until its standard input ends and checks each of its calls.
fn target() -> PathBuf {
    fixture("busy", "1.27", Flags::default())
}

/// Replaces a number, and an error where the program expects that, in each of a thousand calls.
const RULES: &str = "\
version: 1
limits: {faults: 1000}
rules:
- {name: number, function: main.number, inject: {set: {n: 1000003, on: false}}, expect: {fired: 1000}}
";

/// Runs a command to its end; it must succeed.
fn succeeds(command: &mut Command) -> String {
    let output = output(command);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{out}\n{err}",
        output.status
    );
    out
}

fn output(command: &mut Command) -> Output {
    command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Why containers and other roots can't be made here, which is counted as a skip; none where they can.
fn no_namespaces() -> Option<String> {
    let output = output(Command::new("unshare").args(["--mount", "--pid", "--fork", "true"]));
    let why = (!output.status.success()).then(|| text(&output.stderr).trim().to_owned());
    if let Some(why) = &why {
        Tally::skip("packages", why);
    }
    why
}

/// Python with what set-up has installed for tests.
fn python() -> Command {
    let readers = Cache::from_env().readers();
    assert!(
        readers.join("chaostoolkit").is_dir(),
        "run `cargo xtask setup --only readers`"
    );
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", readers);
    python
}
