//! Attached to a running program and let go, in every way; and programs that end while rules are armed.
//!
//! Natively with the writers that every host has, and in a guest with one inside the kernel.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use goinject_tests::goinject::Running;
use goinject_tests::patience::{is_stopped, is_traced, wait_for};
use goinject_tests::{Build, Outcome, Writer, busy, goinject, guest};

const BUILDS: [Build; 3] = [Build::plain("1.15"), Build::plain("1.19"), Build::plain("1.27")];
const NEWEST: Build = BUILDS[2];

/// How often goinject is killed while it is attached to a program.
const KILLS: u64 = 4;

/// A run of goinject, whose words can be read while it goes on.
struct Injector {
    running: Running,
    folder: tempfile::TempDir,
}

impl Injector {
    /// Starts it with a rule file that replaces what all functions of the program get. `head` are keys of the file,
    /// `target` the rest of the command line.
    fn start(writer: Writer, build: Build, head: &str, target: &[&str]) -> Injector {
        let folder = tempfile::tempdir().expect("a folder");
        let rules = busy::rules(&busy::functions(writer, build.version), "");
        fs::write(folder.path().join("rules.yaml"), format!("{rules}{head}")).expect("rules are written");
        let create = |name: &str| Stdio::from(File::create(folder.path().join(name)).expect("a file"));
        let mut command = goinject::command(["run", "--quiet", "--json", "events", "rules.yaml"]);
        command.args(writer.options()).args(target);
        command.current_dir(folder.path());
        command.stdout(create("out")).stderr(create("err"));
        let running = Running::start(&mut command);
        Injector { running, folder }
    }

    fn attach(writer: Writer, build: Build, pid: i32) -> Injector {
        let mut tries = 0;
        loop {
            let injector = Injector::start(writer, build, "", &["--pid", &pid.to_string()]);
            match injector.says() {
                Some("goinject: armed") => return injector,
                // The guard of a killed one takes breakpoints out in a moment. Until then they are somebody else's.
                _ if injector.text("err").contains("another tool has changed it") && tries < 20 => tries += 1,
                _ => panic!("{}", injector.text("err")),
            }
        }
    }

    /// A command, once it is armed and its goroutines run.
    fn command(writer: Writer, head: &str, arguments: &[&str]) -> (Injector, i32) {
        let program = NEWEST.of("busy");
        let only = busy::functions(writer, NEWEST.version).join(",");
        let mut target = vec!["--", program.to_str().expect("a path in UTF-8"), "-only", &only];
        target.extend(arguments);
        let injector = Injector::start(writer, NEWEST, head, &target);
        let started = wait_for(|| {
            let first = injector.text("out");
            first.split_once('\n')?.0.strip_prefix("started ")?.parse().ok()
        });
        let pid = started.unwrap_or_else(|| panic!("{}", injector.text("err")));
        (injector, pid)
    }

    fn says(&self) -> Option<&'static str> {
        let said = ["goinject: armed", "goinject: error"];
        wait_for(|| said.into_iter().find(|words| self.text("err").contains(words)))
    }

    /// Waits until all rules have acted, many times.
    fn has_acted(&self) {
        let acted = wait_for(|| (self.text("events").len() > 64 << 10).then_some(()));
        assert!(acted.is_some(), "no rule acts: {}", self.text("err"));
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// Waits for its end.
    fn end(self) -> Outcome {
        let Injector { running, folder } = self;
        let text = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        Outcome {
            code: running.end().code,
            stdout: text("out"),
            stderr: text("err"),
            json: Outcome::lines(&text("events")),
        }
    }
}

/// The program by itself, until its input ends.
fn target(build: Build, arguments: &[&str]) -> Running {
    let mut command = Command::new(build.of("busy"));
    command.args(arguments).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let target = Running::start(&mut command);
    // Until then its runtime may still be starting.
    let pid = target.pid();
    let task = format!("/proc/{pid}/task");
    let threads = wait_for(|| (fs::read_dir(&task).ok()?.count() > 3).then_some(()));
    assert!(threads.is_some(), "the program does not start");
    target
}

fn for_each(test: impl Fn(Writer, Build) + Sync) {
    for writer in Writer::ANYWHERE {
        thread::scope(|scope| {
            for build in BUILDS {
                let test = &test;
                scope.spawn(move || test(writer, build));
            }
        });
    }
}

