//! Calls that began under the former rules and return under the new ones, and counts by scope: the program `waiting` has its
//! calls wait while rules are swapped.

use goinject_tests::Outcome;
use goinject_tests::long_run::LongRun;
use goinject_tests::module::Module;
use serde_json::Value;

use super::WRITERS;

/// What the program begins with.
pub(super) const FORMER: &str = "version: 1
rules:
- {name: kept, function: main.slow, if: n == 1, inject: {set: {n: 11, r: 1000}}}
- {name: gone, function: main.slow, if: n == 2, inject: {set: {n: 12, r: 2000}}}
- {name: nap-kept, function: main.nap, if: n == 5, inject: {delay: 3s}}
- {name: nap-gone, function: main.nap, if: n == 6, inject: {delay: 3s}}
- {name: each, function: main.count, when: {scope: goroutine, nth: 3}, inject: {set: {n: 1000}}}
- {name: process, function: main.count, when: {scope: process, nth: 13}, inject: {set: {n: 2000}}}
";

/// The same in another order, without those that are called so, and with others.
pub(super) const LATER: &str = "version: 1
rules:
- {name: fresh, function: main.slow, if: n == 3, inject: {set: {r: 3000}}}
- {name: result, function: main.slow, if: r == 104, inject: {set: {r: 4000}}}
- {name: each, function: main.count, when: {scope: goroutine, nth: 3}, inject: {set: {n: 1000}}}
- {name: process, function: main.count, when: {scope: process, nth: 13}, inject: {set: {n: 2000}}}
- {name: nap-kept, function: main.nap, if: n == 5, inject: {delay: 3s}}
- {name: kept, function: main.slow, if: n == 1, inject: {set: {n: 11, r: 1000}}}
";

/// Calls, matched, fired, applied and failed of each rule in the end. A call whose entry nobody saw is unreadable to a rule that asks
/// for a parameter.
const COUNTED: [(&str, [u64; 5]); 6] = [
    ("fresh", [8, 1, 1, 1, 0]),
    ("result", [8, 2, 2, 2, 0]),
    ("each", [24, 24, 6, 6, 0]),
    ("process", [24, 24, 1, 1, 0]),
    ("nap-kept", [4, 2, 2, 2, 0]),
    ("kept", [8, 2, 2, 2, 0]),
];

/// Looks at what the program saw, and at what goinject counted.
pub(super) fn judge(what: &str, outcome: &Outcome) {
    let said = || format!("{what}: {}", outcome.describe());
    assert_eq!(outcome.code, Some(0), "{}", said());
    let line = |start: &str| {
        let line = outcome.stdout.lines().find_map(|line| line.strip_prefix(start));
        line.unwrap_or_else(|| panic!("{start}: {}", said()))
    };
    for (start, expected) in [
        // It fired at the entry, and does the rest at the return.
        ("round 1 n 1 ", "saw 11 r 1000 counts 1 1"),
        // So did this one, but nobody knows of the rest any more.
        ("round 1 n 2 ", "saw 12 r 112 counts 2 2"),
        ("round 1 n 3 ", "saw 3 r 103 counts 3 3"),
        ("round 1 n 4 ", "saw 4 r 4000 counts 4 4"),
        ("round 1 n 5 ", "r 105 counts 5 5 seconds 3"),
        ("round 1 n 6 ", "r 106 counts 6 6 seconds 3"),
        ("round 2 n 1 ", "saw 11 r 1000 counts 1000 1"),
        ("round 2 n 2 ", "saw 2 r 102 counts 1000 2"),
        ("round 2 n 3 ", "saw 3 r 3000 counts 1000 3"),
        ("round 2 n 4 ", "saw 4 r 4000 counts 1000 4"),
        ("round 2 n 5 ", "r 105 counts 1000 5 seconds 3"),
        ("round 2 n 6 ", "r 106 counts 1000 6 seconds 0"),
    ] {
        // The 13th call of the process is some goroutine's third one: the later rule in the file prevails.
        assert_eq!(
            line(start).replace(" 2000 ", " 1000 "),
            expected,
            "{start}: {}",
            said()
        );
    }
    let overwritten = outcome.stdout.matches(" 2000 ").count();
    assert_eq!(overwritten, 1, "{}", said());
    for (rule, expected) in COUNTED {
        let told = outcome.of_type("rule").find(|line| line["rule"] == rule);
        let told = told.unwrap_or_else(|| panic!("{rule}: {}", said()));
        let keys = ["calls", "matched", "fired", "applied", "failed"];
        let counted = keys.map(|key| told[key].as_u64().unwrap_or(u64::MAX));
        assert_eq!(counted, expected, "{rule}: {}", said());
    }
    for rule in ["gone", "nap-gone"] {
        let told: Vec<&Value> = outcome
            .of_type("replaced")
            .filter(|line| line["rule"] == rule)
            .collect();
        assert_eq!(told.len(), 1, "{rule}: {}", said());
        let counted = (&told[0]["fired"], &told[0]["failed"]);
        assert_eq!(counted, (&1.into(), &0.into()), "{rule}: {}", said());
    }
}

