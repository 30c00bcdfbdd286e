//! `cargo xtask test`: everything that must pass before a change goes in.

use std::mem;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use clap::Args;

use crate::generate;
use crate::repository::{build_goinject, cargo, locked};
use crate::run::{Result, output, shown_to_user};
use crate::setup::{self, Part, Parts};

#[derive(Args)]
pub(crate) struct Options {
    /// Boot no virtual machines (also: GOINJECT_NO_GUEST=1)
    #[arg(long)]
    no_guest: bool,
    /// Only run the tests: no set-up, formatting, lints or generated files
    #[arg(long)]
    only: bool,
    /// Arguments of cargo nextest, or of cargo test where that is not installed
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// A stage that is over.
struct Stage {
    name: &'static str,
    passed: bool,
    took: Duration,
}

/// Runs the stages one after the other, all of them even after a failure. The tests come last, so that their summary is
/// the last thing printed.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let no_guest = options.no_guest || goinject_lab::guest::refused().is_some();
    let mut stages = Stages::default();
    if !options.only {
        stages.run("set-up", || setup::set_up(&parts(no_guest)).map(|()| true));
        stages.run("format", || {
            shown_to_user(&mut cargo(&["fmt", "--all", "--check"]))
        });
        stages.run("lints", || {
            let clippy = ["clippy", "--quiet", "--workspace", "--all-targets"];
            shown_to_user(cargo(&clippy).args(locked()).args(["--", "-D", "warnings"]))
        });
    }
    // Tests run the program as users have it.
    stages.run("release build", || build_goinject().map(|()| true));
    if !options.only {
        stages.run("generated files", || {
            generate::run(&generate::Options { check: true }).map(|_| true)
        });
        stages.run("documentation tests", || {
            shown_to_user(cargo(&["test", "--quiet", "--workspace", "--doc"]).args(locked()))
        });
    }
    let before = stages.summary();
    let mut tests = tests(&options.arguments);
    if no_guest {
        tests.env("GOINJECT_NO_GUEST", "1");
    }
    let passed = shown_to_user(&mut tests)?;
    Ok(if passed && before {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn parts(no_guest: bool) -> Vec<Part> {
    let mut parts = Parts::all().0;
    if no_guest {
        parts.retain(|part| !matches!(part, Part::Emulator | Part::Kernel(_)));
    }
    parts
}

/// cargo nextest where it is installed, as it runs each test in a process of its own; else cargo test.
fn tests(arguments: &[String]) -> Command {
    let nextest = output(&mut cargo(&["nextest", "--version"])).is_ok_and(|output| output.status.success());
    let mut command = match nextest {
        true => cargo(&["nextest", "run", "--workspace", "--no-fail-fast"]),
        false => cargo(&["test", "--workspace", "--all-targets", "--no-fail-fast"]),
    };
    command.args(locked()).args(arguments);
    command
}

#[derive(Default)]
struct Stages(Vec<Stage>);

impl Stages {
    fn run(&mut self, name: &'static str, stage: impl FnOnce() -> Result<bool>) {
        println!("=== {name}");
        let start = Instant::now();
        let passed = stage().unwrap_or_else(|error| {
            eprintln!("error: {error}");
            false
        });
        self.0.push(Stage {
            name,
            passed,
            took: start.elapsed(),
        });
    }

    /// Prints how it went so far; true when nothing failed.
    fn summary(&mut self) -> bool {
        let stages = mem::take(&mut self.0);
        for Stage { name, passed, took } in &stages {
            let passed = if *passed { "ok" } else { "FAILED" };
            println!("=== {name:<20} {:>6.1} s  {passed}", took.as_secs_f64());
        }
        let failed: Vec<&str> = stages.iter().filter(|s| !s.passed).map(|s| s.name).collect();
        if !failed.is_empty() {
            println!(
                "=== FAILED before the tests: {}; the exit status will say so",
                failed.join(", ")
            );
        }
        println!("=== tests");
        failed.is_empty()
    }
}
