//! Pointers to numbers, texts and booleans.

use goinject_tests::{Case, counts};

use super::{rule, sets};

pub(crate) fn rows() -> Vec<Case> {
    vec![
        sets("pointers", "{n: 5, s: other, b: true, d: 2h}")
            .when("what they lead to")
            .prints(["saw 5 other true true", "gave true true 6 other true 2h0m0s"]),
        sets("pointers", "{n: {add: 3}, s: {len: 2}, b: null}")
            .when("changed, and nil")
            .prints(["saw 10 te false false", "gave true true 11 te false 1s"]),
        sets("pointers", "{n: {new: 5}, d: {new: 3h}, b: {new: true}}")
            .when("to new ones")
            .prints(["saw 5 text true true", "gave false true 7 text false 1s"]),
        sets("pointers", "{s: {new: made}, \"results[1]\": {new: other}}")
            .when("to new texts")
            .prints(["saw 7 made false false", "gave true false 8 text false 1s"]),
        sets("pointers", "{\"results[0]\": 9, \"results[1]\": null}")
            .when("as results")
            .prints(["saw 7 text false false", "gave true false 9 text false 1s"]),
        rule(
            "pointers",
            "{function: main.pointers, inject: {return: {\"results[0]\": {new: 7}}}}",
        )
        .when("to a new one, returned")
        .prints(["gave true false 7 text false 1s"]),
        rule(
            "options",
            "{function: main.options, if: 'o.Replicas == 2 && o.Color.startsWith(\"bl\") && o.Again != null', \
             inject: {set: {o.Replicas: 3, o.Color: red}}}",
        )
        .when("behind a struct, by what they lead to")
        .counted([counts(2, 1, 1, 0)])
        .prints(["saw 3 red true", "gave red", "saw nil nil false"]),
        rule(
            "options",
            "{function: main.options, if: o.Color == null, inject: {set: {o.Replicas: {new: 8}}}}",
        )
        .when("behind a struct, where one is nil")
        .counted([counts(2, 1, 1, 0)])
        .prints(["saw 2 blue false", "gave blue", "saw 8 nil false"]),
        rule(
            "options",
            "{function: main.options, inject: {set: {o.Replicas: 3}}, expect: {failed: 1}}",
        )
        .when("behind a struct, where it is nil, which is counted")
        .counted([counts(2, 2, 2, 1)])
        .prints(["saw 3 blue true", "gave blue", "saw nil nil false"]),
        rule(
            "options",
            "{function: main.options, if: o.Again < 5, inject: {set: {o.Again: 3}}}",
        )
        .when("behind two")
        .counted([counts(2, 1, 1, 0)])
        .prints(["saw 3 blue true", "gave blue", "saw nil nil false"]),
    ]
}
