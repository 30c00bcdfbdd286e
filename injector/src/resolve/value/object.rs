//! Objects made anew, in memory that the garbage collector does not look at.
//!
//! The program may keep them for ever. If it puts a pointer to its own heap into one, the collector does not see that, and
//! what it leads to is freed. So an object that the program is likely to write to must have no pointers; one with
//! pointers is made only where Go's own rules or habits have it that nobody does: the value in an interface that is no pointer,
//! and errors, of which each firing gets one of its own all the same.

use goinject_probes::table::COPIED;
use goinject_rules::model::Value;
use goinject_rules::source::Spanned;

use super::{Context, Located, Misfit, fit};
use crate::go::types::TypeId;
use crate::plan::scratch::Pointee;
use crate::plan::{Base, Edit, Source};

/// An object of which each firing gets a copy of its own.
pub(super) fn copied(
    of: Option<&Spanned<Value>>,
    ty: TypeId,
    context: &mut Context<'_>,
) -> Result<Source, Misfit> {
    let size = context.types().get(ty).size;
    let length = u32::try_from(size)
        .ok()
        .filter(|length| *length as usize <= COPIED);
    let Some(length) = length else {
        let message = format!("a new `{}` has more than {COPIED} bytes", context.type_name(ty));
        return Err(Misfit::new(
            message,
            "name a package variable whose address is taken",
        ));
    };
    let offset = shared(of, ty, context)?;
    Ok(match length {
        // Nothing behind it is ever touched: any address will do.
        0 => Source::Scratch(offset),
        length => Source::Fresh { offset, length },
    })
}

/// An object that the program does not write to: there is one for all firings.
pub(super) fn shared(
    of: Option<&Spanned<Value>>,
    ty: TypeId,
    context: &mut Context<'_>,
) -> Result<u32, Misfit> {
    let size = usize::try_from(context.types().get(ty).size).map_err(|_| Misfit::no_room())?;
    let offset = context.scratch.reserve(size).ok_or_else(Misfit::no_room)?;
    if let Some(of) = of {
        put_in(&of.value, &Located::in_scratch(ty, offset), context)
            .map_err(|misfit| misfit.within(of.span))?;
    }
    Ok(offset)
}

/// Elements in a row, for a slice that the program does not write to.
pub(super) fn elements(
    items: &[Spanned<Value>],
    element: TypeId,
    context: &mut Context<'_>,
) -> Result<u32, Misfit> {
    let size = usize::try_from(context.types().get(element).size).map_err(|_| Misfit::no_room())?;
    let bytes = size.checked_mul(items.len()).ok_or_else(Misfit::no_room)?;
    let offset = context.scratch.reserve(bytes).ok_or_else(Misfit::no_room)?;
    for (n, item) in items.iter().enumerate() {
        let at = Located::in_scratch(element, offset).part((n * size) as u64, element, context.types());
        put_in(&item.value, &at, context).map_err(|misfit| misfit.within(item.span))?;
    }
    Ok(offset)
}

fn put_in(value: &Value, at: &Located, context: &mut Context<'_>) -> Result<(), Misfit> {
    let outer = std::mem::replace(&mut context.in_object, true);
    let fitted = fit(value, at, context);
    context.in_object = outer;
    fitted?.edits.into_iter().try_for_each(|edit| put(edit, context))
}

/// Puts a word into an object: now, or at each firing if the program decides what it is.
fn put(edit: Edit, context: &mut Context<'_>) -> Result<(), Misfit> {
    let Base::Scratch(to) = edit.place.base else {
        return Err(unmade());
    };
    if !edit.place.steps.is_empty() {
        return Err(unmade());
    }
    let scratch = &mut context.scratch;
    match edit.source {
        Source::Literal(bits) => scratch.fill(to, &bits.to_le_bytes()[..usize::from(edit.size)]),
        Source::Address(global) => scratch.point(to, Pointee::Global(global)),
        Source::Scratch(of) | Source::Fresh { offset: of, .. } => scratch.point(to, Pointee::Scratch(of)),
        Source::Copy(_) | Source::CopyInterface { .. } | Source::CopyType(_) => {
            // Not the program's heap, and no barrier to pass.
            context.behind.push(Edit {
                pointer: false,
                ..edit
            });
        }
        _ => return Err(unmade()),
    }
    Ok(())
}

fn unmade() -> Misfit {
    Misfit::new(
        "a new value has no previous value to change: it can hold fixed values only",
        "write the value itself; behind a pointer, `{new: …}`",
    )
}
