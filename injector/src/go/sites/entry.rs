//! Finds the site that is passed exactly once in each call.

use super::decode::Code;
use super::{EntryKind, SiteError};
use crate::go::arch::Flow;

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
    if next < code.len() && code.check_part(next).is_frame_push && !is_jump_target(code, next) {
        return Ok(Found {
            index: next,
            kind: EntryKind::AfterCheck,
        });
    }
    let morestack_flags = code.check_part(jump).fails_on.ok_or(NotFound::UnknownCheck)?;
    Ok(Found {
        index: jump,
        kind: EntryKind::CheckJump { morestack_flags },
    })
}

fn is_jump_target(code: &Code<'_>, index: usize) -> bool {
    let address = code.address(index);
    (0..code.len()).any(|i| code.instructions[i].flow != Flow::Call && code.target(i) == Some(address))
}
