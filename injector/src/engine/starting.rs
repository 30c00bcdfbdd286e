//! Programs that are just starting.

use std::io;

use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

use super::{ArmError, SessionError};
use crate::tracee::arch::system_call_at_end;
use crate::tracee::{Stop, Why};

/// Whether a program is at the end of the system call that installs its handler for SIGTRAP. Go's runtime does that when its
/// first thread is set up, before it starts others and before any package is initialised.
fn has_installed_trap_handler(stop: &Stop) -> io::Result<bool> {
    if stop.why() != Why::SystemCall {
        return Ok(false);
    }
    let registers = stop.registers()?;
    let (number, [signal, action], result) = system_call_at_end(&registers);
    Ok(number == libc::SYS_rt_sigaction as u64
        && signal == libc::SIGTRAP as u64
        && action != 0
        && result == 0)
}

/// Takes a stop of a program that is starting, and arms it when its runtime is set up.
pub(super) fn take_stop<E>(
    pid: i32,
    stop: Stop,
    arm: impl FnOnce(Stop) -> Result<(), E>,
) -> Result<(), SessionError>
where
    ArmError: From<E>,
{
    match stop.tid() == pid {
        true if has_installed_trap_handler(&stop)? => Ok(arm(stop).map_err(ArmError::from)?),
        true => Ok(stop.resume_to_system_call()?),
        false => Ok(stop.resume()?),
    }
}

/// Whether the filter of system calls that goinject is under, as its target is, lets a process read its own memory by the
/// kernel. A child tries, since a filter may end whoever asks.
pub(super) fn may_read_itself() -> bool {
    // SAFETY: the child makes two system calls and takes no lock, which a thread that it lacks may hold.
    match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            let (word, mut to) = (7u64, [0; 8]);
            let from = RemoteIoVec {
                base: &raw const word as usize,
                len: to.len(),
            };
            let mut local = [io::IoSliceMut::new(&mut to)];
            let read = process_vm_readv(Pid::this(), &mut local, &[from]);
            // SAFETY: ends this process without running what the parent registered for its own end.
            unsafe { libc::_exit(i32::from(read != Ok(8))) }
        }
        Ok(ForkResult::Parent { child }) => matches!(waitpid(child, None), Ok(WaitStatus::Exited(_, 0))),
        Err(_) => false,
    }
}
