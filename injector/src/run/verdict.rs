//! The verdict of a run: expectations against counters, and the exit code.

use goinject_probes::table::Counters;
use goinject_rules::model::{CountRange, ExitExpect, RuleSet};

use super::Outcome;
use crate::error::ExitCode;
use crate::tracee::End;

/// An expectation that was not met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unmet {
    /// Which counter.
    pub(super) what: &'static str,
    /// What was expected of it.
    pub(super) expected: CountRange,
    /// What it was.
    pub(super) actual: u64,
}

/// The expectations of one rule that were not met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RuleVerdict {
    /// Each of them.
    pub(super) unmet: Vec<Unmet>,
    /// It was expected to fire and never did.
    pub(super) never_fired: bool,
    /// It fired less often than expected, perhaps never.
    pub(super) fired_too_seldom: bool,
}

/// Compares every rule's counters with its expectations.
pub(super) fn judge_rules(rules: &RuleSet, counters: &[Counters]) -> Vec<RuleVerdict> {
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

/// The exit status that was expected of the target, if it had another.
pub(super) fn unexpected_exit(rules: &RuleSet, outcome: &Outcome) -> Option<i32> {
    match (outcome.end, rules.expect.exit) {
        (Some(End::Exited(status)), ExitExpect::Status(expected))
            if outcome.started && status != expected =>
        {
            Some(expected)
        }
        _ => None,
    }
}

/// How often the target panicked, if that is not as expected.
pub(super) fn unexpected_panics(rules: &RuleSet, counters: &[Counters]) -> Option<Unmet> {
    let expected = rules.expect.panics.as_ref()?.value;
    // The row behind those of the file counts them.
    let actual = counters
        .get(rules.rules.len())
        .map_or(0, |counters| counters.calls);
    (!expected.contains(actual)).then_some(Unmet {
        what: "panics",
        expected,
        actual,
    })
}

/// The exit code of a run that came to its end.
pub(super) fn exit_code(
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
    let holds = [
        (outcome.interrupted, ExitCode::Interrupted),
        (
            matches!(outcome.end, Some(End::Killed(_))),
            ExitCode::TargetKilled,
        ),
        (
            unmet || panics.is_some() || unexpected_exit(rules, outcome).is_some(),
            ExitCode::Unmet,
        ),
        (
            verdicts.iter().any(|verdict| verdict.never_fired),
            ExitCode::NeverFired,
        ),
        (outcome.limit_reached, ExitCode::Limit),
    ];
    ExitCode::first(
        holds
            .into_iter()
            .filter(|(holds, _)| *holds)
            .map(|(_, code)| code),
    )
}
