//! Signals that wait until their thread is out of goinject's code, while rules are swapped.

use goinject_tests::{Writer, busy};

use super::start;

/// Thousands of signals, each of which finds its thread in a call that rules are about: none is lost, and none comes where Go can't
/// handle it, whatever rules the process has when its thread is back.
#[test]
fn no_signal_is_lost_while_rules_are_swapped() {
    const SWAPS: usize = 40;
    let rules = |n: usize| {
        let names = [["mixed", "leaf"], ["number", "leaf"]][n % 2];
        busy::rules(&names, "when: {every: 10000}, ")
    };
    // Go asks who has sent a SIGTRAP, and takes one for the end that did not come as it was sent.
    for watch in ["quits", "traps"] {
        let target = ["--", "./busy", "-input", "-watch", watch];
        let run = start(Writer::Trampoline, &rules(0), &target);
        run.has_fired("leaf", 1);
        for n in 1..=SWAPS {
            let told = run.reload(&rules(n));
            assert!(told["refused"].is_null(), "{told}: {}", run.text("err"));
        }
        run.has_fired("mixed", SWAPS as u64 + 1);
        let (outcome, _) = run.end();
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        assert!(
            outcome.stdout.contains("signals, none lost"),
            "{}",
            outcome.describe()
        );
        busy::total(&outcome.stdout).unwrap_or_else(|error| panic!("{error}"));
    }
}
