//! What a thread reported, as a type: a stop is consumed to resume the thread it holds.

use std::io;

use super::arch::{FloatRegisters, GeneralRegisters};
use super::patience;
use super::ptrace::{self, Resume, Status};

/// What became of a thread or process.
#[derive(Debug)]
pub(super) enum Report {
    /// A traced thread stopped.
    Stopped(Stop),
    /// A traced thread is gone, and its process is not, or not yet.
    ThreadGone(i32),
    /// The process exited with this status.
    Exited(i32),
    /// The process was killed by this signal.
    Killed(i32),
}

/// Why a thread stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// About to be delivered this signal.
    Signal(i32),
    /// Stopped with its whole process by a stop signal.
    Group,
    /// It was interrupted, or it is new.
    Interrupted,
    /// It made a new thread or process, whose id this is (0 if that is gone already).
    Born {
        /// The id.
        child: i32,
        /// It is a process that runs in its parent's memory, and its parent waits for it.
        shares_memory: bool,
    },
    /// Its process runs another program now; it had this id before.
    Exec(i32),
    /// At the entry or exit of a system call.
    SystemCall,
}

/// A stopped thread. It stays stopped until this is consumed.
#[derive(Debug)]
#[must_use = "a thread that is not resumed hangs"]
pub struct Stop {
    tid: i32,
    why: Why,
}

impl Report {
    /// Reads a wait status. `pid` tells the process's end from a thread's.
    pub(super) fn of(Status { tid, status }: Status, pid: i32) -> Report {
        if libc::WIFEXITED(status) {
            return if tid == pid {
                Report::Exited(libc::WEXITSTATUS(status))
            } else {
                Report::ThreadGone(tid)
            };
        }
        if libc::WIFSIGNALED(status) {
            return if tid == pid {
                Report::Killed(libc::WTERMSIG(status))
            } else {
                Report::ThreadGone(tid)
            };
        }
        let signal = libc::WSTOPSIG(status);
        let why = match status >> 16 {
            0 if signal == libc::SIGTRAP | 0x80 => Why::SystemCall,
            0 => Why::Signal(signal),
            event @ (libc::PTRACE_EVENT_CLONE | libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK) => {
                Why::Born {
                    child: message(tid),
                    shares_memory: event == libc::PTRACE_EVENT_VFORK,
                }
            }
            libc::PTRACE_EVENT_EXEC => Why::Exec(message(tid)),
            libc::PTRACE_EVENT_STOP if signal == libc::SIGTRAP => Why::Interrupted,
            libc::PTRACE_EVENT_STOP => Why::Group,
            _ => Why::Interrupted,
        };
        Report::Stopped(Stop { tid, why })
    }
}

fn message(tid: i32) -> i32 {
    ptrace::event_message(tid)
        .ok()
        .and_then(|message| i32::try_from(message).ok())
        .unwrap_or_default()
}

impl Stop {
    /// The stop of a thread that is known to be stopped still, for nothing that it has to be told of.
    pub fn again(tid: i32) -> Stop {
        Stop {
            tid,
            why: Why::Interrupted,
        }
    }

    /// The thread.
    pub fn tid(&self) -> i32 {
        self.tid
    }

    /// Why it stopped.
    pub fn why(&self) -> Why {
        self.why
    }

    /// Its general registers.
    pub fn registers(&self) -> io::Result<GeneralRegisters> {
        ptrace::registers(self.tid)
    }

    /// Replaces its general registers.
    pub fn set_registers(&self, registers: GeneralRegisters) -> io::Result<()> {
        ptrace::set_registers(self.tid, registers)
    }

    /// Its floating-point registers.
    pub fn floats(&self) -> io::Result<FloatRegisters> {
        ptrace::floats(self.tid)
    }

    /// Replaces its floating-point registers.
    pub fn set_floats(&self, floats: FloatRegisters) -> io::Result<()> {
        ptrace::set_floats(self.tid, floats)
    }

    /// Whether the kernel itself raised the signal: a breakpoint, not somebody's `kill`.
    pub fn is_from_kernel(&self) -> bool {
        ptrace::signal_code(self.tid).is_ok_and(|code| code > 0)
    }

    /// Whether the kernel raised the signal, and tells no place that was not there: for an instruction that a program may not run.
    pub fn is_protection_fault(&self) -> bool {
        ptrace::signal_code(self.tid).is_ok_and(|code| code == libc::SI_KERNEL)
    }

    /// Whether a trap or a fault of the thread waits to be reported behind this stop.
    pub fn has_pending_fault(&self) -> bool {
        has_pending_fault(self.tid)
    }

