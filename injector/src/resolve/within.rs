//! `within`: the code of the function that calls must come from.

use goinject_probes::table::RANGES;
use goinject_rules::diagnostic::{Diagnostic, near_misses};
use goinject_rules::model::Rule;

use super::Finding;
use super::function::{inlined_calls, traced_name};
use super::spelling::spellings;
use crate::go::Binary;
use crate::plan::CodeRange;

/// The code of a rule's `within`: of the function itself, and of wherever it was inlined.
pub(super) fn resolve(rule: &Rule, binary: &Binary) -> Result<Vec<CodeRange>, Finding> {
    let Some(within) = &rule.within else {
        return Ok(Vec::new());
    };
    let name = within.value.as_str();
    let table = binary.functions();
    let spellings: Vec<String> = spellings(name).collect();
    let is_named = |name: &str| spellings.iter().any(|spelling| spelling == name);
    let mut ranges: Vec<CodeRange> = table
        .names()
        .filter(|(_, full)| is_named(full) || is_named(&traced_name(full)))
        .filter_map(|(index, _)| table.get(index))
        .map(|function| CodeRange {
            low: function.entry,
            high: function.end,
        })
        .collect();
    let inlined = inlined_calls(name, binary)
        .into_iter()
        .flat_map(|call| call.ranges);
    ranges.extend(inlined.map(|range| CodeRange {
        low: range.start,
        high: range.end,
    }));
    ranges.sort_by_key(|range| range.low);
    ranges.dedup();
    let at_within = |diagnostic: Diagnostic| Finding::unarmable(diagnostic.at(within.span).rule(&rule.name));
    if ranges.is_empty() {
        let names: Vec<_> = table.names().map(|(_, name)| name).collect();
        let near = near_misses(name, names.iter().map(AsRef::as_ref), 1);
        let error = Diagnostic::error(format!(
            "there is no function `{name}` in {}",
            binary.path().display()
        ));
        return Err(at_within(match near.first() {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help("the name is as in a stack trace, like `main.checkout`"),
        }));
    }
    if ranges.len() > RANGES {
        return Err(at_within(
            Diagnostic::error(format!(
                "`{name}` has its code in {} places, more than the {RANGES} that can be told apart",
                ranges.len()
            ))
            .help("it was inlined often: name a function around it, or mark it `//go:noinline`"),
        ));
    }
    Ok(ranges)
}
