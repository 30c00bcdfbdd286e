//! What keeps goinject from using a thread of the target, told as what it is.

use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

use super::denial::{Wanted, denial};
use super::stop::has_pending_fault;

/// What is in the way. It travels as the inner error of an [`io::Error`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Obstacle {
    /// There can be only one tracer.
    #[error(
        "another process traces it already: {name}, process {tracer} (TracerPid in /proc/{pid}/status); end that first"
    )]
    Traced {
        /// The target.
        pid: i32,
        /// Who traces it.
        tracer: i32,
        /// What that is called.
        name: String,
    },
    /// It has confined itself.
    #[error(
        "it has confined itself with a seccomp filter (Seccomp in /proc/{pid}/status), which may refuse the system calls that goinject has it make, or kill it for them, and the filter can't be suspended: {why}. Run goinject with CAP_SYS_ADMIN and without a filter of its own, or let goinject start the program"
    )]
    Confined {
        /// The target.
        pid: i32,
        /// What the kernel said.
        why: String,
    },
    /// No thread stops.
    #[error(
        "thread {tid} ({name}) can't be stopped: it waits within the kernel (state {state}), as for a child made by vfork, or for a file system that does not answer; try again when it goes on"
    )]
    Unstoppable {
        /// The first one.
        tid: i32,
        /// What it is called.
        name: String,
        /// A letter, as in `/proc/PID/stat`.
        state: char,
    },
    /// Linux does not let goinject near it.
    #[error("{reason}: {remedy}")]
    Denied {
        /// In words.
        reason: String,
        /// What would help.
        remedy: String,
    },
    /// It did not live to see it.
    #[error("it ended meanwhile")]
    Ended,
    /// Somebody wants goinject to end.
    #[error("interrupted while the target did not answer")]
    Interrupted,
}

impl From<Obstacle> for io::Error {
    fn from(obstacle: Obstacle) -> io::Error {
        io::Error::other(obstacle)
    }
}

impl Obstacle {
    /// The obstacle that an error is about.
    pub fn of(error: &io::Error) -> Option<&Obstacle> {
        match error.raw_os_error() {
            Some(libc::ESRCH) => Some(&Obstacle::Ended),
            _ => error.get_ref()?.downcast_ref(),
        }
    }

    /// The error itself, or the obstacle that it is about.
    pub fn named(error: io::Error) -> io::Error {
        match Obstacle::of(&error) {
            Some(obstacle) => obstacle.clone().into(),
            None => error,
        }
    }

    /// Fails if somebody else traces a process.
    ///
    /// # Errors
    /// The obstacle.
    pub fn if_traced(pid: i32) -> io::Result<()> {
        Obstacle::traced(pid, pid).map_or(Ok(()), |obstacle| Err(obstacle.into()))
    }

    /// What a refusal to seize a thread is about: somebody else who traces it, else the want of a privilege.
    pub(super) fn seizing(pid: i32, tid: i32, error: io::Error) -> io::Error {
        match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => Obstacle::traced(pid, tid)
                .unwrap_or_else(|| denial(pid, Wanted::Tracing))
                .into(),
            _ => error,
        }
    }

    /// Somebody else who traces a thread.
    fn traced(pid: i32, tid: i32) -> Option<Obstacle> {
        let tracer = field(&status(pid, tid)?, "TracerPid")?;
        let tracer = i32::try_from(tracer).ok()?;
        let own = std::process::id().cast_signed();
        (tracer != 0 && tracer != own).then(|| Obstacle::Traced {
            pid,
            tracer,
            name: fs::read_to_string(format!("/proc/{tracer}/comm"))
                .map_or_else(|_| "unknown".to_owned(), |name| name.trim_end().to_owned()),
        })
    }

    /// A thread that does not stop.
    pub(super) fn unstoppable(pid: i32, tid: i32) -> Obstacle {
        let name = fs::read_to_string(format!("/proc/{pid}/task/{tid}/comm"));
        Obstacle::Unstoppable {
            tid,
            name: name.unwrap_or_default().trim_end().to_owned(),
            state: state(pid, tid).unwrap_or('?'),
        }
    }
}

/// How a thread is confined by seccomp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filtering {
    /// Not at all.
    None,
    /// As goinject itself is: by the container or the service that both are in.
    AsOurselves,
    /// By itself.
    Own,
}

impl Filtering {
    pub(super) fn of(pid: i32, tid: i32) -> Filtering {
        let Some(theirs) = status(pid, tid).and_then(|status| Seccomp::of(&status)) else {
            // A kernel without seccomp, or a thread that is gone.
            return Filtering::None;
        };
        let ours = fs::read_to_string("/proc/self/status").ok();
        let ours = ours.and_then(|status| Seccomp::of(&status));
        theirs.against(ours.unwrap_or_default())
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Seccomp {
    mode: u64,
    /// How many filters; unknown before Linux 5.9.
    filters: Option<u64>,
}

impl Seccomp {
    fn of(status: &str) -> Option<Seccomp> {
        Some(Seccomp {
            mode: field(status, "Seccomp")?,
            filters: field(status, "Seccomp_filters"),
        })
    }

    fn against(self, ours: Seccomp) -> Filtering {
        match (self.mode, ours.mode) {
            (0, _) => Filtering::None,
            (theirs, ours) if theirs != ours => Filtering::Own,
            _ if self.filters > ours.filters => Filtering::Own,
            _ => Filtering::AsOurselves,
        }
    }
}

fn status(pid: i32, tid: i32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/task/{tid}/status")).ok()
}

fn field(status: &str, name: &str) -> Option<u64> {
    let of_line = |line: &str| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok();
    status.lines().find_map(of_line)
}

/// Whether a thread can't stop for now, and has no breakpoint's trap waiting for it either.
pub(super) fn is_held_up(pid: i32, tid: i32) -> bool {
    state(pid, tid) == Some('D') && !has_pending_fault(tid)
}

/// The letter of a thread's state; none if it is gone.
pub(super) fn state(pid: i32, tid: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/task/{tid}/stat")).ok()?;
    // The name before it may have parentheses and spaces.
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seccomp(mode: u64, filters: Option<u64>) -> Seccomp {
        Seccomp { mode, filters }
    }

    #[test]
    fn filters_of_the_target_alone_are_its_own() {
        let free = seccomp(0, Some(0));
        let container = seccomp(2, Some(1));
        assert_eq!(free.against(free), Filtering::None);
        assert_eq!(container.against(free), Filtering::Own);
        assert_eq!(container.against(container), Filtering::AsOurselves);
        assert_eq!(seccomp(2, Some(2)).against(container), Filtering::Own);
        assert_eq!(seccomp(2, None).against(seccomp(2, None)), Filtering::AsOurselves);
    }

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let status = "Name:\tx\nSeccomp_filters:\t3\nSeccomp:\t2\n";
        assert_eq!(field(status, "Seccomp"), Some(2));
        assert_eq!(field(status, "Seccomp_filters"), Some(3));
        assert_eq!(field(status, "TracerPid"), None);
    }
}
