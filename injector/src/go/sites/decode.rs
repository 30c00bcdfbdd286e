//! A function's instructions.

use iced_x86::{Code as Opcode, Decoder, DecoderOptions, FlowControl, Instruction, OpKind};

use super::SiteError;
use crate::go::address::Address;
use crate::go::pclntab::functions::{Function, FunctionTable};
use crate::go::pclntab::values::Values;

/// Larger than any function that a compiler made; a bound for damaged tables.
const MAX_SIZE: usize = 16 << 20;

/// A decoded function.
pub(super) struct Code<'d> {
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
    /// Decodes a function from its first byte to its last. Every instruction set is on: a decoder
    /// that does not know AVX loses its place and invents instructions.
    pub(super) fn decode(bytes: &'d [u8], function: &Function) -> Result<Code<'d>, SiteError> {
        if bytes.len() > MAX_SIZE {
            return Err(SiteError::TooLarge {
                function: function.name.clone(),
            });
        }
        let mut decoder = Decoder::with_ip(64, bytes, function.entry.0, DecoderOptions::NONE);
        let mut instructions = Vec::with_capacity(bytes.len() / 4);
        while decoder.can_decode() {
            let at = decoder.position();
            let instruction = decoder.decode();
            if instruction.is_invalid() {
                // What follows the last instruction is padding.
                if bytes[at..].iter().all(|&b| b == 0) || bytes[at..].iter().all(|&b| b == 0xcc) {
                    break;
                }
                return Err(SiteError::Undecodable {
                    function: function.name.clone(),
                    address: function.entry.plus(at as u64),
                });
            }
            instructions.push(instruction);
        }
        if instructions.is_empty() {
            return Err(SiteError::NoCode {
                function: function.name.clone(),
            });
        }
        let code = Code {
            bytes,
            start: function.entry,
            instructions,
            function: function.name.clone(),
        };
        code.check_jumps()?;
        Ok(code)
    }

    pub(super) fn len(&self) -> usize {
        self.instructions.len()
    }

    pub(super) fn address(&self, index: usize) -> Address {
        Address(self.instructions[index].ip())
    }

    /// The instruction that begins at an address.
    pub(super) fn index_of(&self, address: Address) -> Option<usize> {
        self.instructions
            .binary_search_by_key(&address.0, Instruction::ip)
            .ok()
    }

    /// The bytes of an instruction.
    pub(super) fn bytes_of(&self, index: usize) -> &'d [u8] {
        let at = (self.address(index).0 - self.start.0) as usize;
        &self.bytes[at..at + self.instructions[index].len()]
    }

    pub(super) fn is_return(&self, index: usize) -> bool {
        self.instructions[index].flow_control() == FlowControl::Return
    }

    /// Where a direct jump or call goes.
    pub(super) fn target(&self, index: usize) -> Option<Address> {
        let instruction = &self.instructions[index];
        (instruction.op_count() > 0 && instruction.op0_kind() == OpKind::NearBranch64)
            .then(|| Address(instruction.near_branch64()))
    }

    /// Whether an address is inside the function.
    pub(super) fn contains(&self, address: Address) -> bool {
        address >= self.start && address.0 - self.start.0 < self.bytes.len() as u64
    }

    /// Whether the instruction jumps out of the function. Compiled code jumps through registers and
    /// memory only to its own switch cases, assembly also elsewhere.
    pub(super) fn leaves(&self, index: usize, is_assembly: bool) -> Option<Leaving> {
        let conditional = match self.instructions[index].flow_control() {
            FlowControl::UnconditionalBranch => false,
            FlowControl::ConditionalBranch => true,
            FlowControl::IndirectBranch if is_assembly => {
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
            .filter(|&i| self.instructions[i].code() != Opcode::Call_rel32_64)
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
        let last = self.instructions.last().map_or(0, Instruction::next_ip);
        if self.index_of(address).is_some() || address.0 >= last {
            return Ok(());
        }
        Err(SiteError::Misaligned {
            function: self.function.clone(),
            address,
        })
    }
}
