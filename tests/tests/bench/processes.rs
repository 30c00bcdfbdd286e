//! Runs of many processes against the same without goinject: the tests of many packages, and a script's short commands.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use ::goinject::host;
use goinject_tests::goinject;
use goinject_tests::module::Module;

use crate::files::cost;
use crate::program;
use crate::target::{median, time};

const TURNS: usize = 5;
const PACKAGES: usize = 20;
const CHILDREN: usize = 1000;
/// Functions that are observed, all of them in each test binary, and how often a package's tests call each of them.
const OBSERVED: usize = 2000;
const ROUNDS: usize = 10;

/// Left to itself, `go test` links without types (`-s -w`), which takes less.
const SAME_FLAGS: [&str; 1] = ["-ldflags=-s=false -w=false"];

/// Engines that this host has.
fn engines() -> Vec<&'static str> {
    match host::look_at_all().bpf.load.is_yes() {
        true => vec!["ptrace", "bpf"],
        false => {
            println!("  bpf: skipped: this host has no BPF");
            vec!["ptrace"]
        }
    }
}

/// `go test` of a tree of packages under one rule, and plain with the same flags. All is built before.
pub(crate) fn tests() {
    let module = tree();
    println!("go test of {PACKAGES} packages, built before (aim: 1.15 times the plain run and 1 s)");
    let _ = (plain(&module, &SAME_FLAGS), plain(&module, &[]));
    for engine in engines() {
        let _ = with_rules(&module, engine);
        compare(engine, &|| plain(&module, &SAME_FLAGS), &|| {
            with_rules(&module, engine)
        });
    }
    compare("types", &|| plain(&module, &[]), &|| plain(&module, &SAME_FLAGS));
}

/// `go test` of a tree whose binaries have thousands of functions that a rule observes each call of.
pub(crate) fn observed() {
    let module = wide();
    println!(
        "go test of {PACKAGES} packages, built before, whose tests call {OBSERVED} functions {ROUNDS} times, each observed (aim: 1.3 times the plain run)"
    );
    let _ = plain(&module, &SAME_FLAGS);
    for engine in engines()
        .into_iter()
        .chain(["inline"])
        .filter(|engine| *engine != "ptrace")
    {
        let _ = with_rules(&module, engine);
        compare(engine, &|| plain(&module, &SAME_FLAGS), &|| {
            with_rules(&module, engine)
        });
    }
}

