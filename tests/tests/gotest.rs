//! The go command below a run, and packages whose test binaries are looked into.

use std::fs;
use std::path::Path;

use goinject_tests::Outcome;
use goinject_tests::module::Module;

/// A test that says whether its own binary has debug information.
const TESTS: &str = r#"package store

import (
	"debug/elf"
	"os"
	"strings"
	"testing"
)

func TestTypes(t *testing.T) {
	file, err := elf.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	types := "without"
	for _, section := range file.Sections {
		if strings.HasSuffix(section.Name, "debug_info") {
			types = "with"
		}
	}
	t.Logf("%s types, mark %q, version %q, sum %d", types, os.Getenv("GOINJECT"), version, Add(1, 2))
	t.Log(Unique)
}
"#;

const STORE: &str = "package store

var version = \"none\"

//go:noinline
func Add(a, b int) int { return a + b }
";

/// A module of three packages.
fn store(version: &str) -> Module {
    let module = Module::new(version);
    module.write("go.mod", "module example.com/m\n\ngo 1.15\n");
    // The build cache is shared with other tests, its results of tests are not.
    let unique = format!("{STORE}\nconst Unique = {:?}\n", module.path(""));
    module.write("store/store.go", &unique);
    module.write("store/store_test.go", TESTS);
    module.write("plain/plain.go", "package plain\n\nfunc Nothing() {}\n");
    module.write("broken/broken.go", "package broken\n");
    module.write(
        "broken/broken_test.go",
        "package broken\n\nvar x int = \"no number\"\n",
    );
    module
}

/// What the test of the module said of itself.
fn said(outcome: &Outcome) -> &str {
    let text = outcome.stdout.split_once(".go:").map_or("", |(_, text)| text);
    let text = text.split_once(": ").map_or("", |(_, text)| text);
    text.lines().next().unwrap_or_default().trim_end()
}

/// A rule that writes nothing, on what every Go program has.
const OBSERVED: &str = "version: 1
mode: observe
expect: {exit: any}
rules:
  - {function: main.main, inject: {delay: 1ms}, expect: {fired: '>=0'}}
";

#[test]
fn test_binaries_keep_types_and_the_cache_of_results_is_left_alone() {
    for version in ["1.15", "1.19", "1.21", "1.27"] {
        let module = store(version);
        module.write("rules.yaml", OBSERVED);
        let run = |settings: &[(&str, &str)]| {
            let go = module.program().to_str().expect("a path");
            let arguments = ["run", "-q", "--engine", "ptrace", "rules.yaml", "--"];
            let arguments = [&arguments[..], &[go, "test", "-v", "./store"]].concat();
            module.goinject(&arguments, settings)
        };
        let first = run(&[]);
        let expected = "with types, mark \"1\", version \"none\", sum 3";
        assert_eq!(said(&first), expected, "{version}: {}", first.describe());
        // A plain run is not served what came out under rules, nor is one under rules served anything.
        let plain = module.go(&["test", "-v", "./store"]);
        assert!(
            !plain.stdout.contains("(cached)"),
            "{version}: {}",
            plain.describe()
        );
        assert!(
            said(&plain).starts_with("without types, mark \"\""),
            "{version}: {}",
            plain.describe()
        );
        // Go caches no result while a file that the test looked at is seconds old.
        let is_cached = |_| {
            std::thread::sleep(std::time::Duration::from_secs(1));
            module.go(&["test", "-v", "./store"]).stdout.contains("(cached)")
        };
        assert!((0..5).any(is_cached), "{version}");
        let second = run(&[("GOFLAGS", "-ldflags=-X=example.com/m/store.version=env")]);
        let expected = "with types, mark \"1\", version \"env\", sum 3";
        assert_eq!(said(&second), expected, "{version}: {}", second.describe());
        assert!(
            !second.stdout.contains("(cached)"),
            "{version}: {}",
            second.describe()
        );
        module.write("goenv", "GOFLAGS=-ldflags=-X=example.com/m/store.version=file\n");
        let third = run(&[]);
        let expected = "with types, mark \"1\", version \"file\", sum 3";
        assert_eq!(said(&third), expected, "{version}: {}", third.describe());
        println!("{version}: types kept, nothing cached");
    }
}

