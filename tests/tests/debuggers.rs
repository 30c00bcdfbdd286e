//! Debuggers: attached when goinject is gone, however it went; attached while it is there, which the kernel refuses them; and
//! looking at what a program leaves that ends while calls are changed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use goinject_tests::debugger::{Debugger, Sight, goroutines, threads};
use goinject_tests::goinject::{self, Running, guard_of, lives};
use goinject_tests::patience::{holds_soon, is_traced, wait_for};
use goinject_tests::{Build, Outcome, Writer, busy};

const BUILDS: [Build; 3] = [Build::plain("1.15"), Build::plain("1.19"), Build::plain("1.27")];

/// The function that debuggers stop at, which has jumps or breakpoints before.
const FUNCTION: &str = "main.mixed";

/// A program that runs until its input ends.
fn start(build: Build, program: &str, arguments: &[&str]) -> Running {
    let mut command = Command::new(build.of(program));
    command.args(arguments).stdin(Stdio::piped());
    let target = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let task = format!("/proc/{}/task", target.pid());
    let starts = holds_soon(|| fs::read_dir(&task).is_ok_and(|tasks| tasks.count() > 3));
    assert!(starts, "the program does not start");
    target
}

/// goinject, attached to it, in a folder with `rules.yaml`, `events` and `err`.
fn attach(folder: &Path, writer: Writer, pid: i32) -> Running {
    let create = |name: &str| fs::File::create(folder.join(name)).expect("a file");
    let mut command = goinject::command(["run", "--quiet", "--json", "events", "rules.yaml"]);
    command.args(writer.options()).args(["--pid", &pid.to_string()]);
    command
        .current_dir(folder)
        .stdout(create("out"))
        .stderr(create("err"));
    Running::start(&mut command)
}

/// Waits until rules have acted many times from now on.
fn act(folder: &Path) {
    let size = || fs::metadata(folder.join("events")).map_or(0, |file| file.len());
    let before = size();
    let acted = wait_for(|| (size() > before + (64 << 10)).then_some(()));
    assert!(acted.is_some(), "no rule acts: {}", text(folder, "err"));
}

fn text(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_default()
}

fn kill(pid: i32) {
    // SAFETY: a process that was started here and has not been waited for.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

/// How goinject goes.
#[derive(Clone, Copy, Debug)]
enum End {
    Interrupted,
    Limited,
    /// Its guard takes out what is in the program.
    Killed,
}

/// Has rules act in a program, and goinject leave it.
fn change(build: Build, writer: Writer, end: End, pid: i32) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut rules = busy::rules(&busy::functions(writer, build.version), "");
    if matches!(end, End::Limited) {
        rules += "limits: {faults: 3000}\n";
    }
    fs::write(folder.path().join("rules.yaml"), rules).expect("written");
    let injector = attach(folder.path(), writer, pid);
    act(folder.path());
    let code = match end {
        End::Interrupted => {
            injector.signal(libc::SIGINT);
            Some(130)
        }
        End::Limited => Some(5),
        End::Killed => {
            let guard = guard_of(injector.pid()).expect("it has a guard");
            kill(injector.pid());
            assert!(holds_soon(|| !lives(guard)), "the guard does not end");
            Some(128 + libc::SIGKILL)
        }
    };
    let outcome = injector.end();
    assert_eq!(
        outcome.code,
        code,
        "{end:?}, {}: {}",
        writer.name(),
        text(folder.path(), "err")
    );
    assert!(holds_soon(|| !is_traced(pid)), "somebody still traces it");
}

/// Of a call of the program's own, at its first line: the parameter, and where that is called.
fn look(debugger: Debugger, build: Build, pid: i32) -> Vec<String> {
    let call = debugger.waits_for(build, "busy", pid, FUNCTION);
    let told = &call.outcome.stdout;
    let described = format!("{debugger:?}, {}: {}", build.name(), call.outcome.describe());
    // The program counts its calls there, and may have made more by now than the value that rules set.
    let n: Option<u64> = told
        .lines()
        .find_map(|line| line.trim().strip_prefix("n = ")?.parse().ok());
    assert!(n.is_some_and(|n| n != 1_000_003), "{described}");
    assert!(told.contains("\"ooooooo"), "{described}");
    if debugger == Debugger::Delve {
        assert!(told.matches("Goroutine ").count() > 8, "{described}");
    }
    call.frames
}

