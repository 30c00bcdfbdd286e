//! A file in memory: its bytes, its ELF headers, and pointers as the program will see them.

use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::address::{Address, FileOffset};
use super::bytes::{slice_at, u64_at};
use super::elf::symbols::{Symbol, SymbolTable};
use super::elf::{Elf, relocations};
use super::error::GoError;
use super::mapped::Contents;

/// An ELF file, mapped.
#[derive(Clone, Debug)]
pub(super) struct Image {
    path: PathBuf,
    contents: Arc<Contents>,
    elf: Arc<Elf>,
    /// Places that the dynamic linker fills, in order; read when first needed.
    pointers: Arc<OnceLock<Vec<(Address, u64)>>>,
}

impl Image {
    /// Maps a file and reads its ELF headers.
    pub(super) fn open(path: &Path) -> Result<Image, GoError> {
        Image::new(path, Contents::of_file(path)?)
    }

    /// Maps an open file and reads its ELF headers.
    pub(super) fn from_file(path: &Path, file: &File) -> Result<Image, GoError> {
        Image::new(path, Contents::of_open_file(path, file)?)
    }

    /// The same from bytes, for files made in memory.
    pub(super) fn from_bytes(path: &Path, bytes: Arc<Vec<u8>>) -> Result<Image, GoError> {
        Image::new(path, Contents::Shared(bytes))
    }

    fn new(path: &Path, contents: Contents) -> Result<Image, GoError> {
        let elf = Elf::parse(path, contents.bytes())?;
        Ok(Image {
            path: path.to_owned(),
            contents: Arc::new(contents),
            elf: Arc::new(elf),
            pointers: Arc::default(),
        })
    }

    pub(super) fn call(&mut self, path: &Path) {
        path.clone_into(&mut self.path);
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn elf(&self) -> &Elf {
        &self.elf
    }

    /// Whether a part of the file was gone when it was read: somebody cut it short meanwhile.
    pub(super) fn was_cut(&self) -> bool {
        self.contents.was_cut()
    }

    /// The whole file.
    pub(super) fn data(&self) -> &[u8] {
        self.contents.bytes()
    }

    /// The contents of a section that is in the file.
    pub(super) fn section(&self, name: &str) -> Option<&[u8]> {
        self.elf.contents(self.data(), self.elf.section(name)?)
    }

    /// Where in the file the contents of an address are.
    pub(super) fn file_offset(&self, address: Address) -> Option<FileOffset> {
        self.elf.file_offset(address)
    }

    /// Initialised bytes at an address; pointers in them may still lack their relocation.
    pub(super) fn read(&self, address: Address, length: usize) -> Option<&[u8]> {
        self.elf.read(self.data(), address, length)
    }

    /// Initialised bytes from an address to the end of its segment.
    pub(super) fn read_rest(&self, address: Address) -> Option<&[u8]> {
        self.elf.bytes_at(self.data(), address)
    }

    /// Initialised bytes at an address, with every pointer as the dynamic linker will set it,
    /// load bias 0.
    pub(super) fn relocated(&self, address: Address, length: usize) -> Option<Cow<'_, [u8]>> {
        let mut bytes = Cow::Borrowed(self.read(address, length)?);
        let end = address.0.checked_add(length as u64)?;
        let pointers = self.relocated_pointers();
        let first = pointers.partition_point(|(place, _)| *place < address);
        for &(place, value) in pointers[first..].iter().take_while(|(place, _)| place.0 < end) {
            let at = usize::try_from(place.0 - address.0).ok()?;
            // Go's own linker leaves the value in place as well; copying is for those that do not.
            if slice_at(&bytes, at, 8).is_some() && u64_at(&bytes, at) != Some(value) {
                bytes.to_mut()[at..at + 8].copy_from_slice(&value.to_le_bytes());
            }
        }
        Some(bytes)
    }

    /// The pointer at an address, as the dynamic linker will set it, load bias 0.
    pub(super) fn pointer(&self, address: Address) -> Option<Address> {
        u64_at(&self.relocated(address, 8)?, 0).map(Address)
    }

    fn relocated_pointers(&self) -> &[(Address, u64)] {
        self.pointers
            .get_or_init(|| relocations::pointers(&self.elf, self.data()))
    }

    /// The places, 8-aligned and in writable or relocated memory, that hold a pointer to an address.
    pub(super) fn places_pointing_to(&self, target: Address) -> Vec<Address> {
        let relocated = self.relocated_pointers().iter();
        let mut places: Vec<Address> = relocated
            .filter(|(_, value)| *value == target.0)
            .map(|(place, _)| *place)
            .collect();
        let needle = target.0.to_le_bytes();
        for segment in self.elf.segments.iter().filter(|s| !s.executable) {
            let bytes = self.elf.segment_contents(self.data(), segment);
            let skew = (segment.address.wrapping_neg() & 7) as usize;
            let words = bytes.get(skew..).unwrap_or_default().chunks_exact(8).enumerate();
            places.extend(
                words
                    .filter(|(_, word)| *word == needle)
                    .map(|(i, _)| Address(segment.address).plus((skew + 8 * i) as u64)),
            );
        }
        places.sort_unstable();
        places.dedup();
        places
    }

    /// The symbol table, where the file has one.
    pub(super) fn symbols(&self) -> Option<SymbolTable<'_>> {
        SymbolTable::find(&self.elf, self.data())
    }

    /// A symbol by its exact name.
    pub(super) fn symbol(&self, name: &str) -> Option<Symbol> {
        self.symbols()?.lookup(name)
    }
}
