//! Signals at which Go ends the program with a dump of its goroutines, sent to a thread that is in goinject's code.
//!
//! Go's handler walks the interrupted goroutine from its registers. Those are of no use on a slot's stack: Go 1.27 gives the
//! dump up there. Such a signal waits until the thread is back in the program.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;
use std::{io, thread};

use crate::tracee::arch::pc;
use crate::tracee::{Stop, Why};

/// How long a thread runs before it gets its signal again.
const PAUSE: Duration = Duration::from_micros(100);
/// How often a signal is put off: a thread may wait in goinject's code for others.
const TRIES: u32 = 500;

/// The signals that are put off, by their threads.
#[derive(Default)]
pub(super) struct Dumping(HashMap<i32, PutOff>);

struct PutOff {
    /// As it came first: Go looks at who has sent it.
    info: libc::siginfo_t,
    tries: u32,
}

impl Dumping {
    /// Lets a thread of the process go on, with the signal that it stopped with, or to get it later.
    ///
    /// # Errors
    /// Those of ptrace.
    pub(super) fn resume(&mut self, pid: i32, stop: Stop, code: &Range<u64>) -> io::Result<()> {
        let (tid, why) = (stop.tid(), stop.why());
        let Why::Signal(signal) = why else {
            return stop.resume();
        };
        if !ends_in_a_dump(signal) || stop.is_from_kernel() {
            return stop.resume();
        }
        let former = self
            .0
            .remove(&tid)
            .filter(|former| former.info.si_signo == signal);
        let as_it_came = || stop.signal_info().map(|info| PutOff { info, tries: 0 });
        let Some(former) = former.or_else(|| as_it_came().ok()) else {
            // Killed meanwhile.
            return stop.resume();
        };
        let is_within = stop
            .registers()
            .is_ok_and(|registers| code.contains(&pc(&registers)));
        if !is_within || former.tries >= TRIES {
            if former.tries > 0 {
                // If it fails, the thread is gone.
                let _ = stop.set_signal_info(&former.info);
            }
            return stop.resume();
        }
        stop.resume_without_signal()?;
        let tries = former.tries + 1;
        self.0.insert(tid, PutOff { tries, ..former });
        thread::sleep(PAUSE);
        send(pid, tid, signal);
        Ok(())
    }

    /// A thread is gone.
    pub(super) fn forget(&mut self, tid: i32) {
        self.0.remove(&tid);
    }
}

/// Sends a signal to a thread; to its process, where the thread has ended.
fn send(pid: i32, tid: i32, signal: i32) {
    // SAFETY: both take numbers only, and tell of what is gone by an error.
    unsafe {
        if libc::syscall(libc::SYS_tgkill, pid, tid, signal) != 0 {
            libc::kill(pid, signal);
        }
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
