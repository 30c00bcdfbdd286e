//! `when`: which of the matching calls fire.

use std::time::Duration;

use crate::diagnostic::Diagnostic;
use crate::document::{Fields, Meaning, Node, Reader};
use crate::model::{Point, Rate, Scope, Trigger};
use crate::units::{format_duration, parse_duration, parse_percentage, parse_rate};
use crate::validate::keys;

const SCOPES: [(&str, Scope); 4] = [
    ("run", Scope::Run),
    ("process", Scope::Process),
    ("test", Scope::Test),
    ("goroutine", Scope::Goroutine),
];

/// Reads `when`.
pub(super) fn trigger(reader: &mut Reader<'_>, node: &Node) -> Option<Trigger> {
    let fields = reader.fields(node, &keys::WHEN)?;
    let mut count = |key: &str| {
        fields
            .get(key)
            .and_then(|node| reader.count(node, &format!("`{key}`")))
    };
    let (nth, every, first, times) = (count("nth"), count("every"), count("first"), count("times"));
    let trigger = Trigger {
        nth,
        every,
        first,
        after: fields
            .get("after")
            .and_then(|node| point(reader, node, "`after`")),
        until: fields
            .get("until")
            .and_then(|node| point(reader, node, "`until`")),
        probability: fields
            .get("probability")
            .and_then(|node| probability(reader, node)),
        times,
        rate: fields.get("rate").and_then(|node| rate(reader, node)),
        scope: fields
            .get("scope")
            .and_then(|node| reader.word(node, "`scope`", &SCOPES))
            .unwrap_or_default(),
    };
    if !trigger.is_never() {
        refuse_contradictions(reader, &trigger, &fields);
    }
    warn_of_idle_scope(reader, &trigger, &fields);
    Some(trigger)
}

