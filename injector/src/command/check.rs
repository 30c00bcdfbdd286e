//! `goinject check`: everything that can be wrong, all at once.

use std::path::Path;

use goinject_rules::diagnostic::{Diagnostic, Severity};

use super::{Told, build_package, fail, open_binary, print_diagnostics, refuse_changed, say};
use crate::cli::Check;
use crate::compile::compile;
use crate::engine::select::{EngineChoice, select};
use crate::error::ExitCode;
use crate::go::Binary;
use crate::gotest::TestBinary;
use crate::host;
use crate::resolve::{Resolution, resolve};
use crate::words::{self, count};

/// Checks a rule file, and with a binary also functions, names, types, inlining and the host.
pub fn run(arguments: &Check) -> ExitCode {
    // All of them, whatever is wrong with one. The exit code is that of the worst: mistakes before what the binary
    // does not allow.
    let codes = arguments.files.iter().map(|file| check(file, arguments).err());
    let codes: Vec<ExitCode> = codes.flatten().collect();
    let invalid = codes.iter().find(|code| **code == ExitCode::Invalid);
    *invalid.or(codes.first()).unwrap_or(&ExitCode::Met)
}

fn check(file: &Path, arguments: &Check) -> Told<()> {
    let source = goinject_rules::read(file).map_err(|error| fail(ExitCode::Invalid, error))?;
    let (rules, mut findings) = goinject_rules::parse_in_part(&source);
    let in_file = has_errors(&findings);
    // A binary that can't be opened is one more mistake, told after those of the file.
    let mut binary: Option<Told<Binary>> = None;
    let mut resolution = Resolution::default();
    // Kept until the end: it is removed when dropped.
    let package = arguments.package.path.as_ref().filter(|_| rules.is_some());
    let package = package
        .map(|package| build_package(package, &arguments.package.flags))
        .transpose();
    let path = match &package {
        Ok(built) => built
            .as_ref()
            .map(TestBinary::path)
            .or(arguments.binary.as_deref()),
        Err(code) => {
            binary = Some(Err(*code));
            None
        }
    };
    if let Some(path) = path {
        binary = Some(open_binary(path, &arguments.debug));
        if let (Some(Ok(binary)), Some(rules)) = (&binary, &rules) {
            resolution = resolve(rules, binary);
            refuse_changed(binary)?;
            let in_binary = resolution.findings.iter();
            findings.extend(in_binary.map(|finding| (*finding.diagnostic).clone()));
            findings.sort_by_key(|finding| finding.span.map_or(0, |span| span.start));
        }
    }
    print_diagnostics(&findings, &source);
    if has_errors(&findings) {
        let errors = findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error);
        say(format!(
            "{}: {}",
            file.display(),
            count(errors.count(), "mistake")
        ));
        let in_binary = resolution.failure().unwrap_or(ExitCode::Invalid);
        return Err(if in_file { ExitCode::Invalid } else { in_binary });
    }
    let Some(rules) = rules else {
        return Err(ExitCode::Invalid);
    };
    let good = format!(
        "{}: {}, no mistakes",
        file.display(),
        count(rules.rules.len(), "rule")
    );
    let Some(binary) = binary.transpose()? else {
        say(good);
        return Ok(());
    };
    let plan = compile(&rules, &resolution, &binary);
    say(format!(
        "{good}; {} in {}",
        count(plan.sites_of_rules(), "site"),
        words::path(binary.path())
    ));
    match select(&plan, &host::look(true), EngineChoice::Auto, None, None) {
        Ok(selection) => {
            say(format!("this host would use {}", selection.explanation));
            Ok(())
        }
        Err(error) => Err(fail(ExitCode::Unarmable, error)),
    }
}

fn has_errors(findings: &[Diagnostic]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}
