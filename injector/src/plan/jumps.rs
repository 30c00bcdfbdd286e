//! Where jumps can be put, for the engine that decides inside the program, and where only traps can.

use std::collections::BTreeSet;
use std::ops::Range;

use super::{Plan, Room, Site};
use crate::go::address::Address;

/// How threads get from a site to goinject's code inside the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inlet<'a> {
    /// By a jump over these instructions.
    Jump {
        /// Where they begin, at the site or before it.
        start: Address,
        /// What they are.
        bytes: &'a [u8],
        /// Which of them may fault. Their signals are to name these addresses.
        faulting: &'a [Address],
    },
    /// By a trap, because of this.
    Trap(NoJump),
    /// Not at all, because of this.
    None(String),
}

/// Why there can't be a jump at a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoJump {
    /// There is no room, because of this.
    NoRoom(String),
    /// The jump would take bytes of the site of this index.
    Overlaps(usize),
}

impl Plan {
    /// For each site, the way from there.
    pub fn inlets(&self) -> Vec<Inlet<'_>> {
        let mut inlets: Vec<Inlet<'_>> = self
            .sites
            .iter()
            .map(|site| match &site.instruction.room {
                Room::Jump { faulting, .. } if !self.can_name(faulting) => {
                    Inlet::Trap(NoJump::NoRoom(UNKNOWN.to_owned()))
                }
                Room::Jump {
                    start,
                    bytes,
                    faulting,
                } => Inlet::Jump {
                    start: *start,
                    bytes,
                    faulting,
                },
                Room::Trap(why) => Inlet::Trap(NoJump::NoRoom(why.clone())),
                Room::None(why) => Inlet::None(why.clone()),
            })
            .collect();
        let sites = self.sites.iter().enumerate();
        let instruction = |(n, site): (usize, &Site)| (site.instruction.address.0, n);
        let by_address: BTreeSet<(u64, usize)> = sites.clone().map(instruction).collect();
        let mut jumps: Vec<(Range<u64>, usize)> =
            sites.filter_map(|(n, _)| Some((taken(&inlets[n])?, n))).collect();
        jumps.sort_by_key(|(taken, _)| taken.start);
        let mut former: Option<(u64, usize)> = None;
        for (taken, n) in jumps {
            let within = by_address.range((taken.start, 0)..(taken.end, 0));
            let mut within = within.map(|(_, other)| *other);
            let overlapped = match former {
                Some((end, before)) if end > taken.start => Some(before),
                _ => within.find(|other| *other != n),
            };
            match overlapped {
                Some(other) => inlets[n] = Inlet::Trap(NoJump::Overlaps(other)),
                None => former = Some((taken.end, n)),
            }
        }
        inlets
    }

    /// Whether goinject can have signals of instructions name them that are run elsewhere: it has to know that who handles them is Go,
    /// which never has a thread run on from there.
    fn can_name(&self, faulting: &[Address]) -> bool {
        faulting.is_empty() || !self.runtime.signal_handlers.is_empty()
    }

    /// A site's instruction and place, for messages.
    pub fn place_of(&self, site: &Site) -> String {
        let instruction = &site.instruction;
        let name = &self.functions[site.function].name;
        format!("`{}` at {} of {name}", instruction.text, instruction.address)
    }
}

const UNKNOWN: &str = "the jump would take an instruction with it that may fault, and the binary does not tell which function handles \
     signals";

/// What a jump takes.
fn taken(inlet: &Inlet<'_>) -> Option<Range<u64>> {
    match inlet {
        Inlet::Jump { start, bytes, .. } => Some(start.0..start.0 + bytes.len() as u64),
        Inlet::Trap(_) | Inlet::None(_) => None,
    }
}
