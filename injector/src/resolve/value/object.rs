//! Objects made anew, in memory of the program that is not its heap.
//!
//! The program may keep them for ever, and write to them. If it puts a pointer to its own heap into one, the garbage collector
//! must see that, or what it leads to is freed. So copies of objects that hold pointers are told to the collector
//! ([`crate::engine`] has how). Those that by Go's own rules or habits nobody writes to need not be: the value in an
//! interface that is no pointer, and an error that wraps others.

use goinject_probes::table::{COPIED, PIECE};
use goinject_rules::model::Value;
use goinject_rules::source::Spanned;

use super::{Context, Located, Misfit, Within, fit};
use crate::go::types::{Kind, TypeId, Types};
use crate::plan::scratch::Pointee;
use crate::plan::{Base, Edit, Extend, Place, Source};
use crate::resolve::place::WORD;

/// The function by which a program gets more modules, and makes the list of them anew.
const LOADS_MODULES: &str = "plugin.Open";

/// An object of which each firing gets a copy of its own, and that the program may write to.
pub(super) fn fresh(
    of: Option<&Spanned<Value>>,
    ty: TypeId,
    context: &mut Context<'_>,
) -> Result<Source, Misfit> {
    match holds_pointers(ty, context.types()) {
        true => scanned(of.map(std::slice::from_ref).unwrap_or_default(), ty, 1, context),
        false => copied(of, ty, context),
    }
}

/// An object of which each firing gets a copy of its own. Nobody writes pointers to it.
pub(super) fn copied(
    of: Option<&Spanned<Value>>,
    ty: TypeId,
    context: &mut Context<'_>,
) -> Result<Source, Misfit> {
    let length = length(context.types().get(ty).size, ty, context)?;
    let offset = shared(of, ty, context)?;
    Ok(match length {
        // Nothing behind it is ever touched: any address will do.
        0 => Source::Scratch(offset),
        length => Source::Fresh { offset, length },
    })
}

/// An error of which each firing gets a copy of its own. Where the garbage collector can't be told of it, hardly any program
/// writes pointers to one.
pub(super) fn error(
    of: Option<&Spanned<Value>>,
    ty: TypeId,
    context: &mut Context<'_>,
) -> Result<Source, Misfit> {
    match may_be_scanned(ty, context) {
        Ok(()) => fresh(of, ty, context),
        Err(_) => copied(of, ty, context),
    }
}

/// Elements in a row that hold pointers, of which each firing gets copies of its own, and that the program may write to.
pub(super) fn fresh_elements(
    items: &[Spanned<Value>],
    element: TypeId,
    context: &mut Context<'_>,
) -> Result<Source, Misfit> {
    scanned(items, element, items.len(), context)
}

/// `count` objects of a type that holds pointers.
fn scanned(
    items: &[Spanned<Value>],
    ty: TypeId,
    count: usize,
    context: &mut Context<'_>,
) -> Result<Source, Misfit> {
    may_be_scanned(ty, context)?;
    let size = context.types().get(ty).size;
    let length = length(size.saturating_mul(count as u64), ty, context)?;
    let pieces = (length as usize).div_ceil(PIECE);
    let reserved = context.scratch.reserve(pieces * (PIECE + 1));
    let offset = reserved.ok_or_else(Misfit::no_room)?;
    let filled = put_items(items, ty, offset, Within::Fresh, context)?;
    let mut pointers = Vec::new();
    for n in 0..count as u64 {
        pointer_words(ty, n * size, context.types(), &mut pointers);
    }
    let mut marks = vec![0; pieces];
    for word in pointers.into_iter().map(|at| at / WORD) {
        let word = usize::try_from(word).expect("within the copy");
        marks[word / 8] |= 1 << (word % 8);
    }
    let behind = offset + u32::try_from(pieces * PIECE).expect("checked above");
    context.scratch.fill(behind, &marks);
    let source = Source::Scanned { offset, length };
    if filled.is_empty() {
        return Ok(source);
    }
    let made = make(source, context);
    context
        .behind
        .extend(filled.into_iter().map(|edit| match edit.place.base {
            Base::Scratch(at) => Edit {
                place: Place {
                    base: Base::Copy(at - offset),
                    ..edit.place
                },
                ..edit
            },
            _ => edit,
        }));
    Ok(made)
}

