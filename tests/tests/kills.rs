//! goinject killed at any moment: the target runs on to its end, unharmed.
//!
//! The program's goroutines are inside of probed functions all the time. Where goinject is killed the program becomes a
//! child of the test, which therefore knows how it ended.

use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use goinject_tests::goinject::{children_of, guard_of, lives};
use goinject_tests::patience::wait_for;
use goinject_tests::{Build, Writer, busy, goinject};

const BUILDS: [Build; 3] = [Build::plain("1.15"), Build::plain("1.19"), Build::plain("1.27")];

/// Kills of each kind with each engine.
const KILLS: usize = 100;

/// Runs that go on at the same time.
const PARALLEL: usize = 4;

/// How long the program calls its functions.
const PERIOD: Duration = Duration::from_millis(150);

/// Children are shared by a test process; each test wants to see that none is left.
static ALONE: Mutex<()> = Mutex::new(());

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whom {
    /// goinject, which traces.
    Process,
    /// Its process group.
    Group,
    /// That, and the guard: what is in the target must do.
    GroupAndGuard,
    /// It and all that it has started, as a container's end does.
    All,
}

#[test]
fn the_tracing_process_is_killed_with_bpf() {
    kill_often(Writer::Tracer, Whom::Process, KILLS);
}

#[test]
fn the_process_group_is_killed_with_bpf() {
    kill_often(Writer::Tracer, Whom::Group, KILLS);
}

#[test]
fn the_tracing_process_is_killed_with_ptrace() {
    kill_often(Writer::Breakpoints, Whom::Process, KILLS);
}

#[test]
fn the_process_group_is_killed_with_ptrace() {
    kill_often(Writer::Breakpoints, Whom::Group, KILLS);
}

#[test]
fn the_guard_is_killed_too() {
    kill_often(Writer::Breakpoints, Whom::GroupAndGuard, KILLS / 4);
}

#[test]
fn the_tracing_process_is_killed_with_breakpoints_beside_bpf() {
    kill_often(Writer::Mixed, Whom::Process, KILLS / 4);
    kill_often(Writer::Mixed, Whom::Group, KILLS / 4);
    kill_often(Writer::Mixed, Whom::GroupAndGuard, KILLS / 4);
}

#[test]
fn the_tracing_process_is_killed_with_jumps() {
    kill_often(Writer::Trampoline, Whom::Process, KILLS);
}

#[test]
fn the_process_group_is_killed_with_jumps() {
    kill_often(Writer::Trampoline, Whom::Group, KILLS);
}

#[test]
#[ignore = "takes minutes: cargo xtask stress killed_a_thousand_times"]
fn killed_a_thousand_times_with_jumps() {
    kill_often(Writer::Trampoline, Whom::Process, 500);
    kill_often(Writer::Trampoline, Whom::Group, 500);
}

#[test]
fn while_it_arms_and_lets_go_with_bpf() {
    kill_around(Writer::Tracer, Whom::Group);
}

#[test]
fn while_it_arms_and_lets_go_with_ptrace() {
    kill_around(Writer::Breakpoints, Whom::Group);
}

#[test]
fn while_it_arms_and_lets_go_with_breakpoints_beside_bpf() {
    kill_around(Writer::Mixed, Whom::Group);
}

#[test]
fn while_it_arms_and_lets_go_with_jumps() {
    kill_around(Writer::Trampoline, Whom::Group);
}

#[test]
fn all_of_it_while_it_arms_and_lets_go_with_jumps() {
    kill_around(Writer::Trampoline, Whom::All);
}

#[test]
fn all_of_it_while_it_arms_and_lets_go_with_bpf() {
    kill_around(Writer::Tracer, Whom::All);
}

#[test]
fn all_of_it_while_it_arms_and_lets_go_with_ptrace() {
    kill_around(Writer::Breakpoints, Whom::All);
}

/// Attaches to one program again and again, and kills goinject's process group (or all of it) at some moment of arming,
/// or of letting go. In both a thread of the program makes system calls for goinject.
fn kill_around(writer: Writer, whom: Whom) {
    let _alone = ALONE.lock();
    let folder = tempfile::tempdir().expect("a folder");
    let build = BUILDS[BUILDS.len() - 1];
    let rules = folder.path().join("rules.yaml");
    fs::write(&rules, busy::rules(&busy::functions(writer, build.version), "")).expect("rules are written");
    let mut around = Around {
        writer,
        whom,
        rules,
        stderr: folder.path().join("err"),
        ..Around::default()
    };
    // A killed deputy leaves a few bytes behind, which there is not room for without end.
    let at_a_time = if whom == Whom::All { 10 } else { 2 * KILLS };
    while around.arming < KILLS || around.leaving < KILLS / 2 {
        let mut program = Command::new(build.of("busy"));
        program.arg("-input").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut program = program.spawn().expect("the program starts");
        let mut kills = 0;
        for _ in 0..at_a_time {
            let more = around.arming < KILLS || around.leaving < KILLS / 2;
            if !more || !around.kill_once(&mut program) {
                break;
            }
            kills += 1;
        }
        drop(program.stdin.take());
        let output = program.wait_with_output().expect("the program is a child");
        let stdout = String::from_utf8_lossy(&output.stdout);
        let total = busy::total(&stdout).unwrap_or_else(|error| panic!("{:?} {error}", output.status));
        // Values are not written all at once, and the rules act as soon as the process is armed.
        assert!(
            output.status.success() && total.halfway <= kills,
            "{:?}\n{stdout}",
            output.status
        );
    }
    println!("{around:?}");
}

