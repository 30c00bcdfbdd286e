//! Breakpoints on amd64.

use std::arch::x86_64::__cpuid;

/// Bytes reserved for each copy: an instruction of up to 15 bytes, grown by relocation, and a jump.
pub(in crate::engine::breakpoints) const SLOT: u64 = 64;

/// An instruction that raises SIGTRAP.
pub(in crate::engine) type Trap = [u8; 1];

/// int3.
pub(in crate::engine) const TRAP: Trap = [0xcc];

/// Where a thread stands that has hit the breakpoint at an address.
pub(in crate::engine) fn passed(address: u64) -> u64 {
    address + TRAP.len() as u64
}

/// The address of the breakpoint that a thread has just hit.
pub(in crate::engine::breakpoints) fn breakpoint_address(pc: u64) -> u64 {
    pc.wrapping_sub(TRAP.len() as u64)
}

/// What raises it in a program that has uprobes: int1. The kernel takes every int3 in there for one of its own: where somebody
/// else's uprobe at the same place comes off, in any process, so would ours. QEMU's emulation of a processor stops the whole machine
/// at an int1; there it is an int3 all the same.
pub(in crate::engine) fn trap_beside_uprobes() -> Trap {
    const INT1: Trap = [0xf1];
    const HYPERVISOR: u32 = 0x4000_0000;
    const EMULATED: &[u8; 12] = b"TCGTCGTCGTCG";
    let found = __cpuid(HYPERVISOR);
    let name = [found.ebx, found.ecx, found.edx].map(u32::to_le_bytes);
    match name.as_flattened() == EMULATED {
        true => TRAP,
        false => INT1,
    }
}
