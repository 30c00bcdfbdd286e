//! Ends of functions, large frames, recursion, closures, several calls and several functions.

use goinject_tests::{Case, case, counts, set};

pub(crate) fn rows() -> Vec<Case> {
    [ends(), frames(), calls(), rules()].concat()
}

fn ends() -> Vec<Case> {
    vec![
        case("many ends", set("manyEnds", "{r.len: 1}"))
            .calls(5)
            .prints(["negative", "z m e d o"]),
        case("ends", set("ends", "{r: 7}"))
            .calls(3)
            .prints(["one", "two", "more", "7 7 7"]),
        case("ends", set("ends", "{n: 2, r: 7}"))
            .when("both ways")
            .calls(3)
            .prints(["two", "two", "two", "7 7 7"]),
        case("recovers", set("recovers", "{r: 42}"))
            .calls(2)
            .prints(["42 fine", "42 recovered 2"]),
        case("recovers", set("recovers", "{n: 5}"))
            .when("always panics")
            .calls(2)
            .prints(["-1 recovered 5", "-1 recovered 5"]),
        case("deferred", set("deferred", "{n: 2}")).prints(["102"]),
        case("deferred", set("deferred", "{r: 3}"))
            .when("result")
            .prints(["3"]),
        case("deferred in loop", set("deferredInLoop", "{n: 2}")).prints(["202"]),
        case("deferred in loop", set("deferredInLoop", "{r: 3}"))
            .when("result")
            .prints(["3"]),
        case("repanics", set("repanics", "{r: 6}")).prints(["6"]),
    ]
}

fn frames() -> Vec<Case> {
    vec![
        case("large", set("large", "{n: 20}")).calls(2).prints(["62 62"]),
        case("large", set("large", "{r: -20}"))
            .when("result")
            .calls(2)
            .prints(["-20 -20"]),
        case("huge", set("huge", "{x: 2.5, n: 1}"))
            .calls(2)
            .prints(["2.5 2.5"]),
        case("huge", set("huge", "{r: -2.5}"))
            .when("result")
            .calls(2)
            .prints(["-2.5 -2.5"]),
        case("descend", set("descend", "{weight: 5}"))
            .calls(11)
            .prints(["55"]),
        case("descend far", set("descend", "{weight: 5}"))
            .when("with a growing stack")
            .calls(2001)
            .prints(["10005"]),
        case("depth", set("depth", "{r: 7}"))
            .calls(6)
            .prints(["bottom", "7"]),
        case("pages", set("pages", "{x: 2.5}"))
            .calls(301)
            .prints(["302.5"]),
    ]
}