/// Has a copy made before the value is written.
fn make(copy: Source, context: &mut Context<'_>) -> Source {
    context.behind.push(Edit {
        place: Place {
            base: Base::Nowhere,
            steps: Vec::new(),
            element: None,
        },
        size: 8,
        extend: Extend::Zero,
        source: copy,
        pointer: false,
    });
    Source::Made(context.behind.len() - 1)
}

/// How many bytes a copy has.
fn length(size: u64, ty: TypeId, context: &Context<'_>) -> Result<u32, Misfit> {
    u32::try_from(size)
        .ok()
        .filter(|length| *length as usize <= COPIED)
        .ok_or_else(|| {
            let message = format!("a new `{}` has more than {COPIED} bytes", context.type_name(ty));
            Misfit::new(message, "name a package variable whose address is taken")
        })
}

/// Whether the program's garbage collector can be told of objects of a type.
fn may_be_scanned(ty: TypeId, context: &Context<'_>) -> Result<(), Misfit> {
    let (binary, types) = (context.binary, context.types());
    let name = context.type_name(ty);
    let because = |message: String| {
        let message = format!("a new `{name}` cannot be made: it holds pointers, and {message}");
        let help =
            "name a package variable whose address is taken, or write what to change in the current one";
        Err(Misfit::of_binary(message, help))
    };
    if binary.module().is_none() {
        return because("goinject does not find what the program's garbage collector scans".to_owned());
    }
    if !binary.functions().find(LOADS_MODULES).is_empty() {
        return because("what the garbage collector scans changes in programs that load plugins".to_owned());
    }
    if let Some(part) = undescribed(ty, types) {
        return because(format!("the program does not describe all of it (`{part}`)"));
    }
    // A rule's own words for a struct behind a pointer need not have all of its fields.
    if name.starts_with("struct") && !binary.build().has_dwarf {
        return because("the rule's signature may have left out fields of it".to_owned());
    }
    Ok(())
}

/// The first type within one whose words are not known.
fn undescribed(ty: TypeId, types: &Types) -> Option<&str> {
    let go = types.get(ty);
    match &go.kind {
        Kind::Unknown => Some(&go.name),
        Kind::Array { element, length } if *length > 0 => undescribed(*element, types),
        Kind::Struct { fields } => fields.iter().find_map(|field| undescribed(field.ty, types)),
        _ => None,
    }
}

/// An object that the program does not write to: there is one for all firings.
pub(super) fn shared(
    of: Option<&Spanned<Value>>,
    ty: TypeId,
    context: &mut Context<'_>,
) -> Result<u32, Misfit> {
    let items = of.map(std::slice::from_ref).unwrap_or_default();
    let size = context.types().get(ty).size;
    kept(items, ty, size, context)
}

/// Elements in a row, for a slice that the program does not write to.
pub(super) fn elements(
    items: &[Spanned<Value>],
    element: TypeId,
    context: &mut Context<'_>,
) -> Result<u32, Misfit> {
    let size = context.types().get(element).size;
    kept(items, element, size.saturating_mul(items.len() as u64), context)
}

fn kept(items: &[Spanned<Value>], ty: TypeId, size: u64, context: &mut Context<'_>) -> Result<u32, Misfit> {
    let size = usize::try_from(size).map_err(|_| Misfit::no_room())?;
    let offset = context.scratch.reserve(size).ok_or_else(Misfit::no_room)?;
    let filled = put_items(items, ty, offset, Within::Kept, context)?;
    context.behind.extend(filled);
    Ok(offset)
}

