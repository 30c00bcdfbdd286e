//! Changes of numbers: `add`, `xor`, `random`.

use goinject_tests::Case;

use super::{rule, sets};

pub(crate) fn rows() -> Vec<Case> {
    vec![
        sets("numbers", "{a: {add: -128}, b: {add: 65535}, c: {add: 5}, e: {add: 0.25}, f: {add: -6}, g: {add: 50ms}, h: {add: 100}}")
            .when("added to parameters, some beyond their range")
            .prints([
                "saw 127 1 8 false 4.75 -0.5 1.05s 44",
                "gave 127 1 8 4.75 -0.5 1.05s",
            ]),
        sets("numbers", "{a: {xor: 0x80}, b: {xor: 0xffff}, c: {xor: 0x8000000000000000}, h: {xor: 1}, f: {xor: 0x80000000}}")
            .when("flipped")
            .prints([
                "saw 127 65533 -9223372036854775805 false 4.5 -5.5 1s 201",
                "gave 127 65533 -9223372036854775805 4.5 -5.5 1s",
            ]),
        sets("numbers", "{a: {random: [-7, -7]}, b: {random: [65535, 65535]}, e: {random: [1.5, 1.5]}, f: {random: [-2, -2]}, g: {random: [3s, 3s]}}")
            .when("random from ranges of one")
            .prints([
                "saw -7 65535 3 false 1.5 -2 3s 200",
                "gave -7 65535 3 1.5 -2 3s",
            ]),
        rule("numbers", "{function: main.numbers, inject: {set: {a: {random: [-128, 127]}, c: {random: [-1000, 1000]}, e: {random: [-1, 1]}, g: {random: [1ms, 1s]}}}}")
            .head("seed: 42")
            .when("random, the same for the same seed on every engine")
            .prints([
                "saw 115 2 538 false 0.892613938346579 5.5 283.296652ms 200",
                "gave 115 2 538 0.892613938346579 5.5 283.296652ms",
            ]),
        sets("numbers", "{\"results[0]\": {add: 1}, \"results[3]\": {add: 1e300}, \"results[5]\": {add: -1h}}")
            .when("added to results")
            .prints(["saw -1 2 3 false 4.5 5.5 1s 200", "gave 0 2 3 1e+300 5.5 -59m59s"]),
    ]
}
