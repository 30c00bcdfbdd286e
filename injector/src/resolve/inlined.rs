//! Calls that no probe sees, because the compiler put the function's body in their place.

use std::collections::{BTreeMap, HashSet};

use goinject_rules::diagnostic::Diagnostic;
use goinject_rules::model::{Rule, RuleSet};

use super::{Finding, Resolution, ResolvedFunction};
use crate::go::{Binary, InlinedCall};
use crate::words::count;

/// How many call sites, or functions, a message shows.
const SHOWN: usize = 5;

/// So many functions of a rule are told of one by one; a pattern may have hundreds.
const TOLD_EACH: usize = 3;

/// The calls of one function that a rule does not see.
struct Unseen<'a> {
    name: &'a str,
    /// Those that the program has a trace of.
    inlined: Vec<InlinedCall>,
    /// Why there may be others.
    without_trace: Option<String>,
}

/// Warns of functions that rules act on and of which some calls are inlined.
pub(super) fn warn(rules: &RuleSet, binary: &Binary, resolution: &mut Resolution) {
    let functions = resolution.rules.iter().flat_map(|rule| &rule.functions);
    let names: HashSet<&str> = functions.map(|of| of.function.name.as_str()).collect();
    if names.is_empty() {
        return;
    }
    // One pass over the program for all rules.
    let mut calls: BTreeMap<String, Vec<InlinedCall>> = BTreeMap::new();
    for call in binary.inlined_calls_where(|name| names.contains(name)) {
        calls.entry(call.callee.clone()).or_default().push(call);
    }
    for resolved in &mut resolution.rules {
        let rule = &rules.rules[resolved.rule];
        let unseen = unseen(&resolved.functions, &calls, binary);
        let (said, findings) = match unseen.len() {
            0..=TOLD_EACH => of_each(rule, &unseen),
            _ => of_all(rule, &unseen),
        };
        resolved.unseen.extend(said);
        resolution.findings.extend(findings);
    }
}

/// What a rule does not see of its functions; only those of which it may miss calls.
fn unseen<'a>(
    functions: &'a [ResolvedFunction],
    calls: &BTreeMap<String, Vec<InlinedCall>>,
    binary: &Binary,
) -> Vec<Unseen<'a>> {
    let armed: HashSet<&str> = functions.iter().map(|of| of.function.name.as_str()).collect();
    let mut looked_at: HashSet<&str> = HashSet::new();
    functions
        .iter()
        // Instances of a generic function share their name.
        .filter(|of| looked_at.insert(&of.function.name))
        .map(|of| {
            let name = of.function.name.as_str();
            let traced = calls.get(name).map(Vec::as_slice).unwrap_or_default();
            // Those in the wrapper of a method are seen there.
            let inlined = traced.iter().filter(|call| !armed.contains(call.within.as_str()));
            Unseen {
                name,
                inlined: inlined.cloned().collect(),
                without_trace: without_trace(of, traced, &armed, binary),
            }
        })
        .filter(|unseen| !unseen.inlined.is_empty() || unseen.without_trace.is_some())
        .collect()
}

