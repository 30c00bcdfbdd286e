//! Strings and slices: replaced, cut, flipped.

use goinject_tests::Case;

use super::{rule, sets};

pub(crate) fn rows() -> Vec<Case> {
    vec![
        sets("text", "{s: \"\", \"results[0]\": in and out}")
            .when("emptied, and replaced")
            .prints(["saw 1 \"\" 2", "gave \"in and out\" 3"]),
        sets("text", "{\"results[0]\": \"größer\"}")
            .when("replaced as a result")
            .prints(["saw 1 \"original\" 2", "gave \"größer\" 3"]),
        sets("text", "{s: injected by a rule}")
            .when("replaced as a parameter")
            .prints(["saw 1 \"injected by a rule\" 2", "gave \"injected by a rule\" 3"]),
        sets("text", "{s: {bytes: \"00ff0a\"}}")
            .when("replaced by bytes")
            .prints(["saw 1 \"\\x00\\xff\\n\" 2", "gave \"\\x00\\xff\\n\" 3"]),
        sets("text", "{s: {len: 3}}")
            .when("cut")
            .prints(["saw 1 \"ori\" 2", "gave \"ori\" 3"]),
        sets("text", "{s: {len: 300}}")
            .when("cut to more than there is")
            .prints(["saw 1 \"original\" 2", "gave \"original\" 3"]),
        sets("text", "{s.len: 0}")
            .when("its length set")
            .prints(["saw 1 \"\" 2", "gave \"\" 3"]),
        rule(
            "text",
            "{function: main.text, inject: {set: {s.len: 9}}, expect: {failed: 1}}",
        )
        .when("its length beyond its end")
        .counted([goinject_tests::counts(1, 1, 1, 1)])
        .prints(["saw 1 \"original\" 2", "gave \"original\" 3"]),
        sets("text", "{s: {xor: 0x20}}")
            .when("flipped")
            .prints(["saw 1 \"ORIGINAL\" 2", "gave \"ORIGINAL\" 3"]),
        sets("raw", "{p: hello}")
            .when("a byte slice by a text")
            .prints(["saw \"hello\" false 5 5 3", "gave \"ifmmp\" \"original\""]),
        sets("raw", "{p: {bytes: [104, 0x69]}}")
            .when("a byte slice by bytes")
            .prints(["saw \"hi\" false 2 2 3", "gave \"ij\" \"original\""]),
        sets("raw", "{p: null, \"results[0]\": {len: 3}}")
            .when("nil")
            .prints(["saw \"\" true 0 0 3", "gave \"\" \"original\""]),
        sets("raw", "{p: [], \"results[0]\": \"\"}")
            .when("empty and not nil")
            .prints(["saw \"\" false 0 0 3", "gave \"\" \"original\""]),
        sets("raw", "{p: {len: 3}}")
            .when("cut")
            .prints(["saw \"ori\" false 3 8 3", "gave \"psj\" \"psjginal\""]),
        sets("raw", "{p.len: 2, p.cap: 4}")
            .when("length and capacity")
            .prints(["saw \"or\" false 2 4 3", "gave \"ps\" \"psiginal\""]),
        sets("raw", "{p: {xor: 0x20}}")
            .when("flipped in a copy")
            .prints(["saw \"ORIGINAL\" false 8 8 3", "gave \"PSJHJOBM\" \"original\""]),
        sets("raw", "{\"p[1]\": 0x52, \"results[0][7]\": 33}")
            .when("by element")
            .prints(["saw \"oRiginal\" false 8 8 3", "gave \"pSjhjob!\" \"pSjhjob!\""]),
        sets("list", "{p: [-1, 0x7fffffff], words: {len: 1}}")
            .when("replaced, and cut")
            .prints(["saw 4 [-1 2147483647] 2 [a] 2", "gave [-1 2147483647]"]),
        sets("list", "{words: [new, main.Name, ones], p: []}")
            .when("new texts")
            .prints(["saw 4 [] 0 [new main.Name ones] 3", "gave []"]),
        sets("list", "{\"words[1]\": replaced, \"p[2]\": {add: 5}}")
            .when("by element")
            .prints(["saw 4 [1 2 8] 3 [a replaced] 2", "gave [1 2 8]"]),
        rule(
            "list",
            "{function: main.list, inject: {set: {\"p[0]\": 9, \"words[2]\": x}}, expect: {failed: 1}}",
        )
        .when("an element that is not there, and nothing else")
        .counted([goinject_tests::counts(1, 1, 1, 1)])
        .prints(["saw 4 [1 2 3] 3 [a b] 2", "gave [1 2 3]"]),
        sets("variadic", "{format: other, args: {len: 1}}")
            .when("its slice cut")
            .prints(["saw other [a]", "gave 1"]),
        sets(
            "variadic",
            "{\"args[1][0]\": other, args.len: 2, \"results[0]\": {add: 5}}",
        )
        .when("by element")
        .prints(["saw f [other b]", "gave 7"]),
        sets(
            "straddle",
            "{late: on the stack, last: -1, p: by registers, \"results[8]\": result}",
        )
        .when("some in registers, some on the stack")
        .prints([
            "saw 1 2 3 4 5 6 7 8 on the stack -1",
            "gave 1 2 3 4 5 6 7 by registers result nil",
        ]),
    ]
}
