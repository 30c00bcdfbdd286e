//! Types for values of which only the place is known.

use crate::go::abi::Convention;
use crate::go::arg_info::{Item, Tree};
use crate::go::types::{Field, Kind, Type, TypeId, Types};

/// The types that an unlisted value may have, as far as its place goes.
pub(super) fn possible_types(types: &Types, convention: Convention, item: &Item) -> Vec<TypeId> {
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
    if convention == Convention::Register && !possible.is_empty() && !sizes.is_empty() {
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
