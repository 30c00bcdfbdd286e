//! Where a rule stopped that did not fire, or not often enough.

use goinject_rules::model::Rule;

use super::Totals;
use super::line::TestResult;
use crate::plan::{Plan, Term, Trigger};

/// How far a rule got, in words.
pub(super) fn whereabouts(n: usize, rule: &Rule, plan: &Plan, totals: &Totals) -> String {
    let counters = &totals.counters[n];
    let calls = |count: u64| format!("{count} call{}", if count == 1 { "" } else { "s" });
    if counters.calls == 0 {
        return never_called(n, plan);
    }
    if counters.matched == 0 {
        let tests = tests(n, plan, totals);
        let mut words: Vec<String> = tests.iter().map(test_words).collect();
        // Tests may hold each for itself and still not together.
        let none_held = tests.iter().any(|test| test.held == 0);
        if let Some(within) = rule.within.as_ref().filter(|_| !none_held) {
            words.push(format!("none was made within `{}`", within.value));
        }
        let mut text = format!("{}, none of which matched", calls(counters.calls));
        if !words.is_empty() {
            text.push_str(&format!(": {}", words.join(", ")));
        }
        return text;
    }
    if counters.fired == 0 {
        let why = trigger_words(&plan.rules[n].trigger, counters.matched);
        let why = why.unwrap_or_else(|| "`when` let none of them through".to_owned());
        return format!("{} matched, and {why}", calls(counters.matched));
    }
    format!(
        "{} matched, and {} of them fired",
        calls(counters.matched),
        counters.fired
    )
}

fn never_called(n: usize, plan: &Plan) -> String {
    match plan.rules[n].functions.as_slice() {
        [only] => format!("`{}` was never called", plan.functions[*only].name),
        all => format!("none of its {} functions was ever called", all.len()),
    }
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
        0 => format!("`{text}` never held"),
        held if held == *tested => format!("`{text}` held each time"),
        held => format!("`{text}` held {held} of {tested} times"),
    };
    if *unreadable > 0 {
        words.push_str(&format!(" ({unreadable} times it could not be read)"));
    }
    words
}

/// What a trigger waited for, where that is plain.
fn trigger_words(trigger: &Trigger, matched: u64) -> Option<String> {
    let beyond = |number: Option<u64>| number.filter(|number| *number > matched);
    if let Some(nth) = beyond(trigger.nth) {
        return Some(format!("`nth: {nth}` did not come"));
    }
    if let Some(every) = beyond(trigger.every) {
        return Some(format!("`every: {every}` did not come"));
    }
    if let Some(after) = trigger.after_calls.filter(|after| *after >= matched) {
        return Some(format!("`after: {after}` did not come"));
    }
    trigger
        .probability
        .map(|_| "chance (`probability`) chose none of them".to_owned())
}

/// The tests of a rule's condition, each once, with how they came out at all its sites together.
pub(super) fn tests(n: usize, plan: &Plan, totals: &Totals) -> Vec<TestResult> {
    let bindings = plan.sites.iter().flat_map(|site| &site.bindings);
    let rows = bindings.flat_map(|binding| binding.condition.iter().map(|term| (binding.rule, term)));
    let mut found: Vec<TestResult> = Vec::new();
    for ((rule, term), counters) in rows.zip(&totals.terms) {
        let (Term::Test(test) | Term::Record(_, test)) = term else {
            continue;
        };
        if rule != n {
            continue;
        }
        let at = found.iter().position(|result| result.text == test.text);
        let at = at.unwrap_or_else(|| {
            found.push(TestResult {
                text: test.text.clone(),
                tested: 0,
                held: 0,
                unreadable: 0,
            });
            found.len() - 1
        });
        found[at].tested += counters.tested;
        found[at].held += counters.held;
        found[at].unreadable += counters.unreadable;
    }
    found
}

#[cfg(test)]
mod tests_of_words {
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
        assert_eq!(test_words(&test(9, 9, 0)), "`n > 3` held each time");
        assert_eq!(
            test_words(&test(9, 2, 4)),
            "`n > 3` held 2 of 9 times (4 times it could not be read)"
        );
    }

    #[test]
    fn triggers_in_words() {
        let trigger = Trigger {
            every: Some(5),
            ..Trigger::default()
        };
        assert_eq!(
            trigger_words(&trigger, 4).as_deref(),
            Some("`every: 5` did not come")
        );
        assert_eq!(trigger_words(&trigger, 5), None);
        let trigger = Trigger {
            after_calls: Some(5),
            ..Trigger::default()
        };
        assert_eq!(
            trigger_words(&trigger, 5).as_deref(),
            Some("`after: 5` did not come")
        );
    }
}
