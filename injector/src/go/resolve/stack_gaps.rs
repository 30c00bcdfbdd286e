//! Fills holes in a listing from the places that the debug information has (before Go 1.17).
//!
//! There all values are on the stack, in order. A named parameter's place shows the hole before it,
//! and the size of the whole call the one after the last.

use super::gaps::pointer_receiver;
use super::{Candidate, Resolver, first_place, variable};
use crate::go::abi::frame;
use crate::go::dwarf::locations::Place;
use crate::go::types::{Signature, Type, TypeId, Types, Variable};

/// Finds the one way to fill the holes.
pub(super) fn fill(resolver: &Resolver<'_>) -> Result<Signature, String> {
    let size = resolver
        .evidence
        .arguments_size
        .ok_or("the size of its calls is not recorded")?;
    let results = resolver.results();
    let results_start = u64::from(size)
        .checked_sub(size_of(resolver, &results))
        .ok_or("its results are larger than its calls")?;

    let mut filler = Filler {
        types: resolver.types,
        end: 0,
        variables: Vec::new(),
        listed: Vec::new(),
        gaps: 0,
    };
    // A receiver without a name is a hole too, and the first.
    let mut receiver_pending = resolver.lacks_receiver();
    if receiver_pending && let Some(ty) = pointer_receiver(resolver) {
        filler.push(Variable { name: None, ty }, None);
        receiver_pending = false;
    }
    let mut floating = false;
    for (index, listed) in resolver.listing.parameters.iter().enumerate() {
        let ty = resolver.types.get(listed.ty);
        let natural = filler.end.next_multiple_of(ty.align.max(1));
        match first_place(resolver.types, listed) {
            Some(Place::Stack(place)) if ty.size > 0 => {
                let place = u64::try_from(place).map_err(|_| unexplained())?;
                if place < natural || (place > natural && floating) {
                    return Err(unexplained());
                }
                if place > natural {
                    filler.gap(place - filler.end);
                }
                floating = false;
            }
            _ => floating |= ty.size > 0,
        }
        filler.push(variable(listed), Some(index));
    }
    let mut trailing = false;
    if filler.end.next_multiple_of(8) != results_start {
        if filler.end.next_multiple_of(8) > results_start || floating {
            return Err(unexplained());
        }
        filler.gap(results_start - filler.end);
        trailing = true;
    }
    if receiver_pending && filler.listed.first() != Some(&None) {
        return Err(unexplained());
    }

    let has_receiver = resolver.method.is_some();
    let gaps_among_parameters = filler.gaps - usize::from(receiver_pending);
    let missing = parameter_count(resolver)
        .map(|n| (n + usize::from(has_receiver)).saturating_sub(filler.variables.len()));
    let mut uncertain = resolver.order_is_uncertain();
    match missing {
        // Each hole is one parameter, or the last hole is several.
        Some(0) => {}
        Some(more) if gaps_among_parameters == 1 && trailing => filler.add_empty(more),
        Some(_) => uncertain = true,
        None => uncertain |= gaps_among_parameters > usize::from(trailing),
    }
    let mut variables = filler.variables;
    let receiver = (has_receiver && !variables.is_empty()).then(|| variables.remove(0));
    let candidate = Candidate {
        signature: Signature {
            receiver,
            dictionary: false,
            parameters: variables,
            results,
            positions_uncertain: uncertain,
        },
        listed: filler.listed,
    };
    if resolver.fits(&candidate) {
        Ok(candidate.signature)
    } else {
        Err(unexplained())
    }
}

fn unexplained() -> String {
    "the compiler left out parameters without a name, and where they stand cannot be told; give its `signature`"
        .to_owned()
}

/// Bytes of the results.
fn size_of(resolver: &Resolver<'_>, results: &[Variable]) -> u64 {
    let alone = Signature {
        results: results.to_vec(),
        ..Signature::default()
    };
    frame(
        resolver.types,
        &alone,
        resolver.evidence.convention,
        resolver.evidence.version,
    )
    .size
}

/// How many parameters there are, receiver not counted: the compiler's names for results without a
/// name go on counting where the parameters end.
fn parameter_count(resolver: &Resolver<'_>) -> Option<usize> {
    let first = resolver
        .listing
        .results
        .iter()
        .find(|r| r.name.starts_with('~'))?;
    first.name.get(2..)?.parse().ok()
}

struct Filler<'t> {
    types: &'t Types,
    end: u64,
    variables: Vec<Variable>,
    listed: Vec<Option<usize>>,
    gaps: usize,
}

impl Filler<'_> {
    fn push(&mut self, variable: Variable, listed: Option<usize>) {
        let ty = self.types.get(variable.ty);
        self.end = self.end.next_multiple_of(ty.align.max(1)).saturating_add(ty.size);
        self.variables.push(variable);
        self.listed.push(listed);
    }

    fn gap(&mut self, size: u64) {
        let ty = self.unknown(size);
        self.push(Variable { name: None, ty }, None);
        self.gaps += 1;
    }

    fn add_empty(&mut self, count: usize) {
        for _ in 0..count {
            let ty = self.unknown(0);
            self.push(Variable { name: None, ty }, None);
        }
    }

    fn unknown(&self, size: u64) -> TypeId {
        self.types.add(Type {
            align: 1,
            ..Type::unknown(size)
        })
    }
}
