//! `goinject test`: `go test` under rules, as `goinject run FILE -- go test …`.

use super::{fail, run};
use crate::cli::Run;
use crate::error::ExitCode;

/// Runs `go test` with these arguments.
pub fn run(mut arguments: Run) -> std::process::ExitCode {
    if arguments.pid.is_some() || arguments.container.is_some() || arguments.all {
        let reason = "`goinject test` starts `go test` itself: use `goinject run` with `--pid` or `--container` for what runs";
        return fail(ExitCode::Invalid, reason).into();
    }
    arguments.target.splice(..0, ["go".into(), "test".into()]);
    run::run(&arguments)
}
