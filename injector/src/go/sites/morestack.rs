//! The code at the end of a function that grows its stack.
//!
//! It saves the register parameters in their homes in the caller's frame, calls
//! `runtime.morestack*`, takes the parameters back and jumps to the function's start.

use iced_x86::{FlowControl, Instruction, Mnemonic, OpKind, Register};

use super::decode::Code;
use crate::go::abi;
use crate::go::address::Address;

/// The code that grows the stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Morestack {
    /// Its first instruction, where the stack check jumps to.
    pub start: Address,
    /// The parameters that it saves first, in order.
    pub spills: Vec<Spill>,
    /// The `CALL`.
    pub call: Address,
    /// Which function it calls.
    pub callee: MorestackCallee,
    /// The instruction after the `CALL`.
    pub after_call: Address,
}

/// A register saved to the caller's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spill {
    /// The register.
    pub register: abi::Register,
    /// Bytes from the stack pointer at entry.
    pub offset: u64,
    /// Bytes saved: 1, 2, 4 or 8.
    pub size: u8,
}

/// The variants of the runtime function that grows stacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MorestackCallee {
    /// `runtime.morestack`: for closures and method values; keeps the context register.
    Context,
    /// `runtime.morestack_noctxt`: for everything else.
    NoContext,
    /// `runtime.morestackc`: for functions that run on system stacks; it ends the program.
    System,
}

/// Where the variants are, for those that the program has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::go) struct MorestackFunctions {
    pub(in crate::go) entries: Vec<(Address, MorestackCallee)>,
}

impl MorestackFunctions {
    /// The names to look for.
    pub(in crate::go) const NAMES: [(&'static str, MorestackCallee); 3] = [
        ("runtime.morestack", MorestackCallee::Context),
        ("runtime.morestack_noctxt", MorestackCallee::NoContext),
        ("runtime.morestackc", MorestackCallee::System),
    ];

    fn at(&self, address: Address) -> Option<MorestackCallee> {
        self.entries
            .iter()
            .find(|(entry, _)| *entry == address)
            .map(|&(_, callee)| callee)
    }
}

/// Finds it.
pub(super) fn find(code: &Code<'_>, functions: &MorestackFunctions) -> Option<Morestack> {
    // It is at the end, so the search begins there.
    let (call, callee) = (0..code.len()).rev().find_map(|i| {
        (code.instructions[i].flow_control() == FlowControl::Call)
            .then(|| functions.at(code.target(i)?))?
            .map(|callee| (i, callee))
    })?;
    let mut start = call;
    let mut spills = Vec::new();
    while start > 0 {
        match spill(&code.instructions[start - 1]) {
            Some(spill) => spills.push(spill),
            None if code.instructions[start - 1].mnemonic() == Mnemonic::Nop => {}
            None => break,
        }
        start -= 1;
    }
    spills.reverse();
    // Nothing but the check jumps here; what lies before belongs to the body.
    let jumped_to = (start..=call).find(|&i| {
        (0..start).any(|j| code.is_conditional_jump(j) && code.target(j) == Some(code.address(i)))
    })?;
    spills.drain(..spills.len().saturating_sub(spills_in(code, jumped_to, call)));
    Some(Morestack {
        start: code.address(jumped_to),
        spills,
        call: code.address(call),
        callee,
        after_call: Address(code.instructions[call].next_ip()),
    })
}

fn spills_in(code: &Code<'_>, start: usize, end: usize) -> usize {
    code.instructions[start..end]
        .iter()
        .filter(|i| spill(i).is_some())
        .count()
}

/// A store of an argument register to the caller's frame.
fn spill(instruction: &Instruction) -> Option<Spill> {
    let stores = matches!(
        instruction.mnemonic(),
        Mnemonic::Mov | Mnemonic::Movss | Mnemonic::Movsd | Mnemonic::Movups | Mnemonic::Vmovdqu
    );
    if !stores
        || instruction.op0_kind() != OpKind::Memory
        || instruction.op1_kind() != OpKind::Register
        || instruction.memory_base() != Register::RSP
        || instruction.memory_index() != Register::None
    {
        return None;
    }
    Some(Spill {
        register: argument_register(instruction.op1_register())?,
        offset: instruction.memory_displacement64(),
        size: u8::try_from(instruction.memory_size().size()).ok()?,
    })
}

/// The place of a machine register in the convention's sequence, whatever part of it is named.
pub(super) fn argument_register(register: Register) -> Option<abi::Register> {
    let integer = |n| Some(abi::Register::Integer(n));
    if register.is_vector_register() {
        let number = u8::try_from(register.number()).ok()?;
        return (number < abi::FLOAT_REGISTERS).then_some(abi::Register::Float(number));
    }
    match register.full_register() {
        Register::RAX => integer(0),
        Register::RBX => integer(1),
        Register::RCX => integer(2),
        Register::RDI => integer(3),
        Register::RSI => integer(4),
        Register::R8 => integer(5),
        Register::R9 => integer(6),
        Register::R10 => integer(7),
        Register::R11 => integer(8),
        _ => None,
    }
}
