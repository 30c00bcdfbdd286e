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

use crate::hits::{MANY, arm as arm_plan, in_folder, plan_of};
use crate::program;
use crate::target::{Target, median, time};

const ROUNDS: usize = 7;

/// Time and memory of `goinject plan` on the go command.
pub(crate) fn plan() {
    let binary = fixture("cmd/go", "1.27", Flags::default());
    let size = std::fs::metadata(&binary).expect("it is there").len();
    println!("goinject plan on cmd/go, {} MB", size >> 20);
    let folder = tempfile::tempdir().expect("a folder for rule files");
    let one = "version: 1\nrules:\n- function: cmd/go/internal/load.PackagesAndErrors\n  inject: {set: {patterns: null}}\n";
    let many = format!("version: 1\nmode: observe\nrules:\n{MANY}");
    let opened = Binary::open(&binary).expect("a Go program");
    let functions = plan_of(MANY, &opened).functions.len();
    let several = format!("a pattern of {functions} functions");
    for (what, rules) in [("one function", one), (several.as_str(), many.as_str())] {
        let file = in_folder(folder.path(), "rules.yaml", rules);
        let runs: Vec<(f64, u64)> = (0..ROUNDS).map(|_| measured(&file, &binary)).collect();
        let memory = runs.iter().map(|(_, memory)| *memory).max().unwrap_or_default();
        let ns = median(runs.into_iter().map(|(ns, _)| ns).collect());
        println!("  {what:40} {:>10}, {} MB at the most", time(ns), memory >> 10);
    }
}

/// Nanoseconds of a run, and its peak memory in KiB.
#[expect(clippy::zombie_processes, reason = "wait4 waits for it, and tells its memory")]
fn measured(rules: &Path, binary: &Path) -> (f64, u64) {
    let start = Instant::now();
    let mut command = Command::new(goinject::program());
    command
        .arg("plan")
        .arg(rules)
        .arg("--binary")
        .arg(binary)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
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

/// Arming and disarming of some thousand sites in a running program.
pub(crate) fn arm() {
    let support = host::look_at_all().bpf;
    if !support.multi.is_yes() {
        println!("arming: skipped: this host has no uprobe_multi");
        return;
    }
    let binary = Binary::open(&program()).expect("a Go program");
    let plan = plan_of(MANY, &binary);
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
        "{} sites in a running program: armed in {}, disarmed in {} (aim for 2,000: 200 ms each)",
        plan.sites.len(),
        time(median(armed)),
        time(median(disarmed))
    );
}
