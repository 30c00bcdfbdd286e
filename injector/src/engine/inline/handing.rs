//! Memory that goinject shares with a target: two files without a name, handed to it through a socket, and mapped there.
//!
//! Neither process could open the other's file by a path where they are of different users or have different file systems.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use goinject_probes::inline::{SharedProcess, SharedRun};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use crate::engine::provision::{map_data, unmap};
use crate::tracee::{Remote, page_size};

/// Where the memory is in the target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handed {
    pub(super) run: u64,
    pub(super) process: u64,
}

/// Words of the page that system calls take their arguments from.
mod at {
    pub(super) const SOCKETS: u64 = 0;
    pub(super) const MESSAGE: u64 = 64;
    pub(super) const PIECES: u64 = 128;
    pub(super) const BYTE: u64 = 192;
    pub(super) const CONTROL: u64 = 256;
}

/// Bytes for a control message with two descriptors, as `CMSG_SPACE` has it.
const CONTROL_SIZE: u64 = 24;

/// Maps the memory in the target. No descriptor stays open there.
pub(super) fn hand(remote: &mut Remote, run: &SharedRun, process: &SharedProcess) -> io::Result<Handed> {
    let page = map_data(remote, page_size())?;
    let handed = with_sockets(remote, page, run, process);
    unmap(remote, &(page..page + page_size()))?;
    handed
}

fn with_sockets(
    remote: &mut Remote,
    page: u64,
    run: &SharedRun,
    process: &SharedProcess,
) -> io::Result<Handed> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    remote.syscall(
        libc::SYS_socketpair,
        [libc::AF_UNIX as u64, kind as u64, 0, page + at::SOCKETS, 0, 0],
    )?;
    let sockets = descriptors(remote.memory().word(page + at::SOCKETS)?);
    let handed = through(remote, page, sockets, run, process);
    close(remote, &sockets)?;
    handed
}

fn through(
    remote: &mut Remote,
    page: u64,
    [theirs, ours]: [i32; 2],
    run: &SharedRun,
    process: &SharedProcess,
) -> io::Result<Handed> {
    send(remote.pid(), ours, [run.file(), process.file()])?;
    // A struct msghdr: no name, one piece of one byte, and the descriptors.
    let words = |words: &[u64]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    let message = words(&[0, 0, page + at::PIECES, 1, page + at::CONTROL, CONTROL_SIZE, 0]);
    remote.memory().write(page + at::MESSAGE, &message)?;
    remote
        .memory()
        .write(page + at::PIECES, &words(&[page + at::BYTE, 1]))?;
    remote.syscall(
        libc::SYS_recvmsg,
        [
            theirs as u64,
            page + at::MESSAGE,
            libc::MSG_CMSG_CLOEXEC as u64,
            0,
            0,
            0,
        ],
    )?;
    if remote.memory().word(page + at::CONTROL)? != CONTROL_SIZE {
        return Err(io::Error::other("the target was not handed what it was sent"));
    }
    let files = descriptors(remote.memory().word(page + at::CONTROL + 16)?);
    let mapped =
        map(remote, files[0], run.size()).and_then(|run| Ok((run, map(remote, files[1], process.size())?)));
    close(remote, &files)?;
    let (run, process) = mapped?;
    Ok(Handed { run, process })
}

/// Sends descriptors to a process's own end of a pair of sockets.
fn send(pid: i32, socket: i32, files: [BorrowedFd<'_>; 2]) -> io::Result<()> {
    let process = descriptor(
        // SAFETY: the system call takes numbers alone.
        unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) },
    )?;
    let socket = descriptor(
        // SAFETY: as above.
        unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), socket, 0) },
    )?;
    let files = files.map(|file| file.as_raw_fd());
    sendmsg::<()>(
        socket.as_raw_fd(),
        &[IoSlice::new(&[0])],
        &[ControlMessage::ScmRights(&files)],
        MsgFlags::empty(),
        None,
    )?;
    Ok(())
}

fn descriptor(result: libc::c_long) -> io::Result<OwnedFd> {
    match i32::try_from(result) {
        // SAFETY: a descriptor that the kernel has just made for us.
        Ok(fd @ 0..) => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

fn map(remote: &mut Remote, file: i32, size: u64) -> io::Result<u64> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let at = remote.syscall(
        libc::SYS_mmap,
        [
            0,
            size,
            protection as u64,
            libc::MAP_SHARED as u64,
            file as u64,
            0,
        ],
    )?;
    // A core dump would have all of it, also what nobody has used: hundreds of megabytes that are none of the program's. Where
    // that is refused, it has.
    let _ = remote.syscall(libc::SYS_madvise, [at, size, libc::MADV_DONTDUMP as u64, 0, 0, 0]);
    Ok(at)
}

fn close(remote: &mut Remote, files: &[i32]) -> io::Result<()> {
    files.iter().try_for_each(|file| {
        remote
            .syscall(libc::SYS_close, [*file as u64, 0, 0, 0, 0, 0])
            .map(drop)
    })
}

/// Two descriptors, as they lie in a word.
fn descriptors(word: u64) -> [i32; 2] {
    let bytes = word.to_le_bytes();
    [0, 4].map(|at| i32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")))
}
