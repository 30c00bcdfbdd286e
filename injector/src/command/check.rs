//! `goinject check`: everything that can be wrong, all at once.

use super::{Told, make_plan, open_binary, read_rules, say};
use crate::cli::Check;
use crate::engine::select::{EngineChoice, select};
use crate::error::ExitCode;
use crate::host;

/// Checks a rule file, and with a binary also functions, names, types, inlining and the host.
pub fn run(arguments: &Check) -> ExitCode {
    match check(arguments) {
        Ok(()) => ExitCode::Met,
        Err(code) => code,
    }
}

fn check(arguments: &Check) -> Told<()> {
    let rules = read_rules(&arguments.file)?;
    let count = rules.rules.len();
    let plural = if count == 1 { "" } else { "s" };
    let Some(path) = &arguments.binary else {
        say(format!(
            "{}: {count} rule{plural}, no mistakes",
            arguments.file.display()
        ));
        return Ok(());
    };
    let binary = open_binary(path, &arguments.debug)?;
    let plan = make_plan(&rules, &binary)?;
    say(format!(
        "{}: {count} rule{plural}, no mistakes; {} site{} in {}",
        arguments.file.display(),
        plan.sites.len(),
        if plan.sites.len() == 1 { "" } else { "s" },
        path.display(),
    ));
    match select(&plan, &host::look_at_all(), EngineChoice::Auto, None) {
        Ok(selection) => {
            say(format!("this host would use {}", selection.explanation));
            Ok(())
        }
        Err(error) => Err(super::fail(ExitCode::Unarmable, error)),
    }
}
