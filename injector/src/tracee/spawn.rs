//! Starting a command so that it is traced before its first instruction.

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc;
use std::thread;

use super::family::Follow;
use super::obstacle::Obstacle;
use super::ptrace;
use super::stop::{Report, Stop, Why};

/// A started command, stopped at its first instruction.
#[derive(Debug)]
pub struct Spawned {
    /// Its process, which goinject is the parent of.
    pub child: Child,
    /// Its only thread.
    pub stop: Stop,
}

impl Spawned {
    /// Starts a command. The child waits before its `exec` until it is seized, so nothing of the
    /// program runs untraced. An error is that of finding and starting the program, or of ptrace.
    pub fn start(mut command: Command, follow: Follow) -> io::Result<Spawned> {
        let (mut pid_reader, pid_writer) = io::pipe()?;
        let (go_reader, mut go_writer) = io::pipe()?;
        let inherited = go_writer.as_raw_fd();
        // SAFETY: between fork and exec the closure only closes, reads, writes and gets its id: async-signal-safe. What it
        // closes is the child's copy, which nothing in the child uses.
        unsafe {
            command.pre_exec(move || {
                // Else the child would wait for itself if goinject died now.
                libc::close(inherited);
                let pid = libc::getpid();
                (&pid_writer).write_all(&pid.to_ne_bytes())?;
                let mut go = [0];
                (&go_reader).read_exact(&mut go)
            });
        }
        let program = PathBuf::from(command.get_program());
        let dir = command.get_current_dir().map(Path::to_owned);
        // `spawn` returns only after the exec, which waits for us: it needs a thread of its own.
        let (sender, receiver) = mpsc::channel();
        let spawner = thread::spawn(move || {
            let result = command.spawn();
            drop(command);
            // The receiver is gone only if seizing failed, which is reported there.
            let _ = sender.send(result);
        });
        let mut pid = [0; 4];
        let seized = pid_reader.read_exact(&mut pid).map(|()| {
            let pid = i32::from_ne_bytes(pid);
            let seized = ptrace::seize(pid, follow);
            seized
                .map_err(|error| Obstacle::seizing(pid, pid, error))
                .map(|()| pid)
        });
        // One that can't be traced is not let go, and ends: it would run as if there were no rules.
        if let Ok(Ok(_)) = seized {
            // Unread if the child is gone, which shows below.
            let _ = go_writer.write_all(&[1]);
        }
        drop(go_writer);
        let (stopped, refused) = match seized {
            // The exec stops for us before `spawn` can see that it succeeded.
            Ok(Ok(pid)) => (wait_for_exec(pid), None),
            Ok(Err(error)) => (Err(io::Error::from_raw_os_error(libc::ESRCH)), Some(error)),
            Err(error) => (Err(error), None),
        };
        let child = receiver.recv().expect("the spawning thread sends once");
        spawner.join().expect("the spawning thread does not panic");
        if let Some(refused) = refused {
            return Err(refused);
        }
        // Why there is no program says more than that the child has ended.
        let mut child = child.map_err(|error| explained(error, &program, dir.as_deref()))?;
        match stopped {
            Ok(stop) => Ok(Spawned { child, stop }),
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {
                let status = child.wait()?;
                Err(io::Error::other(format!(
                    "it ended before its first instruction ({status})"
                )))
            }
            Err(error) => Err(error),
        }
    }
}

/// Waits for the stop of a child's exec. A child that ends instead is left for `spawn`, which waits for it itself.
fn wait_for_exec(pid: i32) -> io::Result<Stop> {
    loop {
        let status = ptrace::look_for_stop(pid, true)?;
        let status = status.ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))?;
        match Report::of(status, pid) {
            Report::Stopped(stop) if matches!(stop.why(), Why::Exec(_)) => return Ok(stop),
            Report::Stopped(stop) => stop.resume()?,
            _ => return Err(io::Error::from_raw_os_error(libc::ESRCH)),
        }
    }
}

/// An error of `exec`, with what it is about: the kernel says "no such file" of a file that is there, and "permission
/// denied" for three reasons.
fn explained(error: io::Error, program: &Path, dir: Option<&Path>) -> io::Error {
    let missing = error.raw_os_error() == Some(libc::ENOENT);
    let denied = error.raw_os_error() == Some(libc::EACCES);
    let not_executable = || {
        program
            .metadata()
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 == 0)
    };
    let why = match dir {
        Some(dir) if missing && !dir.is_dir() => format!("there is no folder {}", dir.display()),
        _ if missing && program.exists() => match interpreter(program) {
            Some(interpreter) => format!("its interpreter {interpreter} is missing"),
            None => return error,
        },
        _ if denied && not_executable() => "it may not be executed (chmod +x)".to_owned(),
        _ if denied && lies_on_noexec(program) => "its file system is mounted noexec".to_owned(),
        _ => return error,
    };
    io::Error::new(error.kind(), format!("{error}: {why}"))
}

fn interpreter(program: &Path) -> Option<String> {
    let bytes = std::fs::read(program).ok()?;
    let elf = goblin::elf::Elf::parse(&bytes).ok()?;
    let interpreter = elf.interpreter?;
    (!Path::new(interpreter).exists()).then(|| interpreter.to_owned())
}

fn lies_on_noexec(program: &Path) -> bool {
    use nix::sys::statvfs::{FsFlags, statvfs};
    statvfs(program).is_ok_and(|fs| fs.flags().contains(FsFlags::ST_NOEXEC))
}
