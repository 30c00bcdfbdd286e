//! `goinject inspect`: what there is in a binary to write rules about.

use std::borrow::Cow;
use std::path::Path;

use super::{Told, build_package, fail, open_binary, print, print_json, refuse_changed};
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
    let built;
    let (path, function) = match &arguments.package {
        Some(package) => {
            if let Some(function) = &arguments.function {
                let reason = format!(
                    "`--package` takes the place of the binary, so `{function}` is one argument too many"
                );
                return Err(fail(ExitCode::Invalid, reason));
            }
            built = build_package(package, &arguments.flags)?;
            let function = arguments.binary.as_deref().map(Path::to_string_lossy);
            (built.path(), function)
        }
        None => {
            // Asked for by the command line where there is no package.
            let path = arguments.binary.as_deref().unwrap_or(Path::new(""));
            (path, arguments.function.as_deref().map(Cow::from))
        }
    };
    let binary = open_binary(path, &arguments.debug)?;
    let found = find(&binary, function.as_deref());
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
