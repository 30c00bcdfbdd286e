//! What is in goinject's way in a target or at its start: it works all the same, or ends with the true reason and leaves
//! the target alone.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use goinject_lab::{Cache, Toolchain};
use goinject_tests::goinject::{self, Running};
use goinject_tests::{Build, Flags, Outcome, Writer, busy};

const BUILD: Build = Build::plain("1.27");

const RULES: &str = "\
version: 1
limits: {faults: 3}
rules:
- {name: work, function: main.work, inject: {set: {err: {message: injected}}}}
";

/// The writers whose engine uses the target's threads.
const WRITERS: [Writer; 3] = [Writer::Tracer, Writer::Breakpoints, Writer::Trampoline];

fn rules_in(folder: &Path) -> PathBuf {
    let rules = folder.join("rules.yaml");
    fs::write(&rules, RULES).expect("written");
    rules
}

/// The program `hindered`, by itself. It is killed if it is dropped.
struct Hindered {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Hindered {
    fn start(arguments: &[&str]) -> Hindered {
        let mut command = Command::new(BUILD.of("hindered"));
        command.args(arguments).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let stdout = child.stdout.take().expect("its output is piped");
        let mut lines = BufReader::new(stdout);
        let mut line = String::new();
        while line != "ready\n" {
            line.clear();
            let read = lines.read_line(&mut line).expect("a line");
            assert!(read > 0, "it ended: {:?}", child.wait());
        }
        Hindered { child, lines }
    }

