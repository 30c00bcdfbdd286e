//! What can go wrong with a guest.

use std::time::Duration;
use std::{fmt, io};

use crate::cache::NotSetUp;
use crate::guest::Outcome;

/// Why there is no result from a guest.
#[derive(Debug)]
pub enum GuestError {
    /// The kernel is not in the cache.
    NotSetUp(NotSetUp),
    /// A program that the host needs could not be started.
    Program {
        /// Its name.
        name: String,
        /// What the host said.
        error: io::Error,
    },
    /// A file of the host could not be read or written.
    Io(io::Error),
    /// The guest never got as far as its first process.
    NeverReady {
        /// Which kernel.
        kernel: String,
        /// What was seen, one entry per attempt.
        reasons: Vec<String>,
        /// The end of the last attempt's console.
        console: String,
    },
    /// The guest ended while it was at work: a kernel panic, or the emulator was killed.
    Died {
        /// Which kernel.
        kernel: String,
        /// The kernel's own words, when it panicked.
        panic: Option<String>,
        /// What the script had written until then.
        partial: Box<Outcome>,
        /// The end of the console.
        console: String,
    },
    /// The script was not done in time. It has been killed; the guest still runs unless `wedged`.
    TimedOut {
        /// The time that it had.
        limit: Duration,
        /// What it had written until then.
        partial: Box<Outcome>,
        /// The guest did not even manage to kill the script: it is of no more use.
        wedged: bool,
        /// The end of the console.
        console: String,
    },
}

impl fmt::Display for GuestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GuestError::NotSetUp(missing) => missing.fmt(f),
            GuestError::Program { name, error } => {
                write!(
                    f,
                    "cannot start {name} ({error}): run `cargo xtask setup --only guest`"
                )
            }
            GuestError::Io(error) => write!(f, "guest: {error}"),
            GuestError::NeverReady {
                kernel,
                reasons,
                console,
            } => {
                writeln!(
                    f,
                    "guest {kernel} did not come up: {}",
                    reasons.join("; second attempt: ")
                )?;
                write_console(f, console)
            }
            GuestError::Died {
                kernel,
                panic,
                partial,
                console,
            } => {
                let cause = panic.as_deref().unwrap_or("the virtual machine ended");
                writeln!(f, "guest {kernel} died: {cause}")?;
                write_output(f, partial)?;
                write_console(f, console)
            }
            GuestError::TimedOut {
                limit,
                partial,
                wedged,
                console,
            } => {
                let wedged = if *wedged { ", and the guest hangs" } else { "" };
                writeln!(f, "not done after {} s in the guest{wedged}", limit.as_secs())?;
                write_output(f, partial)?;
                write_console(f, console)
            }
        }
    }
}

fn write_output(f: &mut fmt::Formatter<'_>, partial: &Outcome) -> fmt::Result {
    for (name, bytes) in [("output", &partial.stdout), ("error output", &partial.stderr)] {
        if !bytes.is_empty() {
            writeln!(
                f,
                "--- its {name} until then\n{}",
                String::from_utf8_lossy(bytes).trim_end()
            )?;
        }
    }
    Ok(())
}

fn write_console(f: &mut fmt::Formatter<'_>, console: &str) -> fmt::Result {
    match console.trim() {
        "" => write!(f, "--- nothing on the console"),
        text => write!(f, "--- end of the console\n{text}"),
    }
}

impl std::error::Error for GuestError {}

impl From<io::Error> for GuestError {
    fn from(error: io::Error) -> Self {
        GuestError::Io(error)
    }
}

impl From<NotSetUp> for GuestError {
    fn from(missing: NotSetUp) -> Self {
        GuestError::NotSetUp(missing)
    }
}
