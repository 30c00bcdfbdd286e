//! What a program is given for its breakpoints: a page with stub and displaced copies, and the stub as its handler for SIGTRAP.

use std::io;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Spot;
use super::arch::{SLOT, image, restorer_offset};
use crate::engine::arch::displace;
use crate::engine::provision::{map_code, map_data, unmap};
use crate::tracee::{Remote, page_size};

const SIGSET: u64 = 8;

/// What breakpoints need of a target before there can be any: memory near its code for the stub and the displaced
/// copies, and the stub as its handler for SIGTRAP.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::engine) struct Ground {
    pub(super) page: Range<u64>,
    /// One for each breakpoint.
    pub(super) copies: Vec<u64>,
    /// The `struct kernel_sigaction` that SIGTRAP had.
    former_action: Action,
}

/// Why a target can't have breakpoints.
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The program does not handle SIGTRAP, so a breakpoint left behind could kill it.
    #[error(
        "the target has no handler for SIGTRAP, which every Go runtime installs: is it still starting, or not a Go program?"
    )]
    NoTrapHandler,
    /// An instruction can't be run elsewhere.
    #[error("{0}")]
    Displace(String),
}

impl Ground {
    /// Makes it with a thread of the target. What is refused is left as it was.
    pub(in crate::engine) fn prepare(
        remote: &mut Remote,
        spots: &[Spot],
    ) -> io::Result<Result<Ground, Refusal>> {
        let former_action = swap_trap_action(remote, None)?;
        let previous = u64::from_le_bytes(former_action[..8].try_into().expect("eight bytes"));
        if previous <= 1 {
            return Ok(Err(Refusal::NoTrapHandler));
        }
        let count = spots.len() as u64;
        let near = spots.first().map_or(0, |spot| spot.address);
        let table_end = image(0, &[]).len() as u64 + 16 * count;
        let copies_start = table_end.next_multiple_of(SLOT);
        let size = (copies_start + SLOT * count).next_multiple_of(page_size());
        let start = map_code(remote, near, size)?;
        let ground = Ground {
            page: start..start + size,
            copies: (0..count).map(|n| start + copies_start + n * SLOT).collect(),
            former_action,
        };
        for (spot, copy) in spots.iter().zip(&ground.copies) {
            match displace(&spot.bytes, spot.address, *copy) {
                Ok(code) if code.len() as u64 <= SLOT => remote.memory().write(*copy, &code)?,
                Ok(_) => {
                    unmap(remote, &ground.page)?;
                    let address = spot.address;
                    return Ok(Err(Refusal::Displace(format!(
                        "the copy of the instruction at 0x{address:x} is too long"
                    ))));
                }
                Err(error) => {
                    unmap(remote, &ground.page)?;
                    return Ok(Err(Refusal::Displace(error.to_string())));
                }
            }
        }
        let sites = spots.iter().map(|spot| spot.address);
        let table: Vec<(u64, u64)> = sites.zip(ground.copies.iter().copied()).collect();
        remote.memory().write(start, &image(previous, &table))?;
        let restorer = start + restorer_offset() as u64;
        swap_trap_action(remote, Some(action(start, restorer)))?;
        Ok(Ok(ground))
    }

    /// Gives SIGTRAP back its former action.
    pub(super) fn restore_action(&self, remote: &mut Remote) -> io::Result<()> {
        swap_trap_action(remote, Some(self.former_action)).map(drop)
    }

    /// Undoes it while no breakpoint has been set.
    pub(in crate::engine) fn undo(&self, remote: &mut Remote) -> io::Result<()> {
        self.restore_action(remote)?;
        unmap(remote, &self.page)
    }
}

/// A `struct kernel_sigaction`: handler, flags, restorer, mask.
type Action = [u8; 32];

/// The action of the stub: every signal blocked meanwhile, on the signal stack.
fn action(handler: u64, restorer: u64) -> Action {
    const SA_RESTORER: u64 = 0x0400_0000;
    let flags = SA_RESTORER | libc::SA_SIGINFO as u64 | libc::SA_ONSTACK as u64;
    let mut action = [0; 32];
    for (place, word) in action
        .chunks_exact_mut(8)
        .zip([handler, flags, restorer, u64::MAX])
    {
        place.copy_from_slice(&word.to_le_bytes());
    }
    action
}

/// Reads the target's action for SIGTRAP, and sets it if there is a new one.
fn swap_trap_action(remote: &mut Remote, new: Option<Action>) -> io::Result<Action> {
    let size = page_size();
    let page = map_data(remote, size)?;
    let (new_at, former_at) = (page, page + 32);
    let new_argument = match new {
        Some(action) => {
            remote.memory().write(new_at, &action)?;
            new_at
        }
        None => 0,
    };
    remote.syscall(
        libc::SYS_rt_sigaction,
        [libc::SIGTRAP as u64, new_argument, former_at, SIGSET, 0, 0],
    )?;
    let mut former = [0; 32];
    remote.memory().read(former_at, &mut former)?;
    unmap(remote, &(page..page + size))?;
    Ok(former)
}
