//! A program that is about to end with a dump of its memory.
//!
//! Who reads the dump finds the functions of a thread by its registers, and knows the program's code only. So before the kernel
//! makes it, every other thread is brought out of goinject's code, and the program's own instructions are put back.

use std::{io, thread};

use super::InlineSession;
use super::armed::{Armed, lift};
use crate::engine::looks::Looks;
use crate::engine::stopped::gone;
use crate::tracee::arch::pc;
use crate::tracee::{Family, Stop, Why};

impl InlineSession {
    /// Whether a thread has stopped with a signal for which the kernel ends the process and dumps its memory. Within goinject's
    /// code the signal waits first.
    pub(super) fn is_about_to_dump(armed: &Armed, stop: &Stop) -> bool {
        matches!(stop.why(), Why::Signal(signal) if dumps(signal) && stop.has_default_action(signal))
            && stop
                .registers()
                .is_ok_and(|registers| !armed.code.contains(&pc(&registers)))
    }

    /// Lets a thread go on with such a signal, the others being where the program's own code is. If one does not get there in
    /// time, the dump is as it is.
    ///
    /// # Errors
    /// Those of ptrace.
    pub(super) fn end_with_dump(&self, stop: Stop, family: &mut Family) -> io::Result<()> {
        let Some(armed) = &self.armed else {
            return stop.resume();
        };
        // A stop for a signal is told again, among those of the others, until the thread goes on.
        let tid = stop.tid();
        let mut looks = Looks::begin();
        let mut lifted = None;
        loop {
            let (ending, others): (Vec<Stop>, Vec<Stop>) = self
                .stop_all(Some(armed), family)?
                .into_iter()
                .partition(|stop| stop.tid() == tid);
            // Nobody comes to one of them any more, also should the kernel not end the process after all, as with the first process
            // of a container.
            let lifted = lifted.get_or_insert_with(|| {
                armed.process.borrow().disarm();
                Some(lift(&armed.spots, &self.memory))
            });
            let is_over = ending.is_empty() || armed.is_outside(&others, &self.memory)?;
            let pause = looks.next().filter(|_| !is_over);
            let Some(pause) = pause else {
                let lifted = lifted.take().unwrap_or(Ok(()));
                for stop in ending.into_iter().chain(others) {
                    self.resume(Some(armed), stop)?;
                }
                return lifted.or_else(|error| gone(error).map(drop));
            };
            for stop in others {
                self.resume(Some(armed), stop)?;
            }
            thread::sleep(pause);
        }
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
