//! Developer commands: `cargo xtask <command>`.

mod generate;

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
    /// Write the files that are generated and committed
    Generate(generate::Options),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Generate(options) => generate::run(&options),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}
