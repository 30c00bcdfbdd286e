//! Strings and slices.

use goinject_rules::model::Value;
use goinject_rules::source::Spanned;

use super::{Context, Fitted, Located, Misfit, Within, composite, object};
use crate::go::types::{Kind, TypeId};
use crate::plan::{Shape, Source};

/// Longer texts are not copied to have their bits flipped.
const LONGEST_FLIPPED: usize = goinject_probes::table::COPIED;

pub(super) fn string(value: &Value, at: &Located, context: &mut Context<'_>) -> Result<Fitted, Misfit> {
    let name = context.type_name(at.ty);
    let sources = match value {
        Value::Text(text) => bytes(text.as_bytes(), context)?,
        Value::Bytes(content) => bytes(content, context)?,
        Value::Len(most) => [Source::Keep, Source::Cut(*most)],
        Value::Xor(mask) => [Source::Flip(byte_mask(*mask)?), Source::Keep],
        Value::Null => {
            let message = format!("null does not fit `{name}`: a string is never nil");
            return Err(Misfit::new(message, "write `\"\"` for the empty string"));
        }
        Value::Integer(_) | Value::Float(_) | Value::Bool(_) => {
            let text = super::describe(value);
            let kind = match value {
                Value::Bool(_) => "a boolean",
                _ => "a number",
            };
            let message = format!("{text} is {kind}, and `{name}` takes a text");
            return Err(Misfit::new(message, format!("write it in quotes: \"{text}\"")));
        }
        other => {
            return Err(Misfit::kind(
                other,
                name,
                "write a text, `{bytes: \"6869ff\"}`, `{len: 3}` or `{xor: 1}`",
            ));
        }
    };
    Fitted::words(at, sources, 1, Shape::String)
}

/// Address and length of fixed bytes.
fn bytes(content: &[u8], context: &mut Context<'_>) -> Result<[Source; 2], Misfit> {
    if content.is_empty() {
        return Ok([Source::Literal(0), Source::Literal(0)]);
    }
    let offset = context.text(content)?;
    Ok([Source::Scratch(offset), Source::Literal(content.len() as u64)])
}

fn byte_mask(mask: u64) -> Result<u8, Misfit> {
    u8::try_from(mask).map_err(|_| {
        Misfit::new(
            format!("0x{mask:x} has more bits than a byte"),
            format!(
                "every byte is changed alike: at most 0xff (and strings and slices of up to {LONGEST_FLIPPED} bytes)"
            ),
        )
    })
}

pub(super) fn slice(
    value: &Value,
    at: &Located,
    element: TypeId,
    context: &mut Context<'_>,
) -> Result<Fitted, Misfit> {
    let of_bytes = {
        let element = context.types().get(element);
        element.size == 1 && matches!(element.kind, Kind::Uint | Kind::Int)
    };
    let sources = match value {
        Value::Null => [Source::Literal(0), Source::Literal(0), Source::Literal(0)],
        Value::Len(most) => [Source::Keep, Source::Cut(*most), Source::Keep],
        Value::Text(text) if of_bytes => copies(text.as_bytes(), text.len(), context)?,
        Value::Bytes(content) if of_bytes => copies(content, content.len(), context)?,
        Value::Xor(mask) if of_bytes => [Source::Flip(byte_mask(*mask)?), Source::Keep, Source::Repeat],
        Value::List(items) => list(items, element, context)?,
        other => {
            let bytes = match of_bytes {
                true => "a text, `{bytes: …}`, `{xor: 1}`, ",
                false => "",
            };
            let help = format!("write {bytes}a list of its elements, `{{len: 3}}`, or `null` for nil");
            return Err(Misfit::kind(other, context.type_name(at.ty), help));
        }
    };
    Fitted::words(at, sources, 1, Shape::Slice)
}

/// A new backing array: the program may write into it, so every firing gets one of its own.
fn copies(content: &[u8], count: usize, context: &mut Context<'_>) -> Result<[Source; 3], Misfit> {
    if content.len() > LONGEST_FLIPPED {
        return Err(Misfit::new(
            format!("{} bytes are too many for a new slice", content.len()),
            format!("at most {LONGEST_FLIPPED} bytes can be copied at each firing"),
        ));
    }
    if content.is_empty() {
        // Not nil, and nothing behind it is ever touched: any address will do.
        let offset = context.text(&[0])?;
        return Ok([Source::Scratch(offset), Source::Literal(0), Source::Literal(0)]);
    }
    let offset = context.text(content)?;
    let length = u32::try_from(content.len()).expect("checked above");
    let count = Source::Literal(count as u64);
    Ok([Source::Fresh { offset, length }, count.clone(), count])
}

fn list(items: &[Spanned<Value>], element: TypeId, context: &mut Context<'_>) -> Result<[Source; 3], Misfit> {
    let types = context.types();
    if context.within == Within::Kept && !items.is_empty() {
        let offset = object::elements(items, element, context)?;
        let count = Source::Literal(items.len() as u64);
        return Ok([Source::Scratch(offset), count.clone(), count]);
    }
    if object::holds_pointers(element, types) && !items.is_empty() {
        let elements = object::fresh_elements(items, element, context)?;
        let count = Source::Literal(items.len() as u64);
        return Ok([elements, count.clone(), count]);
    }
    let size = types.get(element).size;
    let mut content = Vec::new();
    for item in items {
        content.extend(composite::constant(&item.value, element, context).map_err(|m| m.within(item.span))?);
    }
    debug_assert_eq!(
        content.len() as u64,
        size * items.len() as u64,
        "elements lie close together"
    );
    copies(&content, items.len(), context)
}