fn calls() -> Vec<Case> {
    vec![
        case(
            "closure",
            set("useClosure.func1", "{n: 100, x: 0.5, \"results[1]\": 9.5}"),
        )
        .prints(["10 100 0.5", "111 9.5", "11"]),
        case(
            "closure called here",
            set("calledHere.func1", "{\"args[0]\": 77, \"args[1]\": new}"),
        )
        .prints(["10 text 77 new"]),
        case("closure called here", set("calledHere.func1", "{base: 77}"))
            .when("what it captures")
            .prints(["77 text 20 own"]),
        case("closure on one line", set("onOneLine.func1", "{k: 77}")).prints(["10 77"]),
        case("through a wrapper", set("priced.rate", "{\"results[0]\": 7}"))
            .calls(2)
            .prints(["7", "7"]),
        case(
            "through a wrapper",
            "{function: main.priced.rate, if: 'p.base > 2.5 && p.label == \"three\"', inject: {set: {currency: longer}}}",
        )
        .when("conditions on the receiver")
        .counted([counts(2, 1, 1, 0)])
        .prints(["8", "14"]),
        case(
            "through a wrapper",
            "{function: main.priced.rate, inject: {return: {\"results[0]\": 0.5}}}",
        )
        .when("returned early")
        .calls(2)
        .prints(["0.5", "0.5"]),
        case("constant through a wrapper", set("constant.rate", "{\"results[0]\": 7}"))
            // Before Go 1.17 a receiver without a name is not recorded, and its size is not certain.
            .only(|build| build.version != "1.15")
            .prints(["7"]),
        case("through a calling wrapper", set("whole.rate", "{\"results[0]\": 7}"))
            .calls(2)
            .prints(["7", "7"]),
        case(
            "through a calling wrapper",
            "{function: {glob: \"main.{whole,(\\\\*whole)}.rate\"}, inject: {set: {\"results[0]\": 7}}}",
        )
        .when("both by a pattern")
        .calls(2)
        .prints(["7", "7"]),
        case("variadic", set("variadic", "{first: 10, rest.len: 0}"))
            .calls(2)
            .prints(["10 []", "10 []", "10 10"]),
        case("foreign", set("weighed", "{id: 30, \"results[0]\": 7}"))
            .only(|build| build.flags.external || build.flags.race)
            .prints(["30 2.5", "7"]),
        case("foreign", set("weighed", "{weight: 100}"))
            .when("what C gets")
            .only(|build| build.flags.external || build.flags.race)
            .prints(["3 100", "300"]),
        case("on another goroutine", set("onAnother", "{n: 50}")).prints(["50"]),
        case("called often", set("called", "{n: 7, r: 8}"))
            .calls(3)
            .prints(["7", "8", "7", "8", "7", "8"]),
        case(
            "called often",
            "{function: main.called, mode: observe, inject: {set: {n: 7, r: 8}}}",
        )
        .when("observed")
        .calls(3)
        .observed()
        .prints(["0", "0", "1", "1", "2", "2"]),
        case("caller and called", set("otherOne", "{a: 10, r: 12}"))
            .and(set("calledInside", "{r: 11}"))
            .prints(["10", "12"]),
        case(
            "by pattern",
            "{function: {glob: \"main.called{First,Second}\"}, inject: {set: {a: 5}}}",
        )
        .when("glob")
        .calls(2)
        .prints(["5", "5", "3", "5 5 3"]),
        case(
            "by pattern",
            "{function: {glob: \"main.*calledT*\"}, inject: {set: {r: 5}}}",
        )
        .when("glob of a method")
        .prints(["1", "2", "3", "1 2 5"]),
        case(
            "by pattern",
            "{function: {regex: 'main\\..*called(First|Second|Third)'}, inject: {set: {a: 5, r: 6}}}",
        )
        .when("regex")
        .calls(3)
        .prints(["5", "5", "5", "6 6 6"]),
    ]
}

/// Several rules on one function act in the order of the file.
fn rules() -> Vec<Case> {
    vec![
        case("called often", set("called", "{n: 1}"))
            .when("a later rule over an earlier one")
            .and(set("called", "{n: 2}"))
            .and(set("called", "{r: 3}"))
            .and(set("called", "{r: 4}"))
            .calls(3)
            .prints(["2", "4", "2", "4", "2", "4"]),
        case("called often", set("called", "{n: 1, r: 4}"))
            .when("an observing rule among others")
            .and("{function: main.called, mode: observe, inject: {set: {n: 2, r: 3}}}")
            .counted([
                counts(3, 3, 3, 0),
                goinject_tests::Counts {
                    applied: 0,
                    ..counts(3, 3, 3, 0)
                },
            ])
            .prints(["1", "4", "1", "4", "1", "4"]),
        case("every kind", set("everyKind", "{n: 7}"))
            .when("one rule a value")
            .and(set("everyKind", "{wide: 8.5}"))
            .and(set("everyKind", "{count: 9}"))
            .and(set("everyKind", "{back: 0.5}"))
            .prints([
                "text 7 1.5 [x y] false 4.5 {5 6 seven [56] 9} 8.5 {11 12} 42",
                "text 9 <nil> {5 6 seven [56] 9} 0.5",
            ]),
        case(
            "by pattern",
            "{function: {glob: \"main.called*\"}, inject: {set: {a: 5}}}",
        )
        .when("a glob and one of its functions")
        .and(set("calledSecond", "{a: 6}"))
        .counted([counts(2, 2, 2, 0), counts(1, 1, 1, 0)])
        .prints(["5", "6", "3", "5 6 3"]),
    ]
}
