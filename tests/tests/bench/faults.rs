//! Rules that act, and those that don't under ptrace, through the command line as users have it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ::goinject::go::Binary;
use goinject_tests::goinject;

use crate::program;
use crate::rules::{self, NEVER, NO_TURN, NO_TURN_YET, THREE};
use crate::target::{least, time};

/// Calls of a run in which each is edited.
const EDITED: u32 = 1000;
/// Batches of calls in which nothing fires, and calls of each.
const BATCHES: usize = 10;
const CALLS: usize = 200;

/// Delays, calls of each and what it is called.
const DELAYS: [(&str, u32, &str); 2] = [("delay-20", 50, "20 ms"), ("delay-200", 10, "200 ms")];

/// Writes all rule files into a folder.
pub(crate) fn write_rules(folder: &Path) {
    let write = |name: &str, text: String| {
        fs::write(folder.join(name).with_extension("yaml"), text).expect("written");
    };
    let acting = |inject: &str, fired: u32| {
        format!(
            "version: 1\nrules:\n- {{function: main.hit, inject: {{{inject}}}, expect: {{fired: {fired}}}}}\n"
        )
    };
    write("register", acting("set: {n: 5}", EDITED));
    write("memory", acting("set: {b.size: 5}", EDITED));
    write("return", acting("return: {r: 5}", EDITED));
    write("delay-20", acting("delay: 20ms", 50));
    write("delay-200", acting("delay: 200ms", 10));
    let idle = |rules: &str| format!("version: 1\nrules:\n{rules}");
    write("edit", idle("- {function: main.hit, inject: {set: {n: 5}}}\n"));
    write("end", idle("- {function: main.hit, inject: {return: {r: 5}}}\n"));
    write("no-turn", idle(NO_TURN));
    write("no-turn-yet", idle(NO_TURN_YET));
    write("never", idle(NEVER));
    write("three", idle(THREE));
    write("many-rules", idle(&rules::on_one_function(1000)));
    let binary = Binary::open(&program()).expect("a Go program");
    write("many-functions", idle(&rules::on_functions(&binary, 1000)));
}

/// How the program is run under goinject: with a rule file and these commands for it. It gives what the program printed,
/// which is nothing where goinject can't arm the rules, and an error where it failed.
pub(crate) type Run<'a> = dyn FnMut(&str, &str) -> Result<String, String> + 'a;

/// Runs the program on this host.
pub(crate) fn native(writer: &'static str) -> impl FnMut(&str, &str) -> Result<String, String> {
    native_with(writer, &[])
}

/// The same, and the events go to a file.
pub(crate) fn native_told(writer: &'static str) -> impl FnMut(&str, &str) -> Result<String, String> {
    native_with(writer, &["--json", "/dev/null"])
}

fn native_with(
    writer: &'static str,
    options: &'static [&str],
) -> impl FnMut(&str, &str) -> Result<String, String> {
    let folder = tempfile::tempdir().expect("a folder for rule files");
    write_rules(folder.path());
    move |rules, commands| {
        let input: PathBuf = folder.path().join("commands");
        fs::write(&input, format!("{commands}\n")).expect("written");
        let output = Command::new(goinject::program())
            .args(["run", "--quiet", "--writer", writer])
            .args(options)
            .arg(folder.path().join(rules).with_extension("yaml"))
            .arg("--")
            .arg(program())
            .stdin(Stdio::from(fs::File::open(input).expect("just written")))
            .output()
            .expect("goinject runs");
        let refused = output.status.code() == Some(3);
        if !refused && !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// What the program prints in answer to a command: nanoseconds, and those of the processor.
pub(crate) type Answer = (f64, f64);

/// The answers among what the program printed.
pub(crate) fn numbers(output: &str) -> Vec<Answer> {
    let pair = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    };
    output.lines().filter_map(pair).collect()
}

/// Runs and prints a figure of what came out, or why there is none.
fn line(what: &str, run: &mut Run<'_>, rules: &str, commands: &str, figure: &dyn Fn(&[Answer]) -> String) {
    match run(rules, commands) {
        Ok(output) => match numbers(&output).as_slice() {
            [] => println!("    {what:36} refused"),
            numbers => println!("    {what:36} {}", figure(numbers)),
        },
        Err(error) => println!("    {what:36} FAILED: {error}"),
    }
}

/// What an edit costs that is made in each call.
pub(crate) fn edits(writer: &str, run: &mut Run<'_>) {
    println!("  each call edited, writer {writer}: the median of {EDITED} calls");
    for (rules, what) in [
        ("register", "a parameter in a register"),
        ("memory", "a field behind a pointer"),
        ("return", "an early return"),
    ] {
        let commands = format!("single {EDITED}");
        line(what, run, rules, &commands, &|numbers| {
            format!("{:>10}", time(numbers[0].0))
        });
    }
}

/// What a call costs under ptrace that does not fire.
pub(crate) fn hits(run: &mut Run<'_>) {
    println!("  no call fires: the least of {BATCHES} batches of {CALLS} calls");
    let commands = vec![format!("calls {CALLS}"); BATCHES].join("\n");
    let first = std::cell::Cell::new(None);
    for (rules, what) in [
        ("no-turn", "no condition, never its turn"),
        ("never", "one condition"),
        ("three", "three conditions"),
        ("many-rules", "1,000 rules on this function"),
        ("many-functions", "1,000 rules on 1,000 functions"),
    ] {
        line(what, run, rules, &commands, &|numbers| {
            let totals: Vec<f64> = numbers.iter().map(|(ns, _)| *ns).collect();
            let ns = least(&totals) / CALLS as f64;
            let ratio = ns / first.get().unwrap_or(ns);
            first.set(first.get().or(Some(ns)));
            format!("{:>10}  {ratio:.2} times the first", time(ns))
        });
    }
}

/// How long a delay is, and what processor time it takes.
pub(crate) fn delays(writer: &str, run: &mut Run<'_>) {
    println!("  each call delayed, writer {writer}: the median, and the processor time of a call");
    for (rules, calls, what) in DELAYS {
        let commands = format!("single {calls}");
        line(what, run, rules, &commands, &|numbers| {
            let (median, used) = numbers[0];
            format!("{:>10}  {:>10}", time(median), time(used / f64::from(calls)))
        });
    }
}
