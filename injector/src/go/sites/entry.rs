//! Finds the site that is passed exactly once in each call.

use iced_x86::{Code as Opcode, ConditionCode, FlowControl, Mnemonic, Register};

use super::decode::Code;
use super::morestack::Morestack;
use super::{EntryKind, SiteError};

const CARRY: u64 = 0x01;
const ZERO: u64 = 0x40;

/// The site's place and kind.
pub(super) struct Found {
    pub(super) index: usize,
    pub(super) kind: EntryKind,
}

/// Why there is none.
pub(super) enum NotFound {
    UnknownCheck,
    EntryIsLoop,
}

impl NotFound {
    pub(super) fn into_error(self, function: String) -> SiteError {
        match self {
            NotFound::UnknownCheck => SiteError::UnknownCheck { function },
            NotFound::EntryIsLoop => SiteError::EntryIsLoop { function },
        }
    }
}

/// Finds the entry site of a function with this code to grow its stack.
pub(super) fn find(code: &Code<'_>, morestack: Option<&Morestack>) -> Result<Found, NotFound> {
    let Some(morestack) = morestack else {
        if is_jump_target(code, 0) {
            return Err(NotFound::EntryIsLoop);
        }
        return Ok(Found {
            index: 0,
            kind: EntryKind::Start,
        });
    };
    let jump = last_check_jump(code, morestack).ok_or(NotFound::UnknownCheck)?;
    let next = jump + 1;
    let pushes = code
        .instructions
        .get(next)
        .is_some_and(|i| i.code() == Opcode::Push_r64 && i.op0_register() == Register::RBP);
    if pushes && !is_jump_target(code, next) {
        return Ok(Found {
            index: next,
            kind: EntryKind::AfterCheck,
        });
    }
    let morestack_flags = match code.instructions[jump].condition_code() {
        ConditionCode::be => CARRY | ZERO,
        ConditionCode::b => CARRY,
        ConditionCode::e => ZERO,
        _ => return Err(NotFound::UnknownCheck),
    };
    Ok(Found {
        index: jump,
        kind: EntryKind::CheckJump { morestack_flags },
    })
}

/// The last jump to the code that grows the stack, if everything before it is the check.
fn last_check_jump(code: &Code<'_>, morestack: &Morestack) -> Option<usize> {
    let mut last = None;
    for (index, instruction) in code.instructions.iter().enumerate() {
        match instruction.flow_control() {
            FlowControl::ConditionalBranch if code.target(index) == Some(morestack.start) => {
                last = Some(index);
            }
            FlowControl::Next if is_check_step(instruction.mnemonic()) => {}
            _ => break,
        }
    }
    last
}

/// Instructions that a stack check is made of: load g and its guard, compute, compare.
fn is_check_step(mnemonic: Mnemonic) -> bool {
    matches!(
        mnemonic,
        Mnemonic::Mov | Mnemonic::Lea | Mnemonic::Cmp | Mnemonic::Sub | Mnemonic::Nop
    )
}

fn is_jump_target(code: &Code<'_>, index: usize) -> bool {
    let address = code.address(index);
    (0..code.len())
        .any(|i| code.instructions[i].flow_control() != FlowControl::Call && code.target(i) == Some(address))
}
