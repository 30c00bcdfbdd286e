//! `inject`: what is done to a call.

use std::time::Duration;

use crate::diagnostic::Diagnostic;
use crate::document::{Kind, Meaning, Node, Reader};
use crate::model::{Assignment, Delay, Inject, Path, Root, Value};
use crate::path;
use crate::source::{Span, Spanned};
use crate::units::parse_duration;
use crate::validate::{clash, keys, trigger, value};

const EXAMPLE: &str = "write at least one of `set`, `return`, `panic` and `delay`";

/// Reads `inject`.
pub(super) fn inject(reader: &mut Reader<'_>, node: &Node) -> Option<Inject> {
    if node.is_null() {
        reader.mismatch(node, "`inject`", "a mapping", EXAMPLE);
        return None;
    }
    let fields = reader.fields(node, &keys::INJECT)?;
    if fields.is_empty() {
        reader.report(
            node.error("`inject` does nothing")
                .at(fields.head())
                .help(EXAMPLE),
        );
        return None;
    }
    let set = fields.get("set").and_then(|node| set(reader, node));
    let early_return = fields.get("return").map(|node| early_return(reader, node));
    let panic = fields.get("panic").and_then(|node| panic(reader, node));
    let delay = fields.get("delay").map(|node| delay(reader, node));
    let inject = Inject {
        set: set.unwrap_or_default(),
        early_return: early_return.flatten(),
        panic: panic.as_ref().map(|(span, _)| *span),
        panic_value: panic.and_then(|(_, value)| value),
        delay: delay.flatten(),
    };
    clash::within_inject(reader, &inject, &fields);
    Some(inject)
}

