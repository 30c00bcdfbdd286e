//! The guard: a process of its own that takes breakpoints and jumps out if goinject is killed.
//!
//! It runs in its own session, so that a signal to goinject's process group does not reach it, and
//! waits for the end of a pipe. The target's memory was opened by goinject and is inherited, so no
//! permission is needed again, and after an `exec` of the target it refers to nothing. It traces the target only where the
//! kernel lets nobody else write code, and where several bytes must change while no thread is among them. Until the guard has
//! done its work, and if it is killed too, what is in the target keeps it harmless.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::tracee::{Family, Follow, Memory, Stop, seize_first_thread};

/// The hidden command that the guard runs as.
pub const COMMAND: &str = "__guard";

const DONE: u8 = 1;

/// How long goinject's end may take until the kernel has let the process go.
const TO_BE_LET_GO: Duration = Duration::from_secs(5);

/// Bytes to be written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Patch {
    pub(super) address: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) way: Way,
}

/// How they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Way {
    /// While the process runs.
    AtOnce,
    /// While all of its threads are stopped. Where that can't be, they stay, and do no harm.
    Stopped,
}

/// What a guard is told.
#[derive(Serialize, Deserialize)]
struct Orders {
    pid: i32,
    patches: Vec<Patch>,
}

/// goinject's end of the guard.
#[derive(Debug)]
pub(super) struct Guard {
    child: Child,
    pipe: Option<ChildStdin>,
}

impl Guard {
    /// Starts a guard over these bytes, in the order in which they are to be written.
    pub(super) fn start(memory: &Memory, pid: i32, patches: &[Patch]) -> io::Result<Guard> {
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
        let orders = serde_json::to_vec(&Orders {
            pid,
            patches: patches.to_vec(),
        })?;
        pipe.write_all(&(orders.len() as u64).to_le_bytes())?;
        pipe.write_all(&orders)?;
        pipe.flush()?;
        Ok(Guard {
            child,
            pipe: Some(pipe),
        })
    }

    /// Tells the guard that nothing is left to be taken out, and sees it off.
    pub(super) fn dismiss(mut self) {
        if let Some(mut pipe) = self.pipe.take() {
            // If it is gone already there is nothing to tell.
            let _ = pipe.write_all(&[DONE]);
        }
        let _ = self.child.wait();
    }
}

/// The guard's own work: [`COMMAND`] with the pipe as standard input and the target's memory as standard output.
///
/// # Errors
/// Its orders can't be read, or the target can't be written.
pub fn run() -> io::Result<()> {
    let mut input = io::stdin().lock();
    let memory = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut size = [0; 8];
    input.read_exact(&mut size)?;
    let mut orders = vec![0; usize::try_from(u64::from_le_bytes(size)).map_err(io::Error::other)?];
    input.read_exact(&mut orders)?;
    let Orders { pid, patches } = serde_json::from_slice(&orders)?;
    let mut done = [0];
    if input.read(&mut done)? == 1 && done == [DONE] {
        return Ok(());
    }
    let (at_once, stopped): (Vec<Patch>, Vec<Patch>) =
        patches.into_iter().partition(|patch| patch.way == Way::AtOnce);
    match write(&memory, &at_once) {
        Err(error) if error.raw_os_error() == Some(libc::EIO) => {
            as_tracer(|| seize_first_thread(pid))?;
            write(&memory, &at_once)?;
        }
        // A target that is gone or runs another program has nothing to be taken out of.
        _ => {}
    }
    let is_there = |patch: &Patch| memory.read_exact_at(&mut [0], patch.address).is_ok();
    if stopped.first().is_some_and(is_there) {
        write_stopped(pid, &memory, &stopped)?;
    }
    Ok(())
}

fn write(memory: &File, patches: &[Patch]) -> io::Result<()> {
    let mut writes = patches
        .iter()
        .map(|patch| memory.write_all_at(&patch.bytes, patch.address));
    writes.try_for_each(|written| written)
}

/// Writes while no thread runs, and lets them go again.
fn write_stopped(pid: i32, memory: &File, patches: &[Patch]) -> io::Result<()> {
    let mut family = Family::default();
    as_tracer(|| family.attach(pid, Follow::Processes))?;
    let stops = family.stop_all(pid, &mut Stop::resume)?;
    let written = write(memory, patches);
    family.let_go(pid, stops)?;
    written
}

/// Becomes a tracer of the target, as soon as goinject is none any more. The target is let go with the end of the guard.
fn as_tracer(mut seize: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    let begun = Instant::now();
    loop {
        match seize() {
            // goinject's end closes the pipe first, and lets go of the process after that.
            Err(error) if error.raw_os_error() != Some(libc::ESRCH) && begun.elapsed() < TO_BE_LET_GO => {
                thread::sleep(Duration::from_millis(1))
            }
            seized => return seized,
        }
    }
}
