//! The parameters and results of a function: from the binary, or from the rule where it has none.

use std::cell::OnceCell;

use goinject_rules::diagnostic::Diagnostic;
use goinject_rules::model::{Path, Root, Rule};
use goinject_rules::source::{Source, Span, Spanned};

use super::Finding;
use super::function::traced_name;
use crate::go::types::{Kind, Signature, TypeId, Types, Uncertain, Variable};
use crate::go::{Binary, Function, GoError};

/// The signature of a function of a rule. Where the rule gives one and the binary has one, they must
/// be the same; names may be in either. Neither need have one for a rule that touches no value.
pub(super) fn signature(
    source: &Source,
    rule: &Rule,
    binary: &Binary,
    function: &Function,
) -> Result<Option<Signature>, Finding> {
    let known = OnceCell::new();
    let known = || known.get_or_init(|| binary.known_signature(function));
    let Some(written) = &rule.signature else {
        return match known() {
            Ok(Some(signature)) => Ok(Some(signature.clone())),
            Ok(None) if !touches_values(rule) => Ok(None),
            Ok(None) => Err(untyped(rule, function)),
            Err(error) => Err(unreadable(rule, function, error)),
        };
    };
    let given = binary
        .parse_signature(function, &written.value)
        .map_err(|error| {
            let message = format!("{error} (in `{}`)", traced_name(&function.name));
            let at = place_in(source, written, error.offset);
            Finding::invalid(Diagnostic::error(message).at(at).rule(&rule.name))
        })?;
    match known() {
        Ok(Some(signature)) => combine(signature, &given, binary)
            .map(Some)
            .map_err(|difference| {
                let message = format!(
                    "`signature` is not that of `{}`: {difference}",
                    traced_name(&function.name)
                );
                let diagnostic = Diagnostic::error(message).at(written.span).rule(&rule.name).help(
                    match matches!(binary.signature(function), Ok(Some(_))) {
                        true => "remove it: the binary has the types",
                        false => "the binary's own tables of methods say so",
                    },
                );
                Finding::invalid(diagnostic)
            }),
        // What the binary tells leaves more than one reading, and this is one that fits its calls.
        Ok(None) | Err(_) => {
            let uncertain = binary.may_take_captures(function) && !given.parameters.is_empty();
            Ok(Some(Signature {
                positions_uncertain: uncertain.then_some(Uncertain::Captured),
                ..given
            }))
        }
    }
}

/// That the rule works on results of which the program records nothing, so that they are where `signature` says.
pub(super) fn unchecked(
    rule: &Rule,
    binary: &Binary,
    function: &Function,
    signature: &Signature,
) -> Option<Finding> {
    let written = rule.signature.as_ref()?;
    let knows = matches!(binary.known_signature(function), Ok(Some(_)));
    if knows || signature.results.is_empty() || !touches_results(rule, signature) {
        return None;
    }
    let message = format!(
        "the results in `signature` could not be checked: the binary records nothing of those of `{}`",
        traced_name(&function.name)
    );
    let diagnostic = Diagnostic::warning(message)
        .at(written.span)
        .rule(&rule.name)
        .help(
            "check them against the source of exactly this version: values of the wrong type crash the program",
        );
    Some(Finding::unarmable(diagnostic))
}

/// Whether a rule reads or writes results.
fn touches_results(rule: &Rule, signature: &Signature) -> bool {
    let is_result = |path: &Path| match &path.root {
        Root::Result(_) => true,
        Root::Name(name) => signature
            .results
            .iter()
            .any(|result| result.name.as_ref() == Some(name)),
        Root::Argument(_) | Root::Receiver => false,
    };
    let sets = rule.inject.set.iter().any(|set| is_result(&set.path.value));
    let condition = rule.condition.as_ref();
    sets || rule.inject.early_return.is_some()
        || ends_with_a_context(rule)
        || condition.is_some_and(|c| c.value.find_path(&is_result).is_some())
}

/// Whether a rule needs to know where a value is. Counting calls, delays and panics do not; an early return does, even
/// one that names no result, as all of them become zero.
fn touches_values(rule: &Rule) -> bool {
    let inject = &rule.inject;
    rule.condition.is_some()
        || !inject.set.is_empty()
        || inject.early_return.is_some()
        || ends_with_a_context(rule)
}

/// Whether a rule's delay ends with a context, and then the call.
fn ends_with_a_context(rule: &Rule) -> bool {
    let delay = rule.inject.delay.as_ref();
    delay.is_some_and(|delay| delay.value.until.is_some())
}

