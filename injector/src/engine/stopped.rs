//! A thread stopped under ptrace, as the decision core sees it.

use goinject_probes::native::{Hit, Thread};
use goinject_probes::table::{Event, GeneralRegister as R};

use crate::tracee::{FloatRegisters, GeneralRegisters, Memory, Stop};

/// A stopped thread lent to the core.
pub struct StoppedThread<'a> {
    stop: &'a Stop,
    memory: &'a Memory,
    fs_base: u64,
    floats: Option<FloatRegisters>,
    floats_edited: bool,
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
            fs_base: registers.fs_base,
            floats: None,
            floats_edited: false,
            events,
        }
    }

    /// Gives the edited floating-point registers to the thread; false if it can't be done.
    pub fn commit_floats(&mut self) -> bool {
        match self.floats {
            Some(floats) if self.floats_edited => self.stop.set_floats(floats).is_ok(),
            _ => true,
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
        let words = self.floats()?.xmm_space;
        let at = index as usize * 4;
        Some(u64::from(words[at]) | u64::from(words[at + 1]) << 32)
    }

    fn set_float(&mut self, index: u32, value: u64) -> bool {
        let Some(floats) = self.floats() else { return false };
        let at = index as usize * 4;
        let [low, high] = halves(value);
        floats.xmm_space[at] = low;
        floats.xmm_space[at + 1] = high;
        self.floats_edited = true;
        true
    }

    fn thread_pointer(&mut self) -> u64 {
        self.fs_base
    }

    fn emit(&mut self, event: &Event) {
        self.events.push(*event);
    }
}

fn halves(value: u64) -> [u32; 2] {
    let bytes = value.to_le_bytes();
    [0, 4].map(|at| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]))
}

/// The hit of a thread that stands before the instruction at `pc`.
pub fn hit(registers: &GeneralRegisters, pc: u64, site: u32, tid: i32) -> Hit {
    let mut hit = Hit {
        pc,
        flags: registers.eflags,
        site,
        tid: tid.cast_unsigned(),
        ..Hit::default()
    };
    let mut registers = *registers;
    for (to, (_, from)) in hit.registers.iter_mut().zip(slots(&mut registers)) {
        *to = *from;
    }
    hit
}

/// What the core made of a call, as the thread's registers. `resume_at` is where the thread goes on if
/// it is not redirected.
pub fn commit(hit: &Hit, registers: &mut GeneralRegisters, resume_at: u64) {
    let redirected = hit.redirected != 0;
    for (n, (_, to)) in slots(registers).into_iter().enumerate() {
        if redirected || hit.dirty & (1 << n) != 0 {
            *to = hit.registers[n];
        }
    }
    registers.rip = if redirected { hit.to } else { resume_at };
}

/// Has the thread run the probed instruction again, with all the registers that it had then.
pub fn send_back(hit: &Hit, registers: &mut GeneralRegisters) {
    for (n, (_, to)) in slots(registers).into_iter().enumerate() {
        *to = hit.registers[n];
    }
    registers.rip = hit.pc;
    registers.eflags = hit.flags;
}

/// The general registers in the core's order.
fn slots(r: &mut GeneralRegisters) -> [(R, &mut u64); 16] {
    [
        (R::Rax, &mut r.rax),
        (R::Rbx, &mut r.rbx),
        (R::Rcx, &mut r.rcx),
        (R::Rdi, &mut r.rdi),
        (R::Rsi, &mut r.rsi),
        (R::R8, &mut r.r8),
        (R::R9, &mut r.r9),
        (R::R10, &mut r.r10),
        (R::R11, &mut r.r11),
        (R::Rdx, &mut r.rdx),
        (R::Rsp, &mut r.rsp),
        (R::Rbp, &mut r.rbp),
        (R::R12, &mut r.r12),
        (R::R13, &mut r.r13),
        (R::R14, &mut r.r14),
        (R::R15, &mut r.r15),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_stand_in_the_cores_order() {
        // SAFETY: plain integers.
        let mut registers: GeneralRegisters = unsafe { std::mem::zeroed() };
        for (n, (register, slot)) in slots(&mut registers).into_iter().enumerate() {
            assert_eq!(register as usize, n);
            *slot = n as u64;
        }
        assert_eq!((registers.rax, registers.rdi, registers.r14), (0, 3, 14));
        let mut hit = hit(&registers, 0x40, 7, 9);
        assert_eq!(
            hit.registers[..16],
            std::array::from_fn::<u64, 16, _>(|n| n as u64)
        );
        hit.registers[1] = 99;
        hit.registers[2] = 98;
        hit.dirty = 1 << 1;
        commit(&hit, &mut registers, 0x44);
        assert_eq!((registers.rbx, registers.rcx, registers.rip), (99, 2, 0x44));
        hit.redirected = 1;
        commit(&hit, &mut registers, 0x44);
        assert_eq!((registers.rcx, registers.rip), (98, 0));
    }
}
