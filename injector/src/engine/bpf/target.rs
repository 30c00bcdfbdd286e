//! The end of a process that nobody traces.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::engine::End;

/// A process that is watched for its end.
#[derive(Debug)]
pub(super) struct Target {
    pid: i32,
    /// Readable at the end of a process that is not a child; a child's end comes with SIGCHLD.
    pidfd: Option<OwnedFd>,
}

impl Target {
    /// A child of goinject.
    pub(super) fn child(pid: i32) -> Target {
        Target { pid, pidfd: None }
    }

    /// Somebody else's process (Linux 5.3).
    pub(super) fn process(pid: i32) -> io::Result<Target> {
        // SAFETY: pidfd_open takes two integers and gives a new descriptor or an error.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let fd = RawFd::try_from(fd).expect("descriptors fit");
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a new descriptor that nobody else owns.
        let pidfd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Target {
            pid,
            pidfd: Some(pidfd),
        })
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    pub(super) fn wake_fd(&self) -> Option<RawFd> {
        self.pidfd.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Its end, if it has come.
    pub(super) fn end(&self) -> io::Result<Option<End>> {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
        use std::os::fd::AsFd;
        match &self.pidfd {
            Some(fd) => {
                let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
                Ok((poll(&mut fds, PollTimeout::ZERO)? > 0).then_some(End::Gone))
            }
            None => match waitpid(nix::unistd::Pid::from_raw(self.pid), Some(WaitPidFlag::WNOHANG))? {
                WaitStatus::Exited(_, status) => Ok(Some(End::Exited(status))),
                WaitStatus::Signaled(_, signal, _) => Ok(Some(End::Killed(signal as i32))),
                _ => Ok(None),
            },
        }
    }
}
