//! Triggers under load, limits, and what is expected of the counters in the end.

use std::fs;
use std::path::PathBuf;

use goinject_tests::goinject::{Running, command};
use goinject_tests::{Build, Outcome, Storm, Writer};

const NEWEST: Build = Build::plain("1.27");

/// Eight threads' worth of goroutines call at the same time.
#[test]
fn ten_times_is_ten_times() {
    let rule = "{function: main.ended, when: {times: 10}, inject: {return: {m: -5, y: 0.5, err: io.EOF}}}";
    for writer in Writer::ANYWHERE {
        for version in ["1.15", "1.27"] {
            let kind = "ended";
            let (seen, counts) = Storm {
                kind,
                calls: 20_000,
                rule,
            }
            .run(Build::plain(version), writer);
            assert_eq!((seen.faults, counts.fired, counts.applied), (10, 10, 10));
            assert_eq!(counts.matched, 20_000);
        }
    }
}

/// Every third call of all, whoever makes it: no number is given twice, and none is left out.
#[test]
fn every_third_of_concurrent_calls() {
    let rule = "{function: main.ended, when: {every: 3}, mode: observe, inject: {return: {}}}";
    for writer in Writer::ANYWHERE {
        let (_, counts) = Storm {
            kind: "ended",
            calls: 20_000,
            rule,
        }
        .run(NEWEST, writer);
        assert_eq!((counts.matched, counts.fired), (20_000, 6_666));
    }
}

/// The number of calls that fire is within four standard deviations of the expected one, and the same with each engine
/// because the seed is the same.
#[test]
fn chance_is_evenly_distributed_and_the_same_with_each_engine() {
    const CALLS: u64 = 100_000;
    for (rule, probability) in [
        (
            "{function: main.ended, when: {probability: 0.5}, mode: observe, inject: {return: {}}}",
            0.5,
        ),
        (
            "{function: main.ended, when: {probability: 1%}, mode: observe, inject: {return: {}}}",
            0.01,
        ),
    ] {
        let fired = Writer::ANYWHERE.map(|writer| {
            let calls = if writer == Writer::Tracer {
                CALLS
            } else {
                CALLS / 4
            };
            let (_, counts) = Storm {
                kind: "ended",
                calls,
                rule,
            }
            .run(NEWEST, writer);
            let deviation = (calls as f64 * probability * (1.0 - probability)).sqrt();
            let expected = calls as f64 * probability;
            assert!(
                (counts.fired as f64 - expected).abs() < 4.0 * deviation,
                "{counts:?}"
            );
            counts.fired
        });
        let (short, _) = Storm {
            kind: "ended",
            calls: CALLS / 4,
            rule,
        }
        .run(NEWEST, Writer::Tracer);
        assert_eq!(short.calls, CALLS / 4);
        println!("{probability}: {fired:?}");
    }
}

struct Prepared {
    _folder: tempfile::TempDir,
    rules: PathBuf,
    json: PathBuf,
}

fn prepared(rules: &str) -> Prepared {
    let folder = tempfile::tempdir().expect("a folder for the rule file");
    let file = folder.path().join("rules.yaml");
    fs::write(&file, format!("version: 1\n{rules}\n")).expect("rules are written");
    Prepared {
        rules: file,
        json: folder.path().join("events.json"),
        _folder: folder,
    }
}

impl Prepared {
    fn start(&self, writer: Writer, section: &str) -> Running {
        let mut command = command(["run", "--quiet", "--writer", writer.name()]);
        command.arg(&self.rules).arg("--json").arg(&self.json).arg("--");
        // While goinject is stopped, so is a thread that has something to report, such as a signal of Go's own or a new
        // thread: with spare processors and without preemption there is none of it in short programs.
        command.env("GOMAXPROCS", "8").env("GODEBUG", "asyncpreemptoff=1");
        Running::start(command.arg(NEWEST.of("cases")).arg(section))
    }

    fn end(&self, running: Running) -> Outcome {
        let mut outcome = running.end();
        outcome.json = Outcome::lines(&fs::read_to_string(&self.json).unwrap_or_default());
        outcome
    }

    fn run(&self, writer: Writer, section: &str) -> Outcome {
        self.end(self.start(writer, section))
    }
}

const RULE: &str = "rules:\n- {function: main.counted, inject: {set: {r: 0}}}";

