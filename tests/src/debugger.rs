//! Debuggers that look at programs with rules: gdb, and delve of the time of the program's Go.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use goinject_lab::{Cache, Published};

use crate::goinject::Running;
use crate::{Build, Outcome};

/// A debugger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Debugger {
    /// Go's own.
    Delve,
    /// That of the GNU project.
    Gdb,
}

/// What a debugger looks at.
#[derive(Clone, Copy, Debug)]
pub enum Sight<'a> {
    /// A running process.
    Process(i32),
    /// A core dump.
    Core(&'a Path),
}

/// What a debugger tells of a call that it has waited for.
#[derive(Debug)]
pub struct Call {
    /// The functions and lines of its stack, the innermost first.
    pub frames: Vec<String>,
    /// All that it has said.
    pub outcome: Outcome,
}

impl Debugger {
    /// Both.
    pub const ALL: [Debugger; 2] = [Debugger::Delve, Debugger::Gdb];

    /// Has it run commands on a program.
    ///
    /// # Panics
    /// If it is not set up.
    #[must_use]
    pub fn run(self, build: Build, program: &str, sight: Sight<'_>, commands: &[&str]) -> Outcome {
        let folder = tempfile::tempdir().expect("a folder");
        let script = folder.path().join("script");
        fs::write(&script, commands.join("\n") + "\n").expect("written");
        let binary = build.of(program);
        let mut command = match self {
            Debugger::Delve => {
                let mut delve = Command::new(delve(build.version));
                match sight {
                    Sight::Process(pid) => delve.arg("attach").arg(pid.to_string()),
                    Sight::Core(core) => delve.arg("core").arg(&binary).arg(core),
                };
                delve.args(["--check-go-version=false", "--allow-non-terminal-interactive"]);
                delve.arg("--init").arg(&script);
                delve
            }
            Debugger::Gdb => {
                let mut gdb = Command::new("gdb");
                gdb.args([
                    "-q",
                    "-batch",
                    "-nx",
                    "-iex",
                    "set auto-load no",
                    "-ex",
                    "set pagination off",
                ]);
                match sight {
                    Sight::Process(pid) => gdb.arg("-p").arg(pid.to_string()),
                    Sight::Core(core) => gdb.arg(&binary).arg(core),
                };
                gdb.arg("-x").arg(&script);
                gdb
            }
        };
        command.env("HOME", folder.path()).env_remove("XDG_CONFIG_HOME");
        command.env("TERM", "dumb").env("NO_COLOR", "1");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut running = Running::start(&mut command);
        // Delve asks whether to kill what it lets go.
        let _ = running.stdin().expect("it is piped").write_all(b"n\n");
        let mut outcome = running.end();
        outcome.stdout = without_colours(&outcome.stdout);
        outcome
    }

    /// Attaches to a process that calls a function, waits for a call, and lets the process go.
    ///
    /// # Panics
    /// If that does not work.
    #[must_use]
    pub fn waits_for(self, build: Build, program: &str, pid: i32, function: &str) -> Call {
        let stop = format!("break {function}");
        let outcome = match self {
            Debugger::Delve => {
                let stop = format!("break hit {function}");
                let commands = [
                    &stop,
                    "continue",
                    "args",
                    "stack 20",
                    "goroutines",
                    "clear hit",
                    "exit",
                ];
                self.run(build, program, Sight::Process(pid), &commands)
            }
            Debugger::Gdb => {
                let signals = "handle SIGURG nostop noprint pass";
                let commands = [signals, &stop, "continue", "info args", "bt", "delete", "detach"];
                self.run(build, program, Sight::Process(pid), &commands)
            }
        };
        let frames = self.frames(&outcome.stdout);
        let described = format!("{self:?}, {}: {}", build.name(), outcome.describe());
        assert!(
            frames.first().is_some_and(|frame| frame.starts_with(function)),
            "{described}"
        );
        Call { frames, outcome }
    }

