//! Which functions of a binary a rule means.

use goinject_rules::diagnostic::Diagnostic;
use goinject_rules::model::{FunctionSelector, Pattern, Rule};

use super::missing::{inspection, missing, with_last_element};
use super::path::list;
use super::spelling::{spellings, unescaped};
use super::{Absence, Finding};
use crate::go::{Binary, Function, InlinedCall};

/// The functions of a rule, or what is wrong with its selection.
pub(super) fn select(rule: &Rule, binary: &Binary) -> Result<Vec<Function>, Finding> {
    match &rule.function.value {
        FunctionSelector::Exact(name) => exact(rule, name, binary),
        FunctionSelector::Pattern(pattern) => by_pattern(rule, pattern, binary),
    }
}

/// A function's name as a stack trace prints it: `main.Map[...]` for every instance of `main.Map`.
pub(super) fn traced_name(name: &str) -> std::borrow::Cow<'_, str> {
    let (Some(open), Some(close)) = (name.find('['), name.rfind(']')) else {
        return name.into();
    };
    if open < close {
        format!("{}[...]{}", &name[..open], &name[close + 1..]).into()
    } else {
        name.into()
    }
}

fn exact(rule: &Rule, name: &str, binary: &Binary) -> Result<Vec<Function>, Finding> {
    let found = find(name, binary);
    if found.is_empty() {
        Err(missing(rule, name, binary))
    } else {
        Ok(found)
    }
}

/// The functions of a name, which may be written as in Go code or as in a stack trace.
pub(super) fn find(name: &str, binary: &Binary) -> Vec<Function> {
    let mut found = spellings(name).map(|name| find_spelt(&name, binary));
    if let Some(found) = found.find(|found| !found.is_empty()) {
        return without_wrappers(found);
    }
    // A method that only interfaces call may be left in its wrapper alone.
    let mut wrappers = spellings(name).filter_map(|name| binary.wrapper_alone(&name));
    if let Some(wrapper) = wrappers.next() {
        return vec![wrapper];
    }
    match with_last_element(name, binary).as_slice() {
        [only] if inlined_calls(name, binary).is_empty() => without_wrappers(find_spelt(only, binary)),
        _ => Vec::new(),
    }
}

fn find_spelt(name: &str, binary: &Binary) -> Vec<Function> {
    let table = binary.functions();
    let mut found = table.find(name);
    if found.is_empty() && name.contains("[...]") {
        let named = table.names().filter(|(_, full)| traced_name(full) == name);
        found = named.filter_map(|(index, _)| table.get(index)).collect();
    }
    found
}

/// The inlined calls of a function that may be named in both ways, too.
pub(super) fn inlined_calls(name: &str, binary: &Binary) -> Vec<InlinedCall> {
    let spellings: Vec<String> = spellings(name).collect();
    binary.inlined_calls_where(|callee| spellings.iter().any(|spelling| spelling == callee))
}

/// A wrapper that the compiler made is left out where the function that it wraps has the same name:
/// every call through the wrapper reaches that.
pub(crate) fn without_wrappers(mut functions: Vec<Function>) -> Vec<Function> {
    let real: Vec<String> = functions
        .iter()
        .filter(|function| !function.is_wrapper)
        .map(|function| function.name.clone())
        .collect();
    functions.retain(|function| !function.is_wrapper || !real.contains(&function.name));
    functions
}

fn by_pattern(rule: &Rule, pattern: &Pattern, binary: &Binary) -> Result<Vec<Function>, Finding> {
    let table = binary.functions();
    let matches = |name: &str| pattern.regex.is_match(name) || pattern.regex.is_match(&unescaped(name));
    let matching = table
        .names()
        .filter(|(_, name)| matches(name) || matches(&traced_name(name)))
        .filter_map(|(index, _)| table.get(index));
    let found = without_wrappers(matching.collect());
    let at = rule.function.span;
    if found.is_empty() {
        let diagnostic = Diagnostic::error(format!("no function matches `{}`", pattern.text))
            .at(at)
            .rule(&rule.name)
            .help(format!("`{}` lists the functions there are", inspection(binary)));
        return Err(Finding::absence(Absence::Unknown, diagnostic));
    }
    if found.len() > pattern.max_matches as usize {
        let names: Vec<String> = found.iter().map(|function| function.name.clone()).collect();
        let diagnostic = Diagnostic::error(format!(
            "`{}` matches {} functions, more than max_matches allows ({})",
            pattern.text,
            found.len(),
            pattern.max_matches
        ))
        .at(at)
        .rule(&rule.name)
        .note(format!("among them {}", list(&names)))
        .help(format!(
            "make it narrower, or write `max_matches: {}`",
            found.len()
        ));
        return Err(Finding::invalid(diagnostic));
    }
    Ok(found)
}
