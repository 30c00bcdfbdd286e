//! Early returns and panics, alone, together and in the order of the file.

use goinject_tests::{Case, Counts, case, counts};

/// What Go says of the panic that goinject has it make.
const NIL: &str = "got a runtime error: invalid memory address or nil pointer dereference";

pub(crate) fn rows() -> Vec<Case> {
    [
        returns(),
        returned_errors(),
        panics(),
        panics_and_defers(),
        in_order(),
    ]
    .concat()
}

fn fault(function: &str, inject: &str) -> String {
    format!("{{function: \"main.{function}\", inject: {{{inject}}}}}")
}

fn when(function: &str, when: &str, inject: &str) -> String {
    format!("{{function: \"main.{function}\", {when}, inject: {{{inject}}}}}")
}

fn returns() -> Vec<Case> {
    vec![
        case(
            "order",
            fault("(*shop).order", "return: {id: 9, note: none, total: 0.5}"),
        )
        .when("returns early")
        .prints(["9 0.5 none <nil>"]),
        case("many results", fault("manyResults", "return: {}"))
            .when("zero")
            .prints(["0 0 0 0 0 0 0 0 0 0 0 0 []  0"]),
        case(
            "many results",
            fault("manyResults", "return: {a: 1, b: -2, l: 12, text: none, x: 0.5}"),
        )
        .when("some given")
        .prints(["1 -2 0 0 0 0 0 0 0 0 0 12 [] none 0.5"]),
        case(
            "array result",
            fault("arrayResult", "return: {\"r[19]\": 4, last: -5}"),
        )
        .prints(["[0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 4] -5"]),
        case("leaf ends", fault("leafEnds", "return: {\"results[0]\": 40}")).prints(["40"]),
        case("skips defer", fault("skipsDefer", "return: {r: 5}")).prints(["5"]),
        case(
            "countdown",
            when("countdown", "if: n == 2", "return: {steps: 100}"),
        )
        .counted([counts(4, 1, 1, 0)])
        .prints(["103"]),
        case(
            "panics of a closure",
            fault("useClosures.func1", "return: {\"results[0]\": 5}"),
        )
        .when("returns early")
        .prints(["5 0", "closure <nil>"]),
        case(
            "order",
            "{function: \"main.(*shop).order\", mode: observe, inject: {return: {id: 9}}}",
        )
        .when("observed")
        .observed()
        .prints(["order corner tea 2 1.5", "7 3 ordered tea <nil>"]),
    ]
}

fn returned_errors() -> Vec<Case> {
    let order = "(*shop).order";
    vec![
        case(
            "order thrice",
            when(order, "when: {nth: 2}", "return: {err: {errno: ENOSPC}}"),
        )
        .counted([counts(3, 3, 1, 0)])
        .prints([
            "order corner tea 2 1.5",
            "7 3 ordered tea <nil>",
            "0 0  no space left on device",
            "order corner tea 2 1.5",
            "7 3 ordered tea <nil>",
        ]),
        case("order and compare", fault(order, "return: {err: io.EOF}")).prints(["true false EOF"]),
        case("order and compare", fault(order, "return: {err: main.errOwn}"))
            .when("of its own")
            .prints(["false true own error"]),
        case(
            "order and compare",
            fault(order, "return: {err: {message: shelf is empty}}"),
        )
        .when("with a text")
        .prints(["false false shelf is empty"]),
    ]
}

fn panics() -> Vec<Case> {
    vec![
        case("fails", when("fails", "when: {nth: 1}", "panic: true"))
            .counted([counts(2, 2, 1, 0)])
            .prints([&format!("fails {NIL}"), "body 2 after", "4 <nil>"]),
        case("fails uncaught", fault("fails", "panic: true"))
            .head("expect: {exit: 2}")
            .prints([]),
        case("fails uncaught", fault("fails", "panic: true"))
            .when("not expected")
            .exits(1)
            .prints([]),
        case("leaf panics", fault("leafPanics", "panic: true")).prints([&format!("store {NIL}"), "5"]),
        case("panic of a thread", fault("fails", "panic: true")).prints([&format!("thread {NIL}")]),
        case("panics of a closure", fault("useClosures.func1", "panic: true"))
            .prints([&format!("closure {NIL}")]),
        case("fails", fault("fails", "panic: true"))
            .when("counted")
            .head("expect: {exit: 2, panics: 2}")
            .counted([counts(2, 2, 2, 0)])
            .prints([&format!("fails {NIL}")]),
        case("fails", fault("fails", "panic: true"))
            .when("too often")
            .head("expect: {exit: 2, panics: \"3..4\"}")
            .exits(1)
            .counted([counts(2, 2, 2, 0)])
            .prints([&format!("fails {NIL}")]),
    ]
}

/// Panics of goinject's and of the program's own, through frames that recover and frames that are probed.
fn panics_and_defers() -> Vec<Case> {
    vec![
        case("open-coded", fault("fails", "panic: true"))
            .calls(2)
            .prints([
                "third true",
                "second 100",
                "first 110",
                "111",
                "third true",
                "first 100",
                "101",
            ]),
        case("panics in defer", fault("fails", "panic: true")).prints([
            "outer runtime error: invalid memory address or nil pointer dereference",
            "1",
        ]),
        case("deep panic", fault("fails", "panic: true"))
            .calls(2)
            .prints([&format!("deep {NIL}"), &format!("again {NIL}")]),
        case("per level", when("fails", "if: n == 3", "panic: true"))
            .counted([counts(2, 1, 1, 0)])
            .prints(["body 4 level", "5"]),
        case("fails by itself", fault("fails", "set: {r: 5}")).prints([
            "body -1 by itself",
            "fails by itself",
            "body 1 fine",
            "fails <nil>",
        ]),
        case("fails by itself", fault("fails", "set: {why: other, r: 5}"))
            .when("both ways")
            .counted([Counts {
                applied: 1,
                ..counts(2, 2, 2, 0)
            }])
            .prints(["body -1 other", "fails other", "body 1 other", "fails <nil>"]),
    ]
}

/// Several rules on one function: each decides, and the first early return or panic ends the list.
fn in_order() -> Vec<Case> {
    let order = "(*shop).order";
    let never = "expect: {fired: 0}";
    vec![
        case("order", fault(order, "set: {count: 4}"))
            .when("changed, then ended")
            .and(fault(order, "return: {id: 1}"))
            .and(when(order, never, "panic: true"))
            .counted([counts(1, 1, 1, 0), counts(1, 1, 1, 0), counts(0, 0, 0, 0)])
            .prints(["1 0  <nil>"]),
        case(
            "order thrice",
            when(order, "when: {nth: 2}", "return: {id: 1, note: ended}"),
        )
        .when("ended, else changed")
        .and(when(order, "if: count == 2", "set: {count: 4, note: changed}"))
        .and(when(order, "when: {every: 2}", "set: {price: 0.25}"))
        .counted([counts(3, 3, 1, 0), counts(2, 2, 2, 0), counts(2, 2, 1, 0)])
        .prints([
            "order corner tea 4 1.5",
            "7 6 changed <nil>",
            "1 0 ended <nil>",
            "order corner tea 4 0.25",
            "7 1 changed <nil>",
        ]),
        case("fails", when("fails", "if: n == 1", "panic: true"))
            .when("one panics, one returns")
            .and(when("fails", "if: n == 2", "return: {r: 3}"))
            .counted([counts(2, 1, 1, 0), counts(1, 1, 1, 0)])
            .prints([&format!("fails {NIL}"), "3 <nil>"]),
    ]
}
