//! Faults beyond overwriting: early returns, panics and delays in one function.

use std::ops::Range;

use goinject_probes::table::CLEARED;
use goinject_rules::diagnostic::Diagnostic;
use goinject_rules::model::{Rule, Value};
use goinject_rules::source::Spanned;

use super::Finding;
use super::path::{Scope, Side};
use super::place::Located;
use super::rule::{Resolver, Wrong, fitted};
use crate::go::abi::{Convention, Placement, Register};
use crate::go::sites::{MorestackCallee, Sites};
use crate::go::types::{Kind, Type};
use crate::go::{Binary, Function};
use crate::plan::{Assignment, Base, Delay, Edit, Extend, Fault, NamedRegister, Place, Shape, Slot, Source};

/// The fault of a rule, apart from the values it sets.
pub(super) fn fault(rule: &Rule) -> Fault {
    let nanoseconds = |duration: std::time::Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    Fault {
        early_return: rule.inject.early_return.is_some(),
        panic: rule.inject.panic.is_some(),
        panic_value: rule.inject.panic_value.is_some(),
        delay: rule.inject.delay.as_ref().map(|delay| Delay {
            fixed: nanoseconds(delay.fixed),
            jitter: nanoseconds(delay.jitter),
        }),
    }
}

/// Packages whose functions the runtime calls on system stacks or with a thread's locks held, and others call, too.
const SERVES_RUNTIME: [&str; 4] = [
    "internal/byteorder",
    "internal/chacha8rand",
    "internal/cpu",
    "internal/stringslite",
];

/// Whether a function can take the fault of a rule.
pub(super) fn refusal(rule: &Rule, function: &Function, binary: &Binary) -> Option<Finding> {
    let in_runtime = function.package() == "runtime";
    let refuse = |message: String, help: &str| {
        let diagnostic = Diagnostic::error(message)
            .at(rule.function.span)
            .rule(&rule.name)
            .help(help);
        Some(Finding::unarmable(diagnostic))
    };
    if in_runtime && rule.inject.panic.is_some() {
        let message = format!(
            "`{}` belongs to the Go runtime, where a panic is fatal",
            function.name
        );
        return refuse(message, "let the function that calls it panic");
    }
    let serves_runtime = SERVES_RUNTIME.contains(&function.package());
    if serves_runtime && (rule.inject.panic.is_some() || rule.inject.delay.is_some()) {
        let message = format!(
            "the Go runtime calls `{}` where a panic or a delay is fatal",
            function.name
        );
        return refuse(message, "take a function that calls it");
    }
    if rule.inject.panic_value.is_some()
        && let Err(why) = panics_with_value(function, binary)
    {
        let message = format!("`{}` cannot panic with a value: {why}", function.name);
        return refuse(message, "write `panic: true`, or take the function that calls it");
    }
    if rule.inject.delay.is_some() && (in_runtime || function.name == "time.Sleep") {
        let message = format!("`{}` cannot be delayed: delays are made with it", function.name);
        return refuse(message, "delay the function that calls it");
    }
    None
}

/// Whether `runtime.gopanic` can be called in a function's place.
fn panics_with_value(function: &Function, binary: &Binary) -> Result<(), &'static str> {
    if function.convention() == Convention::Stack && binary.version().at_least(17) {
        return Err("it is assembly, where Go code's registers need not be set");
    }
    binary.panic_frame().map(|_| ())
}

/// The value of a rule's panic, where the core looks for it: in the frame that `runtime.gopanic` is called from.
pub(super) fn panic_value(
    resolver: &Resolver<'_>,
    scope: &Scope<'_>,
) -> Option<Result<Vec<Assignment>, Wrong>> {
    /// From the stack pointer at entry: below the saved frame pointer, where `runtime.gopanic` finds its argument on the
    /// stack up to Go 1.16.
    const ARGUMENT: i64 = -24;
    let written = resolver.rule.inject.panic_value.as_ref()?;
    let any = scope.types.add(Type {
        name: "interface {}".to_owned(),
        size: 16,
        align: 8,
        kind: Kind::Interface { empty: true },
    });
    let typed = |name: &str| {
        let value = Value::Typed {
            name: Spanned::new(name.to_owned(), written.span),
            content: Some(Box::new(written.clone())),
        };
        Spanned::new(value, written.span)
    };
    let value = match &written.value {
        Value::Text(text) if !looks_like_variable(text) => typed("string"),
        Value::Integer(_) => typed("int"),
        Value::Float(_) => typed("float64"),
        _ => written.clone(),
    };
    let at = Located::on_stack(any, ARGUMENT);
    Some(fitted(
        "panic".to_owned(),
        &resolver.written(written.span),
        &value,
        &at,
        scope,
    ))
}

/// Whether a text is meant as the name of a package variable, such as `io.EOF`.
fn looks_like_variable(text: &str) -> bool {
    let Some((package, name)) = text.rsplit_once('.') else {
        return false;
    };
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let begins = |text: &str| text.starts_with(|c: char| c.is_alphabetic() || c == '_');
    begins(name)
        && name.chars().all(word)
        && begins(package)
        && package.chars().all(|c| word(c) || "./-~%".contains(c))
}

/// How a function's calls are delayed: through its stack check.
pub(super) fn slot(
    rule: &Rule,
    function: &Function,
    sites: &Sites,
    binary: &Binary,
) -> Result<Option<Slot>, Finding> {
    if rule.inject.delay.is_none() {
        return Ok(None);
    }
    let refuse = |why: &str| {
        let message = format!("`{}` cannot be delayed: {why}", function.name);
        let help = "delay the function that calls it";
        Finding::unarmable(
            Diagnostic::error(message)
                .at(rule.function.span)
                .rule(&rule.name)
                .help(help),
        )
    };
    delayed_at(function, sites, binary).map(Some).map_err(refuse)
}

