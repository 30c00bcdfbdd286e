//! One call is one hit, and goinject's counters are the program's own: eight goroutines on four processors, stacks that
//! grow, a garbage collection each millisecond, and every call changed.
//!
//! `cargo xtask stress` runs the ignored tests, which go on for longer.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use goinject_lab::guest::quote;
use goinject_tests::{Build, Outcome, Writer, attaching, busy, goinject, guest};

const BUILDS: [Build; 3] = [Build::plain("1.15"), Build::plain("1.19"), Build::plain("1.27")];

/// Calls with each engine.
const CALLS: u64 = 100_000;

/// Calls in each guest, where most of the time goes into events.
const GUEST_CALLS: u64 = 30_000;

/// The same for the long runs.
const MANY_CALLS: u64 = 1_000_000;

#[test]
fn a_hundred_thousand_calls_with_bpf() {
    assert!(calls(Writer::Tracer, CALLS) >= CALLS);
}

#[test]
fn a_hundred_thousand_calls_with_ptrace() {
    assert!(calls(Writer::Breakpoints, CALLS) >= CALLS);
}

#[test]
fn calls_with_bpf_and_breakpoints() {
    assert!(calls(Writer::Mixed, CALLS / 4) >= CALLS / 4);
}

#[test]
fn a_hundred_thousand_calls_inside() {
    assert!(calls(Writer::Trampoline, CALLS) >= CALLS);
}

#[test]
#[ignore = "the newest has all writers that it has: cargo xtask stress guest_6_1"]
fn guest_6_1() {
    in_a_guest("6.1", GUEST_CALLS);
}

#[test]
#[ignore = "the newest has all writers that it has: cargo xtask stress guest_6_12"]
fn guest_6_12() {
    in_a_guest("6.12", GUEST_CALLS);
}

#[test]
fn guest_newest() {
    in_a_guest("newest", GUEST_CALLS);
}

#[test]
#[ignore = "takes minutes: cargo xtask stress"]
fn a_million_calls_with_bpf() {
    many_calls(Writer::Tracer);
}

#[test]
#[ignore = "takes minutes: cargo xtask stress"]
fn a_million_calls_with_ptrace() {
    many_calls(Writer::Breakpoints);
}

#[test]
#[ignore = "takes minutes: cargo xtask stress"]
fn a_million_calls_inside() {
    many_calls(Writer::Trampoline);
}

#[test]
#[ignore = "takes minutes, or an hour: cargo xtask stress --seconds 3600 attached_inside"]
fn attached_inside_again_and_again() {
    let builds = ["1.15", "1.19", "1.22", "1.27"].map(Build::plain);
    for build in builds {
        attached_inside(build, stress_time() / builds.len() as u32);
    }
}

/// Tells others that something is over, also where it panics.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Attaches with jumps and lets go for so long, while a thousand goroutines call, the collector never rests, does all twice and
/// clobbers what it frees, signals come at some ten thousand a second, and the program profiles and traces itself, dumps its
/// stacks, and forks.
fn attached_inside(build: Build, time: Duration) {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("rules.yaml");
    let functions = busy::functions(Writer::Trampoline, build.version);
    fs::write(&rules, busy::rules(&functions, "")).expect("rules are written");
    let mut command = Command::new(build.of("busy"));
    command
        .env("GOGC", "1")
        .env("GODEBUG", "clobberfree=1,gccheckmark=1");
    command.args([
        "-goroutines",
        "1000",
        "-watch",
        "profile,trace,stacks,exec,signals",
    ]);
    command.arg("-input").stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = goinject::Running::start(&mut command);
    std::thread::sleep(Duration::from_millis(200));
    let (begun, is_over) = (Instant::now(), AtomicBool::new(false));
    let (mut applied, mut times, mut refused) = (0, 0, 0);
    let changed = catch_unwind(AssertUnwindSafe(|| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    program.signal(libc::SIGURG);
                    std::thread::sleep(Duration::from_micros(50));
                }
            });
            let _over = Over(&is_over);
            while begun.elapsed() < time || times == 0 {
                match attaching::changed_for(Duration::from_millis(200), program.pid(), &rules) {
                    Ok(edits) => applied += edits,
                    Err(_) => refused += 1,
                }
                times += 1;
            }
        });
    }));
    drop(program.stdin());
    let outcome = program.end();
    if let Err(panic) = changed {
        println!("{}", outcome.describe());
        resume_unwind(panic);
    }
    let total = busy::total(&outcome.stdout).unwrap_or_else(|error| panic!("{error}"));
    let counted = (total.replaced, total.halfway);
    assert_eq!(counted, (applied, 0), "{}", outcome.describe());
    assert!(
        refused <= times / 20,
        "refused {refused} of {times} times\n{}",
        outcome.describe()
    );
    let watched: Vec<&str> = outcome
        .stdout
        .lines()
        .filter(|line| line.starts_with("watched "))
        .collect();
    println!(
        "Go {}: attached to {times} times, refused {refused} times, {total:?}, {}",
        build.version,
        watched.join(", ")
    );
}

#[test]
#[ignore = "takes minutes: cargo xtask stress --guest"]
fn guest_many_calls() {
    for kernel in ["6.1", "6.12", "newest"] {
        in_a_guest(kernel, MANY_CALLS);
    }
}

