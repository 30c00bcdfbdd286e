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
use goinject_tests::{Build, Flags, Outcome, Writer, guest};

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
- {name: numbers, function: main.sNumbers, when: {probability: 80%}, inject: {set: {a: {add: 1}, b: {xor: 0xff}, f: {add: 1.5}, g: {random: [1, 2]}, d: {random: [1ms, 1h]}}}}
- {name: parts, function: main.sParts, when: {probability: 80%, times: 15000}, inject: {set: {c: \"-2i\", \"a[0]\": 7, \"a[2]\": -9, s: {len: 3}, list: [-1, 0x40000000]}}}
- {name: flips, function: main.sFlips, when: {probability: 80%, times: 15000}, inject: {set: {s: {xor: 0x20}, p: {xor: 1}}}}
- {name: pointers, function: main.sPointers, when: {probability: 80%}, inject: {set: {n: main.Spare, s: null, f: main.triple, m: null}}}
- {name: deep, function: main.sDeep, when: {probability: 80%}, inject: {set: {s: replaced by goinject, err: {errno: ENOSPC}}}}
";

/// Objects that hold pointers, and into which the program puts pointers to its own.
const MADE: &str = "
version: 1
rules:
- name: made
  function: main.sMade
  when: {probability: 80%, times: 12000}
  inject:
    set:
      n: {new: {Value: -7, Note: replaced by goinject, Next: {new: {Value: -8}}}}
      words: [replaced by goinject, two]
";

/// Each call takes some eight thousand bytes that are never used again.
const COPIES: &str = "
version: 1
rules:
- {name: flipped, function: main.sCopied, inject: {set: {s: {xor: 0x20}}}}
- {name: made, function: main.sGiven, inject: {set: {l: {new: {Note: replaced by goinject}}}}}
";

const FIFTY_COPIES: &str = "
version: 1
limits: {faults: 50}
rules:
- {function: main.sBytes, inject: {set: {p: new bytes}}}
";

const RACE: Flags = Flags {
    race: true,
    ..Flags::NONE
};

/// Runs the program and checks everything; gives the number of replacements.
fn stress(build: Build, writer: Writer, rounds: u32) -> u64 {
    stressed(RULES, build, writer, rounds)
}

fn stressed(rule_file: &str, build: Build, writer: Writer, rounds: u32) -> u64 {
    let folder = tempfile::tempdir().expect("a folder");
    let (rules, json) = (folder.path().join("rules.yaml"), folder.path().join("json"));
    fs::write(&rules, rule_file).expect("written");
    let mut command = goinject::command(["run", "--quiet", "--writer", writer.name()]);
    command.arg(&rules).arg("--json").arg(&json).arg("--");
    let program = build.of("values");
    command.arg(&program).arg("stress").arg(rounds.to_string());
    command.env("GODEBUG", "gccheckmark=1");
    if let Ok(seed) = std::env::var("GOINJECT_STRESS_SEED") {
        let seeded = rule_file.replacen("rules:", &format!("seed: {seed}\nrules:"), 1);
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
        assert!(failures.is_empty(), "{name}: {rule}");
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
            stressed(MADE, Build { version, flags: RACE }, writer, 600);
        }
    }
}

/// What the program puts into new objects is seen by its collector.
#[test]
fn objects_are_made_whose_pointers_the_collector_follows() {
    for version in ["1.15", "1.19", "1.22", "1.27"] {
        for writer in Writer::ANYWHERE {
            let made = stressed(MADE, Build::plain(version), writer, 4000);
            assert!(made > 2000, "{made}");
        }
    }
}

/// A pointer in an object on the heap is not written while the collector marks. Another call is changed instead, so that
/// there are as many faults as were asked for, and none has failed.
#[test]
fn what_the_collector_puts_off_is_made_up_for() {
    const RULES: &str = "
version: 1
rules:
- name: behind
  function: main.sBehind
  when: {every: 2, times: 400}
  inject: {set: {h.text: replaced by goinject, h.err: main.ErrQuota}}
  expect: {fired: 400}
";
    let folder = tempfile::tempdir().expect("a folder");
    let (rules, json) = (folder.path().join("rules.yaml"), folder.path().join("json"));
    fs::write(&rules, RULES).expect("written");
    for writer in Writer::ANYWHERE {
        let mut command = goinject::command(["run", "--quiet", "--writer", writer.name(), "--json"]);
        command.arg(&json).arg(&rules).arg("--");
        command
            .arg(Build::plain("1.27").of("values"))
            // Jumps are quick: in fewer rounds the collector may be marking most of the time.
            .args(["stress", "6000"]);
        command.env("GODEBUG", "gccheckmark=1");
        let mut outcome = Running::start(&mut command).end();
        outcome.json = Outcome::lines(&fs::read_to_string(&json).unwrap_or_default());
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        assert!(outcome.stdout.contains(", wrong 0,"), "{}", outcome.describe());
        let count = &outcome.counts()[0];
        assert_eq!(
            (count.fired, count.applied, count.failed),
            (400, 400, 0),
            "{}",
            outcome.describe()
        );
        let rule = outcome.of_type("rule").next().expect("a result");
        let put_off = rule["held_back"]["marking"].as_u64();
        println!("{}: {put_off:?} put off", writer.name());
        assert!(put_off > Some(0), "{}", outcome.describe());
    }
}

/// Values that are made anew at each call take memory as they come: many times as much as there is at the start.
#[test]
fn copies_go_on_as_long_as_calls_do() {
    const ROUNDS: u64 = 3000;
    let folder = tempfile::tempdir().expect("a folder");
    let (rules, json) = (folder.path().join("rules.yaml"), folder.path().join("json"));
    fs::write(&rules, COPIES).expect("written");
    for version in ["1.15", "1.27"] {
        for writer in Writer::ANYWHERE {
            let mut command = goinject::command(["run", "--quiet", "--writer", writer.name(), "--json"]);
            command.arg(&json).arg(&rules).arg("--");
            command.arg(Build::plain(version).of("values"));
            command.arg("copies").arg(ROUNDS.to_string());
            command.envs([("GODEBUG", "gccheckmark=1"), ("GOGC", "1")]);
            let mut outcome = Running::start(&mut command).end();
            let text = fs::read_to_string(&json).unwrap_or_default();
            let results = text.lines().filter(|line| !line.contains("\"type\":\"fired\""));
            outcome.json = Outcome::lines(&results.collect::<Vec<_>>().join("\n"));
            let described = format!("Go {version}, {}: {}", writer.name(), outcome.describe());
            assert_eq!(outcome.code, Some(0), "{described}");
            assert!(outcome.stdout.contains(" rounds, wrong 0\n"), "{described}");
            for counts in outcome.counts() {
                let applied = (counts.fired, counts.applied, counts.failed);
                assert_eq!(applied, (ROUNDS, ROUNDS, 0), "{described}");
            }
        }
    }
}

/// The same inside the kernel, whose helper for writing can't wait for memory.
#[test]
fn guest_copies_go_on_inside_the_kernel() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("copies.yaml"), COPIES).expect("written");
    let mut files = vec![(folder.path().to_owned(), "/srv/rules".into())];
    for version in ["1.15", "1.27"] {
        let place = format!("/srv/values-{version}").into();
        files.push((Build::plain(version).of("values"), place));
    }
    let Some(mut booted) = guest::boot("newest", &files) else {
        return;
    };
    let script = r#"
copies() {
	GOGC=20 goinject run --quiet --writer $1 /srv/rules/copies.yaml -- /srv/values-$2 copies 2500 2>/tmp/err
	echo "$1 $2 exit $?"
	grep -v ': armed\|: engine' /tmp/err
}
copies user-memory 1.15
copies context 1.27
copies signal-frame 1.27
"#;
    let outcome = booted
        .run(script, Duration::from_secs(300))
        .unwrap_or_else(|error| panic!("{error}"));
    let text = outcome.stdout();
    println!("{text}");
    let right = text.matches("copies of 2500 rounds, wrong 0\n").count();
    assert_eq!(right, 3, "{text}");
    assert_eq!(text.matches(" exit 0\n").count(), 3, "{text}");
    assert!(!text.contains("failed: "), "{text}");
}