    fn pid(&self) -> String {
        self.child.id().to_string()
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Whether it goes on: so many more lines come.
    fn goes_on(&mut self, lines: usize) -> Vec<String> {
        let more = (&mut self.lines).lines().take(lines);
        let more: Vec<String> = more.map(|line| line.expect("a line")).collect();
        assert_eq!(more.len(), lines, "it ended: {:?}", self.child.wait());
        more
    }
}

impl Drop for Hindered {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn attach(rules: &Path, writer: Writer, pid: &str) -> Running {
    let mut command = goinject::command(["run", "--quiet", "--writer", writer.name(), "--pid", pid]);
    Running::start(command.arg(rules))
}

fn applied(outcome: &Outcome) -> bool {
    let row = outcome
        .stderr
        .lines()
        .find(|line| line.contains("goinject: work "));
    let numbers: Vec<u64> = row.map_or_else(Vec::new, |row| {
        row.split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect()
    });
    numbers.len() > 3 && numbers[3] == 3
}

/// A child whose parent has confined itself, with a filter that nobody here may suspend: that is known when its runtime is set up.
#[test]
fn a_process_that_cannot_be_armed_goes_on_without_rules() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a folder for all");
    let rules = "version: 1\nrules:\n- {function: main.leaf, inject: {set: {a: 5}}}\n";
    fs::write(path("rules.yaml"), rules).expect("written");
    fs::copy(goinject::program(), path("goinject")).expect("copied");
    for name in ["hindered", "busy"] {
        fs::copy(BUILD.of(name), path(name)).expect("copied");
    }
    let child = format!(
        "#!/bin/sh\nexec {} -calls 200 -only leaf\n",
        path("busy").display()
    );
    fs::write(path("child"), child).expect("written");
    fs::set_permissions(path("child"), fs::Permissions::from_mode(0o755)).expect("set");
    for engine in ["ptrace", "inline"] {
        let mut command = Command::new(path("goinject"));
        command.args(["run", "--engine", engine]).arg(path("rules.yaml"));
        command.arg("--").arg(path("hindered"));
        let denied = libc::SYS_swapon.to_string();
        command.args(["-deny", &denied, "-with", "0x00050001", "-for", "1500ms", "-run"]);
        command
            .arg(path("child"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        goinject::as_nobody(&mut command);
        let outcome = Running::start(&mut command).end();
        assert_eq!(outcome.code, Some(3), "{engine}: {}", outcome.describe());
        for why in [
            "runs without rules: ",
            "has confined itself with a seccomp filter",
        ] {
            assert!(outcome.stderr.contains(why), "{engine}: {}", outcome.describe());
        }
        assert!(
            outcome.stdout.contains("\n1 4 <nil>\n"),
            "{engine}: {}",
            outcome.describe()
        );
        assert!(
            !outcome.stdout.contains("child: "),
            "{engine}: {}",
            outcome.describe()
        );
    }
}

/// Of two processes of a command, the one that may not be given memory.
#[derive(Clone, Copy)]
enum Short {
    First,
    Second,
}

/// A command of two processes, of which one may be given memory: what the run tells, and the calls of each.
fn run_with_memory_for_one(short: Short, engine: &[&str]) -> (Outcome, Vec<busy::Calls>) {
    /// KB of addresses: more than the program takes, and less than it takes with what the inline engine shares with it.
    const LIMIT: u64 = 1_300_000;
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("rules.yaml"), busy::rules(&["leaf"], "when: {every: 3}, ")).expect("written");
    let (busy, json) = (BUILD.of("busy"), path("json"));
    let process = format!("{} -calls 20000 -only leaf", busy.display());
    let with_less = format!("(ulimit -v {LIMIT}; exec {process})");
    let script = match short {
        Short::First => format!("{with_less}; {process}"),
        Short::Second => format!("{process}; {with_less}"),
    };
    let mut command = goinject::command(["run", "--json"]);
    command.arg(&json).args(engine).arg(path("rules.yaml"));
    command.args(["--", "sh", "-c", &script]);
    let mut outcome = Running::start(&mut command).end();
    outcome.json = Outcome::lines(&fs::read_to_string(&json).expect("it is written"));
    let of_leaf = outcome
        .stdout
        .lines()
        .filter(|line| line.starts_with("leaf calls "));
    let calls = of_leaf.map(|line| busy::counted(line)["leaf"]).collect();
    (outcome, calls)
}

#[test]
fn a_process_that_cannot_have_jumps_is_told_and_goes_on() {
    let (outcome, calls) = run_with_memory_for_one(Short::Second, &["--engine", "inline"]);
    assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
    let why = "runs without rules: cannot put the inline engine's code into the target: ";
    assert_eq!(outcome.stderr.matches(why).count(), 1, "{}", outcome.describe());
    let [with, without] = calls[..] else {
        panic!("{}", outcome.describe());
    };
    assert_eq!(with.replaced, with.calls / 3, "{with:?}");
    assert_eq!((without.replaced, without.wrong), (0, 0), "{without:?}");
    assert!(without.calls >= 20_000, "{without:?}");
}

/// Where nobody asked for jumps, it has breakpoints, and counts together with the one that has them.
#[test]
fn a_process_that_cannot_have_jumps_has_breakpoints() {
    let (outcome, by_process) = run_with_memory_for_one(Short::Second, &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    let armed = outcome.of_type("armed").next().expect("it is armed");
    assert_eq!(armed["engine"], "inline", "{armed}");
    let why = "gets breakpoints: cannot put the inline engine's code into the target";
    assert_eq!(outcome.stderr.matches(why).count(), 1, "{}", outcome.describe());
    every_third_is_replaced(&outcome, &by_process);
}

/// As long as there is no other, the run has the engine that serves the first one.
#[test]
fn a_first_process_that_cannot_have_jumps_has_the_next_engine() {
    let (outcome, by_process) = run_with_memory_for_one(Short::First, &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    let armed = outcome.of_type("armed").next().expect("it is armed");
    assert_ne!(armed["engine"], "inline", "{armed}");
    let why = "cannot put the inline engine's code into the target";
    let explanation = armed["explanation"].as_str().expect("a text");
    assert!(
        explanation.contains(why) && !explanation.contains("--engine"),
        "{armed}"
    );
    assert!(
        !outcome.stderr.contains("gets breakpoints"),
        "{}",
        outcome.describe()
    );
    every_third_is_replaced(&outcome, &by_process);
}

/// In both processes together, as the run has counted them.
fn every_third_is_replaced(outcome: &Outcome, by_process: &[busy::Calls]) {
    assert_eq!(by_process.len(), 2, "{}", outcome.describe());
    let sum = |count: fn(&busy::Calls) -> u64| by_process.iter().map(count).sum::<u64>();
    let (calls, replaced) = (sum(|calls| calls.calls), sum(|calls| calls.replaced));
    assert_eq!(replaced, calls / 3, "{by_process:?}");
    let rule = outcome.of_type("rule").next().expect("its line");
    let told = ["calls", "applied", "failed"].map(|key| rule[key].as_u64());
    assert_eq!(
        told,
        [Some(calls), Some(replaced), Some(0)],
        "{}",
        outcome.describe()
    );
}

#[test]
fn a_filter_of_the_targets_own_is_suspended() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = rules_in(folder.path());
    let calls = [
        libc::SYS_mlock,
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_mprotect,
        libc::SYS_rt_sigaction,
    ];
    let mut filters: Vec<Vec<String>> = calls
        .iter()
        .map(|call| vec!["-deny".to_owned(), call.to_string()])
        .collect();
    filters.push(vec!["-no-new-code".to_owned()]);
    // Ended by the kernel; SIGSYS; EPERM.
    let ways = ["0x80000000", "0x00030000", "0x00050001"];
    for (turn, filter) in filters.iter().enumerate() {
        for writer in WRITERS {
            let mut arguments: Vec<&str> = filter.iter().map(String::as_str).collect();
            arguments.extend(["-with", ways[turn % ways.len()]]);
            let mut target = Hindered::start(&arguments);
            let mut outcome = attach(&rules, writer, &target.pid()).end();
            // The filter holds for the program itself, too, and its runtime may have made such a call first.
            for _ in 0..5 {
                if target.has_ended() {
                    target = Hindered::start(&arguments);
                    outcome = attach(&rules, writer, &target.pid()).end();
                }
            }
            let described = format!("{filter:?}, {}: {}", writer.name(), outcome.describe());
            assert_eq!(outcome.code, Some(5), "{described}");
            assert!(applied(&outcome), "{described}");
            let lines = target.goes_on(40);
            assert!(
                lines.iter().any(|line| line.ends_with("<nil>")),
                "{described}\n{lines:?}"
            );
        }
    }
}

#[test]
fn a_filter_that_can_not_be_suspended_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = rules_in(folder.path());
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a folder for all");
    let copies = ["goinject", "hindered"].map(|name| folder.path().join(name));
    fs::copy(goinject::program(), &copies[0]).expect("copied");
    fs::copy(BUILD.of("hindered"), &copies[1]).expect("copied");
    let mut target = Command::new(&copies[1]);
    target.args(["-deny", &libc::SYS_mlock.to_string()]);
    goinject::as_nobody(target.stdout(Stdio::piped()));
    let mut target = target.spawn().expect("it starts");
    let mut lines = BufReader::new(target.stdout.take().expect("piped")).lines();
    let ready = lines.by_ref().any(|line| line.is_ok_and(|line| line == "ready"));
    assert!(ready, "it does not start");
    let mut injector = Command::new(&copies[0]);
    injector.args(["run", "--engine", "ptrace", "--pid", &target.id().to_string()]);
    goinject::as_nobody(injector.arg(&rules).stdout(Stdio::piped()).stderr(Stdio::piped()));
    let outcome = Running::start(&mut injector).end();
    let goes_on = lines.take(20).filter(Result::is_ok).count();
    let _ = target.kill();
    let _ = target.wait();
    assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
    assert!(
        outcome.stderr.contains("seccomp filter") && outcome.stderr.contains("CAP_SYS_ADMIN"),
        "{}",
        outcome.describe()
    );
    assert_eq!(goes_on, 20);
}

#[test]
fn another_tracer_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = rules_in(folder.path());
    for writer in WRITERS {
        let target = Hindered::start(&[]);
        // Long enough for the next one to come.
        fs::write(
            folder.path().join("first.yaml"),
            RULES.replace("limits: {faults: 3}\n", ""),
        )
        .expect("written");
        let first = attach(
            &folder.path().join("first.yaml"),
            Writer::Breakpoints,
            &target.pid(),
        );
        let status = format!("/proc/{}/status", target.pid());
        let traced = format!("TracerPid:\t{}\n", first.pid());
        let begun = Instant::now();
        while !fs::read_to_string(&status).is_ok_and(|status| status.contains(&traced)) {
            assert!(begun.elapsed() < goinject::LIMIT, "it is not traced");
            thread::sleep(Duration::from_millis(5));
        }
        let outcome = attach(&rules, writer, &target.pid()).end();
        assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
        let words = format!(
            "cannot trace the target: another process traces it already: goinject, process {}",
            first.pid()
        );
        assert!(
            outcome.stderr.contains(&words),
            "{}: {}",
            writer.name(),
            outcome.describe()
        );
        first.signal(libc::SIGINT);
        let first = first.end();
        assert_eq!(first.code, Some(130), "{}", first.describe());
    }
}

/// Runs a command and gives what goinject says about its start.
fn told_of_start(rules: &Path, writer: Writer, program: &Path) -> Outcome {
    let mut command = goinject::command(["run", "--writer", writer.name()]);
    Running::start(command.arg(rules).arg("--").arg(program)).end()
}

#[test]
fn a_command_whose_exec_fails_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = rules_in(folder.path());
    let plain = folder.path().join("plain");
    fs::copy(BUILD.of("hindered"), &plain).expect("copied");
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).expect("changed");
    let without_loader = folder.path().join("without-loader");
    build_with_loader(&without_loader, "/no/such/loader.so.2");
    for writer in WRITERS {
        // It was a matter of luck who saw the end of the child first.
        for _ in 0..4 {
            let outcome = told_of_start(&rules, writer, &plain);
            assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
            let words = format!("error: cannot start {}: Permission denied", plain.display());
            assert!(outcome.stderr.contains(&words), "{}", outcome.describe());
            let outcome = told_of_start(&rules, writer, &without_loader);
            assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
            let words =
                "No such file or directory (os error 2): its interpreter /no/such/loader.so.2 is missing";
            assert!(outcome.stderr.contains(words), "{}", outcome.describe());
        }
    }
}

