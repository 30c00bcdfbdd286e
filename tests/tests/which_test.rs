//! Which Go test a call is made in, and on which line: events, `test`, `scope: test` and `scope: process`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use goinject_tests::module::Module;
use goinject_tests::{Outcome, Writer, guest};
use serde_json::Value;

const CART: &str = r#"package cart

//go:noinline
func Price(n int) int { return n }

//go:noinline
func Total(numbers ...int) (sum int) {
	for _, n := range numbers {
		sum += Price(n) // in Total
	}
	return sum
}

func Quick(n int) int {
	return Price(n) // in Quick
}
"#;

const TESTS: &str = r#"package cart

import (
	"os"
	"sync"
	"testing"
)

var before = Total(1)

func TestMain(m *testing.M) {
	Total(1)
	code := m.Run()
	println("outside", Total(1))
	os.Exit(code)
}

func tell(t *testing.T, sums ...int) {
	t.Log(t.Name(), sums[0], sums[len(sums)-1])
}

func TestAlpha(t *testing.T) {
	t.Parallel()
	tell(t, Total(1, 1, 1), Quick(1)) // in TestAlpha
}

func TestBeta(t *testing.T) {
	for _, name := range []string{"one", "two"} {
		name := name
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tell(t, Total(1, 1, 1))
			t.Run("deep", func(t *testing.T) { tell(t, Total(1, 1)) })
		})
	}
	tell(t, Total(1, 1))
}

// The goroutine that calls has no living ancestors but the test.
func TestGoroutines(t *testing.T) {
	t.Parallel()
	var done sync.WaitGroup
	done.Add(8)
	for n := 0; n < 8; n++ {
		ended := make(chan bool)
		go func() {
			go func() {
				<-ended
				go func() {
					defer done.Done()
					Total(1) // in a goroutine
				}()
			}()
			close(ended)
		}()
	}
	done.Wait()
	tell(t, Total(1, 1))
}

func BenchmarkTotal(b *testing.B) {
	for n := 0; n < b.N; n++ {
		Total(1)
	}
}
"#;

fn module(version: &str) -> Module {
    let module = Module::new(version);
    module.write("go.mod", "module example.com/m\n\ngo 1.15\n");
    module.write("cart/cart.go", CART);
    module.write("cart/cart_test.go", TESTS);
    module
}

/// Runs the tests under rules, with their events.
fn run(module: &Module, rules: &str, writer: Writer, more: &[&str]) -> Outcome {
    module.write("rules.yaml", rules);
    let events = module.path("tmp").join("events");
    let json = events.to_str().expect("a path of text");
    let own = [
        "test",
        "--writer",
        writer.name(),
        "--json",
        json,
        "rules.yaml",
        "--",
    ];
    let mut outcome = module.goinject(&[&own[..], more, &["./cart"]].concat(), &[]);
    outcome.json = Outcome::lines(&fs::read_to_string(&events).unwrap_or_default());
    let _ = fs::remove_file(events);
    outcome
}

const RULES: &str = r#"version: 1
expect: {exit: any}
rules:
- {name: all, mode: observe, function: cart.Price, inject: {set: {n: 2}}}
- {name: once, function: cart.Price, when: {times: 1, scope: test}, inject: {set: {n: 100}}}
- {name: second, mode: observe, function: cart.Price, when: {nth: 2, scope: test}, inject: {set: {n: 2}}}
- {name: below, mode: observe, function: cart.Price, test: 'TestBeta/*', inject: {set: {n: 2}}}
- {name: with, mode: observe, function: cart.Price, test: TestBeta, inject: {set: {n: 2}}}
- {name: started, mode: observe, function: cart.Price, test: 'Test*outines', inject: {set: {n: 2}}}
- {name: deep, mode: observe, function: cart.Price, test: '*/deep', when: {first: 1, scope: test}, inject: {set: {n: 2}}}
"#;

/// How often a rule fired in each test; `-` is outside of all.
fn by_test(outcome: &Outcome, rule: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in outcome.of_type("fired").filter(|line| line["rule"] == rule) {
        let test = line["test"].as_str().unwrap_or("-").to_owned();
        *counts.entry(test).or_default() += 1;
    }
    counts
}

fn expected<const N: usize>(counts: [(&str, usize); N]) -> BTreeMap<String, usize> {
    let counts = counts.into_iter().filter(|(_, count)| *count > 0);
    counts.map(|(test, count)| (test.to_owned(), count)).collect()
}

/// Function, file and line of each frame.
fn frames(line: &Value) -> Vec<(String, String, u64)> {
    let text = |frame: &Value, key: &str| frame[key].as_str().unwrap_or_default().to_owned();
    let frames = line["stack"].as_array().expect("a list").iter();
    let frame = |frame: &Value| {
        let file = text(frame, "file");
        let name = file.rsplit('/').next().unwrap_or_default().to_owned();
        let line = frame["line"].as_u64().unwrap_or_default();
        (text(frame, "function"), name, line)
    };
    frames.map(frame).collect()
}

