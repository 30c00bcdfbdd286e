//! Structs and arrays.

use goinject_rules::diagnostic::did_you_mean;
use goinject_rules::model::Value;

use super::{Context, Fitted, Located, Misfit, fit};
use crate::go::types::{Kind, TypeId};
use crate::plan::{Base, Shape, Source};
use crate::resolve::path::list;
use crate::resolve::place::field_names;

/// Go's point in time.
const TIME: &str = "time.Time";

/// A mapping sets the fields that it names and leaves the others alone.
pub(super) fn structure(value: &Value, at: &Located, context: &mut Context<'_>) -> Result<Fitted, Misfit> {
    let types = context.types();
    let names = || field_names(at.ty, types);
    let name = context.type_name(at.ty);
    if let (TIME, Value::Add(amount)) = (name, value) {
        return super::number::time(amount, at);
    }
    let Value::Fields(written) = value else {
        let help = match names().as_slice() {
            _ if name == TIME => "write what is to be added, as in `{add: 2h}` or `{add: -1.5s}`".to_owned(),
            [] => "it has no fields to set".to_owned(),
            [first, ..] => format!("write its fields: `{{{first}: …}}`, or set one alone with `.{first}`"),
        };
        return Err(Misfit::kind(value, name, help));
    };
    let mut edits = Vec::new();
    let mut shapes = Vec::new();
    for (name, value) in written {
        let field = at
            .field(&name.value, types)
            .map_err(|error| Misfit::new(error.message, error.help.unwrap_or_default()).within(name.span))?
            .ok_or_else(|| no_field(at.ty, &name.value, context).within(name.span))?;
        let fitted = fit(&value.value, &field, context).map_err(|misfit| misfit.within(value.span))?;
        edits.extend(fitted.edits);
        shapes.push((name.value.clone(), fitted.shape));
    }
    Ok(Fitted {
        edits,
        shape: Shape::Struct(shapes),
    })
}

fn no_field(ty: TypeId, name: &str, context: &Context<'_>) -> Misfit {
    let names = field_names(ty, context.types());
    let message = format!("`{}` has no field `{name}`", context.type_name(ty));
    let help = match did_you_mean(name, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "it has no fields".to_owned(),
        None => format!("its fields are {}", list(&names)),
    };
    Misfit::new(message, help)
}

pub(super) fn array(
    value: &Value,
    at: &Located,
    (element, length): (TypeId, u64),
    context: &mut Context<'_>,
) -> Result<Fitted, Misfit> {
    let types = context.types();
    let size = types.get(element).size;
    let name = context.type_name(at.ty);
    let count = |found: usize| match found as u64 == length {
        true => Ok(()),
        false => Err(Misfit::new(
            format!("`{name}` has {length} elements, not {found}"),
            "write them all, or set some with `[n]`",
        )),
    };
    let mut edits = Vec::new();
    let mut shapes = Vec::new();
    let mut add = |n: usize, fitted: Fitted| {
        debug_assert_eq!(shapes.len(), n);
        edits.extend(fitted.edits);
        shapes.push(fitted.shape);
    };
    match value {
        Value::List(items) => {
            count(items.len())?;
            for (n, item) in items.iter().enumerate() {
                let at = at.part(n as u64 * size, element, types);
                add(
                    n,
                    fit(&item.value, &at, context).map_err(|misfit| misfit.within(item.span))?,
                );
            }
        }
        Value::Bytes(bytes) if size == 1 && matches!(types.get(element).kind, Kind::Uint | Kind::Int) => {
            count(bytes.len())?;
            for (n, byte) in bytes.iter().enumerate() {
                let at = at.part(n as u64, element, types);
                let bits = match types.get(element).kind {
                    Kind::Int => i128::from(byte.cast_signed()),
                    _ => i128::from(*byte),
                };
                add(n, fit(&Value::Integer(bits), &at, context)?);
            }
        }
        other => {
            let help = format!("write a list of its {length} elements, or set some with `[n]`");
            return Err(Misfit::kind(other, name, help));
        }
    }
    Ok(Fitted {
        edits,
        shape: Shape::Array(shapes),
    })
}

/// The bytes of a value of a type without pointers.
pub(super) fn constant(value: &Value, ty: TypeId, context: &mut Context<'_>) -> Result<Vec<u8>, Misfit> {
    let at = Located::at_start(ty);
    let mut bytes = vec![0; usize::try_from(context.types().get(ty).size).expect("types fit into memory")];
    for edit in fit(value, &at, context)?.edits {
        let (Source::Literal(bits), Base::Absolute(start)) = (&edit.source, edit.place.base) else {
            return Err(Misfit::new(
                "a new value has no previous value to change: it can hold fixed values only",
                "write the value itself",
            ));
        };
        let start = usize::try_from(start.0).expect("within the value");
        let size = usize::from(edit.size);
        bytes[start..start + size].copy_from_slice(&bits.to_le_bytes()[..size]);
    }
    Ok(bytes)
}