fn build_with_loader(binary: &Path, loader: &str) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/go/hindered");
    let mut go = Toolchain::newest()
        .command(&Cache::from_env())
        .expect("Go is set up");
    go.args([
        "build",
        "-buildmode=pie",
        "-ldflags",
        &format!("-I {loader}"),
        "-o",
    ]);
    let status = go.arg(binary).arg(".").current_dir(source).status();
    assert!(status.expect("go starts").success());
}

#[test]
fn what_runs_between_fork_and_exec_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    // Without inlining, where these are functions of their own.
    let flags = Flags {
        unoptimised: true,
        ..Flags::NONE
    };
    for (version, functions) in [
        ("1.23", &["rawSetrlimit", "rawVforkSyscall", "capToMask"][..]),
        ("1.27", &["rawVforkSyscall", "capToMask", "forkAndExecInChild1"]),
    ] {
        let binary = Build { version, flags }.of("hindered");
        for function in functions {
            let rules = folder.path().join("rules.yaml");
            let text = format!(
                "version: 1\nrules:\n- {{function: syscall.{function}, mode: observe, inject: {{panic: true}}}}\n"
            );
            fs::write(&rules, text).expect("written");
            let outcome = Running::start(
                goinject::command(["check"])
                    .arg(&rules)
                    .arg("--binary")
                    .arg(&binary),
            )
            .end();
            assert_eq!(outcome.code, Some(3), "{function}: {}", outcome.describe());
            assert!(
                outcome.stderr.contains("it also runs between fork and exec"),
                "{function}: {}",
                outcome.describe()
            );
        }
    }
}

