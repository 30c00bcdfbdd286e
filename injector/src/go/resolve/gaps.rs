//! Fills holes in a listing from the compiler's record of the parameters' homes (Go 1.17 to 1.21,
//! and wrappers).

use super::{Candidate, Frame, Resolver, variable};
use crate::go::abi::{Convention, Incoming, Placement};
use crate::go::arg_info::{ArgInfo, Item, Tree};
use crate::go::types::{Field, Kind, Signature, Type, TypeId, Types, Variable};

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
    signature.positions_uncertain |=
        record.is_cut() || candidates.iter().any(|c| numbered(c) != numbered(first));
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
    "the compiler left out parameters without a name, and where they stand cannot be told; give its `signature`"
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
        begun.push(Slot::Unlisted(
            receiver.unwrap_or_else(|| possible_types(resolver, first)),
        ));
        items = rest;
    }
    let mut found = Vec::new();
    arrange(resolver, items, next, record.is_cut(), &mut begun, &mut found);
    found
}

fn arrange(
    resolver: &Resolver<'_>,
    items: &[Item],
    next: usize,
    is_cut: bool,
    slots: &mut Vec<Slot>,
    found: &mut Vec<Vec<Slot>>,
) {
    let left = resolver.listing.parameters.len() - next;
    if found.len() > MAX_CANDIDATES || (left > items.len() && !is_cut) {
        return;
    }
    let Some((item, rest)) = items.split_first() else {
        let mut whole = slots.clone();
        whole.extend((next..next + left).map(Slot::Listed));
        found.push(whole);
        return;
    };
    if left > 0 && resembles(resolver.types, resolver.listing.parameters[next].ty, item) {
        slots.push(Slot::Listed(next));
        arrange(resolver, rest, next + 1, is_cut, slots, found);
        slots.pop();
    }
    let types = possible_types(resolver, item);
    if !types.is_empty() {
        slots.push(Slot::Unlisted(types));
        arrange(resolver, rest, next, is_cut, slots, found);
        slots.pop();
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

/// The types that an unlisted value may have, as far as its place goes.
fn possible_types(resolver: &Resolver<'_>, item: &Item) -> Vec<TypeId> {
    let types = resolver.types;
    let mut sizes = Vec::new();
    item.tree.scalars(&mut |_, size| sizes.push(size));
    let unknown = |size: u8| types.add(Type::unknown(u64::from(size)));
    let float = |size: u8| {
        let size = u64::from(size);
        types.add(Type {
            name: "?".to_owned(),
            size,
            align: size,
            kind: Kind::Float,
        })
    };
    let mut possible: Vec<TypeId> = rebuild(types, &item.tree, &unknown).into_iter().collect();
    if resolver.evidence.convention == Convention::Register && !possible.is_empty() && !sizes.is_empty() {
        if sizes.iter().all(|size| matches!(size, 4 | 8)) {
            possible.extend(rebuild(types, &item.tree, &float));
        }
        // Something with an array in it goes on the stack as a whole.
        possible.extend(rebuild_arrays(types, &item.tree, &unknown));
    }
    possible
}

/// A type with scalars where the tree has them; `None` if the record is silent of some.
fn rebuild(types: &Types, tree: &Tree, scalar: &dyn Fn(u8) -> TypeId) -> Option<TypeId> {
    let parts = match tree {
        Tree::Scalar { offset, size } => {
            offset.as_ref()?;
            return Some(scalar(*size));
        }
        Tree::Aggregate(parts) => parts,
        Tree::Cut => return None,
    };
    let mut start = None;
    tree.scalars(&mut |offset, _| start = start.or(offset));
    let start = u64::from(start.unwrap_or_default());
    let (mut fields, mut end, mut align) = (Vec::new(), 0, 1);
    for part in parts {
        let ty = rebuild(types, part, scalar)?;
        let mut first = None;
        part.scalars(&mut |offset, _| first = first.or(offset));
        let offset = first.map_or(end, |first| u64::from(first).saturating_sub(start));
        align = types.get(ty).align.max(align);
        end = offset + types.get(ty).size;
        fields.push(Field {
            name: "_".to_owned(),
            offset,
            ty,
            embedded: false,
        });
    }
    let size = end.next_multiple_of(align);
    Some(types.add(Type {
        name: "?".to_owned(),
        size,
        align,
        kind: Kind::Struct { fields },
    }))
}

/// The same, but whatever may be an array of scalars is one; `None` if nothing may.
fn rebuild_arrays(types: &Types, tree: &Tree, scalar: &dyn Fn(u8) -> TypeId) -> Option<TypeId> {
    let Tree::Aggregate(parts) = tree else { return None };
    let as_element = |part: &Tree| match part {
        Tree::Scalar {
            offset: Some(offset),
            size,
        } => Some((*offset, *size)),
        _ => None,
    };
    if let Some(elements) = parts.iter().map(as_element).collect::<Option<Vec<_>>>()
        && elements.len() > 1
        && elements
            .windows(2)
            .all(|w| w[0].1 == w[1].1 && u16::from(w[0].0) + u16::from(w[0].1) == u16::from(w[1].0))
    {
        let size = u64::from(elements[0].1);
        let length = elements.len() as u64;
        let kind = Kind::Array {
            element: scalar(elements[0].1),
            length,
        };
        return Some(types.add(Type {
            name: "?".to_owned(),
            size: size * length,
            align: size.max(1),
            kind,
        }));
    }
    let mut found = false;
    let whole = rebuild(types, tree, scalar)?;
    let Kind::Struct { mut fields } = types.get(whole).kind.clone() else {
        return None;
    };
    for (field, part) in fields.iter_mut().zip(parts) {
        if let Some(ty) = rebuild_arrays(types, part, scalar) {
            field.ty = ty;
            found = true;
        }
    }
    found.then(|| {
        types.add(Type {
            kind: Kind::Struct { fields },
            ..types.get(whole).clone()
        })
    })
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
    for (mut variables, listed) in choices {
        let has_receiver = resolver.method.is_some() && !variables.is_empty();
        let receiver = has_receiver.then(|| variables.remove(0));
        found.push(Candidate {
            signature: Signature {
                receiver,
                dictionary,
                parameters: variables,
                results: resolver.results(),
                positions_uncertain: false,
            },
            listed,
        });
    }
}
