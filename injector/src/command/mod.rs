//! The commands, one file each, and what they share: rule files read, findings printed.

pub mod check;
pub mod doctor;
pub mod explore;
mod exploring;
pub mod inspect;
pub mod lsp;
pub mod pages;
pub mod pause;
pub mod plan;
pub mod replay;
pub mod run;
pub mod schema;
pub mod sweep;

pub mod test;
pub mod trial;

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use goinject_rules::diagnostic::{Diagnostic, Style, render};
use goinject_rules::model::RuleSet;
use goinject_rules::source::Source;

use crate::cli::DebugInformation;
use crate::compile::compile;
use crate::console;
use crate::error::ExitCode;
use crate::go::{Binary, GoError};
use crate::gotest::{PackageError, TestBinary};
use crate::plan::Plan;
use crate::process;
use crate::resolve::resolve;
use crate::words::{inert, inert_lines};

/// What a command gives up with: already told to the user.
pub type Told<T> = Result<T, ExitCode>;

/// Prints a line of goinject's own to standard error.
pub fn say(line: impl std::fmt::Display) {
    let line = line.to_string();
    console::write(&format!("goinject: {}\n", inert(&line)));
}

/// Prints a command's result to standard output. Somebody who stops reading has seen enough.
pub fn print(text: &str) {
    write_out(&inert_lines(text));
}

fn write_out(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints a command's result as JSON.
pub fn print_json(value: &impl serde::Serialize) {
    let mut json = serde_json::to_string_pretty(value).expect("results have only string keys");
    json.push('\n');
    write_out(&inert_json(&json));
}

/// JSON without what a terminal would obey: all of it stands in texts, where there is another way to write it.
fn inert_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        let mut own = [0; 4];
        match inert_lines(c.encode_utf8(&mut own)) {
            Cow::Borrowed(_) => safe.push(c),
            Cow::Owned(_) => safe.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
    }
    safe
}

/// Prints an error and names the exit code that goes with it.
pub fn fail(code: ExitCode, error: impl std::fmt::Display) -> ExitCode {
    // Some have a line for each reason, which is indented; any other break of a line is part of a name.
    let error = error.to_string();
    let lines: Vec<_> = error.split("\n  ").map(inert).collect();
    console::write(&format!("goinject: error: {}\n", lines.join("\n  ")));
    code
}

/// Reads and checks a rule file; its mistakes and warnings are printed.
pub fn read_rules(path: &Path) -> Told<RuleSet> {
    let source = goinject_rules::read(path).map_err(|error| fail(ExitCode::Invalid, error))?;
    parse_rules(&source)
}

/// Checks the text of a rule file; its mistakes and warnings are printed.
pub fn parse_rules(source: &Source) -> Told<RuleSet> {
    parse_printing(source).map_err(|_| ExitCode::Invalid)
}

/// The same; the mistakes are also for somebody else.
pub fn parse_printing(source: &Source) -> Result<RuleSet, Vec<Diagnostic>> {
    match goinject_rules::parse(source) {
        Ok((rules, warnings)) => {
            print_diagnostics(&warnings, source);
            Ok(rules)
        }
        Err(diagnostics) => {
            print_diagnostics(&diagnostics, source);
            Err(diagnostics)
        }
    }
}

/// Opens a Go binary; what is wrong with it is printed.
pub fn open_binary(path: &Path, debug: &DebugInformation) -> Told<Binary> {
    if let Some(why) = process_of(path).and_then(process::refusal) {
        return Err(fail(ExitCode::Unarmable, why));
    }
    let state = || {
        std::fs::metadata(path)
            .and_then(|now| Ok((now.len(), now.modified()?)))
            .ok()
    };
    let before = state();
    let binary = Binary::open_with_debug(path, debug.path.as_deref()).map_err(|error: GoError| {
        let error = match state() == before {
            true => error.to_string(),
            false => changed(path),
        };
        fail(ExitCode::Unarmable, error)
    })?;
    if binary.version().is_untested() {
        say(format!(
            "warning: {} was built by {}, newer than this release of goinject knows",
            path.display(),
            binary.version().text
        ));
    }
    Ok(binary)
}

/// The process whose program a path of `/proc` stands for.
fn process_of(path: &Path) -> Option<i32> {
    let inside = path.strip_prefix("/proc").ok()?.to_str()?;
    inside.strip_suffix("/exe")?.parse().ok()
}

fn changed(path: &Path) -> String {
    format!(
        "{} was changed while it was read: try again when it is written",
        path.display()
    )
}

/// Tells of a binary that somebody wrote to while it was read: nothing that was found in it counts.
pub fn refuse_changed(binary: &Binary) -> Told<()> {
    match binary.has_changed() {
        true => Err(fail(ExitCode::Unarmable, changed(binary.path()))),
        false => Ok(()),
    }
}

/// Builds the test binary of a package; what is wrong with that is printed.
pub fn build_package(package: &str, flags: &[OsString]) -> Told<TestBinary> {
    say(format!("building the tests of {package}"));
    TestBinary::build(package, flags).map_err(|error| {
        let code = match error {
            PackageError::Several(_) => ExitCode::Invalid,
            _ => ExitCode::Unarmable,
        };
        fail(code, error)
    })
}

/// Resolves and compiles rules against a binary; findings are printed.
pub fn make_plan(rules: &RuleSet, binary: &Binary) -> Told<Plan> {
    let resolution = resolve(rules, binary);
    refuse_changed(binary)?;
    let diagnostics: Vec<Diagnostic> = resolution
        .findings
        .iter()
        .map(|finding| (*finding.diagnostic).clone())
        .collect();
    print_diagnostics(&diagnostics, &rules.source);
    match resolution.failure() {
        Some(code) => Err(code),
        None => Ok(compile(rules, &resolution, binary)),
    }
}

pub(super) fn print_diagnostics(diagnostics: &[Diagnostic], source: &Source) {
    if diagnostics.is_empty() {
        return;
    }
    console::write(&render(diagnostics, source, style()));
}

/// Whether messages are coloured.
pub(super) fn style() -> Style {
    if io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        Style::Coloured
    } else {
        Style::Plain
    }
}
