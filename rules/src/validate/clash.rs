//! Parts of a rule that can't go together.

use crate::diagnostic::Diagnostic;
use crate::document::{Fields, Reader};
use crate::model::{Assignment, Condition, Inject, Limits, Path, Root, Rule};
use crate::source::{Span, Spanned};

/// Faults of one rule against each other.
pub(super) fn within_inject(reader: &mut Reader<'_>, inject: &Inject, fields: &Fields<'_>) {
    let early_return = inject
        .early_return
        .as_ref()
        .and_then(|_| fields.key_span("return"));
    let panic = inject.panic.and_then(|_| fields.key_span("panic"));
    if let Some(until) = inject.delay.as_ref().and_then(|delay| delay.value.until.as_ref())
        && let Some((other, key)) = ["set", "return", "panic"]
            .into_iter()
            .find_map(|key| Some((fields.key_span(key)?, key)))
    {
        let finding = Diagnostic::error(format!(
            "a delay that a context may end leaves nothing to `{key}`"
        ))
        .at(until.span)
        .label("returns the context's error");
        reader.report(
            finding
                .also(other, "a fault of its own")
                .help("write a second rule for it, before this one"),
        );
    }
    let (end, help) = match (early_return, panic) {
        (Some(early_return), Some(panic)) => {
            let finding = Diagnostic::error("a call can't both return and panic")
                .at(panic)
                .label("then never gets here");
            let finding = finding.also(early_return, "returns");
            reader.report(finding.help("keep `return` or `panic`; write a second rule for the other"));
            return;
        }
        (Some(early_return), None) => (early_return, "if it is a result, write it under `return`"),
        (None, Some(panic)) => (panic, "remove it, or write a second rule without `panic`"),
        (None, None) => return,
    };
    for assignment in inject.set.iter().filter(|assignment| has_no_effect(assignment)) {
        let message = format!("`{}` is set for a body that never runs", assignment.path.value);
        let finding = Diagnostic::error(message)
            .at(assignment.path.span)
            .label("has no effect");
        reader.report(finding.also(end, "the call ends here").help(help));
    }
}

/// A parameter as such is gone when the call ends at once, and a result is never written; only what a
/// parameter points to stays.
fn has_no_effect(assignment: &Assignment) -> bool {
    assignment.path.steps.is_empty() || matches!(assignment.path.root, Root::Result(_))
}

/// A condition on results can only be decided at the return, where it is too late for faults at entry.
pub(super) fn with_condition(reader: &mut Reader<'_>, condition: &Spanned<Condition>, inject: &Inject) {
    let Some(result) = condition.value.find_path(&is_result) else {
        return;
    };
    let mut late = |place: Span, what: &str, help: &str| {
        let finding = Diagnostic::error(format!(
            "a condition on results is decided at the return, too late {what}"
        ));
        reader.report(
            finding
                .at(place)
                .label("acts at entry")
                .also(result, "known at the return only")
                .help(help),
        );
    };
    for assignment in &inject.set {
        if matches!(assignment.path.root, Root::Argument(_) | Root::Receiver) {
            late(
                assignment.path.span,
                "to set a parameter",
                "set results, or ask for parameters only",
            );
        }
    }
    if let Some(early_return) = &inject.early_return {
        late(early_return.span, "to skip the body", "use `set` on the results");
    }
    if let Some(panic) = inject.panic {
        late(panic, "to panic", "ask for parameters only");
    }
    if let Some(delay) = &inject.delay {
        late(delay.span, "to delay the call", "ask for parameters only");
    }
}

fn is_result(path: &Path) -> bool {
    matches!(path.root, Root::Result(_))
}

/// Expectations that the file's limits make impossible.
pub(super) fn with_limits(reader: &mut Reader<'_>, rules: &[Rule], limits: &Limits) {
    // A limit of 0 has been refused already.
    let Some(most) = limits.faults.filter(|most| *most > 0) else {
        return;
    };
    for rule in rules.iter().filter(|rule| rule.expect.fired.min > most) {
        let finding = Diagnostic::error(format!(
            "this rule is to fire more often than the file's limit of {most} faults allows"
        ));
        let help = "raise `faults` in `limits`, or expect less";
        reader.report(
            finding
                .at(rule.expect.fired.span)
                .label("can't be met")
                .rule(rule.name.clone())
                .help(help),
        );
    }
}
