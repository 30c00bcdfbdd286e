//! Planning, which reads large programs, and arming many sites.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ::goinject::go::Binary;
use ::goinject::host;
use ::goinject::plan::Inlet;
use goinject_lab::{Cache, PUBLISHED};
use goinject_probes::program::Attach;
use goinject_tests::{Flags, fixture, goinject};

use crate::hits::{arm as arm_plan, plan_of};
use crate::program;
use crate::rules::{self, MANY};
use crate::target::{Target, least, median, time};

const TURNS: usize = 11;

/// Time and memory of `goinject plan` on the go command, which has debug information, and on the largest program that
/// other people built, which has none.
pub(crate) fn plan() {
    let go = fixture("cmd/go", "1.27", Flags::default());
    let typed = "- function: cmd/go/internal/load.PackagesAndErrors\n  inject: {set: {patterns: null}}\n";
    plan_on("cmd/go", &go, typed);
    let cache = Cache::from_env();
    let programs = PUBLISHED
        .iter()
        .filter_map(|program| Some((program.name, program.program(&cache).ok()?)));
    let largest = programs.max_by_key(|(_, path)| size(path));
    let Some((name, path)) = largest else {
        println!("  other people's programs: skipped: `cargo xtask setup --only programs` gets them");
        return;
    };
    let told = "- function: net/http.(*Server).ListenAndServe\n  signature: \"func(s *struct{}) (err error)\"\n  \
                inject: {return: {err: {errno: EIO}}}\n";
    plan_on(name, &path, told);
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).expect("it is there").len()
}

fn plan_on(name: &str, path: &Path, one: &str) {
    let binary = Binary::open(path).expect("a Go program");
    let has_types = match binary.build().has_dwarf {
        true => "with debug information",
        false => "stripped",
    };
    println!(
        "goinject plan on {name}, {has_types}, {} MB",
        size(path) / 1_000_000
    );
    let functions = plan_of(MANY, &binary).functions.len();
    drop(binary);
    let folder = tempfile::tempdir().expect("a folder for rule files");
    let file = folder.path().join("rules.yaml");
    for (what, rules) in [
        ("one function".to_owned(), one),
        (format!("a pattern of {functions} functions"), MANY),
    ] {
        std::fs::write(&file, format!("version: 1\nrules:\n{rules}")).expect("written");
        let turns: Vec<Cost> = (0..TURNS).map(|_| measured(&file, path)).collect();
        let elapsed: Vec<f64> = turns.iter().map(|cost| cost.elapsed).collect();
        let used: Vec<f64> = turns.iter().map(|cost| cost.used).collect();
        let memory = turns.iter().map(|cost| cost.memory).max().unwrap_or_default();
        println!(
            "  {what:32} {:>10}, {} of processor time (the least of {TURNS} turns), {} MB at the most",
            time(least(&elapsed)),
            time(least(&used)),
            memory / 1000
        );
    }
}

/// What a run took.
pub(crate) struct Cost {
    /// Nanoseconds.
    pub(crate) elapsed: f64,
    /// Nanoseconds of processor time.
    used: f64,
    /// Peak memory in KiB, with the pages of the file that it maps.
    memory: u64,
}

fn measured(rules: &Path, binary: &Path) -> Cost {
    let mut command = Command::new(goinject::program());
    command.arg("plan").arg(rules).arg("--binary").arg(binary);
    cost(command)
}

#[expect(clippy::zombie_processes, reason = "wait4 waits for it, and tells its memory")]
pub(crate) fn cost(mut command: Command) -> Cost {
    // A child's peak memory begins with its parent's: this forgets what was in use before.
    std::fs::write("/proc/self/clear_refs", "5").expect("the kernel resets the peak");
    let start = Instant::now();
    command
        .stdin(Stdio::null())
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
    let elapsed = start.elapsed().as_nanos() as f64;
    assert_eq!((waited, status), (pid, 0), "goinject works");
    let ns = |time: libc::timeval| time.tv_sec as f64 * 1e9 + time.tv_usec as f64 * 1e3;
    Cost {
        elapsed,
        used: ns(usage.ru_utime) + ns(usage.ru_stime),
        memory: u64::try_from(usage.ru_maxrss).unwrap_or_default(),
    }
}

