//! The ways from a running program to the core: a stub for each site in memory near the code, and jumps to them, or traps whose
//! handler has threads go on there.

use std::io;
use std::ops::Range;

use goinject_probes::inline::{Head, SharedProcess, code_size, entrance, faults};

use super::handing::Handed;
use crate::engine::arch::{STUB, jump, stub};
use crate::engine::breakpoints::{self, Traps};
use crate::engine::code::{CodeError, InMemory, Others};
use crate::engine::handlers::{Detour, Handler, at_copy, at_trap};
use crate::engine::provision::{map_code, unmap};
use crate::plan::encode::LoadBias;
use crate::plan::{Inlet, Plan};
use crate::tracee::{Memory, Remote, page_size};

/// A jump or a trap to be.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    /// Run-time address of the first byte that it takes.
    pub(super) address: u64,
    /// The instructions there.
    pub(super) bytes: Vec<u8>,
    /// Bytes of them before the site.
    before: usize,
    /// Bytes of the site.
    length: usize,
    /// Which of them may fault, and have to have their signals name them.
    faulting: Vec<u64>,
    /// It is a trap.
    pub(super) is_trap: bool,
}

impl Spot {
    /// What nobody may be in when the jump is put there: going on at its first byte does no harm. A trap is a single byte.
    pub(super) fn inside(&self) -> Option<Range<u64>> {
        (!self.is_trap).then(|| self.address + 1..self.address + self.bytes.len() as u64)
    }

    /// The plan's sites in a process, by row.
    ///
    /// # Errors
    /// There is no way from one of them, in words.
    pub(super) fn all(plan: &Plan, bias: LoadBias) -> Result<Vec<Spot>, String> {
        let inlets = plan.inlets();
        all_fit(plan, &inlets)?;
        let spots = plan.sites.iter().zip(&inlets).map(|(site, inlet)| {
            let at = site.instruction.address;
            let (start, bytes, faulting, is_trap) = match inlet {
                Inlet::Jump {
                    start,
                    bytes,
                    faulting,
                } => (*start, bytes.to_vec(), *faulting, false),
                _ => (at, site.instruction.bytes.clone(), &[][..], true),
            };
            Spot {
                address: bias.apply(start),
                bytes,
                before: (at.0 - start.0) as usize,
                length: site.instruction.bytes.len(),
                faulting: faulting.iter().map(|address| bias.apply(*address)).collect(),
                is_trap,
            }
        });
        Ok(spots.collect())
    }

    /// Has a trap at the site alone take the place of a jump over instructions that may fault.
    fn keep_faulting_in_place(&mut self) {
        if self.faulting.is_empty() {
            return;
        }
        *self = Spot {
            address: self.address + self.before as u64,
            bytes: self.bytes[self.before..][..self.length].to_vec(),
            before: 0,
            length: self.length,
            faulting: Vec::new(),
            is_trap: true,
        };
    }
}

/// Whether there is a way into the core from every site of a plan, or why not.
///
/// # Errors
/// In words, with the site and what would do.
pub fn fits(plan: &Plan) -> Result<(), String> {
    all_fit(plan, &plan.inlets())
}

