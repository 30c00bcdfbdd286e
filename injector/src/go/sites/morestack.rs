//! The code at the end of a function that grows its stack.
//!
//! It saves the register parameters in their homes in the caller's frame, calls
//! `runtime.morestack*`, takes the parameters back and jumps to the function's start.

use super::decode::Code;
use super::instruction::Site;
use crate::go::abi;
use crate::go::address::Address;
use crate::go::arch::Flow;

/// The code that grows the stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Morestack {
    /// Its first instruction, where the stack check jumps to.
    pub start: Address,
    /// The parameters that it saves first, in order.
    pub spills: Vec<Spill>,
    /// Where the `CALL` is.
    pub call: Address,
    /// The `CALL`, as a place to probe.
    pub call_site: Site,
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

/// Finds it, and the last jump of the stack check that leads there.
///
/// `Err` if stacks are grown somewhere in the function and the check at its start is in no known form.
pub(super) fn find(
    code: &Code<'_>,
    functions: &MorestackFunctions,
) -> Result<Option<(Morestack, usize)>, ()> {
    // It is at the end, so the search begins there.
    let found = (0..code.len()).rev().find_map(|i| {
        (code.instructions[i].flow == Flow::Call)
            .then(|| functions.at(code.target(i)?))?
            .map(|callee| (i, callee))
    });
    let Some((call, callee)) = found else {
        return Ok(None);
    };
    let mut first = call;
    while first > 0 && code.check_part(first - 1).saves_or_fills() {
        first -= 1;
    }
    let (jump, start) = last_check_jump(code, first, call).ok_or(())?;
    let morestack = Morestack {
        start: code.address(start),
        spills: (start..call).filter_map(|n| code.check_part(n).spill).collect(),
        call: code.address(call),
        call_site: code.describe(call, None),
        callee,
        after_call: code.instructions[call].next(),
    };
    Ok(Some((morestack, jump)))
}

/// The last of the jumps at the function's start into the code from `first` to `call`, if everything
/// before it is the stack check; and the instruction that it leads to.
fn last_check_jump(code: &Code<'_>, first: usize, call: usize) -> Option<(usize, usize)> {
    let mut last = None;
    for (index, instruction) in code.instructions[..first].iter().enumerate() {
        match instruction.flow {
            Flow::Branch => {
                let start = code.index_of(code.target(index)?);
                let Some(start) = start.filter(|i| (first..=call).contains(i)) else {
                    break;
                };
                last = Some((index, start));
            }
            Flow::Next if code.check_part(index).is_step => {}
            _ => break,
        }
    }
    last
}
