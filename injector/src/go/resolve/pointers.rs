//! A signature against the compiler's record of pointers for the garbage collector: which words of the parameters hold
//! one when the function begins. Parameters that it does not use are not in the record.

use crate::go::abi::{Frame, Incoming};
use crate::go::types::{Kind, TypeId, Types};

const WORD: u64 = 8;
/// Types nest less than this by value; a bound for damaged type information.
const MAX_DEPTH: u32 = 64;

/// The first word that holds a pointer where the frame has a parameter without one: the parameter's place among all
/// that come in.
pub(super) fn misplaced(types: &Types, frame: &Frame, pointers: &[u64]) -> Option<TypeId> {
    pointers.iter().find_map(|&offset| {
        frame.homes.iter().find_map(|&(value, home)| {
            let Incoming::Typed(ty) = value else {
                return None;
            };
            let inside = offset.checked_sub(home).filter(|&at| at < types.get(ty).size)?;
            (!may_hold(types, ty, inside, MAX_DEPTH)).then_some(ty)
        })
    })
}

/// Whether the garbage collector may follow the word at an offset of a value.
fn may_hold(types: &Types, ty: TypeId, offset: u64, depth: u32) -> bool {
    let ty = types.get(ty);
    if depth == 0 || ty.is_gap() {
        return true;
    }
    match &ty.kind {
        Kind::Bool | Kind::Int | Kind::Uint | Kind::Float | Kind::Complex => false,
        Kind::String | Kind::Slice { .. } => offset == 0,
        // Its first word points out of the heap, and is not followed.
        Kind::Interface { .. } => offset == WORD,
        Kind::Pointer { .. } | Kind::Map { .. } | Kind::Chan | Kind::Func => offset == 0,
        Kind::Array { element, .. } => {
            let size = types.get(*element).size.max(1);
            may_hold(types, *element, offset % size, depth - 1)
        }
        Kind::Struct { fields } => fields.iter().any(|field| {
            let inside = offset.checked_sub(field.offset);
            inside
                .filter(|&at| at < types.get(field.ty).size)
                .is_some_and(|at| may_hold(types, field.ty, at, depth - 1))
        }),
        Kind::Unknown => true,
    }
}
