//! The program that is measured, over its standard streams.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// How many threads `crowd` has.
pub(crate) const CROWD: f64 = 8.0;

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
        self.command("calls", calls).0
    }

    /// The same where two threads make so many calls each.
    pub(crate) fn call_on_both(&mut self, calls: u64) -> f64 {
        self.command("both", calls).0
    }

    /// Nanoseconds of a processor for one of so many calls that each of a crowd of threads makes.
    pub(crate) fn call_in_a_crowd(&mut self, calls: u64) -> f64 {
        self.command("crowd", calls).1 / CROWD
    }

    /// By how many calls were asked for: the time, and that of the processors.
    fn command(&mut self, command: &str, calls: u64) -> (f64, f64) {
        writeln!(self.input, "{command} {calls}").expect("it reads its commands");
        let line = self.line();
        let mut times = line
            .split_whitespace()
            .map(|number| number.parse::<f64>().expect("a time") / calls as f64);
        let mut next = || times.next().expect("two times");
        (next(), next())
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
