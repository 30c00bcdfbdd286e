//! What people read on standard error.

use std::fmt::Write;
use std::time::Duration;

use goinject_probes::table::{Event, Reason};
use goinject_rules::model::{CountRange, RuleSet};
use goinject_rules::units::format_duration;

use super::Totals;
use super::dynamic::DynamicTypes;
use super::shown::shown;
use super::verdict::RuleVerdict;
use super::whereabouts::whereabouts;
use crate::plan::{Plan, Site};
use crate::words::aligned;

/// The line of a rule that fired.
pub fn event_line(plan: &Plan, types: &DynamicTypes<'_>, event: &Event) -> String {
    let rule = &plan.rules[event.rule as usize];
    let site = &plan.sites[event.site as usize];
    let mut line = format!("{} {}", rule.name, plan.functions[site.function].name);
    if event.goid != 0 {
        let _ = write!(line, " [goroutine {}]", event.goid);
    }
    line.push(':');
    match Reason::from_number(event.reason) {
        Reason::Ok => {}
        reason => {
            let _ = write!(line, " failed: {}", reason.words());
            return line;
        }
    }
    let observed = event.flags & goinject_probes::table::EVENT_OBSERVED != 0;
    if let Some(binding) = binding(site, event) {
        let fault = &binding.fault;
        let mut words = Vec::new();
        if event.delay > 0 {
            let delay = Duration::from_nanos(event.delay);
            words.push(format!("delayed {}", format_duration(delay)));
        } else if observed && fault.delay.is_some() {
            words.push("delayed".to_owned());
        }
        let values = shown(plan, types, binding, event);
        if fault.early_return {
            let results = values
                .iter()
                .map(|value| format!("{} {}", value.path, value.after));
            let results: Vec<String> = results.collect();
            let with = if results.is_empty() { "" } else { " with " };
            words.push(format!("returned early{with}{}", results.join(", ")));
        } else {
            words.extend(values.iter().map(|value| {
                let before = value.before.as_ref();
                let before = before.map_or_else(|| "?".to_owned(), ToString::to_string);
                format!("{} {before} → {}", value.path, value.after)
            }));
        }
        if fault.panic {
            words.push("panicked".to_owned());
        }
        let _ = write!(line, " {}", words.join(", "));
    }
    if observed {
        line.push_str(" (observed only)");
    }
    line
}

/// The binding of an event: the one of its rule at its site.
pub(super) fn binding<'a>(site: &'a Site, event: &Event) -> Option<&'a crate::plan::Binding> {
    site.bindings
        .iter()
        .find(|binding| binding.rule == event.rule as usize)
}

/// The table at the end of a run, one row per rule, and below it what went wrong.
pub fn summary(rules: &RuleSet, plan: &Plan, totals: &Totals, verdicts: &[RuleVerdict]) -> String {
    let mut rows = vec![
        [
            "rule", "sites", "calls", "matched", "fired", "applied", "failed", "",
        ]
        .map(str::to_owned),
    ];
    for (n, rule) in plan
        .rules
        .iter()
        .enumerate()
        .filter(|(_, rule)| !rule.counts_panics)
    {
        let counter = &totals.counters[n];
        let sites = plan
            .sites
            .iter()
            .filter(|site| site.bindings.iter().any(|binding| binding.rule == n))
            .count();
        rows.push([
            rule.name.clone(),
            sites.to_string(),
            counter.calls.to_string(),
            counter.matched.to_string(),
            counter.fired.to_string(),
            if rule.observe {
                "-".to_owned()
            } else {
                counter.applied.to_string()
            },
            counter.failures().to_string(),
            verdict_words(&verdicts[n]),
        ]);
    }
    let mut text = aligned(&rows, "", [false, true, true, true, true, true, true, false]);
    for (n, (rule, verdict)) in rules.rules.iter().zip(verdicts).enumerate() {
        if verdict.fired_too_seldom {
            let _ = writeln!(text, "{}: {}", rule.name, whereabouts(n, rule, plan, totals));
        }
        for reason in Reason::FAILURES {
            let count = totals.counters[n].failed[reason as usize];
            if count > 0 {
                let _ = writeln!(text, "{}: {count} failed: {}", rule.name, reason.words());
            }
        }
        let counters = &totals.counters[n];
        let begun = counters
            .fired
            .saturating_sub(counters.applied + counters.failures());
        if begun > 0 && !plan.rules[n].observe {
            let words = "begun, but not over when the run was";
            let _ = writeln!(text, "{}: {begun} {words}", rule.name);
        }
    }
    text
}

fn verdict_words(verdict: &RuleVerdict) -> String {
    let words: Vec<String> = verdict
        .unmet
        .iter()
        .map(|unmet| {
            format!(
                "{} {}, expected {}",
                unmet.what,
                unmet.actual,
                range_words(unmet.expected)
            )
        })
        .collect();
    match words.as_slice() {
        [] => "ok".to_owned(),
        words => words.join("; "),
    }
}

/// A range of counts as rule files write it.
pub fn range_words(range: CountRange) -> String {
    match (range.min, range.max) {
        (min, max) if min == max => min.to_string(),
        (0, max) => format!("<={max}"),
        (min, u64::MAX) => format!(">={min}"),
        (min, max) => format!("{min}..{max}"),
    }
}
