//! What a program sees of its own stacks while its calls are changed: the program `watched` tells them from inside and outside
//! of its functions.

use std::fs;
use std::process::{Command, Stdio};

use goinject_tests::goinject::{self, Running};
use goinject_tests::{Build, Outcome, Writer};

const RULES: &str = "version: 1
rules:
- {name: entered, function: main.entered, inject: {set: {n: 1000003, s: other, r: 7, err: {message: broken}}}}
- {name: left, function: main.left, inject: {set: {r: 8, s: replaced}}}
- {name: skipped, function: main.skipped, inject: {return: {r: 9}}}
- {name: slow, function: main.slow, inject: {delay: 300ms}}
- {name: panics, function: main.panics, inject: {panic: true}}
- {name: panics-with, function: main.panicsWith, inject: {panic: injected}}
";

/// What comes of the calls with these rules.
const CHANGED: [&str; 5] = [
    "value entered 7 broken",
    "value left 8 replaced",
    "value skipped 9",
    "value panics runtime error: invalid memory address or nil pointer dereference",
    "value panicsWith injected",
];

fn frames(outcome: &Outcome) -> Vec<&str> {
    let lines = outcome.stdout.lines();
    lines
        .filter(|line| line.starts_with("frame ") || line.starts_with("end of "))
        .collect()
}

/// `debug.Stack`, `runtime.Callers` and a dump of all goroutines have the functions, lines and places in functions that they have
/// without goinject: in a call with other parameters, in its deferred functions, behind one with other results or without a
/// body, where a call sleeps or panics, and above that.
#[test]
fn stacks_are_those_of_a_plain_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("rules.yaml");
    fs::write(&rules, RULES).expect("written");
    for version in ["1.15", "1.19", "1.22", "1.27"] {
        let program = Build::plain(version).of("watched");
        let mut plain = Command::new(&program);
        plain.arg("-itself").stdin(Stdio::null());
        let plain = Running::start(plain.stdout(Stdio::piped()).stderr(Stdio::piped())).end();
        assert!(
            plain.code == Some(0) && frames(&plain).len() > 60,
            "Go {version}: {}",
            plain.describe()
        );
        for writer in Writer::ANYWHERE {
            let mut command = goinject::command(["run", "--quiet"]);
            command.args(writer.options()).arg(&rules).arg("--").arg(&program);
            let outcome = Running::start(&mut command).end();
            let described = format!("Go {version}, {}: {}", writer.name(), outcome.describe());
            assert_eq!(outcome.code, Some(0), "{described}");
            for line in CHANGED {
                // Each call is made twice.
                assert_eq!(outcome.stdout.matches(line).count(), 2, "{line}: {described}");
            }
            assert!(!outcome.stdout.contains("skipped body"), "{described}");
            assert_eq!(frames(&outcome), frames(&plain), "{described}");
        }
    }
}
