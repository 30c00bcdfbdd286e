//! A rule.

#![expect(dead_code, reason = "the types are described, never filled")]

use schemars::JsonSchema;

use super::file::Mode;
use super::inject::Inject;
use super::scalar::{Caller, Condition, CountRange, Function, Point, Probability, Rate, Signature, TestName};

/// Which calls, and what is done to them.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Rule {
    /// Names the rule in reports; unique in the file. Derived from the function where absent.
    #[schemars(length(min = 1))]
    name: Option<String>,
    /// The function whose calls are meant.
    function: Function,
    /// Only in programs of this file name, a glob; or path, where it has a slash. Such a rule is also for programs of the
    /// Go toolchain, which are left alone otherwise.
    #[schemars(length(min = 1), extend("examples" = ["shop", "*.test"]))]
    program: Option<String>,
    /// Parameters and results of the function, a method's receiver first, for a program without debug information.
    signature: Option<Signature>,
    /// Only calls for which this holds: a condition on parameters, results and fields, in a subset of CEL
    /// (`== != < <= > >= && || !`, parentheses, `size(x)`, `s.startsWith("…")`, `s.endsWith("…")`,
    /// `s.contains("…")`, `duration("…")`, `null`).
    #[schemars(rename = "if")]
    condition: Option<Condition>,
    /// Only some of the matching calls, by their number, by time, and by chance.
    when: Option<When>,
    /// Only inside a call of this function, or of one of these, on the same goroutine, at whatever depth.
    within: Option<Callers>,
    /// Only where these functions stand on the call stack in this order, innermost first; others may stand between them.
    callers: Option<Callers>,
    /// Only in calls made during this Go test: by its goroutine, or by one that descends from it. A name or a glob; the
    /// tests below one that it matches are meant, too.
    test: Option<TestName>,
    /// What is done to the call.
    inject: Inject,
    /// What the rule's counters must show in the end.
    expect: Option<Expect>,
    /// `inject` the fault, or only `observe` what would have fired.
    mode: Option<Mode>,
}

/// One function or pattern, or several.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum Callers {
    /// One.
    One(Caller),
    /// Several.
    Several(#[schemars(length(min = 1, max = 15))] Vec<Caller>),
}

/// Which of the matching calls fire. Absent means always, 0 means never; all that is written must hold.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct When {
    /// Only the n-th call, counted from 1.
    nth: Option<u64>,
    /// Each n-th call: 3 is the 3rd, the 6th, the 9th.
    every: Option<u64>,
    /// The first n calls.
    first: Option<u64>,
    /// Only after this many calls, or this long after arming.
    after: Option<Point>,
    /// Only until this many calls, or this long after arming.
    until: Option<Point>,
    /// A chance for each call.
    probability: Option<Probability>,
    /// At most this many times.
    times: Option<u64>,
    /// At most this often.
    rate: Option<Rate>,
    /// Whose calls are counted: those of the whole `run`, or those of each `process`, each Go `test` or each `goroutine` for
    /// itself.
    scope: Option<Scope>,
}

/// Whose calls are counted.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub(super) enum Scope {
    /// Those of the whole run.
    Run,
    /// Those of each process for itself.
    Process,
    /// Those of each Go test for itself.
    Test,
    /// Those of each goroutine for itself.
    Goroutine,
}

/// What a rule's counters must show in the end.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Expect {
    /// Calls that fired. At least 1 where absent, or 0 if a 0 in `when` switches the rule off.
    fired: Option<CountRange>,
    /// Calls of the function.
    calls: Option<CountRange>,
    /// Calls for which `if` held.
    matched: Option<CountRange>,
    /// Faults that could not be injected. 0 where absent.
    failed: Option<CountRange>,
}
