//! `within` and `callers`: the code of the functions that calls must come from.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ops::Range;

use goinject_probes::table::RANGES;
use goinject_rules::diagnostic::Diagnostic;
use goinject_rules::model::{FunctionSelector, Rule};
use goinject_rules::source::Spanned;

use super::spelling::{spellings, unescaped};
use super::{Finding, near};
use crate::go::address::Address;
use crate::go::{Binary, Function};
use crate::plan::{CodeRange, Walk};

/// A range's `next` that changes nothing.
const STAY: u64 = 0xfedc_ba98_7654_3210;

/// The code of a rule's `within`: of the functions themselves, and of wherever they were inlined.
pub(super) fn within(rule: &Rule, binary: &Binary, findings: &mut Vec<Finding>) -> Option<Walk> {
    if rule.within.is_empty() {
        return None;
    }
    let any: Vec<Vec<&Spanned<FunctionSelector>>> = vec![rule.within.iter().collect()];
    resolve(rule, &any, binary, findings)
}

/// The code of a rule's `callers`.
pub(super) fn callers(rule: &Rule, binary: &Binary, findings: &mut Vec<Finding>) -> Option<Walk> {
    if rule.callers.is_empty() {
        return None;
    }
    let each: Vec<_> = rule.callers.iter().map(|caller| vec![caller]).collect();
    resolve(rule, &each, binary, findings)
}

/// The code of any of the functions of these names that the program has.
pub(super) fn any_of(names: &[&str], binary: &Binary) -> Option<Walk> {
    let mut ranges = Vec::new();
    let mark = |name: &str| u16::from(names.contains(&name));
    binary.marked_code(mark, |code, marks| add(&mut ranges, code, next(marks, 1)));
    (!ranges.is_empty()).then(|| Walk {
        functions: vec![names.iter().map(|name| (*name).to_owned()).collect()],
        ranges,
    })
}

/// Adds code to ranges, joined with the last one if it is right behind that.
fn add(ranges: &mut Vec<CodeRange>, code: Range<Address>, next: u64) {
    if next == STAY {
        return;
    }
    match ranges.last_mut() {
        Some(last) if last.high == code.start && last.next == next => last.high = code.end,
        _ => ranges.push(CodeRange {
            low: code.start,
            high: code.end,
            next,
        }),
    }
}

