//! `goinject doctor`: what this host allows, with the reason and the remedy.

use super::{print, print_json};
use crate::cli::{Doctor, Format};
use crate::doctor::Diagnosis;
use crate::error::ExitCode;

/// Prints what this host allows; without any engine that is exit code 3.
pub fn run(arguments: &Doctor) -> ExitCode {
    let diagnosis = Diagnosis::make();
    match arguments.format {
        Format::Text => print(&diagnosis.to_string()),
        Format::Json => print_json(&diagnosis),
    }
    if diagnosis.has_engine() {
        ExitCode::Met
    } else {
        ExitCode::Unarmable
    }
}
