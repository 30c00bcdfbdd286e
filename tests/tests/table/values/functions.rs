//! Values of functions that are called, declared or compiled in other ways than most, and of types around types.

use goinject_tests::Case;

use super::{rule, sets, sets_of, since_1_19};

pub(crate) fn rows() -> Vec<Case> {
    [types(), calls(), generics()].concat()
}

fn types() -> Vec<Case> {
    vec![
        sets(
            "large",
            "{l: {Name: other, Err: io.EOF, D: -4}, \"results[1]\": {A: 10, Name: {len: 2}, Err: null}}",
        )
        .when("a struct that falls to the stack as a whole")
        .prints([
            "saw 1 {1 2 3 -4 other 5 6 7 EOF} after",
            "gave after {10 2 3 -4 ot 5 6 7 <nil>}",
        ]),
        sets(
            "embedded",
            "{o.ID: 50, o.Tags: {len: 0}, o.Name: other, o.Pair.Count: 60, o.Level: 70, \"results[0].Name\": out}",
        )
        .when("through a pointer, and by value")
        .prints(["saw 50 [] other 60 70", "gave 50 [] out 60 70"]),
        sets(
            "named",
            "{l: other, all: {len: 1}, \"all[0]\": first, \"results[0]\": {xor: 0x20}, \"results[1][0]\": z}",
        )
        .when("types")
        .prints(["saw other [first]", "gave OTHER [z]"]),
        sets_of(
            "serve",
            "(*server).serve",
            "{\"s.cfg.limits[2].max\": 5, \"s.cfg.limits[2].name\": five, s.cfg.address.Path: /new, path: /p}",
        )
        .when("a long way")
        .prints([
            "saw /p [{0 } {0 } {5 five}] /new",
            "gave 2 {5 five} /new",
        ]),
        sets(
            "logf",
            "{format: other, \"args[1][0]\": main.ErrQuota, \"args[1][1]\": null, n: 7, err: {errno: EPIPE}}",
        )
        .when("variadic of any")
        .prints([
            "saw other 2 [quota exceeded <nil>]",
            "gave 7 syscall.Errno \"broken pipe\" errno 32",
        ]),
        sets("logf", "{args: null}")
            .when("its slice nil")
            .prints(["saw %v %v 0 []", "gave 1 nil"]),
    ]
}

fn calls() -> Vec<Case> {
    vec![
        sets_of("method value", "(*Pair).Grow", "{by: 10, p.Name: other, \"results[0]\": -1}")
            .when("the method behind it")
            .prints(["gave -1 11"]),
        sets_of("method expression", "Pair.Describe", "{p.Name: other, suffix: \"#\"}")
            .prints(["saw other 1 #", "gave other#"]),
        sets_of("deferred", "released", "{name: other}").when("its parameter").prints(["gave [other]"]),
        sets("started", "{name: other}").prints(["gave other"]),
        rule(
            "assembly",
            "{function: main.sum, signature: \"func(a int64, s string, b float64) (n int64, r float64, t string)\", \
             inject: {set: {a: 10, s: {len: 2}, b: 0.5, t: result}}}",
        )
        .prints(["gave 12 0.5 result"]),
    ]
}

fn generics() -> Vec<Case> {
    vec![
        sets_of(
            "generic",
            "Largest[...]",
            "{name: other, items: {len: 1}, \"results[1]\": io.EOF}",
        )
        .only(since_1_19)
        .calls(2)
        .prints([
            "saw other [1] 3",
            "gave 3 *errors.errorString \"EOF\" is EOF",
            "saw other [a] c",
            "gave c *errors.errorString \"EOF\" is EOF",
        ]),
        rule(
            "generic",
            "{function: {glob: \"main.Largest*\"}, inject: {set: {least: 7}}}",
        )
        .when("of the instances that it fits")
        .only(since_1_19)
        .prints([
            "saw ints [1 5] 7",
            "gave 7 nil",
            "saw strings [a b] c",
            "gave c nil",
        ]),
        sets_of(
            "generic method",
            "(*List[...]).Add",
            "{item: other, note: n, l.name: renamed, \"results[0]\": 5}",
        )
        .only(since_1_19)
        .prints(["saw renamed other n", "gave 5 nil [other]"]),
    ]
}
