//! Very many early returns, panics and delays, on each engine and in guests: no crash, no wrong value, and counters that
//! equal the program's.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use goinject_tests::{Build, Counts, Outcome, Seen, Storm, Writer, guest};

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

/// Writers inside the kernel, which are only to be had in guests.
#[test]
fn guest_6_1() {
    in_a_guest("6.1", &ON_6_1);
}

#[test]
fn guest_newest() {
    in_a_guest("newest", &ON_NEWEST);
}

/// Go version, kind and writer of each. The context has no floats, so it can't do without bodies that have some among
/// their results.
const ON_6_1: [(&str, &str, Writer); 6] = [
    ("1.15", "ended", Writer::SignalFrame),
    ("1.15", "broken", Writer::SignalFrame),
    ("1.15", "late", Writer::SignalFrame),
    ("1.27", "ended", Writer::SignalFrame),
    ("1.27", "broken", Writer::SignalFrame),
    ("1.27", "late", Writer::SignalFrame),
];
const ON_NEWEST: [(&str, &str, Writer); 5] = [
    ("1.19", "ended", Writer::SignalFrame),
    ("1.19", "broken", Writer::SignalFrame),
    ("1.19", "late", Writer::SignalFrame),
    ("1.27", "broken", Writer::Context),
    ("1.27", "late", Writer::Context),
];

const KINDS: [(&str, &str); 3] = [("ended", ENDED), ("broken", BROKEN), ("late", LATE)];

const LATE: &str = "{function: main.late, when: {probability: 0.95}, inject: {delay: 100us}}";

/// Of each storm in a guest, whose processors are emulated.
const GUEST_CALLS: u64 = 1_000;

fn in_a_guest(kernel: &str, planned: &[(&'static str, &'static str, Writer)]) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut files = vec![(folder.path().to_owned(), PathBuf::from("/srv/rules"))];
    for version in VERSIONS {
        let place = format!("/srv/storm-{version}");
        files.push((Build::plain(version).of("storm"), PathBuf::from(place)));
    }
    let storms = KINDS.map(|(kind, rule)| Storm {
        kind,
        calls: GUEST_CALLS,
        rule,
    });
    for storm in &storms {
        fs::write(folder.path().join(storm.kind), storm.rules()).expect("rules are written");
    }
    let mut script = String::new();
    for (version, kind, writer) in planned {
        let _ = writeln!(
            script,
            "goinject run --quiet --writer {} --json /tmp/json /srv/rules/{kind} -- /srv/storm-{version} {kind} {GUEST_CALLS} \
             2>&1; echo @code $?; grep -v '\"type\":\"fired\"' /tmp/json; rm /tmp/json; echo @@",
            writer.name()
        );
    }
    let Some(mut booted) = guest::boot(kernel, &files) else {
        return;
    };
    let limit = Duration::from_secs(60 * planned.len() as u64);
    let outcome = booted
        .run(&script, limit)
        .unwrap_or_else(|error| panic!("{error}"));
    let stdout = outcome.stdout();
    let mut faults = 0;
    for ((version, kind, writer), text) in planned.iter().zip(stdout.split("@@\n")) {
        let name = format!("{kind}, go{version}, {}", writer.name());
        let storm = storms.iter().find(|storm| storm.kind == *kind).expect("a kind");
        let (seen, counts) = storm.judge(&name, &Outcome::of_a_script(text));
        assert_eq!(
            (counts.calls, counts.applied),
            (GUEST_CALLS, counts.fired),
            "{name}"
        );
        match storm.kind {
            // Calls that are late without goinject's doing are many where processors are emulated.
            "late" => {
                assert!(seen.early <= GUEST_CALLS - counts.fired, "{name}: {seen:?}");
                assert_eq!(seen.bodies, GUEST_CALLS, "{name}");
            }
            _ => assert_eq!(
                (seen.faults, seen.bodies),
                (counts.fired, GUEST_CALLS - counts.fired)
            ),
        }
        faults += counts.fired;
    }
    assert_eq!(stdout.matches("@@\n").count(), planned.len(), "{stdout}");
    println!(
        "Linux {}: {faults} faults in {} storms, {:.1} s",
        booted.release,
        planned.len(),
        outcome.took.as_secs_f64()
    );
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
