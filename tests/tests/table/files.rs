//! What a whole file says: modes, limits, expectations.

use goinject_tests::{Case, case, counts, set};

pub(crate) fn rows() -> Vec<Case> {
    vec![
        case("called often", set("called", "{n: 7}"))
            .when("the whole file observes")
            .head("mode: observe")
            .calls(3)
            .observed()
            .prints(["0", "0", "1", "1", "2", "2"]),
        // A pointer that is nil in a call is a failure of that call, which the default expectation does not forgive.
        case("nil pointer", set("mayBeNil", "{p.x: 5, n: 10}"))
            .when("not expected to fail")
            .counted([counts(2, 2, 2, 1)])
            .exits(1)
            .prints(["true 1", "1", "false 10", "10"]),
        case(
            "nil pointer",
            "{function: main.mayBeNil, expect: {failed: 1}, inject: {set: {p.x: 5, n: 10}}}",
        )
        .when("expected to fail once")
        .counted([counts(2, 2, 2, 1)])
        .prints(["true 1", "1", "false 10", "10"]),
        case(
            "called often",
            "{function: main.called, expect: {fired: 3, calls: \">=3\"}, inject: {set: {n: 7}}}",
        )
        .when("as often as expected")
        .calls(3)
        .prints(["7", "7", "7", "7", "7", "7"]),
        case(
            "called often",
            "{function: main.called, expect: {fired: \"1..2\"}, inject: {set: {n: 7}}}",
        )
        .when("too often")
        .calls(3)
        .exits(1)
        .prints(["7", "7", "7", "7", "7", "7"]),
        case(
            "called often",
            "{function: main.called, expect: {calls: 4}, inject: {set: {n: 7}}}",
        )
        .when("not often enough")
        .calls(3)
        .exits(1)
        .prints(["7", "7", "7", "7", "7", "7"]),
        case("called often", set("leafInt", "{a: 7}"))
            .when("another function")
            .counted([counts(0, 0, 0, 0)])
            .exits(4)
            .prints(["0", "0", "1", "1", "2", "2"]),
        case(
            "called often",
            "{function: main.leafInt, expect: {fired: 0}, inject: {set: {a: 7}}}",
        )
        .when("never, as expected")
        .counted([counts(0, 0, 0, 0)])
        .prints(["0", "0", "1", "1", "2", "2"]),
        case("called often", set("called", "{n: 7}"))
            .when("the target's status is not the expected one")
            .head("expect: {exit: 3}")
            .calls(3)
            .exits(1)
            .prints(["7", "7", "7", "7", "7", "7"]),
    ]
}
