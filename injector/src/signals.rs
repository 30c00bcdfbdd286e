//! Signals to goinject itself, read from a descriptor so that none is lost between two looks.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::Command;

use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, kill, pthread_sigmask, sigaction,
};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;

/// Those that ask goinject to end.
const ENDING: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];

/// goinject's signals, blocked and read from a descriptor. A child's or tracee's change of state wakes
/// the descriptor up, too.
#[derive(Debug)]
pub struct Signals {
    fd: SignalFd,
    former: SigSet,
    file_size: SigAction,
    /// It was started at a terminal.
    had_terminal: bool,
}

/// A signal that asks goinject for something, mostly to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Which.
    pub signal: i32,
    /// The terminal sent it to its whole foreground process group.
    pub from_terminal: bool,
}

impl Received {
    /// Whether it asks how the run stands.
    pub fn asks_for_standing(self) -> bool {
        self.signal == Signal::SIGUSR1 as i32
    }

    /// Whether it asks goinject to end.
    pub fn asks_for_end(self) -> bool {
        ENDING.iter().any(|ending| *ending as i32 == self.signal)
    }

    /// Whether it asks for the rule file to be read again: a SIGHUP that does not tell of the end of the terminal.
    pub fn asks_for_reload(self) -> bool {
        self.signal == Signal::SIGHUP as i32 && !self.from_terminal
    }

    /// Whether it stops a job, as Ctrl-Z does.
    pub fn asks_for_stop(self) -> bool {
        self.signal == Signal::SIGTSTP as i32
    }

    /// Sends it on to the target.
    pub fn pass_on(self, pid: i32) {
        if let Ok(signal) = Signal::try_from(self.signal) {
            // A target that is gone needs no signal.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

impl Signals {
    /// Blocks the signals and opens the descriptor. To be called before any thread is started.
    pub fn take_over() -> io::Result<Signals> {
        let mut set = SigSet::empty();
        for signal in ENDING
            .into_iter()
            .chain([Signal::SIGCHLD, Signal::SIGUSR1, Signal::SIGTSTP])
        {
            set.add(signal);
        }
        let mut former = SigSet::empty();
        pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&set), Some(&mut former))?;
        // A file that may grow no further is an error of writing it, not the end of goinject.
        let ignored = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
        // SAFETY: no handler is installed.
        let file_size = unsafe { sigaction(Signal::SIGXFSZ, &ignored)? };
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Signals {
            fd,
            former,
            file_size,
            had_terminal: has_terminal(),
        })
    }

    /// Gives a command the signal mask, and what becomes of SIGXFSZ, that goinject was started with.
    pub fn restore_in(&self, command: &mut Command) {
        use std::os::unix::process::CommandExt;
        let (former, file_size) = (self.former, self.file_size);
        // SAFETY: sigprocmask and sigaction are async-signal-safe, and the action is what goinject was started with.
        unsafe {
            command.pre_exec(move || {
                former.thread_set_mask()?;
                sigaction(Signal::SIGXFSZ, &file_size)?;
                Ok(())
            });
        }
    }

    /// Readable when a signal waits.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The signals that came since the last look and ask goinject for something.
    pub fn received(&mut self) -> io::Result<Vec<Received>> {
        let mut received = Vec::new();
        while let Some(info) = self.fd.read_signal()? {
            let signal = i32::try_from(info.ssi_signo).expect("signal numbers are small");
            if signal != libc::SIGCHLD {
                // A shell tells its jobs of the end of its terminal as well.
                let is_lost = signal == Signal::SIGHUP as i32 && self.had_terminal && !has_terminal();
                received.push(Received {
                    signal,
                    from_terminal: info.ssi_code == libc::SI_KERNEL || is_lost,
                });
            }
        }
        Ok(received)
    }
}

/// Whether there is a terminal that goinject could be told of the end of.
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

/// Stops goinject as SIGTSTP does where nobody looks at it; comes back with SIGCONT.
pub fn stop_with_job() {
    let mut set = SigSet::empty();
    set.add(Signal::SIGTSTP);
    // If one of these is refused, goinject goes on.
    let _ = nix::sys::signal::raise(Signal::SIGTSTP);
    let _ = pthread_sigmask(SigmaskHow::SIG_UNBLOCK, Some(&set), None);
    let _ = pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&set), None);
}

/// Whether a signal has come that asks goinject to end, and that nobody has taken yet.
pub fn end_is_asked_for() -> bool {
    // SAFETY: a sigset_t is plain data, which sigpending fills in.
    let pending = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        if libc::sigpending(&raw mut set) < 0 {
            return false;
        }
        SigSet::from_sigset_t_unchecked(set)
    };
    ENDING.into_iter().any(|signal| pending.contains(signal))
}
