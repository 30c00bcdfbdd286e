//! Errors and other interfaces. What the program says of them is what its own `errors.Is`, `errors.As`,
//! type switches and assertions say.

use goinject_tests::{Case, set};

use super::{rule, sets, since_1_19};

/// How the program describes errors.
const EOF: &str = "*errors.errorString \"EOF\" is EOF";
const QUOTA: &str = "*errors.errorString \"quota exceeded\" is Quota";
const NO_SPACE: &str = "syscall.Errno \"no space left on device\" is ENOSPC errno 28";

fn failing(scenario: &str, value: &str, seen: &str) -> Case {
    let mut row = sets("fail", &format!("{{err: {value}}}")).when(scenario);
    row.lines = vec!["saw open".to_owned(), format!("gave 4 {seen}")];
    row
}

pub(crate) fn rows() -> Vec<Case> {
    let mut rows = vec![
        failing(
            "a message",
            "{message: disk full}",
            "*errors.errorString \"disk full\"",
        ),
        failing("a system error", "{errno: ENOSPC}", NO_SPACE),
        failing(
            "a system error that is another",
            "{errno: ENOENT}",
            "syscall.Errno \"no such file or directory\" is NotExist errno 2",
        ),
        failing(
            "a system error that is temporary",
            "{errno: EAGAIN}",
            "syscall.Errno \"resource temporarily unavailable\" errno 11 timeout",
        ),
        failing("of another package", "io.EOF", EOF),
        failing("of the program", "main.ErrQuota", QUOTA),
        failing(
            "of a package with a dot in its path",
            "example.com/values/store.v2.ErrGone",
            "*errors.errorString \"gone\" is Gone",
        ),
        failing(
            "of a package by the last element of its path",
            "store.v2.ErrGone",
            "*errors.errorString \"gone\" is Gone",
        ),
        failing(
            "of a package with a dot in its path, as the linker has it",
            "example.com/values/store%2ev2.ErrGone",
            "*errors.errorString \"gone\" is Gone",
        ),
        failing(
            "a value of a type of its own",
            "context.DeadlineExceeded",
            "context.deadlineExceededError \"context deadline exceeded\" is Deadline timeout",
        ),
        failing(
            "a variable that is a pointer",
            "main.ErrConcrete",
            "*main.Failure \"failure 7\" failure 7 as failure",
        ),
        failing(
            "a variable that is a value",
            "main.Timeout",
            "main.Code \"code 30\" code 30",
        ),
        failing("nil over nil", "null", "nil"),
    ];
    rows.extend([
        rule("handle", set("handle", "{err: {message: \"größer\"}}"))
            .when("the same message twice")
            .calls(2)
            .prints([
                "saw *errors.errorString \"größer\" 5",
                "saw *errors.errorString \"größer\" 6",
            ]),
        rule("handle", set("handle", "{err: io.EOF, after: 7}"))
            .when("a variable as a parameter")
            .calls(2)
            .prints([
                "saw *errors.errorString \"EOF\" is EOF 7",
                "saw *errors.errorString \"EOF\" is EOF 7",
            ]),
        rule("handle", set("handle", "{err: null}"))
            .when("nil as a parameter")
            .calls(2)
            .prints(["saw nil 5", "saw nil 6"]),
        sets(
            "blank",
            "{\"results[0]\": {errno: EPIPE}, \"results[1]\": x, string_: z}",
        )
        .when("results without a name")
        .only(since_1_19)
        .prints(["saw z", "gave syscall.Errno \"broken pipe\" errno 32 x"]),
        rule(
            "blank",
            "{function: main.blank, signature: \"func(_ int, _ string, string_ string) (_ error, _ string)\", \
             inject: {set: {\"args[1]\": y, \"args[2]\": z, \"results[0]\": io.EOF}}}",
        )
        .when("by the types that the rule says")
        .prints(["saw z", "gave *errors.errorString \"EOF\" is EOF z"]),
        sets("unnamed", "{\"results[1]\": io.EOF}")
            .when("results without a name")
            .prints(["saw", "gave result *errors.errorString \"EOF\" is EOF"]),
        sets("recovered", "{err: io.EOF, s: replaced}")
            .when("of a panic")
            .prints(["gave replaced *errors.errorString \"EOF\" is EOF"]),
        sets("anything", "{v: main.ErrQuota}")
            .when("a variable of another interface")
            .prints(["saw 6 *errors.errorString quota exceeded", "gave quota exceeded"]),
        sets("anything", "{v: main.Anything}")
            .when("a variable of its own type")
            .prints(["saw 6 string anything", "gave anything"]),
        sets("anything", "{v: null}")
            .when("nil")
            .prints(["saw 6 <nil> <nil>", "gave <nil>"]),
        sets("anything", "{v: main.Timeout}")
            .when("a variable that is a value")
            .prints(["saw 6 main.Code code 30", "gave code 30"]),
        sets("anything", "{v: main.SparePtr}")
            .when("a variable that is a pointer")
            .prints(["saw 6 *main.Node &{78 <nil> }", "gave &{78 <nil> }"]),
        sets("anything", "{v: {message: disk full}}")
            .when("an error")
            .prints(["saw 6 *errors.errorString disk full", "gave disk full"]),
        sets("shape", "{s: main.Area, \"results[0]\": null}")
            .when("a variable that is a value")
            .prints(["saw main.Square {3}", "gave <nil>"]),
        sets("shape", "{s: null}")
            .when("nil")
            .prints(["saw <nil> <nil>", "gave <nil>"]),
    ]);
    rows
}
