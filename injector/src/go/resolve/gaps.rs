//! Fills holes in a listing from the compiler's record of the parameters' homes (Go 1.17 to 1.21,
//! and wrappers).

use super::fillers::possible_types;
use super::{Candidate, Frame, Resolver, variable};
use crate::go::abi::{Incoming, Placement};
use crate::go::arg_info::{ArgInfo, Item, Tree};
use crate::go::types::{Kind, Signature, Type, TypeId, Types, Uncertain, Variable};

/// More possibilities than this are not worth telling apart.
const MAX_CANDIDATES: usize = 256;

/// A value that comes in, in order.
#[derive(Clone, Debug)]
enum Slot {
    Listed(usize),
    /// In the record only: the types that it may have.
    Unlisted(Vec<TypeId>),
}

/// Finds the one way to fill the holes.
pub(super) fn fill(resolver: &Resolver<'_>) -> Result<Signature, String> {
    let Some(Some(record)) = &resolver.evidence.arg_info else {
        return Err(unexplained(resolver));
    };
    let mut candidates = Vec::new();
    for dictionary in resolver.dictionaries() {
        for slots in arrangements(resolver, record, dictionary) {
            expand(resolver, &slots, dictionary, &mut candidates);
            if candidates.len() > MAX_CANDIDATES {
                return Err(ambiguous(resolver));
            }
        }
    }
    candidates.retain(|c| resolver.fits(c) && resolver.places_agree(c, &resolver.frame(c)));
    // Only where a function can save registers does it say which.
    let by_spills = |c: &Candidate| resolver.spills_agree(&resolver.frame(c)) != Some(false);
    candidates.retain(by_spills);
    let frames: Vec<Frame> = candidates.iter().map(|c| resolver.frame(c)).collect();
    let Some(first) = candidates.first() else {
        return Err(unexplained(resolver));
    };
    // Several ways are as good as one if they put every listed value into the same place.
    let known = |i: usize| known_places(&candidates[i], &frames[i]);
    if (1..candidates.len()).any(|i| known(i) != known(0)) {
        return Err(ambiguous(resolver));
    }
    let mut signature = first.signature.clone();
    let numbered = |c: &Candidate| c.listed.iter().map(Option::is_some).collect::<Vec<_>>();
    if record.is_cut() || candidates.iter().any(|c| numbered(c) != numbered(first)) {
        signature.positions_uncertain.get_or_insert(Uncertain::Unlisted);
    }
    Ok(signature)
}

fn unexplained(resolver: &Resolver<'_>) -> String {
    let bytes = resolver
        .evidence
        .arguments_size
        .map_or("an unknown number of".to_owned(), |n| n.to_string());
    format!(
        "its debug information lists parameters and results that do not add up to the {bytes} bytes of its \
         calls; give its `signature`"
    )
}

fn ambiguous(_: &Resolver<'_>) -> String {
    "the compiler left out unnamed parameters, and their positions are unknown; give its `signature`"
        .to_owned()
}

