//! Where a rule stopped that did not fire, or not often enough.

use std::collections::BTreeSet;
use std::fmt::Write;

use goinject_probes::table::{Counters, Held};
use goinject_rules::model::{FunctionSelector, Point, Rule, Trigger};
use goinject_rules::source::Spanned;
use goinject_rules::units::format_duration;

use crate::event::line::TestResult;

/// The functions of a rule in a run, and how the tests of its condition came out.
pub(super) struct Called<'a> {
    pub(super) functions: &'a BTreeSet<String>,
    pub(super) tests: &'a [TestResult],
    /// Calls that may be missing, in words.
    pub(super) unseen: &'a BTreeSet<String>,
}

/// How far a rule got, in words.
pub(super) fn explanation(rule: &Rule, counters: &Counters, called: &Called<'_>) -> String {
    if counters.calls == 0 {
        return never_called(called);
    }
    let (mut text, why) = if counters.matched == 0 {
        let text = format!("{}, none of which matched", calls(counters.calls));
        (text, mismatches(rule, counters, called.tests))
    } else {
        let fired = match counters.fired {
            0 => "none".to_owned(),
            fired => fired.to_string(),
        };
        let text = format!("{} matched, {fired} of them fired", calls(counters.matched));
        (text, held_back(&rule.when, counters))
    };
    if !why.is_empty() {
        let _ = write!(text, ": {}", why.join(", "));
    }
    text
}

fn calls(count: u64) -> String {
    format!("{count} call{}", if count == 1 { "" } else { "s" })
}

fn never_called(called: &Called<'_>) -> String {
    let mut names = called.functions.iter();
    let mut text = match (names.next(), names.next()) {
        (None, _) => "it was armed in no program of the run".to_owned(),
        (Some(only), None) => format!("`{only}` was never called"),
        _ => format!("none of its {} functions was ever called", called.functions.len()),
    };
    for unseen in called.unseen {
        let _ = write!(text, "; {unseen}");
    }
    text
}

/// Why no call matched. Tests may hold each for itself and still not together.
fn mismatches(rule: &Rule, counters: &Counters, tests: &[TestResult]) -> Vec<String> {
    let held = &counters.held;
    let mut words: Vec<String> = tests.iter().map(test_words).collect();
    let elsewhere = held[Held::Within as usize];
    if elsewhere > 0 {
        let made = if elsewhere == 1 { "was" } else { "were" };
        words.push(format!(
            "{} {made} not made {}",
            calls(elsewhere),
            origin_words(rule)
        ));
    }
    words
}

/// Where a rule wants calls to come from.
fn origin_words(rule: &Rule) -> String {
    let quoted = |selectors: &[Spanned<FunctionSelector>], between: &str| {
        let texts: Vec<String> = selectors
            .iter()
            .map(|selector| format!("`{}`", selector.value.text()))
            .collect();
        texts.join(between)
    };
    let mut words = Vec::new();
    if !rule.within.is_empty() {
        words.push(format!("within {}", quoted(&rule.within, " or ")));
    }
    if !rule.callers.is_empty() {
        words.push(format!("through {}", quoted(&rule.callers, ", ")));
    }
    if let Some(test) = &rule.test {
        words.push(format!("in a Go test `{}`", test.value.text));
    }
    words.join(" and ")
}

fn test_words(test: &TestResult) -> String {
    let TestResult {
        text,
        tested,
        held,
        unreadable,
    } = test;
    if *tested == 0 {
        return format!("`{text}` was not looked at");
    }
    let mut words = match *held {
        0 if unreadable == tested => return format!("`{text}` could never be read"),
        0 => format!("`{text}` never held"),
        held if held == *tested => format!("`{text}` held each time"),
        held => format!("`{text}` held {held} of {tested} times"),
    };
    if *unreadable > 0 {
        let _ = write!(words, " ({unreadable} times it could not be read)");
    }
    words
}

/// What kept calls from firing that matched.
fn held_back(when: &Trigger, counters: &Counters) -> Vec<String> {
    let mut words = Vec::new();
    for held in Held::ALL {
        let count = counters.held[held as usize];
        let text = match held {
            // Those did not match.
            Held::Unreadable | Held::Within => continue,
            Held::Calls => format!("{count} not due ({})", turns(when)),
            Held::Window => format!("{count} at another time ({})", window(when)),
            Held::Chance => format!(
                "{count} not chosen (`probability: {}`)",
                when.probability.unwrap_or_default()
            ),
            Held::Rate => format!("{count} too early (`rate`)"),
            Held::Times => format!("{count} too late (`times: {}`)", when.times.unwrap_or_default()),
            Held::Limit => format!("{count} beyond `limits`"),
            Held::Marking => format!("{count} while the garbage collector was marking"),
        };
        if count > 0 {
            words.push(text);
        }
    }
    words
}

/// The keys that go by the number of a call.
fn turns(when: &Trigger) -> String {
    let number = |point: Option<Point>| match point {
        Some(Point::Calls(calls)) => Some(calls),
        _ => None,
    };
    let keys = [
        ("nth", when.nth),
        ("every", when.every),
        ("first", when.first),
        ("after", number(when.after)),
        ("until", number(when.until)),
    ];
    let set = keys
        .iter()
        .filter_map(|(key, value)| Some(format!("`{key}: {}`", (*value)?)));
    set.collect::<Vec<String>>().join(", ")
}

/// The keys that go by the time.
fn window(when: &Trigger) -> String {
    let keys = [("after", when.after), ("until", when.until)];
    let set = keys.iter().filter_map(|(key, value)| match value {
        Some(Point::Time(time)) => Some(format!("`{key}: {}`", format_duration(*time))),
        _ => None,
    });
    set.collect::<Vec<String>>().join(", ")
}

#[cfg(test)]
mod tests_of_words {
    use std::time::Duration;

    use super::*;

    fn test(tested: u64, held: u64, unreadable: u64) -> TestResult {
        TestResult {
            text: "n > 3".to_owned(),
            tested,
            held,
            unreadable,
        }
    }

    #[test]
    fn tests_in_words() {
        assert_eq!(test_words(&test(0, 0, 0)), "`n > 3` was not looked at");
        assert_eq!(test_words(&test(9, 0, 0)), "`n > 3` never held");
        assert_eq!(test_words(&test(9, 0, 9)), "`n > 3` could never be read");
        assert_eq!(test_words(&test(9, 9, 0)), "`n > 3` held each time");
        assert_eq!(
            test_words(&test(9, 2, 4)),
            "`n > 3` held 2 of 9 times (4 times it could not be read)"
        );
    }

    #[test]
    fn what_held_calls_back_in_words() {
        let when = Trigger {
            every: Some(5),
            after: Some(Point::Calls(7)),
            until: Some(Point::Time(Duration::from_secs(2))),
            probability: Some(0.25),
            times: Some(1),
            ..Trigger::default()
        };
        let mut counters = Counters::default();
        assert!(held_back(&when, &counters).is_empty());
        for (n, held) in Held::ALL.into_iter().enumerate() {
            counters.held[held as usize] = n as u64 + 1;
        }
        assert_eq!(
            held_back(&when, &counters),
            [
                "3 not due (`every: 5`, `after: 7`)",
                "4 at another time (`until: 2s`)",
                "5 not chosen (`probability: 0.25`)",
                "6 too early (`rate`)",
                "7 too late (`times: 1`)",
                "8 beyond `limits`",
                "9 while the garbage collector was marking",
            ]
        );
    }
}
