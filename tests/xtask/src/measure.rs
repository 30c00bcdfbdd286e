//! `cargo xtask bench` and `cargo xtask stress`: long runs, which are test binaries of their own and no part of `test`.

use std::process::ExitCode;

use clap::Args;
use goinject_lab::Toolchain;

use crate::repository::{build_goinject, cargo, root};
use crate::run::{Error, Result, shown_to_user};
use crate::setup::{self, Part, Parts};
use crate::test::parts;

#[derive(Args)]
pub(crate) struct BenchOptions {
    /// Only benchmarks with this in their name
    name: Option<String>,
}

#[derive(Args)]
pub(crate) struct StressOptions {
    /// How long each of them goes on
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    seconds: u64,
    /// The seed to start from, to repeat a run
    #[arg(long)]
    seed: Option<u64>,
    /// In virtual machines, too
    #[arg(long)]
    guest: bool,
    /// Only those with this in their name
    name: Option<String>,
}

pub(crate) fn bench(options: &BenchOptions) -> Result<ExitCode> {
    let mut parts = parts(goinject_lab::guest::refused().is_some());
    // And the one that other tools are compared with.
    let measured = [Toolchain::newest().version, "1.19"];
    parts.retain(|part| !matches!(part, Part::Go(go) if !measured.contains(&go.version)));
    setup::set_up(&parts)?;
    run("bench", options.name.as_deref(), &[])
}

pub(crate) fn stress(options: &StressOptions) -> Result<ExitCode> {
    let mut parts = Parts::all().0;
    if !options.guest {
        parts.retain(|part| matches!(part, Part::Build | Part::Go(_)));
    }
    setup::set_up(&parts)?;
    let mut environment = vec![("GOINJECT_STRESS_SECONDS", options.seconds.to_string())];
    environment.extend(
        options
            .seed
            .map(|seed| ("GOINJECT_STRESS_SEED", seed.to_string())),
    );
    if !options.guest {
        environment.push(("GOINJECT_NO_GUEST", "1".to_owned()));
    }
    for binary in ["stress", "value_stress", "table", "kills"] {
        let code = run(binary, options.name.as_deref(), &environment)?;
        if code != ExitCode::SUCCESS {
            return Ok(code);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs a test binary of `tests/tests`, one test after the other and with their output: each wants the machine to itself.
fn run(binary: &str, name: Option<&str>, environment: &[(&str, String)]) -> Result<ExitCode> {
    let sources = [
        format!("tests/tests/{binary}.rs"),
        format!("tests/tests/{binary}/main.rs"),
    ];
    if !sources.iter().any(|source| root().join(source).is_file()) {
        return Err(Error::new(format!("{} is not in this checkout", sources[0])));
    }
    build_goinject()?;
    // As `test` builds them, so that nothing is built twice: what counts is goinject, and that is the release.
    let mut test = cargo(&["test", "--package", "goinject-tests", "--test", binary]);
    test.args(["--", "--ignored", "--nocapture", "--test-threads", "1"])
        .args(name);
    test.envs(environment.iter().map(|(name, value)| (name, value)));
    Ok(if shown_to_user(&mut test)? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
