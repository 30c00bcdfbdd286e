//! Developer commands: `cargo xtask <command>`.
//!
//! Built from nothing but cargo, so that `cargo xtask setup` can install all the rest.

mod demo;
mod dist;
mod generate;
mod guest;
mod measure;
mod repository;
mod run;
mod setup;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Developer commands of goinject
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install and download what building and testing need
    Setup(setup::Options),
    /// Build everything and show a fault in a running Go program
    Demo,
    /// Run every check and test
    Test(test::Options),
    /// Run a command in a virtual machine
    Guest(guest::Options),
    /// Measure what probes and faults cost
    Bench(measure::BenchOptions),
    /// Inject faults at random for a while and look for crashes and wrong values
    Stress(measure::StressOptions),
    /// Write the files that come out of the code
    Generate(generate::Options),
    /// Build the static program and make packages and an image of it
    Dist(dist::Options),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Setup(options) => setup::run(&options),
        Command::Demo => demo::run(),
        Command::Test(options) => test::run(&options),
        Command::Guest(options) => guest::run(&options),
        Command::Bench(options) => measure::bench(&options),
        Command::Stress(options) => measure::stress(&options),
        Command::Generate(options) => generate::run(&options),
        Command::Dist(options) => dist::run(&options),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}
