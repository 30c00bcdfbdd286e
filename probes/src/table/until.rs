//! Contexts that end delays.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{CONDITION_TEXT, FixedText, Place};

/// The context that ends a delay. A row of [`FixedText`] holds one; rows of [`super::Wrapper`] follow, with the types of contexts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Until {
    /// Its first word; the second is behind it.
    pub context: Place,
    /// Run-time address of the interface table of `context.Canceled`; 0 none.
    pub canceled: u64,
    /// That of `context.DeadlineExceeded`.
    pub exceeded: u64,
    /// How many types follow.
    pub types: u32,
    #[doc(hidden)]
    pub padding: u32,
    #[doc(hidden)]
    pub unused: [u8; 168],
}

impl Until {
    /// In a place, with nothing known of the program's contexts.
    pub fn at(context: Place) -> Until {
        Until {
            context,
            canceled: 0,
            exceeded: 0,
            types: 0,
            padding: 0,
            unused: [0; 168],
        }
    }
}

impl From<Until> for FixedText {
    fn from(until: Until) -> FixedText {
        let mut row = FixedText([0; CONDITION_TEXT]);
        row.0.copy_from_slice(until.as_bytes());
        row
    }
}

/// `gi_wrapper.kind` of a type of contexts: how it keeps what it is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum ContextKind {
    /// An error.
    Error = 0,
    /// An `atomic.Value` that holds it.
    Value = 1,
    /// Another context, which it is done with.
    Inner = 2,
    /// It never is.
    Endless = 3,
}
