//! What other tools need for a call of the same function that meets a condition which never holds: those of gdb, delve and
//! bpftrace that are installed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use goinject_tests::{Flags, fixture, goinject};

use crate::faults::numbers;
use crate::rules::NEVER;
use crate::target::{least, time};

/// Batches of calls.
const BATCHES: usize = 5;

/// One that the debuggers of Debian 12 know, too.
const GO: &str = "1.19";

/// Prints the time of a call with each, and how many times goinject's that is.
pub(crate) fn measure() {
    let program = fixture("bench", GO, Flags::default());
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        path
    };
    let rules = file("rules.yaml", &format!("version: 1\nrules:\n{NEVER}"));
    let script = file(
        "delve",
        "break hit main.hit\ncondition hit n == -1\ncontinue\nexit\n",
    );
    let commands = |calls: u64| file("commands", &format!("calls {calls}\n").repeat(BATCHES));
    println!("a call with a condition that never holds, Go {GO}, the least of {BATCHES} batches");

    let with = |engine: &str, calls: u64| {
        let mut command = Command::new(goinject::program());
        command
            .args(["run", "--quiet", "--engine", engine])
            .arg(&rules)
            .arg("--");
        command.arg(&program);
        nanoseconds(command, &commands(calls), calls)
    };
    let ours = with("inline", 50_000).expect("the program has room for a jump");
    println!("  {:28} {:>10}", "goinject, inline", time(ours));
    let line = |what: &str, ns: Result<f64, String>| match ns {
        Ok(ns) => println!("  {what:28} {:>10}  {:.0} times that", time(ns), ns / ours),
        Err(why) => println!("  {what:28} {:>10}: {why}", "skipped"),
    };
    line("goinject, ptrace", with("ptrace", 2000));
    line("goinject, bpf", with("bpf", 20_000));

    let input = commands(200);
    let mut gdb = Command::new("gdb");
    gdb.args(["-q", "-batch", "-nx", "-ex", "handle SIGURG nostop noprint pass"]);
    gdb.args(["-ex", "break main.hit if n == -1"]);
    gdb.args(["-ex", &format!("run < {}", input.display())])
        .arg(&program);
    line("gdb", nanoseconds(gdb, &input, 200));

    let mut delve = Command::new("dlv");
    delve.args([
        "exec",
        "--check-go-version=false",
        "--allow-non-terminal-interactive",
    ]);
    delve
        .arg("--init")
        .arg(&script)
        .args(["-r", &format!("stdin:{}", input.display())]);
    delve.arg(&program);
    line("delve", nanoseconds(delve, Path::new("/dev/null"), 200));

    let input = commands(20_000);
    let mut bpftrace = Command::new("bpftrace");
    let probe = format!(
        "uprobe:{}:main.hit /reg(\"ax\") == 0xffffffffffffffff/ {{ @ = count(); }}",
        program.display()
    );
    bpftrace.args(["-e", &probe, "-c"]).arg(&program);
    line("bpftrace", nanoseconds(bpftrace, &input, 20_000));
}

/// Nanoseconds of a call, as the program prints them; or why there are none.
fn nanoseconds(mut command: Command, input: &Path, calls: u64) -> Result<f64, String> {
    let input = fs::File::open(input).expect("just written");
    let output = command.stdin(Stdio::from(input)).output();
    let output = output.map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    let totals: Vec<f64> = numbers(&String::from_utf8_lossy(&output.stdout))
        .iter()
        .map(|(total, _)| *total)
        .collect();
    if totals.len() != BATCHES {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(text.lines().next().unwrap_or("it printed nothing").to_owned());
    }
    Ok(least(&totals) / calls as f64)
}
