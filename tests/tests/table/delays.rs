//! Delays of one goroutine, whose parameters are untouched by them.

use goinject_tests::{Case, case, counts};

const SLOW: &str = "1 two 3.5 [4] true 5 own error [6 7]";
const BRIEF: &str = "1 two 3.5 [] false 0 <nil> []";
const LATE: &str = "late enough: true";

pub(crate) fn rows() -> Vec<Case> {
    [alone(), together(), elsewhere()].concat()
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
