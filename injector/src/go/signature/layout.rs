//! Sizes, alignments and names of types that are put together.
//!
//! Source: `cmd/compile/internal/types/size.go` of the Go project, for machines with words of 64 bits.

use crate::go::types::{Field, Kind, Type, TypeId, Types};

const WORD: u64 = 8;
/// Larger than any address space.
const MAX_SIZE: u64 = 1 << 47;

/// A type of so many words.
pub(super) fn words(types: &Types, name: String, count: u64, kind: Kind) -> TypeId {
    types.add(Type {
        name,
        size: count * WORD,
        align: WORD,
        kind,
    })
}

/// A scalar of that size.
pub(super) fn scalar(types: &Types, name: &str, size: u64, kind: Kind) -> TypeId {
    types.add(Type {
        name: name.to_owned(),
        size,
        align: size,
        kind,
    })
}

/// An array; `None` if it is larger than memory.
pub(super) fn array(types: &Types, element: TypeId, length: u64) -> Option<TypeId> {
    let ty = types.get(element);
    let size = ty.size.checked_mul(length).filter(|&size| size < MAX_SIZE)?;
    let name = format!("[{length}]{}", ty.name);
    let align = ty.align;
    Some(types.add(Type {
        name,
        size,
        align,
        kind: Kind::Array { element, length },
    }))
}

/// A struct of fields (name, type, whether embedded); `None` if it is larger than memory.
pub(super) fn structure(types: &Types, members: Vec<(String, TypeId, bool)>) -> Option<TypeId> {
    let mut fields = Vec::with_capacity(members.len());
    let (mut end, mut align, mut last) = (0_u64, 1, 1);
    let mut shown = Vec::with_capacity(members.len());
    for (name, ty, embedded) in members {
        let t = types.get(ty);
        shown.push(if embedded {
            t.name.clone()
        } else {
            format!("{name} {}", t.name)
        });
        let offset = end.checked_next_multiple_of(t.align.max(1))?;
        end = offset.checked_add(t.size).filter(|&end| end < MAX_SIZE)?;
        align = align.max(t.align);
        last = t.size;
        fields.push(Field {
            name,
            offset,
            ty,
            embedded,
        });
    }
    // A pointer to a last field without a size must not point behind the struct.
    if last == 0 && end > 0 {
        end += 1;
    }
    let size = end.checked_next_multiple_of(align)?;
    let name = match shown.is_empty() {
        true => "struct {}".to_owned(),
        false => format!("struct {{ {} }}", shown.join("; ")),
    };
    Some(types.add(Type {
        name,
        size,
        align,
        kind: Kind::Struct { fields },
    }))
}

/// The same type under a name of its own.
pub(super) fn named(types: &Types, name: &str, underlying: TypeId) -> TypeId {
    types.add(Type {
        name: name.to_owned(),
        ..types.get(underlying).clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structs_are_padded_as_go_pads_them() {
        let types = Types::default();
        let byte = scalar(&types, "uint8", 1, Kind::Uint);
        let word = scalar(&types, "int", 8, Kind::Int);
        let none = structure(&types, vec![]).unwrap();
        let id = structure(
            &types,
            vec![
                ("a".into(), byte, false),
                ("b".into(), word, false),
                ("c".into(), none, false),
            ],
        );
        let ty = types.get(id.unwrap());
        assert_eq!(
            (ty.size, ty.align, ty.name.as_str()),
            (24, 8, "struct { a uint8; b int; c struct {} }")
        );
        let only_empty = structure(&types, vec![("a".into(), none, false)]).unwrap();
        assert_eq!(types.get(only_empty).size, 0);
        assert_eq!(array(&types, word, u64::MAX), None);
        assert_eq!(types.get(array(&types, byte, 3).unwrap()).size, 3);
    }
}