/// What is said of a rule's functions one by one: in short for the end of a run, and as warnings.
fn of_each(rule: &Rule, unseen: &[Unseen<'_>]) -> (Vec<String>, Vec<Finding>) {
    let (mut said, mut findings) = (Vec::new(), Vec::new());
    for Unseen {
        name,
        inlined,
        without_trace,
    } in unseen
    {
        if let Some(why) = without_trace {
            let message = format!("calls of `{name}` may not be seen by the rule: {why}");
            said.push(message.clone());
            findings.push(warning(rule, message, |diagnostic| diagnostic));
        }
        if inlined.is_empty() {
            continue;
        }
        let (calls, are) = (count(inlined.len(), "call"), are(inlined.len()));
        said.push(format!("{calls} of it {are} inlined"));
        let message = format!("{calls} of `{name}` {are} inlined and will not be seen by the rule");
        findings.push(warning(rule, message, |diagnostic| {
            with_places(diagnostic, inlined)
        }));
    }
    (said, findings)
}

/// The same of many functions at once.
fn of_all(rule: &Rule, unseen: &[Unseen<'_>]) -> (Vec<String>, Vec<Finding>) {
    let (mut said, mut findings) = (Vec::new(), Vec::new());
    let mut inlined: Vec<&Unseen<'_>> = unseen.iter().filter(|of| !of.inlined.is_empty()).collect();
    // Those that most is missed of come first.
    inlined.sort_by_key(|of| std::cmp::Reverse(of.inlined.len()));
    if !inlined.is_empty() {
        let calls = inlined.iter().map(|of| of.inlined.len()).sum();
        let message = format!(
            "{} of {} of its functions {} inlined",
            count(calls, "call"),
            inlined.len(),
            are(calls)
        );
        let of_one = |of: &&Unseen<'_>| format!("{} of `{}`", count(of.inlined.len(), "call"), of.name);
        findings.push(warning(
            rule,
            format!("{message} and will not be seen by the rule"),
            |diagnostic| with_functions(diagnostic, inlined.iter().map(of_one)),
        ));
        said.push(message);
    }
    let without_trace: Vec<String> = unseen
        .iter()
        .filter_map(|of| Some(format!("`{}`: {}", of.name, of.without_trace.as_ref()?)))
        .collect();
    if !without_trace.is_empty() {
        let message = format!(
            "calls of {} of its functions may not be seen by the rule",
            without_trace.len()
        );
        said.push(message.clone());
        findings.push(warning(rule, message, |diagnostic| {
            with_functions(diagnostic, without_trace.into_iter())
        }));
    }
    (said, findings)
}

fn are(number: usize) -> &'static str {
    if number == 1 { "is" } else { "are" }
}

fn warning(rule: &Rule, message: String, with_notes: impl FnOnce(Diagnostic) -> Diagnostic) -> Finding {
    let diagnostic = Diagnostic::warning(message)
        .at(rule.function.span)
        .rule(&rule.name);
    Finding::unarmable(with_notes(diagnostic).help(REMEDY))
}

const REMEDY: &str = "mark it `//go:noinline`, or build with `-gcflags=-l` (without `all=`), which reaches call sites in your own packages, too";

/// Why calls may be missing of which the program has no trace; none if there is no sign of any.
fn without_trace(
    of: &ResolvedFunction,
    traced: &[InlinedCall],
    armed: &HashSet<&str>,
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
        .is_some_and(|wrapper| armed.contains(wrapper.name.as_str()));
    (traced.is_empty() && !in_wrapper && binary.may_be_folded(function))
        .then(|| "its body is so small that it was put in their place without a trace".to_owned())
}

/// A diagnostic with the places of inlined calls.
pub(super) fn with_places(diagnostic: Diagnostic, calls: &[InlinedCall]) -> Diagnostic {
    let place = |call: &InlinedCall| format!("inlined into `{}` at {}:{}", call.within, call.file, call.line);
    with_first(diagnostic, calls.iter().map(place), "in", "more place")
}

fn with_functions(diagnostic: Diagnostic, functions: impl ExactSizeIterator<Item = String>) -> Diagnostic {
    with_first(diagnostic, functions, "of", "more function")
}

/// A diagnostic with the first of many notes, and the number of the rest.
fn with_first(
    mut diagnostic: Diagnostic,
    mut notes: impl ExactSizeIterator<Item = String>,
    preposition: &str,
    noun: &str,
) -> Diagnostic {
    for note in notes.by_ref().take(SHOWN) {
        diagnostic = diagnostic.note(note);
    }
    match notes.len() {
        0 => diagnostic,
        left => diagnostic.note(format!("and {preposition} {}", count(left, noun))),
    }
}
