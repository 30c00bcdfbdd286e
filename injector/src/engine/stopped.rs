//! A thread stopped under ptrace, as the decision core sees it.

use std::io;

use goinject_probes::native::{Hit, Thread};
use goinject_probes::table::{Event, GeneralRegister};

use super::arch::{flags, registers_in_order, set_flags};
use crate::tracee::{FloatRegisters, GeneralRegisters, Memory, Stop, arch};

/// A stopped thread lent to the core.
pub struct StoppedThread<'a> {
    stop: &'a Stop,
    memory: &'a Memory,
    thread_pointer: u64,
    floats: Option<FloatRegisters>,
    events: &'a mut Vec<Event>,
}

impl<'a> StoppedThread<'a> {
    /// Lends a stopped thread, whose general registers are known already.
    pub fn new(
        stop: &'a Stop,
        registers: &GeneralRegisters,
        memory: &'a Memory,
        events: &'a mut Vec<Event>,
    ) -> StoppedThread<'a> {
        StoppedThread {
            stop,
            memory,
            thread_pointer: arch::thread_pointer(registers),
            floats: None,
            events,
        }
    }

    fn floats(&mut self) -> Option<&mut FloatRegisters> {
        if self.floats.is_none() {
            self.floats = self.stop.floats().ok();
        }
        self.floats.as_mut()
    }
}

impl Thread for StoppedThread<'_> {
    fn read(&mut self, address: u64, to: &mut [u8]) -> bool {
        self.memory.read(address, to).is_ok()
    }

    fn write(&mut self, address: u64, from: &[u8]) -> bool {
        self.memory.write_as_program(address, from).is_ok()
    }

    fn float(&mut self, index: u32) -> Option<u64> {
        Some(arch::float(self.floats()?, index))
    }

    fn set_float(&mut self, index: u32, value: u64) -> bool {
        let stop = self.stop;
        let Some(floats) = self.floats() else { return false };
        arch::set_float(floats, index, value);
        // At once: whether it can be done decides what the edit counts as.
        stop.set_floats(*floats).is_ok()
    }

    fn thread_pointer(&mut self) -> u64 {
        self.thread_pointer
    }

    fn emit(&mut self, event: &Event) {
        self.events.push(*event);
    }
}

/// The hit of a thread that stands before the instruction at `pc`.
pub fn hit(registers: &GeneralRegisters, pc: u64, site: u32, tid: i32) -> Hit {
    let mut hit = Hit {
        pc,
        flags: flags(registers),
        site,
        tid: tid.cast_unsigned(),
        ..Hit::default()
    };
    let mut registers = *registers;
    for (to, (_, from)) in hit.registers.iter_mut().zip(registers_in_order(&mut registers)) {
        *to = *from;
    }
    hit
}

/// What the core made of a call, as the thread's registers. `resume_at` is where the thread goes on if
/// it is not redirected.
pub fn commit(hit: &Hit, registers: &mut GeneralRegisters, resume_at: u64) {
    let redirected = hit.redirected != 0;
    for (n, (_, to)) in registers_in_order(registers).into_iter().enumerate() {
        if redirected || hit.dirty & (1 << n) != 0 {
            *to = hit.registers[n];
        }
    }
    arch::set_pc(registers, if redirected { hit.to } else { resume_at });
}

/// Has the thread run the probed instruction again, with all the registers that it had then.
pub fn send_back(hit: &Hit, registers: &mut GeneralRegisters) {
    for (n, (_, to)) in registers_in_order(registers).into_iter().enumerate() {
        *to = hit.registers[n];
    }
    arch::set_pc(registers, hit.pc);
    set_flags(registers, hit.flags);
}

/// The stack pointer of a call.
pub fn stack_pointer(hit: &Hit) -> u64 {
    hit.registers[GeneralRegister::STACK_POINTER as usize]
}

/// The thread was killed while it was handled; its end is reported by itself.
pub fn gone(error: io::Error) -> io::Result<bool> {
    if error.raw_os_error() == Some(libc::ESRCH) {
        Ok(false)
    } else {
        Err(error)
    }
}
