//! Elements of maps, and how they are found.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{CONDITION_TEXT, FixedText};

/// Bytes of a map's key that is looked for.
pub const KEY_TEXT: usize = 208;
/// Groups of eight entries of a map that one search looks at.
pub const GROUPS: usize = 4096;

/// `gi_lookup.layout`: how a map holds its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum MapLayout {
    /// Go 1.24 on.
    Groups = 0,
    /// Before.
    Buckets = 1,
}

/// What to look for in a map. A row of [`FixedText`] holds one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Lookup {
    /// [`MapLayout`].
    pub layout: u32,
    /// Whether the key is a string.
    pub text: u32,
    /// Of a key that is a number: 1, 2, 4 or 8 bytes.
    pub key_size: u32,
    /// Bytes of a group, or bucket.
    pub group_size: u32,
    /// Where its first key is.
    pub keys: u32,
    /// How far the next one is.
    pub key_stride: u32,
    /// Where its first element is.
    pub elements: u32,
    /// How far the next one is.
    pub element_stride: u32,
    /// Not 0: elements are pointers to them.
    pub indirect: u32,
    #[doc(hidden)]
    pub padding: u32,
    /// The key, or its length.
    pub number: u64,
    /// The key, filled up with zeros.
    pub key: [u8; KEY_TEXT],
}

impl From<Lookup> for FixedText {
    fn from(lookup: Lookup) -> FixedText {
        let mut row = FixedText([0; CONDITION_TEXT]);
        row.0.copy_from_slice(lookup.as_bytes());
        row
    }
}
