//! Signals at which Go ends the program with a dump of its goroutines, sent to a thread that is in goinject's code.
//!
//! Go's handler walks the interrupted goroutine from its registers. Those are of no use on a slot's stack: Go 1.27 gives the
//! dump up there. Such a signal waits until the thread is back in the program.

use std::io;
use std::ops::Range;
use std::time::Duration;

use crate::tracee::arch::pc;
use crate::tracee::{Stop, Why};

/// How long a thread runs before it gets its signal again.
const PAUSE: Duration = Duration::from_micros(100);
/// How often a signal is put off. A thread may wait in goinject's code for a long delay of its own.
const TRIES: u32 = 500;

/// Puts signals off, and counts how often since one was delivered.
#[derive(Debug, Default)]
pub(super) struct Dumping {
    tries: u32,
}

impl Dumping {
    /// Lets a thread of the process go on, with the signal that it stopped with, or to get it later.
    ///
    /// # Errors
    /// Those of ptrace.
    pub(super) fn resume(&mut self, pid: i32, stop: Stop, code: &Range<u64>) -> io::Result<()> {
        let Why::Signal(signal) = stop.why() else {
            return stop.resume();
        };
        if !ends_in_a_dump(signal) || stop.is_from_kernel() {
            return stop.resume();
        }
        let is_within = stop
            .registers()
            .is_ok_and(|registers| code.contains(&pc(&registers)));
        if !is_within || self.tries >= TRIES {
            self.tries = 0;
            return stop.resume();
        }
        self.tries += 1;
        stop.put_off(pid, PAUSE)
    }
}

/// Whether the Go runtime ends the program at this signal unless the program has asked to be told of it.
fn ends_in_a_dump(signal: i32) -> bool {
    matches!(
        signal,
        libc::SIGQUIT
            | libc::SIGILL
            | libc::SIGTRAP
            | libc::SIGABRT
            | libc::SIGBUS
            | libc::SIGFPE
            | libc::SIGSEGV
            | libc::SIGSTKFLT
            | libc::SIGSYS
    )
}
