//! Values of every kind replaced in a program whose garbage collector never rests and checks itself.
//!
//! The program (`fixtures/go/values/stress.go`) gets originals and replacements in turn, keeps both, looks at them again
//! later, and counts what is neither. With `GODEBUG=gccheckmark=1` every collection is done twice, and an object that
//! one of them missed ends the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use goinject_tests::goinject::{self, Running};
use goinject_tests::{Build, Flags, Outcome, Writer};

/// Bytes that are made anew at each firing take from memory that has an end: hence `times`.
const RULES: &str = "
version: 1
rules:
- {name: text, function: main.sText, when: {probability: 80%}, inject: {set: {s: replaced by goinject}}}
- {name: error, function: main.sError, when: {probability: 80%}, inject: {set: {err: {errno: ENOSPC}}}}
- {name: result, function: main.sResult, when: {probability: 80%}, inject: {set: {err: {message: disk full}, s: replaced by goinject}}}
- {name: bytes, function: main.sBytes, when: {probability: 80%, times: 15000}, inject: {set: {p: new bytes}}}
- {name: config, function: main.sConfig, when: {probability: 80%}, inject: {set: {c.Host: replaced by goinject, c.Err: main.ErrQuota}}}
- name: behind
  function: main.sBehind
  when: {probability: 80%}
  inject: {set: {h.text: replaced by goinject, h.err: main.ErrQuota, h.config.Host: replaced by goinject, h.config.Port: 8080, h.node: main.Spare}}
  expect: {failed: \">=0\"}
- {name: numbers, function: main.sNumbers, when: {probability: 80%}, inject: {set: {a: {add: 1}, b: {xor: 0xff}, f: {add: 1.5}, g: {random: [1, 2]}, d: {random: [1ms, 1h]}}}}
- {name: parts, function: main.sParts, when: {probability: 80%, times: 15000}, inject: {set: {c: \"-2i\", \"a[0]\": 7, \"a[2]\": -9, s: {len: 3}, list: [-1, 0x40000000]}}}
- {name: flips, function: main.sFlips, when: {probability: 80%, times: 15000}, inject: {set: {s: {xor: 0x20}, p: {xor: 1}}}}
- {name: pointers, function: main.sPointers, when: {probability: 80%}, inject: {set: {n: main.Spare, s: null, f: main.triple, m: null}}}
- {name: deep, function: main.sDeep, when: {probability: 80%}, inject: {set: {s: replaced by goinject, err: {errno: ENOSPC}}}}
";

/// Why the rule `behind` may fail: the heap is left alone while the collector marks.
const MARKING: &str = "the garbage collector was marking";

const RACE: Flags = Flags {
    race: true,
    ..Flags::NONE
};

/// Runs the program and checks everything; gives the number of replacements.
fn stress(build: Build, writer: Writer, rounds: u32) -> u64 {
    let folder = tempfile::tempdir().expect("a folder");
    let (rules, json) = (folder.path().join("rules.yaml"), folder.path().join("json"));
    fs::write(&rules, RULES).expect("written");
    let mut command = goinject::command(["run", "--quiet", "--writer", writer.name()]);
    command.arg(&rules).arg("--json").arg(&json).arg("--");
    let program = build.of("values");
    command.arg(&program).arg("stress").arg(rounds.to_string());
    command.env("GODEBUG", "gccheckmark=1");
    if let Ok(seed) = std::env::var("GOINJECT_STRESS_SEED") {
        let seeded = RULES.replacen("rules:", &format!("seed: {seed}\nrules:"), 1);
        fs::write(&rules, seeded).expect("written");
    }
    let mut running = Running::start(&mut command);
    let scratch = watch(&mut running, &program);
    let mut outcome = running.end();
    let text = fs::read_to_string(json).unwrap_or_default();
    let interesting = text.lines().filter(|line| !line.contains("\"type\":\"fired\""));
    outcome.json = Outcome::lines(&interesting.collect::<Vec<_>>().join("\n"));

    let name = format!("{}, {}", build.name(), writer.name());
    assert_eq!(outcome.code, Some(0), "{name}: {}", outcome.describe());
    assert!(
        outcome.stdout.contains(", wrong 0,"),
        "{name}: {}",
        outcome.stdout
    );
    for rule in outcome.of_type("rule") {
        let failures = rule["failures"].as_object().expect("an object");
        let excused = rule["rule"] == "behind" && failures.keys().all(|reason| reason == MARKING);
        assert!(failures.is_empty() || excused, "{name}: {rule}");
        assert!(rule["applied"].as_u64() > Some(0), "{name}: {rule}");
    }
    assert_eq!(
        scratch.len(),
        1,
        "{name}: locked memory did not stay as it was: {scratch:?}"
    );
    let applied = outcome.counts().iter().map(|counts| counts.applied).sum();
    println!("{name}: {applied} replacements; {}", outcome.stdout.trim());
    applied
}

/// The locked memory of the target as long as it runs: nothing but goinject's scratch memory is, and it must not grow.
fn watch(running: &mut Running, program: &Path) -> BTreeSet<Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut target = None;
    while running.runs() {
        target = target.or_else(|| child_that_runs(running.pid(), program));
        let locked = target.map(locked_memory).unwrap_or_default();
        if !locked.is_empty() {
            seen.insert(locked);
        }
        thread::sleep(Duration::from_millis(5));
    }
    seen
}

fn child_that_runs(parent: i32, program: &Path) -> Option<i32> {
    let threads = fs::read_dir(format!("/proc/{parent}/task")).ok()?;
    let children = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok());
    let all = children.collect::<String>();
    let mut pids = all.split_whitespace().filter_map(|pid| pid.parse().ok());
    pids.find(|pid| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program))
}

/// Stretches of locked memory: where they are, and how much of them is in memory and locked. Neighbours count as one, as
/// a part of it is made read-only at the start.
fn locked_memory(pid: i32) -> Vec<String> {
    let Ok(text) = fs::read_to_string(format!("/proc/{pid}/smaps")) else {
        return Vec::new();
    };
    let mut stretches: Vec<Stretch> = Vec::new();
    let (mut range, mut resident) = ((0, 0), 0);
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        match first {
            "Rss:" => resident = number(),
            "Locked:" => match (number(), stretches.last_mut()) {
                (0, _) => {}
                (locked, Some(last)) if last.end == range.0 => {
                    last.end = range.1;
                    last.resident += resident;
                    last.locked += locked;
                }
                (locked, _) => stretches.push(Stretch {
                    start: range.0,
                    end: range.1,
                    resident,
                    locked,
                }),
            },
            other => range = address_range(other).unwrap_or(range),
        }
    }
    let words = |of: &Stretch| {
        let (start, size) = (of.start, (of.end - of.start) / 1024);
        format!(
            "0x{start:x}: {size} kB, {} in memory, {} locked",
            of.resident, of.locked
        )
    };
    stretches.iter().map(words).collect()
}

