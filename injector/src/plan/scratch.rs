//! Scratch memory: texts and objects that replacement values refer to.
//!
//! Go's garbage collector ignores pointers to memory that is not its own, so a string or an error may
//! lie here. The program may keep such a value for as long as it likes: what is here is written once,
//! before any rule acts, never changes, and stays mapped when goinject is gone.

use std::collections::HashMap;
use std::fmt::Write;

use serde::{Serialize, Serializer};

use super::Global;

/// Bytes of a machine word, and the alignment of objects.
const WORD: usize = 8;

/// The contents of the scratch memory, wherever in the target it will be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Scratch {
    /// Its bytes; those of pointers are zero.
    #[serde(serialize_with = "hexadecimal")]
    pub bytes: Vec<u8>,
    /// Words that will be addresses, by their offset.
    pub pointers: Vec<(u32, Pointee)>,
}

/// What a word in the scratch memory points at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pointee {
    /// This byte of the scratch memory.
    Scratch(u32),
    /// Something of the program's.
    Global(Global),
}

/// A word of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// These bits.
    Literal(u64),
    /// An address.
    Pointer(Pointee),
}

impl Scratch {
    /// Whether nothing needs it.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes from an offset on, as a report shows them.
    pub fn text(&self, offset: u32, length: u64) -> Option<&[u8]> {
        let start = usize::try_from(offset).ok()?;
        self.bytes
            .get(start..start.checked_add(usize::try_from(length).ok()?)?)
    }

    /// The word at an offset; 0 for a pointer.
    pub fn word(&self, offset: u32) -> Option<u64> {
        let bytes = self.text(offset, WORD as u64)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }

    /// What the word at an offset points at, if it is a pointer.
    pub fn pointer(&self, offset: u32) -> Option<&Pointee> {
        let mut pointers = self.pointers.iter();
        pointers.find(|(at, _)| *at == offset).map(|(_, pointee)| pointee)
    }
}

fn hexadecimal<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    serializer.serialize_str(&text)
}

/// Scratch memory while it is being filled: in the order of the rules, so that it is the same each time.
#[derive(Clone, Debug, Default)]
pub struct ScratchBuilder {
    scratch: Scratch,
    texts: HashMap<Vec<u8>, u32>,
}

impl ScratchBuilder {
    /// Places a text; the same text only once. None if there is no room for it.
    pub fn text(&mut self, bytes: &[u8]) -> Option<u32> {
        if let Some(&offset) = self.texts.get(bytes) {
            return Some(offset);
        }
        let offset = self.place(bytes, 1)?;
        self.texts.insert(bytes.to_vec(), offset);
        Some(offset)
    }

    /// Places an object.
    pub fn object(&mut self, words: &[Word]) -> Option<u32> {
        let bytes: Vec<u8> = words
            .iter()
            .flat_map(|word| match word {
                Word::Literal(bits) => bits.to_le_bytes(),
                Word::Pointer(_) => [0; WORD],
            })
            .collect();
        let offset = self.place(&bytes, WORD)?;
        let pointers = (offset..).step_by(WORD).zip(words);
        self.scratch
            .pointers
            .extend(pointers.filter_map(|(at, word)| match word {
                Word::Pointer(pointee) => Some((at, pointee.clone())),
                Word::Literal(_) => None,
            }));
        Some(offset)
    }

    /// Sets memory of zeros aside for an object that is filled afterwards. None if there is no room for it.
    pub fn reserve(&mut self, size: usize) -> Option<u32> {
        // An object without bytes has an address, too.
        self.place(&vec![0; size.max(1)], WORD)
    }

    /// Fills a part of reserved memory.
    pub fn fill(&mut self, offset: u32, bytes: &[u8]) {
        let start = offset as usize;
        self.scratch.bytes[start..start + bytes.len()].copy_from_slice(bytes);
    }

    /// Has a word of reserved memory point at something.
    pub fn point(&mut self, offset: u32, pointee: Pointee) {
        self.scratch.pointers.push((offset, pointee));
    }

    /// The memory as it was filled.
    pub fn finish(self) -> Scratch {
        self.scratch
    }

    fn place(&mut self, bytes: &[u8], align: usize) -> Option<u32> {
        /// Replacement values of a rule file together.
        const MOST: usize = 1 << 24;
        let start = self.scratch.bytes.len().next_multiple_of(align);
        if start + bytes.len() > MOST {
            return None;
        }
        self.scratch.bytes.resize(start, 0);
        self.scratch.bytes.extend_from_slice(bytes);
        u32::try_from(start).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_shared_and_objects_are_aligned() {
        let mut builder = ScratchBuilder::default();
        let text = builder.text(b"disk full").unwrap();
        let object = builder
            .object(&[Word::Pointer(Pointee::Scratch(text)), Word::Literal(9)])
            .unwrap();
        assert_eq!(builder.text(b"disk full"), Some(text));
        assert_eq!((text, object), (0, 16));
        let scratch = builder.finish();
        assert_eq!(scratch.bytes.len(), 32);
        assert_eq!(scratch.bytes[24], 9);
        assert_eq!(scratch.pointers, [(16, Pointee::Scratch(0))]);
        assert_eq!(scratch.text(0, 4), Some(&b"disk"[..]));
        assert_eq!(scratch.text(30, 4), None);
    }

    #[test]
    fn there_is_an_end_to_it() {
        let mut builder = ScratchBuilder::default();
        assert!(builder.text(&vec![1; 1 << 24]).is_some());
        assert_eq!(builder.text(b"x"), None);
    }
}
