//! The sections of debug information, inflated when they are first asked for.
//!
//! Three forms: as they are; behind an ELF compression header (`SHF_COMPRESSED`, since Go 1.19);
//! named `.zdebug_*` with a header of their own (before).

use std::ops::Range;
use std::sync::OnceLock;

use libdeflater::{DecompressionError, Decompressor};
use memmap2::MmapMut;

use crate::go::bytes::{u32_at, u64_at};
use crate::go::elf::Section;
use crate::go::image::Image;

/// `ELFCOMPRESS_ZLIB`.
const ZLIB: u32 = 1;
/// Bytes of `Elf64_Chdr`.
const ELF_HEADER: usize = 24;
/// Bytes of the header of a `.zdebug_*` section: "ZLIB" and a big-endian size.
const Z_HEADER: usize = 12;
/// zlib cannot inflate further than this; a larger claim is a lie.
const MAX_RATIO: u64 = 1032;
/// More than the debug information of any program; a bound for files made to exhaust memory.
const MAX_SIZE: u64 = 2 << 30;

/// The sections that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SectionName {
    Info,
    Abbrev,
    Addr,
    Ranges,
    RngLists,
    Loc,
    LocLists,
}

const NAMES: [&str; 10] = [
    "info", "abbrev", "addr", "ranges", "rnglists", "loc", "loclists", "line", "line_str", "str",
];

/// All sections of one file.
#[derive(Debug)]
pub(super) struct Sections {
    image: Image,
    contents: [OnceLock<Contents>; NAMES.len()],
}

#[derive(Debug)]
enum Contents {
    Absent,
    InFile(Range<usize>),
    Inflated(MmapMut),
    Unreadable(String),
}

impl Sections {
    pub(super) fn new(image: Image) -> Sections {
        Sections {
            image,
            contents: std::array::from_fn(|_| OnceLock::new()),
        }
    }

    /// Whether a file has debug information at all.
    pub(super) fn present(image: &Image) -> bool {
        [".debug_info", ".zdebug_info"].iter().any(|name| {
            image
                .elf()
                .section(name)
                .is_some_and(|s| !s.no_bits && s.size > 0)
        })
    }

    /// The contents of a section; empty if the file has none.
    pub(super) fn get(&self, name: SectionName) -> Result<&[u8], String> {
        match self.contents[name as usize].get_or_init(|| self.load(NAMES[name as usize])) {
            Contents::Absent => Ok(&[]),
            Contents::InFile(range) => Ok(&self.image.data()[range.clone()]),
            Contents::Inflated(bytes) => Ok(bytes),
            Contents::Unreadable(why) => Err(why.clone()),
        }
    }

    fn load(&self, name: &str) -> Contents {
        let elf = self.image.elf();
        let plain = elf.section(&format!(".debug_{name}")).filter(|s| !s.no_bits);
        let loaded = match plain {
            Some(section) if section.compressed => self.inflate_elf(section),
            Some(section) => self.in_file(section),
            None => match elf.section(&format!(".zdebug_{name}")).filter(|s| !s.no_bits) {
                Some(section) => self.inflate_z(section),
                None => return Contents::Absent,
            },
        };
        loaded.unwrap_or_else(|why| Contents::Unreadable(format!(".debug_{name}: {why}")))
    }

    fn bytes(&self, section: &Section) -> Result<&[u8], String> {
        self.image
            .elf()
            .contents(self.image.data(), section)
            .ok_or_else(|| "it is not all in the file".to_owned())
    }

    fn in_file(&self, section: &Section) -> Result<Contents, String> {
        let length = self.bytes(section)?.len();
        let start = usize::try_from(section.offset).map_err(|e| e.to_string())?;
        Ok(Contents::InFile(start..start + length))
    }

    fn inflate_elf(&self, section: &Section) -> Result<Contents, String> {
        let bytes = self.bytes(section)?;
        let header = (u32_at(bytes, 0), u64_at(bytes, 8), bytes.get(ELF_HEADER..));
        let (Some(method), Some(size), Some(rest)) = header else {
            return Err("its compression header is cut off".to_owned());
        };
        if method != ZLIB {
            return Err(format!("compressed by method {method}, and only zlib is known"));
        }
        inflate(rest, size)
    }

    fn inflate_z(&self, section: &Section) -> Result<Contents, String> {
        let bytes = self.bytes(section)?;
        let rest = bytes.get(Z_HEADER..).filter(|_| bytes.starts_with(b"ZLIB"));
        let (Some(size), Some(rest)) = (u64_at(bytes, 4), rest) else {
            return Err("its compression header is cut off".to_owned());
        };
        inflate(rest, size.swap_bytes())
    }
}

fn inflate(compressed: &[u8], size: u64) -> Result<Contents, String> {
    if size > (compressed.len() as u64).saturating_mul(MAX_RATIO).min(MAX_SIZE) {
        return Err(format!("claims to inflate to {size} bytes, which it cannot"));
    }
    if size == 0 {
        return Ok(Contents::Absent);
    }
    let size = usize::try_from(size).map_err(|e| e.to_string())?;
    // Pages of it are there once something is inflated into them: what a damaged file claims costs nothing.
    let mut bytes = MmapMut::map_anon(size).map_err(|e| e.to_string())?;
    match Decompressor::new().zlib_decompress(compressed, &mut bytes) {
        Ok(inflated) if inflated == size => {}
        Ok(inflated) => return Err(format!("inflates to {inflated} bytes instead of {size}")),
        Err(DecompressionError::InsufficientSpace) => {
            return Err(format!("inflates to more than {size} bytes"));
        }
        Err(DecompressionError::BadData) => {
            return Err("does not inflate: it is damaged or cut off".to_owned());
        }
    }
    Ok(Contents::Inflated(bytes))
}

#[cfg(test)]
mod tests {
    use libdeflater::{CompressionLvl, Compressor};

    use super::*;

    fn compressed(text: &[u8]) -> Vec<u8> {
        let mut compressor = Compressor::new(CompressionLvl::fastest());
        let mut packed = vec![0; compressor.zlib_compress_bound(text.len())];
        let length = compressor.zlib_compress(text, &mut packed).unwrap();
        packed.truncate(length);
        packed
    }

    #[test]
    fn inflates_exactly_what_is_claimed() {
        let text = b"debug information ".repeat(100);
        let packed = compressed(&text);
        assert!(matches!(inflate(&packed, 1800), Ok(Contents::Inflated(bytes)) if bytes[..] == text[..]));
        assert!(inflate(&packed, 1801).is_err());
        assert!(inflate(&packed, 1799).is_err());
        assert!(inflate(&packed[..10], 1800).is_err());
        assert!(inflate(&packed, u64::MAX).is_err());
        assert!(matches!(inflate(&packed, 0), Ok(Contents::Absent)));
    }

    #[test]
    fn what_is_claimed_and_not_there_costs_no_memory() {
        /// In MB, the most that this process has had.
        fn peak() -> u64 {
            let status = std::fs::read_to_string("/proc/self/status").expect("a process");
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let words = line.and_then(|line| line.split_whitespace().next());
            words.and_then(|kb| kb.parse::<u64>().ok()).expect("a number") >> 10
        }
        // Random enough to be long, so that much may be claimed; the end is missing.
        let text: Vec<u8> = (0..2_000_000_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        let packed = compressed(&text);
        let before = peak();
        let claimed = (packed.len() as u64 * MAX_RATIO).min(MAX_SIZE);
        assert!(claimed > 1 << 30);
        assert!(inflate(&packed[..packed.len() / 2], claimed / 2).is_err());
        assert!(peak() < before + 500, "{} MB", peak() - before);
    }
}
