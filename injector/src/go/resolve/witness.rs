//! Witnesses to the places of parameters: the debug information's locations, and the registers that
//! a function saves before its stack grows.

use super::{Candidate, Resolver};
use crate::go::abi::{Frame, Incoming, Placement, RETURN_ADDRESS, parts_of};
use crate::go::dwarf::locations::Place;
use crate::go::sites::Spill;

impl Resolver<'_> {
    /// Whether the debug information's places, where it has any, are the computed ones.
    pub(super) fn places_agree(&self, candidate: &Candidate, frame: &Frame) -> bool {
        self.compare_places(candidate, frame)
            .all(|agrees| agrees != Some(false))
    }

    /// Whether the debug information has a place for each listed value, and it is the computed one.
    pub(super) fn all_places_agree(&self, candidate: &Candidate, frame: &Frame) -> bool {
        self.compare_places(candidate, frame)
            .all(|agrees| agrees == Some(true))
    }

    /// Whether no value can be missing before a listed one without showing: every listed value has
    /// its place from a witness, or touches one that has, or the end.
    pub(super) fn is_pinned(&self, candidate: &Candidate, frame: &Frame) -> bool {
        let spills = (self.evidence.spills)().unwrap_or_default();
        let placements: Vec<_> = frame
            .layout
            .receiver
            .iter()
            .chain(&frame.layout.parameters)
            .collect();
        let mut values: Vec<(u64, u64, bool)> = Vec::new();
        let mut typed = 0;
        for &(value, home) in &frame.homes {
            let Incoming::Typed(ty) = value else {
                values.push((home, 8, true));
                continue;
            };
            let listed = candidate.listed[typed];
            let spilled = spills.iter().any(|s| s.offset == 8 + home);
            let seen =
                spilled || listed.is_none_or(|l| self.place_agrees(l, placements[typed]) == Some(true));
            values.push((home, self.types.get(ty).size, seen));
            typed += 1;
        }
        // Stack values and spill slots are two sequences; each ends at a multiple of eight.
        values.sort_by_key(|&(home, ..)| home);
        let mut pinned_from = frame.size;
        values.iter().rev().all(|&(home, size, seen)| {
            let end = home + size;
            let touches = end == pinned_from || (end % 8 == 0 && size > 0 && self.begins_at(frame, end));
            if seen || touches || size == 0 {
                pinned_from = home;
                return true;
            }
            false
        })
    }

    /// Whether something that cannot move begins there: the results or the spill slots.
    fn begins_at(&self, frame: &Frame, end: u64) -> bool {
        let placements = frame.layout.receiver.iter().chain(&frame.layout.parameters);
        let stack_end = frame
            .homes
            .iter()
            .filter(|(value, _)| matches!(value, Incoming::Typed(_)))
            .zip(placements)
            .filter_map(|((value, home), placement)| match (value, placement) {
                (Incoming::Typed(ty), Placement::Stack { .. }) => Some(home + self.types.get(*ty).size),
                _ => None,
            })
            .max();
        stack_end == Some(end)
    }

    fn compare_places<'a>(
        &'a self,
        candidate: &'a Candidate,
        frame: &'a Frame,
    ) -> impl Iterator<Item = Option<bool>> + 'a {
        let placements = frame.layout.receiver.iter().chain(&frame.layout.parameters);
        candidate
            .listed
            .iter()
            .zip(placements)
            .filter_map(|(listed, placement)| {
                let listed = (*listed)?;
                // Nothing can be somewhere else than computed if it has no bytes.
                let ty = self.listing.parameters[listed].ty;
                (self.types.get(ty).size > 0).then(|| self.place_agrees(listed, placement))
            })
    }

    /// Whether the function saves no other registers than parameters come in, each to its home;
    /// `None` if it saves none because its stack never grows. Parameters that are not used are not
    /// always saved.
    pub(super) fn spills_agree(&self, frame: &Frame) -> Option<bool> {
        let saved = (self.evidence.spills)()?;
        let expected = expected_spills(frame);
        Some(saved.iter().all(|spill| expected.contains(spill)))
    }

    /// Where the debug information sees a listed parameter at entry.
    pub(super) fn witness(&self, listed: usize) -> Option<Witness> {
        let pieces = (self.evidence.location)(listed)?;
        let &(place, _) = pieces.first()?;
        let covered: u64 = pieces.iter().map(|(_, bytes)| bytes).sum();
        let id = self.listing.parameters.get(listed)?.ty;
        let parts = match parts_of(self.types, id) {
            Some(parts) if covered != self.types.get(id).size && parts.len() > 1 => {
                parts.into_iter().map(|(offset, ..)| offset).collect()
            }
            _ => vec![0],
        };
        Some(Witness { place, parts })
    }

    fn place_agrees(&self, listed: usize, placement: &Placement) -> Option<bool> {
        let witness = self.witness(listed)?;
        Some(match (placement, witness.place) {
            (Placement::Stack { offset }, Place::Stack(place)) => witness
                .parts
                .iter()
                .any(|part| *offset as i64 == RETURN_ADDRESS as i64 + place - *part as i64),
            (Placement::Registers(parts), Place::Register(number)) => parts
                .iter()
                .filter(|part| witness.parts.contains(&part.offset))
                .any(|part| self.evidence.architecture.dwarf_number(part.register) == number),
            _ => false,
        })
    }
}

/// Where the debug information sees a value when its function is entered.
pub(super) struct Witness {
    pub(super) place: Place,
    /// The part of the value that is there, by its offset. Parts that are not used are left out of
    /// the debug information silently, so of a string it may be the pointer or the length.
    pub(super) parts: Vec<u64>,
}

/// The registers that a function with this frame can save before its stack grows.
pub(super) fn expected_spills(frame: &Frame) -> Vec<Spill> {
    let mut receiver_and_parameters = frame.layout.receiver.iter().chain(&frame.layout.parameters);
    let mut spills = Vec::new();
    for &(value, home) in &frame.homes {
        let placement = match value {
            Incoming::Dictionary => frame.layout.dictionary.as_ref(),
            Incoming::Typed(_) => receiver_and_parameters.next(),
        };
        if let Some(Placement::Registers(parts)) = placement {
            spills.extend(parts.iter().map(|part| Spill {
                register: part.register,
                offset: RETURN_ADDRESS + home + part.offset,
                size: part.size,
            }));
        }
    }
    spills
}
