//! The program under test: which it is, started or attached to, and whether it is the planned one.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use goinject_rules::model::{self, RuleSet};

use crate::container::{Name, NameError};
use crate::gotest;
use crate::plan::Plan;
use crate::plan::encode::LoadBias;
use crate::tracee::{Follow, Spawned, Wanted, denial, mappings, page_size};

/// The target that a run is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A command to start.
    Command(StartCommand),
    /// A process to attach to.
    Process(i32),
    /// A container, of which one process or all are meant.
    Container {
        /// As it was asked for.
        name: Name,
        /// Whether every process is meant, those that appear later included.
        all: bool,
    },
}

/// What the command line says of the target.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given<'a> {
    /// `--pid`.
    pub pid: Option<i32>,
    /// `--container`.
    pub container: Option<&'a Name>,
    /// `--all`.
    pub all: bool,
    /// What stands behind `--`.
    pub command: &'a [OsString],
}

impl<'a> Given<'a> {
    /// A command only.
    pub fn command(command: &'a [OsString]) -> Given<'a> {
        Given {
            command,
            ..Given::default()
        }
    }
}

/// A command to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartCommand {
    /// Where the program is.
    pub program: PathBuf,
    /// What it is called by (its `argv[0]`).
    pub name: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// The folder it runs in; the current one where absent.
    pub dir: Option<PathBuf>,
    /// Environment variables set on top of goinject's own.
    pub env: Vec<(String, String)>,
}

/// Why there is no target.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Nobody named one.
    #[error(
        "there is no target: write `target: {{command: [./program]}}` in the rule file, or give `-- CMD ARG…`, `--pid N` or `--container NAME`"
    )]
    None,
    /// The name of the file's container can't be one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// All of what?
    #[error(
        "`--all` is about the processes of a container: name one with `--container NAME` or in the file, `target: {{container: NAME}}`"
    )]
    AllOfNothing,
    /// The program is not on the path.
    #[error("{0}: no such program on PATH (a program in the current folder is written with `./`)")]
    NotOnPath(String),
    /// No such process.
    #[error("{}", no_process(*.pid, .source))]
    NoProcess {
        /// The id.
        pid: i32,
        /// What the system said.
        source: io::Error,
    },
    /// The binary changed since the plan was made.
    #[error(
        "{path} is not the binary that was planned for: it was replaced meanwhile ({difference}); run again"
    )]
    Replaced {
        /// The planned one.
        path: String,
        /// What differs.
        difference: &'static str,
    },
    /// The running program could not be looked at.
    #[error("cannot look at process {pid}: {source}")]
    Unreadable {
        /// The id.
        pid: i32,
        /// What the system said.
        source: io::Error,
    },
    /// The command did not start.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
}

fn no_process(pid: i32, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("there is no process {pid}, or it runs no program"),
        io::ErrorKind::PermissionDenied => {
            format!(
                "cannot see what process {pid} runs: {}",
                denial(pid, Wanted::Program)
            )
        }
        _ => format!("cannot see what process {pid} runs: {error}"),
    }
}

impl Target {
    /// The target: the command line's, else the rule file's.
    pub fn choose(rules: &RuleSet, given: &Given<'_>) -> Result<Target, TargetError> {
        if let Some(pid) = given.pid {
            return Ok(Target::Process(pid));
        }
        if let Some(name) = given.container {
            let of_file = match &rules.target {
                Some(model::Target::Container(container)) => container.all,
                _ => false,
            };
            return Ok(Target::Container {
                name: name.clone(),
                all: given.all || of_file,
            });
        }
        if let Some((name, arguments)) = given.command.split_first() {
            let program = find_program(Path::new(name))?;
            let arguments = arguments.to_vec();
            // The command line replaces the file's command, not what it runs in.
            let (dir, env) = match &rules.target {
                Some(model::Target::Command(command)) => (command.dir.as_ref(), command.env.clone()),
                _ => (None, Vec::new()),
            };
            let command = StartCommand {
                program,
                name: name.clone(),
                arguments,
                dir: dir.map(|dir| dir.value.clone()),
                env,
            };
            return Ok(Target::Command(command));
        }
        match &rules.target {
            Some(model::Target::Container(container)) => Ok(Target::Container {
                name: container.name.value.parse()?,
                all: given.all || container.all,
            }),
            _ if given.all => Err(TargetError::AllOfNothing),
            Some(model::Target::Pid(pid)) => Ok(Target::Process(pid.value)),
            Some(model::Target::Command(command)) => Ok(Target::Command(StartCommand {
                program: find_program(&command.program)?,
                name: command.program.as_os_str().to_owned(),
                arguments: command.arguments.iter().map(OsString::from).collect(),
                dir: command.dir.as_ref().map(|dir| dir.value.clone()),
                env: command.env.clone(),
            })),
            None => Err(TargetError::None),
        }
    }

