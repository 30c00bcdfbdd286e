//! Pointers, maps, channels, functions, and what lies behind them.

use goinject_tests::Case;

use super::{rule, sets};

pub(crate) fn rows() -> Vec<Case> {
    vec![
        sets("node", "{n.Next.Next: main.Spare, n.Next.Value: 3}")
            .when("fields behind two")
            .prints(["saw 1 true false 9", "gave true"]),
        sets("node", "{n: main.Spare}")
            .when("a variable's address")
            .prints(["saw 77 false false 9", "gave true"]),
        sets(
            "node",
            "{n: main.SparePtr, raw: main.Spare, \"results[0]\": null}",
        )
        .when("a variable's value")
        .prints(["saw 78 false false 9", "gave false"]),
        sets("node", "{n: {Value: 5, Next: null}}")
            .when("fields behind it")
            .prints(["saw 5 false false 9", "gave true"]),
        sets("node", "{n: {new: {Value: 5, Next: {new: {Next: main.Spare}}}}}")
            .when("new ones")
            .prints(["saw 5 true false 9", "gave true"]),
        sets("node", "{n: null, raw: null, address: 0x1000}")
            .when("nil")
            .prints(["saw -1 false true 4096", "gave false"]),
        sets("references", "{m: main.Table, c: main.Pipe, f: main.triple}")
            .when("variables and a function")
            .prints(["saw map[spare:1] true 3 63", "gave map[spare:1] 3 true"]),
        sets("references", "{m: null, c: null, f: null}")
            .when("nil")
            .prints(["saw map[] false 0 -1", "gave map[] 0 false"]),
        sets("references", "{f: main.Double}")
            .when("a variable that is a nil function")
            .prints(["saw map[a:1] true 2 -1", "gave map[a:1] 2 false"]),
        sets(
            "references",
            "{\"results[0]\": null, \"results[1]\": null, \"results[2]\": null}",
        )
        .when("nil as results")
        .prints(["saw map[a:1] true 2 42", "gave map[] 0 false"]),
        sets(
            "behind",
            "{c.Host: replaced, c.Port: 8080, c.Err: io.EOF, c.Next: null, \"c.Seq[1]\": 9}",
        )
        .when("on the stack or the heap")
        .prints([
            "saw 5 [x] replaced 8080 0.5 *errors.errorString \"EOF\" is EOF false [1 9]",
            "is 5 replaced",
        ]),
        sets(
            "shared",
            "{c.Host: replaced, c.Port: 8080, c.Err: {errno: ENOSPC}, c.ID: {add: 1}}",
        )
        .when("in a package variable")
        .prints([
            "saw 2 replaced 8080 syscall.Errno \"no space left on device\" is ENOSPC errno 28",
            "is 2 replaced 8080 syscall.Errno \"no space left on device\" is ENOSPC errno 28",
        ]),
        sets("untouched", "{\"numbers[2]\": 7}")
            .when("in a page that the program never wrote")
            .prints(["saw [0 0 7 0]", "gave 0 [0 0 7 0]"]),
        rule(
            "constant",
            "{function: main.constant, inject: {set: {\"letters[0]\": 79}}, expect: {failed: 1}}",
        )
        .when("in a constant, which is left alone")
        .counted([goinject_tests::counts(1, 1, 1, 1)])
        .prints(["saw original", "gave 8 original"]),
        rule(
            "rename",
            "{function: main.(*Inner).Rename, inject: {set: {tag: other, i.ID: 6}}}",
        )
        .when("of a promoted method, also as a value and through an interface")
        .calls(3)
        .prints([
            "saw 6 other",
            "gave other",
            "saw 6 other",
            "gave other",
            "saw 6 other",
            "gave other",
        ]),
        rule(
            "describe",
            "{function: main.Pair.Describe, inject: {set: {suffix: \"#\", p.Name: r}}}",
        )
        .when("of a receiver by value, also through an interface")
        .calls(2)
        .prints(["saw r 1 #", "gave r#", "saw r 2 #", "gave r#"]),
    ]
}
