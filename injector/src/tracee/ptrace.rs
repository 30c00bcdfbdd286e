//! Every ptrace call of goinject, by name. The requests that `nix` does not wrap are here, and
//! nowhere else, as unsafe code.

use std::io;

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::arch::{FloatRegisters, GeneralRegisters};
use super::family::Follow;

/// Options that every tracee gets: new threads are followed, and `exec` is reported.
const OPTIONS: ptrace::Options = ptrace::Options::PTRACE_O_TRACECLONE
    .union(ptrace::Options::PTRACE_O_TRACEEXEC)
    .union(ptrace::Options::PTRACE_O_TRACESYSGOOD);

/// What new processes are followed by.
const FORKS: ptrace::Options =
    ptrace::Options::PTRACE_O_TRACEFORK.union(ptrace::Options::PTRACE_O_TRACEVFORK);

pub(super) fn seize(tid: i32, follow: Follow) -> io::Result<()> {
    let options = match follow {
        Follow::Threads => OPTIONS,
        Follow::Processes => OPTIONS.union(FORKS),
    };
    Ok(ptrace::seize(Pid::from_raw(tid), options)?)
}

/// Seizes one thread for a moment: the threads that it makes meanwhile are left alone.
pub(super) fn seize_alone(tid: i32) -> io::Result<()> {
    let options = OPTIONS.difference(ptrace::Options::PTRACE_O_TRACECLONE);
    Ok(ptrace::seize(Pid::from_raw(tid), options)?)
}

/// Makes this process the tracer of another one's first thread, which goes on running, until this process ends.
pub fn seize_first_thread(pid: i32) -> io::Result<()> {
    Ok(ptrace::seize(Pid::from_raw(pid), ptrace::Options::empty())?)
}

/// Has a stopped thread's seccomp filters not asked until [`resume_seccomp`], or until its tracer is gone (Linux 4.3).
pub(super) fn suspend_seccomp(tid: i32) -> io::Result<()> {
    set_options(tid, OPTIONS.bits() | libc::PTRACE_O_SUSPEND_SECCOMP)
}

pub(super) fn resume_seccomp(tid: i32) -> io::Result<()> {
    set_options(tid, OPTIONS.bits())
}

fn set_options(tid: i32, options: i32) -> io::Result<()> {
    // SAFETY: the request takes a number, and touches no memory of this process.
    let result = unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, tid, 0usize, options as usize) };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

pub(super) fn interrupt(tid: i32) -> io::Result<()> {
    Ok(ptrace::interrupt(Pid::from_raw(tid))?)
}

/// How a stopped thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resume {
    /// Freely.
    Run,
    /// To the entry or exit of its next system call.
    ToSystemCall,
    /// It stays stopped with its group, and is reported when that changes.
    Listen,
    /// Freely, and no longer traced.
    Detach,
}

