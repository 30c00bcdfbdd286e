//! Signals at which Go ends the program with a dump of its goroutines, sent to a thread that is in goinject's code.
//!
//! Go's handler walks the interrupted goroutine from its registers. Those are of no use on a slot's stack: Go 1.27 gives the
//! dump up there. Such a signal waits until the thread is back in the program, whatever rules that has by then.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;
use std::{io, thread};

use crate::engine::core_dumps::ends_go;
use crate::tracee::arch::pc;
use crate::tracee::{Stop, Why};

/// How long a thread runs before it gets its signal again.
const PAUSE: Duration = Duration::from_micros(100);
/// How often a signal is put off: a thread may wait in goinject's code for others.
const TRIES: u32 = 500;

/// The signals that are put off, by thread and number.
#[derive(Default)]
pub(super) struct Dumping(HashMap<(i32, i32), PutOff>);

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
        if !ends_go(&stop) {
            return stop.resume();
        }
        let Ok(info) = stop.signal_info() else {
            // Killed meanwhile.
            return stop.resume();
        };
        let is_within = stop
            .registers()
            .is_ok_and(|registers| code.contains(&pc(&registers)));
        if is_own(&info) {
            // One that two had become was sent for each of them, and has come before.
            let Some(former) = self.0.remove(&(tid, signal)) else {
                return stop.resume_without_signal();
            };
            if is_within && former.tries < TRIES {
                return self.put_off(pid, stop, former);
            }
            // If it fails, the thread is gone.
            let _ = stop.set_signal_info(&former.info);
            return stop.resume();
        }
        if !is_within {
            return stop.resume();
        }
        // Where one is put off already, the two become one, as those that wait in the kernel do.
        let former = self.0.remove(&(tid, signal));
        self.put_off(pid, stop, former.unwrap_or(PutOff { info, tries: 0 }))
    }

    fn put_off(&mut self, pid: i32, stop: Stop, former: PutOff) -> io::Result<()> {
        let (tid, signal) = (stop.tid(), former.info.si_signo);
        stop.resume_without_signal()?;
        let tries = former.tries + 1;
        self.0.insert((tid, signal), PutOff { tries, ..former });
        thread::sleep(PAUSE);
        if !send(pid, tid, signal) {
            self.0.remove(&(tid, signal));
        }
        Ok(())
    }

    /// A thread that is let go gets its signal with what was told of it first, if it has stopped with one that was put off; true if
    /// it has.
    pub(super) fn restore(&mut self, stop: Stop) -> (Stop, bool) {
        let Why::Signal(signal) = stop.why() else {
            return (stop, false);
        };
        if !stop.signal_info().is_ok_and(|info| is_own(&info)) {
            return (stop, false);
        }
        match self.0.remove(&(stop.tid(), signal)) {
            Some(former) => {
                // If it fails, the thread is gone.
                let _ = stop.set_signal_info(&former.info);
                (stop, true)
            }
            None => (stop.without_signal(), true),
        }
    }

    /// Whether a stopped thread has a signal before it that was put off, and takes it when it goes on.
    pub(super) fn waits(&self, stop: &Stop) -> bool {
        let mut of_thread = self.0.keys().filter(|(tid, _)| *tid == stop.tid());
        of_thread.any(|(_, signal)| stop.takes(*signal))
    }

    /// A thread of the process is gone. What was put off for it is for another one.
    pub(super) fn thread_gone(&mut self, pid: i32, tid: i32) {
        for ((_, signal), _) in self.0.extract_if(|(of, _), _| *of == tid) {
            // SAFETY: the call takes numbers alone, and a process that is gone is told by an error.
            unsafe { libc::kill(pid, signal) };
        }
    }
}

/// What the kernel tells of a signal that was queued with a value.
#[repr(C)]
struct Queued {
    signal: i32,
    errno: i32,
    code: i32,
    padding: i32,
    pid: i32,
    uid: u32,
    value: usize,
    rest: [u64; 12],
}

/// Tells goinject's own signals from those of others.
fn mark() -> usize {
    const NAME: usize = usize::from_le_bytes(*b"goinject");
    NAME ^ std::process::id() as usize
}

/// Sends a signal to a thread; to its process, where the thread has ended. Whether the thread gets it.
fn send(pid: i32, tid: i32, signal: i32) -> bool {
    let queued = Queued {
        signal,
        errno: 0,
        code: libc::SI_QUEUE,
        padding: 0,
        pid: 0,
        uid: 0,
        value: mark(),
        rest: [0; 12],
    };
    // SAFETY: what the kernel reads is as large as its siginfo_t, and what is gone is told by an error.
    unsafe {
        let sent = libc::syscall(
            libc::SYS_rt_tgsigqueueinfo,
            pid,
            tid,
            signal,
            std::ptr::from_ref(&queued),
        );
        if sent != 0 {
            libc::kill(pid, signal);
        }
        sent == 0
    }
}

/// Whether it was sent by [`send`].
fn is_own(info: &libc::siginfo_t) -> bool {
    // SAFETY: of this code the value is what the information ends with.
    info.si_code == libc::SI_QUEUE && unsafe { info.si_value() }.sival_ptr.addr() == mark()
}

const _: () = assert!(size_of::<Queued>() == size_of::<libc::siginfo_t>());