/// The target keeps what it was given, and no more: not the memory that further copies would have had.
#[test]
fn nothing_is_left_of_the_memory_that_was_not_used() {
    let program = Build::plain("1.27").of("values");
    for writer in Writer::ANYWHERE {
        let mut target = std::process::Command::new(&program)
            .args(["stress", "100000000"])
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("it starts");
        let pid = i32::try_from(target.id()).expect("process ids are small");
        let outcomes: Vec<Outcome> = (0..3).map(|_| attach_for_a_while(pid, writer)).collect();
        let locked = locked_memory(pid);
        let size = |stretch: &String| -> u64 {
            let words = stretch.split_whitespace().nth(1).expect("its size");
            words.parse().expect("a number")
        };
        let total: u64 = locked.iter().map(size).sum();
        let alive = target.try_wait().expect("it can be waited for").is_none();
        target.kill().expect("it can be killed");
        target.wait().expect("it can be waited for");
        for outcome in &outcomes {
            assert_eq!(outcome.code, Some(5), "{}: {}", writer.name(), outcome.describe());
        }
        assert!(alive, "{}: the target goes on", writer.name());
        // Three times a page of constants, and 50 copies of 64 bytes.
        assert!((12..=48).contains(&total), "{}: {locked:?}", writer.name());
    }
}

