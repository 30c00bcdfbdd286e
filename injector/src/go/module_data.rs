//! The linker's summary of a Go program: `runtime.firstmoduledata`.
//!
//! Source: `type moduledata` in `runtime/symtab.go` of Go 1.15 to 1.27. The fields wanted here are
//! all words, but their places moved between releases.

use std::ops::Range;

use super::address::Address;
use super::bytes::u64_at;
use super::image::Image;
use super::pclntab::table::{Form, Table};
use super::version::GoVersion;

/// The function table is pointed at from few places; a bound for damaged files.
const MAX_PLACES: usize = 64;
/// Words read of it; all fields of interest are among them.
const WORDS: usize = 64;

/// What the module data says; addresses are link-time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleData {
    /// Where it is itself.
    pub address: Address,
    /// Start of the Go code: entry points in the function table count from here.
    pub text: Address,
    /// End of the Go code.
    pub etext: Address,
    /// Where the bounds of [`Self::data`] are, two words, counted from the start of the module data.
    pub data_offset: u64,
    /// Package variables that are not zero at first and hold pointers.
    pub data: Range<Address>,
    /// Those that are zero at first.
    pub bss: Range<Address>,
    /// Start of the types; type offsets count from here.
    pub types: Address,
    /// End of the types.
    pub etypes: Address,
    /// Where per-function data is found; since Go 1.18.
    pub function_data: Option<Address>,
    /// The interface tables.
    pub itabs: Itabs,
    /// Types that a program can make by reflection, whether it puts them into interfaces or not.
    pub type_links: TypeLinks,
}

/// Where the interface tables are that the linker built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Itabs {
    /// A slice of pointers to them: Go up to 1.26.
    Pointers {
        /// Start of the slice.
        start: Address,
        /// How many.
        count: u64,
    },
    /// One after another: since Go 1.27.
    Table {
        /// Start of the first.
        start: Address,
        /// Bytes of all.
        size: u64,
    },
}

/// Where the descriptions of types are named that programs can make by reflection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeLinks {
    /// A slice of offsets from the start of the types, of four bytes each: Go up to 1.26. Types with names are not among them, but
    /// pointers to these are.
    Offsets {
        /// Start of the slice.
        start: Address,
        /// How many.
        count: u64,
    },
    /// All descriptions, one after another: since Go 1.27.
    Table {
        /// The first.
        start: Address,
        /// Behind the last.
        end: Address,
    },
}

impl ModuleData {
    /// Finds and reads it.
    pub(super) fn find(image: &Image, table: &Table, version: &GoVersion) -> Option<ModuleData> {
        let by_section = image
            .elf()
            .section(".go.module")
            .filter(|s| !s.no_bits)
            .map(|s| Address(s.address));
        let by_symbol = || image.symbol("runtime.firstmoduledata").map(|s| s.address);
        // A stripped program: only the module data begins with a pointer to the function table.
        let read = |at: Address| read_at(image, at, table, version);
        by_section
            .and_then(read)
            .or_else(|| by_symbol().and_then(read))
            .or_else(|| {
                image
                    .places_pointing_to(table.address)
                    .into_iter()
                    .take(MAX_PLACES)
                    .find_map(read)
            })
    }
}

fn read_at(image: &Image, at: Address, table: &Table, version: &GoVersion) -> Option<ModuleData> {
    let bytes = image.relocated(at, WORDS * 8)?;
    let word = |n: usize| u64_at(&bytes, 8 * n);
    let address = |n: usize| word(n).map(Address);
    if word(0)? != table.address.0 {
        return None;
    }
    // The text bounds follow the index of functions and three more words.
    let text = if table.form == Form::Go12 { 12 } else { 22 };
    let index = if table.form == Form::Go12 { 3 } else { 16 };
    if word(index)? != table.address.plus(table.index_offset()).0 {
        return None;
    }
    let (start, end) = (address(text)?, address(text + 1)?);
    let (first, last) = (address(text - 2)?, address(text - 1)?);
    let (segment, into) = image.elf().segment_of(start)?;
    let fits = end
        .0
        .checked_sub(start.0)
        .is_some_and(|size| size <= segment.memory_size - into);
    // Other tables may hold a pointer to the function table too; only here the bounds of the code follow.
    if !(segment.executable && start <= first && first < last && last <= end && fits) {
        return None;
    }
    // Ten words of section bounds, since Go 1.20 two of coverage counters, three more.
    let types = text + 10 + if version.at_least(20) { 2 } else { 0 } + 3;
    let types_start = address(types)?;
    // The first two bound what holds no pointers.
    let data = text + 4;
    let variables = |n: usize| Some(address(n)?..address(n + 1)?);
    if version.at_least(27) {
        return Some(ModuleData {
            address: at,
            text: start,
            etext: end,
            data_offset: 8 * data as u64,
            data: variables(data)?,
            bss: variables(data + 2)?,
            types: types_start,
            etypes: address(types + 2)?,
            function_data: address(types + 6),
            itabs: Itabs::Table {
                start: types_start.plus(word(types + 3)?),
                size: word(types + 4)?,
            },
            // A word stands before the first.
            type_links: TypeLinks::Table {
                start: types_start.plus(8),
                end: types_start.plus(word(types + 1)?),
            },
        });
    }
    let has_function_data = table.form >= Form::Go118;
    // Since Go 1.26 the end of the function table stands behind the function data.
    let text_sections = types + 2 + if has_function_data { 2 } else { 0 } + usize::from(version.at_least(26));
    // Slices of text sections and type links, then of interface tables.
    let type_links = text_sections + 3;
    let itabs = type_links + 3;
    Some(ModuleData {
        address: at,
        text: start,
        etext: end,
        data_offset: 8 * data as u64,
        data: variables(data)?,
        bss: variables(data + 2)?,
        types: types_start,
        etypes: address(types + 1)?,
        function_data: has_function_data.then(|| address(types + 3)).flatten(),
        itabs: Itabs::Pointers {
            start: address(itabs)?,
            count: word(itabs + 1)?,
        },
        type_links: TypeLinks::Offsets {
            start: address(type_links)?,
            count: word(type_links + 1)?,
        },
    })
}
