//! Fills holes in a listing from the places that the debug information has (before Go 1.17).
//!
//! There all values are on the stack, in order. A named parameter's place shows the hole before it,
//! and the size of the whole call the one after the last.

use super::gaps::{known_places, pointer_receiver};
use super::witness::Witness;
use super::{Candidate, Resolver, variable};
use crate::go::abi::frame;
use crate::go::dwarf::locations::Place;
use crate::go::types::{Signature, Type, TypeId, Types, Uncertain, Variable};

/// More possibilities than this are not worth telling apart.
const MAX_CANDIDATES: usize = 64;

/// Finds the one way to fill the holes.
pub(super) fn fill(resolver: &Resolver<'_>) -> Result<Signature, String> {
    let size = resolver
        .evidence
        .arguments_size
        .ok_or("the size of its calls is not recorded")?;
    let results_start = u64::from(size)
        .checked_sub(size_of(resolver, &resolver.results()))
        .ok_or("its results are larger than its calls")?;
    let mut search = Search {
        resolver,
        results_start,
        found: Vec::new(),
    };
    let empty = Filler::new(resolver.types);
    if resolver.lacks_receiver() {
        // A receiver without a name is a hole too, and the first; it may have no size.
        let mut filler = empty.clone();
        let ty = pointer_receiver(resolver).unwrap_or_else(|| filler.unknown(0));
        filler.push(Variable { name: None, ty }, None);
        search.place(0, filler);
    }
    if !resolver
        .method
        .as_ref()
        .is_some_and(|m| m.is_pointer && resolver.lacks_receiver())
    {
        search.place(0, empty);
    }
    search.found.retain(|c| resolver.fits(c));
    let Some(first) = search.found.first() else {
        return Err(unexplained());
    };
    let frames: Vec<_> = search.found.iter().map(|c| resolver.frame(c)).collect();
    let known = |i: usize| known_places(&search.found[i], &frames[i]);
    if (1..frames.len()).any(|i| known(i) != known(0)) {
        return Err(unexplained());
    }
    Ok(first.signature.clone())
}

fn unexplained() -> String {
    "the compiler left out unnamed parameters, and their positions are unknown; give its `signature`"
        .to_owned()
}

struct Search<'s> {
    resolver: &'s Resolver<'s>,
    results_start: u64,
    found: Vec<Candidate>,
}

impl Search<'_> {
    /// Places the listed parameters from one on, in every way that its witnesses allow.
    fn place(&mut self, index: usize, filler: Filler<'_>) {
        if self.found.len() >= MAX_CANDIDATES || filler.end > self.results_start {
            return;
        }
        let Some(listed) = self.resolver.listing.parameters.get(index) else {
            return self.finish(filler);
        };
        let ty = self.resolver.types.get(listed.ty);
        let natural = filler.end.next_multiple_of(ty.align.max(1));
        let witness = self.resolver.witness(index).filter(|_| ty.size > 0);
        let Some(Witness {
            place: Place::Stack(place),
            parts,
        }) = witness
        else {
            let mut filler = filler;
            filler.floating |= ty.size > 0;
            filler.push(variable(listed), Some(index));
            return self.place(index + 1, filler);
        };
        for part in parts {
            let Some(home) = u64::try_from(place)
                .ok()
                .and_then(|place| place.checked_sub(part))
            else {
                continue;
            };
            // Nothing tells on which side of a value without a witness a hole is.
            if home < natural || (home > natural && filler.floating) || home % ty.align.max(1) != 0 {
                continue;
            }
            let mut filler = filler.clone();
            if home > natural {
                filler.gap(home - filler.end);
            }
            filler.floating = false;
            filler.push(variable(listed), Some(index));
            self.place(index + 1, filler);
        }
    }

    fn finish(&mut self, mut filler: Filler<'_>) {
        let end = filler.end.next_multiple_of(8);
        let trailing = end < self.results_start;
        if end > self.results_start || (trailing && filler.floating) {
            return;
        }
        if trailing {
            filler.gap(self.results_start - filler.end);
        }
        let has_receiver = self.resolver.method.is_some();
        let missing = self
            .resolver
            .parameter_count()
            .map(|n| (n + usize::from(has_receiver)).saturating_sub(filler.variables.len()));
        let mut uncertain = self.resolver.order_is_uncertain();
        match missing {
            // Each hole is one parameter, or the last hole is several.
            Some(0) => {}
            Some(more) if trailing => {
                uncertain |= filler.gaps > 1;
                filler.add_empty(more);
            }
            Some(_) => uncertain = true,
            None => uncertain |= filler.gaps > usize::from(trailing),
        }
        let Filler {
            variables, listed, ..
        } = filler;
        let mut candidate = self.resolver.candidate(variables, listed, has_receiver, false);
        if uncertain {
            candidate
                .signature
                .positions_uncertain
                .get_or_insert(Uncertain::Unlisted);
        }
        self.found.push(candidate);
    }
}

/// Bytes of the results.
fn size_of(resolver: &Resolver<'_>, results: &[Variable]) -> u64 {
    let alone = Signature {
        results: results.to_vec(),
        ..Signature::default()
    };
    frame(
        resolver.evidence.architecture,
        resolver.types,
        &alone,
        resolver.evidence.convention,
        resolver.evidence.version,
    )
    .size
}

#[derive(Clone)]
struct Filler<'t> {
    types: &'t Types,
    end: u64,
    variables: Vec<Variable>,
    listed: Vec<Option<usize>>,
    gaps: usize,
    /// Whether a value without a witness stands behind the last one that has one.
    floating: bool,
}

impl<'t> Filler<'t> {
    fn new(types: &'t Types) -> Filler<'t> {
        Filler {
            types,
            end: 0,
            variables: Vec::new(),
            listed: Vec::new(),
            gaps: 0,
            floating: false,
        }
    }

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
