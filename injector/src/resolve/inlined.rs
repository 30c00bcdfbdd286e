//! Calls that no probe sees, because the compiler put the function's body in their place.

use std::collections::BTreeMap;

use goinject_rules::diagnostic::Diagnostic;
use goinject_rules::model::RuleSet;

use super::{Finding, Resolution, ResolvedFunction};
use crate::go::{Binary, InlinedCall};
use crate::words::count;

/// How many call sites a message shows.
const SHOWN: usize = 5;

/// Warns of functions that rules act on and of which some calls are inlined.
pub(super) fn warn(rules: &RuleSet, binary: &Binary, resolution: &mut Resolution) {
    let functions = resolution.rules.iter().flat_map(|rule| &rule.functions);
    let names: Vec<&str> = functions.map(|of| of.function.name.as_str()).collect();
    if names.is_empty() {
        return;
    }
    // One pass over the program for all rules.
    let mut calls: BTreeMap<String, Vec<InlinedCall>> = BTreeMap::new();
    for call in binary.inlined_calls_where(|name| names.contains(&name)) {
        calls.entry(call.callee.clone()).or_default().push(call);
    }
    let findings = &mut resolution.findings;
    for resolved in &mut resolution.rules {
        let rule = &rules.rules[resolved.rule];
        let armed: Vec<String> = resolved
            .functions
            .iter()
            .map(|of| of.function.name.clone())
            .collect();
        let mut warned: Vec<&str> = Vec::new();
        for of in &resolved.functions {
            let name = of.function.name.as_str();
            // Instances of a generic function share their name.
            if warned.contains(&name) {
                continue;
            }
            warned.push(name);
            // Those in the wrapper of a method are seen there.
            let traced = calls.get(name).map(Vec::as_slice).unwrap_or_default();
            let calls: Vec<InlinedCall> = traced
                .iter()
                .filter(|call| !armed.contains(&call.within))
                .cloned()
                .collect();
            if let Some(why) = without_trace(of, traced, &armed, binary) {
                let message = format!("calls of `{name}` may not be seen by the rule: {why}");
                resolved.unseen.push(message.clone());
                let diagnostic = Diagnostic::warning(message)
                    .at(rule.function.span)
                    .rule(&rule.name);
                findings.push(Finding::unarmable(diagnostic.help(REMEDY)));
            }
            if calls.is_empty() {
                continue;
            }
            let is = if calls.len() == 1 { "is" } else { "are" };
            let message = format!(
                "{} of `{name}` {is} inlined and will not be seen by the rule",
                count(calls.len(), "call")
            );
            let diagnostic = Diagnostic::warning(message)
                .at(rule.function.span)
                .rule(&rule.name)
                .help(REMEDY);
            resolved
                .unseen
                .push(format!("{} of it {is} inlined", count(calls.len(), "call")));
            let diagnostic = with_places(diagnostic, &calls);
            findings.push(Finding::unarmable(diagnostic));
        }
    }
}

const REMEDY: &str = "mark it `//go:noinline`, or build with `-gcflags=-l` (without `all=`), which reaches call sites in your own packages, too";

/// Why calls may be missing of which the program has no trace; none if there is no sign of any.
fn without_trace(
    of: &ResolvedFunction,
    traced: &[InlinedCall],
    armed: &[String],
    binary: &Binary,
) -> Option<String> {
    let function = &of.function;
    if function.is_wrapper {
        return None;
    }
    if let Some(value) = binary.method_value_with_body(function)
        && !traced.iter().any(|call| call.within == value.name)
    {
        return Some(format!(
            "its method values (`{}`) have its body in them",
            value.name
        ));
    }
    let in_wrapper = binary
        .wrapper_with_body(function)
        .is_some_and(|wrapper| armed.contains(&wrapper.name));
    (traced.is_empty() && !in_wrapper && binary.may_be_folded(function))
        .then(|| "its body is so small that it was put in their place without a trace".to_owned())
}

/// A diagnostic with the places of inlined calls.
pub(super) fn with_places(mut diagnostic: Diagnostic, calls: &[InlinedCall]) -> Diagnostic {
    for call in calls.iter().take(SHOWN) {
        diagnostic = diagnostic.note(format!(
            "inlined into `{}` at {}:{}",
            call.within, call.file, call.line
        ));
    }
    if calls.len() > SHOWN {
        diagnostic = diagnostic.note(format!("and in {}", count(calls.len() - SHOWN, "more place")));
    }
    diagnostic
}
