//! A recorded run whose goroutines race comes up again call by call.

use std::fs;

use goinject_tests::long_run::LongRun;
use goinject_tests::module::Module;
use goinject_tests::{Outcome, Writer, goinject};

/// Tests that run side by side, each with goroutines that do.
const RACE_TEST: &str = r#"package race

import (
	"runtime"
	"sync"
	"testing"
)

//go:noinline
func Put(n int) int { return n + 1 }

//go:noinline
func first(n int) int { return Put(n) }

//go:noinline
func second(n int) int { return Put(n) }

func work(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for _, put := range []func(int) int{first, second, Put} {
		all.Add(1)
		go func() {
			defer all.Done()
			for n := range 20 {
				put(n)
				runtime.Gosched()
			}
		}()
	}
	all.Wait()
}

func TestOne(t *testing.T) { work(t) }
func TestTwo(t *testing.T) { work(t) }
func TestThree(t *testing.T) {
	t.Run("small", work)
	t.Run("large", work)
}
"#;

const RULES: &str = "
version: 1
rules:
- {name: chance, function: example.com/race.Put, when: {probability: 20%}, inject: {set: {n: 100}}}
- {name: third, function: example.com/race.Put, when: {every: 3, times: 40}, inject: {set: {\"results[0]\": 3}}}
- {name: results, function: example.com/race.second, when: {nth: 37}, inject: {set: {n: 5, \"results[0]\": 7}}}
";

fn module() -> Module {
    let module = Module::new("1.27");
    module.write("go.mod", "module example.com/race\n\ngo 1.22\n");
    module.write("race_test.go", RACE_TEST);
    module.write("rules.yaml", RULES);
    module
}

fn record(module: &Module, writer: Writer) -> u64 {
    let mut command = goinject::command(["test", "--quiet", "--writer", writer.name()]);
    command.args(["--json", "events.jsonl", "rules.yaml", "--", "./..."]);
    let outcome = module.run(command, &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    let events = Outcome::lines(&fs::read_to_string(module.path("events.jsonl")).expect("events"));
    events.iter().filter(|line| line["type"] == "fired").count() as u64
}

#[test]
fn goroutines_that_race_are_hit_in_the_same_calls() {
    let module = module();
    // The functions are too small for jumps.
    for writer in [Writer::Tracer, Writer::Breakpoints] {
        let faults = record(&module, writer);
        assert!(faults > 50, "{faults}");
        // Whichever engine repeats it.
        for again in [writer, writer, Writer::Tracer, Writer::Breakpoints] {
            let replay = ["replay", "--writer", again.name(), "events.jsonl"];
            let outcome = module.run(goinject::command(replay), &[]);
            assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
            let words = format!("{faults} of {faults} recorded faults occurred again");
            assert!(outcome.stderr.contains(&words), "{words}: {}", outcome.describe());
            assert!(
                !outcome.stderr.contains("more occurred"),
                "{}",
                outcome.describe()
            );
            let repeat = format!(" --writer {} rules.yaml -- ./...", again.name());
            assert!(
                outcome.stderr.contains(&repeat),
                "{repeat}: {}",
                outcome.describe()
            );
        }
    }
}

/// Other lines are other calls only where one function makes several.
#[test]
fn moved_lines_are_the_same_calls() {
    let module = module();
    module.write(
        "rules.yaml",
        "version: 1\nrules:\n- {function: example.com/race.second, when: {scope: test, nth: 2}, inject: {set: {n: 5}}}\n",
    );
    let faults = record(&module, Writer::Breakpoints);
    assert_eq!(faults, 4);
    let moved = RACE_TEST.replacen("package race", "package race\n\n// A change.", 1);
    module.write("race_test.go", &moved);
    let outcome = module.goinject(&["replay", "--engine", "ptrace", "events.jsonl"], &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    for words in [
        "4 of 4 recorded faults occurred again",
        "race.test has been rebuilt since",
    ] {
        assert!(outcome.stderr.contains(words), "{words}: {}", outcome.describe());
    }
}

/// A run of `waiting` whose rules were swapped between its rounds, and what a replay of it comes to.
fn replay_of_swapped(writer: Writer, later: &str) -> Outcome {
    let rules = "version: 1
limits: {faults: 5}
rules:
- {name: gone, function: main.slow, if: n == 2, inject: {set: {n: 12}}, expect: {fired: 1}}
- {name: early, function: main.nap, if: n == 7, inject: {set: {n: 1}}}
- {name: kept, function: main.slow, if: n == 1, inject: {set: {n: 11, r: 1000}}, expect: {fired: 2}}
- {name: third, function: main.count, when: {scope: goroutine, nth: 3}, inject: {set: {n: 1000}}}
";
    let stay: Vec<&str> = rules.lines().skip(5).collect();
    let later = format!(
        "version: 1\nlimits: {{faults: 100}}\nrules:\n{later}{}\n",
        stay.join("\n")
    );
    let options = ["--json", "events"];
    let run = LongRun::start(writer, "waiting", rules, &options, &["--", "./waiting", "go."]);
    let fired = || (run.lines(0, &["\"type\":\"fired\""]).len() == 2).then_some(());
    run.waits_for("it does not fire", fired);
    assert_eq!(run.reload(&later)["generation"], 2);
    for round in ["go.1", "go.2"] {
        fs::write(run.path(round), "").expect("written");
    }
    let (outcome, folder) = run.end();
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    let mut command = goinject::command(["replay", "--writer", writer.name(), "events"]);
    goinject::Running::start(command.current_dir(folder.path())).end()
}

/// Calls that a rule fired in before others came and after it come up again, also those of a rule that was taken out.
#[test]
fn a_run_whose_rules_were_swapped_comes_up_again() {
    for writer in [Writer::Tracer, Writer::Breakpoints] {
        let outcome = replay_of_swapped(writer, "");
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        for words in [
            "the rules that it began with are repeated",
            "11 of 11 recorded faults occurred again",
        ] {
            assert!(outcome.stderr.contains(words), "{words}: {}", outcome.describe());
        }
        for line in [
            "round 1 n 1 saw 11 r 1000 ",
            "round 1 n 2 saw 12 r 112 ",
            "round 2 n 1 saw 11 r 1000 counts 1000 1",
            "round 2 n 2 saw 2 r 102 counts 1000 2",
        ] {
            assert!(outcome.stdout.contains(line), "{line}: {}", outcome.describe());
        }
        assert!(
            !outcome.stderr.contains("more occurred"),
            "{}",
            outcome.describe()
        );
    }
}

#[test]
fn faults_of_rules_that_came_later_are_refused() {
    for writer in [Writer::Tracer, Writer::Breakpoints] {
        let later = "- {name: late, function: main.slow, if: n == 4, inject: {set: {n: 14}}}\n";
        let outcome = replay_of_swapped(writer, later);
        assert_eq!(outcome.code, Some(2), "{}", outcome.describe());
        assert_eq!(outcome.stdout, "", "nothing runs");
        for words in [
            "rule `late`, which came with generation 2, fired 1 time",
            "jq -r 'select(.type == \"reloaded\" and .generation == 2).rule_file.text' events",
        ] {
            assert!(outcome.stderr.contains(words), "{words}: {}", outcome.describe());
        }
    }
}