/// What was killed so far.
#[derive(Debug)]
struct Around {
    writer: Writer,
    whom: Whom,
    rules: PathBuf,
    stderr: PathBuf,
    arming: usize,
    leaving: usize,
    refused: usize,
    /// What arming takes on this machine now.
    period: Duration,
}

impl Default for Around {
    fn default() -> Around {
        Around {
            writer: Writer::Breakpoints,
            whom: Whom::Group,
            rules: PathBuf::new(),
            stderr: PathBuf::new(),
            arming: 0,
            leaving: 0,
            refused: 0,
            period: Duration::from_millis(200),
        }
    }
}

impl Around {
    fn attach(&self, target: u32) -> Child {
        let mut command = Command::new(goinject::program());
        command.args(["run", "--quiet"]).args(self.writer.options());
        command
            .arg("--pid")
            .arg(target.to_string())
            .arg(&self.rules)
            .stdin(Stdio::null());
        command.stderr(File::create(&self.stderr).expect("a file for output"));
        command.process_group(0).spawn().expect("goinject starts")
    }

    /// False if the program is no good for more of it: on a busy machine, much of what is killed leaves breakpoints behind.
    fn kill_once(&mut self, program: &mut Child) -> bool {
        let said = || fs::read_to_string(&self.stderr).unwrap_or_default();
        let begun = Instant::now();
        let mut injector = self.attach(program.id());
        let pid = i32::try_from(injector.id()).expect("process ids are small");
        // By turns, as the moments of letting go are found only after arming.
        if self.arming < KILLS && (self.leaving >= KILLS / 2 || self.arming <= 2 * self.leaving) {
            thread::sleep(self.period.mul_f64(random()));
            self.arming += usize::from(!said().contains("goinject: armed"));
        } else {
            let ended = |injector: &mut Child| injector.try_wait().is_ok_and(|status| status.is_some());
            let armed = || said().contains("goinject: armed");
            wait_for(|| (armed() || ended(&mut injector)).then_some(())).expect("it arms or gives up");
            if ended(&mut injector) {
                // What the one before left behind was still at work, and the target somebody else's; or its breakpoints are.
                self.refused += 1;
                assert!(self.refused < KILLS, "{}", said());
                return false;
            }
            self.period = begun.elapsed();
            // SAFETY: a child that is not waited for yet.
            unsafe { libc::kill(pid, libc::SIGINT) };
            thread::sleep(Duration::from_millis(40).mul_f64(random()));
            self.leaving += 1;
        }
        match self.whom {
            Whom::All => kill_all(pid),
            _ => kill(-pid),
        }
        let _ = injector.wait();
        // What it left behind does its work and ends.
        thread::sleep(Duration::from_millis(10));
        let ended = program.try_wait().expect("the program is a child");
        assert!(ended.is_none(), "{ended:?} after {self:?}");
        true
    }
}

/// What became of a run.
struct Survived {
    calls: u64,
    halfway: u64,
    /// It was killed while rules acted, and the program ran on for a while.
    midway: bool,
}

fn kill_often(writer: Writer, whom: Whom, kills: usize) {
    let _alone = ALONE.lock();
    // SAFETY: sets an attribute of this process: orphans become its children.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
    let folder = tempfile::tempdir().expect("a folder");
    let (runs, midway) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let outcome: Mutex<(u64, u64, Vec<String>)> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                while midway.load(Ordering::Relaxed) < kills {
                    let run = runs.fetch_add(1, Ordering::Relaxed);
                    let survived = kill_once(writer, whom, run, folder.path());
                    let mut outcome = outcome.lock().expect("nobody panics");
                    match survived {
                        Ok(survived) => {
                            outcome.0 += survived.calls;
                            outcome.1 += survived.halfway;
                            midway.fetch_add(usize::from(survived.midway), Ordering::Relaxed);
                        }
                        Err(wrong) => outcome.2.push(format!("run {run}: {wrong}")),
                    }
                    if outcome.2.len() > 3 || run > 10 * kills {
                        return;
                    }
                }
            });
        }
    });
    let (calls, halfway, failures) = outcome.into_inner().expect("nobody panics");
    let (runs, midway) = (runs.into_inner(), midway.into_inner());
    println!(
        "{}, {whom:?}: {runs} runs, {midway} killed midway, {calls} calls of which {halfway} halfway, {} runs wrong",
        writer.name(),
        failures.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(midway >= kills, "the moments were badly chosen");
    assert!(all_ended(), "processes are left");
}

