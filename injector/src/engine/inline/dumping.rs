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

/// The signals that are put off.
#[derive(Default)]
pub(super) struct Dumping(HashMap<Directed, PutOff>);

/// To whom a signal was sent. It is sent again in the same way: should nobody be there then to say how it came first, it is still one
/// that Go's handler takes for sent, and for no fault of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Directed {
    pid: i32,
    /// None where any thread of the process may take it.
    tid: Option<i32>,
    signal: i32,
}

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
        if !ends_go(&stop) {
            return stop.resume();
        }
        let Some((directed, former)) = self.restore(pid, &stop) else {
            // Killed meanwhile.
            return stop.resume();
        };
        let is_within = stop
            .registers()
            .is_ok_and(|registers| code.contains(&pc(&registers)));
        if !is_within || former.tries >= TRIES {
            return stop.resume();
        }
        stop.resume_without_signal()?;
        let tries = former.tries + 1;
        self.0.insert(directed, PutOff { tries, ..former });
        thread::sleep(PAUSE);
        if !directed.send() {
            self.0.remove(&directed);
            directed.to_process().send();
        }
        Ok(())
    }

    /// Gives a stopped thread what was told first of its signal, if that was put off. Which signal it is, and as it came first. Where two were sent that are the
    /// same but for their senders, the first that comes is taken for the first that was put off.
    fn restore(&mut self, pid: i32, stop: &Stop) -> Option<(Directed, PutOff)> {
        let Why::Signal(signal) = stop.why() else {
            return None;
        };
        let info = stop.signal_info().ok()?;
        let directed = Directed {
            pid,
            tid: (info.si_code == libc::SI_TKILL).then(|| stop.tid()),
            signal,
        };
        let former = self.0.remove(&directed);
        if let Some(former) = &former {
            // If it fails, the thread is gone.
            let _ = stop.set_signal_info(&former.info);
        }
        Some((directed, former.unwrap_or(PutOff { info, tries: 0 })))
    }

    /// A thread that goes on by itself has the signal that it stopped with as it came first.
    pub(super) fn settle(&mut self, pid: i32, stop: &Stop) {
        self.restore(pid, stop);
    }

    /// A thread of the process is gone. What was put off for it is for another one.
    pub(super) fn thread_gone(&mut self, pid: i32, tid: i32) {
        for (directed, _) in self.0.extract_if(|of, _| of.pid == pid && of.tid == Some(tid)) {
            directed.to_process().send();
        }
    }
}

impl Directed {
    /// The same for any thread, where the one that was to have it is gone.
    fn to_process(self) -> Directed {
        Directed { tid: None, ..self }
    }

    /// Sends it again. Whether there is somebody who gets it.
    fn send(self) -> bool {
        // SAFETY: the calls take numbers alone, and what is gone is told by an error.
        let sent = unsafe {
            match self.tid {
                Some(tid) => libc::syscall(libc::SYS_tgkill, self.pid, tid, self.signal),
                None => libc::kill(self.pid, self.signal).into(),
            }
        };
        sent == 0
    }
}
