//! Values of every kind: texts, errors, pointers, references, complex numbers.

use goinject_tests::{Case, case, set};

pub(crate) fn rows() -> Vec<Case> {
    [texts(), errors(), references()].concat()
}

fn texts() -> Vec<Case> {
    vec![
        case(
            "texts",
            set(
                "texts",
                "{name: \"another text, and longer\", raw: \"other\", \"list[1]\": 20, \"results[0]\": \"\"}",
            ),
        )
        .prints(["another text, and longer other [1 20 3]", " [1 20 3]"]),
        case(
            "texts",
            set(
                "texts",
                "{name.len: 2, raw: null, list.len: 1, \"results[1].len\": 0}",
            ),
        )
        .when("lengths")
        .prints(["na  [1]", "na []"]),
        case(
            "waves",
            set(
                "waves",
                "{c: 0.5-1.5i, d: 8+9i, \"p[1]\": new, \"results[0]\": 1}",
            ),
        )
        .prints(["(0.5-1.5i) (8+9i) [a new]", "(1+0i) [a new]"]),
    ]
}

fn errors() -> Vec<Case> {
    let fails = |value: &str| set("failsNever", &format!("{{n: 9, err: {value}}}"));
    vec![
        case("fails never", fails("{message: \"disk on fire\"}")).prints(["op", "9 other: disk on fire"]),
        case("fails never", fails("{errno: ENOSPC}"))
            .when("an error of the system")
            .prints(["op", "9 system's: no space left on device"]),
        case("fails often", set("failsOften", "{err: null}")).prints(["op", "0 none"]),
        case("fails often", set("failsOften", "{op: \"other\", err: io.EOF}"))
            .when("another package's error")
            .prints(["other", "0 end: EOF"]),
    ]
}

fn references() -> Vec<Case> {
    vec![
        case(
            "handles",
            set(
                "handles",
                "{r.tries: 30, r.header.key: \"host\", \"r.header.values[1]\": \"new\", next: null, m: null, \
                 done: null, f: null, v: null}",
            ),
        )
        .prints([
            "/ 30 host [a new] true true true true <nil>",
            "true true / 30 [a new]",
        ]),
        case(
            "handles",
            set(
                "handles",
                "{r.path: \"/other\", \"results[0]\": null, \"results[1]\": null}",
            ),
        )
        .when("results")
        .prints([
            "/other 3 accept [a b] false false false false full",
            "true true /other 3 [a b]",
        ]),
    ]
}