fn applied(outcome: &Outcome) -> u64 {
    outcome.counts().iter().map(|counts| counts.applied).sum()
}

#[test]
fn attached_and_let_go_again_and_again() {
    for_each(|writer, build| {
        let mut target = target(build, &["-input"]);
        let mut edits = 0;
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGINT] {
            let injector = Injector::attach(writer, build, target.pid());
            injector.has_acted();
            injector.running.signal(signal);
            let outcome = injector.end();
            assert_eq!(outcome.code, Some(130), "{}", outcome.describe());
            assert!(applied(&outcome) > 0, "{}", outcome.describe());
            edits += applied(&outcome);
            assert!(!is_traced(target.pid()), "{} left it traced", writer.name());
        }
        drop(target.stdin());
        let outcome = target.end();
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        let total = busy::total(&outcome.stdout).expect("no wrong call");
        assert_eq!(
            (total.replaced, total.halfway),
            (edits, 0),
            "{}",
            outcome.describe()
        );
        assert!(total.kept > 0, "{}", outcome.describe());
    });
}

#[test]
fn attached_and_killed_again_and_again() {
    for_each(|writer, build| {
        let mut target = target(build, &["-input"]);
        for round in 0..KILLS {
            let injector = Injector::attach(writer, build, target.pid());
            thread::sleep(Duration::from_millis(8 * round));
            injector.running.signal(libc::SIGKILL);
            let outcome = injector.end();
            assert_eq!(outcome.code, Some(128 + libc::SIGKILL), "{}", outcome.describe());
            assert!(target.runs(), "{}, {}", writer.name(), build.name());
            // The guard takes breakpoints out; threads that were in one go on.
            thread::sleep(Duration::from_millis(300));
        }
        let injector = Injector::attach(writer, build, target.pid());
        injector.has_acted();
        injector.running.signal(libc::SIGINT);
        let last = injector.end();
        assert_eq!(last.code, Some(130), "{}", last.describe());
        drop(target.stdin());
        let outcome = target.end();
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        let total = busy::total(&outcome.stdout).expect("no wrong call");
        assert!(total.replaced > applied(&last), "{}", outcome.describe());
        // At most the edit that was being made at each kill.
        assert!(total.halfway <= KILLS, "{}", outcome.describe());
    });
}

#[test]
fn the_rule_file_may_name_the_process() {
    for writer in Writer::ANYWHERE {
        let mut target = target(NEWEST, &["-input"]);
        let head = format!("target: {{pid: {}}}\n", target.pid());
        let injector = Injector::start(writer, NEWEST, &head, &[]);
        injector.has_acted();
        drop(target.stdin());
        let of_target = target.end();
        let mut outcome = injector.end();
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        assert_eq!(of_target.code, Some(0), "{}", of_target.describe());
        outcome.stdout = of_target.stdout;
        let total = busy::total(&outcome.stdout).expect("no wrong call");
        assert_eq!(applied(&outcome), total.replaced, "{}", outcome.describe());
    }
}

/// What the last line of the JSON says of the target, with goinject's exit status.
fn end_of(outcome: &Outcome) -> (String, Option<i32>) {
    let end = outcome.of_type("end").next();
    let end = end.map_or(String::new(), |end| {
        format!("{} {} {}", end["target"], end["status"], end["signal"])
    });
    (end.replace('"', ""), outcome.code)
}

#[test]
fn a_command_exits() {
    for writer in Writer::ANYWHERE {
        let arguments = ["-for", "150ms", "-status", "3"];
        for (head, code) in [("", 1), ("expect: {exit: 3}\n", 0), ("expect: {exit: any}\n", 0)] {
            let (injector, _) = Injector::command(writer, head, &arguments);
            let outcome = injector.end();
            assert_eq!(end_of(&outcome), ("exited 3 null".to_owned(), Some(code)));
            busy::compare(&outcome).unwrap_or_else(|error| panic!("{error}"));
        }
    }
}

