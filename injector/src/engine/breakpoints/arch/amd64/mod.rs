//! Breakpoints on amd64.

mod stub;

use std::arch::x86_64::__cpuid;

pub(in crate::engine::breakpoints) use self::stub::{SERVED, image, restorer_offset};

/// Bytes reserved for each copy: an instruction of up to 15 bytes, grown by relocation, and a jump.
pub(in crate::engine::breakpoints) const SLOT: u64 = 64;

/// An instruction that raises SIGTRAP.
pub(in crate::engine) type Trap = [u8; 1];

/// int3.
pub(in crate::engine) const TRAP: Trap = [0xcc];

/// int1, for a program that has uprobes. The kernel takes every int3 in there for one of its own: where somebody else's uprobe
/// at the same place comes off, in any process, so would ours.
pub(in crate::engine) const TRAP_BESIDE_UPROBES: Trap = [0xf1];

/// The address of the breakpoint that a thread has just hit.
pub(in crate::engine::breakpoints) fn breakpoint_address(pc: u64) -> u64 {
    pc.wrapping_sub(TRAP.len() as u64)
}

/// Whether a program can have breakpoints beside uprobes. QEMU's emulation of a processor stops the whole machine at an int1.
pub(in crate::engine) fn has_trap_beside_uprobes() -> bool {
    const HYPERVISOR: u32 = 0x4000_0000;
    const EMULATED: &[u8; 12] = b"TCGTCGTCGTCG";
    let found = __cpuid(HYPERVISOR);
    let name = [found.ebx, found.ecx, found.edx].map(u32::to_le_bytes);
    name.as_flattened() != EMULATED
}
