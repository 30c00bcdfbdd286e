//! The verdict of a run: expectations against counters, and the exit code.

use goinject_probes::table::Counters;
use goinject_rules::model::{CountRange, ExitExpect, RuleSet};

use crate::engine::End;
use crate::error::ExitCode;
use crate::plan::Plan;

/// How a run came to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The target's end; none if it was let go.
    pub end: Option<End>,
    /// Whether goinject started the target.
    pub started: bool,
    /// Whether somebody interrupted goinject.
    pub interrupted: bool,
    /// Whether a limit ended the faults.
    pub limit_reached: bool,
}

/// An expectation that was not met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// Which counter.
    pub what: &'static str,
    /// What was expected of it.
    pub expected: CountRange,
    /// What it was.
    pub actual: u64,
}

/// The expectations of one rule that were not met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleVerdict {
    /// Each of them.
    pub unmet: Vec<Unmet>,
    /// It was expected to fire and never did.
    pub never_fired: bool,
    /// It fired less often than expected, perhaps never.
    pub fired_too_seldom: bool,
}

/// Compares every rule's counters with its expectations.
pub fn judge_rules(rules: &RuleSet, counters: &[Counters]) -> Vec<RuleVerdict> {
    let judge = |(rule, counters): (&goinject_rules::model::Rule, &Counters)| {
        let expect = &rule.expect;
        let checks = [
            ("fired", Some(expect.fired.value), counters.fired),
            (
                "calls",
                expect.calls.as_ref().map(|calls| calls.value),
                counters.calls,
            ),
            (
                "matched",
                expect.matched.as_ref().map(|matched| matched.value),
                counters.matched,
            ),
            ("failed", Some(expect.failed.value), counters.failures()),
        ];
        let unmet = checks
            .into_iter()
            .filter_map(|(what, expected, actual)| {
                let expected = expected?;
                let met = (expected.min..=expected.max).contains(&actual);
                (!met).then_some(Unmet {
                    what,
                    expected,
                    actual,
                })
            })
            .collect();
        RuleVerdict {
            unmet,
            never_fired: expect.fired.min > 0 && counters.fired == 0,
            fired_too_seldom: counters.fired < expect.fired.min,
        }
    };
    rules.rules.iter().zip(counters).map(judge).collect()
}

/// Whether the target's exit status is the expected one, where there is one.
pub fn exit_is_expected(rules: &RuleSet, outcome: &Outcome) -> bool {
    match (outcome.end, rules.expect.exit) {
        (Some(End::Exited(status)), ExitExpect::Status(expected)) if outcome.started => status == expected,
        _ => true,
    }
}

/// Why a run ends with its exit code, for people; none for 0.
pub fn exit_words(code: ExitCode) -> Option<&'static str> {
    match code {
        ExitCode::Met => None,
        ExitCode::Unmet => Some("an expectation was not met"),
        ExitCode::Invalid => Some("the rule file is wrong"),
        ExitCode::Unarmable => Some("the rules cannot be armed here"),
        ExitCode::NeverFired => Some("a rule that was expected to fire never did"),
        ExitCode::Limit => Some("a limit ended the faults"),
        ExitCode::TargetKilled => Some("the target was killed by a signal"),
        ExitCode::Interrupted => Some("interrupted"),
    }
}

/// How often the target panicked, if that is not as expected.
pub fn unexpected_panics(rules: &RuleSet, plan: &Plan, counters: &[Counters]) -> Option<Unmet> {
    let expected = rules.expect.panics.as_ref()?.value;
    let row = plan.rules.iter().position(|rule| rule.counts_panics)?;
    let actual = counters[row].calls;
    (!expected.contains(actual)).then_some(Unmet {
        what: "panics",
        expected,
        actual,
    })
}

/// The exit code of a run: where several hold, the first of 130, 6, 1, 4, 5 counts.
pub fn exit_code(
    rules: &RuleSet,
    verdicts: &[RuleVerdict],
    panics: Option<&Unmet>,
    outcome: &Outcome,
) -> ExitCode {
    // A rule that never fired is exit code 4, as long as nothing else about it is wrong.
    let only_never_fired = |verdict: &RuleVerdict| {
        verdict.never_fired
            && verdict
                .unmet
                .iter()
                .all(|unmet| unmet.what != "failed" && unmet.actual == 0)
    };
    let unmet = verdicts
        .iter()
        .any(|verdict| !verdict.unmet.is_empty() && !only_never_fired(verdict));
    if outcome.interrupted {
        ExitCode::Interrupted
    } else if matches!(outcome.end, Some(End::Killed(_))) {
        ExitCode::TargetKilled
    } else if unmet || panics.is_some() || !exit_is_expected(rules, outcome) {
        ExitCode::Unmet
    } else if verdicts.iter().any(|verdict| verdict.never_fired) {
        ExitCode::NeverFired
    } else if outcome.limit_reached {
        ExitCode::Limit
    } else {
        ExitCode::Met
    }
}
