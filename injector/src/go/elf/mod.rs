//! ELF files: headers, segments, sections, symbols, relocations.
//!
//! `parser` checks a file and reads its headers, `types` holds them, `symbols` and `relocations`
//! look things up in the file when asked.

mod parser;
pub(super) mod relocations;
pub(super) mod symbols;
mod types;

pub(super) use types::{Elf, ElfKind, Section, Segment};
