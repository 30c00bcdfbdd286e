//! Where Go's calling conventions put parameters and results.
//!
//! Source: `cmd/compile/abi-internal.md` and `cmd/compile/internal/abi` of the Go project.

mod layout;
#[cfg(test)]
mod tests;

pub(super) use layout::RETURN_ADDRESS;
pub use layout::layout;
pub(super) use layout::{Frame, Incoming, frame, parts_of};

use super::arch::Architecture;

/// A calling convention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Convention {
    /// Everything on the stack: Go up to 1.16, and assembly functions of every version (ABI0).
    Stack,
    /// Integers and floats in registers first: compiled functions since Go 1.17 (ABIInternal).
    Register,
}

/// A register, by its place in the convention's sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Register {
    /// The n-th integer register, from 0.
    Integer(u8),
    /// The n-th floating-point register, from 0.
    Float(u8),
}

/// Where one value lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Its scalar parts in registers, in the order of the parts' offsets.
    Registers(Vec<Part>),
    /// Whole on the stack.
    Stack {
        /// Bytes from the stack pointer at entry to the value. At least 8: first there is the return address, or on
        /// machines with a link register the caller's room for its own.
        offset: u64,
    },
}

/// A scalar part of a value, in a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Bytes from the start of the value to this part.
    pub offset: u64,
    /// Bytes of this part: 1, 2, 4 or 8.
    pub size: u8,
    /// Whose convention it is.
    pub architecture: Architecture,
    /// The register that holds it.
    pub register: Register,
}

/// Where all values of a function live.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The receiver.
    pub receiver: Option<Placement>,
    /// The hidden dictionary.
    pub dictionary: Option<Placement>,
    /// The parameters, in order.
    pub parameters: Vec<Placement>,
    /// The results, in order.
    pub results: Vec<Placement>,
}