/// Reads a duration.
pub(super) fn duration(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<Duration> {
    reader.with_unit(
        node,
        what,
        "a duration",
        "write a number with a unit, such as `50ms` or `1h30m`",
        parse_duration,
    )
}

fn point(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<Point> {
    match node.scalar().map(|scalar| &scalar.meaning) {
        Some(Meaning::Integer(_)) if node.tag.is_none() => reader.count(node, what).map(Point::Calls),
        _ => {
            let example = "write a number of calls, such as `100`, or a duration, such as `5s`";
            let wanted = "a number of calls or a duration";
            reader
                .with_unit(node, what, wanted, example, parse_duration)
                .map(Point::Time)
        }
    }
}

fn probability(reader: &mut Reader<'_>, node: &Node) -> Option<f64> {
    let value = match node.scalar().map(|scalar| &scalar.meaning) {
        Some(Meaning::Integer(value)) if node.tag.is_none() => *value as f64,
        Some(Meaning::Float(value)) if node.tag.is_none() => *value,
        _ => {
            let example = "write `0.25` or `25%`";
            return reader.with_unit(node, "`probability`", "a probability", example, parse_percentage);
        }
    };
    if (0.0..=1.0).contains(&value) {
        return Some(value);
    }
    let help = match value {
        percent if percent > 1.0 && percent <= 100.0 => format!("write `{percent}%` for a percentage"),
        _ => "write a number from 0 to 1, or a percentage".to_owned(),
    };
    reader.report(
        node.error("`probability` is not between 0 and 1")
            .label("out of range")
            .help(help),
    );
    None
}

fn rate(reader: &mut Reader<'_>, node: &Node) -> Option<Rate> {
    reader.with_unit(
        node,
        "`rate`",
        "a rate",
        "write a number per time, such as `5/s` or `100/m`",
        parse_rate,
    )
}

impl Trigger {
    /// Whether a 0 says that nothing shall fire.
    pub fn is_never(&self) -> bool {
        let zero = |count: Option<u64>| count == Some(0);
        zero(self.nth)
            || zero(self.every)
            || zero(self.first)
            || zero(self.times)
            || self.probability == Some(0.0)
            || self.rate.is_some_and(|rate| rate.count == 0)
            || matches!(self.until, Some(Point::Calls(0) | Point::Time(Duration::ZERO)))
    }

    /// The first call that the counters let through, by its number; none if there is no such call.
    fn first_call(&self) -> Option<u64> {
        let after = match self.after {
            Some(Point::Calls(calls)) => calls,
            _ => 0,
        };
        let call = match (self.nth, self.every) {
            (Some(nth), _) => nth,
            // The first multiple behind `after`.
            (None, Some(every)) => (after / every).checked_add(1)?.checked_mul(every)?,
            (None, None) => after.checked_add(1)?,
        };
        let fits = call > after
            && call <= self.last_call()
            && self.every.is_none_or(|every| call.is_multiple_of(every));
        fits.then_some(call)
    }

    fn last_call(&self) -> u64 {
        let until = match self.until {
            Some(Point::Calls(calls)) => calls,
            _ => u64::MAX,
        };
        until.min(self.first.unwrap_or(u64::MAX))
    }

    /// The most that this trigger can fire, whatever the program does.
    pub(super) fn most_fired(&self) -> u64 {
        if self.is_never() {
            return 0;
        }
        let counted = match (self.scope, self.first_call()) {
            (_, None) => 0,
            // Each counts for itself, and there may be any number of them.
            (Scope::Process | Scope::Test | Scope::Goroutine, _) => u64::MAX,
            (Scope::Run, Some(_)) if self.nth.is_some() => 1,
            (Scope::Run, Some(first)) => (self.last_call() - first) / self.every.unwrap_or(1) + 1,
        };
        match self.scope {
            // And so do their firings.
            Scope::Process | Scope::Test => counted,
            Scope::Run | Scope::Goroutine => counted.min(self.times.unwrap_or(u64::MAX)),
        }
    }
}

/// Parts that each make sense but leave no call over.
fn refuse_contradictions(reader: &mut Reader<'_>, trigger: &Trigger, fields: &Fields<'_>) {
    let empty_window = match (trigger.after, trigger.until) {
        (Some(Point::Time(after)), Some(Point::Time(until))) if after >= until => {
            Some((format_duration(after), format_duration(until)))
        }
        (Some(Point::Calls(after)), Some(Point::Calls(until))) if after >= until => {
            Some((format!("call {after}"), format!("call {until}")))
        }
        _ => None,
    };
    if let (Some((after, until)), Some(node)) = (&empty_window, fields.get("until")) {
        let finding = node.error("this rule can never fire: it ends before it begins");
        let finding = match fields.get("after") {
            Some(begin) => finding.also(begin.span, format!("begins after {after}")),
            None => finding,
        };
        reader.report(
            finding
                .label(format!("ends at {until}"))
                .help("write an `until` that is above `after`"),
        );
        return;
    }
    if trigger.first_call().is_some() {
        return;
    }
    let nodes = ["nth", "every", "first", "after", "until"]
        .iter()
        .filter_map(|key| fields.get(key).map(|node| (*key, node)))
        .filter(|(_, node)| matches!(node.scalar().map(|s| &s.meaning), Some(Meaning::Integer(_))));
    let mut nodes: Vec<_> = nodes.collect();
    let Some((last_key, last)) = nodes.pop() else {
        return;
    };
    let mut finding = last.error("this rule can never fire: no call is let through by all of these");
    finding = finding.label(words(last_key, last));
    for (key, node) in nodes {
        finding = finding.also(node.span, words(key, node));
    }
    reader
        .report(finding.help("`nth`, `every`, `first`, `after` and `until` all count the same calls from 1"));
}

fn words(key: &str, node: &Node) -> String {
    let number = node.scalar().map_or("", |scalar| &scalar.text);
    match key {
        "nth" => format!("only call {number}"),
        "every" => format!("only multiples of {number}"),
        "first" => format!("only the first {number} calls"),
        "after" => format!("only after call {number}"),
        _ => format!("only until call {number}"),
    }
}

fn warn_of_idle_scope(reader: &mut Reader<'_>, trigger: &Trigger, fields: &Fields<'_>) {
    let counts_calls = ["nth", "every", "first"]
        .iter()
        .any(|key| fields.get(key).is_some())
        || [trigger.after, trigger.until]
            .iter()
            .any(|point| matches!(point, Some(Point::Calls(_))));
    let own_times = matches!(trigger.scope, Scope::Process | Scope::Test) && trigger.times.is_some();
    let name = SCOPES.iter().find(|(_, scope)| *scope == trigger.scope);
    if let (Some((name, scope)), false, Some(node)) = (name, counts_calls || own_times, fields.get("scope"))
        && *scope != Scope::Run
    {
        reader.report(
            Diagnostic::warning(format!("`scope: {name}` changes nothing here"))
                .at(node.span)
                .label("no calls are counted")
                .help(match trigger.scope {
                    Scope::Process | Scope::Test => {
                        "it is about `nth`, `every`, `first`, `times`, and `after` and `until` with a number of calls"
                    }
                    _ => "it is about `nth`, `every`, `first`, and `after` and `until` with a number of calls",
                }),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_test_and_process_fires_as_often_as_the_rule_may() {
        let once = Trigger {
            times: Some(1),
            ..Trigger::default()
        };
        for (scope, most) in [
            (Scope::Run, 1),
            (Scope::Goroutine, 1),
            (Scope::Test, u64::MAX),
            (Scope::Process, u64::MAX),
        ] {
            assert_eq!(
                Trigger {
                    scope,
                    ..once.clone()
                }
                .most_fired(),
                most,
                "{scope:?}"
            );
        }
    }

    #[test]
    fn the_most_that_can_fire() {
        let always = Trigger::default();
        assert_eq!(always.most_fired(), u64::MAX);
        for (trigger, most) in [
            (
                Trigger {
                    nth: Some(3),
                    ..always.clone()
                },
                1,
            ),
            (
                Trigger {
                    first: Some(3),
                    ..always.clone()
                },
                3,
            ),
            (
                Trigger {
                    every: Some(3),
                    first: Some(10),
                    ..always.clone()
                },
                3,
            ),
            (
                Trigger {
                    every: Some(3),
                    first: Some(10),
                    after: Some(Point::Calls(3)),
                    ..always.clone()
                },
                2,
            ),
            (
                Trigger {
                    every: Some(3),
                    until: Some(Point::Calls(2)),
                    ..always.clone()
                },
                0,
            ),
            (
                Trigger {
                    times: Some(5),
                    every: Some(3),
                    ..always.clone()
                },
                5,
            ),
            (
                Trigger {
                    times: Some(0),
                    ..always.clone()
                },
                0,
            ),
            (
                Trigger {
                    first: Some(1),
                    scope: Scope::Goroutine,
                    ..always.clone()
                },
                u64::MAX,
            ),
            (
                Trigger {
                    after: Some(Point::Calls(u64::MAX)),
                    ..always.clone()
                },
                0,
            ),
            (
                Trigger {
                    every: Some(u64::MAX),
                    after: Some(Point::Calls(u64::MAX)),
                    ..always.clone()
                },
                0,
            ),
        ] {
            assert_eq!(trigger.most_fired(), most, "{trigger:?}");
        }
    }
}
