//! `goinject plan`: the compiled tables, from files alone.

use super::{Told, build_package, fail, make_plan, open_binary, read_rules};
use crate::cli::{Format, PlanArguments};
use crate::error::ExitCode;
use crate::gotest::TestBinary;
use crate::run::target::{Given, Target, TargetError};

/// Prints the plan of a rule file for a binary.
pub fn run(arguments: &PlanArguments) -> ExitCode {
    match print(arguments) {
        Ok(()) => ExitCode::Met,
        Err(code) => code,
    }
}

fn print(arguments: &PlanArguments) -> Told<()> {
    let rules = read_rules(&arguments.file)?;
    let package = &arguments.package;
    let built = package
        .path
        .as_ref()
        .map(|path| build_package(path, &package.flags));
    let built = built.transpose()?;
    let path = match built
        .as_ref()
        .map(TestBinary::path)
        .or(arguments.binary.as_deref())
    {
        Some(path) => path.to_owned(),
        None => Target::choose(&rules, &Given::default())
            .map_err(|error| match error {
                TargetError::None => fail(
                    ExitCode::Invalid,
                    "there is no binary to plan for: write `target: {command: [./program]}` in the rule file, or give `--binary B` or `--package PKG`",
                ),
                error => fail(ExitCode::Invalid, error),
            })?
            .binary()
            .ok_or_else(|| {
                fail(
                    ExitCode::Invalid,
                    "a container may run any number of programs: name one of them with `--binary B`, such as /proc/PID/exe",
                )
            })?,
    };
    let plan = make_plan(&rules, &open_binary(&path, &arguments.debug)?)?;
    match arguments.format {
        Format::Text => super::print(&plan.to_string()),
        Format::Json => super::print_json(&plan),
    }
    Ok(())
}