#[test]
fn a_package_is_a_binary_to_look_into() {
    for version in ["1.15", "1.27"] {
        let module = store(version);
        module.write(
            "rules.yaml",
            "version: 1\nrules:\n  - {function: example.com/m/store.Add, inject: {set: {a: 7}}}\n",
        );
        let check = module.goinject(&["check", "rules.yaml", "--package", "./store"], &[]);
        assert_eq!(check.code, Some(0), "{version}: {}", check.describe());
        assert!(
            check.stderr.contains("building the tests of ./store"),
            "{}",
            check.describe()
        );
        assert!(
            check.stderr.contains("no mistakes; 1 site"),
            "{}",
            check.describe()
        );
        let plan = ["plan", "rules.yaml", "--package", "./store", "--", "-tags=x"];
        let plan = module.goinject(&plan, &[("GOFLAGS", "-trimpath")]);
        assert_eq!(plan.code, Some(0), "{version}: {}", plan.describe());
        assert!(
            plan.stdout.contains("example.com/m/store.Add"),
            "{}",
            plan.describe()
        );
        let inspect = ["inspect", "--package", "./store", "example.com/m/store.Add"];
        let inspect = module.goinject(&inspect, &[]);
        assert_eq!(inspect.code, Some(0), "{version}: {}", inspect.describe());
        assert!(
            inspect.stdout.contains("func Add(a, b int) int"),
            "{}",
            inspect.describe()
        );
        let left: Vec<_> = fs::read_dir(module.path("tmp")).expect("a folder").collect();
        assert!(left.is_empty(), "{version}: {left:?}");
    }
}

#[test]
fn packages_without_a_test_binary_are_told() {
    let module = store("1.27");
    module.write("rules.yaml", OBSERVED);
    let told = |package: &str, settings: &[(&str, &str)], code: i32, words: &[&str]| {
        let outcome = module.goinject(&["check", "rules.yaml", "--package", package], settings);
        assert_eq!(outcome.code, Some(code), "{package}: {}", outcome.describe());
        for word in words {
            assert!(outcome.stderr.contains(word), "{package}: {}", outcome.describe());
        }
    };
    told("./plain", &[], 3, &["./plain has no tests"]);
    told(
        "./broken",
        &[],
        3,
        &["cannot build the tests of ./broken", "broken_test.go:3:13"],
    );
    told(
        "./missing",
        &[],
        3,
        &["cannot build the tests of ./missing", "directory not found"],
    );
    told("./...", &[], 2, &["takes one package"]);
    let empty = Path::new("/nowhere").to_str().expect("a path");
    told("./store", &[("PATH", empty)], 3, &["there is no `go` on PATH"]);
}

#[test]
fn go_test_runs_under_rules_only_by_itself() {
    let module = store("1.27");
    module.write("rules.yaml", OBSERVED);
    let refused = module.goinject(&["test", "rules.yaml", "--pid", "1"], &[]);
    assert_eq!(refused.code, Some(2), "{}", refused.describe());
    let run = [
        "test",
        "-q",
        "--engine",
        "ptrace",
        "rules.yaml",
        "--",
        "-v",
        "./store",
    ];
    let run = module.goinject(&run, &[]);
    assert_eq!(run.code, Some(0), "{}", run.describe());
    assert!(said(&run).starts_with("with types"), "{}", run.describe());
}

/// A rule may not fit some of the programs that have its function, and says so.
#[test]
fn a_rule_that_fits_only_some_programs_says_which() {
    let module = store("1.27");
    module.write("cmd/uses/main.go", "package main\n\nimport \"errors\"\n\nvar errFull = errors.New(\"full\")\n\n//go:noinline\nfunc save() error { return nil }\n\nfunc main() { println(save(), errFull) }\n");
    module.write(
        "cmd/lacks/main.go",
        "package main\n\n//go:noinline\nfunc save() error { return nil }\n\nfunc main() { println(save()) }\n",
    );
    module.write(
        "full.yaml",
        "version: 1\nrules:\n- function: main.save\n  inject: {return: {\"results[0]\": main.errFull}}\n",
    );
    for name in ["uses", "lacks"] {
        let built = module.go(&["build", "-o", name, &format!("./cmd/{name}")]);
        assert_eq!(built.code, Some(0), "{}", built.describe());
    }
    let run = |script: &str| {
        let arguments = ["run", "--engine", "ptrace", "full.yaml", "--", "sh", "-c", script];
        module.goinject(&arguments, &[])
    };
    let outcome = run("./lacks; ./uses; ./lacks");
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    for words in [
        "warning: there is no package variable `main.errFull`",
        "not armed in lacks",
    ] {
        assert!(outcome.stderr.contains(words), "{}", outcome.describe());
    }
    let outcome = run("./lacks");
    assert_eq!(outcome.code, Some(2), "{}", outcome.describe());
    assert!(!outcome.stderr.contains("warning:"), "{}", outcome.describe());
}

