//! Dynamic types of interface values, told from the addresses in them.

use crate::go::Binary;
use crate::go::address::Address;
use crate::plan::encode::LoadBias;

/// What tells the types of interface values in one process.
#[derive(Clone, Copy, Debug)]
pub struct DynamicTypes<'a> {
    binary: &'a Binary,
    bias: LoadBias,
}

impl<'a> DynamicTypes<'a> {
    /// Of a process that runs a binary.
    pub fn new(binary: &'a Binary, bias: LoadBias) -> DynamicTypes<'a> {
        DynamicTypes { binary, bias }
    }

    /// Of another process that runs the same binary.
    pub fn at(self, bias: LoadBias) -> DynamicTypes<'a> {
        DynamicTypes { bias, ..self }
    }

    /// The name of the type that the first word of an interface value tells. `empty` is whether that is
    /// a type's address, not an interface table's. None for tables that the program made at run time.
    pub fn name(&self, word: u64, empty: bool) -> Option<String> {
        let address = Address(word.wrapping_sub(self.bias.0));
        if empty {
            return self.binary.runtime_type_name(address);
        }
        let itabs = self.binary.itabs();
        let found = itabs.binary_search_by_key(&address, |itab| itab.address).ok()?;
        self.binary.runtime_type_name(itabs[found].concrete)
    }
}