fn place(function: &str, file: &str, text: &str) -> (String, String, u64) {
    let source = if file == "cart.go" { CART } else { TESTS };
    let before = source.split(text).next().expect("the part before");
    let line = before.matches('\n').count() as u64 + 1;
    (format!("example.com/m/cart.{function}"), file.to_owned(), line)
}

/// What programs of a version know of the goroutines that a test starts.
fn knows_parents(version: &str) -> bool {
    !version.starts_with("1.15") && !version.starts_with("1.19")
}

fn check_tests(version: &str, outcome: &Outcome) {
    let of_goroutines = if knows_parents(version) { 8 } else { 0 };
    let all = [
        ("-", 3 + 8 - of_goroutines),
        ("TestAlpha", 4),
        ("TestBeta", 2),
        ("TestBeta/one", 3),
        ("TestBeta/one/deep", 2),
        ("TestBeta/two", 3),
        ("TestBeta/two/deep", 2),
        ("TestGoroutines", 2 + of_goroutines),
    ];
    let beta = [
        ("TestBeta", 2),
        ("TestBeta/one", 3),
        ("TestBeta/one/deep", 2),
        ("TestBeta/two", 3),
        ("TestBeta/two/deep", 2),
    ];
    let [_, below @ ..] = beta;
    let words = outcome.describe();
    let same = |rule: &str, counts: BTreeMap<String, usize>| {
        assert_eq!(by_test(outcome, rule), counts, "{version}, rule {rule}: {words}");
    };
    same("all", expected(all));
    same("once", expected(all.map(|(test, _)| (test, 1))));
    same("second", expected(all.map(|(test, _)| (test, 1))));
    same("below", expected(below));
    same("with", expected(beta));
    same("started", expected([("TestGoroutines", 2 + of_goroutines)]));
    same(
        "deep",
        expected([("TestBeta/one/deep", 1), ("TestBeta/two/deep", 1)]),
    );
}

/// What the program itself saw of the rule `once`.
fn check_values(version: &str, outcome: &Outcome) {
    // 99 more, once, somewhere in the test.
    for line in ["TestBeta/one 102 102", "TestBeta/two 102 102", "TestBeta 101 101"] {
        let found = outcome
            .stdout
            .lines()
            .any(|of| of.ends_with(&format!(": {line}")));
        assert!(found, "{version}, {line}: {}", outcome.describe());
    }
}

fn check_stacks(version: &str, outcome: &Outcome) {
    let stacks: Vec<_> = outcome
        .of_type("fired")
        .filter(|line| line["rule"] == "all" && line["test"] == "TestAlpha")
        .map(frames)
        .collect();
    let price = place("Price", "cart.go", "func Price");
    let test = place("TestAlpha", "cart_test.go", "// in TestAlpha");
    let runner = "testing.tRunner";
    for (function, text) in [("Total", "// in Total"), ("Quick", "// in Quick")] {
        let caller = place(function, "cart.go", text);
        let found = stacks.iter().filter(|stack| {
            stack.len() == 4
                && stack[..3] == [price.clone(), caller.clone(), test.clone()]
                && stack[3].0 == runner
        });
        let expected = if function == "Total" { 3 } else { 1 };
        assert_eq!(
            found.count(),
            expected,
            "{version}: {stacks:#?} has not {caller:?}"
        );
    }
    let in_goroutine = place("TestGoroutines.func1.1.1", "cart_test.go", "// in a goroutine");
    let found = outcome.of_type("fired").map(frames).any(|stack| {
        let [first, second, third] = &stack[..] else {
            return false;
        };
        let (function, file, line) = third;
        *first == price
            && second.0.ends_with("cart.Total")
            // Names of closures differ between versions.
            && function.starts_with("example.com/m/cart.TestGoroutines.func")
            && (file, line) == (&in_goroutine.1, &in_goroutine.2)
    });
    assert!(found, "{version}: no stack of a goroutine in {:#?}", outcome.json);
}

#[test]
fn events_and_rules_tell_tests_apart() {
    for version in ["1.15", "1.19", "1.21", "1.24", "1.27"] {
        let module = module(version);
        for writer in Writer::ANYWHERE {
            let outcome = run(&module, RULES, writer, &["-v"]);
            assert_eq!(outcome.code, Some(0), "{version}: {}", outcome.describe());
            check_tests(version, &outcome);
            check_stacks(version, &outcome);
            check_values(version, &outcome);
            let line = "] in TestAlpha at cart/cart.go:9: n 1 → ";
            assert!(outcome.stderr.contains(line), "{version}: {}", outcome.describe());
            let sites = "armed 7 rules at 1 site in process";
            assert!(
                outcome.stderr.contains(sites),
                "{version}: {}",
                outcome.describe()
            );
            let told = outcome
                .stderr
                .contains("do not record which goroutine started them");
            assert_eq!(told, !knows_parents(version), "{version}: {}", outcome.describe());
        }
    }
}

