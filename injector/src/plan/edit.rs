//! What is written, and where.

use serde::Serialize;

use super::Element;
use crate::go::abi::{Part, Register};
use crate::go::address::Address;
use crate::go::arch::Architecture;

/// A value to overwrite.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Assignment {
    /// As the rule file names it.
    pub path: String,
    /// Its Go type.
    pub type_name: String,
    /// How its words are to be shown.
    pub shape: Shape,
    /// The new value as the rule file gives it.
    pub value: String,
    /// The words it is made of.
    pub edits: Vec<Edit>,
}

/// How the words of a value are to be shown. Its parts are in the order of the edits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the kinds of Go values say themselves")]
pub enum Shape {
    Bool,
    Int,
    Uint,
    Float,
    Duration,
    /// A `time.Time`, but for its location.
    Time,
    /// Real and imaginary part.
    Complex,
    /// Address and length.
    String,
    /// Address, length and capacity.
    Slice,
    /// What tells the type, and the value or its address.
    Interface {
        /// The first word is a type's address, not an interface table's.
        empty: bool,
    },
    /// Also maps, channels and functions.
    Pointer,
    /// The fields that are set.
    Struct(Vec<(String, Shape)>),
    /// The elements.
    Array(Vec<Shape>),
    /// Not at all.
    Hidden,
}

impl Shape {
    /// How many words, and edits, a value of this shape takes; one that is not shown may take any number.
    pub fn words(&self) -> usize {
        match self {
            Shape::Bool | Shape::Int | Shape::Uint | Shape::Float | Shape::Duration | Shape::Pointer => 1,
            Shape::Hidden => 0,
            Shape::Complex | Shape::Time | Shape::String | Shape::Interface { .. } => 2,
            Shape::Slice => 3,
            Shape::Struct(fields) => fields.iter().map(|(_, field)| field.words()).sum(),
            Shape::Array(elements) => elements.iter().map(Shape::words).sum(),
        }
    }
}

/// One word to overwrite.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Edit {
    /// Where.
    pub place: Place,
    /// Bytes: 1, 2, 4 or 8.
    pub size: u8,
    /// How a register is filled up beyond them.
    pub extend: Extend,
    /// What is put there.
    pub source: Source,
    /// Whether it holds a pointer the collector knows.
    pub pointer: bool,
}

/// How a narrow value fills its register, and how its bits are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Extend {
    /// With zeros.
    Zero,
    /// With its sign.
    Sign,
    /// It is in a floating-point register or is a float.
    Float,
}

/// What an edit puts into its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// These bits.
    Literal(u64),
    /// Where this is.
    Address(Global),
    /// The word there, read at the hit.
    Copy(Global),
    /// The same, the first word of an interface value. It fails if that is of another interface.
    CopyInterface {
        /// The word.
        from: Global,
        /// The description of the interface that it must be of.
        interface: Global,
    },
    /// The address of a type's description, where the word there is the first of an interface value
    /// of that type.
    CopyType(Global),
    /// Where this byte of the scratch memory is.
    Scratch(u32),
    /// A copy, made at the hit, of bytes of the scratch memory, which nobody else has.
    Fresh {
        /// The first of them.
        offset: u32,
        /// How many.
        length: u32,
    },
    /// The same of bytes that hold pointers: the garbage collector is told to scan the copy. Behind their last piece are the
    /// bits that tell which words are pointers.
    Scanned {
        /// The first of them.
        offset: u32,
        /// How many.
        length: u32,
    },
    /// The copy that was made by the edit of this index, among those that come before the value ([`Base::Nowhere`]).
    Made(usize),
    /// A copy, made at the hit, of the bytes that are there, with these bits of each flipped. The next
    /// edit is of their number.
    Flip(u8),
    /// What is there plus this, as its type adds.
    Add(u64),
    /// What is there with these bits flipped.
    Xor(u64),
    /// Any value between these, both included.
    Random {
        /// The least.
        low: u64,
        /// The most.
        high: u64,
    },
    /// This, if less is not there anyway.
    Cut(u64),
    /// This. It fails if less is there.
    Shrink(u64),
    /// What the edit before this one puts into its place.
    Repeat,
    /// The first word of a `time.Time`, with this added. The next edit is its second.
    Time {
        /// Seconds.
        seconds: i64,
        /// And nanoseconds, less than a second.
        nanoseconds: u32,
    },
    /// The second word of a `time.Time`, with the same added.
    TimeRest {
        /// Seconds.
        seconds: i64,
        /// And nanoseconds.
        nanoseconds: u32,
    },
    /// Nothing; it is only shown.
    Keep,
    /// This word of the error that the context is done with.
    Ended(usize),
    /// Nothing: the element of the map there is found, for the edits that follow.
    Find(Box<Element>),
    /// As many zero bytes.
    Clear(u64),
}

/// Something in the program's data: a package variable, an interface table, a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Global {
    /// What it is called.
    pub name: String,
    /// Where it is.
    pub address: Address,
    /// This many bytes into it.
    pub offset: u64,
}

/// A place in a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Where it starts.
    pub base: Base,
    /// Pointers to follow from there.
    pub steps: Vec<Step>,
    /// The element that it starts in, of [`Base::Element`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub element: Option<Box<Element>>,
}

/// Where a place starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Base {
    /// A register of the calling convention.
    Register(NamedRegister),
    /// Bytes from the stack pointer at entry.
    Stack(i32),
    /// A package variable.
    Absolute(Address),
    /// This byte of the scratch memory.
    Scratch(u32),
    /// This byte of the copy that was made last.
    Copy(u32),
    /// So many bytes into the element of a map, which is found first.
    Element(i32),
    /// Nowhere: a copy is made, for the edits that follow.
    Nowhere,
}

/// A register with what it takes to name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedRegister {
    /// Whose it is.
    pub architecture: Architecture,
    /// Which.
    pub register: Register,
}

/// One pointer followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Bytes from where it points.
    pub offset: i32,
    /// The length behind the pointer must be more than this index.
    pub index: Option<u32>,
}

impl NamedRegister {
    /// That of a part of a value.
    pub fn of(part: &Part) -> NamedRegister {
        NamedRegister {
            architecture: part.architecture,
            register: part.register,
        }
    }
}

impl Source {
    /// Whether the value gets memory of its own when it is put in place.
    pub fn is_copy(&self) -> bool {
        matches!(
            self,
            Source::Fresh { .. } | Source::Scanned { .. } | Source::Made(_) | Source::Flip(_)
        )
    }
}

impl Place {
    /// The register, if it is one as a whole.
    pub fn register(&self) -> Option<Register> {
        match self.base {
            Base::Register(named) if self.steps.is_empty() => Some(named.register),
            _ => None,
        }
    }
}
