//! Calls that no probe sees, because the compiler put the function's body in their place.

use std::collections::BTreeMap;

use goinject_rules::diagnostic::Diagnostic;
use goinject_rules::model::RuleSet;

use super::{Finding, Resolution};
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
    for resolved in &resolution.rules {
        let rule = &rules.rules[resolved.rule];
        let mut warned: Vec<&str> = Vec::new();
        for of in &resolved.functions {
            let name = of.function.name.as_str();
            let Some(calls) = calls.get(name) else { continue };
            // Instances of a generic function share their name.
            if warned.contains(&name) {
                continue;
            }
            warned.push(name);
            let is = if calls.len() == 1 { "is" } else { "are" };
            let message = format!(
                "{} of `{name}` {is} inlined and will not be seen by the rule",
                count(calls.len(), "call")
            );
            let diagnostic = Diagnostic::warning(message)
                .at(rule.function.span)
                .rule(&rule.name)
                .help("mark it `//go:noinline` or build with `-gcflags=-l` to reach them, too");
            let diagnostic = with_places(diagnostic, calls);
            resolution.findings.push(Finding::unarmable(diagnostic));
        }
    }
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