/// Where calls of a function are held up, or why they can't be.
pub(super) fn delayed_at(function: &Function, sites: &Sites, binary: &Binary) -> Result<Slot, &'static str> {
    let Some(morestack) = &sites.morestack else {
        return Err("it has no stack check, where Go could hold a call up");
    };
    if morestack.callee == MorestackCallee::System {
        return Err("it runs on the system stack");
    }
    let yields_because = if function.convention() != Convention::Register {
        Some("its parameters are on the stack")
    } else if morestack.callee != MorestackCallee::NoContext {
        Some("it is a closure, whose variables Go does not keep there")
    } else {
        binary.sleep().err()
    };
    Ok(Slot {
        start: morestack.start,
        after_call: morestack.after_call,
        yields_because,
    })
}

/// The results of an early return: the given ones, and zero for all others.
pub(super) fn early_return(
    resolver: &Resolver<'_>,
    scope: &Scope<'_>,
) -> Result<Vec<Assignment>, Vec<Wrong>> {
    let Some(written) = &resolver.rule.inject.early_return else {
        return Ok(Vec::new());
    };
    let mut given = Vec::new();
    let mut wrongs = Vec::new();
    for written in &written.value {
        match resolver.assignment(written, scope) {
            Ok((Side::Return, assignments)) => {
                if let Some(builds) = assignments.iter().find(|one| builds_on_what_is_there(one)) {
                    wrongs.push(Wrong::new(
                        written.path.span,
                        format!(
                            "`{}` changes something that the body makes, and `return` skips the body",
                            builds.path
                        ),
                        "write the whole result, or change it at return with `set`",
                    ));
                } else {
                    given.extend(assignments);
                }
            }
            Ok((Side::Entry, _)) => wrongs.push(Wrong::new(
                written.path.span,
                "`return` gives results, and this is a parameter",
                "parameters are changed with `set`",
            )),
            Err(wrong) => wrongs.push(wrong),
        }
    }
    let mut assignments = Vec::new();
    for (n, placement) in scope.layout.results.iter().enumerate() {
        match zero(n, placement, &given, scope) {
            Some(assignment) if assignment.edits.is_empty() => {}
            Some(assignment) => assignments.push(assignment),
            None => wrongs.push(Wrong::new(
                written.span,
                format!("result {n} has more than {CLEARED} bytes, which is more than can be cleared"),
                "set what matters of it at return instead, with `set`",
            )),
        }
    }
    assignments.extend(given);
    if wrongs.is_empty() {
        Ok(assignments)
    } else {
        Err(wrongs)
    }
}

/// Whether a value can only be made from one that is there already.
fn builds_on_what_is_there(assignment: &Assignment) -> bool {
    assignment.edits.iter().any(|edit| {
        let cut = matches!(edit.source, Source::Cut(_) | Source::Shrink(_) | Source::Find(_));
        cut || !edit.place.steps.is_empty()
    })
}

/// The zero value of a result, as far as what is given leaves anything of it.
pub(super) fn zero(
    n: usize,
    placement: &Placement,
    given: &[Assignment],
    scope: &Scope<'_>,
) -> Option<Assignment> {
    let variable = &scope.signature.results[n];
    let ty = scope.types.get(variable.ty);
    let put = |place, size, extend| Edit {
        place,
        size,
        extend,
        source: Source::Literal(0),
        pointer: false,
    };
    let given = given.iter().flat_map(|assignment| &assignment.edits);
    let edits = match placement {
        Placement::Registers(parts) => {
            let given: Vec<Register> = given.filter_map(|edit| edit.place.register()).collect();
            let others = parts.iter().filter(|part| !given.contains(&part.register));
            let cleared = others.map(|part| {
                let extend = match part.register {
                    Register::Integer(_) => Extend::Zero,
                    Register::Float(_) => Extend::Float,
                };
                let place = Place {
                    base: Base::Register(NamedRegister::of(part)),
                    steps: Vec::new(),
                    element: None,
                };
                put(place, part.size, extend)
            });
            cleared.collect()
        }
        Placement::Stack { offset } if are_given(*offset..*offset + ty.size, given) => Vec::new(),
        Placement::Stack { .. } if ty.size > CLEARED as u64 => return None,
        Placement::Stack { .. } => {
            let place = Located::new(variable.ty, placement).scalar(0, ty.size)?;
            vec![Edit {
                source: Source::Clear(ty.size),
                ..put(place, 8, Extend::Zero)
            }]
        }
    };
    Some(Assignment {
        path: variable.name.clone().unwrap_or_else(|| format!("results[{n}]")),
        type_name: ty.name.clone(),
        shape: Shape::Hidden,
        value: "zero".to_owned(),
        edits,
    })
}

/// Whether edits write each of these bytes of the frame.
fn are_given<'e>(mut bytes: Range<u64>, edits: impl Iterator<Item = &'e Edit>) -> bool {
    let start = |edit: &Edit| match edit.place.base {
        Base::Stack(offset) => u64::try_from(offset).ok(),
        _ => None,
    };
    let mut written: Vec<Range<u64>> = edits
        .filter_map(|edit| start(edit).map(|start| start..start + u64::from(edit.size)))
        .collect();
    written.sort_by_key(|range| range.start);
    for range in written {
        if range.contains(&bytes.start) {
            bytes.start = range.end;
        }
    }
    bytes.is_empty()
}
