//! The watchdog: a process of its own that ends goinject if that does not go on, because somebody has stopped it or it hangs.
//!
//! A tracer that does not go on holds up every thread that has something to report to it, and nobody else can let them go: so the
//! watchdog kills it. The kernel lets the threads go then and takes BPF probes off, and guards take out what is left in programs. It
//! runs in a session of its own, which no signal to goinject's group reaches.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};

/// The hidden command that it runs as.
pub const COMMAND: &str = "__watchdog";

/// Runs that are shorter have none.
pub(super) const SETTLED: Duration = Duration::from_secs(1);

/// The time without a sign of life is counted in so many parts: the clock may leap where the machine was suspended, and the
/// watchdog may have been stopped together with goinject.
const PARTS: u32 = 10;

const ALIVE: u8 = 1;
const PAUSED: u8 = 2;

/// goinject's end of it.
#[derive(Debug)]
pub(super) struct Watchdog {
    child: Child,
    pipe: Option<ChildStdin>,
    fed: Instant,
    pause: Duration,
}

impl Watchdog {
    /// Starts one, which waits so long for a sign of life.
    pub(super) fn start(lease: Duration) -> io::Result<Watchdog> {
        let mut command = Command::new("/proc/self/exe");
        command.arg(COMMAND).arg(lease.as_millis().to_string());
        let (_, nobody) = io::pipe()?;
        command.current_dir("/").stdin(Stdio::piped()).stdout(nobody);
        // SAFETY: setsid is async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                Ok(())
            });
        }
        let mut child = command.spawn()?;
        let pipe = child.stdin.take().expect("standard input is piped");
        // One that does not read holds nobody up.
        let flags = OFlag::from_bits_truncate(fcntl(&pipe, FcntlArg::F_GETFL)?);
        fcntl(&pipe, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        Ok(Watchdog {
            child,
            pipe: Some(pipe),
            fed: Instant::now(),
            pause: lease / (4 * PARTS),
        })
    }

    /// Shows that goinject goes on.
    pub(super) fn feed(&mut self) {
        if self.fed.elapsed() >= self.pause {
            self.fed = Instant::now();
            self.tell(ALIVE);
        }
    }

    /// Asks for patience until the next sign of life.
    pub(super) fn pause(&mut self) {
        self.fed = Instant::now();
        self.tell(PAUSED);
    }

    fn tell(&mut self, word: u8) {
        if let Some(pipe) = &mut self.pipe {
            // If it is gone, or has not read the last ones, there is nothing to be done.
            let _ = pipe.write(&[word]);
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let _ = self.child.wait();
    }
}

/// The watchdog's own work: [`COMMAND`] with the pipe as standard input.
///
/// # Errors
/// The pipe can't be read.
pub fn run(lease: Duration) -> io::Result<()> {
    let watched = getppid();
    let mut input = io::stdin().lock();
    let part = PollTimeout::try_from((lease / PARTS).max(Duration::from_millis(1)));
    let part = part.unwrap_or(PollTimeout::MAX);
    let (mut missed, mut is_paused) = (0, false);
    loop {
        let mut fds = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
        let timeout = if is_paused { PollTimeout::NONE } else { part };
        match poll(&mut fds, timeout) {
            Ok(0) => missed += 1,
            Ok(_) => {
                let mut words = [0; 64];
                let read = input.read(&mut words)?;
                if read == 0 {
                    // goinject has ended.
                    return Ok(());
                }
                is_paused = words[read - 1] == PAUSED;
                missed = 0;
            }
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        if missed >= PARTS {
            return end(watched, lease);
        }
    }
}

/// Ends goinject, if that is still the process which started this one.
fn end(watched: Pid, lease: Duration) -> io::Result<()> {
    if getppid() != watched {
        return Ok(());
    }
    let words = format!(
        "goinject: error: goinject has not gone on for {lease:?}, and is ended: its target goes on without faults (--lease)\n"
    );
    // Whoever should read it may be what holds goinject up.
    let _ = poll(
        &mut [PollFd::new(io::stderr().as_fd(), PollFlags::POLLOUT)],
        PollTimeout::ZERO,
    )
    .is_ok_and(|ready| ready > 0)
        && io::stderr().write_all(words.as_bytes()).is_ok();
    kill(watched, Signal::SIGKILL)?;
    Ok(())
}
