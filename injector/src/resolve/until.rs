//! The context that ends a delay: where it is, and how the program's contexts tell that they are done.

use goinject_probes::table::{CLEARED, WRAPPER_ROWS, WRAPPERS};

use super::fault::zero;
use super::path::{Scope, Side, Target};
use super::place::Located;
use super::rule::{Resolver, Wrong};
use crate::go::Itab;
use crate::go::types::{Field, Kind, Variable};
use crate::plan::{Assignment, ContextKind, ContextType, Edit, Extend, Global, Shape, Source, Until};

const CONTEXT: &str = "context.Context";
/// Contexts with an error of their own, in this struct or in one that they embed.
const CANCELED: &str = "cancelCtx";
/// Package context's own that are never done.
const ENDLESS: [&str; 4] = [
    "*context.emptyCtx",
    "context.backgroundCtx",
    "context.todoCtx",
    "context.withoutCancelCtx",
];

/// What ends the delay of a rule, and the results of a call that it ends.
pub(super) fn until(
    resolver: &Resolver<'_>,
    scope: &Scope<'_>,
) -> Option<Result<(Until, Vec<Assignment>), Wrong>> {
    let path = resolver.rule.inject.delay.as_ref()?.value.until.as_ref()?;
    let wrong = |message: String, help: &str| Wrong::new(path.span, message, help);
    let found = (|| {
        let reached = scope
            .reach(&path.value)
            .map_err(|error| Wrong::place(path.span, error))?;
        if reached.side == Side::Return {
            let message = format!(
                "`{}` is a result, which is not there yet when a call is delayed",
                path.value
            );
            return Err(wrong(message, "write the name of a parameter that is a context"));
        }
        let located = match reached.target {
            Target::Value(located) if scope.types.get(located.ty).name == CONTEXT => located,
            _ => {
                let message = format!("`{}` is not a `{CONTEXT}`", path.value);
                return Err(wrong(
                    message,
                    "write the name of a parameter that is one, or `fixed` alone",
                ));
            }
        };
        let context = located
            .scalar(0, 8)
            .filter(|place| place.element.is_none())
            .ok_or_else(|| {
                wrong(
                    format!("`{}` is not in one place", path.value),
                    "name a parameter",
                )
            })?;
        let is_error = |result: &Variable| scope.types.get(result.ty).name == "error";
        let error = scope
            .signature
            .results
            .iter()
            .rposition(is_error)
            .ok_or_else(|| {
                wrong(
                    "the function has no result of type `error`, which a context could end its calls with"
                        .to_owned(),
                    "write `fixed` alone, or delay a function that returns an error",
                )
            })?;
        let results = results(error, scope).ok_or_else(|| {
            wrong(
                format!("the function has a result of more than {CLEARED} bytes, which is more than can be cleared"),
                "write `fixed` alone",
            )
        })?;
        let types = types(scope);
        if types.len() > WRAPPERS * WRAPPER_ROWS {
            let message = format!(
                "the program has {} types of contexts, and at most {} are looked into",
                types.len(),
                WRAPPERS * WRAPPER_ROWS
            );
            return Err(wrong(message, "write `fixed` alone"));
        }
        let table = |concrete: &str| {
            scope
                .binary
                .itab("error", concrete)
                .map(|itab| global(concrete, &itab))
        };
        let until = Until {
            path: path.value.to_string(),
            context,
            canceled: table("*errors.errorString"),
            exceeded: table("context.deadlineExceededError"),
            types,
        };
        Ok((until, results))
    })();
    Some(found)
}

