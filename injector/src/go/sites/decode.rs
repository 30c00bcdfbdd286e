//! A function's instructions.

use super::SiteError;
use super::instruction::Site;
use crate::go::address::Address;
use crate::go::arch::{Architecture, CheckPart, Flow, Instruction};
use crate::go::pclntab::functions::{Function, FunctionTable};
use crate::go::pclntab::values::Values;

/// Larger than any function that a compiler made; a bound for damaged tables.
const MAX_SIZE: usize = 16 << 20;

/// A decoded function.
pub(super) struct Code<'d> {
    architecture: Architecture,
    pub(super) bytes: &'d [u8],
    pub(super) start: Address,
    pub(super) instructions: Vec<Instruction>,
    function: String,
}

/// A jump out of the function.
pub(super) struct Leaving {
    pub(super) target: Option<Address>,
    pub(super) conditional: bool,
}

impl<'d> Code<'d> {
    /// Decodes a function from its first byte to its last.
    pub(super) fn decode(
        architecture: Architecture,
        bytes: &'d [u8],
        function: &Function,
    ) -> Result<Code<'d>, SiteError> {
        if bytes.len() > MAX_SIZE {
            return Err(SiteError::TooLarge {
                function: function.name.clone(),
            });
        }
        let instructions =
            architecture
                .decode(bytes, function.entry)
                .map_err(|address| SiteError::Undecodable {
                    function: function.name.clone(),
                    address,
                })?;
        if instructions.is_empty() {
            return Err(SiteError::NoCode {
                function: function.name.clone(),
            });
        }
        let code = Code {
            architecture,
            bytes,
            start: function.entry,
            instructions,
            function: function.name.clone(),
        };
        code.check_jumps()?;
        Ok(code)
    }

    pub(super) fn architecture(&self) -> Architecture {
        self.architecture
    }

    pub(super) fn len(&self) -> usize {
        self.instructions.len()
    }

    pub(super) fn address(&self, index: usize) -> Address {
        self.instructions[index].address
    }

    /// The instruction that begins at an address.
    pub(super) fn index_of(&self, address: Address) -> Option<usize> {
        self.instructions
            .binary_search_by_key(&address, |instruction| instruction.address)
            .ok()
    }

    /// The bytes of an instruction.
    pub(super) fn bytes_of(&self, index: usize) -> &'d [u8] {
        let at = (self.address(index).0 - self.start.0) as usize;
        &self.bytes[at..at + usize::from(self.instructions[index].length)]
    }

    /// What an instruction is to the function's stack check.
    pub(super) fn check_part(&self, index: usize) -> CheckPart {
        self.architecture
            .check_part(self.bytes_of(index), self.address(index))
    }

    /// An instruction as a place to probe.
    pub(super) fn describe(&self, index: usize, stack_depth: Option<i32>) -> Site {
        self.architecture
            .describe(self.bytes_of(index), self.address(index), stack_depth)
    }

    pub(super) fn is_return(&self, index: usize) -> bool {
        self.instructions[index].flow == Flow::Return
    }

    /// Where a direct jump or call goes.
    pub(super) fn target(&self, index: usize) -> Option<Address> {
        self.instructions[index].target
    }

    /// Whether an address is inside the function.
    pub(super) fn contains(&self, address: Address) -> bool {
        address >= self.start && address.0 - self.start.0 < self.bytes.len() as u64
    }

    /// Whether the instruction jumps out of the function. Compiled code jumps through registers and
    /// memory only to its own switch cases, assembly also elsewhere.
    pub(super) fn leaves(&self, index: usize, is_assembly: bool) -> Option<Leaving> {
        let conditional = match self.instructions[index].flow {
            Flow::Jump => false,
            Flow::Branch => true,
            Flow::IndirectJump if is_assembly => {
                return Some(Leaving {
                    target: None,
                    conditional: false,
                });
            }
            _ => return None,
        };
        let target = self.target(index)?;
        (!self.contains(target)).then_some(Leaving {
            target: Some(target),
            conditional,
        })
    }

    /// Every jump inside must lead to the start of an instruction, else the decoder lost its place.
    fn check_jumps(&self) -> Result<(), SiteError> {
        let inside = (0..self.len())
            .filter(|&i| self.instructions[i].flow != Flow::Call)
            .filter_map(|i| self.target(i))
            .filter(|&target| self.contains(target));
        for target in inside {
            self.check_boundary(target)?;
        }
        Ok(())
    }

    /// The linker's tables change their values between instructions only.
    pub(super) fn check_boundaries(
        &self,
        functions: &FunctionTable,
        function: &Function,
    ) -> Result<(), SiteError> {
        let depths = functions
            .record(function)
            .and_then(|r| r.depths())
            .unwrap_or_default();
        for (end, _) in Values::new(depths, function.entry, function.end) {
            if end < function.end {
                self.check_boundary(end)?;
            }
        }
        Ok(())
    }

    fn check_boundary(&self, address: Address) -> Result<(), SiteError> {
        let last = self.instructions.last().map_or(Address(0), Instruction::next);
        if self.index_of(address).is_some() || address >= last {
            return Ok(());
        }
        Err(SiteError::Misaligned {
            function: self.function.clone(),
            address,
        })
    }
}