pub(super) fn resume(tid: i32, how: Resume, signal: i32) -> io::Result<()> {
    let request = match how {
        Resume::Run => libc::PTRACE_CONT,
        Resume::ToSystemCall => libc::PTRACE_SYSCALL,
        Resume::Listen => libc::PTRACE_LISTEN,
        Resume::Detach => libc::PTRACE_DETACH,
    };
    // SAFETY: none of these requests reads or writes memory of this process; the signal number may be
    // one that nix has no name for (Go uses real-time signals), hence the raw call.
    let result = unsafe { libc::ptrace(request, tid, 0usize, signal as usize) };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

pub(super) fn registers(tid: i32) -> io::Result<GeneralRegisters> {
    Ok(ptrace::getregs(Pid::from_raw(tid))?)
}

pub(super) fn set_registers(tid: i32, registers: GeneralRegisters) -> io::Result<()> {
    Ok(ptrace::setregs(Pid::from_raw(tid), registers)?)
}

/// The floating-point registers, as far as Go passes anything in them.
pub(super) fn floats(tid: i32) -> io::Result<FloatRegisters> {
    Ok(ptrace::getregset::<ptrace::regset::NT_PRFPREG>(Pid::from_raw(
        tid,
    ))?)
}

pub(super) fn set_floats(tid: i32, floats: FloatRegisters) -> io::Result<()> {
    Ok(ptrace::setregset::<ptrace::regset::NT_PRFPREG>(
        Pid::from_raw(tid),
        floats,
    )?)
}

/// The `si_code` of the signal that a thread is stopped with.
pub(super) fn signal_code(tid: i32) -> io::Result<i32> {
    Ok(signal_info(tid)?.si_code)
}

/// All that the kernel tells of the signal that a thread is stopped with.
pub(super) fn signal_info(tid: i32) -> io::Result<libc::siginfo_t> {
    Ok(ptrace::getsiginfo(Pid::from_raw(tid))?)
}

/// Replaces that.
pub(super) fn set_signal_info(tid: i32, info: &libc::siginfo_t) -> io::Result<()> {
    Ok(ptrace::setsiginfo(Pid::from_raw(tid), info)?)
}

/// Writes a number into the field `si_errno` of the signal that a thread is stopped with, which traps do
/// not use.
pub(super) fn mark_signal(tid: i32, mark: i32) -> io::Result<()> {
    let mut info = signal_info(tid)?;
    info.si_errno = mark;
    set_signal_info(tid, &info)
}

/// The argument of a ptrace event: the new thread's id for a clone, the former id for an exec.
pub(super) fn event_message(tid: i32) -> io::Result<i64> {
    Ok(ptrace::getevent(Pid::from_raw(tid))?)
}

/// A stopped thread's signal mask (Linux 3.11).
pub(super) fn signal_mask(tid: i32) -> io::Result<u64> {
    let mut mask = 0u64;
    // SAFETY: the request takes the size of a kernel sigset (8) and a place for that many bytes.
    match unsafe { libc::ptrace(libc::PTRACE_GETSIGMASK, tid, size_of::<u64>(), &raw mut mask) } {
        result if result < 0 => Err(io::Error::last_os_error()),
        _ => Ok(mask),
    }
}

/// Replaces a stopped thread's signal mask.
pub(super) fn set_signal_mask(tid: i32, mask: u64) -> io::Result<()> {
    // SAFETY: the request takes the size of a kernel sigset (8) and a pointer to that many bytes.
    match unsafe { libc::ptrace(libc::PTRACE_SETSIGMASK, tid, size_of::<u64>(), &raw const mask) } {
        result if result < 0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// A change of state of some thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) tid: i32,
    pub(super) status: i32,
}

/// Looks at the next change of state: of one thread, or of any child or tracee. None if there is none
/// yet and `block` is not set; the error ECHILD if nothing is left to wait for.
///
/// A stop for a signal is not taken. Until the thread is resumed its tracer may die, and then the kernel
/// delivers a signal that was not taken, and forgets one that was: a breakpoint's trap or one of Go's
/// preemption signals would be lost. Nothing but resuming the thread ends such a report.
pub(super) fn look(tid: Option<i32>, block: bool) -> io::Result<Option<Status>> {
    loop {
        let Some(seen) = peek(tid, block)? else {
            return Ok(None);
        };
        if let Some(stop) = seen.signal_stop() {
            return Ok(Some(stop));
        }
        // It may have been killed meanwhile: then this is another status, which is as good.
        if let Some(status) = wait(Some(seen.tid), false) {
            return Ok(Some(status));
        }
    }
}

/// Looks at the next stop of one thread, in the same way. Its end is not taken but is the error ESRCH: somebody else
/// waits for that.
pub(super) fn look_for_stop(tid: i32, block: bool) -> io::Result<Option<Status>> {
    loop {
        let Some(seen) = peek(Some(tid), block)? else {
            return Ok(None);
        };
        if seen.code != libc::CLD_TRAPPED && seen.code != libc::CLD_STOPPED {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        if let Some(stop) = seen.signal_stop() {
            return Ok(Some(stop));
        }
        if let Some(status) = wait_for_stop(tid) {
            return Ok(Some(status));
        }
    }
}

/// A change of state that has been seen and not taken.
#[derive(Clone, Copy, Debug)]
struct Seen {
    tid: i32,
    code: i32,
    status: i32,
}

impl Seen {
    /// A stop for a signal, as waitpid would have it.
    fn signal_stop(self) -> Option<Status> {
        let is_signal = self.code == libc::CLD_TRAPPED && self.status >> 8 == 0 && self.status & 0x80 == 0;
        is_signal.then_some(Status {
            tid: self.tid,
            status: self.status << 8 | 0x7f,
        })
    }
}

fn peek(tid: Option<i32>, block: bool) -> io::Result<Option<Seen>> {
    let (kind, id) = match tid {
        Some(tid) => (libc::P_PID, tid.cast_unsigned()),
        None => (libc::P_ALL, 0),
    };
    let no_hang = if block { 0 } else { libc::WNOHANG };
    // Stops of tracees are reported without WSTOPPED, and with it those of other children, too.
    let flags = libc::WEXITED | libc::WNOWAIT | libc::__WALL | no_hang;
    loop {
        // SAFETY: a siginfo_t is plain data, and zero is a value of it.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: `info` is a valid place for the result.
        if unsafe { libc::waitid(kind, id, &raw mut info, flags) } < 0 {
            let error = io::Error::last_os_error();
            match error.kind() {
                io::ErrorKind::Interrupted => continue,
                _ => return Err(error),
            }
        }
        // SAFETY: waitid fills in these fields, and leaves zero where nothing has happened.
        let (tid, status) = unsafe { (info.si_pid(), info.si_status()) };
        let code = info.si_code;
        return Ok((tid != 0).then_some(Seen { tid, code, status }));
    }
}

/// Takes a stop that was seen, and leaves an end that has come meanwhile.
fn wait_for_stop(tid: i32) -> Option<Status> {
    let flags = libc::WSTOPPED | libc::__WALL | libc::WNOHANG;
    // SAFETY: a siginfo_t is plain data, and zero is a value of it.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: `info` is a valid place for the result.
    if unsafe { libc::waitid(libc::P_PID, tid.cast_unsigned(), &raw mut info, flags) } < 0 {
        return None;
    }
    // SAFETY: waitid fills in these fields, and leaves zero where nothing has happened.
    let (tid, status) = unsafe { (info.si_pid(), info.si_status()) };
    (tid != 0).then_some(Status {
        tid,
        status: status << 8 | 0x7f,
    })
}

/// Takes the end of a thread that is stopped, if it has come.
pub(super) fn look_for_end(tid: i32) -> Option<Status> {
    let seen = peek(Some(tid), false).ok()??;
    let is_end = matches!(seen.code, libc::CLD_EXITED | libc::CLD_KILLED | libc::CLD_DUMPED);
    is_end.then(|| wait(Some(tid), false))?
}

/// Takes the next change of state: of one thread, or of any child or tracee. None if there is none
/// yet (and `block` is not set) or nothing is left to wait for.
pub(super) fn wait(tid: Option<i32>, block: bool) -> Option<Status> {
    let flags = libc::__WALL | if block { 0 } else { libc::WNOHANG };
    loop {
        let mut status = 0;
        // SAFETY: `status` is a valid place for the result.
        let result = unsafe { libc::waitpid(tid.unwrap_or(-1), &raw mut status, flags) };
        match result {
            0 => return None,
            tid if tid > 0 => return Some(Status { tid, status }),
            _ if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            _ => return None,
        }
    }
}

/// The name of a signal, or its number.
pub fn signal_name(signal: i32) -> String {
    Signal::try_from(signal).map_or_else(
        |_| format!("signal {signal}"),
        |signal| signal.as_str().to_owned(),
    )
}
