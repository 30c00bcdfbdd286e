//! The program under test, as users have it.

use std::ffi::OsStr;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::Outcome;

/// How long a run may take at the most, on a machine with other things to do.
pub const LIMIT: Duration = Duration::from_secs(420);

/// `target/release/goinject`.
///
/// # Panics
/// If it has not been built.
#[must_use]
pub fn program() -> PathBuf {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(root).join("target"),
        |dir| PathBuf::from(root).join(dir),
    );
    let program = target.join("release/goinject");
    assert!(
        program.is_file(),
        "{} is missing: run `cargo build --release`, or `cargo xtask test`, which does",
        program.display()
    );
    program.canonicalize().expect("it is there")
}

/// goinject with these arguments, its standard streams piped (and its input empty).
pub fn command<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program());
    command
        .args(arguments)
        .env("NO_COLOR", "1")
        .env_remove("GITHUB_ACTIONS")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs goinject to its end.
pub fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Outcome {
    Running::start(&mut command(arguments)).end()
}

/// Has a command run as somebody without any privilege, where the tests run as root; else as whoever runs them.
pub fn as_nobody(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65534;
    // SAFETY: no conditions.
    if unsafe { libc::geteuid() } == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
}

/// The processes that a process has started.
#[must_use]
pub fn children_of(pid: i32) -> Vec<i32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children
        .split_whitespace()
        .filter_map(|child| child.parse().ok())
        .collect()
}

/// The process that takes goinject's probes out should goinject die.
#[must_use]
pub fn guard_of(pid: i32) -> Option<i32> {
    children_of(pid).into_iter().find(|child| {
        std::fs::read_to_string(format!("/proc/{child}/cmdline")).is_ok_and(|line| line.contains("__guard"))
    })
}

/// Whether a process is there, and not only its exit status.
#[must_use]
pub fn lives(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// A process whose output is being read. It is killed if it is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    readers: Option<[JoinHandle<String>; 2]>,
}

impl Running {
    /// Starts a command whose output is piped.
    ///
    /// # Panics
    /// If it can't be started.
    pub fn start(command: &mut Command) -> Running {
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = child.stdout.take().map(reader);
        let stderr = child.stderr.take().map(reader);
        Running {
            child,
            readers: stdout.zip(stderr).map(|(stdout, stderr)| [stdout, stderr]),
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("process ids are small")
    }

    /// Its standard input, where that is piped.
    pub fn stdin(&mut self) -> Option<std::process::ChildStdin> {
        self.child.stdin.take()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) {
        // SAFETY: it is our child and has not been waited for, so the id is still its own.
        unsafe { libc::kill(self.pid(), signal) };
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills goinject and the guard that would clean up behind it, and waits for all that has their output: the program, too.
    ///
    /// # Panics
    /// If it has no guard.
    pub fn kill_with_guard(self) -> Outcome {
        let guard = guard_of(self.pid()).expect("goinject has a guard");
        // The guard first, or it would do its work.
        for pid in [guard, self.pid()] {
            // SAFETY: processes that were started here, and are not waited for yet.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        self.end()
    }

    /// Waits for its end, at most for [`LIMIT`].
    pub fn end(mut self) -> Outcome {
        let code = self.wait(LIMIT);
        let texts = self.readers.take().map(|readers| {
            // A program that was started by it may still hold the pipes; it is not waited for.
            readers.map(|reader| reader.join().unwrap_or_default())
        });
        let [stdout, stderr] = texts.unwrap_or_default();
        Outcome {
            code,
            stdout,
            stderr,
            json: Vec::new(),
        }
    }

    fn wait(&mut self, limit: Duration) -> Option<i32> {
        use std::os::unix::process::ExitStatusExt;
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return Some(
                    status
                        .code()
                        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
                );
            }
            if start.elapsed() > limit {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return None;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn reader(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before an error is worth more than nothing.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