/// The error of the context in one result, and zero in all others.
fn results(error: usize, scope: &Scope<'_>) -> Option<Vec<Assignment>> {
    let result = &scope.signature.results[error];
    let located = Located::new(result.ty, &scope.layout.results[error]);
    let word = |n: usize| {
        Some(Edit {
            place: located.scalar(8 * n as u64, 8)?,
            size: 8,
            extend: Extend::Zero,
            source: Source::Ended(n),
            pointer: true,
        })
    };
    let given = [Assignment {
        path: result.name.clone().unwrap_or_else(|| format!("results[{error}]")),
        type_name: "error".to_owned(),
        shape: Shape::Interface { empty: false },
        value: "the context's error".to_owned(),
        edits: vec![word(0)?, word(1)?],
    }];
    let mut assignments = Vec::new();
    for (n, placement) in scope.layout.results.iter().enumerate() {
        let assignment = zero(n, placement, &given, scope)?;
        if !assignment.edits.is_empty() {
            assignments.push(assignment);
        }
    }
    assignments.extend(given);
    Some(assignments)
}

/// The program's types of contexts, as far as it is known how they are done.
fn types(scope: &Scope<'_>) -> Vec<ContextType> {
    let binary = scope.binary;
    let Some(interface) = binary.interface_named(CONTEXT) else {
        return Vec::new();
    };
    let of_context = binary.itabs().iter().filter(|itab| itab.interface == interface);
    let mut types: Vec<ContextType> = of_context
        .filter_map(|itab| {
            let name = binary.runtime_type_name(itab.concrete)?;
            let kind = kind(&name, itab, scope)?;
            let ty = Global {
                name: format!("type {name}"),
                address: itab.concrete,
                offset: 0,
            };
            Some(ContextType { ty, kind })
        })
        .collect();
    types.sort_by_key(|known| known.ty.address);
    types.dedup_by_key(|known| known.ty.address);
    types
}

fn kind(name: &str, itab: &Itab, scope: &Scope<'_>) -> Option<ContextKind> {
    if ENDLESS.contains(&name) {
        return Some(ContextKind::Endless);
    }
    let (binary, types) = (scope.binary, scope.types);
    let mut ty = binary.described_type(itab.concrete)?;
    if let Kind::Pointer { target: Some(target) } = types.get(ty).kind {
        ty = target;
    }
    let Kind::Struct { fields } = &types.get(ty).kind else {
        return None;
    };
    let field = |fields: &[Field], wanted: &str| fields.iter().find(|field| field.name == wanted).cloned();
    let offset = |offset: u64| u32::try_from(offset).ok();
    if name.trim_start_matches('*').starts_with("context.") {
        let (own, start) = match field(fields, CANCELED) {
            Some(embedded) => match &types.get(embedded.ty).kind {
                Kind::Struct { fields } => (fields.clone(), embedded.offset),
                _ => return None,
            },
            None => (fields.clone(), 0),
        };
        if let Some(error) = field(&own, "err") {
            let at = offset(start + error.offset)?;
            return match types.get(error.ty).kind {
                Kind::Interface { .. } => Some(ContextKind::Error(at)),
                _ if types.get(error.ty).name.ends_with("atomic.Value") => Some(ContextKind::Value(at)),
                _ => None,
            };
        }
    } else if !has_only_embedded_methods(itab, scope) {
        return None;
    }
    let mut inner = fields.iter().filter(|field| types.get(field.ty).name == CONTEXT);
    match (inner.next(), inner.next()) {
        (Some(only), None) if only.embedded => offset(only.offset).map(ContextKind::Inner),
        _ => None,
    }
}

/// Whether a type is done when the context that it embeds is. If it has a method of its own that tells otherwise, that is not known.
fn has_only_embedded_methods(itab: &Itab, scope: &Scope<'_>) -> bool {
    // Behind `Deadline`, and before `Value`.
    const DONE: u64 = 1;
    const ERR: u64 = 2;
    const UNREACHABLE: &str = "runtime.unreachableMethod";
    [DONE, ERR].into_iter().all(|number| {
        let method = scope.binary.method_of(itab, number);
        method
            .is_some_and(|method| method.name == UNREACHABLE || scope.binary.only_calls_an_interface(&method))
    })
}

fn global(name: &str, itab: &Itab) -> Global {
    Global {
        name: format!("go:itab.{name},error"),
        address: itab.address,
        offset: 0,
    }
}
