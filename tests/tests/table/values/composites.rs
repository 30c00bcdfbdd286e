//! Structs, arrays, complex numbers, closures.

use goinject_tests::Case;

use super::{rule, sets, since_1_19};

pub(crate) fn rows() -> Vec<Case> {
    vec![
        sets("pair", "{p: {Name: other, Count: -5}}")
            .when("whole")
            .prints(["saw 7 other -5 9", "gave {other -5}"]),
        sets("pair", "{p: {Count: {add: 2}}, \"results[0]\": {Name: {len: 2}}}")
            .when("in parts")
            .prints(["saw 7 pair 10 9", "gave {pa 10}"]),
        sets("pair", "{p.Name: replaced, \"results[0].Count\": 3}")
            .when("by field")
            .prints(["saw 7 replaced 8 9", "gave {replaced 3}"]),
        sets(
            "config",
            "{c: {ID: 6, Host: replaced, Port: 8080, Ratio: 0.25, Err: {errno: ENOSPC}, Next: null, Seq: [8, 9]}}",
        )
        .when("whole, with promoted fields")
        .prints([
            "saw 8 6 [x] replaced 8080 0.25 syscall.Errno \"no space left on device\" is ENOSPC errno 28 false [8 9] 9",
            "gave 6 [x] replaced 8080 0.25 syscall.Errno \"no space left on device\" is ENOSPC errno 28 false [8 9]",
        ]),
        sets("config", "{c.Inner: {Tags: {len: 0}}, c.Tags.len: 0, \"results[0].Host\": out, before: 1, after: 2}")
            .when("by field, with its neighbours")
            .prints([
                "saw 1 5 [] host 80 0.5 *errors.errorString \"quota exceeded\" is Quota true [1 2] 2",
                "gave 5 [] out 80 0.5 *errors.errorString \"quota exceeded\" is Quota true [1 2]",
            ]),
        // What is not named is not what happens to be there.
        rule("pair", "{function: main.pair, inject: {return: {\"results[0]\": {Count: 4}}}}")
            .when("returned in part")
            .prints(["gave { 4}"]),
        rule("config", "{function: main.config, inject: {return: {\"results[0]\": {Host: out}}}}")
            .when("returned in part")
            .prints(["gave 0 [] out 0 0 nil false [0 0]"]),
        sets("arrays", "{a: [-1, 0, 1], b: [other], c: {bytes: \"ff00ff01\"}}")
            .when("whole")
            .prints(["saw [-1 0 1] [other] [255 0 255 1]", "gave [-1 0 1] [other]"]),
        sets("arrays", "{\"a[1]\": {xor: 0xff}, \"b[0]\": {len: 1}, \"results[1][0]\": out}")
            .when("by element")
            .prints(["saw [1 253 3] [o] [1 2 3 4]", "gave [1 253 3] [out]"]),
        sets("complexes", "{c: \"-1.5+2e3i\", d: [0.5, -1]}")
            .when("as parameters")
            .prints(["saw (-1.5+2000i) (0.5-1i)", "gave (-1.5+2000i) (0.5-1i)"]),
        sets("complexes", "{\"results[0]\": 7, \"results[1]\": \"2i\"}")
            .when("as results")
            .prints(["saw (1+2i) (3+4i)", "gave (7+0i) (0+2i)"]),
        rule("closures", "{function: main.closures.func1, inject: {set: {s: other, \"results[0]\": x}}}")
            .when("its parameter and result")
            .only(since_1_19)
            .prints(["saw captured other", "gave x"]),
    ]
}