fn untyped(rule: &Rule, function: &Function) -> Finding {
    let help = match function.is_assembly {
        true => "it is assembly: declare its types with `signature: \"func(…) (…)\"`",
        false => {
            "declare its types with `signature: \"func(…) (…)\"`, or build without `-ldflags=-s` and `-w`"
        }
    };
    let message = format!("the binary has no types for `{}`", function.name);
    Finding::unarmable(
        Diagnostic::error(message)
            .at(rule.function.span)
            .rule(&rule.name)
            .help(help),
    )
}

fn unreadable(rule: &Rule, function: &Function, error: &GoError) -> Finding {
    let message = format!("the types of `{}` cannot be read: {error}", function.name);
    Finding::unarmable(
        Diagnostic::error(message)
            .at(rule.function.span)
            .rule(&rule.name)
            .help("declare its types with `signature: \"func(…) (…)\"`"),
    )
}

/// A place in the text of a signature, as a place in the rule file.
fn place_in(source: &Source, written: &Spanned<String>, offset: usize) -> Span {
    let raw = source
        .text()
        .get(written.span.start..written.span.end)
        .unwrap_or_default();
    match raw.find(&written.value) {
        Some(start) => {
            let at = written.span.start + start + offset.min(written.value.len());
            Span {
                start: at,
                end: written.span.start + start + written.value.len(),
            }
        }
        // Escaped or folded: its letters are not those of the file.
        None => written.span,
    }
}

/// The binary's signature with the names that only the rule gives, or the first difference.
fn combine(known: &Signature, given: &Signature, binary: &Binary) -> Result<Signature, String> {
    let types = binary.types();
    let mut all = known.clone();
    // Without debug information, a struct that the rule writes out says how it wants to see what lies behind a pointer:
    // bytes as a text, for instance.
    let has_debug = binary.build().has_dwarf;
    if known.receiver.is_some() != given.receiver.is_some() {
        return Err("one has a receiver and the other has none".to_owned());
    }
    for (list, own, other) in [
        ("parameter", &mut all.parameters, &given.parameters),
        ("result", &mut all.results, &given.results),
    ] {
        if own.len() != other.len() {
            let plural = if own.len() == 1 { "" } else { "s" };
            return Err(format!(
                "it has {} {list}{plural}, not {}",
                own.len(),
                other.len()
            ));
        }
        for (n, (own, other)) in own.iter_mut().zip(other).enumerate() {
            agree(own, other, types).map_err(|why| format!("{list} {n} is {why}"))?;
            if !has_debug && is_written_out(other.ty, types) {
                own.ty = other.ty;
            }
        }
    }
    if let (Some(own), Some(other)) = (&mut all.receiver, &given.receiver) {
        agree(own, other, types).map_err(|why| format!("its receiver is {why}"))?;
    }
    Ok(all)
}

/// Whether a type is a pointer to a struct without a name, of which fields are written.
fn is_written_out(ty: TypeId, types: &Types) -> bool {
    let Kind::Pointer { target: Some(target) } = types.get(ty).kind else {
        return false;
    };
    let target = types.get(target);
    let has_fields = matches!(&target.kind, Kind::Struct { fields } if !fields.is_empty());
    has_fields && target.name.starts_with("struct")
}

fn agree(own: &mut Variable, other: &Variable, types: &Types) -> Result<(), String> {
    // What the compiler left out is as the rule says: that this fits the function's calls was checked when it was read.
    if types.get(own.ty).is_gap() && types.get(own.ty).size == types.get(other.ty).size {
        own.ty = other.ty;
    }
    // So is what lies behind a pointer, where the program does not describe it.
    if let Kind::Pointer { target: Some(target) } = types.get(own.ty).kind
        && types.get(target).kind == Kind::Unknown
        && matches!(types.get(other.ty).kind, Kind::Pointer { .. })
    {
        own.ty = other.ty;
    }
    if !alike(own.ty, other.ty, types) {
        let (own, other) = (&types.get(own.ty).name, &types.get(other.ty).name);
        return Err(format!("a `{own}`, not a `{other}`"));
    }
    match (&own.name, &other.name) {
        (Some(own), Some(other)) if own != other => Err(format!("called `{own}`, not `{other}`")),
        (None, Some(name)) => {
            own.name = Some(name.clone());
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Whether values of two types have the same form, as far as the signature of a rule says it.
fn alike(a: TypeId, b: TypeId, types: &Types) -> bool {
    let (a, b) = (types.get(a), types.get(b));
    if a.size != b.size {
        return false;
    }
    match (&a.kind, &b.kind) {
        (
            Kind::Array {
                element: a,
                length: m,
            },
            Kind::Array {
                element: b,
                length: n,
            },
        ) => m == n && alike(*a, *b, types),
        (Kind::Struct { fields: a }, Kind::Struct { fields: b }) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a.ty, b.ty, types))
        }
        (Kind::Interface { empty: a }, Kind::Interface { empty: b }) => a == b,
        // Behind these a signature may have any name.
        (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}
