//! The `goinject` program.

use goinject::cli::{Cli, Command};
use goinject::command;
use goinject::console;
use goinject::error::ExitCode;

fn main() -> std::process::ExitCode {
    let command = Cli::of_process().command;
    // What it says of itself is on standard error already; its exit code is that of no verdict.
    let code = std::panic::catch_unwind(|| carry_out(command)).unwrap_or_else(|_| ExitCode::Defect.into());
    console::flush();
    code
}

fn carry_out(command: Command) -> std::process::ExitCode {
    match command {
        Command::Run(arguments) => command::run::run(&arguments),
        Command::Test(arguments) => command::test::run(arguments),
        Command::Replay(arguments) => command::replay::run(arguments),
        Command::Explore(arguments) => command::explore::run(&arguments).into(),
        Command::Sweep(arguments) => command::sweep::run(&arguments).into(),
        Command::Check(arguments) => command::check::run(&arguments).into(),
        Command::Plan(arguments) => command::plan::run(&arguments).into(),
        Command::Inspect(arguments) => command::inspect::run(&arguments).into(),
        Command::Doctor(arguments) => command::doctor::run(&arguments).into(),
        Command::Schema(arguments) => command::schema::run(&arguments).into(),
        Command::Lsp(_) => command::lsp::run().into(),
        Command::Completions { shell } => command::pages::completions(shell).into(),
        Command::Man(arguments) => command::pages::man(&arguments).into(),
        Command::Pause => command::pause::run().into(),
        Command::Guard => command::run::guard(),
        Command::Watchdog { lease } => command::run::watchdog(lease),
        Command::Trial { request, record } => command::trial::run(&request, &record),
    }
}