/// A run from its start to the end of a program that ends at once: what it takes before anything happens.
pub(crate) fn start() {
    /// And milliseconds of processor time to aim for with BPF.
    const RULES: [(&str, u32, &str); 2] = [
        ("a register", 100, "inject: {set: {n: 7}}"),
        (
            "conditions, within and a delay",
            250,
            "if: n > 3 && text == \"never\"\n  within: main.main\n  inject: {delay: 1ms, set: {n: 7}}",
        ),
    ];
    let program = program();
    let folder = tempfile::tempdir().expect("a folder for rule files");
    let file = folder.path().join("rules.yaml");
    println!("goinject run of a program that ends at once, with the program itself");
    for (what, aim, rule) in RULES {
        let rules =
            format!("version: 1\nrules:\n- function: main.hit\n  expect: {{fired: \">=0\"}}\n  {rule}\n");
        std::fs::write(&file, rules).expect("written");
        for engine in ["bpf", "ptrace"] {
            if engine == "bpf" && !host::look_at_all().bpf.load.is_yes() {
                println!("  {what}, {engine}: skipped: this host has no BPF");
                continue;
            }
            let turns: Vec<Cost> = (0..TURNS)
                .map(|_| {
                    let mut command = Command::new(goinject::program());
                    command
                        .args(["run", "--engine", engine])
                        .arg(&file)
                        .arg("--")
                        .arg(&program);
                    cost(command)
                })
                .collect();
            let elapsed: Vec<f64> = turns.iter().map(|cost| cost.elapsed).collect();
            let used: Vec<f64> = turns.iter().map(|cost| cost.used).collect();
            println!(
                "  {:40} {:>10}, {} of processor time, median {} (the least of {TURNS} turns; aim {} ms)",
                format!("{what}, {engine}"),
                time(least(&elapsed)),
                time(least(&used)),
                time(median(used.into_iter())),
                if engine == "bpf" { aim } else { 30 },
            );
        }
    }
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
    for _ in 0..TURNS {
        let start = Instant::now();
        let mut session = arm_plan(&plan, target.pid(), Attach::Multi, support.sleep.is_yes());
        armed.push(start.elapsed().as_nanos() as f64);
        let start = Instant::now();
        session.let_go();
        disarmed.push(start.elapsed().as_nanos() as f64);
    }
    println!(
        "{} sites in a running program: armed in {}, disarmed in {}, the least of {TURNS} turns (aim for 2,000: 200 ms each)",
        plan.sites.len(),
        time(least(&armed)),
        time(least(&disarmed))
    );
}

/// Jumps at some thousand sites of a running program, which a rule has each: from the start of goinject until it has armed
/// them, less what it takes to read and plan the same.
pub(crate) fn arm_inside() {
    let binary = Binary::open(&program()).expect("a Go program");
    let plan = plan_of(MANY, &binary);
    let inlets = plan.inlets();
    let mut names: Vec<String> = plan
        .functions
        .iter()
        .map(|function| function.name.clone())
        .collect();
    for (site, inlet) in plan.sites.iter().zip(inlets) {
        if !matches!(inlet, Inlet::Jump { .. }) {
            names[site.function].clear();
        }
    }
    names.retain(|name| !name.is_empty() && !name.contains('['));
    let folder = tempfile::tempdir().expect("a folder for rule files");
    let (file, json) = (folder.path().join("rules.yaml"), folder.path().join("json"));
    std::fs::write(&file, format!("version: 1\nrules:\n{}", rules::on_each(&names))).expect("written");
    let planned: Vec<f64> = (0..TURNS).map(|_| measured(&file, &program()).elapsed).collect();
    let armed: Vec<f64> = (0..TURNS)
        .map(|_| {
            let target = Target::start();
            let _ = std::fs::remove_file(&json);
            let start = Instant::now();
            let mut goinject = Command::new(goinject::program())
                .args(["run", "--quiet", "--writer", "trampoline", "--json"])
                .args([&json, &file])
                .args(["--pid", &target.pid().to_string()])
                .stderr(Stdio::null())
                .spawn()
                .expect("goinject runs");
            let is_armed = || std::fs::read_to_string(&json).is_ok_and(|text| text.contains("\"armed\""));
            while !is_armed() {
                let ended = goinject.try_wait().expect("it is our child");
                assert!(ended.is_none(), "it can be armed: {ended:?}");
                std::thread::sleep(Duration::from_micros(200));
            }
            let armed = start.elapsed().as_nanos() as f64;
            drop(target);
            goinject.wait().expect("it ends with the program");
            armed
        })
        .collect();
    let (armed, planned) = (least(&armed), least(&planned));
    println!(
        "{} jumps in a running program: armed in {} (aim for 2,000: 100 ms), without {} for reading and planning",
        names.len(),
        time(armed - planned),
        time(planned)
    );
}
