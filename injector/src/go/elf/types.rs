//! What an ELF file says of itself.

use crate::go::address::{Address, FileOffset};
use crate::go::arch::Architecture;

/// The headers of an ELF file; contents stay in the file.
#[derive(Clone, Debug)]
pub(in crate::go) struct Elf {
    pub(in crate::go) architecture: Architecture,
    pub(in crate::go) kind: ElfKind,
    pub(in crate::go) entry: Address,
    /// The loaded segments, in file order.
    pub(in crate::go) segments: Vec<Segment>,
    pub(in crate::go) sections: Vec<Section>,
    pub(in crate::go) tls: Option<TlsSegment>,
    /// Whether it asks for a dynamic linker.
    pub(in crate::go) has_interpreter: bool,
    /// Whether its dynamic section says that it is a position-independent executable.
    pub(in crate::go) says_pie: bool,
    /// Where its `Elf64_Rela` table for the dynamic linker is: address and bytes.
    pub(in crate::go) rela: Option<(Address, u64)>,
}

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::go) enum ElfKind {
    /// Linked to fixed addresses.
    Executable,
    /// Position-independent: an executable or a library.
    Shared,
    /// Not linked yet.
    Object,
    /// A dead process.
    Core,
    /// Something else.
    Other(u16),
}

/// A `PT_LOAD` segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::go) struct Segment {
    pub(in crate::go) address: u64,
    pub(in crate::go) offset: u64,
    pub(in crate::go) file_size: u64,
    pub(in crate::go) memory_size: u64,
    pub(in crate::go) executable: bool,
    pub(in crate::go) writable: bool,
}

/// The `PT_TLS` segment: how large the program's own thread-local block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::go) struct TlsSegment {
    pub(in crate::go) memory_size: u64,
    pub(in crate::go) align: u64,
}

/// A section that has contents in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::go) struct Section {
    pub(in crate::go) name: String,
    pub(in crate::go) address: u64,
    pub(in crate::go) offset: u64,
    /// 0 where the section has no contents in this file.
    pub(in crate::go) size: u64,
    /// Whether it is `SHF_COMPRESSED`.
    pub(in crate::go) compressed: bool,
    /// Whether it would have contents, were this not a separate debug file.
    pub(in crate::go) no_bits: bool,
    /// `sh_link`.
    pub(in crate::go) link: u32,
}

impl Elf {
    /// The section of that name.
    pub(in crate::go) fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|s| s.name == name)
    }

    /// The contents of a section; `None` if it has none or they are not in the file.
    pub(in crate::go) fn contents<'d>(&self, data: &'d [u8], section: &Section) -> Option<&'d [u8]> {
        if section.no_bits {
            return None;
        }
        let start = usize::try_from(section.offset).ok()?;
        data.get(start..start.checked_add(usize::try_from(section.size).ok()?)?)
    }

    /// The initialised bytes of a loaded segment.
    pub(in crate::go) fn segment_contents<'d>(&self, data: &'d [u8], segment: &Segment) -> &'d [u8] {
        let start = usize::try_from(segment.offset)
            .unwrap_or(usize::MAX)
            .min(data.len());
        let size = usize::try_from(segment.file_size).unwrap_or(usize::MAX);
        &data[start..start.saturating_add(size).min(data.len())]
    }

    /// Where in the file the contents of an address are.
    pub(in crate::go) fn file_offset(&self, address: Address) -> Option<FileOffset> {
        let (segment, delta) = self.segment_of(address)?;
        (delta < segment.file_size).then(|| FileOffset(segment.offset.wrapping_add(delta)))
    }

    /// Initialised bytes at an address, up to the end of their segment.
    pub(in crate::go) fn bytes_at<'d>(&self, data: &'d [u8], address: Address) -> Option<&'d [u8]> {
        let (segment, delta) = self.segment_of(address)?;
        self.segment_contents(data, segment)
            .get(usize::try_from(delta).ok()?..)
    }

    /// This many initialised bytes at an address.
    pub(in crate::go) fn read<'d>(
        &self,
        data: &'d [u8],
        address: Address,
        length: usize,
    ) -> Option<&'d [u8]> {
        self.bytes_at(data, address)?.get(..length)
    }

    /// The segment that an address is in, and how far.
    pub(in crate::go) fn segment_of(&self, address: Address) -> Option<(&Segment, u64)> {
        self.segments.iter().find_map(|segment| {
            let delta = address.0.checked_sub(segment.address)?;
            (delta < segment.memory_size).then_some((segment, delta))
        })
    }
}