fn ends_well(mut target: Running) {
    drop(target.stdin());
    let outcome = target.end();
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    busy::total(&outcome.stdout).unwrap_or_else(|error| panic!("{error}"));
}

/// Both find the same in a program that goinject was in as in one that it never was in, and the program goes on.
fn debuggers_find_a_plain_program(build: Build, writer: Writer, ends: &[End]) {
    let plain = start(build, "busy", &["-input"]);
    let expected = Debugger::ALL.map(|debugger| look(debugger, build, plain.pid()));
    assert!(expected.iter().all(|frames| frames.len() > 3), "{expected:?}");
    ends_well(plain);
    for end in ends {
        let target = start(build, "busy", &["-input"]);
        change(build, writer, *end, target.pid());
        for (debugger, expected) in Debugger::ALL.into_iter().zip(&expected) {
            let found = look(debugger, build, target.pid());
            assert_eq!(
                &found,
                expected,
                "{debugger:?}, {end:?}, {}, {}",
                writer.name(),
                build.name()
            );
        }
        ends_well(target);
    }
}

#[test]
fn debuggers_attach_when_jumps_are_gone() {
    for build in BUILDS {
        let ends = [End::Interrupted, End::Limited, End::Killed];
        debuggers_find_a_plain_program(build, Writer::Trampoline, &ends);
    }
}

#[test]
fn debuggers_attach_when_breakpoints_are_gone() {
    debuggers_find_a_plain_program(BUILDS[2], Writer::Breakpoints, &[End::Limited, End::Killed]);
}

/// The kernel lets one process trace another: a debugger is told so, and nothing else happens to anybody.
#[test]
fn a_debugger_is_refused_while_goinject_is_there() {
    let build = BUILDS[2];
    for writer in Writer::ANYWHERE {
        let target = start(build, "busy", &["-input"]);
        let folder = tempfile::tempdir().expect("a folder");
        let rules = busy::rules(&busy::functions(writer, build.version), "");
        fs::write(folder.path().join("rules.yaml"), rules).expect("written");
        let injector = attach(folder.path(), writer, target.pid());
        act(folder.path());
        for debugger in Debugger::ALL {
            let sight = Sight::Process(target.pid());
            let outcome = debugger.run(build, "busy", sight, &["info threads", "exit"]);
            let described = format!("{debugger:?}, {}: {}", writer.name(), outcome.describe());
            let refused = match debugger {
                Debugger::Delve => format!("could not attach to pid {}", target.pid()),
                Debugger::Gdb => format!(
                    "process {} is already traced by process {}",
                    target.pid(),
                    injector.pid()
                ),
            };
            assert!(
                outcome.stderr.contains(&refused) || outcome.stdout.contains(&refused),
                "{described}"
            );
            act(folder.path());
        }
        injector.signal(libc::SIGINT);
        let outcome = injector.end();
        assert_eq!(outcome.code, Some(130), "{}", text(folder.path(), "err"));
        let counted = Outcome {
            json: Outcome::results(&text(folder.path(), "events")),
            ..Outcome::default()
        };
        let applied: u64 = counted.counts().iter().map(|counts| counts.applied).sum();
        let mut target = target;
        drop(target.stdin());
        let outcome = target.end();
        let total = busy::total(&outcome.stdout).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((total.replaced, total.halfway), (applied, 0), "{}", writer.name());
        assert!(
            outcome.code == Some(0) && total.kept > 0,
            "{}",
            outcome.describe()
        );
    }
}

const OF_WATCHED: &str = "version: 1
rules:
- {name: held, function: main.held, inject: {set: {n: 1000003}}}
- {name: spun, function: main.spun, inject: {set: {n: 5}}}
- {name: last, function: main.last, inject: {set: {n: 1000003}}, expect: {fired: \">=0\"}}
";

/// Where the kernel puts the core dumps of programs that run in a folder; None where it gives them to a program, or has one
/// folder for all.
fn core_in(folder: &Path) -> Option<PathBuf> {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").expect("Linux has it");
    let is_name = !pattern.contains(['|', '/']);
    let start = pattern.trim().split('%').next().unwrap_or_default().to_owned();
    let is_core = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&start) && !start.is_empty()
    };
    let files = fs::read_dir(folder).expect("a folder").flatten();
    let core = files.map(|file| file.path()).find(is_core);
    assert!(core.is_some() || !is_name, "no core dump in {}", folder.display());
    core
}

