//! User namespaces: goinject in one, and the target in one.

use goinject_tests::{Tally, Writer};

use super::Place;
use super::ways::{ANYWHERE, unrefused, unsuccessful};

/// Why user namespaces can't be had here.
fn no_namespaces(place: &Place) -> Option<String> {
    let tried = place.run("unshare --user --map-root-user true");
    (tried.code != Some(0)).then(|| tried.stderr.trim().to_owned())
}

const IN_ONE: &str = "unshare --user --map-root-user";
const NOBODY: &str = "setpriv --reuid 65534 --regid 65534 --clear-groups";

#[test]
fn goinject_in_a_user_namespace_has_ptrace_and_says_why_not_more() {
    let place = Place::new();
    if let Some(reason) = no_namespaces(&place) {
        return Tally::skip("goinject in a user namespace", &reason);
    }
    let rules = ANYWHERE[0].rules();
    let run = |options: &str| {
        place.run(&format!(
            "{IN_ONE} ./goinject run --quiet {options} {rules} -- ./busy -only number -calls 3000 >/dev/null"
        ))
    };
    for writer in [Writer::Breakpoints, Writer::Trampoline] {
        let outcome = run(&format!("--writer {}", writer.name()));
        assert_eq!(unsuccessful(&outcome), None, "{}", writer.name());
    }
    let outcome = run("");
    assert_eq!(unsuccessful(&outcome), None);
    let words = "engine inline, writer trampoline (the user namespace refuses BPF)";
    assert!(outcome.stderr.contains(words), "{}", outcome.describe());
    let words = [
        "the user namespace refuses BPF",
        "on the host, outside of the user namespace",
    ];
    assert_eq!(unrefused(&run("--writer tracer"), &words), None);
}

#[test]
fn a_target_in_a_user_namespace_is_reached_by_whoever_may() {
    let place = Place::new();
    let skip = super::refused().or_else(|| no_namespaces(&place));
    if let Some(reason) = skip {
        return Tally::skip("targets in user namespaces", &reason);
    }
    let rules = ANYWHERE[0].rules();
    // The target belongs to `of` in a namespace that `of` has made; goinject runs by `as_whom`.
    let attach = |of: &str, as_whom: &str, options: &str| {
        place.run(&format!(
            "{of} {IN_ONE} ./busy -only number -for 100s >/dev/null 2>&1 &\n\
             p=$!\n\
             until grep -q busy /proc/$p/comm || ! kill -0 $p; do sleep 0.05; done\n\
             {as_whom} ./goinject run --quiet {options} {rules} --pid $p\n\
             code=$?\n\
             kill -KILL $p\n\
             wait $p 2>/dev/null\n\
             (exit $code)"
        ))
    };
    for writer in Writer::ANYWHERE {
        let outcome = attach(NOBODY, "", &format!("--writer {}", writer.name()));
        assert_eq!(unsuccessful(&outcome), None, "root, {}", writer.name());
    }
    // Whoever has made a namespace has every capability in it.
    let outcome = attach(NOBODY, NOBODY, "--engine ptrace");
    assert_eq!(unsuccessful(&outcome), None, "its maker");
    // From one namespace into another.
    let outcome = attach("", IN_ONE, "--engine ptrace");
    let words = ["user namespace", "run goinject outside of that user namespace"];
    assert_eq!(unrefused(&outcome, &words), None, "another namespace");
}