    /// Whether the kernel itself sees to a signal: the process neither handles nor ignores it.
    pub fn has_default_action(&self, signal: i32) -> bool {
        let bit = 1 << (signal - 1);
        [SignalSet::Caught, SignalSet::Ignored]
            .map(|set| signals(self.tid, set).is_some_and(|set| set & bit == 0))
            == [true; 2]
    }

    /// Marks the signal that the thread is stopped with; see [`ptrace::mark_signal`].
    pub fn mark_signal(&self, mark: i32) -> io::Result<()> {
        ptrace::mark_signal(self.tid, mark)
    }

    /// The same stopped thread, without the signal that it stopped with.
    pub fn without_signal(self) -> Stop {
        self.stopped_for(Why::Interrupted)
    }

    /// The same stopped thread, as it had reported before.
    pub(super) fn stopped_for(&self, why: Why) -> Stop {
        Stop { tid: self.tid, why }
    }

    /// Its signal mask.
    pub(super) fn signal_mask(&self) -> io::Result<u64> {
        ptrace::signal_mask(self.tid)
    }

    /// Replaces its signal mask.
    pub(super) fn set_signal_mask(&self, mask: u64) -> io::Result<()> {
        ptrace::set_signal_mask(self.tid, mask)
    }

    /// Runs to the entry or exit of the next system call, or to what stops it before, and waits for that. The error is
    /// ESRCH if it ends instead, which whoever waits for it next is told.
    pub(super) fn go_to_next_stop(self, pid: i32) -> io::Result<Stop> {
        let tid = self.tid;
        self.resume_to_system_call()?;
        patience::next_stop(pid, tid, None)?.ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))
    }

    /// Goes on as the reason of the stop asks: with its signal, or still stopped with its group.
    pub fn resume(self) -> io::Result<()> {
        match self.why {
            Why::Signal(signal) => self.go(Resume::Run, signal),
            Why::Group => match ptrace::resume(self.tid, Resume::Listen, 0) {
                // No longer in its group's stop.
                Err(_) => self.go(Resume::Run, 0),
                Ok(()) => Ok(()),
            },
            _ => self.go(Resume::Run, 0),
        }
    }

    /// Goes on without the signal it stopped with.
    pub fn resume_without_signal(self) -> io::Result<()> {
        self.go(Resume::Run, 0)
    }

    /// All that is told of the signal it stopped with.
    pub fn signal_info(&self) -> io::Result<libc::siginfo_t> {
        ptrace::signal_info(self.tid)
    }

    /// Has the signal it stopped with be another one of the same number.
    pub fn set_signal_info(&self, info: &libc::siginfo_t) -> io::Result<()> {
        ptrace::set_signal_info(self.tid, info)
    }

    /// Goes on to the next system call's entry or exit.
    pub fn resume_to_system_call(self) -> io::Result<()> {
        match self.why {
            Why::Signal(signal) => self.go(Resume::ToSystemCall, signal),
            _ => self.go(Resume::ToSystemCall, 0),
        }
    }

    /// Goes on, no longer traced, with the signal it stopped with.
    pub fn detach(self) -> io::Result<()> {
        match self.why {
            Why::Signal(signal) => self.go(Resume::Detach, signal),
            _ => self.go(Resume::Detach, 0),
        }
    }

    fn go(self, how: Resume, signal: i32) -> io::Result<()> {
        match ptrace::resume(self.tid, how, signal) {
            // Killed meanwhile: its end is reported by itself.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            other => other,
        }
    }
}

/// Whether a signal for something that the thread itself has done waits for it: a trap, or a fault.
pub(super) fn has_pending_fault(tid: i32) -> bool {
    const BITS: u64 = 1 << (libc::SIGTRAP - 1) | 1 << (libc::SIGSEGV - 1) | 1 << (libc::SIGBUS - 1);
    signals(tid, SignalSet::Pending).is_some_and(|mask| mask & BITS != 0)
}

/// Signals that the kernel tells of a thread.
#[derive(Clone, Copy)]
enum SignalSet {
    /// Those that wait for it, and not for its whole process.
    Pending,
    /// Those that its process handles.
    Caught,
    /// Those that its process ignores.
    Ignored,
}

/// A set of signals, by bit, the first being signal 1. None of a thread that is gone.
fn signals(tid: i32, set: SignalSet) -> Option<u64> {
    let field = match set {
        SignalSet::Pending => "SigPnd:",
        SignalSet::Caught => "SigCgt:",
        SignalSet::Ignored => "SigIgn:",
    };
    let status = std::fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix(field))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}
