//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::engine::select::{EngineChoice, WriterChoice};
use crate::report::outputs::Reports;

/// Declarative fault injection for Go programs.
#[derive(Debug, Parser)]
#[command(name = "goinject", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Arm the rules, run or attach, report, restore
    Run(Run),
    /// Run `go test` under the rules
    ///
    /// The same as `goinject run FILE -- go test ARGUMENTS`.
    #[command(
        mut_arg("pid", |pid| pid.hide(true)),
        mut_arg("target", |target| target.value_name("ARGUMENT").help("Arguments of `go test`, such as `-race ./...`"))
    )]
    Test(Run),
    /// Repeat a recorded run, and tell which of its faults did not come up again
    Replay(Replay),
    /// Find everything that is wrong with a rule file, all at once
    Check(Check),
    /// Print the compiled tables: sites, locations, writes; needs no root
    Plan(PlanArguments),
    /// List the functions of a binary, or one function's parameters, types and locations
    Inspect(Inspect),
    /// Tell what this host allows, engine by engine, with the reason and the remedy
    Doctor(Doctor),
    /// Print the JSON Schema of rule files, or of events
    Schema(Schema),
    /// Take breakpoints out if goinject is killed (started by goinject itself)
    #[command(name = crate::engine::ptrace::GUARD_COMMAND, hide = true)]
    Guard,
}

/// Where debug information is, if not in the binary.
#[derive(Debug, Default, Args)]
pub struct DebugInformation {
    /// The binary's separate debug file, or a folder to look for it in by build id
    ///
    /// Without it, a binary that has no debug information is looked up under /usr/lib/debug by its
    /// build id, and by its debug link.
    #[arg(long = "debug", value_name = "FILE")]
    pub path: Option<PathBuf>,
}

/// A package whose test binary is looked into.
#[derive(Debug, Default, Args)]
pub struct Package {
    /// Build this package's test binary and look into that
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
    /// The engine
    #[arg(long, value_enum, default_value_t)]
    pub engine: EngineChoice,
    /// The writer, instead of the best that the host has
    #[arg(long, value_enum, value_name = "NAME")]
    pub writer: Option<WriterChoice>,
    /// The seed of every chance decision, instead of the file's or a random one
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Which reports to write
    #[command(flatten)]
    pub reports: Reports,
    /// End with the target's own exit status where goinject's would be 0
    #[arg(long)]
    pub exit_from_target: bool,
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

/// `goinject check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The rule files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Check functions, names and types against this binary, too
    #[arg(long, value_name = "B")]
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
    #[arg(long, value_name = "B")]
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
    #[arg(value_name = "B", required_unless_present = "package")]
    pub binary: Option<PathBuf>,
    /// A function, type or package by its name, or a glob of function names
    #[arg(value_name = "FUNCTION")]
    pub function: Option<String>,
    /// Build this package's test binary and look into that
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

/// `goinject schema`.
#[derive(Debug, Args)]
pub struct Schema {
    /// Offer this binary's function names for completion
    #[arg(long, value_name = "B", conflicts_with = "events")]
    pub binary: Option<PathBuf>,
    /// The schema of a line that `run --json` writes, instead
    #[arg(long)]
    pub events: bool,
}
