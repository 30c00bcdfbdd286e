//! Breakpoints in a running program: the scratch page with stub and displaced copies, a breakpoint over each site.

use std::collections::HashMap;
use std::io;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::ArmError;
use super::arch::{BREAKPOINT, SLOT, image, restorer_offset};
use crate::engine::arch::displace;
use crate::engine::guard::{Guard, Patch, Way};
use crate::engine::provision::{map_code, map_data, unmap};
use crate::tracee::{Memory, Remote, page_size};

const SIGSET: u64 = 8;

/// A breakpoint to be.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    /// Run-time address.
    pub(super) address: u64,
    /// The instruction there.
    pub(super) bytes: Vec<u8>,
}

/// What breakpoints need of a target before there can be any: memory near its code for the stub and the displaced
/// copies, and the stub as its handler for SIGTRAP.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ground {
    page: Range<u64>,
    copies: Vec<u64>,
    /// The `struct kernel_sigaction` that SIGTRAP had.
    former_action: Action,
}

/// Why a target can't have breakpoints.
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
pub(super) enum Refusal {
    #[error("no handler for SIGTRAP")]
    NoTrapHandler,
    #[error("{0}")]
    Displace(String),
    #[error("{0}")]
    Provision(String),
}

impl Ground {
    /// Makes it with a thread of the target. What is refused is left as it was.
    pub(super) fn prepare(remote: &mut Remote, spots: &[Spot]) -> io::Result<Result<Ground, Refusal>> {
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
    fn restore_action(&self, remote: &mut Remote) -> io::Result<()> {
        swap_trap_action(remote, Some(self.former_action)).map(drop)
    }

    /// Undoes it while no breakpoint has been set.
    pub(super) fn undo(&self, remote: &mut Remote) -> io::Result<()> {
        self.restore_action(remote)?;
        unmap(remote, &self.page)
    }
}

/// All breakpoints of a target. Dropping this leaves them in, and the guard takes them out.
#[derive(Debug)]
pub(super) struct Breakpoints {
    /// Site row by address.
    rows: HashMap<u64, u32>,
    /// Site row by the address of its displaced copy.
    rows_of_copies: HashMap<u64, u32>,
    spots: Vec<Spot>,
    ground: Ground,
    guard: Option<Guard>,
}

impl Breakpoints {
    /// Puts breakpoints in, while every thread is stopped.
    pub(super) fn insert(
        memory: &Memory,
        pid: i32,
        ground: Ground,
        spots: Vec<Spot>,
    ) -> Result<Breakpoints, ArmError> {
        let patch = |spot: &Spot| Patch {
            address: spot.address,
            bytes: original(spot).to_vec(),
            way: Way::AtOnce,
        };
        let patches: Vec<Patch> = spots.iter().map(patch).collect();
        let guard = Guard::start(memory, pid, &patches).map_err(ArmError::Guard)?;
        let rows = spots
            .iter()
            .zip(0..)
            .map(|(spot, row)| (spot.address, row))
            .collect();
        let rows_of_copies = ground.copies.iter().copied().zip(0..).collect();
        let breakpoints = Breakpoints {
            rows,
            rows_of_copies,
            spots,
            ground,
            guard: Some(guard),
        };
        for spot in &breakpoints.spots {
            memory.write(spot.address, &BREAKPOINT).map_err(ArmError::trace)?;
        }
        Ok(breakpoints)
    }

    /// The site at an address.
    pub(super) fn row(&self, address: u64) -> Option<u32> {
        self.rows.get(&address).copied()
    }

    /// Where a thread goes on to run a site's instruction.
    pub(super) fn copy(&self, row: u32) -> u64 {
        self.ground.copies[row as usize]
    }

    /// The breakpoint of the displaced copy that starts at an address.
    pub(super) fn address_of_copy(&self, copy: u64) -> Option<u64> {
        let row = *self.rows_of_copies.get(&copy)?;
        self.spots.get(row as usize).map(|spot| spot.address)
    }

    /// Takes the breakpoints out. Threads may be anywhere.
    ///
    /// # Errors
    /// One of them can't be written over. A target that is gone or runs another program has none.
    pub(super) fn lift(&self, memory: &Memory) -> io::Result<()> {
        let mut first = Ok(());
        for spot in &self.spots {
            first = first.and(memory.write(spot.address, &original(spot)));
        }
        match self.are_in(memory) {
            true => first,
            false => Ok(()),
        }
    }

    /// Whether the program that has the breakpoints still runs.
    pub(super) fn are_in(&self, memory: &Memory) -> bool {
        memory.word(self.ground.page.start).is_ok()
    }

    /// Gives SIGTRAP back its former action, once no thread can have a trap pending. The copies stay
    /// mapped: a thread may be interrupted within one.
    pub(super) fn restore_action(&self, remote: &mut Remote) -> io::Result<()> {
        self.ground.restore_action(remote)
    }

    /// Sees the guard off: no breakpoint is left.
    pub(super) fn dismiss_guard(&mut self) {
        if let Some(guard) = self.guard.take() {
            guard.dismiss();
        }
    }
}

/// The bytes that a breakpoint is over.
fn original(spot: &Spot) -> [u8; BREAKPOINT.len()] {
    *spot
        .bytes
        .first_chunk()
        .expect("no instruction is shorter than a breakpoint")
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
