//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Parser, Subcommand, ValueEnum};

use goinject_rules::units::parse_duration;

use crate::container;
use crate::engine::select::{EngineChoice, WriterChoice};
use crate::explore::class::Class;
use crate::explore::program::Scope;
use crate::report::exploration;
use crate::report::metrics;
use crate::report::outputs::Reports;

/// Declarative fault injection for Go programs.
#[derive(Debug, Parser)]
#[command(name = "goinject", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// What the process was called with. Does not return if that is wrong, or asks for help.
    #[must_use]
    pub fn of_process() -> Cli {
        Cli::of(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    fn of(arguments: impl Iterator<Item = OsString>) -> Result<Cli, clap::Error> {
        let arguments: Vec<OsString> = arguments.collect();
        Cli::try_parse_from(&arguments).map_err(|mut error| {
            let command = arguments.get(1).and_then(|command| command.to_str());
            if let Some(tip) = tip(&error, command.unwrap_or_default()) {
                let tips = vec![StyledStr::from(tip)];
                error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
            }
            error
        })
    }
}

/// What to write for a program that stands where only options may.
fn tip(error: &clap::Error, command: &str) -> Option<String> {
    let Some(ContextValue::String(unexpected)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    if error.kind() != ErrorKind::UnknownArgument || unexpected.starts_with('-') {
        return None;
    }
    match command {
        "run" | "explore" | "sweep" => Some(format!("put `--` before the command to run: `-- {unexpected}`")),
        "test" => Some(format!(
            "put `--` before arguments of `go test`: `-- {unexpected}`"
        )),
        "plan" => Some(format!("name the program with `--binary {unexpected}`")),
        _ => None,
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a command, or attach to a process, under the rules
    Run(Run),
    /// Run `go test` under the rules
    ///
    /// The same as `goinject run FILE -- go test ARGUMENTS`.
    #[command(
        mut_arg("pid", |pid| pid.hide(true)),
        mut_arg("container", |container| container.hide(true)),
        mut_arg("all", |all| all.hide(true)),
        mut_arg("target", |target| target.value_name("ARGUMENT").help("Arguments of `go test`, such as `-race ./...`"))
    )]
    Test(Run),
    /// Repeat a recorded run and report the faults that did not occur again
    Replay(Replay),
    /// Find calls that can fail, make each of them fail, and judge the outcome
    Explore(Explore),
    /// Try a rule at its first, second and each further call, one run each, and judge the outcomes
    Sweep(Sweep),
    /// Report all mistakes in rule files at once
    Check(Check),
    /// Print what the rules compile to: sites, locations, writes; needs no privileges
    Plan(PlanArguments),
    /// List the functions of a binary, or one function's parameters, types and locations
    Inspect(Inspect),
    /// Show what this host allows for each engine, with the reason and the remedy
    Doctor(Doctor),
    /// Print the JSON Schema of rule files, of events, or of explorations
    Schema(Schema),
    /// Language server for editors: diagnostics, completion and hover over standard input and output
    Lsp(Lsp),
    /// Print what makes a shell complete goinject's command line
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page of a command, or write all pages into a folder
    Man(Man),
    /// Do nothing until a signal ends it: for a container in which others run goinject
    Pause,
    /// Take breakpoints out if goinject is killed (started by goinject itself)
    #[command(name = crate::engine::guard::COMMAND, hide = true)]
    Guard,
    /// End goinject if it does not go on (started by goinject itself)
    #[command(name = crate::run::watchdog::COMMAND, hide = true)]
    Watchdog {
        /// Milliseconds to wait for a sign of life
        lease: u64,
    },
    /// Make a trial (started by goinject itself)
    #[command(name = crate::explore::trial::COMMAND, hide = true)]
    Trial {
        /// What to try
        request: PathBuf,
        /// Where to write what came of it
        record: PathBuf,
    },
}

/// Where debug information is, if not in the binary.
#[derive(Debug, Default, Args)]
pub struct DebugInformation {
    /// Separate debug file of the binary, or a folder to search for it by build ID
    ///
    /// Without it, a binary that has no debug information is looked up under /usr/lib/debug by its
    /// build id, and by its debug link.
    #[arg(long = "debug", value_name = "FILE")]
    pub path: Option<PathBuf>,
}

/// A package whose test binary is looked into.
#[derive(Debug, Default, Args)]
pub struct Package {
    /// Build the test binary of this package and use it as the binary
    #[arg(
        id = "package",
        long = "package",
        value_name = "PKG",
        conflicts_with = "binary"
    )]
    pub path: Option<String>,
    /// With --package, build flags for it, such as `-race` or `-tags=integration`
    #[arg(last = true, requires = "package", value_name = "BUILD FLAG")]
    pub flags: Vec<OsString>,
}

