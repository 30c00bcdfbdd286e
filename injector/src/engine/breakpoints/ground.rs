//! What a program is given for its breakpoints: a page with stub and displaced copies, and the stub as its handler for their signal.

use std::io;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Spot;
use super::arch::{SIGNAL, SLOT};
use crate::engine::arch::{Displaced, displace};
use crate::engine::handlers::{Detour, Handler, at_trap};
use crate::engine::provision::{map_code, unmap};
use crate::tracee::{Remote, page_size};

/// What breakpoints need of a target before there can be any: memory near its code for the stub and the displaced
/// copies, and the stub as its handler for their signal.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::engine) struct Ground {
    pub(super) page: Range<u64>,
    /// One for each breakpoint.
    pub(super) copies: Vec<u64>,
    handler: Handler,
}

/// Why a target can't have breakpoints.
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The program does not handle SIGSEGV, so a breakpoint left behind could kill it.
    #[error(
        "the target has no handler for SIGSEGV, which every Go runtime installs: is it still starting, or not a Go program?"
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
        let Some(handler) = Handler::before(remote, SIGNAL)? else {
            return Ok(Err(Refusal::NoTrapHandler));
        };
        let count = spots.len() as u64;
        let near = spots.first().map_or(0, |spot| spot.address);
        let table_end = Handler::size(spots.len());
        let copies_start = table_end.next_multiple_of(SLOT);
        let size = (copies_start + SLOT * count).next_multiple_of(page_size());
        let start = map_code(remote, near, size)?;
        let mut ground = Ground {
            page: start..start + size,
            copies: (0..count).map(|n| start + copies_start + n * SLOT).collect(),
            handler,
        };
        for (spot, copy) in spots.iter().zip(&ground.copies) {
            match displace(&spot.bytes, spot.address, *copy) {
                Ok(Displaced { code, .. }) if code.len() as u64 <= SLOT => {
                    remote.memory().write(*copy, &code)?
                }
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
        let copies = spots.iter().zip(&ground.copies);
        let detours: Vec<Detour> = copies.map(|(spot, copy)| at_trap(spot.address, *copy)).collect();
        remote.memory().write(start, &ground.handler.image(&detours))?;
        ground.handler.install(remote, start)?;
        Ok(Ok(ground))
    }

    /// Gives the signal back its former action.
    pub(super) fn restore_action(&self, remote: &mut Remote) -> io::Result<()> {
        self.handler.remove(remote).map(drop)
    }

    /// Undoes it while no breakpoint has been set.
    pub(in crate::engine) fn undo(&self, remote: &mut Remote) -> io::Result<()> {
        self.restore_action(remote)?;
        unmap(remote, &self.page)
    }
}