/// Nanoseconds of the tests without goinject.
fn plain(module: &Module, flags: &[&str]) -> f64 {
    let mut command = Command::new(module.program());
    command.args(["test", "-count=1"]).args(flags).arg("./...");
    let start = Instant::now();
    let outcome = module.run(command, &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    start.elapsed().as_nanos() as f64
}

/// Nanoseconds of the tests with the module's rules.
fn with_rules(module: &Module, engine: &str) -> f64 {
    let arguments = ["test", "--quiet", "--engine", engine, "rules.yaml", "--", "./..."];
    let start = Instant::now();
    let outcome = module.goinject(&arguments, &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    start.elapsed().as_nanos() as f64
}

/// A shell loop of short commands that are no Go programs, and one Go program at the end.
pub(crate) fn children() {
    let folder = tempfile::tempdir().expect("a folder for a rule file");
    let rules = folder.path().join("rules.yaml");
    let text =
        "version: 1\nrules:\n- {function: main.hit, inject: {set: {n: 7}}, expect: {fired: \">=0\"}}\n";
    std::fs::write(&rules, text).expect("written");
    let script = format!(
        "i=0; while [ $i -lt {CHILDREN} ]; do /bin/true; i=$((i+1)); done; exec {}",
        program().display()
    );
    println!("a shell loop of {CHILDREN} short commands (aim: 1.5 times the plain run)");
    let plain = || cost(shell(Command::new("sh"), &script)).elapsed;
    for engine in engines() {
        compare(engine, &plain, &|| cost(below(engine, &rules, &script)).elapsed);
    }
}

fn shell(mut command: Command, script: &str) -> Command {
    command.args(["-c", script]);
    command
}

fn below(engine: &str, rules: &Path, script: &str) -> Command {
    let mut command = Command::new(goinject::program());
    command
        .args(["run", "--quiet", "--engine", engine])
        .arg(rules)
        .args(["--", "sh"]);
    shell(command, script)
}

/// Takes both in turn, and prints the medians.
fn compare(engine: &str, plain: &dyn Fn() -> f64, below: &dyn Fn() -> f64) {
    let turns: Vec<(f64, f64)> = (0..TURNS).map(|_| (plain(), below())).collect();
    let plain = median(turns.iter().map(|turn| turn.0));
    let below = median(turns.iter().map(|turn| turn.1));
    println!(
        "  {engine:8} {:>10} against {:>10}: {:.2} times, {} more (medians of {TURNS} turns)",
        time(below),
        time(plain),
        below / plain,
        time((below - plain).max(0.0))
    );
}

/// A module of packages that all use one.
fn tree() -> Module {
    let module = Module::new("1.27");
    module.write("go.mod", "module example.com/tree\n\ngo 1.22\n");
    module.write(
        "store/store.go",
        "package store\n\n//go:noinline\nfunc Put(n int) (int, error) { return n + 1, nil }\n",
    );
    module.write(
        "rules.yaml",
        "version: 1\nrules:\n- {function: example.com/tree/store.Put, when: {every: 10}, inject: {set: {n: 7}}}\n",
    );
    for n in 0..PACKAGES {
        let mut text = format!(
            "package p{n}\n\nimport (\n\t\"testing\"\n\t\"time\"\n\n\t\"example.com/tree/store\"\n)\n"
        );
        for test in 0..10 {
            let _ = write!(
                text,
                "\nfunc TestPut{test}(t *testing.T) {{\n\tfor n := range 10 {{\n\t\tstore.Put(n)\n\t}}\n\ttime.Sleep(10 * time.Millisecond)\n}}\n"
            );
        }
        let file = PathBuf::from(format!("p{n}")).join("put_test.go");
        module.write(&file.to_string_lossy(), &text);
    }
    module
}

/// A module of packages whose tests call each function of one that has many.
fn wide() -> Module {
    let module = Module::new("1.27");
    module.write("go.mod", "module example.com/wide\n\ngo 1.22\n");
    let mut store = "package store\n\nvar All = []func(int) (int, error){\n".to_owned();
    (0..OBSERVED).for_each(|n| {
        let _ = writeln!(store, "\tStep{n},");
    });
    store.push_str("}\n");
    for n in 0..OBSERVED {
        let _ = write!(
            store,
            "\n//go:noinline\nfunc Step{n}(v int) (int, error) {{ return v + {n}, nil }}\n"
        );
    }
    module.write("store/store.go", &store);
    module.write(
        "rules.yaml",
        &format!(
            "version: 1\nrules:\n- {{function: {{regex: '^example.com/wide/store[.]Step', max_matches: {OBSERVED}}}, mode: observe, inject: {{panic: true}}}}\n"
        ),
    );
    for n in 0..PACKAGES {
        let text = format!(
            "package p{n}\n\nimport (\n\t\"fmt\"\n\t\"testing\"\n\t\"time\"\n\n\t\"example.com/wide/store\"\n)\n\n\
             func TestAll(t *testing.T) {{\n\tfor round := range {ROUNDS} {{\n\
             \t\tt.Run(fmt.Sprint(round), func(t *testing.T) {{\n\
             \t\t\tfor _, step := range store.All {{\n\t\t\t\tif _, err := step(round); err != nil {{\n\
             \t\t\t\t\tt.Error(err)\n\t\t\t\t}}\n\t\t\t}}\n\
             \t\t\ttime.Sleep(10 * time.Millisecond)\n\t\t}})\n\t}}\n}}\n"
        );
        let file = PathBuf::from(format!("p{n}")).join("step_test.go");
        module.write(&file.to_string_lossy(), &text);
    }
    module
}
