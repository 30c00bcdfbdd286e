//! The same rules and the same seed give the same events, whatever engine carries them out.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use goinject_tests::{Build, Outcome, Writer, goinject, guest};
use regex::Regex;
use serde_json::Value;

/// Sections of the program `cases` that call everything on one goroutine.
const SECTIONS: [&str; 12] = [
    "tens",
    "picks",
    "heals",
    "sometimes",
    "within",
    "descend",
    "ends",
    "called often",
    "leaf int",
    "many results",
    "order",
    "recovers",
];

/// Faults of every kind, under conditions and policies of every kind.
const RULES: &str = r#"
version: 1
seed: 20
rules:
- {name: by chance, function: main.counted, when: {probability: 40%}, inject: {set: {n: {add: 100}}}}
- {name: at random, function: main.counted, when: {every: 3}, inject: {set: {r: {random: [1, 1000000]}}}}
- {name: seen, mode: observe, function: main.counted, if: n > 4, when: {after: 1, times: 3}, inject: {set: {r: 5}}}
- {name: picked, function: "main.(*part).pick", if: 's.contains("a") && f < 100.0 && p.size > 2', inject: {set: {out: picked}}}
- {name: a field, function: "main.(*part).pick", if: err != null, inject: {set: {p.label: new, i: {xor: 255}}}}
- {name: by result, function: main.heals, if: r > 1000, inject: {set: {r: -1}}}
- {name: panics, function: main.sometimes, when: {nth: 3}, inject: {panic: true}}
- {name: only within, function: main.inner, within: main.outer, inject: {set: {n: 1000}}}
- {name: deep, function: main.descend, if: n < 5, when: {probability: 0.7}, inject: {set: {weight: 3}}}
- {name: skips, function: main.ends, when: {first: 2}, inject: {return: {r: 99}}}
- {name: slow, function: main.called, when: {until: 2}, inject: {delay: {fixed: 1ms, jitter: 2ms}, set: {n: 8}}}
- {name: leaf, function: main.leafInt, inject: {set: {a: {random: [1, 100]}, "results[0]": {add: 1000}}}}
- {name: zero, function: main.manyResults, inject: {return: {}}}
- {name: refused, function: "main.(*shop).order", inject: {return: {id: 3, err: {errno: ENOSPC}}}}
- {name: by pattern, function: {glob: "main.recover*"}, when: {every: 2}, inject: {set: {n: 1}}}
"#;

/// The functions with floating-point parameters or results, which the context writer does not reach.
const FLOATS: [&str; 3] = [".pick", ".manyResults", ".order"];

/// The function that two jumps do not fit into.
const LEAVES: [&str; 1] = [".leafInt"];

fn rules(writer: Writer) -> String {
    let beyond: &[&str] = match writer {
        Writer::Context => &FLOATS,
        Writer::Trampoline => &LEAVES,
        _ => &[],
    };
    let reached = |line: &&str| !beyond.iter().any(|name| line.contains(name));
    RULES
        .lines()
        .filter(reached)
        .flat_map(|line| [line, "\n"])
        .collect()
}

fn on_this_host(build: Build, writer: Writer, rule_file: &str) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let (rules, json) = (folder.path().join("rules.yaml"), folder.path().join("events"));
    fs::write(&rules, rule_file).expect("rules are written");
    let mut command = goinject::command(["run", "--quiet", "--writer", writer.name()]);
    command.arg(&rules).arg("--json").arg(&json).arg("--");
    command.arg(build.of("cases")).args(SECTIONS);
    let mut outcome = goinject::Running::start(&mut command).end();
    outcome.json = Outcome::lines(&fs::read_to_string(json).unwrap_or_default());
    outcome
}

/// Events and counters, without what differs from run to run: times, threads, addresses.
fn told(outcome: &Outcome) -> Vec<String> {
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    let address = Regex::new("0x[0-9a-f]{6,}").expect("a pattern");
    let beginnings = ["armed", "process"];
    let lines = outcome.json.iter();
    let lines = lines.filter(|line| !beginnings.iter().any(|kind| line["type"] == *kind));
    let told = lines.map(|line| {
        let mut line = line.clone();
        if let Value::Object(fields) = &mut line {
            for field in ["time", "time_ns", "elapsed_ns", "pid", "program", "thread"] {
                fields.remove(field);
            }
        }
        address.replace_all(&line.to_string(), "0x…").into_owned()
    });
    told.collect()
}

