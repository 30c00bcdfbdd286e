//! A trial: one run under a rule file, in a process of its own, with all that is needed to judge it.
//!
//! goinject starts itself for it, so that trials are made side by side, and that whatever becomes of one, the others go on.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::line::{Fired, RuleResult};

/// The command by which goinject starts itself.
pub const COMMAND: &str = "internal-trial";
/// The variable by which the processes of a trial are known, whatever has become of their parents.
pub const MARK: &str = "GOINJECT_TRIAL";

/// What is to be tried.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// The rule file's text.
    pub rules: String,
    /// The file that it is of: paths in it start from its folder.
    pub rule_file: PathBuf,
    /// The command.
    pub command: Vec<String>,
    /// The folder it runs in.
    pub dir: PathBuf,
    /// Variables on top of the environment.
    pub env: Vec<(String, String)>,
    /// By which engine, as the command line names it.
    pub engine: String,
    /// The seed of chance.
    pub seed: u64,
    /// When it is ended.
    pub patience: Duration,
    /// Faults after which it is ended: nobody retries so often and means to stop.
    pub most_faults: u64,
    /// How many events of each rule are kept.
    pub kept_events: usize,
    /// How long goroutines have to end when the program exits.
    pub grace: Duration,
    /// Texts of the error, which are looked for in the files that the program writes.
    pub error_marks: Vec<String>,
    /// What its processes have in their environment as [`MARK`].
    pub mark: String,
    /// Whether no other trial may run at the same time.
    pub alone: bool,
    /// Whether the command is a test binary that writes a coverage profile.
    pub covers: bool,
}

/// Why a trial did not end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stopped {
    /// It took too long.
    Late,
    /// A fault fired too often.
    Runaway,
}

/// How often a rule fired, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firings {
    /// How often.
    pub count: u64,
    /// The first time, in nanoseconds since the run began.
    pub first_ns: u64,
    /// The last time.
    pub last_ns: u64,
}

/// What the process had left when its program exited by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leftovers {
    /// The exit status that it had chosen.
    pub status: i32,
    /// What its file descriptors led to. The trial's folder for temporary files is told as `$TMPDIR`.
    pub files: BTreeMap<i32, String>,
}

/// What came of a trial.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its exit status.
    pub status: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<String>,
    /// Why it could not be made.
    pub failure: Option<String>,
    /// Why it was ended.
    pub stopped: Option<Stopped>,
    /// The first events of each rule.
    pub fired: Vec<Fired>,
    /// How often each rule fired.
    pub firings: BTreeMap<String, Firings>,
    /// What each rule came to.
    pub rules: Vec<RuleResult>,
    /// Go programs that rules were armed in.
    pub programs: Vec<PathBuf>,
    /// Processes that rules were armed in.
    pub processes: usize,
    /// Events that were lost.
    pub dropped: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// What was left at its exit, where that was looked at.
    pub leftovers: Option<Leftovers>,
    /// A temporary file that has one of the error's marks in it.
    pub told_in: Option<PathBuf>,
}

/// A trial's record and output.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// What happened.
    pub record: Record,
    /// Standard output.
    pub stdout: String,
    /// Standard error, without what Go wrote of goroutines when it was asked to.
    pub stderr: String,
    /// What Go wrote of its goroutines when it was asked to.
    pub dump: Option<String>,
}

/// The folders of a trial: what it is given, its output, and its temporary files. Removed when it is dropped.
#[derive(Debug)]
pub struct Folder {
    own: tempfile::TempDir,
    /// Among the system's: its path is short, as sockets need it, and it is in no module or repository.
    temporary: tempfile::TempDir,
}

/// What asks a Go program for its goroutines.
const ASKED: &str = "SIGQUIT: quit";
/// How the names of folders for temporary files begin.
const TEMPORARY: &str = "gi-";
/// What leads to that folder, for whoever removes it where goinject was killed.
const LINK: &str = "temporary";
/// More output than this is left out in the middle.
const OUTPUT: usize = 2 << 20;

impl Folder {
    /// Makes one.
    pub fn new(within: &Path) -> io::Result<Folder> {
        fs::create_dir_all(within)?;
        let folder = Folder {
            own: tempfile::Builder::new().prefix("trial-").tempdir_in(within)?,
            temporary: tempfile::Builder::new().prefix(TEMPORARY).tempdir()?,
        };
        std::os::unix::fs::symlink(folder.temporary(), folder.file(LINK))?;
        Ok(folder)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.own.path().join(name)
    }

