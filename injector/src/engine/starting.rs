//! Programs that are just starting.

use std::io;

use super::{ArmError, SessionError};
use crate::plan::Plan;
use crate::tracee::arch::{system_call_at_end, thread_pointer};
use crate::tracee::{Family, Memory, Stop, Why};

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

    /// Whether Go's runtime has installed the last of them by the system call that the program is at the end of. Libraries in C,
    /// such as sanitizers, may have handlers of their own before: their thread has no g yet. Where it is over, the program stops at
    /// system calls no longer.
    pub(super) fn is_over(
        &mut self,
        pid: i32,
        stop: &Stop,
        plan: &Plan,
        memory: &Memory,
        family: &mut Family,
    ) -> io::Result<bool> {
        if stop.tid() != pid || stop.why() != Why::SystemCall {
            return Ok(false);
        }
        let registers = stop.registers()?;
        let (number, [signal, action], result) = system_call_at_end(&registers);
        let installs = number == libc::SYS_rt_sigaction as u64 && action != 0 && result == 0;
        if let [next, rest @ ..] = self.0
            && installs
            && signal == *next as u64
            && plan.runtime.tls_g.is_none_or(|offset| {
                let place = thread_pointer(&registers).wrapping_add_signed(offset);
                memory.word(place).map_or(true, |g| g != 0)
            })
        {
            self.0 = rest;
            if rest.is_empty() {
                family.set_up(pid);
            }
            return Ok(rest.is_empty());
        }
        Ok(false)
    }
}

/// Takes a stop of a program that is starting, and arms it when its runtime is set up, which this stop says or not.
pub(super) fn take_stop<E>(
    pid: i32,
    stop: Stop,
    is_over: bool,
    arm: impl FnOnce(Stop) -> Result<(), E>,
) -> Result<(), SessionError>
where
    ArmError: From<E>,
{
    match stop.tid() == pid {
        true if is_over => Ok(arm(stop).map_err(ArmError::from)?),
        true => Ok(stop.resume_to_system_call()?),
        false => Ok(stop.resume()?),
    }
}
