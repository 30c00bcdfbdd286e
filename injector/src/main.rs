//! The `goinject` program.

use clap::Parser;
use goinject::cli::{Cli, Command};
use goinject::command;

fn main() -> std::process::ExitCode {
    match Cli::parse().command {
        Command::Run(arguments) => command::run::run(&arguments),
        Command::Test(arguments) => command::test::run(arguments),
        Command::Check(arguments) => command::check::run(&arguments).into(),
        Command::Plan(arguments) => command::plan::run(&arguments).into(),
        Command::Inspect(arguments) => command::inspect::run(&arguments).into(),
        Command::Doctor(arguments) => command::doctor::run(&arguments).into(),
        Command::Schema(arguments) => command::schema::run(&arguments).into(),
        Command::Guard => command::run::guard(),
    }
}
