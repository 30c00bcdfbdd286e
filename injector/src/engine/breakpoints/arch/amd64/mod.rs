//! Breakpoints on amd64.

mod int1;

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

/// int1.
const INT1: Trap = [0xf1];

/// What raises it in a program that has uprobes: int1. The kernel takes every int3 in there for one of its own: where somebody
/// else's uprobe at the same place comes off, in any process, so would ours. Where an int1 is not like an int3 it is an int3 all
/// the same.
pub(in crate::engine) fn trap_beside_uprobes() -> Trap {
    match int1::is_like_int3() {
        true => INT1,
        false => TRAP,
    }
}