fn set(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<Assignment>> {
    const EXAMPLE: &str = "write parameters or results and their values: `set: {a1: 2021}`";
    let assignments = assignments(reader, node, "`set`", EXAMPLE)?;
    if assignments.is_empty() && matches!(&node.kind, Kind::Mapping(entries) if entries.is_empty()) {
        reader.report(
            node.error("`set` is empty")
                .label("nothing to overwrite")
                .help(EXAMPLE),
        );
    }
    Some(assignments)
}

fn early_return(reader: &mut Reader<'_>, node: &Node) -> Option<Spanned<Vec<Assignment>>> {
    const EXAMPLE: &str =
        "write results and their values: `return: {err: io.EOF}`, or `return: {}` for zero results";
    if let Kind::List(items) = &node.kind {
        let named: Vec<String> = (0..items.len()).map(|n| format!("\"results[{n}]\": …")).collect();
        let help = format!("name the results: `return: {{{}}}`", named.join(", "));
        reader.report(
            node.error("`return` must be a mapping, not a list")
                .label("a list")
                .help(help),
        );
        return None;
    }
    let assignments = assignments(reader, node, "`return`", EXAMPLE)?;
    for assignment in &assignments {
        if matches!(assignment.path.root, Root::Argument(_) | Root::Receiver) {
            let message = format!("`{}` is not a result", assignment.path.value);
            let finding = Diagnostic::error(message).at(assignment.path.span);
            reader.report(
                finding
                    .label("returned, but a parameter")
                    .help("name a result, or write it under `set`"),
            );
        }
        if let Some(key) = assignment.value.change() {
            let message =
                format!("`{key}` changes a value, but nothing has been computed when `return` acts");
            let finding = Diagnostic::error(message).at(assignment.value.span);
            reader.report(
                finding
                    .label("nothing to change")
                    .help("write the result itself, or use `set`"),
            );
        }
    }
    Some(Spanned::new(assignments, node.span))
}

fn assignments(reader: &mut Reader<'_>, node: &Node, what: &str, example: &str) -> Option<Vec<Assignment>> {
    let Kind::Mapping(raw) = &node.kind else {
        reader.mismatch(node, what, "a mapping", example);
        return None;
    };
    let entries = reader.entries(node, what, example)?;
    let mut assignments: Vec<Assignment> = Vec::with_capacity(entries.len());
    for (key, value_node) in entries {
        let value = value::value(reader, value_node);
        let path = match path::parse(key.value) {
            Ok(path) => Spanned::new(path, key.span),
            Err(error) => {
                let key_node = raw
                    .iter()
                    .map(|(node, _)| node)
                    .find(|node| node.span == key.span);
                let span = key_node.map_or(key.span, |node| reader.place_in(node, error.range.clone()));
                let finding = Diagnostic::error(error.message).at(span);
                reader.report(finding.help(error.help));
                continue;
            }
        };
        if let Some(first) = assignments.iter().find(|other| other.path.value == path.value) {
            let finding = Diagnostic::error(format!("`{}` comes twice in {what}", path.value));
            let finding = finding
                .at(path.span)
                .label("the second one")
                .also(first.path.span, "the first one");
            reader.report(finding.help("remove one of them"));
        } else if let Some(value) = value {
            assignments.push(Assignment { path, value });
        }
    }
    Some(assignments)
}

/// `true`, or what the panic's value is.
fn panic(reader: &mut Reader<'_>, node: &Node) -> Option<(Span, Option<Spanned<Value>>)> {
    let refused = match node.scalar().map(|scalar| &scalar.meaning) {
        Some(Meaning::Bool(true)) if node.tag.is_none() => return Some((node.span, None)),
        Some(Meaning::Bool(false)) => ("`panic: false` does nothing", "remove it, or write `panic: true`"),
        Some(Meaning::Null) => (
            "a panic needs a value",
            "write `panic: true`, which panics as the call of a nil func does, or a text: `panic: \"on fire\"`",
        ),
        _ if matches!(node.kind, Kind::List(_)) => (
            "a panic has one value, not a list",
            "write a text, `{message: …}`, `{errno: …}`, `{type: …}`, `{wrap: …}`, `{join: […]}` or the name of a package variable",
        ),
        _ => {
            let value = value::value(reader, node)?;
            if let Some(key) = value.value.change() {
                let finding = node.error(format!("`{key}` changes a value, and a panic has none yet"));
                reader.report(finding.label("nothing to change").help("write the value itself"));
                return None;
            }
            return Some((node.span, Some(value)));
        }
    };
    reader.report(node.error(refused.0).label("no value").help(refused.1));
    None
}

/// The context that ends a delay.
fn context(reader: &mut Reader<'_>, node: &Node) -> Option<Spanned<Path>> {
    const EXAMPLE: &str = "write the name of a parameter that is a context: `until: ctx`";
    let text = reader.text(node, "`until`", EXAMPLE)?;
    match path::parse(&text) {
        Ok(path) if matches!(path.root, Root::Result(_)) => {
            let finding = node.error("a result is not there yet when a call is delayed");
            reader.report(finding.label("a result").help(EXAMPLE));
            None
        }
        Ok(path) => Some(Spanned::new(path, node.span)),
        Err(error) => {
            let span = reader.place_in(node, error.range);
            reader.report(Diagnostic::error(error.message).at(span).help(error.help));
            None
        }
    }
}

fn delay(reader: &mut Reader<'_>, node: &Node) -> Option<Spanned<Delay>> {
    const NOTHING: &str = "a delay of 0 does nothing";
    const EXAMPLE: &str = "write a duration, such as `50ms`, or `{fixed: 50ms, jitter: 10ms}`";
    let delay = if matches!(node.kind, Kind::Mapping(_)) {
        let fields = reader.fields(node, &keys::DELAY)?;
        let mut part = |key: &str| match fields.get(key) {
            Some(node) => trigger::duration(reader, node, &format!("`{key}`")),
            None => Some(Duration::ZERO),
        };
        let (fixed, jitter) = (part("fixed"), part("jitter"));
        let until = match fields.get("until") {
            Some(node) => Some(context(reader, node)?),
            None => None,
        };
        if !fields.is_complete() {
            return None;
        }
        Delay {
            fixed: fixed?,
            jitter: jitter?,
            until,
        }
    } else {
        let fixed = reader.with_unit(node, "`delay`", "a duration", EXAMPLE, parse_duration)?;
        Delay {
            fixed,
            jitter: Duration::ZERO,
            until: None,
        }
    };
    if delay.fixed + delay.jitter == Duration::ZERO {
        reader.report(node.error(NOTHING).label("no time").help(EXAMPLE));
        return None;
    }
    Some(Spanned::new(delay, node.span))
}