/// Nothing happened because nothing could: a function that is not there is no success, whatever is expected of it.
#[test]
fn a_function_that_no_program_has_is_an_error_also_where_nothing_is_to_fire() {
    let module = store("1.27");
    module.write("none.yaml", "version: 1\nrules:\n- function: example.com/m/store.Gone\n  inject: {delay: 1ms}\n  expect: {fired: 0, calls: 0}\n");
    let outcome = module.goinject(&["test", "--engine", "ptrace", "none.yaml", "--", "./..."], &[]);
    assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
    assert!(outcome.stderr.contains("store.Gone"), "{}", outcome.describe());
}

/// A mistake is told once, however many programs lack the function, with what any of them says to it.
#[test]
fn a_function_that_several_programs_lack_is_told_once() {
    let module = store("1.27");
    module.write(
        "broken/broken_test.go",
        "package broken\n\nimport \"testing\"\n\nfunc TestNothing(t *testing.T) {}\n",
    );
    let run = |rules: &str| {
        module.write("none.yaml", &format!("version: 1\nrules:\n- {rules}\n"));
        module.goinject(&["test", "--engine", "ptrace", "none.yaml", "--", "./..."], &[])
    };
    let outcome = run("{function: example.com/m/store.Ad, inject: {delay: 1ms}}");
    assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
    assert_eq!(
        outcome.stderr.matches("error: ").count(),
        1,
        "{}",
        outcome.describe()
    );
    for words in [
        "error: there is no function `example.com/m/store.Ad` in ",
        "did you mean `example.com/m/store.Add`?",
        "note: looked for in broken.test, store.test",
    ] {
        assert!(outcome.stderr.contains(words), "{}", outcome.describe());
    }
    let outcome = run("{function: example.com/m/other.Gone, inject: {delay: 1ms}}");
    assert_eq!(
        outcome.stderr.matches("error: ").count(),
        1,
        "{}",
        outcome.describe()
    );
    let listing = "`goinject inspect --package PACKAGE` lists them";
    assert!(outcome.stderr.contains(listing), "{}", outcome.describe());
    // Another program does not have it, which is no matter: here it does not fit.
    let outcome = run("{function: example.com/m/store.Add, inject: {set: {a: \"three\"}}}");
    assert_eq!(outcome.code, Some(2), "{}", outcome.describe());
    assert_eq!(
        outcome.stderr.matches("error: ").count(),
        1,
        "{}",
        outcome.describe()
    );
    assert!(
        !outcome.stderr.contains("there is no function"),
        "{}",
        outcome.describe()
    );
}

/// A program that has the function and can't be armed is told by its name and with the reason, and not as one that lacks it.
#[test]
fn a_test_binary_that_cannot_be_armed_is_told_with_its_reason() {
    let module = store("1.27");
    module.write(
        "mix/mix.go",
        "package mix\n\nfunc Mix(a int) int\n\nfunc Twice(a int) int { return Mix(a) + Mix(a) }\n",
    );
    // Jumps need R12 and R13 for themselves.
    module.write(
        "mix/mix_amd64.s",
        "#include \"textflag.h\"\n\nTEXT ·Mix(SB), NOSPLIT, $0-16\n\tMOVQ a+0(FP), R12\n\tADDQ $3, R12\n\tMOVQ R12, ret+8(FP)\n\tRET\n",
    );
    module.write(
        "mix/mix_test.go",
        "package mix\n\nimport \"testing\"\n\nfunc TestMix(t *testing.T) {\n\tif Twice(1) != 8 {\n\t\tt.Fatal(Twice(1))\n\t}\n}\n",
    );
    module.write(
        "mix.yaml",
        "version: 1\nrules:\n- function: example.com/m/mix.Mix\n  signature: \"func(a int) (sum int)\"\n  inject: {set: {a: 7}}\n",
    );
    let outcome = module.goinject(&["test", "--engine", "inline", "mix.yaml", "--", "./mix"], &[]);
    assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
    for words in ["(mix.test) runs without rules: ", "of example.com/m/mix.Mix"] {
        assert!(outcome.stderr.contains(words), "{}", outcome.describe());
    }
    assert!(
        !outcome.stderr.contains("no program of this run"),
        "{}",
        outcome.describe()
    );
    assert!(outcome.stdout.contains("ok"), "{}", outcome.describe());
}
