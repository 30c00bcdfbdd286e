//! Single sites that no writer of BPF's reaches in time: they have breakpoints, and the rest of the rules keeps its writer.

use std::fs;
use std::path::Path;
use std::process::Command;

use goinject_tests::goinject::Running;
use goinject_tests::patience::wait_for;
use goinject_tests::{Build, Counts, Outcome, counts, goinject};

/// Where values are passed in registers.
const BUILDS: [Build; 2] = [Build::plain("1.19"), Build::plain("1.27")];

/// Runs sections of a program with rules, and options of goinject.
fn run(build: Build, options: &[&str], rules: &str, sections: &[&str]) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, json) = (folder.path().join("rules.yaml"), folder.path().join("json"));
    fs::write(&file, format!("version: 1\nrules:\n{rules}")).expect("rules are written");
    let mut command = goinject::command(["run", "--quiet"]);
    command
        .args(options)
        .arg(&file)
        .arg("--json")
        .arg(&json)
        .arg("--");
    command.arg(build.of("cases")).args(sections);
    let mut outcome = Running::start(&mut command).end();
    outcome.json = Outcome::lines(&fs::read_to_string(json).unwrap_or_default());
    outcome
}

fn writers(outcome: &Outcome) -> Vec<&str> {
    let armed = outcome.of_type("armed").next().expect("it was armed");
    let names = armed["writers"].as_array().expect("a list");
    names.iter().filter_map(|name| name.as_str()).collect()
}

#[test]
fn they_have_breakpoints_and_the_others_keep_their_writer() {
    let rules = "
- {function: main.leafFloat, if: x > 2.5, inject: {set: {x: {add: 0.5}}}}
- {function: main.leafFloat, if: x > 3.5, inject: {set: {x: 100}}}
- {function: main.leafFloats, inject: {set: {x: 10}}}
- {function: main.leafInt, inject: {set: {a: 41, \"results[0]\": -5}}}
- {function: main.manyFloats, inject: {set: {a: 0.5, o: 15.5}}}
";
    let sections = ["leaf float", "leaf floats", "leaf int", "many floats"];
    for build in BUILDS {
        for engine in ["bpf", "auto"] {
            let outcome = run(build, &["--engine", engine], rules, &sections);
            let told = outcome.describe();
            assert_eq!(outcome.code, Some(4), "{told}");
            let printed: Vec<&str> = outcome
                .stdout
                .lines()
                .filter(|line| !line.starts_with("=="))
                .collect();
            let floats = "0.5 2 3 4 5 6 7 8 9 10 11 12 13 14 15.5 16 17";
            assert_eq!(printed, ["12.25", "9", "-5", floats, floats], "{told}");
            let once = counts(1, 1, 1, 0);
            let not_at_all = Counts {
                calls: 1,
                ..Counts::default()
            };
            assert_eq!(outcome.counts(), [once, not_at_all, once, once, once], "{told}");
            // Jumps, which are preferred, serve every site.
            let expected = match engine {
                "auto" => &["trampoline"][..],
                _ => &["tracer", "breakpoints"],
            };
            assert_eq!(writers(&outcome), expected, "{told}");
        }
    }
}

#[test]
fn a_writer_that_is_asked_for_by_name_serves_every_site_or_none() {
    let rules = "
- {function: main.leafFloat, inject: {set: {x: 5}}}
- {function: main.leafInt, inject: {set: {a: 41}}}
";
    let outcome = run(
        BUILDS[1],
        &["--writer", "tracer"],
        rules,
        &["leaf float", "leaf int"],
    );
    assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
    let why =
        "main.leafFloat must be changed before its first instruction runs: `mulsd xmm0,xmm0` overwrites";
    assert!(outcome.stderr.contains(why), "{}", outcome.stderr);
}

#[test]
fn without_any_other_site_there_is_nothing_for_bpf() {
    let rules = "- {function: main.leafFloat, inject: {set: {x: 5}}}\n";
    let outcome = run(BUILDS[1], &["--engine", "bpf"], rules, &["leaf float"]);
    assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
    let why = "main.leafFloat must be changed before its first instruction runs";
    assert!(outcome.stderr.contains(why), "{}", outcome.describe());
    for engine in ["ptrace", "auto"] {
        let outcome = run(BUILDS[1], &["--engine", engine], rules, &["leaf float"]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        assert!(outcome.stdout.contains("\n25\n"), "{}", outcome.describe());
    }
}

/// The kernel would take an int3 for the other's.
#[test]
fn breakpoints_stay_when_a_probe_of_somebody_else_comes_off_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let build = BUILDS[1];
    let changed = "- {function: main.squared, inject: {set: {x: 2.5}}}\n- {function: main.leaf, inject: {set: {a: 1000003}}}\n";
    fs::write(path("change"), format!("version: 1\nrules:\n{changed}")).expect("rules are written");
    let watched = "version: 1\nrules:\n- {function: main.squared, mode: observe, inject: {panic: true}}\n";
    fs::write(path("watch"), watched).expect("rules are written");
    let mut command = goinject::command(["run", "--quiet", "--engine", "bpf"]);
    command
        .arg(path("change"))
        .arg("--json")
        .arg(path("json"))
        .arg("--")
        .arg(build.of("busy"));
    command
        .args(["-input", "-only", "squared,leaf"])
        .stdin(std::process::Stdio::piped());
    let mut changing = Running::start(&mut command);
    let acts = |json: &Path| fs::read_to_string(json).is_ok_and(|text| text.len() > 64 << 10);
    assert!(
        wait_for(|| acts(&path("json")).then_some(())).is_some(),
        "no rule acts"
    );
    let mut command: Command = goinject::command(["run", "--quiet", "--engine", "bpf"]);
    command
        .arg(path("watch"))
        .arg("--")
        .arg(build.of("busy"))
        .args(["-calls", "200", "-only", "squared"]);
    let watching = Running::start(&mut command).end();
    assert_eq!(watching.code, Some(0), "{}", watching.describe());
    let so_far = fs::metadata(path("json")).expect("events").len();
    let more = || fs::metadata(path("json")).is_ok_and(|file| file.len() > so_far + (64 << 10));
    assert!(
        wait_for(|| more().then_some(())).is_some(),
        "no rule acts any more"
    );
    drop(changing.stdin());
    let outcome = changing.end();
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    let counted = goinject_tests::busy::counted(&outcome.stdout);
    let squared = counted["squared"];
    assert!(squared.calls > 0, "{}", outcome.describe());
    assert_eq!(
        (squared.replaced, squared.wrong),
        (squared.calls, 0),
        "{}",
        outcome.describe()
    );
}
