//! Planning, which reads large programs, and arming many sites.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use ::goinject::engine::Session;
use ::goinject::go::Binary;
use ::goinject::host;
use goinject_probes::program::Attach;
use goinject_tests::{Flags, fixture, goinject};

use crate::hits::{arm as arm_plan, in_folder, names, plan_of};
use crate::program;
use crate::target::{Target, median, time};

const ROUNDS: usize = 7;

/// How many functions a pattern takes.
const MANY: usize = 2000;

/// Time and memory of `goinject plan` on the go command.
pub(crate) fn plan() {
    let binary = fixture("cmd/go", "1.27", Flags::default());
    let size = std::fs::metadata(&binary).expect("it is there").len();
    println!("goinject plan on cmd/go, {} MB", size >> 20);
    let folder = tempfile::tempdir().expect("a folder for rule files");
    let one = "version: 1\nrules:\n- function: cmd/go/internal/load.PackagesAndErrors\n  inject: {set: {patterns: null}}\n";
    let opened = Binary::open(&binary).expect("a Go program");
    // As many as are wanted, by their names: what a pattern could take.
    let wanted = names(&opened, MANY);
    let words: Vec<String> = wanted.iter().map(|name| regex::escape(name)).collect();
    let many = format!(
        "version: 1\nmode: observe\nrules:\n- function: {{regex: '^({})$', max_matches: {MANY}}}\n  inject: {{panic: true}}\n",
        words.join("|")
    );
    for (what, rules) in [
        ("one function", one),
        ("a pattern of 2,000 functions", many.as_str()),
    ] {
        let file = in_folder(folder.path(), "rules.yaml", rules);
        let runs: Vec<(f64, u64)> = (0..ROUNDS).map(|_| measured(&file, &binary)).collect();
        let memory = runs.iter().map(|(_, memory)| *memory).max().unwrap_or_default();
        let ns = median(runs.into_iter().map(|(ns, _)| ns).collect());
        println!("  {what:40} {:>10}, {} MB at the most", time(ns), memory >> 10);
    }
}

/// Nanoseconds of a run, and its peak memory in KiB.
fn measured(rules: &Path, binary: &Path) -> (f64, u64) {
    let start = Instant::now();
    let mut command = Command::new(goinject::program());
    command
        .arg("plan")
        .arg(rules)
        .arg("--binary")
        .arg(binary)
        .stdout(Stdio::null())
        // Its own group, so that nothing of it is left if this ends.
        .process_group(0);
    let child = command.spawn().expect("goinject runs");
    let pid = libc::pid_t::try_from(child.id()).expect("process ids are small");
    let mut status = 0;
    // SAFETY: all zeroes is a valid rusage, which the call fills.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: it is our child, nobody else waits for it, and both pointers are to live values.
    let waited = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    let took = start.elapsed().as_nanos() as f64;
    assert_eq!((waited, status), (pid, 0), "goinject plan works");
    (took, u64::try_from(usage.ru_maxrss).unwrap_or_default())
}

/// Arming and disarming of 2,000 sites in a running program.
pub(crate) fn arm() {
    let support = host::look_at_all().bpf;
    if !support.multi.is_yes() {
        println!("arming: skipped: this host has no uprobe_multi");
        return;
    }
    let binary = Binary::open(&program()).expect("a Go program");
    let words: Vec<String> = names(&binary, MANY)
        .iter()
        .map(|name| regex::escape(name))
        .collect();
    let rule = format!(
        "- function: {{regex: '^({})$', max_matches: {MANY}}}\n  inject: {{panic: true}}\n",
        words.join("|")
    );
    let plan = plan_of(&rule, &binary);
    let target = Target::start();
    let (mut armed, mut disarmed) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let mut session = arm_plan(&plan, target.pid(), Attach::Multi, support.sleep.is_yes());
        armed.push(start.elapsed().as_nanos() as f64);
        let start = Instant::now();
        session.disarm().expect("it can be disarmed");
        disarmed.push(start.elapsed().as_nanos() as f64);
    }
    println!(
        "{} sites in a running program: armed in {}, disarmed in {} (aim: 200 ms each)",
        plan.sites.len(),
        time(median(armed)),
        time(median(disarmed))
    );
}