    /// Where its processes put temporary files.
    pub fn temporary(&self) -> &Path {
        self.temporary.path()
    }

    /// The coverage profile of a test binary.
    pub fn profile(&self) -> PathBuf {
        self.file("profile")
    }

    /// A copy of the module that a folder is in, and the folder in that.
    pub fn copy_of(&self, dir: &Path) -> io::Result<PathBuf> {
        let root = dir
            .ancestors()
            .find(|folder| folder.join("go.mod").is_file())
            .unwrap_or(dir);
        let copy = self.file("copy");
        copy_tree(root, &copy)?;
        Ok(copy.join(dir.strip_prefix(root).unwrap_or(Path::new(""))))
    }

    /// Where standard output goes.
    pub fn stdout(&self) -> PathBuf {
        self.file("stdout")
    }

    /// Where standard error goes.
    pub fn stderr(&self) -> PathBuf {
        self.file("stderr")
    }

    /// Starts a trial in it.
    pub fn start(&self, request: &Request) -> io::Result<Child> {
        use std::os::unix::process::CommandExt;
        let file = self.file("request.json");
        fs::write(
            &file,
            serde_json::to_vec(request).expect("it has only string keys"),
        )?;
        let mut command = Command::new(std::env::current_exe()?);
        end_with_us(&mut command, libc::SIGTERM);
        // A group of its own: what a terminal sends to goinject is not for trials.
        command
            .arg(COMMAND)
            .arg(&file)
            .arg(self.file("record.json"))
            .current_dir(&request.dir)
            .envs(request.env.iter().cloned())
            .env("TMPDIR", self.temporary())
            .env(MARK, &request.mark)
            .stdin(Stdio::null())
            .stdout(File::create(self.stdout())?)
            .stderr(File::create(self.stderr())?)
            .process_group(0)
            .spawn()
    }

    /// What came of it.
    pub fn outcome(&self) -> io::Result<Outcome> {
        let record = fs::read(self.file("record.json"))?;
        let record = serde_json::from_slice(&record)?;
        let stderr = read_bounded(&self.stderr())?;
        let (stderr, dump) = match stderr.find(ASKED) {
            Some(at) => (stderr[..at].to_owned(), Some(stderr[at..].to_owned())),
            None => (stderr, None),
        };
        Ok(Outcome {
            record,
            stdout: read_bounded(&self.stdout())?,
            stderr,
            dump,
        })
    }
}

/// Removes the folders of trials whose goinject was killed.
pub fn remove_left(within: &Path) -> io::Result<()> {
    let trials = match fs::read_dir(within) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        trials => trials?,
    };
    for trial in trials {
        let link = trial?.path().join(LINK);
        let Ok(temporary) = fs::read_link(&link) else {
            continue;
        };
        let name = temporary.file_name().unwrap_or_default().to_string_lossy();
        // What is none of ours is left alone, whatever the link says.
        if name.starts_with(TEMPORARY) && temporary.parent() == Some(&std::env::temp_dir()) {
            // The system may have removed it.
            let _ = fs::remove_dir_all(&temporary);
        }
    }
    fs::remove_dir_all(within)
}

/// Copies a folder, without what belongs to git or goinject.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        let to = to.join(&name);
        if kind.is_dir() {
            if name != ".git" && name != ".goinject" {
                copy_tree(&entry.path(), &to)?;
            }
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path())?, to)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// Has a command end when goinject does, whatever ends that: it is sent a signal.
pub fn end_with_us(command: &mut Command, signal: libc::c_int) {
    use std::os::unix::process::CommandExt;
    // SAFETY: prctl is async-signal-safe, and takes no pointers here.
    unsafe {
        command.pre_exec(move || match libc::prctl(libc::PR_SET_PDEATHSIG, signal) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let bytes = fs::read(path)?;
    if bytes.len() <= OUTPUT {
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    let (head, tail) = (&bytes[..OUTPUT / 2], &bytes[bytes.len() - OUTPUT / 2..]);
    Ok(format!(
        "{}\n[…]\n{}",
        String::from_utf8_lossy(head),
        String::from_utf8_lossy(tail)
    ))
}

/// Kills what is left of a trial: processes that have its mark.
pub fn kill_rest(mark: &str) {
    let wanted = format!("{MARK}={mark}");
    let own = std::process::id();
    let Ok(processes) = fs::read_dir("/proc") else {
        return;
    };
    for entry in processes.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };
        if pid.cast_unsigned() == own {
            continue;
        }
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == wanted.as_bytes())
        {
            // It may have ended meanwhile.
            let _ =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
    }
}
