//! Starting programs, and saying what went wrong with them.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};
use std::{fmt, io};

/// A message for a developer. It says what to do, too.
#[derive(Debug, Clone)]
pub(crate) struct Error(String);

/// What every command here returns.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Error {
        Error(message.into())
    }

    /// The same with what was being done in front of it.
    pub(crate) fn during(self, what: impl fmt::Display) -> Error {
        Error(format!("{what}: {}", self.0))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error(error.to_string())
    }
}

impl From<goinject_lab::GuestError> for Error {
    fn from(error: goinject_lab::GuestError) -> Self {
        Error(error.to_string())
    }
}

impl From<goinject_lab::NotSetUp> for Error {
    fn from(error: goinject_lab::NotSetUp) -> Self {
        Error(error.to_string())
    }
}

/// A command with these arguments.
pub(crate) fn command<S: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// Runs it with its output captured; a failure is an error that quotes the output's end.
pub(crate) fn captured(command: &mut Command) -> Result<String> {
    let output = output(command)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.trim().is_empty() {
        said = String::from_utf8_lossy(&output.stdout).into_owned();
    }
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let tail = lines[lines.len().saturating_sub(8)..].join("\n  ");
    Err(Error::new(format!(
        "`{}` failed ({}):\n  {tail}",
        shown(command),
        output.status
    )))
}

/// Runs it with its output captured, whatever its exit status.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| cannot_start(command, &error))
}

/// Runs it with its output going to ours; true for exit status 0.
pub(crate) fn shown_to_user(command: &mut Command) -> Result<bool> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(|error| cannot_start(command, &error))?;
    Ok(status.success())
}

/// The same, with a look at each line of its output as it comes.
pub(crate) fn shown_by_lines(command: &mut Command, look: &mut dyn FnMut(&str)) -> Result<bool> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| cannot_start(command, &error))?;
    let output = child.stdout.take().expect("it is piped");
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        look(&line);
    }
    Ok(child.wait()?.success())
}

fn cannot_start(command: &Command, error: &io::Error) -> Error {
    Error::new(format!(
        "cannot start `{}`: {error}",
        command.get_program().to_string_lossy()
    ))
}

/// The command as one would type it, without apt's many options.
pub(crate) fn shown(command: &Command) -> String {
    let mut shown = command.get_program().to_string_lossy().into_owned();
    let mut words = command.get_args().map(OsStr::to_string_lossy);
    while let Some(word) = words.next() {
        if word == "-o" {
            words.next();
        } else {
            shown.push(' ');
            shown.push_str(&goinject_lab::guest::quote(&word));
        }
    }
    shown
}

/// Whether a program of this name can be found.
pub(crate) fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // As root without a login shell the path may lack the folders of system programs.
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.into_iter().any(|folder| folder.join(name).is_file())
}
