//! Very many early returns and panics, on each engine: no crash, no wrong value, and counters that equal the program's.

use goinject_tests::{Build, Counts, Seen, Storm, Writer};

const VERSIONS: [&str; 3] = ["1.15", "1.19", "1.27"];

/// Of each fault on each engine, over all versions.
const FAULTS: u64 = 100_000;

const ENDED: &str =
    "{function: main.ended, when: {probability: 0.95}, inject: {return: {m: -5, y: 0.5, err: io.EOF}}}";
const BROKEN: &str = "{function: main.broken, when: {probability: 0.95}, inject: {panic: true}}";
const CHANGED: &str = "{function: main.changed, if: 'text.endsWith(\"05\") && back.endsWith(\"5\") && m == n', \
                       inject: {set: {m: -1}}}";

fn everywhere(kind: &'static str, rule: &'static str, calls: u64, check: impl Fn(Seen, Counts)) {
    for writer in Writer::ANYWHERE {
        let mut faults = 0;
        for version in VERSIONS {
            let (seen, counts) = Storm { kind, calls, rule }.run(Build::plain(version), writer);
            assert_eq!(counts.applied, counts.fired);
            check(seen, counts);
            faults += seen.faults;
        }
        println!("{kind}, {}: {faults} faults", writer.name());
    }
}

/// Calls enough for [`FAULTS`], at their probability of 0.95.
const CALLS: u64 = FAULTS / 3 * 21 / 19;

#[test]
fn a_hundred_thousand_early_returns() {
    everywhere("ended", ENDED, CALLS, |seen, counts| {
        assert_eq!((counts.calls, counts.matched), (CALLS, CALLS));
        assert_eq!(counts.fired, seen.faults);
        assert_eq!(seen.bodies, CALLS - seen.faults);
        assert!(seen.faults * 3 > FAULTS, "{seen:?}");
    });
}

#[test]
fn a_hundred_thousand_panics() {
    everywhere("broken", BROKEN, CALLS, |seen, counts| {
        assert_eq!((counts.calls, counts.matched), (CALLS, CALLS));
        assert_eq!(counts.fired, seen.faults);
        assert_eq!(seen.bodies, CALLS - seen.faults);
        assert!(seen.faults * 3 > FAULTS, "{seen:?}");
    });
}

/// Entries and returns of the same call find each other, through recursion, panics and moving stacks.
#[test]
fn results_meet_the_parameters_of_their_own_calls() {
    let calls: u64 = 20_000;
    // As the program does it: every seventh call calls itself once, every eleventh of the others panics.
    let panics = |n: u64| n.is_multiple_of(11) && (n == 0 || !n.is_multiple_of(7));
    let mut returns = 0;
    let mut fired = 0;
    let mut seen_fired = 0;
    for n in 0..calls {
        let picked = n % 100 == 5 && n > 100;
        if n > 0 && n.is_multiple_of(7) {
            if !panics(n - 1) {
                returns += 2;
                fired += u64::from(picked);
            }
        } else if !panics(n) {
            returns += 1;
            fired += u64::from(picked);
            seen_fired += u64::from(picked);
        }
    }
    everywhere("changed", CHANGED, calls, |seen, counts| {
        assert_eq!(counts.calls, returns);
        assert_eq!((counts.fired, seen.faults), (fired, seen_fired));
    });
}
