//! Programs that are just starting.

use std::io;

use super::{ArmError, SessionError};
use crate::tracee::arch::system_call_at_end;
use crate::tracee::{Stop, Why};

/// The signals that a starting program is to have handlers for before it is armed. Go's runtime installs them in this order when
/// its first thread is set up, before it starts others and before any package is initialised.
#[derive(Clone, Copy, Debug)]
pub(super) struct Awaited(&'static [i32]);

impl Awaited {
    /// For breakpoints.
    pub(super) fn traps() -> Awaited {
        Awaited(&[libc::SIGSEGV])
    }
    /// For accesses that may fault, too.
    pub(super) fn faults() -> Awaited {
        Awaited(&[libc::SIGBUS, libc::SIGSEGV])
    }

    /// Whether the last of them was installed by the system call that the program is at the end of.
    fn is_over(&mut self, stop: &Stop) -> io::Result<bool> {
        if stop.why() != Why::SystemCall {
            return Ok(false);
        }
        let registers = stop.registers()?;
        let (number, [signal, action], result) = system_call_at_end(&registers);
        let installs = number == libc::SYS_rt_sigaction as u64 && action != 0 && result == 0;
        if let [next, rest @ ..] = self.0
            && installs
            && signal == *next as u64
        {
            self.0 = rest;
            return Ok(rest.is_empty());
        }
        Ok(false)
    }
}

/// Takes a stop of a program that is starting, and arms it when its runtime is set up.
pub(super) fn take_stop<E>(
    pid: i32,
    stop: Stop,
    awaited: &mut Awaited,
    arm: impl FnOnce(Stop) -> Result<(), E>,
) -> Result<(), SessionError>
where
    ArmError: From<E>,
{
    match stop.tid() == pid {
        true if awaited.is_over(&stop)? => Ok(arm(stop).map_err(ArmError::from)?),
        true => Ok(stop.resume_to_system_call()?),
        false => Ok(stop.resume()?),
    }
}
