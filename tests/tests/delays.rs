//! Delays in great numbers: never too short, no wrong value, and no harm if goinject dies meanwhile.

use std::fs;
use std::path::Path;

use goinject_tests::goinject::{Running, command, run};
use goinject_tests::module::Module;
use goinject_tests::{Build, Storm, Writer};

/// The oldest yields; the two in the middle have no `Gosched` to sleep through.
const VERSIONS: [&str; 5] = ["1.15", "1.19", "1.21", "1.22", "1.27"];

const LATE: &str = "{function: main.late, inject: {delay: 100us}}";
const LATE_CLOSURE: &str = "{function: main.lateClosure.func1, inject: {delay: 100us}}";

fn storm(kind: &'static str, rule: &'static str, versions: &[&'static str], calls: u64) {
    for writer in Writer::ANYWHERE {
        for &version in versions {
            let (seen, counts) = Storm { kind, calls, rule }.run(Build::plain(version), writer);
            assert_eq!(seen.early, 0, "a delay was too short");
            assert_eq!((seen.faults, seen.bodies), (calls, calls));
            assert_eq!(
                (counts.calls, counts.fired, counts.applied),
                (calls, calls, calls)
            );
        }
    }
}

/// On each engine, over all versions.
#[test]
fn a_hundred_thousand_delays() {
    storm("late", LATE, &VERSIONS, 100_000 / 5);
}

/// Closures can't sleep. In Go 1.22 this one has another name.
#[test]
fn many_short_yields() {
    storm("late closure", LATE_CLOSURE, &["1.15", "1.19", "1.27"], 3_000);
}

fn written(folder: &Path, rules: &str) -> String {
    let file = folder.join("rules.yaml");
    fs::write(&file, format!("version: 1\n{rules}")).expect("rules are written");
    file.to_string_lossy().into_owned()
}

/// They go on when the part of their delay is over in which goinject dies: long before the whole of it.
#[test]
fn a_thousand_sleepers_outlive_goinject() {
    let folder = tempfile::tempdir().expect("a folder for the rule file");
    let rules = written(
        folder.path(),
        "rules:\n- {function: main.waits, inject: {delay: 12s}}",
    );
    for version in VERSIONS {
        for writer in Writer::ANYWHERE {
            let mut goinject = command(["run", "--quiet", "--writer", writer.name(), &rules, "--"]);
            goinject
                .arg(Build::plain(version).of("cases"))
                .arg("crowd without goinject");
            // The target holds the pipe, so its end is waited for.
            let outcome = Running::start(&mut goinject).end();
            assert_eq!(outcome.code, Some(128 + libc::SIGKILL), "{}", outcome.describe());
            assert_eq!(
                outcome.stdout,
                "== crowd without goinject\nright: 1000\nlate enough: false\n",
                "{version}, {}",
                writer.name()
            );
        }
    }
}

#[test]
fn goinject_may_die_at_any_moment_of_a_delay() {
    let folder = tempfile::tempdir().expect("a folder for the rule file");
    let rules = written(folder.path(), &format!("rules:\n- {LATE}\n"));
    for version in VERSIONS {
        for writer in Writer::ANYWHERE {
            for call in [1, 777, 4_000, 8_765] {
                let mut goinject = command(["run", "--quiet", "--writer", writer.name(), &rules, "--"]);
                goinject.arg(Build::plain(version).of("storm"));
                let call = call.to_string();
                let outcome = Running::start(goinject.args(["late", "10000", &call])).end();
                let name = format!("{version}, {}, in call {call}", writer.name());
                assert_eq!(outcome.code, Some(128 + libc::SIGKILL), "{name}");
                let stdout = outcome.stdout;
                assert!(
                    stdout.starts_with("calls 10000 bodies 10000 "),
                    "{name}: {stdout}"
                );
                assert!(stdout.ends_with(" wrong 0\n"), "{name}: {stdout}");
                println!("{name}: {stdout}");
            }
        }
    }
}

#[test]
fn plan_says_how_calls_are_delayed_and_why() {
    let folder = tempfile::tempdir().expect("a folder for the rule file");
    let functions = ["slow", "useClosures.func1"]
        .map(|name| format!("- {{function: main.{name}, inject: {{delay: 1s}}}}\n"));
    let file = written(folder.path(), &format!("rules:\n{}", functions.concat()));
    let plan = |version, program| {
        let binary = Build::plain(version).of(program);
        let outcome = run(["plan", &file, "--binary", &binary.to_string_lossy()]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        let delayed = outcome
            .stdout
            .lines()
            .filter_map(|line| line.split_once(", delayed calls "));
        delayed.map(|(_, how)| how.to_owned()).collect::<Vec<_>>()
    };
    let closure = "yield until their time: it is a closure, whose variables Go does not keep there";
    for version in ["1.19", "1.21", "1.22", "1.23", "1.27"] {
        assert_eq!(plan(version, "cases"), ["sleep", closure], "Go {version}");
    }
    let old = "yield until their time: its parameters are on the stack";
    assert_eq!(plan("1.15", "cases"), [old, old]);
}

/// A goroutine in a bubble of `testing/synctest` sleeps by the bubble's clock.
const BUBBLE: &str = r#"package query

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

var spare [4096]byte

//go:noinline
func query(n int, s string) int {
	var space [4096]byte
	space[n] = spare[len(s)]
	return n + len(s) + int(space[0])
}

// Long enough to be slept in parts.
//
//go:noinline
func parted(n int, s string) int {
	var space [4096]byte
	space[n] = spare[len(s)]
	return n + len(s) + int(space[0])
}

//go:noinline
func long(n int, s string) int {
	var space [4096]byte
	space[n] = spare[len(s)]
	return n + len(s) + int(space[0])
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for i := 0; i < 3; i++ {
			start := time.Now()
			query(i, "abc")
			if took := time.Since(start); took != 200*time.Millisecond {
				t.Error("in the bubble:", took)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		done := make(chan int, 1)
		go func() { done <- query(3, "abc") }()
		select {
		case <-ctx.Done():
			t.Error("timed out")
		case <-done:
		}
		synctest.Wait()
	})
	start := time.Now()
	query(1, "x")
	if took := time.Since(start); took < 200*time.Millisecond {
		t.Error("outside:", took)
	}
}

//go:noinline
func ask(ctx context.Context, n int) (int, error) {
	var space [4096]byte
	space[n] = spare[n]
	return n + int(space[n]), ctx.Err()
}

// Contexts of every kind that package context has, each of which ends the call within a 32nd of its time.
func TestUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := func(name string, ctx context.Context, err error, least, most time.Duration) {
			start := time.Now()
			n, given := ask(ctx, 7)
			took := time.Since(start)
			if (n == 7) != (err == nil) || given != err || took < least || took > most {
				t.Error(name, n, given, took)
			}
		}
		whole := 20 * time.Second
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		asked("canceled", canceled, context.Canceled, 0, 0)
		asked("without cancel", context.WithoutCancel(canceled), nil, whole, whole)
		asked("background", context.Background(), nil, whole, whole)
		caused, cancelWith := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancelWith(errors.New("why")) })
		asked("cause", caused, context.Canceled, time.Second, time.Second*33/32)
		early, cancel := context.WithDeadline(t.Context(), time.Now().Add(2*time.Second))
		defer cancel()
		asked("deadline", context.WithValue(early, "key", 1), context.DeadlineExceeded, 2*time.Second, 2*time.Second*33/32)
		timed, cancel := context.WithTimeoutCause(t.Context(), 3*time.Second, errors.New("why"))
		defer cancel()
		below, cancel := context.WithCancel(timed)
		defer cancel()
		context.AfterFunc(timed, func() {})
		asked("below", below, context.DeadlineExceeded, 3*time.Second, 3*time.Second*33/32)
	})
}

func TestParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		long(1, "x")
		if took := time.Since(start); took != 40*time.Second {
			t.Error("in the bubble:", took)
		}
	})
	start := time.Now()
	parted(1, "x")
	if took := time.Since(start); took < 2500*time.Millisecond {
		t.Error("outside:", took)
	}
}
"#;

#[test]
fn the_clock_of_a_synctest_bubble_counts() {
    let module = Module::new("1.27");
    module.write("go.mod", "module query\n\ngo 1.25\n");
    module.write("query_test.go", BUBBLE);
    module.write(
        "rules.yaml",
        "version: 1\nrules:\n- {function: query.query, inject: {delay: 200ms}, expect: {fired: 5}}\n- {function: query.long, inject: {delay: 40s}, expect: {fired: 1}}\n- {function: query.ask, inject: {delay: {fixed: 20s, until: ctx}}, expect: {fired: 6}}\n- {function: query.parted, inject: {delay: 2500ms}, expect: {fired: 1}}\n",
    );
    for writer in Writer::ANYWHERE {
        let arguments = ["test", "--writer", writer.name(), "rules.yaml", "--", "."];
        let outcome = module.goinject(&arguments, &[]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        assert!(outcome.stdout.starts_with("ok"), "{}", outcome.describe());
    }
}
