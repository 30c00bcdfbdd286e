//! Delays of one goroutine, whose parameters are untouched by them.

use goinject_tests::{Case, case, counts};

const SLOW: &str = "1 two 3.5 [4] true 5 own error [6 7]";
const BRIEF: &str = "1 two 3.5 [] false 0 <nil> []";
const LATE: &str = "late enough: true";

pub(crate) fn rows() -> Vec<Case> {
    [alone(), together(), elsewhere(), until()].concat()
}

fn delay(function: &str, inject: &str) -> String {
    format!("{{function: \"main.{function}\", inject: {{{inject}}}}}")
}

fn alone() -> Vec<Case> {
    vec![
        case("slow", delay("slow", "delay: 30ms")).prints([SLOW, "2 two", LATE]),
        case("slow", delay("slow", "delay: {fixed: 30ms, jitter: 20ms}"))
            .when("with jitter")
            .prints([SLOW, "2 two", LATE]),
        case("slow closure", delay("useClosures.func1", "delay: 30ms")).prints([
            "closure 20 1 2",
            "21 2",
            LATE,
        ]),
        case("slow down", delay("slowDown", "delay: 1ms"))
            .calls(60)
            .prints([LATE, "217"]),
        case("slow leaf", delay("leafEnds", "delay: 30ms"))
            .exits(3)
            .counted([])
            .prints([]),
    ]
}

/// With other faults in the same rule, and in others.
fn together() -> Vec<Case> {
    vec![
        case(
            "slow",
            delay("slow", "delay: 30ms, set: {a: 10, list.len: 0, n: 50}"),
        )
        .when("and changed")
        .prints(["10 two 3.5 [] true 5 own error [6 7]", "50 two", LATE]),
        case(
            "slow order",
            delay("(*shop).order", "delay: 30ms, return: {id: 3}"),
        )
        .prints(["3 0  <nil>", LATE]),
        case("slow fails", delay("fails", "delay: 30ms, panic: true")).prints([
            "late got a runtime error: invalid memory address or nil pointer dereference",
            LATE,
        ]),
        case("slow", delay("slow", "delay: 15ms"))
            .when("by several rules")
            .and(delay("slow", "set: {a: 3, s: three}"))
            .and(delay("slow", "delay: 15ms, set: {c: 0.5}"))
            .prints(["3 two 0.5 [4] true 5 own error [6 7]", "4 three", LATE]),
        case(
            "slow",
            "{function: main.slow, if: n == 2 && a == 1, when: {times: 1}, inject: {set: {n: 5}}}",
        )
        .when("and a condition at return")
        .and(delay("slow", "delay: 30ms"))
        .prints([SLOW, "5 two", LATE]),
    ]
}

fn elsewhere() -> Vec<Case> {
    vec![
        case("slow beside others", delay("slow", "delay: 1s")).prints([
            BRIEF,
            "1 two",
            LATE,
            "others go on: true",
        ]),
        case("slow on a thread", delay("slow", "delay: 30ms")).prints([BRIEF, "1 two", LATE]),
        case("slow workers", delay("work", "delay: 30ms"))
            .counted([counts(1000, 1000, 1000, 0)])
            .prints([LATE, "all done"]),
    ]
}

/// Delays that a context ends.
fn until() -> Vec<Case> {
    vec![
        case("asked until", delay("query", "delay: {fixed: 10s, until: ctx}"))
            .and(delay("askedInside.func1", "delay: {fixed: 10s, until: ctx}"))
            .and(delay("(*errand).send", "delay: {fixed: 10s, until: r.ctx}"))
            .and(delay("queryInTime", "delay: {fixed: 30ms, until: ctx}"))
            .counted([
                counts(4, 4, 4, 0),
                counts(1, 1, 1, 0),
                counts(1, 1, 1, 0),
                counts(2, 2, 2, 0),
            ])
            .prints([
                "0  context canceled true true",
                "0  context canceled true true",
                "0  context deadline exceeded true true",
                "0  context deadline exceeded true true",
                "0 context deadline exceeded",
                "context deadline exceeded",
                "7 in time <nil>",
                "8 in time <nil>",
                LATE,
            ]),
        // When these are done is not known: their delays take the whole time.
        case(
            "asked stubbornly",
            delay("queryStubborn", "delay: {fixed: 10ms, until: ctx}"),
        )
        .counted([counts(8, 8, 8, 8)])
        .exits(1)
        .prints([
            "0 <nil>", "1 <nil>", "2 <nil>", "3 <nil>", "4 <nil>", "5 <nil>", "6 <nil>", "7 <nil>", LATE,
        ]),
    ]
}