/// Ends as it is told to, with all that is written then.
fn crashes(mut command: Command, folder: &Path) -> Outcome {
    command.current_dir(folder).env("GOTRACEBACK", "crash");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: setrlimit may be called between fork and exec, and gets memory of ours.
    unsafe {
        command.pre_exec(
            move || match libc::setrlimit(libc::RLIMIT_CORE, &raw const limit) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            },
        );
    }
    Running::start(&mut command).end()
}

/// The stack that has a function, from there on.
fn from<'a>(stacks: &'a [Vec<String>], function: &str) -> Option<&'a [String]> {
    let is_it = |frame: &String| frame.split(' ').next() == Some(function);
    let mut found = stacks
        .iter()
        .filter_map(|stack| Some(&stack[stack.iter().position(is_it)?..]));
    found.next()
}

/// A program that ends with SIGABRT, by a panic or sent to it, while other threads run in and out of functions with rules: its
/// core dump shows the goroutine that ends it and those that wait as without goinject, and is no larger for goinject's memory.
#[test]
fn core_dumps_have_the_stacks_of_all_goroutines() {
    for build in BUILDS {
        for (crash, ends) in [("panic", "index out of range"), ("abort", "SIGABRT: abort")] {
            let what = format!("{}, {crash}", build.name());
            let (folder, plain) = (tempfile::tempdir(), tempfile::tempdir());
            let (folder, plain) = (folder.expect("a folder"), plain.expect("a folder"));
            let program = build.of("watched");
            let mut command = Command::new(&program);
            command.args(["-itself", "-crash", crash]);
            let outcome = crashes(command, plain.path());
            assert_eq!(outcome.code, Some(134), "{what}: {}", outcome.describe());
            let rules = folder.path().join("rules.yaml");
            fs::write(&rules, OF_WATCHED).expect("written");
            let mut command = goinject::command(["run", "--quiet", "--writer", "trampoline"]);
            command
                .arg(&rules)
                .arg("--")
                .arg(&program)
                .args(["-crash", crash]);
            let outcome = crashes(command, folder.path());
            let described = format!("{what}: {}", outcome.describe());
            assert_eq!(outcome.code, Some(6), "{described}");
            assert!(outcome.stderr.contains(ends), "{described}");
            let dumped = outcome.stderr.contains("main.held(") && outcome.stderr.contains("main.end()");
            assert!(dumped || crash == "panic", "{described}");

            let (Some(core), Some(plain)) = (core_in(folder.path()), core_in(plain.path())) else {
                let why = "the kernel does not put core dumps into the program's folder";
                goinject_lab::skips::note("core dumps", 1, why);
                continue;
            };
            let size = |core: &Path| fs::metadata(core).expect("it is there").blocks() * 512;
            let sizes = (size(&core), size(&plain));
            assert!(sizes.0 < sizes.1 + (64 << 20), "{what}: {sizes:?}");
            let ((stacks, told), (expected, _)) = (
                goroutines(build, "watched", &core),
                goroutines(build, "watched", &plain),
            );
            let described = format!("{what}: {}", told.describe());
            let mut functions = vec!["main.held"];
            if crash == "panic" {
                functions.push("main.last");
            }
            for function in functions {
                let stack = from(&stacks, function);
                assert!(stack.is_some_and(|stack| stack.len() > 2), "{described}");
                assert_eq!(stack, from(&expected, function), "{described}");
            }
        }
    }
}

