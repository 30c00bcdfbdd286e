//! Programs that can't be targets, and rule files that can't be rules: what goinject says, and with which exit code.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ::goinject::go::Binary;
use goinject_lab::{Cache, Toolchain};
use goinject_tests::goinject::{self, Running};
use goinject_tests::{Build, Flags, Outcome, Strip};

const RULES: &str = "version: 1\nrules:\n- {function: main.leaf, inject: {set: {a: 1}}}\n";

const STRIPPED: Build = Build {
    version: "1.27",
    flags: Flags {
        strip: Strip::All,
        ..Flags::NONE
    },
};

fn goinject_in<const N: usize>(folder: &Path, arguments: [&str; N]) -> Outcome {
    let mut command = goinject::command(arguments);
    Running::start(command.current_dir(folder)).end()
}

/// What it says, without the folder.
fn said(outcome: &Outcome, folder: &Path) -> String {
    let code = outcome.code.map_or("none".to_owned(), |code| code.to_string());
    let said = outcome.stderr.replace(&format!("{}/", folder.display()), "");
    format!("exit {code}\n{}{said}\n", outcome.stdout)
}

/// A program for another machine.
fn cross_built(folder: &Path, architecture: &str) {
    let source = folder.join("source");
    fs::create_dir_all(&source).expect("a folder");
    fs::write(source.join("go.mod"), "module example.com/other\n\ngo 1.21\n").expect("written");
    fs::write(
        source.join("main.go"),
        "package main\n\nfunc main() { println() }\n",
    )
    .expect("written");
    let mut go = Toolchain::newest()
        .command(&Cache::from_env())
        .expect("Go is set up");
    go.args(["build", "-buildvcs=false", "-o"])
        .arg(folder.join(architecture))
        .arg(".");
    go.current_dir(source)
        .env("GOARCH", architecture)
        .env("CGO_ENABLED", "0");
    let output = go.output().expect("go starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// What Go builds to be loaded by another program.
fn built_to_be_loaded(folder: &Path, mode: &str) {
    let source = folder.join("library");
    fs::create_dir_all(&source).expect("a folder");
    fs::write(source.join("go.mod"), "module example.com/library\n\ngo 1.21\n").expect("written");
    fs::write(
        source.join("main.go"),
        "package main\n\nimport \"C\"\n\n//export Double\nfunc Double(n C.int) C.int { return 2 * n }\n\nfunc main() {}\n",
    )
    .expect("written");
    let mut go = Toolchain::newest()
        .command(&Cache::from_env())
        .expect("Go is set up");
    go.args(["build", "-buildvcs=false", "-buildmode", mode, "-o"])
        .arg(folder.join(mode))
        .arg(".");
    go.current_dir(source).env("CGO_ENABLED", "1");
    let output = go.output().expect("go starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn plugins_and_shared_libraries_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = "version: 1\nrules:\n- {function: main.Double, inject: {set: {n: 1}}}\n";
    fs::write(folder.path().join("rules.yaml"), rules).expect("written");
    for (mode, what) in [("plugin", "a Go plugin"), ("c-shared", "a shared library")] {
        built_to_be_loaded(folder.path(), mode);
        let error = Binary::open(&folder.path().join(mode)).expect_err("no program");
        let words = format!("{mode}: {what}, whose functions cannot be reached in the program that loads it");
        assert!(error.to_string().contains(&words), "{error}");
        for command in ["check", "plan"] {
            let outcome = goinject_in(folder.path(), [command, "rules.yaml", "--binary", mode]);
            assert_eq!(outcome.code, Some(3), "{mode}: {}", outcome.describe());
            assert!(outcome.stderr.contains(mode), "{mode}: {}", outcome.describe());
        }
    }
}

/// One of each kind, called by what it is.
fn make_programs(folder: &Path) -> Vec<&'static str> {
    let go = Build::plain("1.27").of("busy");
    fs::copy(STRIPPED.of("busy"), folder.join("stripped")).expect("a copy");
    fs::copy("/bin/true", folder.join("c-program")).expect("a copy");
    let bytes = fs::read(go).expect("a fixture");
    let (header, half) = (&bytes[..40], &bytes[..bytes.len() / 2]);
    for (name, content) in [
        ("cut-in-its-header", header),
        ("cut-in-half", half),
        ("script", b"#!/bin/sh\necho no\n"),
        ("text", b"just text\n"),
        ("empty", b""),
    ] {
        fs::write(folder.join(name), content).expect("written");
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).expect("permissions");
    }
    fs::create_dir(folder.join("folder")).expect("a folder");
    cross_built(folder, "386");
    cross_built(folder, "arm64");
    vec![
        "missing",
        "folder",
        "empty",
        "text",
        "script",
        "c-program",
        "cut-in-its-header",
        "cut-in-half",
        "386",
        "arm64",
        "stripped",
    ]
}

#[test]
fn programs_that_are_no_targets() {
    let folder = tempfile::tempdir().expect("a folder");
    // What is followed may be no Go program: one that it starts may be.
    let rules = format!("{RULES}target: {{follow: false}}\n");
    fs::write(folder.path().join("rules.yaml"), rules).expect("written");
    let mut text = String::new();
    for name in make_programs(folder.path()) {
        let program = format!("./{name}");
        let run = goinject_in(folder.path(), ["run", "rules.yaml", "--", &program]);
        assert_eq!(run.code, Some(3), "{name}: {}", run.describe());
        let _ = writeln!(text, "## {name}\n{}", said(&run, folder.path()));
        for command in ["check", "plan"] {
            let outcome = goinject_in(folder.path(), [command, "rules.yaml", "--binary", &program]);
            assert_eq!(outcome.code, Some(3), "{command} {name}: {}", outcome.describe());
            // They say the same of the program, wherever it was found; `check` counts mistakes, too.
            let [words, first] = [&outcome, &run]
                .map(|outcome| said(outcome, folder.path()).trim_end().replace(&program, name));
            assert!(words.starts_with(&first), "{command} {name}: {words}");
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_stripped_program_and_a_signature() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = "version: 1\nrules:\n- {function: main.leaf, signature: \"func(a, b int) int\", inject: {set: {a: 1000003}}}\n";
    fs::write(folder.path().join("rules.yaml"), rules).expect("written");
    let program = STRIPPED.of("busy");
    let program = program.to_str().expect("a path in UTF-8");
    let arguments = [
        "run",
        "rules.yaml",
        "--",
        program,
        "-calls",
        "100",
        "-only",
        "leaf",
    ];
    let outcome = goinject_in(folder.path(), arguments);
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    let total = goinject_tests::busy::total(&outcome.stdout).expect("no wrong call");
    assert_eq!(total.replaced, total.calls, "{total:?}");
}

#[test]
fn a_stripped_program_and_rules_that_touch_no_value() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = STRIPPED.of("busy");
    let program = program.to_str().expect("a path in UTF-8");
    for rule in [
        "mode: observe, inject: {panic: true}",
        "when: {every: 2}, inject: {delay: 1us}",
        "when: {nth: 7}, inject: {panic: true}, expect: {fired: 1}",
    ] {
        let rules = format!("version: 1\nexpect: {{exit: any}}\nrules:\n- {{function: main.deep, {rule}}}\n");
        fs::write(folder.path().join("rules.yaml"), rules).expect("written");
        let arguments = [
            "run",
            "rules.yaml",
            "--",
            program,
            "-calls",
            "100",
            "-only",
            "deep",
        ];
        let outcome = goinject_in(folder.path(), arguments);
        assert_eq!(outcome.code, Some(0), "{rule}: {}", outcome.describe());
    }
    // Values are of types.
    let rules = "version: 1\nrules:\n- {function: main.deep, if: depth == 1, inject: {panic: true}}\n";
    fs::write(folder.path().join("rules.yaml"), rules).expect("written");
    let outcome = goinject_in(folder.path(), ["check", "rules.yaml", "--binary", program]);
    assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
    assert!(outcome.stderr.contains("signature"), "{}", outcome.describe());
}

/// A mistake in each line of it.
const MISTAKEN: &str = r#"version: 2
seeed: 4
limits: {duration: 5}
rules:
- {function: main.leaf, inject: {set: {a: 1}}, when: {every: -1}}
- {function: main.leaf, if: "a ==", inject: {set: {a: 1}}}
- {function: {glob: "main.*", max_matches: 0}, inject: {}}
- {inject: {delay: soon}}
"#;

#[test]
fn all_mistakes_of_a_file_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("rules.yaml"), MISTAKEN).expect("written");
    let program = Build::plain("1.27").of("busy");
    let program = program.to_str().expect("a path in UTF-8");
    let check = goinject_in(folder.path(), ["check", "rules.yaml"]);
    let run = goinject_in(folder.path(), ["run", "rules.yaml", "--", program]);
    assert!(check.stderr.starts_with(&run.stderr), "{}", run.stderr);
    assert_eq!((check.code, run.code), (Some(2), Some(2)));
    for line in [1, 2, 3, 5, 6, 7, 8] {
        assert!(
            check.stderr.contains(&format!("rules.yaml:{line}:")),
            "line {line}: {}",
            check.stderr
        );
    }
    insta::assert_snapshot!(said(&check, folder.path()));
}

