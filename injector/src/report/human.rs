//! What people read on standard error.

use std::fmt::Write;
use std::time::Duration;

use goinject_probes::table::{Counters, Event, Reason};
use goinject_rules::model::{CountRange, RuleSet};
use goinject_rules::units::format_duration;

use super::dynamic::DynamicTypes;
use super::shown::shown;
use super::verdict::RuleVerdict;
use crate::plan::{Plan, Site};

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
    if let Some(binding) = binding(site, event) {
        for (n, value) in shown(plan, types, binding, event).iter().enumerate() {
            let before = value
                .before
                .as_ref()
                .map_or_else(|| "?".to_owned(), ToString::to_string);
            let separator = if n == 0 { "" } else { "," };
            let _ = write!(line, "{separator} {} {before} → {}", value.path, value.after);
        }
        let fault = &binding.fault;
        if event.delay > 0 {
            let _ = write!(
                line,
                " delayed {}",
                format_duration(Duration::from_nanos(event.delay))
            );
        }
        if fault.early_return {
            line.push_str(" returned early");
        }
        if fault.panic {
            line.push_str(" panicked");
        }
    }
    if event.flags & goinject_probes::table::EVENT_OBSERVED != 0 {
        line.push_str(" (observed, not written)");
    }
    line
}

/// The binding of an event: the one of its rule at its site.
pub(super) fn binding<'a>(site: &'a Site, event: &Event) -> Option<&'a crate::plan::Binding> {
    site.bindings
        .iter()
        .find(|binding| binding.rule == event.rule as usize)
}

/// The table at the end of a run: one row per rule.
pub fn summary(rules: &RuleSet, plan: &Plan, counters: &[Counters], verdicts: &[RuleVerdict]) -> String {
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
        let counter = &counters[n];
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
    let mut text = table(&rows);
    for (n, rule) in rules.rules.iter().enumerate() {
        for reason in Reason::FAILURES {
            let count = counters[n].failed[reason as usize];
            if count > 0 {
                let _ = writeln!(text, "{}: {count} failed: {}", rule.name, reason.words());
            }
        }
    }
    text
}

fn verdict_words(verdict: &RuleVerdict) -> String {
    match verdict.unmet.first() {
        None => "ok".to_owned(),
        Some(unmet) => format!("expected {} {}", unmet.what, range_words(unmet.expected)),
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

/// Columns: the first and last to the left, numbers to the right.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            match column {
                0 => {
                    let _ = write!(line, "{cell:<0$}", width(0));
                }
                last if last == N - 1 => {
                    let _ = write!(line, "  {cell}");
                }
                _ => {
                    let _ = write!(line, "  {cell:>0$}", width(column));
                }
            }
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}
