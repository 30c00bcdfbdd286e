//! Points in time: what is added to them moves their wall clock and, where they have one, their monotonic clock.

use goinject_tests::{Case, counts, set};

use super::rule;

fn clocks(values: &str) -> Case {
    rule("clocks", set("clock", values)).counted([counts(4, 4, 4, 0)])
}

pub(crate) fn rows() -> Vec<Case> {
    vec![
        clocks("{\"results[0]\": {add: 2h}, \"results[1]\": {add: 1m}}")
            .when("hours added to results")
            .prints([
                "moved 2h0m0s 2h0m0s true 1m1s",
                "moved 2h0m0s 2h0m0s false 1m1s",
                "moved 2h0m0s 2h0m0s false 1m1s",
                "behind 2020-02-28 23:59:59.9 +0000 UTC",
                "at 2020-02-29 01:59:59.9 +0000 UTC",
            ]),
        clocks("{t: {add: 200ms}, d: 3s}")
            .when("a part of a second added to parameters")
            .prints([
                "moved 200ms 200ms true 3s",
                "moved 200ms 200ms false 3s",
                "moved 200ms 200ms false 3s",
                "behind 2020-02-28 23:59:59.9 +0000 UTC",
                "at 2020-02-29 00:00:00.1 +0000 UTC",
            ]),
        clocks("{t: {add: -1.95s}}").when("taken off").prints([
            "moved -1.95s -1.95s true 1s",
            "moved -1.95s -1.95s false 1s",
            "moved -1.95s -1.95s false 1s",
            "behind 2020-02-28 23:59:59.9 +0000 UTC",
            "at 2020-02-28 23:59:57.95 +0000 UTC",
        ]),
        // 2197: the form with both clocks ends in 2157.
        clocks("{t: {add: 1500000h}}").when("centuries added").prints([
            "moved 1500000h0m0s 1500000h0m0s false 1s",
            "moved 1500000h0m0s 1500000h0m0s false 1s",
            "moved 1500000h0m0s 1500000h0m0s false 1s",
            "behind 2020-02-28 23:59:59.9 +0000 UTC",
            "at 2191-04-12 23:59:59.9 +0000 UTC",
        ]),
        rule(
            "clocks",
            "{function: main.clock, if: p != null, inject: {set: {p: {add: 24h}}}}",
        )
        .when("behind a pointer")
        .counted([counts(4, 1, 1, 0)])
        .prints([
            "moved 0s 0s true 1s",
            "moved 0s 0s false 1s",
            "moved 0s 0s false 1s",
            "behind 2020-02-29 23:59:59.9 +0000 UTC",
            "at 2020-02-28 23:59:59.9 +0000 UTC",
        ]),
    ]
}