/// A thread that is made while its process ends may tell of itself when nobody is left to tell who made it.
#[test]
fn the_end_of_a_command_is_seen_however_its_threads_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("rules.yaml");
    let functions = busy::functions(Writer::Breakpoints, NEWEST.version);
    // How often they are called depends on how long arming took.
    fs::write(&rules, busy::rules(&functions, "expect: {fired: \">=0\"}, ")).expect("written");
    for run in 0..25 {
        let mut command = goinject::command(["run", "--quiet", "--engine", "ptrace"]);
        command.arg(&rules).arg("--").arg(NEWEST.of("busy")).arg("-input");
        command.stdin(Stdio::piped());
        let mut running = Running::start(&mut command);
        thread::sleep(Duration::from_millis(150 + 10 * run));
        drop(running.stdin());
        let outcome = running.end();
        assert_eq!(outcome.code, Some(0), "run {run}: {}", outcome.describe());
    }
}

#[test]
fn a_signal_to_goinject_goes_on_to_its_command() {
    for writer in Writer::ANYWHERE {
        // The program ignores it, so goinject goes on until a second one lets the program go.
        let (injector, pid) = Injector::command(writer, "", &["-for", "1500ms"]);
        injector.running.signal(libc::SIGTERM);
        thread::sleep(Duration::from_millis(100));
        assert!(is_traced(pid), "{}", injector.text("err"));
        injector.running.signal(libc::SIGINT);
        let out = injector.folder.path().join("out");
        let mut injector = injector;
        let gone = wait_for(|| (!injector.running.runs()).then_some(()));
        assert!(gone.is_some(), "goinject goes on");
        let total = wait_for(|| busy::total(&fs::read_to_string(&out).ok()?).ok());
        let outcome = injector.end();
        assert_eq!(outcome.code, Some(130), "{}", outcome.describe());
        let total = total.unwrap_or_else(|| panic!("{}", outcome.describe()));
        assert!(total.replaced > 0 && total.kept > 0, "{total:?}");
    }
}

#[test]
fn an_attached_program_exits_or_is_killed() {
    for writer in Writer::ANYWHERE {
        for kills in [false, true] {
            let mut target = target(NEWEST, &["-input"]);
            let injector = Injector::attach(writer, NEWEST, target.pid());
            injector.has_acted();
            match kills {
                true => target.signal(libc::SIGKILL),
                false => drop(target.stdin()),
            }
            let of_target = target.end();
            let outcome = injector.end();
            let (end, codes) = match kills {
                true => ("killed null SIGKILL", (Some(128 + libc::SIGKILL), Some(6))),
                false => ("exited 0 null", (Some(0), Some(0))),
            };
            assert_eq!((of_target.code, outcome.code), codes, "{}", outcome.describe());
            assert_eq!(end_of(&outcome).0, end, "{}", outcome.describe());
        }
    }
}

#[test]
fn a_command_is_killed() {
    for writer in Writer::ANYWHERE {
        let (injector, pid) = Injector::command(writer, "", &["-for", "20s"]);
        thread::sleep(Duration::from_millis(30));
        // SAFETY: goinject is the program's parent and still waits for it.
        unsafe { libc::kill(pid, libc::SIGKILL) };
        let outcome = injector.end();
        let end = ("killed null SIGKILL".to_owned(), Some(6));
        assert_eq!(end_of(&outcome), end, "{}", outcome.describe());
    }
}

#[test]
fn a_program_becomes_another_one() {
    for writer in Writer::ANYWHERE {
        let arguments = ["-for", "150ms", "-exec", "/bin/echo further"];
        let (injector, _) = Injector::command(writer, "", &arguments);
        let outcome = injector.end();
        let end = ("exited 0 null".to_owned(), Some(0));
        assert_eq!(end_of(&outcome), end, "{}", outcome.describe());
        assert!(outcome.stdout.ends_with("further\n"), "{}", outcome.describe());
        assert!(
            outcome.stderr.contains("another program"),
            "{}",
            outcome.describe()
        );
        busy::compare(&outcome).unwrap_or_else(|error| panic!("{error}"));

        let mut target = target(NEWEST, &["-input", "-exec", "/bin/echo further"]);
        let injector = Injector::attach(writer, NEWEST, target.pid());
        injector.has_acted();
        drop(target.stdin());
        let of_target = target.end();
        let outcome = injector.end();
        assert_eq!(
            (of_target.code, outcome.code),
            (Some(0), Some(0)),
            "{}",
            outcome.describe()
        );
        assert!(
            of_target.stdout.ends_with("further\n"),
            "{}",
            of_target.describe()
        );
        busy::total(&of_target.stdout).expect("no wrong call");
    }
}