/// Where the listed values and the results are.
pub(super) fn known_places<'f>(
    candidate: &'f Candidate,
    frame: &'f Frame,
) -> (Vec<(usize, &'f Placement)>, &'f [Placement]) {
    let all = frame.layout.receiver.iter().chain(&frame.layout.parameters);
    let listed = candidate.listed.iter().zip(all);
    let listed = listed.filter_map(|(listed, placement)| Some(((*listed)?, placement)));
    (listed.collect(), &frame.layout.results)
}

/// All ways to match the listed parameters, in order, with the record.
fn arrangements(resolver: &Resolver<'_>, record: &ArgInfo, dictionary: bool) -> Vec<Vec<Slot>> {
    let items = record.items();
    let mut items = &items[..];
    let possible = |item: &Item| possible_types(resolver.types, resolver.evidence.convention, item);
    let mut begun = Vec::new();
    let mut next = 0;
    if resolver.skips_first() {
        let dictionary_first =
            dictionary && (resolver.method.is_none() || !resolver.evidence.version.at_least(20));
        if !dictionary_first {
            // What the record leaves out is the receiver or the first parameter.
            if resolver.lacks_receiver() {
                let Some(receiver) = pointer_receiver(resolver) else {
                    return Vec::new();
                };
                begun.push(Slot::Unlisted(vec![receiver]));
            } else if !resolver.listing.parameters.is_empty() {
                begun.push(Slot::Listed(0));
                next = 1;
            } else {
                return Vec::new();
            }
            if dictionary {
                let Some((_, rest)) = items.split_first() else {
                    return Vec::new();
                };
                items = rest;
            }
        }
    } else if resolver.lacks_receiver() {
        let Some((first, rest)) = items.split_first() else {
            return Vec::new();
        };
        let receiver = pointer_receiver(resolver).map(|ty| vec![ty]);
        begun.push(Slot::Unlisted(receiver.unwrap_or_else(|| possible(first))));
        items = rest;
    }
    let mut search = Search {
        resolver,
        items: items.iter().map(|item| (item, possible(item))).collect(),
        is_cut: record.is_cut(),
        slots: begun,
        found: Vec::new(),
    };
    search.arrange(0, next);
    search.found
}

struct Search<'s> {
    resolver: &'s Resolver<'s>,
    /// What the record has, with the types for it where it is not listed.
    items: Vec<(&'s Item, Vec<TypeId>)>,
    is_cut: bool,
    slots: Vec<Slot>,
    found: Vec<Vec<Slot>>,
}

impl Search<'_> {
    /// Matches the items from one on with the listed parameters from one on.
    fn arrange(&mut self, item: usize, next: usize) {
        let left = self.resolver.listing.parameters.len() - next;
        let items_left = self.items.len() - item;
        if self.found.len() > MAX_CANDIDATES || (left > items_left && !self.is_cut) {
            return;
        }
        let Some((this, types)) = self.items.get(item) else {
            let mut whole = self.slots.clone();
            whole.extend((next..next + left).map(Slot::Listed));
            return self.found.push(whole);
        };
        let unlisted = (!types.is_empty()).then(|| Slot::Unlisted(types.clone()));
        if left > 0
            && resembles(
                self.resolver.types,
                self.resolver.listing.parameters[next].ty,
                this,
            )
        {
            self.slots.push(Slot::Listed(next));
            self.arrange(item + 1, next + 1);
            self.slots.pop();
        }
        if let Some(unlisted) = unlisted {
            self.slots.push(unlisted);
            self.arrange(item + 1, next);
            self.slots.pop();
        }
    }
}

/// Whether a value of this type may have left that item in the record; the full comparison follows.
fn resembles(types: &Types, ty: TypeId, item: &Item) -> bool {
    let own = ArgInfo::of(types, &[(Incoming::Typed(ty), 0)], false);
    let Some(own) = own.items().into_iter().next() else {
        return false;
    };
    let (mut own_sizes, mut sizes) = (Vec::new(), Vec::new());
    own.tree.scalars(&mut |_, size| own_sizes.push(size));
    item.tree.scalars(&mut |_, size| sizes.push(size));
    // An item may be cut short by the limit on components.
    matches!(own.tree, Tree::Scalar { .. }) == matches!(item.tree, Tree::Scalar { .. })
        && own_sizes.starts_with(&sizes)
}

/// The receiver of a pointer method, which has a known form even if it is not listed.
pub(super) fn pointer_receiver(resolver: &Resolver<'_>) -> Option<TypeId> {
    let method = resolver.method.as_ref().filter(|m| m.is_pointer)?;
    let name = format!("*{}", method.receiver);
    let kind = Kind::Pointer { target: None };
    Some(resolver.types.add(Type {
        name,
        size: 8,
        align: 8,
        kind,
    }))
}

/// Turns an arrangement into candidates, one for each choice of types.
fn expand(resolver: &Resolver<'_>, slots: &[Slot], dictionary: bool, found: &mut Vec<Candidate>) {
    let mut choices: Vec<(Vec<Variable>, Vec<Option<usize>>)> = vec![Default::default()];
    for slot in slots {
        let options: Vec<(Variable, Option<usize>)> = match slot {
            Slot::Listed(i) => vec![(variable(&resolver.listing.parameters[*i]), Some(*i))],
            Slot::Unlisted(types) => types
                .iter()
                .map(|&ty| (Variable { name: None, ty }, None))
                .collect(),
        };
        choices = choices
            .into_iter()
            .flat_map(|(variables, listed)| {
                options.iter().map(move |(variable, place)| {
                    let mut variables = variables.clone();
                    let mut listed = listed.clone();
                    variables.push(variable.clone());
                    listed.push(*place);
                    (variables, listed)
                })
            })
            .take(MAX_CANDIDATES + 1)
            .collect();
    }
    let has_receiver = resolver.method.is_some();
    let candidate = |(variables, listed)| resolver.candidate(variables, listed, has_receiver, dictionary);
    found.extend(choices.into_iter().map(candidate));
}