#[test]
fn calls_under_way_and_counts_by_scope_go_on() {
    for writer in WRITERS {
        let start = ["--", "./waiting", "go."];
        let run = LongRun::start(writer, "waiting", FORMER, &["--json", "events"], &start);
        let has_fired = |texts: &[&str], count: usize| {
            run.waits_for("it does not fire", || {
                (run.lines(0, texts).len() >= count).then_some(())
            });
        };
        run.waits_for("the calls do not begin", || {
            run.text("out").contains("inside 1").then_some(())
        });
        has_fired(&["\"type\":\"fired\"", "\"function\":\"main.slow\""], 2);
        // Both sleep for a while now: such calls are told of when they go on.
        std::thread::sleep(std::time::Duration::from_millis(300));
        let told = run.reload(LATER);
        assert_eq!(told["generation"], 2, "{told}");
        for round in ["go.1", "go.2"] {
            std::fs::write(run.path(round), "").expect("written");
        }
        let (outcome, _) = run.end();
        judge(writer.name(), &outcome);
    }
}

const COUNT_TEST: &str = r#"package counting

import (
	"os"
	"testing"
	"time"
)

//go:noinline
func Count(n int) int { return n }

func count(t *testing.T) {
	t.Parallel()
	first := [2]int{Count(1), Count(1)}
	os.WriteFile("counted."+t.Name(), nil, 0o666)
	for {
		if _, err := os.Stat("go"); err == nil {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	done := make(chan [2]int)
	go func() { done <- [2]int{Count(1), Count(1)} }()
	if then := <-done; first != [2]int{1, 1} || then != [2]int{1000, 1} {
		t.Fatal(first, then)
	}
}

func TestOne(t *testing.T) { count(t) }
func TestTwo(t *testing.T) { count(t) }
"#;

/// Each test's third call comes after rules were swapped, on a goroutine that began after it.
#[test]
fn counts_of_go_tests_go_on() {
    let module = Module::new("1.27");
    module.write("go.mod", "module example.com/counting\n\ngo 1.22\n");
    module.write("count_test.go", COUNT_TEST);
    let build = module.go(&["test", "-c", "-o", "counting.test", "."]);
    assert_eq!(build.code, Some(0), "{}", build.describe());
    let program = module.path("counting.test");
    let count = "{name: count, function: example.com/counting.Count, when: {scope: test, nth: 3}, inject: {set: {n: 1000}}}";
    let other = "{name: other, function: example.com/counting.Count, when: {nth: 1000}, expect: {fired: 0}, inject: {set: {n: 1}}}";
    let file = |rules: &[&str]| format!("version: 1\nrules:\n- {}\n", rules.join("\n- "));
    for writer in WRITERS {
        let options = ["--json", "events"];
        let target = ["--", program.to_str().expect("a path"), "-test.parallel=2"];
        let run = LongRun::start(writer, "busy", &file(&[count]), &options, &target);
        let counted = || {
            let [one, two] = ["TestOne", "TestTwo"].map(|test| run.path(&format!("counted.{test}")).exists());
            (one && two).then_some(())
        };
        run.waits_for("the tests do not run", counted);
        let told = run.reload(&file(&[other, count]));
        assert_eq!(told["kept"], serde_json::json!(["count"]), "{told}");
        std::fs::write(run.path("go"), "").expect("written");
        let (outcome, _) = run.end();
        assert_eq!(outcome.code, Some(0), "{}: {}", writer.name(), outcome.describe());
        let line = outcome.of_type("rule").find(|line| line["rule"] == "count");
        let line = line.expect("its line");
        let counts = ["calls", "applied", "failed"].map(|key| line[key].as_u64());
        assert_eq!(counts, [Some(8), Some(2), Some(0)], "{}", outcome.describe());
    }
}