struct Stretch {
    start: u64,
    end: u64,
    /// In KiB.
    resident: u64,
    locked: u64,
}

fn address_range(text: &str) -> Option<(u64, u64)> {
    let (start, end) = text.split_once('-')?;
    let number = |digits| u64::from_str_radix(digits, 16).ok();
    Some((number(start)?, number(end)?))
}

/// Fifty thousand replacements with one writer.
fn fifty_thousand(writer: Writer) {
    let plain = [("1.27", 2000), ("1.19", 900), ("1.15", 900)];
    let replacements: u64 = plain
        .into_iter()
        .map(|(version, rounds)| stress(Build::plain(version), writer, rounds))
        .sum();
    assert!(replacements > 50_000, "{replacements}");
}

#[test]
fn replaced_by_the_tracer_under_collection() {
    fifty_thousand(Writer::Tracer);
}

#[test]
fn replaced_at_breakpoints_under_collection() {
    fifty_thousand(Writer::Breakpoints);
}

#[test]
fn replaced_in_programs_with_the_race_detector() {
    for version in ["1.19", "1.27"] {
        for writer in Writer::ANYWHERE {
            stress(Build { version, flags: RACE }, writer, 200);
        }
    }
}

/// A million replacements with each writer: `cargo xtask stress`.
#[test]
#[ignore = "takes minutes"]
fn a_million_values_replaced() {
    const ROUNDS: u32 = 9000;
    for writer in Writer::ANYWHERE {
        let mut replacements = 0;
        let mut versions = ["1.27", "1.19", "1.15"].into_iter().cycle();
        while replacements < 1_000_000 {
            let version = versions.next().expect("a cycle has no end");
            replacements += stress(Build::plain(version), writer, ROUNDS);
        }
        replacements += stress(
            Build {
                version: "1.27",
                flags: RACE,
            },
            writer,
            ROUNDS / 10,
        );
        println!("{}: {replacements} replacements", writer.name());
    }
}
