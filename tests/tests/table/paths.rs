//! Receivers, fields, elements and lengths.

use goinject_tests::{Case, case, set};

use crate::lists_blanks;

pub(crate) fn rows() -> Vec<Case> {
    [receivers(), fields(), nothing()].concat()
}

fn receivers() -> Vec<Case> {
    vec![
        case(
            "value receiver",
            set(
                "account.after",
                "{a.balance: 200, recv.rate: 2.5, years: 3, total: 7}",
            ),
        )
        .prints(["200 2.5 ann 3", "7 ann"]),
        case(
            "pointer receiver",
            set("(*account).deposit", "{a.balance: 1000, amount: 50}"),
        )
        .prints(["1000 50", "1050", "{1050 1.5 bob}"]),
        case(
            "pointer receiver",
            set(
                "(*account).deposit",
                "{recv.rate: 9, \"args[0]\": 7, \"results[0]\": 1}",
            ),
        )
        .when("by position")
        .prints(["100 7", "1", "{107 9 bob}"]),
        case(
            "receiver without name",
            set("account.withoutName", "{n: 5, \"results[0]\": 50}"),
        )
        .only(lists_blanks)
        .only(lists_blanks)
        .prints(["50"]),
        case(
            "float receiver",
            set("degrees.plus", "{recv: 10, e: 20, sum: 1.25}"),
        )
        .prints(["10 20", "1.25"]),
        case("float receiver", set("degrees.plus", "{d: 10.5}"))
            .when("by its name")
            .prints(["10.5 2", "12.5"]),
        case("integer receiver", set("step.twice", "{recv: 21}")).prints(["21", "42"]),
        case("through an interface", set("(*savings).deposit", "{amount: 40}")).prints(["41"]),
        case(
            "method value",
            set("(*savings).deposit", "{s.total: 100, amount: 1}"),
        )
        .prints(["101"]),
    ]
}

fn fields() -> Vec<Case> {
    vec![
        case("struct in registers", set("fields", "{p.x: 10, p.w: 30.5, p.on: true, n: 40, r.y: 20}"))
            .prints(["{10 2 30.5 true} 40", "{10 20 30.5 true}"]),
        case("behind a pointer", set("throughPointer", "{p.x: 10, p.w: 0.5, p.on: true, r.y: 20}")).prints([
            "{10 2 0.5 true} 4",
            "{10 20 0.5 true}",
            "{10 20 0.5 true}",
        ]),
        case("elements", set("elements", "{\"s[2].y\": 80, \"s[0].w\": 0.5, \"r[1].on\": true}")).prints([
            "[{1 2 0.5 false} {4 5 6 false} {7 80 9 false}] 10",
            "[{1 2 0.5 false} {4 5 6 true} {7 80 9 false}]",
            "[{1 2 0.5 false} {4 5 6 true} {7 80 9 false}]",
        ]),
        case("array elements", set("arrayElements", "{\"s[2].y\": 80, \"r[0].x\": 11}")).prints([
            "[{1 0 0 false} {2 0 0 false} {3 80 0 false}] 4",
            "[{11 0 0 false} {2 0 0 false} {3 80 0 false}]",
        ]),
        case(
            "everywhere",
            set(
                "everywhere",
                "{\"s.corner[1].y\": 1, \"s.all[1].w\": 2.5, s.x: 3, s.point.y: 4, \"s.next.all[0].on\": true, \
                 s.deep.inner.value.b: 5}",
            ),
        )
        .prints([
            "first [{0 0 0 false} {0 1 0 false} {0 0 0 false}] [{0 0 0 false} {0 0 2.5 false}] 3 {3 4 0 false} {1 5}",
            "second [{0 0 0 true}]",
            "3",
        ]),
        case("lengths", set("lengths", "{text.len: 4, list.len: 2, bytes.len: 0, r.len: 2, s.len: 1}"))
            .prints(["long [1 2] 0", "lo [1]"]),
    ]
}

fn nothing() -> Vec<Case> {
    vec![
        case(
            "nil",
            set(
                "nilable",
                "{p: null, m: null, f: null, c: null, i: null, s: null, err: null, q: null}",
            ),
        )
        .prints(["true true true true <nil> true", "<nil> <nil>"]),
    ]
}
