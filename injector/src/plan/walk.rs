//! Functions that are looked for among a call's callers.

use std::fmt;

use serde::Serialize;

use crate::go::address::Address;
use crate::words::count;

/// Functions that must stand on a call's stack, one behind the other, and where their code is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Walk {
    /// Innermost first; of each, names and patterns of which one is enough.
    pub functions: Vec<Vec<String>>,
    /// Their code, in order of address and apart from each other.
    pub ranges: Vec<CodeRange>,
}

/// Code at which functions stand: `low <= address < high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CodeRange {
    /// First address.
    pub low: Address,
    /// Behind the last.
    pub high: Address,
    /// Nibble n: how many of the functions have been found when n had been before.
    pub next: u64,
}

impl fmt::Display for Walk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let levels: Vec<String> = self.functions.iter().map(|any| any.join(" or ")).collect();
        let ranges = count(self.ranges.len(), "range");
        write!(f, "{} ({ranges} of code)", levels.join(", "))
    }
}
