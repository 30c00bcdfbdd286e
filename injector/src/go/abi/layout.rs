//! Assigns parameters and results to registers and stack.
//!
//! Follows `cmd/compile/internal/abi/abiutils.go` (`assignParam`, `tryAllocRegs`) of Go 1.17 to
//! 1.27, whose versions differ in form only, and `calcStructOffset` for the stack convention.

use super::{Convention, Layout, Part, Placement, Register};
use crate::go::arch::Architecture;
use crate::go::types::{Kind, Signature, TypeId, Types};
use crate::go::version::GoVersion;

/// Bytes of a register, a pointer and a stack slot.
const WORD: u64 = 8;
/// Bytes of the return address, or of the room for the caller's own, between the stack pointer at entry and the caller's arguments.
pub(in crate::go) const RETURN_ADDRESS: u64 = 8;
/// Types nest less than this by value; a bound for damaged type information.
const MAX_DEPTH: u32 = 64;
/// As many as the registers of the architecture with the most.
const MAX_PARTS: usize = 32;

/// Where all values of a function live.
///
/// The version matters for the place of the hidden dictionary only.
pub fn layout(
    architecture: Architecture,
    types: &Types,
    signature: &Signature,
    convention: Convention,
    version: &GoVersion,
) -> Layout {
    frame(architecture, types, signature, convention, version).layout
}

/// A layout with what the compiler derives from it and records elsewhere, to compare with.
#[derive(Clone, Debug, Default)]
pub(in crate::go) struct Frame {
    pub(in crate::go) layout: Layout,
    /// For each value that comes in, in the order of the convention: its type and its home in the
    /// caller's frame, counted from behind the return address. For a value in registers that is
    /// where the function may spill it.
    pub(in crate::go) homes: Vec<(Incoming, u64)>,
    /// Bytes of the caller's frame that belong to the call.
    pub(in crate::go) size: u64,
}

/// A value that comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::go) enum Incoming {
    /// A receiver or parameter of this type.
    Typed(TypeId),
    /// The pointer to the dictionary of a generic function.
    Dictionary,
}

/// The scalar class that decides which registers a part may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::go) enum Class {
    Integer,
    Float,
}

/// A scalar part of a value: offset, bytes, class.
pub(in crate::go) type ScalarPart = (u64, u8, Class);

/// Lays a call out completely.
pub(in crate::go) fn frame(
    architecture: Architecture,
    types: &Types,
    signature: &Signature,
    convention: Convention,
    version: &GoVersion,
) -> Frame {
    let mut frame = Frame::default();
    let mut incoming: Vec<Incoming> = signature
        .receiver
        .iter()
        .chain(&signature.parameters)
        .map(|v| Incoming::Typed(v.ty))
        .collect();
    if signature.dictionary {
        let after_receiver = version.at_least(20) && signature.receiver.is_some();
        incoming.insert(usize::from(after_receiver), Incoming::Dictionary);
    }

    let mut stack = 0;
    let mut spill = 0;
    let mut registers = Free::new(architecture, convention);
    let mut homes = Vec::new();
    for value in incoming {
        let (size, align, parts) = match value {
            Incoming::Typed(ty) => (types.get(ty).size, types.get(ty).align, parts_of(types, ty)),
            Incoming::Dictionary => (WORD, WORD, Some(vec![(0, 8, Class::Integer)])),
        };
        let placement = match parts.and_then(|parts| registers.take(&parts)) {
            Some(parts) => {
                homes.push((value, next_slot(&mut spill, size, align), true));
                Placement::Registers(parts)
            }
            None => {
                let offset = next_slot(&mut stack, size, align);
                homes.push((value, offset, false));
                Placement::Stack {
                    offset: RETURN_ADDRESS.saturating_add(offset),
                }
            }
        };
        match value {
            Incoming::Dictionary => frame.layout.dictionary = Some(placement),
            Incoming::Typed(_) if signature.receiver.is_some() && frame.layout.receiver.is_none() => {
                frame.layout.receiver = Some(placement);
            }
            Incoming::Typed(_) => frame.layout.parameters.push(placement),
        }
    }

    stack = align_up(stack, WORD);
    let mut registers = Free::new(architecture, convention);
    for result in &signature.results {
        let ty = types.get(result.ty);
        let placement = match parts_of(types, result.ty).and_then(|parts| registers.take(&parts)) {
            Some(parts) => Placement::Registers(parts),
            None => Placement::Stack {
                offset: RETURN_ADDRESS.saturating_add(next_slot(&mut stack, ty.size, ty.align)),
            },
        };
        frame.layout.results.push(placement);
    }

    let spill_area = align_up(stack, WORD);
    frame.size = spill_area.saturating_add(align_up(spill, WORD));
    frame.homes = homes
        .into_iter()
        .map(|(value, offset, spilled)| {
            (
                value,
                if spilled {
                    offset.saturating_add(spill_area)
                } else {
                    offset
                },
            )
        })
        .collect();
    frame
}

