//! Developer commands: `cargo xtask <command>`.

mod guest;
mod run;
mod setup;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Developer commands of goinject.
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
    /// Run a command in a virtual machine
    Guest(guest::Options),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Setup(options) => setup::run(&options),
        Command::Guest(options) => guest::run(&options),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}