/// goinject opens the file of a report between planning and arming. A pipe that nobody reads keeps it there.
fn paused_before_arming(folder: &Path, program: &Path, writer: Writer) -> (Running, PathBuf) {
    let rules = folder.join("rules.yaml");
    fs::write(&rules, busy::rules(&["leaf"], "")).expect("rules are written");
    let pipe = folder.join("report");
    let _ = fs::remove_file(&pipe);
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo");
    let mut command = goinject::command(["run", "--writer", writer.name(), "--junit"]);
    command
        .arg(&pipe)
        .arg(&rules)
        .arg("--")
        .arg(program)
        .args(["-for", "150ms"]);
    let running = Running::start(&mut command);
    // The one file that it opens for writing: the flags are the third argument.
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC | libc::O_CLOEXEC;
    let [call, flags] = [format!("{} ", libc::SYS_openat), format!(" {flags:#x} ")];
    let shown = format!("/proc/{}/syscall", running.pid());
    let opens = wait_for(|| {
        let shown = fs::read_to_string(&shown).ok()?;
        (shown.starts_with(&call) && shown.contains(&flags)).then_some(())
    });
    assert!(opens.is_some(), "goinject does not open the file");
    (running, pipe)
}

#[test]
fn a_binary_that_was_replaced_meanwhile_is_planned_anew() {
    let newer = fs::read(Build::plain("1.19").of("busy")).expect("a fixture");
    for writer in Writer::ANYWHERE {
        for in_place in [false, true] {
            let folder = tempfile::tempdir().expect("a folder");
            let program = folder.path().join("program");
            fs::copy(NEWEST.of("busy"), &program).expect("a copy");
            let (running, pipe) = paused_before_arming(folder.path(), &program, writer);
            match in_place {
                true => fs::write(&program, &newer).expect("it does not run yet"),
                false => {
                    let other = folder.path().join("other");
                    fs::copy(Build::plain("1.19").of("busy"), &other).expect("a copy");
                    fs::rename(&other, &program).expect("it takes its place");
                }
            }
            let mut reader = File::options();
            // Where nobody writes to the pipe, nobody is waited for.
            let reader = reader.read(true).custom_flags(libc::O_NONBLOCK).open(&pipe);
            let mut events = reader.expect("goinject writes to it");
            // SAFETY: it is open, and from now on it is waited for.
            unsafe { libc::fcntl(events.as_raw_fd(), libc::F_SETFL, 0) };
            thread::spawn(move || std::io::copy(&mut events, &mut std::io::sink()));
            let outcome = running.end();
            assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
            assert!(outcome.stderr.contains("go1.19"), "{}", outcome.describe());
            let total = busy::total(&outcome.stdout).expect("no wrong call");
            assert!(total.replaced > 0, "{}", outcome.describe());
        }
    }
}

#[test]
fn a_user_without_privileges_has_jumps_or_breakpoints() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let open =
        |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("permissions");
    open(folder.path());
    let [injector, program, rules] = ["goinject", "busy", "rules.yaml"].map(|name| folder.path().join(name));
    fs::copy(goinject::program(), &injector).expect("a copy");
    fs::copy(NEWEST.of("busy"), &program).expect("a copy");
    fs::write(
        &rules,
        busy::rules(&busy::functions(Writer::Breakpoints, "1.27"), ""),
    )
    .expect("rules");
    for (engine, chosen) in [("ptrace", "ptrace"), ("auto", "inline")] {
        let mut command = Command::new(&injector);
        command.args([
            "run",
            "--quiet",
            "--engine",
            engine,
            "--json",
            "events",
            "rules.yaml",
            "--",
        ]);
        command
            .arg(&program)
            .args(["-calls", "2000"])
            .current_dir(folder.path());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        goinject::as_nobody(&mut command);
        let mut outcome = Running::start(&mut command).end();
        outcome.json = Outcome::lines(&fs::read_to_string(folder.path().join("events")).unwrap_or_default());
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        assert_eq!(outcome.json[0]["engine"], chosen, "{}", outcome.describe());
        let calls = busy::compare(&outcome).unwrap_or_else(|error| panic!("{error}"));
        assert!(calls >= 2000);
        fs::remove_file(folder.path().join("events")).expect("it was written");
    }
}