/// The code where each level's functions stand: any of them, one level behind the other. A level of which the
/// program has no function is an error.
fn resolve(
    rule: &Rule,
    levels: &[Vec<&Spanned<FunctionSelector>>],
    binary: &Binary,
    findings: &mut Vec<Finding>,
) -> Option<Walk> {
    let wanted: Vec<(usize, Wanted<'_>)> = levels
        .iter()
        .enumerate()
        .flat_map(|(level, selectors)| {
            selectors
                .iter()
                .map(move |selector| (level, Wanted::new(selector, binary)))
        })
        .collect();
    let mark = |name: &str| {
        let matching = wanted.iter().filter(|(_, wanted)| wanted.matches(name));
        matching.fold(0, |mark, (level, _)| mark | 1 << level)
    };
    let mut ranges: Vec<CodeRange> = Vec::new();
    binary.marked_code(mark, |code, marks| {
        add(&mut ranges, code, next(marks, levels.len()));
    });
    let before = findings.len();
    for (level, selectors) in levels.iter().enumerate() {
        let found = |wanted: &&(usize, Wanted<'_>)| wanted.0 == level && wanted.1.found.get();
        let level_found = wanted.iter().any(|wanted| found(&wanted));
        for (_, wanted) in wanted
            .iter()
            .filter(|(of, wanted)| *of == level && !wanted.found.get())
        {
            // Of several that stand for each other, one may be missing.
            let diagnostic = match level_found && selectors.len() > 1 {
                true => Diagnostic::warning(wanted.missing(binary)),
                false => Diagnostic::error(wanted.missing(binary)),
            };
            let help = wanted.advice(binary);
            let diagnostic = diagnostic.at(wanted.selector.span).rule(&rule.name).help(help);
            findings.push(Finding::unarmable(diagnostic));
        }
    }
    for (_, wanted) in &wanted {
        if let Some(all) = wanted.several() {
            let diagnostic = Diagnostic::error(format!(
                "`{}` is ambiguous: several functions have this name",
                wanted.selector.value.text()
            ));
            let help = format!("write the whole path of the package: {all}");
            let diagnostic = diagnostic.at(wanted.selector.span).rule(&rule.name).help(help);
            findings.push(Finding::unarmable(diagnostic));
        }
    }
    if ranges.len() > RANGES {
        let diagnostic = Diagnostic::error(format!(
            "these functions have their code in {} places, more than the {RANGES} that can be told apart",
            ranges.len()
        ));
        let at = levels[0][0].span;
        let help = "name fewer functions, or those around them";
        findings.push(Finding::unarmable(diagnostic.at(at).rule(&rule.name).help(help)));
    }
    (!findings[before..].iter().any(Finding::is_error)).then(|| Walk {
        functions: levels
            .iter()
            .map(|any| {
                any.iter()
                    .map(|selector| selector.value.text().to_owned())
                    .collect()
            })
            .collect(),
        ranges,
    })
}

/// How many levels have been found at a place, for each number that had been before: a nibble each.
fn next(marks: &[u16], levels: usize) -> u64 {
    (0..16).fold(0, |word, before| {
        let after = marks.iter().fold(before, |level, mark| {
            level + usize::from(level < levels && mark >> level & 1 != 0)
        });
        word | (after as u64) << (4 * before)
    })
}

/// A function or pattern that is looked for.
struct Wanted<'a> {
    selector: &'a Spanned<FunctionSelector>,
    spellings: Vec<String>,
    /// What the name of a function ends in whose package is written by the last element of its path. None where it can't
    /// be meant so.
    ends: Vec<String>,
    found: Cell<bool>,
    /// The whole names that were found.
    names: RefCell<BTreeSet<String>>,
}

impl<'a> Wanted<'a> {
    fn new(selector: &'a Spanned<FunctionSelector>, binary: &Binary) -> Wanted<'a> {
        let spellings: Vec<String> = match &selector.value {
            FunctionSelector::Exact(name) => spellings(name).collect(),
            FunctionSelector::Pattern(_) => Vec::new(),
        };
        let is_whole = |name: &String| {
            let package = Function::package_of(name);
            package.contains('/') || package.len() == name.len() || !binary.functions().find(name).is_empty()
        };
        let ends = match spellings.iter().any(is_whole) {
            true => Vec::new(),
            false => spellings.iter().map(|name| format!("/{name}")).collect(),
        };
        Wanted {
            selector,
            spellings,
            ends,
            found: Cell::new(false),
            names: RefCell::default(),
        }
    }

    fn matches(&self, name: &str) -> bool {
        let matches = match &self.selector.value {
            FunctionSelector::Exact(_) => {
                let matches = self.spellings.iter().any(|spelling| spelling == name) || self.is_end_of(name);
                if matches && !self.ends.is_empty() {
                    self.names.borrow_mut().insert(name.to_owned());
                }
                matches
            }
            FunctionSelector::Pattern(pattern) => {
                pattern.regex.is_match(name) || pattern.regex.is_match(&unescaped(name))
            }
        };
        self.found.set(self.found.get() || matches);
        matches
    }

    fn is_end_of(&self, name: &str) -> bool {
        if self.ends.is_empty() {
            return false;
        }
        // A slash in a type argument is none of the package's path.
        let slash = Function::package_of(name).rfind('/');
        slash.is_some_and(|slash| self.ends.iter().any(|end| *end == name[slash..]))
    }

    /// The functions that have this name, if they are more than one.
    fn several(&self) -> Option<String> {
        let names = self.names.borrow();
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        (all.len() > 1).then(|| format!("`{}`", all.join("`, `")))
    }

    fn missing(&self, binary: &Binary) -> String {
        let path = binary.path().display();
        match &self.selector.value {
            FunctionSelector::Exact(name) => format!("there is no function `{name}` in {path}"),
            FunctionSelector::Pattern(pattern) => {
                format!("no function of {path} matches `{}`", pattern.text)
            }
        }
    }

    fn advice(&self, binary: &Binary) -> String {
        let FunctionSelector::Exact(name) = &self.selector.value else {
            return format!(
                "`goinject inspect {}` lists the functions there are",
                binary.path().display()
            );
        };
        match near::functions(name, binary).first() {
            Some(near) => format!("did you mean `{near}`?"),
            None => "the name is as in a stack trace, like `main.checkout`".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_takes_a_walk_as_far_as_its_functions_reach() {
        assert_eq!(next(&[0], 3), STAY);
        // The second of three, and nothing else.
        assert_eq!(next(&[0b10], 3), 0xfedc_ba98_7654_3220);
        // The first inlined into the second.
        assert_eq!(next(&[0b1, 0b10], 3), 0xfedc_ba98_7654_3222);
        // The other way round they are not in order.
        assert_eq!(next(&[0b10, 0b1], 3), 0xfedc_ba98_7654_3221);
        // One function is one step, though it is named twice.
        assert_eq!(next(&[0b11], 2), 0xfedc_ba98_7654_3221);
    }
}