fn all_fit(plan: &Plan, inlets: &[Inlet<'_>]) -> Result<(), String> {
    let found = plan
        .sites
        .iter()
        .zip(inlets)
        .find_map(|(site, inlet)| match inlet {
            Inlet::None(why) => Some((site, why)),
            _ => None,
        });
    match found {
        None => Ok(()),
        Some((site, why)) => Err(format!(
            "neither a jump nor a trap can be put at {}: {why}; use --engine bpf or --engine ptrace",
            plan.place_of(site)
        )),
    }
}

/// The memory with the core, the stubs and the handlers in a target.
#[derive(Debug)]
pub(super) struct Ground {
    /// What is to be at each site.
    pub(super) spots: Vec<Spot>,
    /// Where each site leads to.
    pub(super) stubs: Vec<u64>,
    /// All of it.
    pub(super) range: Range<u64>,
    /// In front of the program's own.
    pub(super) handlers: Vec<Handler>,
    /// Where threads go on that fault in the core.
    pub(super) faults: Vec<Detour>,
    /// The jumps, as bytes for their places.
    pub(super) jumps: Vec<(u64, Vec<u8>)>,
}

impl Ground {
    /// Makes it with a thread of the target. It can be run and read there, and never be written by the program. `runtime` are the
    /// functions by which Go handles signals: where others come first, instructions that may fault stay where they are.
    ///
    /// # Errors
    /// Those of ptrace and of the target's memory, or why the program can't have it.
    pub(super) fn make(
        remote: &mut Remote,
        mut spots: Vec<Spot>,
        handed: Handed,
        shared: &SharedProcess,
        runtime: &[u64],
    ) -> io::Result<Result<Ground, String>> {
        let mut handlers = Vec::new();
        for signal in [libc::SIGSEGV, libc::SIGBUS] {
            let Some(handler) = Handler::before(remote, signal)? else {
                return Ok(Err(format!(
                    "the target has no handler for signal {signal}, which every Go runtime installs: use --engine bpf"
                )));
            };
            handlers.push(handler);
        }
        let is_go = |handler: &Handler| handler.is_before(runtime);
        match Handler::before(remote, libc::SIGFPE)? {
            Some(of_divisions) if is_go(&of_divisions) && handlers.iter().all(is_go) => {
                handlers.push(of_divisions);
            }
            _ => spots.iter_mut().for_each(Spot::keep_faulting_in_place),
        }
        let count = spots.len() as u64;
        let table = code_size().next_multiple_of(64);
        let first = (table + 8 * count).next_multiple_of(64);
        let behind = first + STUB * count;
        let copies: usize = spots.iter().map(|spot| spot.faulting.len()).sum();
        let detours = spots.len() + faults(0).len() + copies;
        let for_handlers = handlers.len() as u64 * Handler::size(detours).next_multiple_of(16);
        let size = (behind + for_handlers).next_multiple_of(page_size());
        let near = spots.first().map_or(0, |spot| spot.address);
        let start = map_code(remote, near, size)?;
        let head = Head {
            process: handed.process,
            displaced: start + table,
        };
        let mut image = shared.code(head);
        image.resize(size as usize, 0);
        let (mut stubs, mut copies) = (Vec::new(), Vec::new());
        for (row, spot) in (0..).zip(&spots) {
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
            let faulting = made.copies.iter().filter(|(_, of)| spot.faulting.contains(of));
            let faulting: Vec<Detour> = faulting.map(|(copy, of)| at_copy(*copy, *of)).collect();
            if faulting.len() != spot.faulting.len() {
                unmap(remote, &(start..start + size))?;
                return Ok(Err(format!(
                    "there is no plain copy of the instructions at 0x{:x}",
                    spot.address
                )));
            }
            copies.extend(faulting);
        }
        let jumps = match jumps(&spots, &stubs) {
            Ok(jumps) => jumps,
            Err(why) => {
                unmap(remote, &(start..start + size))?;
                return Ok(Err(why));
            }
        };
        let faults = faults(start);
        let of_traps = spots.iter().zip(&stubs).filter(|(spot, _)| spot.is_trap);
        let mut detours: Vec<Detour> = of_traps
            .map(|(spot, stub)| at_trap(spot.address, *stub))
            .collect();
        detours.extend(&faults);
        detours.extend(copies);
        let mut places = Vec::new();
        let mut offset = behind as usize;
        for handler in &handlers {
            let code = handler.image(&detours);
            image[offset..offset + code.len()].copy_from_slice(&code);
            places.push(start + offset as u64);
            offset += code.len().next_multiple_of(16);
        }
        remote.memory().write(start, &image)?;
        for (handler, at) in handlers.iter_mut().zip(places) {
            handler.install(remote, at)?;
        }
        Ok(Ok(Ground {
            spots,
            stubs,
            range: start..start + size,
            handlers,
            faults,
            jumps,
        }))
    }

    /// The traps at those sites that have one.
    pub(super) fn traps(&self) -> Traps {
        let all = (0..).zip(&self.spots).zip(&self.stubs);
        let traps = all.filter(|((_, spot), _)| spot.is_trap);
        let (spots, stubs) = traps
            .map(|((row, spot), stub)| {
                let spot = breakpoints::Spot::new(row, spot.address, spot.bytes.clone());
                (spot, *stub)
            })
            .unzip();
        Traps::new(spots, stubs)
    }
}

/// The jumps, as bytes for their places.
///
/// # Errors
/// One of them does not reach its stub.
fn jumps(spots: &[Spot], stubs: &[u64]) -> Result<Vec<(u64, Vec<u8>)>, String> {
    let jumps = spots.iter().zip(stubs).filter(|(spot, _)| !spot.is_trap);
    let jumps = jumps.map(|(spot, stub)| {
        jump(spot.address, *stub, spot.bytes.len())
            .map(|bytes| (spot.address, bytes))
            .ok_or_else(|| format!("a jump at 0x{:x} does not reach goinject's code", spot.address))
    });
    jumps.collect()
}

/// Whether the bytes that jumps and traps are to take are still those of the plan.
///
/// # Errors
/// They differ, or can't be read.
pub(super) fn verify(spots: &[Spot], memory: &Memory) -> Result<(), CodeError> {
    let mut code = InMemory::new(memory, Others::None);
    let mut spots = spots.iter();
    spots.try_for_each(|spot| code.compare(spot.address, &spot.bytes))
}
