//! The deputy: a short-lived child that makes system calls in a process which runs already.
//!
//! Meanwhile the registers of one of the target's threads are not its own, and a thread that loses its tracer then runs
//! on with them. So this is not done by goinject, which users and systems kill: the deputy is a process of its own, in
//! its own session, that a signal to goinject or to its process group does not reach. It always puts the thread back.

use std::fs::File;
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::errno::Errno;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork, setsid};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::memory::Memory;
use super::remote::Remote;
use super::threads::{Tracees, take_lendable};

/// What the deputy answers.
#[derive(Serialize, Deserialize)]
enum Answer<T> {
    Done(T),
    Refused { errno: Option<i32>, message: String },
}

/// Stops a process that nobody traces, has `work` make system calls in one of its threads, and lets it go. `work` runs
/// in another process: what it changes here is lost, and only its result comes back.
///
/// # Errors
/// That of tracing the process, or that of `work`; `ESRCH` if no thread is left.
pub fn borrow_thread<T: Serialize + DeserializeOwned>(
    pid: i32,
    work: impl FnOnce(&mut Remote<'_>) -> io::Result<T>,
) -> io::Result<T> {
    let (mut reader, writer) = io::pipe()?;
    // SAFETY: goinject has one thread when it arms and disarms, so no lock is held by another that is missing in the
    // child.
    let child = match unsafe { fork()? } {
        ForkResult::Child => {
            drop(reader);
            be_deputy(File::from(std::os::fd::OwnedFd::from(writer)), pid, work)
        }
        ForkResult::Parent { child } => child,
    };
    drop(writer);
    let mut bytes = Vec::new();
    let read = reader.read_to_end(&mut bytes);
    // Its end is seen here, before anybody waits for the target's threads.
    while waitpid(child, None) == Err(Errno::EINTR) {}
    read?;
    match serde_json::from_slice(&bytes) {
        Ok(Answer::Done(result)) => Ok(result),
        Ok(Answer::Refused {
            errno: Some(errno), ..
        }) => Err(io::Error::from_raw_os_error(errno)),
        Ok(Answer::Refused { message, .. }) => Err(io::Error::other(message)),
        Err(_) => Err(io::Error::other(
            "the process that was to stop the target ended early",
        )),
    }
}

fn be_deputy<T: Serialize>(
    mut writer: File,
    pid: i32,
    work: impl FnOnce(&mut Remote<'_>) -> io::Result<T>,
) -> ! {
    // It fails only for the leader of a process group, which a new process is not.
    let _ = setsid();
    let result = catch_unwind(AssertUnwindSafe(|| with_thread(pid, work)));
    let answer = match result {
        Ok(Ok(result)) => Answer::Done(result),
        Ok(Err(error)) => Answer::Refused {
            errno: error.raw_os_error(),
            message: error.to_string(),
        },
        Err(_) => Answer::Refused {
            errno: None,
            message: "goinject failed while it had stopped the target".to_owned(),
        },
    };
    // If goinject is gone there is nobody to tell.
    let _ = serde_json::to_vec(&answer).map(|bytes| writer.write_all(&bytes));
    // SAFETY: ends this process without running what the parent registered for its own end.
    unsafe { libc::_exit(0) }
}

fn with_thread<T>(pid: i32, work: impl FnOnce(&mut Remote<'_>) -> io::Result<T>) -> io::Result<T> {
    let memory = Memory::open(pid)?;
    let mut tracees = Tracees::attach(pid)?;
    let mut stops = tracees.stop_all()?;
    let result = match take_lendable(&mut stops) {
        None => Err(io::Error::from_raw_os_error(libc::ESRCH)),
        Some(stop) => {
            let mut remote = tracees.remote(stop, &memory)?;
            let result = work(&mut remote);
            stops.push(remote.finish()?);
            result
        }
    };
    for stop in stops {
        stop.detach()?;
    }
    result
}
