//! Jumps in a running program: the core and a stub for each site in memory near the code, and what the jumps are over.

use std::io;
use std::ops::Range;

use goinject_probes::inline::{Head, SharedProcess, code_size, entrance};

use super::handing::Handed;
use crate::engine::arch::{STUB, jump, stub};
use crate::engine::code::{CodeError, Others, compare};
use crate::engine::provision::{map_code, unmap};
use crate::plan::encode::LoadBias;
use crate::plan::{NoJump, Plan, Room};
use crate::tracee::{Memory, Remote, page_size};

/// A jump to be.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    /// Run-time address of the first byte that it takes.
    pub(super) address: u64,
    /// The instructions there.
    pub(super) bytes: Vec<u8>,
    /// Bytes of them before the site.
    before: usize,
}

impl Spot {
    /// What nobody may be in when the jump is put there: going on at its first byte does no harm.
    pub(super) fn inside(&self) -> Range<u64> {
        self.address + 1..self.address + self.bytes.len() as u64
    }

    /// The plan's sites in a process.
    ///
    /// # Errors
    /// There is no room for one of the jumps, in words.
    pub(super) fn all(plan: &Plan, bias: LoadBias) -> Result<Vec<Spot>, String> {
        fits(plan)?;
        let spots = plan.sites.iter().filter_map(|site| match &site.instruction.room {
            Room::Jump { start, bytes } => Some(Spot {
                address: bias.apply(*start),
                bytes: bytes.clone(),
                before: usize::try_from(site.instruction.address.0 - start.0).ok()?,
            }),
            Room::None(_) => None,
        });
        Ok(spots.collect())
    }
}

/// Whether a jump fits at every site of a plan, or why not.
///
/// # Errors
/// In words, with the site and what would do.
pub fn fits(plan: &Plan) -> Result<(), String> {
    const INSTEAD: &str = "use --engine bpf or --engine ptrace";
    let hindrances = plan.without_jump();
    let mut hindered = plan.sites.iter().zip(&hindrances);
    let found = hindered.find_map(|(site, hindrance)| Some((site, hindrance.as_ref()?)));
    let Some((site, hindrance)) = found else {
        return Ok(());
    };
    let place = plan.place_of(site);
    Err(match hindrance {
        NoJump::NoRoom(why) => format!("there is no room for a jump at {place}: {why}; {INSTEAD}"),
        NoJump::Overlaps(other) => format!(
            "the jumps at {place} and at {} would take the same bytes; {INSTEAD}",
            plan.place_of(&plan.sites[*other])
        ),
    })
}

/// The memory with the core and the stubs in a target.
#[derive(Debug)]
pub(super) struct Ground {
    /// Where each site's jump leads to.
    pub(super) stubs: Vec<u64>,
    /// All of it.
    pub(super) range: Range<u64>,
}

impl Ground {
    /// Makes it with a thread of the target. It can be run and read there, and never be written by the program.
    ///
    /// # Errors
    /// Those of ptrace and of the target's memory, or why an instruction can't be run elsewhere.
    pub(super) fn make(
        remote: &mut Remote,
        spots: &[Spot],
        handed: Handed,
        shared: &SharedProcess,
    ) -> io::Result<Result<Ground, String>> {
        let count = spots.len() as u64;
        let table = code_size().next_multiple_of(64);
        let first = (table + 8 * count).next_multiple_of(64);
        let size = (first + STUB * count).next_multiple_of(page_size());
        let near = spots.first().map_or(0, |spot| spot.address);
        let start = map_code(remote, near, size)?;
        let head = Head {
            process: handed.process,
            displaced: start + table,
        };
        let mut image = shared.code(head);
        image.resize(size as usize, 0);
        let mut stubs = Vec::new();
        for (row, spot) in (0..).zip(spots) {
            let offset = (first + STUB * u64::from(row)) as usize;
            let at = start + offset as u64;
            let made = match stub(
                row,
                at,
                start + entrance(),
                spot.address,
                &spot.bytes,
                spot.before,
            ) {
                Ok(made) => made,
                Err(why) => {
                    unmap(remote, &(start..start + size))?;
                    return Ok(Err(why));
                }
            };
            image[offset..offset + made.code.len()].copy_from_slice(&made.code);
            let entry = table as usize + 8 * row as usize;
            image[entry..entry + 8].copy_from_slice(&(at + made.resume as u64).to_le_bytes());
            stubs.push(at);
        }
        remote.memory().write(start, &image)?;
        Ok(Ok(Ground {
            stubs,
            range: start..start + size,
        }))
    }
}

/// The jumps, as bytes for their places.
///
/// # Errors
/// One of them does not reach its stub.
pub(super) fn jumps(spots: &[Spot], ground: &Ground) -> Result<Vec<(u64, Vec<u8>)>, String> {
    let jumps = spots.iter().zip(&ground.stubs).map(|(spot, stub)| {
        jump(spot.address, *stub, spot.bytes.len())
            .map(|bytes| (spot.address, bytes))
            .ok_or_else(|| format!("a jump at 0x{:x} does not reach goinject's code", spot.address))
    });
    jumps.collect()
}

/// Whether the bytes that jumps are to take are still those of the plan.
///
/// # Errors
/// They differ, or can't be read.
pub(super) fn verify(spots: &[Spot], memory: &Memory) -> Result<(), CodeError> {
    spots
        .iter()
        .try_for_each(|spot| compare(memory, spot.address, &spot.bytes, Others::None))
}
