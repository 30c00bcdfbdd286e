//! Finds the site that is passed exactly once in each call.

use iced_x86::{Code as Opcode, ConditionCode, FlowControl, Register};

use super::decode::Code;
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

/// Finds the entry site of a function, given the last jump of its stack check.
pub(super) fn find(code: &Code<'_>, check: Option<usize>) -> Result<Found, NotFound> {
    let Some(jump) = check else {
        if is_jump_target(code, 0) {
            return Err(NotFound::EntryIsLoop);
        }
        return Ok(Found {
            index: 0,
            kind: EntryKind::Start,
        });
    };
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

fn is_jump_target(code: &Code<'_>, index: usize) -> bool {
    let address = code.address(index);
    (0..code.len())
        .any(|i| code.instructions[i].flow_control() != FlowControl::Call && code.target(i) == Some(address))
}