/// A C program that calls the Go function `main.work` in an archive.
fn program_in_c(folder: &Path) -> PathBuf {
    let source = "package main\n\nimport \"C\"\n\n//go:noinline\nfunc work(n int) int { return n + 1 }\n\n//export Handle\nfunc Handle(n C.int) C.int { return C.int(work(int(n))) }\n\nfunc main() {}\n";
    let main = "#include <stdio.h>\n#include \"lib.h\"\nint main(void) { for (int i = 0; i < 3; i++) printf(\"%d\\n\", Handle(i)); return 0; }\n";
    let files = [
        ("go.mod", "module example.com/archive\n\ngo 1.21\n"),
        ("main.go", source),
    ];
    for (name, text) in files {
        fs::write(folder.join(name), text).expect("written");
    }
    fs::create_dir(folder.join("c")).expect("a folder");
    fs::write(folder.join("c/main.c"), main).expect("written");
    let mut go = Toolchain::newest()
        .command(&Cache::from_env())
        .expect("Go is set up");
    go.args([
        "build",
        "-buildvcs=false",
        "-buildmode=c-archive",
        "-o",
        "lib.a",
        ".",
    ]);
    let status = go.current_dir(folder).env("CGO_ENABLED", "1").status();
    assert!(status.expect("go starts").success());
    let mut cc = Command::new("cc");
    cc.args(["-I.", "-o", "program", "c/main.c", "lib.a", "-lpthread"]);
    assert!(cc.current_dir(folder).status().expect("cc starts").success());
    folder.join("program")
}

