//! `goinject plan`: the compiled tables, from files alone.

use super::{Told, fail, make_plan, open_binary, read_rules};
use crate::cli::{Format, PlanArguments};
use crate::error::ExitCode;
use crate::run::target::Target;

/// Prints the plan of a rule file for a binary.
pub fn run(arguments: &PlanArguments) -> ExitCode {
    match print(arguments) {
        Ok(()) => ExitCode::Met,
        Err(code) => code,
    }
}

fn print(arguments: &PlanArguments) -> Told<()> {
    let rules = read_rules(&arguments.file)?;
    let path = match &arguments.binary {
        Some(path) => path.clone(),
        None => Target::choose(&rules, None, &[])
            .map_err(|error| fail(ExitCode::Invalid, error))?
            .binary(),
    };
    let plan = make_plan(&rules, &open_binary(&path, &arguments.debug)?)?;
    match arguments.format {
        Format::Text => super::print(&plan.to_string()),
        Format::Json => super::print_json(&plan),
    }
    Ok(())
}