/// A million calls at the least, and for as long as is asked for.
fn many_calls(writer: Writer) {
    let (start, time) = (Instant::now(), stress_time());
    let mut made = 0;
    while made < MANY_CALLS || start.elapsed() < time {
        made += calls(writer, MANY_CALLS / 4);
    }
}

/// For how long something is asked to go on.
fn stress_time() -> Duration {
    let seconds = std::env::var("GOINJECT_STRESS_SECONDS").ok();
    Duration::from_secs(seconds.map_or(0, |text| {
        text.parse().expect("GOINJECT_STRESS_SECONDS is a number")
    }))
}

/// Makes so many calls, of programs of each Go version.
fn calls(writer: Writer, calls: u64) -> u64 {
    let folder = tempfile::tempdir().expect("a folder");
    let start = Instant::now();
    let mut made = 0;
    for build in BUILDS {
        let (rules, json) = (folder.path().join("rules.yaml"), folder.path().join("events"));
        let functions = busy::functions(writer, build.version);
        fs::write(&rules, busy::rules(&functions, "")).expect("rules are written");
        let mut command = goinject::command(["run", "--quiet"]);
        command.args(writer.options());
        command.args([&rules, &"--json".into(), &json, &"--".into(), &build.of("busy")]);
        command.args(arguments(&functions, calls / BUILDS.len() as u64 + 1));
        let mut outcome = goinject::Running::start(&mut command).end();
        let lines = fs::read_to_string(&json).unwrap_or_default();
        outcome.json = Outcome::results(&lines);
        made += agreed(build, writer, &outcome);
    }
    println!(
        "{}: {made} calls, all changed, in {:.1} s",
        writer.name(),
        start.elapsed().as_secs_f64()
    );
    made
}

/// Calls on which goinject and the program agree. Each was changed, and none went wrong.
fn agreed(build: Build, writer: Writer, outcome: &Outcome) -> u64 {
    let described = format!("{}, {}", build.name(), writer.name());
    let calls = busy::compare(outcome).unwrap_or_else(|error| panic!("{described}: {error}"));
    let total = busy::total(&outcome.stdout).expect("it was compared");
    assert_eq!((total.replaced, total.kept), (calls, 0), "{described}: {total:?}");
    assert_eq!(outcome.code, Some(0), "{described}: {}", outcome.describe());
    calls
}

fn arguments(functions: &[&str], calls: u64) -> [String; 4] {
    ["-calls", &calls.to_string(), "-only", &functions.join(",")].map(str::to_owned)
}

/// The writers inside the kernel, which are only to be had in guests: user memory where values are passed in it, context
/// where they are passed in registers, the signal frame with each version; and those that goinject takes by itself, with a
/// breakpoint where none of them would do.
fn in_a_guest(kernel: &str, calls: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut script = String::new();
    let mut files = vec![(folder.path().to_owned(), PathBuf::from("/srv/rules"))];
    let mut planned = vec![
        (BUILDS[0], Writer::UserMemory),
        (BUILDS[0], Writer::SignalFrame),
        (BUILDS[1], Writer::SignalFrame),
        (BUILDS[2], Writer::SignalFrame),
        (BUILDS[2], Writer::Mixed),
    ];
    if kernel == "newest" {
        planned.extend([(BUILDS[1], Writer::Context), (BUILDS[2], Writer::Context)]);
    }
    let calls_each = calls / planned.len() as u64 + 1;
    for (number, (build, writer)) in planned.iter().enumerate() {
        let place = format!("/srv/{}", build.name());
        let functions = busy::functions(*writer, build.version);
        let rules = folder.path().join(format!("{number}.yaml"));
        fs::write(rules, busy::rules(&functions, "")).expect("rules are written");
        let _ = write!(
            script,
            "goinject run --quiet {} --json /tmp/json /srv/rules/{number}.yaml -- {place}",
            writer.options().join(" ")
        );
        for argument in arguments(&functions, calls_each) {
            let _ = write!(script, " {}", quote(&argument));
        }
        script.push_str(
            " 2>&1; echo @code $?; grep -v '\"type\":\"fired\"' /tmp/json; rm /tmp/json; echo @@\n",
        );
    }
    for build in BUILDS {
        files.push((build.of("busy"), PathBuf::from(format!("/srv/{}", build.name()))));
    }
    let Some(mut booted) = guest::boot(kernel, &files) else {
        return;
    };
    let limit = Duration::from_secs(60 + calls / 200);
    let outcome = booted
        .run(&script, limit)
        .unwrap_or_else(|error| panic!("{error}"));
    let stdout = outcome.stdout();
    let mut made: BTreeMap<Writer, u64> = BTreeMap::new();
    for ((build, writer), text) in planned.iter().zip(stdout.split("@@\n")) {
        *made.entry(*writer).or_default() += agreed(*build, *writer, &Outcome::of_a_script(text));
    }
    assert_eq!(stdout.matches("@@\n").count(), planned.len(), "{stdout}");
    println!(
        "Linux {}: {made:?} calls, all changed, in {:.1} s",
        booted.release,
        outcome.took.as_secs_f64()
    );
    assert!(made.values().sum::<u64>() >= calls);
}
