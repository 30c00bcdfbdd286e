//! `cargo xtask test`: everything that must pass before a change goes in.

mod failures;

use std::panic::resume_unwind;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{fmt, mem, thread};

use clap::Args;
use goinject_lab::skips;

use crate::repository::{build_goinject, cargo, locked, target};
use crate::run::{Result, output, shown_by_lines, shown_to_user};
use crate::setup::{self, Part, Parts};
use crate::{dist, generate};

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

impl Stage {
    fn run(name: &'static str, stage: impl FnOnce() -> Result<bool>) -> Stage {
        let start = Instant::now();
        let passed = stage().unwrap_or_else(|error| {
            eprintln!("error: {error}");
            false
        });
        Stage {
            name,
            passed,
            took: start.elapsed(),
        }
    }
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
    // Tests run the program as users have it, and install what is published.
    stages.run("release build", || build_goinject().map(|()| true));
    let packages = || dist::dist(&dist::folder()).map(|()| true);
    if options.only {
        stages.run("packages", packages);
    } else {
        stages.run("generated files", || {
            generate::run(&generate::Options { check: true }).map(|_| true)
        });
        // What is published is linked as a whole, by one processor.
        stages.run_both(
            ("packages", packages),
            ("documentation tests", || {
                shown_to_user(cargo(&["test", "--quiet", "--workspace", "--doc"]).args(locked()))
            }),
        );
    }
    let before = stages.summary();
    let passed = tests(&options.arguments, no_guest)?;
    Ok(if passed && before {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What set-up is to bring.
pub(crate) fn parts(no_guest: bool) -> Vec<Part> {
    let mut parts = Parts::all().0;
    if no_guest {
        parts.retain(|part| !matches!(part, Part::Emulator | Part::Kernel(_)));
    }
    parts
}

/// How many tests cargo nextest runs at a time.
const TEST_THREADS: &str = "NEXTEST_TEST_THREADS";

/// cargo nextest where it is installed, as it runs each test in a process of its own; else cargo test. True when all
/// pass.
fn tests(arguments: &[String], no_guest: bool) -> Result<bool> {
    let nextest = output(&mut cargo(&["nextest", "--version"])).is_ok_and(|output| output.status.success());
    let mut command = match nextest {
        true => cargo(&["nextest", "run", "--workspace", "--no-fail-fast"]),
        false => cargo(&["test", "--workspace", "--all-targets", "--no-fail-fast"]),
    };
    command.args(locked()).args(arguments);
    if no_guest {
        command.env("GOINJECT_NO_GUEST", "1");
    }
    if std::env::var_os(TEST_THREADS).is_none() {
        // Many tests wait for the kernel most of their time.
        let processors = thread::available_parallelism()?.get();
        command.env(TEST_THREADS, (processors + 1).to_string());
    }
    let skipped = std::env::temp_dir().join(format!("goinject-skips-{}", std::process::id()));
    command.env(skips::VARIABLE, &skipped);
    let report = target().join(failures::REPORT);
    // One of a run before would be taken for this one's.
    let _ = std::fs::remove_file(&report);
    let passed = match nextest {
        true => shown_to_user(&mut command)?,
        false => {
            let mut counts = Counts::default();
            let passed = shown_by_lines(&mut command, &mut |line| counts.add(line))?;
            println!("{counts}");
            passed
        }
    };
    let report = std::fs::read_to_string(&report).unwrap_or_default();
    if let Some(failed) = failures::summary(&report) {
        println!("=== {failed}");
    }
    // There is no file where nothing was skipped.
    let notes = std::fs::read_to_string(&skipped).unwrap_or_default();
    let _ = std::fs::remove_file(&skipped);
    if let Some(summary) = skips::summary(&notes) {
        println!("=== {summary}");
    }
    Ok(passed)
}

/// Sums of what the test binaries say: cargo test itself has no summary of all of them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u32,
    failed: u32,
    ignored: u32,
}

impl Counts {
    /// `test result: ok. 10 passed; 0 failed; 1 ignored; …`
    fn add(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        let counts = result.split_once(". ").map_or("", |(_, counts)| counts);
        for count in counts.split("; ") {
            let (number, what) = count.split_once(' ').unwrap_or_default();
            let number = number.parse().unwrap_or(0);
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts {
            passed,
            failed,
            ignored,
        } = self;
        let run = passed + failed;
        write!(
            f,
            "Summary: {run} tests run: {passed} passed, {failed} failed, {ignored} skipped"
        )
    }
}

#[derive(Default)]
struct Stages(Vec<Stage>);

impl Stages {
    fn run(&mut self, name: &'static str, stage: impl FnOnce() -> Result<bool>) {
        println!("=== {name}");
        self.0.push(Stage::run(name, stage));
    }

    /// Two at a time, which build in folders of their own.
    fn run_both<F, S>(&mut self, first: (&'static str, F), second: (&'static str, S))
    where
        F: FnOnce() -> Result<bool> + Send,
        S: FnOnce() -> Result<bool>,
    {
        println!("=== {} and {}", first.0, second.0);
        let both = thread::scope(|scope| {
            let first = scope.spawn(|| Stage::run(first.0, first.1));
            let second = Stage::run(second.0, second.1);
            [first.join().unwrap_or_else(|panic| resume_unwind(panic)), second]
        });
        self.0.extend(both);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_binaries_add_up() {
        let mut counts = Counts::default();
        for line in [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 4 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 2.10s",
        ] {
            counts.add(line);
        }
        assert_eq!(
            counts,
            Counts {
                passed: 7,
                failed: 1,
                ignored: 2
            }
        );
        assert_eq!(
            counts.to_string(),
            "Summary: 8 tests run: 7 passed, 1 failed, 2 skipped"
        );
    }
}
