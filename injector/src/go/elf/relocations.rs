//! Pointers that the dynamic linker fills in.
//!
//! In a position-independent program a pointer's bytes in the file may be zero: only its
//! relocation says where it will point.

use std::ops::Range;

use super::types::Elf;
use crate::go::address::Address;
use crate::go::bytes::{u32_at, u64_at};

const ENTRY_SIZE: usize = 24;
const R_X86_64_RELATIVE: u32 = 8;

/// The places in a range that get a pointer, with the link-time address it will have.
pub(in crate::go) fn pointers_in<'d>(
    elf: &Elf,
    data: &'d [u8],
    range: Range<u64>,
) -> impl Iterator<Item = (Address, u64)> + use<'d> {
    all(elf, data).filter(move |(place, _)| range.contains(&place.0))
}

/// The places that get a pointer to an address.
pub(in crate::go) fn pointers_to<'d>(
    elf: &Elf,
    data: &'d [u8],
    target: u64,
) -> impl Iterator<Item = Address> + use<'d> {
    all(elf, data)
        .filter(move |&(_, value)| value == target)
        .map(|(place, _)| place)
}

fn all<'d>(elf: &Elf, data: &'d [u8]) -> impl Iterator<Item = (Address, u64)> + use<'d> {
    let table = elf
        .rela
        .and_then(|(address, size)| elf.read(data, address, usize::try_from(size).ok()?))
        .unwrap_or_default();
    table.chunks_exact(ENTRY_SIZE).filter_map(|entry| {
        (u32_at(entry, 8)? == R_X86_64_RELATIVE).then_some((Address(u64_at(entry, 0)?), u64_at(entry, 16)?))
    })
}
