//! The deputy: a short-lived child that makes system calls in a process which runs already.
//!
//! It stops one thread of the process and no other, since a thread that is stopped leaves a system call too early that
//! the kernel does not start again, such as `epoll_wait`. It is a process of its own, in its own session, that a signal
//! to goinject or to its process group does not reach: what it has begun it ends. If it is killed, too, the thread goes
//! its way back by itself.

use std::cmp::Reverse;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork, setsid};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::obstacle::{Obstacle, state};
use super::patience::next_stop;
use super::ptrace;
use super::remote::Remote;
use super::stop::{Stop, Why};

/// How long a thread may take to stop before another one is asked.
const TO_STOP: Duration = Duration::from_millis(300);
/// How long all of it may take before goinject gives up on the deputy, which does not.
const IN_ALL: Duration = Duration::from_secs(10);

/// What the deputy answers.
#[derive(Serialize, Deserialize)]
enum Answer<T> {
    Done(T),
    Refused {
        obstacle: Option<Obstacle>,
        errno: Option<i32>,
        message: String,
    },
}

/// Has `work` make system calls in a thread of a process that nobody traces. `work` runs in another process: what it
/// changes here is lost, and only its result comes back.
///
/// # Errors
/// That of tracing the process, or that of `work`; `ESRCH` if no thread is left. Many of them are an [`Obstacle`].
pub fn borrow_thread<T: Serialize + DeserializeOwned>(
    pid: i32,
    work: impl FnOnce(&mut Remote) -> io::Result<T>,
) -> io::Result<T> {
    let (reader, writer) = io::pipe()?;
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
    let bytes = hear(reader, pid)?;
    // Its end is seen here, before anybody waits for the target's threads.
    while waitpid(child, None) == Err(Errno::EINTR) {}
    match serde_json::from_slice(&bytes) {
        Ok(Answer::Done(result)) => Ok(result),
        Ok(Answer::Refused {
            obstacle: Some(obstacle),
            ..
        }) => Err(obstacle.into()),
        Ok(Answer::Refused {
            errno: Some(errno), ..
        }) => Err(io::Error::from_raw_os_error(errno)),
        Ok(Answer::Refused { message, .. }) => Err(io::Error::other(message)),
        Err(_) => Err(io::Error::other(
            "the process that was to stop the target ended early",
        )),
    }
}

/// All that the deputy says. It ends in any case, but the target's thread may be held up in the kernel.
fn hear(mut reader: io::PipeReader, pid: i32) -> io::Result<Vec<u8>> {
    let begun = Instant::now();
    let mut bytes = Vec::new();
    loop {
        let mut fds = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
        let ready = match poll(&mut fds, PollTimeout::from(100u8)) {
            Ok(ready) => ready > 0,
            Err(Errno::EINTR) => false,
            Err(error) => return Err(error.into()),
        };
        if ready {
            let mut piece = [0; 4096];
            match reader.read(&mut piece)? {
                0 => return Ok(bytes),
                read => bytes.extend_from_slice(&piece[..read]),
            }
        } else if crate::signals::end_is_asked_for() {
            return Err(Obstacle::Interrupted.into());
        } else if begun.elapsed() > IN_ALL {
            return Err(Obstacle::unstoppable(pid, pid).into());
        }
    }
}

fn be_deputy<T: Serialize>(mut writer: File, pid: i32, work: impl FnOnce(&mut Remote) -> io::Result<T>) -> ! {
    // It fails only for the leader of a process group, which a new process is not.
    let _ = setsid();
    let result = catch_unwind(AssertUnwindSafe(|| with_thread(pid, work)));
    let answer = match result {
        Ok(Ok(result)) => Answer::Done(result),
        Ok(Err(error)) => Answer::Refused {
            obstacle: Obstacle::of(&error).cloned(),
            errno: error.raw_os_error(),
            message: error.to_string(),
        },
        Err(_) => Answer::Refused {
            obstacle: None,
            errno: None,
            message: "goinject failed while it had stopped the target".to_owned(),
        },
    };
    // If goinject is gone there is nobody to tell.
    let _ = serde_json::to_vec(&answer).map(|bytes| writer.write_all(&bytes));
    // SAFETY: ends this process without running what the parent registered for its own end.
    unsafe { libc::_exit(0) }
}

fn with_thread<T>(pid: i32, work: impl FnOnce(&mut Remote) -> io::Result<T>) -> io::Result<T> {
    let mut remote = Remote::new(stop_one(pid)?, pid)?;
    let result = work(&mut remote);
    remote.finish()?.detach()?;
    result
}

/// Stops one thread that system calls can be made in. Others that were asked in vain are let go with the end of this
/// process.
fn stop_one(pid: i32) -> io::Result<Stop> {
    let mut stuck = None;
    for tid in by_readiness(pid)? {
        match ptrace::seize_alone(tid) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => continue,
            Err(error) => return Err(Obstacle::seizing(pid, tid, error)),
        }
        match stop(pid, tid) {
            Ok(Some(stop)) => return Ok(stop),
            Ok(None) => stuck = stuck.or(Some(tid)),
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
            Err(error) => return Err(error),
        }
    }
    Err(match stuck {
        Some(tid) => Obstacle::unstoppable(pid, tid).into(),
        None => io::Error::from_raw_os_error(libc::ESRCH),
    })
}

/// Stops a seized thread; none if it does not stop, or not in a place where it can be used: a trap of its own may wait
/// for it, of a breakpoint that a killed tracer has left.
fn stop(pid: i32, tid: i32) -> io::Result<Option<Stop>> {
    ptrace::interrupt(tid)?;
    // A signal may come first. It goes on to the thread.
    for _ in 0..64 {
        let Some(stop) = next_stop(pid, tid, Some(TO_STOP))? else {
            return Ok(None);
        };
        if matches!(stop.why(), Why::Interrupted | Why::Group) {
            if !stop.has_pending_fault() {
                return Ok(Some(stop));
            }
            stop.detach()?;
            return Ok(None);
        }
        stop.resume()?;
    }
    Ok(None)
}

/// The threads, those first that are best asked: one that runs leaves no system call, and one that waits for a futex
/// waits again.
fn by_readiness(pid: i32) -> io::Result<Vec<i32>> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"))?;
    let mut tids: Vec<i32> = tasks
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    tids.sort_by_cached_key(|tid| {
        let waits_for_futex = || {
            fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall"))
                .is_ok_and(|call| call.split(' ').next() == Some(libc::SYS_futex.to_string().as_str()))
        };
        Reverse(match state(pid, *tid) {
            Some('R') => 3,
            Some('S') if waits_for_futex() => 2,
            Some('S') => 1,
            _ => 0,
        })
    });
    Ok(tids)
}
