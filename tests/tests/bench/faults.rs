//! Faults that are injected, through the command line as users have it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use goinject_tests::goinject;

use crate::program;
use crate::target::time;

/// Rule files by name.
const RULES: [(&str, &str); 6] = [
    (
        "never",
        "if: n == -1\n  inject: {set: {n: 1}}\n  expect: {calls: 2000, fired: 0}",
    ),
    (
        "three",
        "if: n >= 0 && b.size > 0 && text == \"other\"\n  inject: {set: {n: 1}}\n  expect: {calls: 2000, fired: 0}",
    ),
    ("register", "inject: {set: {n: 5}}\n  expect: {fired: 2000}"),
    ("memory", "inject: {set: {b.size: 5}}\n  expect: {fired: 2000}"),
    ("return", "inject: {return: {r: 5}}\n  expect: {fired: 2000}"),
    ("delay", "inject: {delay: 20ms}\n  expect: {fired: 50}"),
];

/// Writes all rule files into a folder.
pub(crate) fn write_rules(folder: &Path) {
    for (name, rule) in RULES {
        let text = format!("version: 1\nrules:\n- function: main.hit\n  {rule}\n");
        fs::write(folder.join(name).with_extension("yaml"), text).expect("written");
    }
}

/// Runs the program under goinject with a rule file and these commands for it, and gives what it printed.
pub(crate) fn native(writer: &'static str) -> impl Fn(&str, &str) -> String {
    let folder = tempfile::tempdir().expect("a folder for rule files");
    write_rules(folder.path());
    move |rules, commands| {
        let input = folder.path().join("commands");
        fs::write(&input, format!("{commands}\n")).expect("written");
        let output = Command::new(goinject::program())
            .args(["run", "--quiet", "--writer", writer])
            .arg(folder.path().join(rules).with_extension("yaml"))
            .arg("--")
            .arg(program())
            .stdin(Stdio::from(fs::File::open(input).expect("just written")))
            .output()
            .expect("goinject runs");
        let said = String::from_utf8_lossy(&output.stderr);
        let refused = output.status.code() == Some(3);
        assert!(
            refused || output.status.success(),
            "{rules}, writer {writer}: {said}"
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// The two numbers of the program's last line; none if it was not even started.
fn numbers(output: &str) -> Option<(f64, f64)> {
    let mut words = output.lines().last()?.split_whitespace();
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

/// What an edit costs that is made in each call.
pub(crate) fn edits(writer: &str, run: &mut dyn FnMut(&str, &str) -> String) {
    const CALLS: u32 = 2000;
    println!("  each call edited, writer {writer}");
    for (rules, what) in [
        ("register", "a parameter in a register"),
        ("memory", "a field behind a pointer"),
        ("return", "an early return"),
    ] {
        let output = run(rules, &format!("calls {CALLS}"));
        match numbers(&output) {
            Some((ns, _)) => println!("    {what:40} {:>10}", time(ns / f64::from(CALLS))),
            None => println!("    {what:40} {:>10}", "refused"),
        }
    }
}

/// What a call costs that does not fire.
pub(crate) fn hits(writer: &str, run: &mut dyn FnMut(&str, &str) -> String) {
    const CALLS: u32 = 2000;
    println!("  no call fires, writer {writer}");
    let mut first = None;
    for (rules, what) in [("never", "one condition"), ("three", "three conditions")] {
        let output = run(rules, &format!("calls {CALLS}"));
        let Some((ns, _)) = numbers(&output) else {
            println!("    {what:40} {:>10}", "refused");
            continue;
        };
        let ratio = ns / *first.get_or_insert(ns);
        println!(
            "    {what:40} {:>10}  {ratio:.2} times",
            time(ns / f64::from(CALLS))
        );
    }
}

/// How long a delay of 20 ms is, and what processor time it takes.
pub(crate) fn delays(writer: &str, run: &mut dyn FnMut(&str, &str) -> String) {
    const CALLS: u32 = 50;
    let output = run("delay", &format!("single {CALLS}"));
    match numbers(&output) {
        Some((median, used)) => println!(
            "  a delay of 20 ms, writer {writer}: median {}, processor time {} each",
            time(median),
            time(used / f64::from(CALLS))
        ),
        None => println!("  a delay of 20 ms, writer {writer}: refused"),
    }
}