#[test]
fn programs_in_c_are_served_by_bpf_and_refused_breakpoints() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = program_in_c(folder.path());
    let rules = folder.path().join("rules.yaml");
    fs::write(
        &rules,
        "version: 1\nrules:\n- {function: main.work, inject: {set: {n: 100}}}\n",
    )
    .expect("written");
    let run = |engine: &str| {
        let mut command = goinject::command(["run", "--quiet", "--engine", engine]);
        Running::start(command.arg(&rules).arg("--").arg(&program)).end()
    };
    let refused = run("ptrace");
    assert_eq!(refused.code, Some(3), "{}", refused.describe());
    let words = ["-buildmode=c-archive", "who handles SIGSEGV", "--engine bpf"];
    assert!(
        words.iter().all(|word| refused.stderr.contains(word)),
        "{}",
        refused.describe()
    );
    assert_eq!(refused.stdout, "");
    let served = run("auto");
    assert_eq!(
        (served.code, served.stdout.as_str()),
        (Some(0), "101\n101\n101\n"),
        "{}",
        served.describe()
    );
}

/// A program that has written over its own function, as packages for tests do, is not given a probe there.
#[test]
fn code_that_was_changed_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = rules_in(folder.path());
    for writer in WRITERS {
        let mut target = Hindered::start(&["-patch"]);
        let outcome = attach(&rules, writer, &target.pid()).end();
        assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
        assert!(
            outcome
                .stderr
                .contains("the program in memory differs from the binary at 0x"),
            "{}",
            outcome.describe()
        );
        let lines = target.goes_on(20);
        assert!(lines.iter().all(|line| line.ends_with(" 77 <nil>")), "{lines:?}");
    }
}
#[test]
fn threads_that_cannot_stop_are_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = rules_in(folder.path());
    for writer in WRITERS {
        let mut target = Hindered::start(&["-vfork", "15s"]);
        let begun = Instant::now();
        let outcome = attach(&rules, writer, &target.pid()).end();
        let took = begun.elapsed();
        let described = format!("{}: {}", writer.name(), outcome.describe());
        assert!(took < Duration::from_secs(12), "{took:?}, {described}");
        assert_eq!(outcome.code, Some(5), "{described}");
        assert!(applied(&outcome), "{described}");
        let lines = target.goes_on(50);
        assert!(lines.iter().any(|line| line.ends_with("<nil>")), "{lines:?}");
        assert!(begun.elapsed() < Duration::from_secs(13), "it stood still");
    }
}

/// Kills the target in a moment in which goinject arms it or lets it go, and may have it stopped.
#[test]
fn a_target_that_is_killed_ends_goinject() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("rules.yaml");
    fs::write(&rules, RULES.replace("limits: {faults: 3}\n", "")).expect("written");
    for (turn, writer) in WRITERS.into_iter().cycle().take(30).enumerate() {
        let mut target = Hindered::start(&[]);
        let injector = attach(&rules, writer, &target.pid());
        let traced = format!("TracerPid:\t{}\n", injector.pid());
        let begun = Instant::now();
        let status = format!("/proc/{}/status", target.pid());
        while !fs::read_to_string(&status).is_ok_and(|status| status.contains(&traced)) {
            assert!(begun.elapsed() < goinject::LIMIT, "it is not traced");
            thread::sleep(Duration::from_micros(200));
        }
        // Arming by turns with letting go.
        if turn % 4 > 1 {
            thread::sleep(Duration::from_millis(30));
            injector.signal(libc::SIGINT);
        }
        thread::sleep(Duration::from_micros(700 * turn as u64));
        target.child.kill().expect("it is a child");
        let killed = Instant::now();
        let outcome = injector.end();
        let described = format!("{turn}, {}: {}", writer.name(), outcome.describe());
        assert!(killed.elapsed() < Duration::from_secs(20), "{described}");
        let codes = [Some(3), Some(4), Some(6), Some(130)];
        assert!(codes.contains(&outcome.code), "{described}");
        // Its parent is told at once.
        let begun = Instant::now();
        while target.child.try_wait().expect("it is a child").is_none() {
            assert!(begun.elapsed() < Duration::from_secs(10), "{described}");
            thread::sleep(Duration::from_millis(1));
        }
    }
}
