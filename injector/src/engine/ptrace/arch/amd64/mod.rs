//! Breakpoints on amd64.

mod stub;

pub(in crate::engine::ptrace) use self::stub::{SERVED, image, restorer_offset};

/// Bytes reserved for each copy: an instruction of up to 15 bytes, grown by relocation, and a jump.
pub(in crate::engine::ptrace) const SLOT: u64 = 64;

/// int3.
pub(in crate::engine::ptrace) const BREAKPOINT: [u8; 1] = [0xcc];

/// The address of the breakpoint that a thread has just hit.
pub(in crate::engine::ptrace) fn breakpoint_address(pc: u64) -> u64 {
    pc.wrapping_sub(BREAKPOINT.len() as u64)
}
