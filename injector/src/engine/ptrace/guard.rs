//! The guard: a process of its own that takes the breakpoints out if goinject is killed.
//!
//! It runs in its own session, so that a signal to goinject's process group does not reach it, and
//! waits for the end of a pipe. The target's memory was opened by goinject and is inherited, so no
//! permission is needed again, and after an `exec` of the target it refers to nothing. Only a kernel that lets nobody
//! but a tracer write code has the guard trace the target for that. Until the guard has done its work, and if it is
//! killed too, the stub in the target keeps breakpoints harmless.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::arch::BREAKPOINT;
use crate::tracee::{Memory, seize_first_thread};

/// The hidden command that the guard runs as.
pub const COMMAND: &str = "__guard";

const DONE: u8 = 1;

/// How long goinject's end may take until the kernel has let the process go.
const TO_BE_LET_GO: Duration = Duration::from_secs(5);

/// The bytes that a breakpoint was written over.
pub(super) type Original = [u8; BREAKPOINT.len()];

/// Bytes of an address with its original.
const ENTRY: usize = size_of::<u64>() + size_of::<Original>();

/// goinject's end of the guard.
#[derive(Debug)]
pub(super) struct Guard {
    child: Child,
    pipe: Option<ChildStdin>,
}

impl Guard {
    /// Starts a guard over these original bytes.
    pub(super) fn start(memory: &Memory, pid: i32, originals: &[(u64, Original)]) -> io::Result<Guard> {
        let mut command = Command::new("/proc/self/exe");
        // A pipe that nobody reads: there may be no /dev/null.
        let (_, nobody) = io::pipe()?;
        command
            .arg(COMMAND)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stderr(nobody);
        // Its standard output is the target's memory: the one other descriptor that is handed down safely.
        command.stdout(Stdio::from(memory.try_clone()?));
        // SAFETY: setsid is async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                Ok(())
            });
        }
        let mut child = command.spawn()?;
        let mut pipe = child.stdin.take().expect("standard input is piped");
        let mut message = Vec::with_capacity(4 + 8 + originals.len() * ENTRY);
        message.extend_from_slice(&pid.to_le_bytes());
        message.extend_from_slice(&(originals.len() as u64).to_le_bytes());
        for (address, bytes) in originals {
            message.extend_from_slice(&address.to_le_bytes());
            message.extend_from_slice(bytes);
        }
        pipe.write_all(&message)?;
        pipe.flush()?;
        Ok(Guard {
            child,
            pipe: Some(pipe),
        })
    }

    /// Tells the guard that no breakpoint is left, and sees it off.
    pub(super) fn dismiss(mut self) {
        if let Some(mut pipe) = self.pipe.take() {
            // If it is gone already there is nothing to tell.
            let _ = pipe.write_all(&[DONE]);
        }
        let _ = self.child.wait();
    }
}

/// The guard's own work: [`COMMAND`] with the pipe as standard input and the target's memory as standard output.
pub fn run() -> io::Result<()> {
    let mut input = io::stdin().lock();
    let memory = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let (mut pid, mut count) = ([0; 4], [0; 8]);
    input.read_exact(&mut pid)?;
    input.read_exact(&mut count)?;
    let count = usize::try_from(u64::from_le_bytes(count)).map_err(io::Error::other)?;
    let mut originals = Vec::new();
    for _ in 0..count {
        let mut entry = [0; ENTRY];
        input.read_exact(&mut entry)?;
        let (address, bytes) = entry.split_at(8);
        originals.push((
            u64::from_le_bytes(address.try_into().expect("eight bytes")),
            Original::try_from(bytes).expect("the rest of an entry"),
        ));
    }
    let mut done = [0];
    if input.read(&mut done)? == 1 && done == [DONE] {
        return Ok(());
    }
    let lift = || {
        let mut writes = originals
            .iter()
            .map(|(address, bytes)| memory.write_all_at(bytes, *address));
        writes.try_for_each(|written| written)
    };
    match lift() {
        Err(error) if error.raw_os_error() == Some(libc::EIO) => {
            lift_as_tracer(i32::from_le_bytes(pid), &lift)
        }
        // A target that is gone or runs another program has no breakpoints.
        _ => Ok(()),
    }
}

/// The same where the kernel lets only a process's tracer write its code. The process need not stop for that, and is
/// let go with the end of the guard.
fn lift_as_tracer(pid: i32, lift: &dyn Fn() -> io::Result<()>) -> io::Result<()> {
    let begun = Instant::now();
    loop {
        match seize_first_thread(pid) {
            Ok(()) => return lift(),
            // goinject's end closes the pipe first, and lets go of the process after that.
            Err(error) if error.raw_os_error() == Some(libc::EPERM) && begun.elapsed() < TO_BE_LET_GO => {
                thread::sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(error),
        }
    }
}
