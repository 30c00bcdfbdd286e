//! A thread's registers on amd64, in the order of the tables.

mod displaced;
mod trampoline;

use goinject_probes::native::Hit;
use goinject_probes::table::GeneralRegister as R;

use crate::engine::stopped::stack_pointer;
use crate::tracee::{GeneralRegisters, Memory};

pub(in crate::engine) use self::displaced::{Displaced, displace};
pub(in crate::engine) use self::trampoline::{STUB, is_saved_pc, jump, stub};

/// What the kernel writes over an instruction that a uprobe is at: int3.
pub(in crate::engine) const PROBE: [u8; 1] = [0xcc];

/// The flags register.
pub(in crate::engine) fn flags(registers: &GeneralRegisters) -> u64 {
    registers.eflags
}

/// Sets the flags register.
pub(in crate::engine) fn set_flags(registers: &mut GeneralRegisters, flags: u64) {
    registers.eflags = flags;
}

/// Where a call returns to, at its entry and at a RET: on top of the stack.
pub(in crate::engine) fn return_address(hit: &Hit, memory: &Memory) -> std::io::Result<u64> {
    memory.word(stack_pointer(hit))
}

/// The general registers in the core's order.
pub(in crate::engine) fn registers_in_order(r: &mut GeneralRegisters) -> [(R, &mut u64); 16] {
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
    use crate::engine::stopped::{commit, hit};

    #[test]
    fn registers_stand_in_the_cores_order() {
        // SAFETY: plain integers.
        let mut registers: GeneralRegisters = unsafe { std::mem::zeroed() };
        for (n, (register, slot)) in registers_in_order(&mut registers).into_iter().enumerate() {
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