#[test]
fn limits_end_the_faults_and_not_the_target() {
    let all = "0 0 0 0 0 0 0 0 0 0";
    let none = "1 2 3 4 5 6 7 8 9 10";
    for writer in Writer::ANYWHERE {
        let faults = prepared(&format!("limits: {{faults: 3}}\n{RULE}")).run(writer, "tens");
        assert_eq!(faults.code, Some(5), "{}", faults.describe());
        assert_eq!(faults.stdout, "== tens\n0 0 0 4 5 6 7 8 9 10\n");
        assert_eq!(faults.counts()[0].fired, 3);
        let time =
            prepared(&format!("limits: {{duration: 150ms}}\n{RULE}")).run(writer, "tens after a while");
        assert_eq!(time.code, Some(5), "{}", time.describe());
        assert_eq!(time.stdout, format!("== tens after a while\n{all}\n{none}\n"));
        assert_eq!(time.counts()[0].fired, 10);
        let unreached =
            prepared(&format!("limits: {{faults: 10, duration: 1h}}\n{RULE}")).run(writer, "tens");
        assert_eq!(unreached.stdout, format!("== tens\n{all}\n"));
    }
}

/// The kernel decides, and goes by the limits while goinject is stopped: a call that fired then would wait for goinject's
/// tracer for ever.
#[test]
fn limits_hold_while_goinject_is_stopped() {
    let section = "tens while goinject is stopped";
    let time = prepared(&format!("limits: {{duration: 1s}}\n{RULE}")).run(Writer::Tracer, section);
    assert_eq!(time.code, Some(5), "{}", time.describe());
    assert_eq!(
        time.stdout,
        format!("== {section}\n0 0 0 0 0 0 0 0 0 0\n1 2 3 4 5 6 7 8 9 10\n")
    );
    let observe = RULE.replace("inject:", "mode: observe, inject:");
    let faults = prepared(&format!("limits: {{faults: 13}}\n{observe}")).run(Writer::Tracer, section);
    assert_eq!(faults.code, Some(5), "{}", faults.describe());
    assert_eq!(faults.counts()[0].fired, 13);
}

/// What the file expects, and the exit status that it makes.
#[test]
fn expectations_make_the_exit_status() {
    let rule = |expect: &str| {
        format!(
            "rules:\n- {{function: main.counted, if: n > 4, when: {{every: 2}}, {expect} inject: {{set: {{r: 0}}}}}}"
        )
    };
    // Ten calls, six of them match, three fire.
    for (expect, code) in [
        ("", 0),
        ("expect: {fired: 3},", 0),
        ("expect: {fired: \">=3\"},", 0),
        ("expect: {fired: \"1..3\"},", 0),
        ("expect: {fired: \"<=3\"},", 0),
        ("expect: {fired: 2},", 1),
        ("expect: {fired: \">=4\"},", 1),
        ("expect: {fired: \"0..2\"},", 1),
        ("expect: {calls: 10, matched: 6, failed: 0},", 0),
        ("expect: {calls: 9},", 1),
        ("expect: {matched: \"7..8\"},", 1),
        ("expect: {failed: \">=1\"},", 1),
    ] {
        let outcome = prepared(&rule(expect)).run(Writer::Breakpoints, "tens");
        assert_eq!(outcome.code, Some(code), "{expect}: {}", outcome.describe());
        assert_eq!(outcome.stdout, "== tens\n1 2 3 4 5 0 7 0 9 0\n");
    }
    let never = |expect: &str| {
        format!("rules:\n- {{function: main.counted, if: n > 40, {expect} inject: {{set: {{r: 0}}}}}}")
    };
    for (expect, code) in [
        ("", 4),
        ("expect: {fired: 0},", 0),
        ("expect: {fired: \">=2\"},", 4),
        ("expect: {fired: \">=2\", calls: 3},", 1),
    ] {
        let outcome = prepared(&never(expect)).run(Writer::Breakpoints, "tens");
        assert_eq!(outcome.code, Some(code), "{expect}: {}", outcome.describe());
    }
}

/// Several at once: the first of 6, 1, 4, 5 counts.
#[test]
fn one_exit_status_goes_before_another() {
    let never = "- {name: never, function: main.fails, inject: {set: {r: 0}}}";
    let text = format!("limits: {{faults: 3}}\n{RULE}\n{never}");
    let outcome = prepared(&text).run(Writer::Breakpoints, "tens");
    assert_eq!(outcome.code, Some(4), "{}", outcome.describe());
    let text = format!("limits: {{faults: 3}}\nexpect: {{exit: 3}}\n{RULE}\n{never}");
    let outcome = prepared(&text).run(Writer::Breakpoints, "tens");
    assert_eq!(outcome.code, Some(1), "{}", outcome.describe());
}
