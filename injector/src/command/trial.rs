//! A trial of an exploration, in a process of its own.

use std::fs;
use std::path::Path;

use super::fail;
use crate::error::ExitCode;
use crate::explore::trial::Request;
use crate::explore::worker;

/// Makes a trial.
pub fn run(request: &Path, record: &Path) -> std::process::ExitCode {
    match carry_out(request, record) {
        Ok(()) => ExitCode::Met.into(),
        Err(error) => fail(ExitCode::Defect, error).into(),
    }
}

fn carry_out(request: &Path, record: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let request: Request = serde_json::from_slice(&fs::read(request)?)?;
    let made = worker::work(&request);
    fs::write(record, serde_json::to_vec(&made)?)?;
    Ok(())
}
