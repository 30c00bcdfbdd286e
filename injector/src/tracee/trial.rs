//! Whether this process may trace others: found out by doing it.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, getpid, getppid};

use super::Memory;
use super::family::Follow;
use super::ptrace;

/// What of tracing a child is refused.
#[derive(Debug)]
pub enum Untraceable {
    /// All of it.
    AtAll(io::Error),
    /// Writing its code.
    Code(io::Error),
}

/// Traces a child as a run would: seizes it, stops it, reads its registers, writes its code.
pub fn trace_child() -> Result<(), Untraceable> {
    let parent = getpid();
    // SAFETY: until it is killed the child calls nothing but async-signal-safe functions.
    let pid = match unsafe { fork() }.map_err(|error| Untraceable::AtAll(error.into()))? {
        ForkResult::Child => {
            // SAFETY: no conditions; the kernel ends this process with its parent.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
            if getppid() != parent {
                // Too late: it is gone already.
                // SAFETY: no conditions.
                unsafe { libc::_exit(0) };
            }
            wait_to_be_killed()
        }
        ForkResult::Parent { child } => child,
    };
    let code = trace(pid).map_err(Untraceable::AtAll);
    let traced = code.and_then(|code| code.write().map_err(Untraceable::Code));
    let _ = kill(pid, Signal::SIGKILL);
    let _ = waitpid(pid, None);
    traced
}

/// A byte of a stopped child's code.
struct Code {
    memory: Memory,
    address: u64,
    byte: [u8; 1],
}

impl Code {
    fn write(&self) -> io::Result<()> {
        self.memory.write(self.address, &self.byte)
    }
}

fn trace(pid: Pid) -> io::Result<Code> {
    let tid = pid.as_raw();
    ptrace::seize(tid, Follow::Threads)?;
    ptrace::interrupt(tid)?;
    ptrace::wait(Some(tid), true).ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))?;
    ptrace::registers(tid)?;
    let memory = Memory::open(tid)?;
    let (address, mut byte) = (trace as *const () as u64, [0]);
    memory.read(address, &mut byte)?;
    Ok(Code {
        memory,
        address,
        byte,
    })
}

/// Makes memory without a name and gets at a descriptor of a process, which here is this one: with ptrace, what it takes to
/// share memory with a child.
pub fn share_memory() -> io::Result<()> {
    let file = memfd_create(c"goinject", MFdFlags::MFD_CLOEXEC)?;
    let own = |result: libc::c_long| match i32::try_from(result) {
        // SAFETY: a descriptor that the kernel has just made for us.
        Ok(fd @ 0..) => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    };
    // SAFETY: the system calls take numbers alone.
    let process = own(unsafe { libc::syscall(libc::SYS_pidfd_open, getpid().as_raw(), 0) })?;
    // SAFETY: as above.
    own(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), file.as_raw_fd(), 0) })?;
    Ok(())
}

/// Traces a process of the same user that is no descendant: what attaching to a running program takes.
pub fn trace_stranger() -> io::Result<()> {
    let (reader, writer) = nix::unistd::pipe()?;
    // SAFETY: the child calls nothing but async-signal-safe functions.
    let between = match unsafe { fork()? } {
        ForkResult::Child => leave_a_child(&writer),
        ForkResult::Parent { child } => child,
    };
    drop(writer);
    // Its parent gone, the grandchild is a child of init.
    waitpid(between, None)?;
    let mut bytes = [0; 4];
    if nix::unistd::read(&reader, &mut bytes)? != bytes.len() {
        return Err(io::Error::other("no process could be started to try it on"));
    }
    let stranger = Pid::from_raw(i32::from_ne_bytes(bytes));
    let traced = ptrace::seize(stranger.as_raw(), Follow::Threads);
    let _ = kill(stranger, Signal::SIGKILL);
    if traced.is_ok() {
        // Of a traced process the tracer is told the end, too.
        while let Some(status) = ptrace::wait(Some(stranger.as_raw()), true) {
            if libc::WIFSIGNALED(status.status) || libc::WIFEXITED(status.status) {
                break;
            }
        }
    }
    traced
}

/// Forks once more and ends, so that the second process has no parent here.
fn leave_a_child(writer: &OwnedFd) -> ! {
    // SAFETY: fork, write, alarm and _exit are async-signal-safe, and nothing else is called.
    unsafe {
        let pid = libc::fork();
        if pid == 0 {
            // Should goinject be killed meanwhile, nobody else would end it.
            libc::alarm(10);
            wait_to_be_killed();
        }
        if pid > 0 {
            let _ = nix::unistd::write(writer, &pid.to_ne_bytes());
        }
        libc::_exit(0)
    }
}

fn wait_to_be_killed() -> ! {
    loop {
        // SAFETY: no conditions.
        unsafe { libc::pause() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_can_be_traced_where_tests_run() {
        trace_child().expect("ptrace works for one's own child");
    }
}