/// Fills reserved memory with objects in a row; what is left is to be put there at each firing.
fn put_items(
    items: &[Spanned<Value>],
    ty: TypeId,
    offset: u32,
    within: Within,
    context: &mut Context<'_>,
) -> Result<Vec<Edit>, Misfit> {
    let size = context.types().get(ty).size;
    let mut left = Vec::new();
    for (item, n) in items.iter().zip(0..) {
        let at = Located::in_scratch(ty, offset).part(n * size, ty, context.types());
        left.extend(put_in(&item.value, &at, within, context).map_err(|misfit| misfit.within(item.span))?);
    }
    Ok(left)
}

fn put_in(
    value: &Value,
    at: &Located,
    within: Within,
    context: &mut Context<'_>,
) -> Result<Vec<Edit>, Misfit> {
    let outer = std::mem::replace(&mut context.within, within);
    let fitted = fit(value, at, context);
    context.within = outer;
    let mut left = Vec::new();
    for edit in fitted?.edits {
        left.extend(put(edit, within, context)?);
    }
    Ok(left)
}

/// Puts a word into an object, unless the program decides what it is, or it leads to an object that each firing gets a copy
/// of: then it is put there at each firing.
fn put(edit: Edit, within: Within, context: &mut Context<'_>) -> Result<Option<Edit>, Misfit> {
    let Base::Scratch(to) = edit.place.base else {
        return Err(unmade());
    };
    if !edit.place.steps.is_empty() {
        return Err(unmade());
    }
    let source = match edit.source {
        Source::Literal(bits) => {
            let bytes = &bits.to_le_bytes()[..usize::from(edit.size)];
            context.scratch.fill(to, bytes);
            return Ok(None);
        }
        Source::Address(global) => {
            context.scratch.point(to, Pointee::Global(global));
            return Ok(None);
        }
        Source::Scratch(of) => {
            context.scratch.point(to, Pointee::Scratch(of));
            return Ok(None);
        }
        Source::Fresh { offset: of, .. } if within == Within::Kept => {
            context.scratch.point(to, Pointee::Scratch(of));
            return Ok(None);
        }
        copy @ (Source::Fresh { .. } | Source::Scanned { .. }) => make(copy, context),
        source @ (Source::Made(_) | Source::Copy(_) | Source::CopyInterface { .. } | Source::CopyType(_)) => {
            source
        }
        _ => return Err(unmade()),
    };
    // Not the program's heap, and no barrier to pass.
    Ok(Some(Edit {
        pointer: false,
        source,
        ..edit
    }))
}

/// Whether values of a type hold pointers that the garbage collector follows.
pub(super) fn holds_pointers(ty: TypeId, types: &Types) -> bool {
    match &types.get(ty).kind {
        Kind::Bool | Kind::Int | Kind::Uint | Kind::Float | Kind::Complex => false,
        Kind::Array { element, length } => *length > 0 && holds_pointers(*element, types),
        Kind::Struct { fields } => fields.iter().any(|field| holds_pointers(field.ty, types)),
        _ => true,
    }
}

/// Where the words are that the garbage collector follows, in a value of a type at an offset.
fn pointer_words(ty: TypeId, at: u64, types: &Types, words: &mut Vec<u64>) {
    match &types.get(ty).kind {
        Kind::Bool | Kind::Int | Kind::Uint | Kind::Float | Kind::Complex | Kind::Unknown => {}
        Kind::Interface { .. } => words.extend([at, at + WORD]),
        // The first word; what follows are lengths.
        Kind::String | Kind::Slice { .. } => words.push(at),
        Kind::Pointer { .. } | Kind::Map { .. } | Kind::Chan | Kind::Func => words.push(at),
        Kind::Array { element, length } => {
            if holds_pointers(*element, types) {
                let size = types.get(*element).size;
                (0..*length).for_each(|n| pointer_words(*element, at + n * size, types, words));
            }
        }
        Kind::Struct { fields } => fields
            .iter()
            .for_each(|field| pointer_words(field.ty, at + field.offset, types, words)),
    }
}

fn unmade() -> Misfit {
    Misfit::new(
        "a new value has no previous value to change: it can hold fixed values only",
        "write the value itself; behind a pointer, `{new: …}`",
    )
}
