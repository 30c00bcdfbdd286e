//! Conditions: terms, and the ranges of code that `within` asks for.

use serde::Serialize;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{CONDITION_TEXT, Place};

/// `gi_term.op`: what a row of a condition does to its stack of truths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Op {
    /// Pushes the outcome of its test.
    Test = 0,
    /// Turns the topmost.
    Not = 1,
    /// Joins the two topmost.
    And = 2,
    /// Joins the two topmost.
    Or = 3,
    /// Leaves out the next `skip` rows if the topmost is false.
    SkipIfFalse = 4,
    /// Leaves out the next `skip` rows if the topmost is true.
    SkipIfTrue = 5,
    /// Pushes truth `slot` as it was at entry.
    Recall = 6,
    /// At entry: keeps the left operand as number `slot`.
    Capture = 7,
    /// Finds an element of the map that the left operand is, by row `text`, as number `slot`.
    Find = 8,
}

/// `gi_term.test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
#[expect(missing_docs, reason = "the tests say themselves")]
pub enum TestKind {
    True = 0,
    Equal = 1,
    NotEqual = 2,
    Less = 3,
    LessOrEqual = 4,
    Greater = 5,
    GreaterOrEqual = 6,
    StartsWith = 7,
    EndsWith = 8,
    Contains = 9,
    Is = 10,
    Found = 11,
}

/// A type of errors that [`TestKind::Is`] looks into. A row of [`FixedText`] holds [`WRAPPERS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Wrapper {
    /// Run-time address of its description.
    pub ty: u64,
    /// Of what it wraps, in bytes.
    pub offset: u32,
    /// [`Wraps`].
    pub kind: u16,
    /// Of [`Wraps::Errno`]: the numbers that count as the other error; 0 none.
    pub number: [u8; 2],
}

/// `gi_wrapper.kind`: how the errors of a type wrap others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Wraps {
    /// One.
    One = 0,
    /// A slice of them.
    List = 1,
    /// None: it is a number.
    Errno = 2,
}

impl FixedText {
    /// A row of at most [`WRAPPERS`] of these.
    pub fn of_wrappers(wrappers: &[Wrapper]) -> FixedText {
        let mut row = FixedText([0; CONDITION_TEXT]);
        for (to, wrapper) in row.0.chunks_exact_mut(size_of::<Wrapper>()).zip(wrappers) {
            to.copy_from_slice(wrapper.as_bytes());
        }
        row
    }
}

/// Wrappers in a row of [`FixedText`].
pub const WRAPPERS: usize = 16;
/// Rows of them that a term may have.
pub const WRAPPER_ROWS: usize = 4;
/// Errors that one test looks at, those that are wrapped among them.
pub const ERRORS: usize = 16;

/// `gi_term.left_source` and `right_source`: where an operand comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OperandSource {
    /// The row's constant, or its fixed text.
    Constant = 0,
    /// A place in the call.
    Place = 1,
    /// Number `slot` of those kept at entry.
    Capture = 2,
}

/// `gi_term.flags`: the last pointer on the way to the left operand may be nil, and then it is 0: the length of a nil map.
pub const TERM_NIL_IS_ZERO_LEFT: u8 = 1;
/// `gi_term.flags`: the same of the right operand.
pub const TERM_NIL_IS_ZERO_RIGHT: u8 = 2;

/// One row of a condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Term {
    /// Left operand.
    pub left: Place,
    /// Right operand.
    pub right: Place,
    /// Right operand; for a text its length in bytes.
    pub constant: u64,
    /// Row of the fixed text.
    pub text: u32,
    /// [`Op`].
    pub op: u8,
    /// [`TestKind`].
    pub test: u8,
    /// [`OperandSource`].
    pub left_source: u8,
    /// [`OperandSource`].
    pub right_source: u8,
    /// [`ValueKind`].
    pub left_kind: u8,
    /// [`ValueKind`].
    pub right_kind: u8,
    /// Of a truth or operand kept at entry.
    pub slot: u8,
    /// `TERM_*`.
    pub flags: u8,
    /// Rows that a skip leaves out.
    pub skip: u16,
    #[doc(hidden)]
    pub padding: u16,
}

/// A fixed text, filled up with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FixedText(pub [u8; CONDITION_TEXT]);

/// How often a row's test was true, was not, and could not be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TermCounters {
    /// Was true.
    pub held: u64,
    /// Was false.
    pub failed: u64,
    /// An operand could not be read.
    pub unreadable: u64,
}

impl TermCounters {
    /// How often it was made, or tried.
    pub fn tested(&self) -> u64 {
        self.held + self.failed + self.unreadable
    }
}

/// Code of functions that are looked for among the callers, run-time: `low <= address < high`. In order of address and
/// apart from each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Range {
    /// First address.
    pub low: u64,
    /// Behind the last.
    pub high: u64,
    /// Nibble n: how many of the functions have been found when n had been before.
    pub next: u64,
}
