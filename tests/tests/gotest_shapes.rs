//! `go test` in the shapes that people give it: parallel tests and subtests, a server that a test starts, with flags,
//! below make, interrupted.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use goinject_lab::{Cache, Published};
use goinject_tests::module::Module;
use goinject_tests::{Outcome, Writer, goinject};

/// The module `fixtures/shop`, whose rules fail a write and let a quota be 0.
fn shop() -> Module {
    Module::copy(
        "1.27",
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/shop"),
    )
}

impl Shape<'_> {
    fn run(&self, module: &Module, writer: Writer) -> Outcome {
        let mut command = goinject::command([self.word, "--quiet", "--writer", writer.name()]);
        let events = module.path("events.jsonl");
        command
            .arg("--json")
            .arg(&events)
            .args([self.rules, "--"])
            .args(self.arguments);
        let mut outcome = module.run(command, &[]);
        outcome.json = Outcome::lines(&fs::read_to_string(events).unwrap_or_default());
        outcome
    }
}

/// A way to run the tests.
struct Shape<'a> {
    word: &'a str,
    rules: &'a str,
    arguments: &'a [&'a str],
}

const fn test<'a>(arguments: &'a [&'a str]) -> Shape<'a> {
    Shape {
        word: "test",
        rules: "chaos.yaml",
        arguments,
    }
}

/// Calls and faults of both rules.
fn counts(outcome: &Outcome) -> [(u64, u64); 2] {
    let counts = outcome.counts();
    assert_eq!(counts.len(), 2, "{}", outcome.describe());
    for rule in &counts {
        assert_eq!(
            (rule.fired, rule.failed),
            (rule.applied, 0),
            "{}",
            outcome.describe()
        );
    }
    [0, 1].map(|n| (counts[n].calls, counts[n].fired))
}

/// The first write of the run fails, and whoever made it tries again. Quotas are read by four goroutines of a test, and
/// once for the seed of the fuzz target.
const STORE: [(u64, u64); 2] = [(2, 1), (5, 5)];
/// The same with the three writes of the server that the tests of another package start.
const ALL: [(u64, u64); 2] = [(5, 1), (5, 5)];

#[test]
fn packages_servers_and_flags_share_one_count() {
    let make = Shape {
        word: "run",
        rules: "chaos.yaml",
        arguments: &["make"],
    };
    let shapes = [
        (test(&["./..."]), ALL),
        (make, ALL),
        (test(&["-race", "./store"]), STORE),
        (test(&["-cover", "-p", "1", "./..."]), ALL),
        (
            test(&["-v", "-count=2", "-run", "TestSub|TestPut", "./store"]),
            [(3, 1), (8, 8)],
        ),
    ];
    let module = shop();
    for writer in Writer::ANYWHERE {
        for (shape, expected) in &shapes {
            let outcome = shape.run(&module, writer);
            assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
            assert_eq!(counts(&outcome), *expected, "{}", outcome.describe());
            let mut programs: Vec<&str> = outcome
                .of_type("process")
                .map(|line| line["program"].as_str().expect("a name"))
                .collect();
            programs.sort_unstable();
            match *expected == ALL {
                true => assert_eq!(programs, ["server", "store.test"], "{}", outcome.describe()),
                false => assert_eq!(programs, ["store.test"], "{}", outcome.describe()),
            }
        }
    }
}

#[test]
fn output_is_that_of_go_test() {
    let module = shop();
    // Faults of `os.(*File).Write` would hit it; one that only watches does not.
    module.write(
        "watch.yaml",
        "version: 1\nrules:\n- {function: os.(*File).Write, mode: observe, inject: {return: {\"results[1]\": {errno: ENOSPC}}}}\n",
    );
    let arguments = ["-v", "-run", "TestPut|TestAdd", "./plain", "./store"];
    let plain = module.go(&[&["test", "-count=1"], &arguments[..]].concat());
    assert_eq!(plain.code, Some(0), "{}", plain.describe());
    assert!(plain.stdout.contains("main done"), "{}", plain.describe());
    for writer in Writer::ANYWHERE {
        let shape = Shape {
            rules: "watch.yaml",
            ..test(&arguments)
        };
        let outcome = shape.run(&module, writer);
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        assert_eq!(without_times(&outcome.stdout), without_times(&plain.stdout));
    }
}

/// Without what differs from run to run: digits of times.
fn without_times(text: &str) -> String {
    let is_time = |word: &str| {
        let word = word.trim_matches(['(', ')']);
        word.ends_with('s') && word.trim_end_matches('s').parse::<f64>().is_ok()
    };
    let words = text.split_inclusive([' ', '\t', '\n']);
    words
        .map(|word| if is_time(word.trim_end()) { "TIME " } else { word })
        .collect()
}

#[test]
fn json_and_fuzzing_stay_what_they_are() {
    let module = shop();
    for writer in Writer::ANYWHERE {
        let outcome = test(&["-json", "./store"]).run(&module, writer);
        assert_eq!(counts(&outcome), STORE, "{}", outcome.describe());
        let lines = Outcome::lines(&outcome.stdout);
        let passed =
            |line: &&serde_json::Value| line["Action"] == "pass" && line["Test"] == "TestSub/large_one";
        assert_eq!(lines.iter().filter(passed).count(), 1, "{}", outcome.describe());
        assert!(
            lines.iter().all(serde_json::Value::is_object),
            "{}",
            outcome.describe()
        );

        let fuzz = test(&["-run", "none", "-fuzz", "FuzzPut", "-fuzztime", "200x", "./store"]);
        let outcome = fuzz.run(&module, writer);
        // The rule that nothing calls is told of.
        assert_eq!(outcome.code, Some(4), "{}", outcome.describe());
        let [_, (calls, fired)] = counts(&outcome);
        assert!(calls >= 200 && calls == fired, "{}", outcome.describe());
    }
}

#[test]
fn a_test_that_takes_too_long_is_ended_by_go() {
    let module = shop();
    module.write(
        "slow.yaml",
        "version: 1\nrules:\n- {function: store.(*File).Put, inject: {delay: 1h}, expect: {fired: \">=0\"}}\n",
    );
    for writer in Writer::ANYWHERE {
        let slow = Shape {
            rules: "slow.yaml",
            ..test(&["-timeout", "1s", "./store"])
        };
        let outcome = slow.run(&module, writer);
        assert_eq!(outcome.code, Some(1), "{}", outcome.describe());
        for words in [
            "panic: test timed out after 1s",
            "store.TestPut",
            "FAIL\texample.com/shop/store",
        ] {
            assert!(outcome.stdout.contains(words), "{words}: {}", outcome.describe());
        }
        // A test that is killed leaves its server behind; the run ends with go test all the same.
        let left = Shape {
            rules: "slow.yaml",
            ..test(&["-timeout", "3s", "./api"])
        };
        let outcome = left.run(&module, writer);
        assert_eq!(outcome.code, Some(1), "{}", outcome.describe());
        assert!(
            outcome.stdout.contains("panic: test timed out after 3s"),
            "{}",
            outcome.describe()
        );
        assert!(
            outcome.stderr.contains("goes on without rules"),
            "{}",
            outcome.describe()
        );
        let server = outcome.of_type("process").next().expect("a server");
        let pid = i32::try_from(server["pid"].as_i64().expect("a number")).expect("a process");
        // SAFETY: the server of this test, which nobody else will end.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }
}

#[test]
fn the_example_for_ci_finds_a_retry_that_is_gone() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/ci");
    let module = Module::copy("1.27", &folder);
    let plain = module.go(&["test", "-v", "./..."]);
    assert_eq!(plain.code, Some(0), "{}", plain.describe());
    assert!(plain.stdout.contains("needs goinject"), "{}", plain.describe());
    for writer in Writer::ANYWHERE {
        let outcome = test(&["-v", "./..."]).run(&module, writer);
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        assert_eq!(counts(&outcome), [(7, 3), (4, 2)], "{}", outcome.describe());
        assert!(!outcome.stdout.contains("SKIP"), "{}", outcome.describe());
    }
    let file = module.path("store/store.go");
    let text = fs::read_to_string(&file).expect("the package");
    let hasty = text.replace("const Attempts = 3", "const Attempts = 1");
    assert_ne!(text, hasty);
    fs::write(&file, hasty).expect("written");
    let outcome = test(&["-run", "TestPutFails", "./..."]).run(&module, Writer::Breakpoints);
    // No test noticed.
    assert!(outcome.stdout.starts_with("ok"), "{}", outcome.describe());
    assert_eq!(outcome.code, Some(1), "{}", outcome.describe());
    assert!(
        outcome.stderr.contains("fired 1, expected 3"),
        "{}",
        outcome.describe()
    );
}

#[test]
fn a_recorded_run_comes_up_again() {
    let module = shop();
    for writer in Writer::ANYWHERE {
        let recorded = test(&["-run", "TestPut|TestSub", "./store"]).run(&module, writer);
        assert_eq!(counts(&recorded), [(2, 1), (4, 4)], "{}", recorded.describe());
        // Neither the rule file nor the folder that goinject is called in matter any more.
        let rules = fs::read_to_string(module.path("chaos.yaml")).expect("rules");
        module.write("chaos.yaml", "version: 1\nrules: []\n");
        let mut replay = goinject::command(["replay", "--quiet", "events.jsonl", "--junit", "again.xml"]);
        replay.env("GITHUB_ACTIONS", "");
        let outcome = module.run(replay, &[]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        for words in [
            "5 of 5 recorded faults occurred again",
            "to repeat: goinject test --seed ",
        ] {
            assert!(outcome.stderr.contains(words), "{words}: {}", outcome.describe());
        }
        assert!(
            !outcome.stderr.contains("more occurred"),
            "{}",
            outcome.describe()
        );
        assert!(module.path("again.xml").is_file());

        // A command of another name, whose tests are fewer.
        let fewer = [
            "replay",
            "-q",
            "events.jsonl",
            "--",
            "go",
            "test",
            "-run",
            "TestPut",
            "./store",
        ];
        let outcome = module.run(goinject::command(fewer), &[]);
        assert_eq!(outcome.code, Some(1), "{}", outcome.describe());
        for words in [
            "1 of 5 recorded faults occurred again",
            "did not occur again, 2 of 2: quota: example.com/shop/store.Quota, called from example.com/shop/store.TestSub.func1.1 (store_test.go:",
            "in TestSub/large_one",
        ] {
            assert!(outcome.stderr.contains(words), "{words}: {}", outcome.describe());
        }
        module.write("chaos.yaml", &rules);
    }
}

#[test]
fn what_is_no_recorded_run_is_refused() {
    let module = shop();
    let refused = |text: &str, words: &str| {
        module.write("events.jsonl", text);
        let outcome = module.goinject(&["replay", "events.jsonl"], &[]);
        assert_eq!(outcome.code, Some(2), "{}", outcome.describe());
        assert!(outcome.stderr.contains(words), "{words}: {}", outcome.describe());
    };
    refused("", "no run was recorded in it");
    refused("{\"type\": \"limit\"}\n", "no run was recorded in it");
    refused("nothing\n{}\n", "events.jsonl:1: not an event of goinject");
    let outcome = module.goinject(&["replay", "missing.jsonl"], &[]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.describe());
    assert!(
        outcome.stderr.contains("missing.jsonl: No such file"),
        "{}",
        outcome.describe()
    );
}

#[test]
fn callers_may_be_named_by_the_last_element_of_their_package() {
    let module = shop();
    let rules = "version: 1\nrules:\n- {name: within, function: store.(*File).write, within: store.(*File).Put, inject: {delay: 1ms}, expect: {calls: 1}}\n- {name: callers, function: store.(*File).write, callers: [store.(*File).Put, store.TestPut], inject: {delay: 1ms}}\n";
    module.write("callers.yaml", rules);
    for writer in Writer::ANYWHERE {
        let named = Shape {
            rules: "callers.yaml",
            ..test(&["-run", "TestPut", "./store"])
        };
        let outcome = named.run(&module, writer);
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        assert_eq!(counts(&outcome), [(1, 1), (1, 1)], "{}", outcome.describe());
    }
    for package in ["a/store", "b/store"] {
        let text = "package store\n\nvar Sink int\n\n//go:noinline\nfunc Keep(n int) { Sink += n }\n";
        module.write(&format!("{package}/store.go"), text);
    }
    module.write(
        "both/both_test.go",
        "package both\n\nimport (\n\t\"testing\"\n\n\ta \"example.com/shop/a/store\"\n\tb \"example.com/shop/b/store\"\n)\n\nfunc TestBoth(t *testing.T) {\n\ta.Keep(1)\n\tb.Keep(2)\n}\n",
    );
    module.write(
        "both.yaml",
        "version: 1\nrules:\n- {function: both.TestBoth, within: store.Keep, mode: observe, inject: {panic: true}}\n",
    );
    let outcome = module.goinject(&["check", "both.yaml", "--package", "./both"], &[]);
    assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
    for words in [
        "`store.Keep` is ambiguous: several functions have this name",
        "`example.com/shop/a/store.Keep`, `example.com/shop/b/store.Keep`",
    ] {
        assert!(outcome.stderr.contains(words), "{}", outcome.describe());
    }
}

#[test]
fn go_run_keeps_types_of_package_main() {
    for version in ["1.19", "1.27"] {
        let module = Module::new(version);
        module.write("go.mod", "module greeter\n\ngo 1.15\n");
        let program = "package main\n\nimport \"fmt\"\n\n//go:noinline\nfunc greet(name string, times int) (said string) { return fmt.Sprint(name, times) }\n\nfunc main() { fmt.Println(greet(\"you\", 1)) }\n";
        module.write("main.go", program);
        module.write(
            "rules.yaml",
            "version: 1\nrules:\n- {function: main.greet, inject: {set: {times: 7, said: hello}}}\n",
        );
        let go = module.program().to_str().expect("a path");
        let arguments = ["run", "--engine", "ptrace", "rules.yaml", "--", go, "run", "."];
        let outcome = module.goinject(&arguments, &[]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        assert_eq!(outcome.stdout, "hello\n", "{}", outcome.describe());
        assert!(outcome.stderr.contains("times 1 → 7"), "{}", outcome.describe());
    }
}

#[test]
fn a_rule_behind_one_that_ends_calls_is_told_why_it_has_none() {
    let module = shop();
    module.write(
        "ended.yaml",
        "version: 1\nrules:\n- {name: ends, function: store.Quota, inject: {return: {}}}\n- {name: behind, function: store.Quota, inject: {set: {user: none}}}\n",
    );
    let ended = Shape {
        rules: "ended.yaml",
        ..test(&["-run", "TestSub", "./store"])
    };
    let outcome = ended.run(&module, Writer::Breakpoints);
    assert_eq!(outcome.code, Some(4), "{}", outcome.describe());
    assert_eq!(counts(&outcome), [(4, 4), (0, 0)], "{}", outcome.describe());
    let words = "was never called; calls that rule `ends` ended before it are not counted";
    assert!(outcome.stderr.contains(words), "{}", outcome.describe());
}

/// Whatever starts `go test`, and whatever that starts its test binaries with.
#[test]
fn test_runners_and_wrappers_are_followed() {
    let module = shop();
    let gotestsum = Published::find("gotestsum").expect("it is in the table");
    let gotestsum = gotestsum.program(&Cache::from_env());
    let gotestsum = gotestsum.unwrap_or_else(|error| panic!("{error}"));
    module.write("wrapper.sh", "#!/bin/sh\n: >\"$0.ran\"\nexec \"$@\"\n");
    let wrapper = module.path("wrapper.sh");
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).expect("ours");
    let wrapped = format!("-exec={}", wrapper.display());
    let under_gotestsum = [
        gotestsum.to_str().expect("a path"),
        "--format=testname",
        "--",
        "./store",
    ];
    let through_wrapper = [wrapped.as_str(), "./store"];
    let shapes = [
        Shape {
            word: "run",
            rules: "chaos.yaml",
            arguments: &under_gotestsum,
        },
        test(&through_wrapper),
    ];
    for writer in Writer::ANYWHERE {
        let [below, through] = shapes.each_ref().map(|shape| shape.run(&module, writer));
        for outcome in [&below, &through] {
            assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
            assert_eq!(counts(outcome), STORE, "{}", outcome.describe());
        }
        assert!(below.stdout.contains("DONE "), "{}", below.describe());
        let ran = module.path("wrapper.sh.ran");
        fs::remove_file(&ran).unwrap_or_else(|_| panic!("{}", through.describe()));
    }
}

/// Go keeps results of tests in its cache. None of a run under rules gets there, and none from there into such a run.
#[test]
fn the_cache_of_test_results_is_left_alone() {
    let module = shop();
    let cache = tempfile::tempdir().expect("a folder");
    let folder = cache.path().to_str().expect("a path");
    let settings = [("GOCACHE", folder)];
    let go = |arguments: &[&str]| {
        let mut command = std::process::Command::new(module.program());
        command.args(arguments);
        module.run(command, &settings).stdout
    };
    // Without flags of goinject's the packages are built once, and the result of one is kept.
    assert!(!go(&["test", "./plain"]).contains("(cached)"));
    assert!(go(&["test", "./plain"]).contains("(cached)"));
    let results = test_results(cache.path());
    assert!(!results.is_empty());
    for writer in Writer::ANYWHERE {
        let mut command = goinject::command(["test", "--quiet", "--writer", writer.name()]);
        command.args(["chaos.yaml", "--", "./store", "./plain"]);
        let outcome = module.run(command, &settings);
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        assert!(!outcome.stdout.contains("(cached)"), "{}", outcome.describe());
        assert_eq!(test_results(cache.path()), results, "{}", writer.name());
    }
    assert!(!go(&["test", "./store"]).contains("(cached)"));
    assert!(go(&["test", "./plain"]).contains("(cached)"));
}

/// The contents of Go's cache that are what a test binary printed: names and bytes.
fn test_results(cache: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let folders = fs::read_dir(cache).expect("a cache").flatten();
    let files = folders.filter_map(|folder| fs::read_dir(folder.path()).ok());
    let data = files.flatten().flatten().map(|file| file.path());
    data.filter(|path| path.to_string_lossy().ends_with("-d"))
        .filter_map(|path| Some((path.clone(), fs::read(path).ok()?)))
        .filter(|(_, bytes)| bytes.starts_with(b"PASS\n") || bytes.starts_with(b"ok  "))
        .collect()
}
