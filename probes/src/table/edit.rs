//! What is put into places.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::Place;

/// `gi_edit.source`: what an edit puts into its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Source {
    /// The operand.
    Put = 0,
    /// The word at the address that the operand is, read at the hit.
    Copy = 1,
    /// Nothing: it is only shown in the event.
    Keep = 2,
    /// As many zero bytes as the operand says.
    Clear = 3,
    /// What is there plus the operand.
    Add = 4,
    /// What is there with the operand's bits flipped.
    Xor = 5,
    /// Any value from the operand to `extra`.
    Random = 6,
    /// What is there, the operand at most.
    Cut = 7,
    /// The operand, which must not be more than what is there.
    Shrink = 8,
    /// The address of a type's description, as the interface table tells whose address is at the operand.
    CopyType = 9,
    /// The address of a copy of `extra` bytes at the operand.
    Fresh = 10,
    /// The address of a copy of the bytes that are there, flipped by the operand; the next edit is their number.
    Flip = 11,
    /// What the edit before puts into its place.
    Repeat = 12,
    /// A `time.Time`'s first word, with as many seconds as the operand says and `extra` nanoseconds added; the next edit
    /// is its second.
    Time = 13,
    /// The second word of a `time.Time`.
    TimeRest = 14,
    /// Nothing: the operand is the row of the [`super::Lookup`] by which an element of the map there is found, for the edits that
    /// follow.
    Find = 15,
    /// Word number operand of the error that a context is done with.
    Ended = 16,
}

/// `gi_edit.kind`: how the bits of a value are to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ValueKind {
    /// Also bool and pointers.
    Unsigned = 0,
    /// Two's complement.
    Signed = 1,
    /// IEEE 754.
    Float = 2,
    /// A string; in conditions only.
    Text = 3,
}

/// `gi_edit.flags`: holds a pointer.
pub const EDIT_POINTER: u8 = 1;
/// `gi_edit.flags`: first word of a string; the next edit is its length.
pub const EDIT_TEXT: u8 = 2;
/// `gi_edit.flags`: first word of an interface value; the next edit is its second.
pub const EDIT_ERROR: u8 = 4;
/// `gi_edit.flags`: in the scratch memory, and never taken back.
pub const EDIT_KEPT: u8 = 8;
/// `gi_edit.flags`: a copy is made, and its address is for later edits.
pub const EDIT_MAKES: u8 = 16;
/// `gi_edit.flags`: what is put is the address of the copy that the edit made which stands as many before this one as the
/// operand says.
pub const EDIT_MADE: u8 = 32;
/// `gi_edit.flags`: the copy holds pointers. Behind the last [`super::PIECE`] of its original is a byte for each piece, with a bit
/// for each word that is one.
pub const EDIT_SCANNED: u8 = 64;

/// One word overwritten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Edit {
    /// Where.
    pub place: Place,
    /// See [`Source`].
    pub operand: u64,
    /// See [`Source`]; of [`Source::Copy`] the description of the interface that the word must be of, or 0.
    pub extra: u64,
    /// [`Source`].
    pub source: u8,
    /// [`ValueKind`].
    pub kind: u8,
    /// `EDIT_*`.
    pub flags: u8,
    #[doc(hidden)]
    pub padding: [u8; 5],
}
