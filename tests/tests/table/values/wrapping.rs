//! Errors of the program's own types, errors around errors, and panics with values. What the program says of them is what
//! `errors.Is`, `errors.As` and `recover` give.

use goinject_tests::{Build, Case};

use super::rule;

fn gives(scenario: &str, error: &str, said: &str) -> Case {
    rule(
        "wrapping",
        format!("{{function: main.reading, inject: {{return: {{\"results[0]\": {error}}}}}}}"),
    )
    .when(scenario)
    .prints([said])
}

fn sets(scenario: &str, error: &str, said: &str) -> Case {
    rule(
        "wrapping",
        format!("{{function: main.reading, inject: {{set: {{\"results[0]\": {error}}}}}}}"),
    )
    .when(scenario)
    .prints([said])
}

fn panics(scenario: &str, value: &str, said: &[&str]) -> Case {
    let mut row = rule(
        "panics",
        format!("{{function: main.panicking, inject: {{panic: {value}}}}}"),
    )
    .when(scenario)
    .calls(2);
    row.lines = [said, said].concat().into_iter().map(str::to_owned).collect();
    row
}

fn joins(build: &Build) -> bool {
    !["1.15", "1.19"].contains(&build.version)
}

pub(crate) fn rows() -> Vec<Case> {
    let mut rows = vec![
        gives(
            "of a type of its own",
            "{type: \"*main.Status\", fields: {Code: 503, Msg: no, Hints: [a, b], Detail: {new: {Name: deep}}}}",
            "status 503 no [a b] deep as status 503",
        ),
        gives(
            "of a type of its own, with a variable in it",
            "{type: \"*main.Status\", fields: {Cause: io.EOF}}",
            "status 0  [] is EOF as status 0",
        ),
        gives(
            "of a type of its own, by value",
            "{type: main.Plain, fields: {Code: 4, Msg: x}}",
            "plain 4 x as plain 4",
        ),
        gives(
            "of a type of its own, zero",
            "{type: \"*main.Status\"}",
            "status 0  [] as status 0",
        ),
        sets(
            "of a type that is a number",
            "{type: syscall.Errno, value: 2}",
            "no such file or directory is NotExist as errno 2",
        ),
        sets(
            "of a type of the standard library",
            "{type: \"*os.PathError\", fields: {Op: open, Path: /etc/x, Err: {errno: ENOENT}}}",
            "open /etc/x: no such file or directory is NotExist as path open /etc/x as errno 2",
        ),
        gives(
            "around a variable",
            "{wrap: io.EOF, message: reading header}",
            "reading header: EOF is EOF",
        )
        .only(joins),
        // What `fmt.Errorf` gives holds the whole text, which no file tells of a variable there.
        gives(
            "around a variable, where another type has to do",
            "{wrap: io.EOF, message: reading header}",
            "reading header: EOF is EOF as path reading header",
        )
        .only(|build| !joins(build)),
        sets(
            "around a system error",
            "{wrap: {errno: ENOSPC}, message: writing}",
            "writing: no space left on device is ENOSPC as errno 28",
        ),
        gives(
            "around one around one of its own",
            "{wrap: {wrap: {type: main.Plain, fields: {Code: 9}}, message: inner}, message: outer}",
            "outer: inner: plain 9  as plain 9",
        )
        .only(joins),
        gives(
            "several",
            "{join: [io.EOF, {errno: ENOENT}, {wrap: main.ErrQuota, message: paying}]}",
            "EOF|no such file or directory|paying: quota exceeded is EOF is Quota is NotExist as errno 2",
        )
        .only(joins),
    ];
    rows.extend([
        panics("a text", "disk on fire", &["recovered string disk on fire"]),
        panics("a number", "-7", &["recovered int -7"]),
        panics(
            "a message",
            "{message: disk on fire}",
            &["recovered *errors.errorString disk on fire", "disk on fire"],
        ),
        panics(
            "a variable",
            "io.EOF",
            &["recovered *errors.errorString EOF", "EOF is EOF"],
        ),
        panics(
            "a system error",
            "{errno: ENOSPC}",
            &[
                "recovered syscall.Errno no space left on device",
                "no space left on device is ENOSPC as errno 28",
            ],
        ),
        panics(
            "a type of its own",
            "{type: \"*main.Status\", fields: {Code: 5, Cause: main.ErrQuota}}",
            &[
                "recovered *main.Status status 5  []",
                "status 5  [] is Quota as status 5",
            ],
        ),
        panics(
            "an error around a variable",
            "{wrap: io.EOF, message: reading}",
            &["recovered *fmt.wrapError reading: EOF", "reading: EOF is EOF"],
        )
        .only(joins),
    ]);
    rows
}
