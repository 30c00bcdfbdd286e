//! Threads that fault in the core, where it reads or writes memory that is not there: they go on behind the access, which has
//! failed then.
//!
//! While goinject is there, a signal never reaches the program for it. The handler in the program, which does the same, is for the
//! time when it is not.

use std::collections::HashMap;
use std::io;

use crate::engine::handlers::{Detour, SERVED};
use crate::tracee::arch::{pc, set_pc};
use crate::tracee::{Stop, Why};

/// Where a thread stands that has faulted, and where it goes on.
#[derive(Debug)]
pub(super) struct Faults(HashMap<u64, u64>);

impl Faults {
    pub(super) fn new(detours: Vec<Detour>) -> Faults {
        Faults(detours.into_iter().collect())
    }

    /// Has a thread that has faulted in the core go on there when it is resumed without the signal; false if it stopped for
    /// another reason.
    pub(super) fn serve(&self, stop: &Stop) -> io::Result<bool> {
        let is_fault = matches!(stop.why(), Why::Signal(libc::SIGSEGV | libc::SIGBUS));
        if !is_fault || !stop.is_from_kernel() {
            return Ok(false);
        }
        let mut registers = stop.registers()?;
        let Some(to) = self.0.get(&pc(&registers)).copied() else {
            return Ok(false);
        };
        set_pc(&mut registers, to);
        // If goinject is killed from here on, the signal is delivered, but nothing is left to do about it.
        stop.mark_signal(SERVED)?;
        stop.set_registers(registers)?;
        Ok(true)
    }
}