    /// The binary to plan for, where there is one only.
    pub fn binary(&self) -> Option<PathBuf> {
        match self {
            Target::Command(command) => Some(command.program.clone()),
            Target::Process(pid) => Some(PathBuf::from(format!("/proc/{pid}/exe"))),
            Target::Container { .. } => None,
        }
    }
}

/// A program by its path, or looked up as a shell would.
pub fn find_program(name: &Path) -> Result<PathBuf, TargetError> {
    if name.as_os_str().as_bytes().contains(&b'/') {
        return Ok(std::path::absolute(name).unwrap_or_else(|_| name.to_owned()));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_program = |file: &PathBuf| {
        file.metadata()
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(is_program)
        .ok_or_else(|| TargetError::NotOnPath(name.display().to_string()))
}

/// Whether a started command belongs to goinject's own process group: at a terminal it must, to read
/// from it and to get its Ctrl-C. Elsewhere it has a group of its own, so that whatever happens to
/// goinject's leaves the target alone.
pub fn shares_terminal() -> bool {
    io::stdin().is_terminal()
}

impl StartCommand {
    /// Its arguments and environment, such that a go command in it keeps types and leaves the cache of test results alone.
    fn prepared(&self) -> gotest::Prepared {
        let set = |name: &str| self.env.iter().rfind(|(key, _)| key == name);
        let variable = |name: &str| match set(name) {
            Some((_, value)) => Some(OsString::from(value)),
            None => std::env::var_os(name),
        };
        // The name tells: what it leads to may be called otherwise.
        let program = if self.name.as_bytes().contains(&b'/') {
            self.program.as_os_str()
        } else {
            &self.name
        };
        gotest::prepare(program, &self.arguments, variable)
    }

    /// Starts it, stopped at its first instruction.
    pub fn start(&self, follow: Follow, prepare: impl FnOnce(&mut Command)) -> Result<Spawned, TargetError> {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new(&self.program);
        let prepared = self.prepared();
        command
            .arg0(&self.name)
            .args(prepared.arguments)
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .envs(prepared.env);
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        if !shares_terminal() {
            command.process_group(0);
        }
        prepare(&mut command);
        let program = self.program.display().to_string();
        Spawned::start(command, follow).map_err(|source| TargetError::Start { program, source })
    }
}

/// Checks that a process runs the planned binary, and finds out where it is loaded.
pub fn load_bias(plan: &Plan, pid: i32) -> Result<LoadBias, TargetError> {
    let unreadable = |source| TargetError::Unreadable { pid, source };
    let running = std::fs::metadata(format!("/proc/{pid}/exe")).map_err(unreadable)?;
    let planned = &plan.binary;
    let difference = if (running.dev(), running.ino()) != (planned.device, planned.inode) {
        Some("another file")
    } else if running.size() != planned.size || (running.mtime(), running.mtime_nsec()) != planned.modified {
        Some("changed in place")
    } else {
        None
    };
    if let Some(difference) = difference {
        return Err(TargetError::Replaced {
            path: planned.path.display().to_string(),
            difference,
        });
    }
    if !planned.position_independent {
        return Ok(LoadBias(0));
    }
    let lowest = mappings(pid)
        .map_err(unreadable)?
        .into_iter()
        .filter(|mapping| mapping.inode == planned.inode)
        .map(|mapping| mapping.range.start)
        .min()
        .ok_or_else(|| unreadable(io::Error::other("its program is not mapped")))?;
    let base = planned.base.0 & !(page_size() - 1);
    Ok(LoadBias(lowest.wrapping_sub(base)))
}
