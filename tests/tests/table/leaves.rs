//! Functions without a stack check, whose first instruction may use a parameter already.

use goinject_tests::{Case, case, set};

pub(crate) fn rows() -> Vec<Case> {
    vec![
        case("leaf int", set("leafInt", "{a: 41}")).prints(["42"]),
        case("leaf int", set("leafInt", "{a: 41, \"results[0]\": -5}"))
            .when("with its result")
            .prints(["-5"]),
        case("leaf sum", set("leafSum", "{a: 10, b: 20, c: 30}")).prints(["610"]),
        case("leaf sum", set("leafSum", "{c: 30}"))
            .when("the last")
            .prints(["61"]),
        case("leaf float", set("leafFloat", "{x: 5}")).prints(["25"]),
        case("leaf float", set("leafFloat", "{\"results[0]\": 0.5}"))
            .when("result")
            .prints(["0.5"]),
        case("leaf floats", set("leafFloats", "{y: 100}")).prints(["-97"]),
        case("leaf max", set("leafMax", "{a: 50}"))
            .calls(2)
            .prints(["50 50"]),
        case("leaf max", set("leafMax", "{\"results[0]\": 7}"))
            .when("results")
            .calls(2)
            .prints(["7 7"]),
        case("leaf store", set("leafStore", "{v: 50}")).prints(["50 0"]),
        case("leaf load", set("leafLoad", "{add: 100}")).prints(["105"]),
        case("leaf setter", set("(*counter).setTo", "{n: 30}")).prints(["{30 2}"]),
        case("leaf setter", set("(*counter).setTo", "{c.ratio: 0.5}"))
            .when("another field")
            .prints(["{3 0.5}"]),
        case("leaf float setter", set("(*counter).setRatio", "{x: 0.5}")).prints(["{1 0.5}"]),
        case("leaf global", set("leafGlobal", "{v: 50}")).prints(["50"]),
        case("leaf constant", set("leafConstant", "{a: 5, \"results[0]\": 70}")).prints(["70"]),
        case(
            "leaf nothing",
            "{function: main.leafNothing, mode: observe, inject: {panic: true}}",
        )
        .observed()
        .prints([]),
        case("leaf identity", set("leafIdentity", "{a: 10, b.len: 2}")).prints(["10 te"]),
        case("leaf switch", set("leafSwitch", "{n: 2}"))
            .calls(4)
            .prints(["200 200 200 200"]),
        case("leaf switch", set("leafSwitch", "{\"results[0]\": 5}"))
            .when("results")
            .calls(4)
            .prints(["5 5 5 5"]),
    ]
}