    /// The functions and lines of all stacks that it has shown, one behind the other.
    #[must_use]
    pub fn frames(self, text: &str) -> Vec<String> {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        match self {
            Debugger::Delve => lines
                .windows(2)
                .filter_map(|pair| delves(pair[0], pair[1]))
                .collect(),
            Debugger::Gdb => lines.iter().filter_map(|line| gdbs(line)).collect(),
        }
    }
}

/// The stacks of all goroutines of a core dump, as delve tells them.
#[must_use]
pub fn goroutines(build: Build, program: &str, core: &Path) -> (Vec<Vec<String>>, Outcome) {
    let commands = ["goroutines -t 50", "exit"];
    let outcome = Debugger::Delve.run(build, program, Sight::Core(core), &commands);
    let each = outcome.stdout.split("Goroutine ").skip(1);
    let stacks = each.map(|text| Debugger::Delve.frames(text)).collect();
    (stacks, outcome)
}

/// The stacks of all threads of a core dump, as gdb tells them.
#[must_use]
pub fn threads(build: Build, program: &str, core: &Path) -> (Vec<Vec<String>>, Outcome) {
    let outcome = Debugger::Gdb.run(build, program, Sight::Core(core), &["thread apply all bt"]);
    let each = outcome.stdout.split("\nThread ").skip(1);
    let stacks = each.map(|text| Debugger::Gdb.frames(text)).collect();
    (stacks, outcome)
}

/// The delve that knows programs of a Go release.
fn delve(version: &str) -> std::path::PathBuf {
    let name = match version {
        "1.15" | "1.19" => "delve",
        _ => "delve-newest",
    };
    let delve = Published::find(name).expect("it is in the table");
    delve
        .program(&Cache::from_env())
        .unwrap_or_else(|error| panic!("{error}"))
}

/// A frame of delve's: `0  0x00000000004f7f6e in main.mixed`, and below it `at /path/work.go:85`.
fn delves(line: &str, below: &str) -> Option<String> {
    let (number, rest) = line.split_once(' ')?;
    number.parse::<u32>().ok()?;
    let (address, function) = rest.trim_start().split_once(" in ")?;
    address.strip_prefix("0x")?;
    Some(format!("{function} {}", base(below.strip_prefix("at ")?)))
}

/// A frame of gdb's: `#1  0x00000000004f8dd6 in main.f (i=593872) at /path/work.go:172`.
fn gdbs(line: &str) -> Option<String> {
    let (number, rest) = line.strip_prefix('#')?.split_once(' ')?;
    number.parse::<u32>().ok()?;
    let rest = rest.trim_start();
    let rest = match rest.starts_with("0x") {
        true => rest.split_once(" in ")?.1,
        false => rest,
    };
    let function = rest.split_once(" (")?.0;
    Some(match rest.rsplit_once(" at ") {
        Some((_, place)) => format!("{function} {}", base(place)),
        None => function.to_owned(),
    })
}

fn base(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, base)| base)
}

fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.split_once('m').map_or(part, |(_, rest)| rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read() {
        let delves = "\u{1b}[1m0\u{1b}[0m  0x00000000004f7f6e in \u{1b}[1mmain.mixed\u{1b}[0m\n   at /a/b/work.go:85\n\
                      1  0x00000000003f555d in ???\n    at ?:-1\nn = 1 in 2\n";
        let frames = Debugger::Delve.frames(&without_colours(delves));
        assert_eq!(frames, ["main.mixed work.go:85", "??? ?:-1"]);
        let gdbs = "#0  main.mixed (n=1, s=...) at /a/b/work.go:85\n#1  0x00000000004f8dd6 in main.main.func1 () at /a/main.go:2\n\
                    #2  0x0000000000000000 in ?? ()\nn = 5\n";
        let frames = Debugger::Gdb.frames(gdbs);
        assert_eq!(
            frames,
            ["main.mixed work.go:85", "main.main.func1 main.go:2", "??"]
        );
    }
}