fn attach_for_a_while(pid: i32, writer: Writer) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("rules.yaml");
    fs::write(&rules, FIFTY_COPIES).expect("written");
    let mut command = goinject::command(["run", "--quiet", "--writer", writer.name(), "--pid"]);
    command.arg(pid.to_string()).arg(&rules);
    Running::start(&mut command).end()
}

/// The same inside the kernel, on a smaller scale.
#[test]
fn guest_replaced_inside_the_kernel() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("stress.yaml"), RULES).expect("written");
    fs::write(folder.path().join("made.yaml"), MADE).expect("written");
    let mut files = vec![(folder.path().to_owned(), "/srv/rules".into())];
    for version in ["1.15", "1.27"] {
        let place = format!("/srv/values-{version}").into();
        files.push((Build::plain(version).of("values"), place));
    }
    let Some(mut booted) = guest::boot("newest", &files) else {
        return;
    };
    let script = r#"
stress() {
	GODEBUG=gccheckmark=1 goinject run --quiet --writer signal-frame /srv/rules/$2.yaml -- /srv/values-$1 stress 100 \
		>/tmp/out 2>/tmp/err
	echo "$2 $1 exit $?"
	cat /tmp/out
	grep -v ': armed\|: engine' /tmp/err
}
for rules in stress made; do
	stress 1.15 $rules
	stress 1.27 $rules
done
"#;
    let outcome = booted
        .run(script, Duration::from_secs(300))
        .unwrap_or_else(|error| panic!("{error}"));
    let text = outcome.stdout();
    println!("{text}");
    for rules in ["stress", "made"] {
        for version in ["1.15", "1.27"] {
            assert!(text.contains(&format!("{rules} {version} exit 0")), "{text}");
        }
    }
    assert_eq!(text.matches(", wrong 0,").count(), 4, "{text}");
    assert!(!text.contains("failed: "), "{text}");
}

/// Memory given back to a process that goes on, by whichever of its threads: the newest kernel lets only a thread's tracer
/// write its read-only pages. A guard of breakpoints, too, has to be that.
#[test]
fn guest_memory_is_given_back() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("bytes.yaml"), FIFTY_COPIES).expect("written");
    let endless = FIFTY_COPIES.replacen("limits: {faults: 50}\n", "", 1);
    fs::write(folder.path().join("endless.yaml"), endless).expect("written");
    let program = Build::plain("1.27").of("values");
    let files = vec![
        (folder.path().to_owned(), "/srv/rules".into()),
        (program, "/srv/values-1.27".into()),
    ];
    let Some(mut booted) = guest::boot("newest", &files) else {
        return;
    };
    let script = r#"
/srv/values-1.27 stress 100000000 >/dev/null &
pid=$!
attach() {
	goinject run --quiet --writer $1 --pid $pid /srv/rules/bytes.yaml 2>/tmp/err
	code=$?
	echo "attached exit $code"
	if [ $code = 5 ]; then grep 'error\|process [0-9]* keeps' /tmp/err; else cat /tmp/err; fi
}
for writer in signal-frame context breakpoints tracer signal-frame context; do
	attach $writer
done
awk '/^Locked/ {sum += $2} END {print "locked", sum}' /proc/$pid/smaps
: >/tmp/err
goinject run --quiet --writer breakpoints --pid $pid /srv/rules/endless.yaml 2>/tmp/err &
goinject=$!
until grep -q armed /tmp/err; do sleep 0.1; done
kill -9 $goinject
sleep 2
attach breakpoints
kill -0 $pid && echo alive
kill $pid
"#;
    let outcome = booted
        .run(script, Duration::from_secs(300))
        .unwrap_or_else(|error| panic!("{error}"));
    let text = outcome.stdout();
    println!("{text}");
    assert_eq!(text.matches("attached exit 5").count(), 7, "{text}");
    assert!(!text.contains(" keeps "), "{text}");
    assert!(text.contains("alive"), "{text}");
    let locked = text.lines().find_map(|line| line.strip_prefix("locked "));
    let locked: u64 = locked.and_then(|number| number.parse().ok()).expect("a number");
    assert!((24..=96).contains(&locked), "{text}");
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