/// Rules on what package testing prints with, and whether they may hit its own output.
#[test]
fn what_testing_prints_is_not_hit() {
    const SAYS: &str = r#"package cart

import (
	"os"
	"testing"
)

func TestWrites(t *testing.T) {
	t.Run("sub", func(t *testing.T) {
		t.Log("logged")
		os.Stdout.Write([]byte("written\n"))
	})
	t.Log("logged")
}
"#;
    let rules = |more: &str| {
        format!(
            "version: 1\nrules:\n\
             - {{name: write, function: os.(*File).Write, {more}mode: observe, inject: {{set: {{b: {{len: 0}}}}}}}}\n"
        )
    };
    for version in ["1.15", "1.19", "1.21", "1.24", "1.27"] {
        let module = Module::new(version);
        module.write("go.mod", "module example.com/m\n\ngo 1.15\n");
        module.write("cart/cart_test.go", SAYS);
        for writer in Writer::ANYWHERE {
            let everybody = run(&module, &rules(""), writer, &["-v"]);
            assert_eq!(everybody.code, Some(0), "{version}: {}", everybody.describe());
            let warning = "package testing itself may call `os.(*File).Write`";
            assert!(
                everybody.stderr.contains(warning),
                "{version}: {}",
                everybody.describe()
            );
            assert!(
                everybody.counts()[0].fired > 2,
                "{version}: {}",
                everybody.describe()
            );

            let tests = run(&module, &rules("test: '*', "), writer, &["-v"]);
            assert_eq!(tests.code, Some(0), "{version}: {}", tests.describe());
            assert!(
                !tests.stderr.contains("may call"),
                "{version}: {}",
                tests.describe()
            );
            let write = by_test(&tests, "write");
            let own = expected([("TestWrites/sub", 1)]);
            assert_eq!(write, own, "{version}: {}", tests.describe());
        }
    }
}

#[test]
fn other_programs_have_no_tests() {
    let module = module("1.27");
    let rules = |keys: &str| {
        format!("version: 1\nrules:\n- {{function: main.f, {keys}, inject: {{set: {{n: 1}}}}}}\n")
    };
    module.write(
        "main.go",
        "package main\n\nfunc main() { println(f(1)) }\n\n//go:noinline\nfunc f(n int) int { return n }\n",
    );
    let build = module.go(&["build", "-o", "program", "."]);
    assert_eq!(build.code, Some(0), "{}", build.describe());
    for keys in ["test: TestAlpha", "when: {nth: 1, scope: test}"] {
        module.write("rules.yaml", &rules(keys));
        for command in [
            &["check", "rules.yaml", "--binary", "./program"][..],
            &["run", "rules.yaml", "--", "./program"],
        ] {
            let outcome = module.goinject(command, &[]);
            assert_eq!(outcome.code, Some(3), "{keys}: {}", outcome.describe());
            assert!(
                outcome.stderr.contains("is not a test binary"),
                "{}",
                outcome.describe()
            );
        }
    }
}

/// The same within a guest, whose kernel lets BPF write.
fn in_guest(kernel: &str, version: &str, writers: &[Writer]) {
    let module = module(version);
    module.write("rules/rules.yaml", RULES);
    let build = ["test", "-c", "-o", "cart.test", "./cart"];
    let build = module.go(&build);
    assert_eq!(build.code, Some(0), "{}", build.describe());
    let files = [
        (module.path("rules"), PathBuf::from("/srv/rules")),
        (module.path("cart.test"), PathBuf::from("/srv/cart.test")),
    ];
    let Some(mut booted) = guest::boot(kernel, &files) else {
        return;
    };
    for writer in writers {
        let script = format!(
            "goinject run --writer {} --json /tmp/events /srv/rules/rules.yaml -- /srv/cart.test -test.v 2>/tmp/err\n\
             echo @code $?; cat /tmp/events; cat /tmp/err >&2",
            writer.name(),
        );
        let outcome = booted.run(&script, Duration::from_secs(120));
        let outcome = outcome.unwrap_or_else(|error| panic!("{error}"));
        let outcome = Outcome {
            stderr: outcome.stderr(),
            ..Outcome::of_a_script(&outcome.stdout())
        };
        let version = format!("{version} on Linux {}, {}", booted.release, writer.name());
        assert_eq!(outcome.code, Some(0), "{version}: {}", outcome.describe());
        check_tests(&version, &outcome);
        check_stacks(&version, &outcome);
        check_values(&version, &outcome);
    }
}

#[test]
fn guest_6_1_tells_tests_apart() {
    in_guest("6.1", "1.27", &[Writer::SignalFrame, Writer::Tracer]);
    in_guest("6.1", "1.15", &[Writer::UserMemory]);
}

#[test]
#[ignore = "6.1's verifier is the strictest, and hosts try newer ones: cargo xtask stress guest_newest_tells"]
fn guest_newest_tells_tests_apart() {
    in_guest("newest", "1.27", &[Writer::Context, Writer::SignalFrame]);
}
