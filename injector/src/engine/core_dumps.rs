//! A program that is about to end with a dump of its memory.
//!
//! Who reads the dump finds the functions of a thread by its registers, and knows the program's code only. So before the kernel
//! makes it, every other thread is brought out of goinject's code, and the program's own instructions are put back.

use std::ops::Range;
use std::{io, thread};

use crate::engine::looks::Looks;
use crate::engine::stopped::gone;
use crate::tracee::arch::pc;
use crate::tracee::{Family, Stop, Why};

/// A process with rules, as seen by who prepares its dump.
pub(super) trait Dumped {
    /// Every thread, stopped, and none with a trap to be told of.
    fn stop_all(&self, family: &mut Family) -> io::Result<Vec<Stop>>;

    /// Puts the program's own instructions back. No thread runs.
    fn lift(&self) -> io::Result<()>;

    /// Whether none of the threads, which are all stopped, is within goinject's code.
    fn is_outside(&self, stops: &[Stop]) -> io::Result<bool>;

    /// Lets a thread go on.
    fn resume(&self, stop: Stop) -> io::Result<()>;
}

/// Whether a thread has stopped with a signal for which the kernel ends the process and dumps its memory. Within goinject's code
/// the signal waits first.
pub(super) fn is_about_to_dump(code: &Range<u64>, stop: &Stop) -> bool {
    matches!(stop.why(), Why::Signal(signal) if dumps(signal) && stop.has_default_action(signal))
        && stop
            .registers()
            .is_ok_and(|registers| !code.contains(&pc(&registers)))
}

/// Lets a thread go on with such a signal, the others being where the program's own code is. If one does not get there in time,
/// the dump is as it is.
///
/// # Errors
/// Those of ptrace.
pub(super) fn end_with_dump(process: &impl Dumped, stop: Stop, family: &mut Family) -> io::Result<()> {
    // A stop for a signal is told again, among those of the others, until the thread goes on.
    let tid = stop.tid();
    let mut looks = Looks::begin();
    let mut lifted = None;
    loop {
        let (ending, others): (Vec<Stop>, Vec<Stop>) = process
            .stop_all(family)?
            .into_iter()
            .partition(|stop| stop.tid() == tid);
        // Nobody comes to one of them any more, also should the kernel not end the process after all, as with the first process of a
        // container.
        let lifted = lifted.get_or_insert_with(|| Some(process.lift()));
        let is_over = ending.is_empty() || process.is_outside(&others)?;
        let pause = looks.next().filter(|_| !is_over);
        let Some(pause) = pause else {
            let lifted = lifted.take().unwrap_or(Ok(()));
            for stop in ending.into_iter().chain(others) {
                process.resume(stop)?;
            }
            return lifted.or_else(|error| gone(error).map(drop));
        };
        for stop in others {
            process.resume(stop)?;
        }
        thread::sleep(pause);
    }
}

/// Whether a signal makes the kernel dump the memory of a process that it ends (signal(7)).
fn dumps(signal: i32) -> bool {
    matches!(
        signal,
        libc::SIGQUIT
            | libc::SIGILL
            | libc::SIGTRAP
            | libc::SIGABRT
            | libc::SIGBUS
            | libc::SIGFPE
            | libc::SIGSEGV
            | libc::SIGXCPU
            | libc::SIGXFSZ
            | libc::SIGSYS
    )
}

/// Whether a thread has stopped with a signal at which the Go runtime ends the program with a dump of its goroutines, unless the
/// program has asked to be told of it; not for what the thread itself has done.
pub(super) fn ends_go(stop: &Stop) -> bool {
    let Why::Signal(signal) = stop.why() else {
        return false;
    };
    match signal {
        // The kernel sends one, too, for a key of a terminal.
        libc::SIGQUIT | libc::SIGABRT | libc::SIGSTKFLT => true,
        libc::SIGILL | libc::SIGTRAP | libc::SIGBUS | libc::SIGFPE | libc::SIGSEGV | libc::SIGSYS => {
            !stop.is_from_kernel()
        }
        _ => false,
    }
}