/// `goinject run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The rule file
    pub file: PathBuf,
    /// Attach to this process instead of the file's target
    #[arg(long, value_name = "PID", conflicts_with = "target")]
    pub pid: Option<i32>,
    /// Attach to this container instead: its name or the beginning of its id, or a pod on this node as
    /// NAMESPACE/POD[/CONTAINER]
    #[arg(long, value_name = "NAME", conflicts_with_all = ["target", "pid"])]
    pub container: Option<container::Name>,
    /// With a container: every process of it that has the functions, those that appear later included
    #[arg(long, conflicts_with_all = ["target", "pid"])]
    pub all: bool,
    /// The engine to use
    #[arg(long, value_enum, default_value_t)]
    pub engine: EngineChoice,
    /// The writer; by default the best one that the host allows
    #[arg(long, value_enum, value_name = "NAME")]
    pub writer: Option<WriterChoice>,
    /// The seed for all random decisions, instead of the rule file's or a random one
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Which reports to write
    #[command(flatten)]
    pub reports: Reports,
    /// Where to give metrics
    #[command(flatten)]
    pub metrics: metrics::Wanted,
    /// End the faults when goinject has not gone on for so long, because it was stopped or hangs, by ending goinject; 0 for never
    #[arg(long, value_name = "TIME", value_parser = lease, default_value = "30s")]
    pub lease: Lease,
    /// Exit with the target's status where goinject's own would be 0
    #[arg(long)]
    pub exit_from_target: bool,
    /// Count a limit that ended the faults as success: exit code 0 in the place of 5
    #[arg(long)]
    pub until_limit: bool,
    /// Print no events, only the result
    #[arg(long, short)]
    pub quiet: bool,
    /// Where debug information is, if not in the binary
    #[command(flatten)]
    pub debug: DebugInformation,
    /// The command to run instead of the file's target
    #[arg(last = true, value_name = "CMD")]
    pub target: Vec<OsString>,
}

/// `goinject replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// The events of the run, as `--json` wrote them
    #[arg(value_name = "EVENTS")]
    pub events: PathBuf,
    /// The engine, instead of the recorded choice
    #[arg(long, value_enum)]
    pub engine: Option<EngineChoice>,
    /// The writer, instead of the recorded choice
    #[arg(long, value_enum, value_name = "NAME")]
    pub writer: Option<WriterChoice>,
    /// Which reports to write
    #[command(flatten)]
    pub reports: Reports,
    /// Print no events, only the result
    #[arg(long, short)]
    pub quiet: bool,
    /// The command to run instead of the recorded one
    #[arg(last = true, value_name = "CMD")]
    pub target: Vec<OsString>,
}

/// `goinject explore`.
#[derive(Debug, Args)]
pub struct Explore {
    /// Which functions are made to fail
    #[arg(long, value_enum, default_value_t)]
    pub scope: Scope,
    /// What is common to explorations
    #[command(flatten)]
    pub common: Exploring,
    /// The command: `go test` with its arguments, or one that ends by itself
    #[arg(last = true, required = true, value_name = "CMD")]
    pub target: Vec<OsString>,
}

/// `goinject sweep`.
#[derive(Debug, Args)]
pub struct Sweep {
    /// The rule file, with one rule without `when`
    pub file: PathBuf,
    /// What is common to explorations
    #[command(flatten)]
    pub common: Exploring,
    /// The command to run instead of the file's target
    #[arg(last = true, value_name = "CMD")]
    pub target: Vec<OsString>,
}

/// What is common to `goinject explore` and `goinject sweep`.
#[derive(Debug, Args)]
pub struct Exploring {
    /// One call fails, or that call and all later ones; by default both are tried
    #[arg(long, value_enum, value_name = "MODE")]
    pub mode: Option<Mode>,
    /// Number of parallel trials; by default the number of processors
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Stop after this time, such as `5m`
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub budget: Option<Duration>,
    /// Try only this part of the faults, such as `1/3`
    #[arg(long, value_name = "N/M", value_parser = shard)]
    pub shard: Option<Shard>,
    /// Continue an exploration that was interrupted
    #[arg(long)]
    pub resume: bool,
    /// Do not report findings that are in this explore.json
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Start with what changed since this git revision
    #[arg(long, value_name = "REF")]
    pub changed: Option<String>,
    /// Classes that lead to exit code 1; by default all findings
    #[arg(long, value_enum, value_name = "CLASSES", value_delimiter = ',')]
    pub fail_on: Vec<Class>,
    /// How often a finding must be reproduced to count as one
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub repeat: u8,
    /// Stop a trial after this time; by default it depends on how long its test takes
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Give each trial a copy of the module to run in, for tests that write into it
    #[arg(long)]
    pub copy: bool,
    /// Folder for results, rule files and state
    #[arg(long, value_name = "FOLDER", default_value = ".goinject")]
    pub out: PathBuf,
    /// List the faults that would be tried, and try none
    #[arg(long)]
    pub dry_run: bool,
    /// The engine of trials
    #[arg(long, value_enum, default_value = "ptrace")]
    pub engine: EngineChoice,
    /// The seed of every chance decision
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Which reports to write
    #[command(flatten)]
    pub reports: exploration::outputs::Reports,
    /// Print only findings and the summary
    #[arg(long, short)]
    pub quiet: bool,
}

