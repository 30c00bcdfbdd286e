//! Signals that debuggers use, sent to a thread at the moment at which it runs into a trap.

use std::fs;

use goinject_tests::{Build, Writer, busy, goinject};

/// Thousands of them, to a thread in a loop over functions with traps: no call goes on as if it had not come to its trap, and no
/// signal is lost.
#[test]
fn a_trap_is_not_taken_for_a_sent_signal() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("rules.yaml");
    fs::write(&rules, busy::rules(&["larger"], "")).expect("written");
    for writer in [Writer::Trampoline, Writer::Breakpoints] {
        let mut command = goinject::command(["run", "--quiet"]);
        command.args(writer.options()).arg(&rules).arg("--");
        command.arg(Build::plain("1.27").of("busy"));
        command.args(["-for", "6s", "-only", "larger", "-watch", "storm"]);
        let outcome = goinject::Running::start(&mut command).end();
        let described = format!("{}: {}", writer.name(), outcome.describe());
        assert_eq!(outcome.code, Some(0), "{described}");
        let total = busy::total(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {described}"));
        assert!(
            total.calls > 10_000 && total.replaced == total.calls,
            "{described}"
        );
        assert!(outcome.stdout.contains("watched storm "), "{described}");
    }
}
