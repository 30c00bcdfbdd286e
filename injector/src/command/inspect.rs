//! `goinject inspect`: what there is in a binary to write rules about.

use super::{Told, fail, open_binary, print, print_json, refuse_changed};
use crate::cli::{Format, Inspect};
use crate::error::ExitCode;
use crate::inspect::{NotFound, find};

/// Lists functions, or shows one, or a type.
pub fn run(arguments: &Inspect) -> ExitCode {
    match inspect(arguments) {
        Ok(()) => ExitCode::Met,
        Err(code) => code,
    }
}

fn inspect(arguments: &Inspect) -> Told<()> {
    let binary = open_binary(&arguments.binary, &arguments.debug)?;
    let found = find(&binary, arguments.function.as_deref());
    refuse_changed(&binary)?;
    let found = found.map_err(|error| {
        let code = match error {
            NotFound::Malformed(_) => ExitCode::Invalid,
            _ => ExitCode::Unarmable,
        };
        fail(code, error)
    })?;
    match arguments.format {
        Format::Text => print(&found.to_string()),
        Format::Json => print_json(&found),
    }
    Ok(())
}
