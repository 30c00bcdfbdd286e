//! A guest that has come up, and the dialogue with its first process.

use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use super::error::GuestError;
use super::machine::{Machine, Port};

/// Longest script in bytes: what a serial port without flow control takes in one go. Longer ones go in as files.
pub const SCRIPT_LIMIT: usize = 48 << 10;

/// A standard stream of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What a script did.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Exit status as the shell has it: 128 + n for death by signal n.
    pub status: i32,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// How long it took, seen from the host.
    pub took: Duration,
}

impl Outcome {
    /// Whether it ended with status 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.status == 0
    }

    /// Standard output as text.
    #[must_use]
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    #[must_use]
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

/// A guest that has come up. Dropping it ends it.
pub struct Booted {
    pub(super) machine: Machine,
    /// Its kernel, as `uname -r` says.
    pub release: String,
    /// From the start of the emulator to the first process's first word.
    pub boot_time: Duration,
    /// What went wrong in a first attempt to boot, when this is the second.
    pub retried: Option<String>,
    /// "kvm" or "tcg".
    pub accelerator: &'static str,
    pub(super) kernel: String,
    pub(super) runs: u32,
    pub(super) control: String,
}

impl Booted {
    /// Runs a shell script (of busybox) as root and waits for its end.
    ///
    /// Its input is empty, its folder `/root`. What it leaves running in its session is killed; start it with `setsid`
    /// to keep it.
    ///
    /// # Errors
    /// [`GuestError::TimedOut`] after `limit`, when the guest goes on and can take another script unless it is wedged;
    /// [`GuestError::Died`] when the kernel panicked or the emulator ended.
    pub fn run(&mut self, script: &str, limit: Duration) -> Result<Outcome, GuestError> {
        self.run_with(script, limit, &mut |_, _| ())
    }

    /// The same, handing over output as it comes.
    ///
    /// # Errors
    /// As [`Booted::run`].
    pub fn run_with(
        &mut self,
        script: &str,
        limit: Duration,
        live: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Outcome, GuestError> {
        if script.len() > SCRIPT_LIMIT {
            return Err(GuestError::Io(std::io::Error::other(format!(
                "a script of {} bytes, over {SCRIPT_LIMIT}: put it into the guest as a file",
                script.len()
            ))));
        }
        self.runs += 1;
        let start = Instant::now();
        let seconds = limit.as_secs().max(1);
        let request = format!("run {} {} {seconds}\n{script}", self.runs, script.len());
        let mark = format!("{}:{}\n", self.machine.nonce, self.runs).into_bytes();
        let mut stdout = Output::new(Stream::Stdout, &mark);
        let mut stderr = Output::new(Stream::Stderr, &mark);
        let exit = format!("exit {} ", self.runs);

        let sent = self.machine.send(request.as_bytes());
        // The guest ends a late script itself; this deadline is for one that cannot.
        let deadline = start + Duration::from_secs(seconds + 20);
        let mut status = None;
        let mut gone = sent.is_err();
        while !gone && (status.is_none() || !stdout.complete() || !stderr.complete()) {
            match self
                .machine
                .bytes
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok((Port::Stdout, bytes)) => stdout.take(&bytes, live),
                Ok((Port::Stderr, bytes)) => stderr.take(&bytes, live),
                Ok((Port::Control, bytes)) => {
                    for line in self.control_lines(&bytes) {
                        status = line.strip_prefix(&exit).map(str::to_owned).or(status);
                    }
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => gone = true,
            }
        }
        let mut outcome = Outcome {
            status: -1,
            stdout: stdout.finish(live),
            stderr: stderr.finish(live),
            took: start.elapsed(),
        };
        match status.as_deref().map(str::parse) {
            Some(Ok(code)) if !gone => {
                outcome.status = code;
                Ok(outcome)
            }
            _ if gone => {
                self.machine.wait(Duration::from_secs(5));
                Err(GuestError::Died {
                    kernel: self.kernel.clone(),
                    panic: self.machine.panic(),
                    partial: Box::new(outcome),
                    console: self.machine.console_tail(),
                })
            }
            answered => Err(GuestError::TimedOut {
                limit,
                partial: Box::new(outcome),
                wedged: answered.is_none(),
                console: self.machine.console_tail(),
            }),
        }
    }

    /// What the kernel has printed so far.
    #[must_use]
    pub fn console(&self) -> String {
        self.machine.console()
    }

    /// Lets the guest power itself off. Dropping it is quicker and as good.
    pub fn power_off(mut self) {
        if self.machine.send(b"poweroff\n").is_ok() {
            self.machine.wait(Duration::from_secs(10));
        }
    }

    /// Whole lines of the control port; the rest is kept for the next piece.
    pub(super) fn control_lines(&mut self, bytes: &[u8]) -> Vec<String> {
        self.control.push_str(&String::from_utf8_lossy(bytes));
        let end = self.control.rfind('\n').map_or(0, |at| at + 1);
        let whole: String = self.control.drain(..end).collect();
        whole.lines().map(str::to_owned).collect()
    }
}

/// A stream up to the mark that ends it.
struct Output<'a> {
    stream: Stream,
    mark: &'a [u8],
    bytes: Vec<u8>,
    handed_over: usize,
    end: Option<usize>,
}

