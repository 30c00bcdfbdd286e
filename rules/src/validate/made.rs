//! Values that are made anew: what a pointer leads to, what an interface holds, errors around errors.

use super::value::value;
use crate::document::{Kind, Node, Reader};
use crate::model::Value;
use crate::source::Spanned;

/// The forms with more than one key, if it is one of them: `type` with `fields` or `value`, and `wrap` with `message`.
pub(super) fn composed(
    reader: &mut Reader<'_>,
    node: &Node,
    entries: &[(Spanned<&str>, &Node)],
) -> Option<Option<Value>> {
    let get = |wanted: &str| {
        let mut entries = entries.iter();
        entries
            .find(|(key, _)| key.value == wanted)
            .map(|(_, node)| *node)
    };
    let only = |known: &[&str]| entries.iter().all(|(key, _)| known.contains(&key.value));
    match (get("type"), get("wrap")) {
        (Some(name), None) if only(&["type", "fields", "value"]) => {
            let (fields, value) = (get("fields"), get("value"));
            if fields.is_some() && value.is_some() {
                let finding = node.error("`fields` and `value` can't be used together");
                reader.report(finding.help("write `fields` for a struct, and `value` for any other type"));
                return Some(None);
            }
            Some(typed(reader, name, fields.or(value)))
        }
        (None, Some(of)) if only(&["wrap", "message"]) => Some(wrap(reader, node, of, get("message"))),
        _ => None,
    }
}

fn typed(reader: &mut Reader<'_>, name: &Node, content: Option<&Node>) -> Option<Value> {
    const EXAMPLE: &str =
        "write a type as Go names it: `{type: \"*client.StatusError\", fields: {Code: 503}}`";
    let content = match content {
        None => Some(None),
        Some(node) => made_of(reader, node).map(Some),
    };
    let name = reader.text(name, "`type`", EXAMPLE);
    Some(Value::Typed {
        name: name?,
        content: content?.map(Box::new),
    })
}

fn wrap(reader: &mut Reader<'_>, node: &Node, of: &Node, message: Option<&Node>) -> Option<Value> {
    const EXAMPLE: &str =
        "write the error and the text before its own: `{wrap: io.EOF, message: \"reading header\"}`";
    let of = made_of(reader, of);
    let Some(message) = message else {
        reader.report(
            node.error("`wrap` needs a `message`")
                .label("says nothing")
                .help(EXAMPLE),
        );
        return None;
    };
    let message = reader.text(message, "`message`", EXAMPLE)?.value;
    let of = of?;
    if matches!(of.value, Value::Null) {
        let finding = node.error("`wrap` needs an error, not null").at(of.span);
        reader.report(finding.help("write `{message: …}` alone for an error that wraps none"));
        return None;
    }
    Some(Value::Wrap {
        of: Box::new(of),
        message,
    })
}

/// Errors as one.
pub(super) fn join(reader: &mut Reader<'_>, node: &Node) -> Option<Value> {
    const EXAMPLE: &str = "write a list of errors: `{join: [io.EOF, {errno: EIO}]}`";
    let items = reader.list(node, "`join`", EXAMPLE)?;
    if items.is_empty() {
        reader.report(
            node.error("`join` joins nothing")
                .label("no errors")
                .help(EXAMPLE),
        );
        return None;
    }
    let of = made_of(reader, node)?;
    let Value::List(errors) = &of.value else {
        return None;
    };
    if let Some(null) = errors.iter().find(|error| matches!(error.value, Value::Null)) {
        let finding = node.error("`join` needs errors, not null").at(null.span);
        reader.report(finding.help("leave it out, as `errors.Join` does with nil"));
        return None;
    }
    Some(Value::Join(Box::new(of)))
}

/// What a pointer is to lead to.
pub(super) fn new(reader: &mut Reader<'_>, node: &Node) -> Option<Value> {
    let of = made_of(reader, node)?;
    if matches!(of.value, Value::Null) {
        let finding = node
            .error("`new` needs a value, not null")
            .label("nothing to make");
        reader.report(
            finding.help("write what the pointer is to point to, `{new: 5}`, or `null` alone for nil"),
        );
        return None;
    }
    Some(Value::New(Box::new(of)))
}

/// A value of what is made anew. `{}` is a struct of zeros.
fn made_of(reader: &mut Reader<'_>, node: &Node) -> Option<Spanned<Value>> {
    let of = match &node.kind {
        Kind::Mapping(entries) if entries.is_empty() && !reader.has_tag(node) => {
            Some(Spanned::new(Value::Fields(Vec::new()), node.span))
        }
        _ => value(reader, node),
    }?;
    if let Some(key) = of.value.change() {
        let finding = node.error(format!("`{key}` changes a value, and a new one has none yet"));
        reader.report(finding.label("nothing to change").help("write the value itself"));
        return None;
    }
    Some(of)
}