/// Every rule has acted, so that there is something to compare.
fn is_complete(outcome: &Outcome) {
    let rules = RULES.matches("- {name:").count();
    let mut fired: BTreeMap<&str, u32> = BTreeMap::new();
    for event in outcome.of_type("fired") {
        *fired
            .entry(event["rule"].as_str().unwrap_or_default())
            .or_default() += 1;
    }
    assert_eq!(fired.len(), rules, "{fired:?}\n{}", outcome.describe());
}

#[test]
fn both_engines_tell_the_same() {
    for version in ["1.15", "1.19", "1.27"] {
        let [tracer, breakpoints] = [Writer::Tracer, Writer::Breakpoints]
            .map(|writer| on_this_host(Build::plain(version), writer, RULES));
        is_complete(&tracer);
        let [of_tracer, of_breakpoints] = [&tracer, &breakpoints].map(told);
        assert_eq!(of_tracer, of_breakpoints, "Go {version}");
        assert_eq!(tracer.stdout, breakpoints.stdout, "Go {version}");
        println!("Go {version}: {} lines are the same", of_tracer.len());
    }
}

/// Where there is no room for a jump, as in leaves of a few bytes, the rules are refused as a whole.
#[test]
fn jumps_tell_the_same() {
    for version in ["1.15", "1.19", "1.27"] {
        let build = Build::plain(version);
        let rules = rules(Writer::Trampoline);
        let [breakpoints, jumps] =
            [Writer::Breakpoints, Writer::Trampoline].map(|writer| on_this_host(build, writer, &rules));
        let [of_breakpoints, of_jumps] = [&breakpoints, &jumps].map(told);
        assert_eq!(of_breakpoints, of_jumps, "Go {version}");
        assert_eq!(breakpoints.stdout, jumps.stdout, "Go {version}");
        assert!(of_jumps.len() > 20, "{of_jumps:?}");
    }
}

#[test]
fn guest_writers_tell_the_same() {
    let build = Build::plain("1.27");
    let writers = [Writer::Context, Writer::SignalFrame, Writer::Tracer];
    let folder = tempfile::tempdir().expect("a folder");
    for writer in writers {
        let rule_file = folder.path().join(writer.name());
        fs::write(rule_file, rules(writer)).expect("rules are written");
    }
    let place = "/srv/program";
    let files = [
        (folder.path().to_owned(), PathBuf::from("/srv/rules")),
        (build.of("cases"), PathBuf::from(place)),
    ];
    let Some(mut booted) = guest::boot("newest", &files) else {
        return;
    };
    for writer in writers {
        let here = on_this_host(build, Writer::Breakpoints, &rules(writer));
        let sections: Vec<String> = SECTIONS.iter().map(|section| format!("'{section}'")).collect();
        let script = format!(
            "goinject run --quiet --writer {0} --json /tmp/events /srv/rules/{0} -- {place} {1} 2>/tmp/err\n\
             echo @code $?; cat /tmp/events; cat /tmp/err >&2",
            writer.name(),
            sections.join(" ")
        );
        let outcome = booted.run(&script, Duration::from_secs(120));
        let outcome = outcome.unwrap_or_else(|error| panic!("{error}"));
        let text = outcome.stdout();
        let (stdout, rest) = text.split_once("@code ").unwrap_or((&text, ""));
        let (code, json) = rest.split_once('\n').unwrap_or_default();
        let there = Outcome {
            code: code.parse().ok(),
            stdout: stdout.to_owned(),
            stderr: outcome.stderr(),
            json: Outcome::lines(json),
        };
        assert_eq!(told(&there), told(&here), "{}", writer.name());
        assert_eq!(there.stdout, here.stdout, "{}", writer.name());
    }
    println!("Linux {}: three writers tell the same", booted.release);
}