/// Right by itself, and wrong for the program in each rule.
const MISFIT: &str = r#"version: 1
rules:
- {name: parameter, function: main.leaf, inject: {set: {c: 1}}}
- {name: type, function: main.number, inject: {set: {on: 7}}}
- {name: range, function: main.number, inject: {set: {n: 4294967296}}}
- {name: field, function: main.behind, inject: {set: {c.valu: 1}}}
- {name: condition, function: main.leaf, if: b.x == 1, inject: {set: {a: 1}}}
"#;

#[test]
fn all_that_does_not_fit_the_program_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("rules.yaml"), MISFIT).expect("written");
    fs::copy(Build::plain("1.27").of("busy"), folder.path().join("program")).expect("a copy");
    let check = goinject_in(folder.path(), ["check", "rules.yaml", "--binary", "program"]);
    let run = goinject_in(folder.path(), ["run", "rules.yaml", "--", "./program"]);
    assert_eq!((check.code, run.code), (Some(2), Some(2)), "{}", run.describe());
    for line in 3..=7 {
        for outcome in [&check, &run] {
            assert!(
                outcome.stderr.contains(&format!("rules.yaml:{line}:")),
                "line {line}: {}",
                outcome.stderr
            );
        }
    }
    insta::assert_snapshot!(said(&check, folder.path()));
    // Nothing of it ran.
    assert_eq!(run.stdout, "");
}

#[test]
fn files_and_processes_that_are_not_there() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("rules.yaml"), RULES).expect("written");
    for (arguments, code, words) in [
        (["check", "missing.yaml", "--binary", "x"], 2, "missing.yaml"),
        // Process ids end before that.
        (["run", "rules.yaml", "--pid", "4194305"], 3, "4194305"),
        (["run", "rules.yaml", "--engine", "none"], 2, "none"),
        (["run", "rules.yaml", "--writer", "pencil"], 2, "pencil"),
    ] {
        let outcome = goinject_in(folder.path(), arguments);
        assert_eq!(outcome.code, Some(code), "{arguments:?}: {}", outcome.describe());
        assert!(outcome.stderr.contains(words), "{}", outcome.describe());
    }
}