impl<'a> Output<'a> {
    fn new(stream: Stream, mark: &'a [u8]) -> Self {
        Output {
            stream,
            mark,
            bytes: Vec::new(),
            handed_over: 0,
            end: None,
        }
    }

    fn complete(&self) -> bool {
        self.end.is_some()
    }

    fn take(&mut self, bytes: &[u8], live: &mut dyn FnMut(Stream, &[u8])) {
        // The mark may have begun in the piece before.
        let from = self.bytes.len().saturating_sub(self.mark.len());
        self.bytes.extend_from_slice(bytes);
        if self.end.is_none() {
            let found = self.bytes[from..]
                .windows(self.mark.len())
                .position(|window| window == self.mark);
            self.end = found.map(|at| from + at);
        }
        let certain = self.end.unwrap_or_else(|| self.bytes.len() - self.begun_mark());
        self.hand_over(certain, live);
    }

    /// How many bytes at the end may be the beginning of the mark.
    fn begun_mark(&self) -> usize {
        let begins = |&length: &usize| self.bytes.ends_with(&self.mark[..length]);
        (1..self.mark.len()).rev().find(begins).unwrap_or(0)
    }

    fn hand_over(&mut self, to: usize, live: &mut dyn FnMut(Stream, &[u8])) {
        if to > self.handed_over {
            live(self.stream, &self.bytes[self.handed_over..to]);
            self.handed_over = to;
        }
    }

    /// The output without its mark. Without a mark (the guest died), all there is.
    fn finish(mut self, live: &mut dyn FnMut(Stream, &[u8])) -> Vec<u8> {
        let end = self.end.unwrap_or(self.bytes.len());
        self.hand_over(end, live);
        self.bytes.truncate(end);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_ends_a_stream_wherever_it_is_cut() {
        let whole = b"one\ntwo-7f:1\n";
        for cut in 0..whole.len() {
            let mut seen = Vec::new();
            let mut live = |_: Stream, bytes: &[u8]| seen.extend_from_slice(bytes);
            let mut output = Output::new(Stream::Stdout, b"-7f:1\n");
            output.take(&whole[..cut], &mut live);
            assert!(!output.complete());
            output.take(&whole[cut..], &mut live);
            assert!(output.complete(), "cut at {cut}");
            assert_eq!(output.finish(&mut live), b"one\ntwo");
            assert_eq!(seen, b"one\ntwo");
        }
    }

    #[test]
    fn a_stream_without_its_mark_is_kept_whole() {
        let mut output = Output::new(Stream::Stderr, b"-7f:1\n");
        output.take(b"lost -7f", &mut |_, _| ());
        assert!(!output.complete());
        assert_eq!(output.finish(&mut |_, _| ()), b"lost -7f");
    }
}
