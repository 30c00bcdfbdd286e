//! More values than there are registers, and values of all kinds beside each other.

use goinject_tests::{Case, case, set};

use crate::lists_blanks;

pub(crate) fn rows() -> Vec<Case> {
    vec![
        // Nine integers have registers; the rest is on the stack.
        case("many ints", set("manyInts", "{a: 100, i: 900, j: 1000, l: 1200}"))
            .when("parameters")
            .prints(["100 2 3 4 5 6 7 8 900 1000 11 1200", "100 2 3 4 5 6 7 8 900 1000 11 1200"]),
        case("many ints", set("manyInts", "{r: -1, z: -9, aa: -10, cc: -12}"))
            .when("results")
            .prints(["1 2 3 4 5 6 7 8 9 10 11 12", "-1 2 3 4 5 6 7 8 -9 -10 11 -12"]),
        case(
            "many ints",
            set(
                "manyInts",
                "{a: 21, b: 22, c: 23, d: 24, e: 25, f: 26, g: 27, h: 28, i: 29, j: 30, k: 31, l: 32}",
            ),
        )
        .when("every parameter")
        .prints(["21 22 23 24 25 26 27 28 29 30 31 32", "21 22 23 24 25 26 27 28 29 30 31 32"]),
        case(
            "many ints",
            set("manyInts", "{\"args[0]\": 21, \"args[11]\": 32, \"results[8]\": 33, \"results[11]\": 34}"),
        )
        .when("by position")
        .prints(["21 2 3 4 5 6 7 8 9 10 11 32", "21 2 3 4 5 6 7 8 33 10 11 34"]),
        // Fifteen floats have registers.
        case("many floats", set("manyFloats", "{a: 0.5, o: 15.5, p: 16.5, q: 17.5}"))
            .when("parameters")
            .prints([
                "0.5 2 3 4 5 6 7 8 9 10 11 12 13 14 15.5 16.5 17.5",
                "0.5 2 3 4 5 6 7 8 9 10 11 12 13 14 15.5 16.5 17.5",
            ]),
        case("many floats", set("manyFloats", "{r: -1.5, ff: -15.5, gg: -16.5, hh: -17.5}"))
            .when("results")
            .prints([
                "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17",
                "-1.5 2 3 4 5 6 7 8 9 10 11 12 13 14 -15.5 -16.5 -17.5",
            ]),
        case(
            "narrow ones",
            set(
                "narrowOnes",
                "{a: -1, b: 65535, c: true, e: 255, f: -0.5, h: -32768, j: -128, k: true, l: -2, m: 1000, s: false}",
            ),
        )
        .prints(["-1 65535 true 4 255 -0.5 false -32768 9 -128 true -2 1000", "-2 false 1000"]),
        case("rolled back", set("rolledBack", "{g: 70, late: 100, s: 200}"))
            .prints(["1 2 3 4 5 6 70 [8 9] 100 text", "[8 9] 200 text"]),
        case("every kind", set("everyKind", "{n: -3, ratio: 2.5, ok: true, wide: 20.5, count: 99, back: -1}"))
            .prints([
                "text -3 2.5 [x y] true 4.5 {5 6 seven [56] 9} 20.5 {11 12} 42",
                "text 99 <nil> {5 6 seven [56] 9} -1",
            ]),
        case(
            "every kind",
            set("everyKind", "{m.small: 255, m.ratio: 0.25, m.wide: -9, p.b: 120, part.ratio: 0.5, part.wide: 7}"),
        )
        .when("fields")
        .prints([
            "text 3 1.5 [x y] false 4.5 {255 0.25 seven [56] -9} 10 {11 120} 42",
            "text 3 <nil> {255 0.5 seven [56] 7} 10",
        ]),
        case("arrays", set("arrays", "{\"one[0]\": 10, \"two[1]\": 30, n: 40, \"r[0]\": 11, \"s[0]\": 21, last: 41}"))
            .prints(["[10] [2 30] [] 40", "[11] [21 30] 41"]),
        case("unnamed", set("unnamed", "{\"results[0]\": 10, \"results[1]\": 20.5}")).prints(["10 20.5 three"]),
        case("partly named", set("partlyNamed", "{b: 20, d: 40.5, \"args[0]\": 10, \"results[0]\": 100, r: 200}"))
            .only(lists_blanks)
            .prints(["20 40.5", "100 200"]),
    ]
}