/// The scalar parts that would go into registers; `None` if the type never goes there: it has no
/// size, or an array of more than one element.
pub(in crate::go) fn parts_of(types: &Types, ty: TypeId) -> Option<Vec<ScalarPart>> {
    let mut parts = Vec::new();
    (types.get(ty).size > 0 && flatten(types, ty, 0, MAX_DEPTH, &mut parts)).then_some(parts)
}

fn flatten(types: &Types, ty: TypeId, base: u64, depth: u32, parts: &mut Vec<ScalarPart>) -> bool {
    // More parts than registers never fit, however the rest looks.
    if depth == 0 || parts.len() > MAX_PARTS {
        return false;
    }
    let t = types.get(ty);
    let word = |n: u64| (base.saturating_add(n * WORD), 8, Class::Integer);
    let scalar = |class| match u8::try_from(t.size) {
        Ok(size @ (1 | 2 | 4 | 8)) => Some((base, size, class)),
        _ => None,
    };
    match &t.kind {
        Kind::Bool | Kind::Int | Kind::Uint | Kind::Unknown => {
            let Some(part) = scalar(Class::Integer) else {
                return false;
            };
            parts.push(part);
        }
        Kind::Float => {
            let Some(part) = scalar(Class::Float) else {
                return false;
            };
            parts.push(part);
        }
        Kind::Complex => {
            let half = t.size / 2;
            let Ok(size @ (4 | 8)) = u8::try_from(half) else {
                return false;
            };
            parts.extend([
                (base, size, Class::Float),
                (base.saturating_add(half), size, Class::Float),
            ]);
        }
        Kind::Pointer { .. } | Kind::Map { .. } | Kind::Chan | Kind::Func => parts.push(word(0)),
        Kind::String | Kind::Interface { .. } => parts.extend([word(0), word(1)]),
        Kind::Slice { .. } => parts.extend([word(0), word(1), word(2)]),
        Kind::Array { length: 0, .. } => {}
        Kind::Array { element, length: 1 } => return flatten(types, *element, base, depth - 1, parts),
        Kind::Array { .. } => return false,
        Kind::Struct { fields } => {
            return fields
                .iter()
                .all(|f| flatten(types, f.ty, base.saturating_add(f.offset), depth - 1, parts));
        }
    }
    true
}

/// The registers not taken yet.
struct Free {
    integers: u8,
    floats: u8,
    architecture: Architecture,
    convention: Convention,
}

impl Free {
    fn new(architecture: Architecture, convention: Convention) -> Free {
        Free {
            integers: 0,
            floats: 0,
            architecture,
            convention,
        }
    }

    /// Takes a register for every part, or none at all.
    fn take(&mut self, parts: &[ScalarPart]) -> Option<Vec<Part>> {
        if self.convention == Convention::Stack {
            return None;
        }
        let (mut integers, mut floats) = (self.integers, self.floats);
        let mut taken = Vec::with_capacity(parts.len());
        for &(offset, size, class) in parts {
            let (next, limit, register): (&mut u8, u8, fn(u8) -> Register) = match class {
                Class::Integer => (
                    &mut integers,
                    self.architecture.integer_registers(),
                    Register::Integer,
                ),
                Class::Float => (&mut floats, self.architecture.float_registers(), Register::Float),
            };
            if *next == limit {
                return None;
            }
            taken.push(Part {
                architecture: self.architecture,
                offset,
                size,
                register: register(*next),
            });
            *next += 1;
        }
        (self.integers, self.floats) = (integers, floats);
        Some(taken)
    }
}

/// The next place in a sequence for a value of that size and alignment.
fn next_slot(end: &mut u64, size: u64, align: u64) -> u64 {
    let offset = align_up(*end, align);
    *end = offset.saturating_add(size);
    offset
}

fn align_up(offset: u64, align: u64) -> u64 {
    // Damaged type information may claim any alignment.
    offset.checked_next_multiple_of(align.max(1)).unwrap_or(u64::MAX)
}