/// Jumps alone, or traps where Go's calling convention leaves less room.
const OF_SPUN: &str = "version: 1
rules:
- {name: spun, function: main.spun, inject: {set: {n: 5}}}
- {name: result, function: main.spun, inject: {set: {\"results[0]\": 6}}}
";

/// What is told of goroutines that run: their functions from the innermost on, where those are told at all. Which of the two
/// functions one is in is by chance, and delve may leave out the outer one.
fn running(stacks: &[Vec<String>]) -> Vec<Vec<&str>> {
    let mut all = Vec::new();
    for stack in stacks {
        let names: Vec<&str> = stack.iter().filter_map(|frame| frame.split(' ').next()).collect();
        let is_running = |name: &&str| ["main.spun", "main.spin"].contains(name);
        if let Some(n) = names.iter().position(is_running) {
            all.push([&["main.spin"], &names[n..]].concat());
        } else if names.get(1) == Some(&"???") {
            // Delves of that time do not find what Go's signal handler has interrupted.
            all.push(vec!["???"]);
        }
    }
    for stack in &mut all {
        stack.retain(|name| *name != "main.spun");
        stack.dedup();
    }
    all.sort();
    all
}

/// Threads that run in changed functions when the program is told to end: what Go tells of them, and the core dump, are as without
/// goinject.
#[test]
fn core_dumps_have_the_stacks_of_running_threads() {
    let own_end = |dump: &Outcome| {
        // In the order in which the threads get the signal, where Go looks at what each runs.
        dump.stderr.matches("\nmain.spin()\n").count()
    };
    for build in BUILDS {
        let program = build.of("watched");
        let plain = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(&program);
        command.args(["-itself", "-crash", "abort"]);
        // Else most are preempted before their threads are told.
        command.env("GODEBUG", "asyncpreemptoff=1");
        let expected = crashes(command, plain.path());
        assert_eq!(own_end(&expected), 2, "{}: {}", build.name(), expected.describe());
        for writer in [Writer::Trampoline, Writer::Breakpoints] {
            let what = format!("{}, {}", build.name(), writer.name());
            let folder = tempfile::tempdir().expect("a folder");
            let rules = folder.path().join("rules.yaml");
            fs::write(&rules, OF_SPUN).expect("written");
            let mut command = goinject::command(["run", "--quiet"]);
            command.args(writer.options()).arg(&rules).arg("--");
            command.arg(&program).args(["-crash", "abort"]);
            command.env("GODEBUG", "asyncpreemptoff=1");
            let outcome = crashes(command, folder.path());
            let described = format!("{what}: {}", outcome.describe());
            assert_eq!(outcome.code, Some(6), "{described}");
            assert_eq!(own_end(&outcome), 2, "{described}");
            let (Some(core), Some(plain)) = (core_in(folder.path()), core_in(plain.path())) else {
                let why = "the kernel does not put core dumps into the program's folder";
                goinject_lab::skips::note("core dumps", 1, why);
                continue;
            };
            for look in [goroutines, threads] {
                let ((stacks, told), (expected, _)) =
                    (look(build, "watched", &core), look(build, "watched", &plain));
                let described = format!("{what}: {}", told.describe());
                assert_eq!(running(&stacks), running(&expected), "{described}");
                // Debuggers of that time do not look behind Go's signal handler.
                let is_told = build.version == "1.27";
                let stacks = running(&stacks);
                assert!(!is_told || stacks.len() == 2, "{described}");
                assert!(
                    !is_told || stacks.iter().all(|stack| stack.len() > 1),
                    "{described}"
                );
            }
        }
    }
}

/// A dump of a program that goes on with jumps which nobody takes out any more: goinject and its guard were killed. A thread that
/// is in goinject's code at that moment has no stack for debuggers; all goroutines that wait do.
#[test]
fn a_program_with_jumps_can_be_dumped() {
    for build in [BUILDS[1], BUILDS[2]] {
        let mut target = start(build, "watched", &["-crash", "input"]);
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("rules.yaml"), OF_WATCHED).expect("written");
        let injector = attach(folder.path(), Writer::Trampoline, target.pid());
        act(folder.path());
        injector.kill_with_guard();
        assert!(
            holds_soon(|| !is_traced(target.pid())),
            "somebody still traces it"
        );
        let mut gcore = Command::new("gcore");
        gcore
            .arg("-o")
            .arg(folder.path().join("core"))
            .arg(target.pid().to_string());
        gcore
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let dumped = Running::start(&mut gcore).end();
        assert_eq!(dumped.code, Some(0), "{}", dumped.describe());
        let core = folder.path().join(format!("core.{}", target.pid()));
        let (stacks, told) = goroutines(build, "watched", &core);
        let described = format!("{}: {}", build.name(), told.describe());
        let functions = |function| -> Vec<&str> {
            let stack = from(&stacks, function).unwrap_or_default();
            let names = stack.iter().filter_map(|frame| frame.split(' ').next());
            names.filter(|name| name.starts_with("main.")).collect()
        };
        assert_eq!(
            functions("main.held")[..2],
            ["main.held", "main.hold"],
            "{described}"
        );
        assert_eq!(functions("main.end"), ["main.end", "main.main"], "{described}");
        thread::sleep(std::time::Duration::from_millis(200));
        assert!(target.runs(), "it has ended");
        drop(target.stdin());
        let outcome = target.end();
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    }
}