fn kill_once(writer: Writer, whom: Whom, run: usize, folder: &Path) -> Result<Survived, String> {
    let build = BUILDS[run % BUILDS.len()];
    let file = |kind: &str| folder.join(format!("{run}.{kind}"));
    let (rules, stdout, stderr) = (file("yaml"), file("out"), file("err"));
    let functions = busy::functions(writer, build.version);
    let mut text = busy::rules(&functions, "");
    if writer == Writer::Trampoline {
        // The core faults in the program.
        text.push_str(busy::NOWHERE);
    }
    fs::write(&rules, text).expect("rules are written");
    let create = |path: &Path| Stdio::from(File::create(path).expect("a file for output"));
    let mut injector = Command::new(goinject::program())
        .args(["run", "--quiet"])
        .args(writer.options())
        .arg(&rules)
        .arg("--")
        .arg(build.of("busy"))
        .args(["-for", &format!("{}ms", PERIOD.as_millis())])
        .stdin(Stdio::null())
        .stdout(create(&stdout))
        .stderr(create(&stderr))
        .process_group(0)
        .spawn()
        .expect("goinject starts");
    let pid = i32::try_from(injector.id()).expect("process ids are small");
    let text = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    let describe = |what: &str| {
        let (stdout, stderr) = (text(&stdout), text(&stderr));
        Err(format!("{} {what}\n{stdout}\n{stderr}", build.name()))
    };

    let Some(target) = wait_for(|| started(&text(&stdout))) else {
        let _ = injector.kill();
        let _ = injector.wait();
        return describe("did not start");
    };
    let guard = guard_of(pid);
    // Where values are passed in memory, BPF needs no breakpoint. On a busy machine it may all be over by now.
    let has_guard = writer != Writer::Tracer && (writer != Writer::Mixed || build.version != "1.15");
    if has_guard && guard.is_none() && lives(target) {
        return describe("has no guard");
    }
    thread::sleep(PERIOD.mul_f64(random() * 0.8));
    match whom {
        Whom::Process => kill(pid),
        Whom::Group => kill(-pid),
        Whom::GroupAndGuard => {
            kill(-pid);
            guard.into_iter().for_each(kill);
        }
        Whom::All => kill_all(pid),
    }
    let status = injector.wait().expect("goinject is a child");
    if status.signal() != Some(libc::SIGKILL) {
        // It was over before; try another moment.
        return Ok(Survived {
            calls: 0,
            halfway: 0,
            midway: false,
        });
    }
    match wait_for(|| end_of(target)) {
        Some(End::Status(0)) | Some(End::Seen) => {}
        Some(End::Status(status)) => return describe(&format!("ended with wait status {status:#x}")),
        None => {
            kill(target);
            wait_for(|| end_of(target));
            return describe("does not end");
        }
    }
    match busy::total(&text(&stdout)) {
        // Values are not written all at once. Only the one edit that was being made can be incomplete.
        Ok(total) if total.halfway <= 1 => Ok(Survived {
            calls: total.calls,
            halfway: total.halfway,
            midway: total.replaced > 0 && total.kept > 0,
        }),
        _ => describe("was disturbed"),
    }
}

/// The id of the program, once it tells it.
fn started(stdout: &str) -> Option<i32> {
    let (first, _) = stdout.split_once('\n')?;
    first.strip_prefix("started ")?.parse().ok()
}

/// How a program came to its end.
enum End {
    /// With this wait status.
    Status(i32),
    /// goinject saw it, and was killed after that. What the program printed tells more.
    Seen,
}

/// The end of the program, once goinject is gone and it is a child.
fn end_of(pid: i32) -> Option<End> {
    let mut status = 0;
    // SAFETY: `status` is a valid place for the result.
    match unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) } {
        0 => None,
        ended if ended == pid => Some(End::Status(status)),
        _ => Some(End::Seen),
    }
}

fn kill(pid: i32) {
    // SAFETY: the process was started here or by goinject, and is not waited for yet.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

/// Kills goinject and all that it has started to attach.
fn kill_all(pid: i32) {
    // It starts nothing more from here on.
    // SAFETY: a child that is not waited for yet.
    unsafe { libc::kill(pid, libc::SIGSTOP) };
    let children = children_of(pid);
    for pid in children.into_iter().chain([pid]) {
        kill(pid);
    }
}

/// Whether every process that goinject left behind ends by itself.
fn all_ended() -> bool {
    // SAFETY: waits for any child and stores no status.
    wait_for(|| (unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) } < 0).then_some(()))
        .is_some()
}

/// Between 0 and 1.
fn random() -> f64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let bits = u32::try_from(RandomState::new().build_hasher().finish() >> 32).expect("32 bits");
    f64::from(bits) / f64::from(u32::MAX)
}