/// Which calls are made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// One call
    Once,
    /// This call and all later ones
    Always,
}

/// A part of the faults: the n-th of m.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which, from 1.
    pub number: u64,
    /// Of how many.
    pub of: u64,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

/// How long faults go on when goinject does not; none for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease(pub Option<Duration>);

fn lease(text: &str) -> Result<Lease, String> {
    if text == "0" {
        return Ok(Lease(None));
    }
    match duration(text)? {
        lease if lease < Duration::from_secs(2) => Err("2s is the least".to_owned()),
        lease => Ok(Lease(Some(lease))),
    }
}

fn shard(text: &str) -> Result<Shard, String> {
    let parts = text.split_once('/').and_then(|(number, of)| {
        let (number, of) = (number.parse().ok()?, of.parse().ok()?);
        (1..=of).contains(&number).then_some(Shard { number, of })
    });
    parts.ok_or_else(|| "write which of how many, such as `1/3`".to_owned())
}

/// `goinject check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The rule files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Also check functions, names and types against this binary
    #[arg(long, value_name = "BINARY")]
    pub binary: Option<PathBuf>,
    /// The package, instead of a binary
    #[command(flatten)]
    pub package: Package,
    /// Where debug information is, if not in the binary
    #[command(flatten)]
    pub debug: DebugInformation,
}

/// `goinject plan`.
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// The rule file
    pub file: PathBuf,
    /// The binary, instead of the file's target
    #[arg(long, value_name = "BINARY")]
    pub binary: Option<PathBuf>,
    /// The package, instead of a binary
    #[command(flatten)]
    pub package: Package,
    /// Where debug information is, if not in the binary
    #[command(flatten)]
    pub debug: DebugInformation,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// How something is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// `goinject inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    /// The binary; none with --package
    #[arg(value_name = "BINARY", required_unless_present = "package")]
    pub binary: Option<PathBuf>,
    /// A function, type or package by its name, or a glob of function names
    #[arg(value_name = "FUNCTION")]
    pub function: Option<String>,
    /// Build the test binary of this package and use it as the binary
    #[arg(long, value_name = "PKG")]
    pub package: Option<String>,
    /// With --package, build flags for it, such as `-race` or `-tags=integration`
    #[arg(last = true, requires = "package", value_name = "BUILD FLAG")]
    pub flags: Vec<OsString>,
    /// Where debug information is, if not in the binary
    #[command(flatten)]
    pub debug: DebugInformation,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `goinject doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `goinject lsp`.
#[derive(Debug, Args)]
pub struct Lsp {
    /// Standard input and output: what it always uses, and what editors ask for
    #[arg(long)]
    pub stdio: bool,
}

/// `goinject schema`.
#[derive(Debug, Args)]
pub struct Schema {
    /// Offer this binary's function names for completion
    #[arg(long, value_name = "BINARY", conflicts_with_all = ["events", "explore"])]
    pub binary: Option<PathBuf>,
    /// The schema of a line that `run --json` writes, instead
    #[arg(long)]
    pub events: bool,
    /// The schema of the explore.json that `explore` writes, instead
    #[arg(long, conflicts_with = "events")]
    pub explore: bool,
}

/// `goinject man`.
#[derive(Debug, Args)]
pub struct Man {
    /// The command, such as `run`; goinject itself where absent
    #[arg(value_name = "COMMAND")]
    pub command: Option<String>,
    /// Write the pages of all commands into this folder instead
    #[arg(long, value_name = "FOLDER", conflicts_with = "command")]
    pub out: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_its_option_is_told_of_it() {
        for (line, wanted) in [
            (
                "run chaos.yaml ./server",
                Some("tip: put `--` before the command to run: `-- ./server`"),
            ),
            (
                "test chaos.yaml ./...",
                Some("tip: put `--` before arguments of `go test`: `-- ./...`"),
            ),
            (
                "plan chaos.yaml ./server",
                Some("tip: name the program with `--binary ./server`"),
            ),
            ("plan chaos.yaml --binry ./server", None),
            ("doctor ./server", None),
        ] {
            let words = ["goinject"]
                .into_iter()
                .chain(line.split(' '))
                .map(OsString::from);
            let error = Cli::of(words).expect_err("it is wrong").to_string();
            assert!(error.contains("unexpected argument"), "{line}: {error}");
            match wanted {
                Some(tip) => assert!(error.contains(tip), "{line}: {error}"),
                None => assert!(
                    !error.contains("`--`") && !error.contains("`--binary"),
                    "{line}: {error}"
                ),
            }
        }
    }
}
