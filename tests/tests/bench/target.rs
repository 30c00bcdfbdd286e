//! The program that is measured, over its standard streams.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// `fixtures/go/bench`, running.
pub(crate) struct Target {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Target {
    /// Starts it and waits until it takes commands.
    pub(crate) fn start() -> Target {
        let mut child = Command::new(crate::program())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let input = child.stdin.take().expect("it is piped");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut target = Target { child, input, output };
        target.line();
        target
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("process ids are small")
    }

    /// Nanoseconds of one of so many calls.
    pub(crate) fn call(&mut self, calls: u64) -> f64 {
        self.command("calls", calls)
    }

    /// The same where two threads make so many calls each.
    pub(crate) fn call_on_both(&mut self, calls: u64) -> f64 {
        self.command("both", calls)
    }

    fn command(&mut self, command: &str, calls: u64) -> f64 {
        writeln!(self.input, "{command} {calls}").expect("it reads its commands");
        let line = self.line();
        let total: f64 = line
            .split_whitespace()
            .next()
            .and_then(|number| number.parse().ok())
            .expect("a time");
        total / calls as f64
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it answers");
        line
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The smallest.
pub(crate) fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// The middle one.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A time that people can read.
pub(crate) fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        ns if ns < 1e3 => format!("{ns:.0} ns"),
        ns if ns < 1e6 => format!("{:.2} µs", ns / 1e3),
        ns if ns < 1e9 => format!("{:.2} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}
