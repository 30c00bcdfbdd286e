//! Places in a stopped call.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::STEPS;

/// `gi_place.base`: where a place starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Base {
    /// A general register.
    Integer = 0,
    /// X0 to X14.
    Float = 1,
    /// Entry stack pointer plus offset.
    Stack = 2,
    /// A run-time address.
    Absolute = 3,
    /// As many bytes into the copy that was made last as the address says; edits only.
    Copy = 4,
    /// As many bytes as the offset says into the element of a map that was found as number `index`.
    Element = 5,
}

/// One dereference: the word found so far is a pointer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Step {
    /// Bytes from where it points.
    pub offset: i32,
    /// If not 0: the word behind the pointer is a length, and must be at least this.
    pub bound: u32,
}

/// A place in a stopped call: a register or memory, perhaps behind pointers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Place {
    /// [`Base`].
    pub base: u8,
    /// Register number, for the register bases.
    pub index: u8,
    /// Bytes read or written at the end: 1, 2, 4 or 8.
    pub size: u8,
    /// Entries of `step` in use.
    pub steps: u8,
    /// Bytes from the entry stack pointer, for [`Base::Stack`], and for [`Base::Element`].
    pub offset: i32,
    /// Run-time address, for [`Base::Absolute`], and [`Base::Copy`].
    pub address: u64,
    /// The way on from there.
    pub step: [Step; STEPS],
}