/// Attaches to a program and is let go by a signal, with each writer in turn. The program runs on and ends by itself.
const GUEST: &str = r#"
mkfifo /tmp/input
/srv/busy -input </tmp/input >/tmp/out 2>&1 &
program=$!
exec 9>/tmp/input
for try in SIGNALS; do
	writer=${try%:*}
	signal=${try#*:}
	goinject run --quiet --writer $writer --json /tmp/json --pid $program /srv/rules/rules.yaml 2>/tmp/err &
	injector=$!
	until grep -qE "goinject: (armed|error)" /tmp/err; do sleep 0.1; done
	sleep 0.5
	kill -$signal $injector
	wait $injector
	echo "$try $?"
	[ $signal = KILL ] || cat /tmp/err >&2
	grep '"type":"rule"' /tmp/json
	rm /tmp/json /tmp/err
	# The guard of a killed one needs a moment.
	sleep 0.5
	grep -h TracerPid /proc/$program/task/*/status | sort -u
done
exec 9>&-
wait $program
echo "program $?"
cat /tmp/out
"#;

#[test]
fn guest_programs_are_attached_to_and_let_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let functions = busy::functions(Writer::SignalFrame, NEWEST.version);
    fs::write(folder.path().join("rules.yaml"), busy::rules(&functions, "")).expect("rules are written");
    let files = [
        (folder.path().to_owned(), PathBuf::from("/srv/rules")),
        (NEWEST.of("busy"), PathBuf::from("/srv/busy")),
    ];
    let Some(mut booted) = guest::boot("6.12", &files) else {
        return;
    };
    let mut tries = Vec::new();
    for writer in [Writer::SignalFrame, Writer::Tracer, Writer::Breakpoints] {
        for (signal, code) in [("INT", 130), ("KILL", 128 + libc::SIGKILL), ("TERM", 130)] {
            tries.push((format!("{}:{signal}", writer.name()), code));
        }
    }
    let names: Vec<&str> = tries.iter().map(|(name, _)| name.as_str()).collect();
    let script = GUEST.replace("SIGNALS", &names.join(" "));
    let outcome = booted.run(&script, Duration::from_secs(240));
    let outcome = outcome.unwrap_or_else(|error| panic!("{error}"));
    let (stdout, stderr) = (outcome.stdout(), outcome.stderr());
    let said = || format!("{stdout}\n---\n{stderr}");
    for (name, code) in &tries {
        assert!(stdout.contains(&format!("{name} {code}\n")), "{name}: {}", said());
    }
    let tracers: Vec<&str> = stdout
        .lines()
        .filter(|line| line.starts_with("TracerPid"))
        .collect();
    assert_eq!(tracers, vec!["TracerPid:\t0"; tries.len()], "{}", said());
    assert!(stdout.contains("program 0\n"), "{}", said());
    let total = busy::total(&stdout).unwrap_or_else(|error| panic!("{error}\n{}", said()));
    let edits = Outcome {
        json: stdout
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect(),
        ..Outcome::default()
    };
    // What a killed one did is only known to the program.
    assert!(
        total.replaced > applied(&edits) && applied(&edits) > 0,
        "{}",
        said()
    );
    assert!(total.kept > 0 && total.halfway <= 3, "{}", said());
    println!(
        "Linux {}: {} times attached and let go, {total:?}",
        booted.release,
        tries.len()
    );
}

/// Ctrl-Z stops goinject with its command; then both go on.
#[test]
fn a_job_is_stopped_and_goes_on() {
    for writer in Writer::ANYWHERE {
        let (injector, pid) = Injector::command(writer, "", &["-for", "3s"]);
        injector.has_acted();
        let signal = |signal| {
            injector.running.signal(signal);
            // SAFETY: no memory is involved; the process is ours.
            unsafe { libc::kill(pid, signal) };
        };
        signal(libc::SIGTSTP);
        let stopped = wait_for(|| is_stopped(injector.running.pid()).then_some(()));
        assert!(stopped.is_some(), "{}", injector.text("err"));
        let before = injector.text("events").len();
        thread::sleep(Duration::from_millis(200));
        assert_eq!(injector.text("events").len(), before, "{}", writer.name());
        signal(libc::SIGCONT);
        let goes_on = wait_for(|| (injector.text("events").len() > before).then_some(()));
        assert!(goes_on.is_some(), "{}", injector.text("err"));
        let outcome = injector.end();
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    }
}
