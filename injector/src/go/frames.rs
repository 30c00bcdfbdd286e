//! Source places of code: the functions that stand at an instruction, inlined ones among them.

use super::address::Address;
use super::binary::Binary;

/// A function at an instruction, and where in its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// As in a stack trace.
    pub function: String,
    /// Its source file.
    pub file: String,
    /// The line.
    pub line: u32,
    /// Whether its code stands in the function that calls it.
    pub inlined: bool,
}

impl Binary {
    /// The functions at an instruction, innermost first: those that are inlined there, then the one that has the code.
    /// Empty for code that is not Go's.
    pub fn frames(&self, address: Address) -> Vec<Frame> {
        self.functions().frames(&self.image, address).unwrap_or_default()
    }
}
