//! Pointers that the dynamic linker fills in.
//!
//! In a position-independent program a pointer's bytes in the file may be zero: only its
//! relocation says where it will point.

use super::types::Elf;
use crate::go::address::Address;
use crate::go::bytes::{u32_at, u64_at};

const ENTRY_SIZE: usize = 24;

/// The places that get a pointer, with the link-time address it will have, in order of address.
pub(in crate::go) fn pointers(elf: &Elf, data: &[u8]) -> Vec<(Address, u64)> {
    let table = elf
        .rela
        .and_then(|(address, size)| elf.read(data, address, usize::try_from(size).ok()?))
        .unwrap_or_default();
    let relative = elf.architecture.relocations().relative;
    let mut pointers: Vec<(Address, u64)> = table
        .chunks_exact(ENTRY_SIZE)
        .filter_map(|entry| {
            (u32_at(entry, 8)? == relative).then_some((Address(u64_at(entry, 0)?), u64_at(entry, 16)?))
        })
        .collect();
    pointers.sort_unstable();
    pointers
}
