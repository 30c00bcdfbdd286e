//! Memory of another process, through `/proc/PID/mem`: also read-only pages, also under lockdown.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_writev};
use nix::unistd::Pid;

use super::denial::{Wanted, denial};

/// The memory of the program that a process runs now. After an `exec` it is gone, and every access
/// fails, so nothing can be written into another program by mistake.
///
/// Since Linux 6.12 a kernel may let only a thread's tracer write pages that are read-only, and only through that very
/// thread's file (`CONFIG_PROC_MEM_FORCE_PTRACE`, `proc_mem.force_override`): hence [`Memory::of_thread`].
#[derive(Debug)]
pub struct Memory {
    file: File,
    pid: Pid,
}

/// Why memory that can be read can't be written.
const READ_ONLY: &str = "the kernel does not let goinject write the target's read-only pages: see proc_mem.force_override in the kernel's command line, and CONFIG_PROC_MEM_FORCE_PTRACE and CONFIG_PROC_MEM_NO_FORCE";

impl Memory {
    /// Opens a process's memory for reading and writing.
    pub fn open(pid: i32) -> io::Result<Memory> {
        Memory::of_thread(pid, pid)
    }

    /// The same through one of its threads, for a caller that traces this thread and not all of them.
    pub fn of_thread(pid: i32, tid: i32) -> io::Result<Memory> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(format!("/proc/{pid}/task/{tid}/mem"))
            .map_err(|error| match error.kind() {
                io::ErrorKind::PermissionDenied => denial(pid, Wanted::Memory).into(),
                _ => error,
            })?;
        Ok(Memory {
            file,
            pid: Pid::from_raw(pid),
        })
    }

    /// Whose it is.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Reads all of `to` from an address.
    ///
    /// # Errors
    /// There is no such memory (`EIO`), or none at all any more (`ESRCH`).
    pub fn read(&self, address: u64, to: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(to, address).map_err(gone)
    }

    /// For reads of many places that are close to each other.
    pub fn nearby(&self) -> Nearby<'_> {
        Nearby::new(&self.file)
    }

    /// Writes all of `from` to an address, whatever the page's protection.
    ///
    /// # Errors
    /// There is no such memory (`EIO`), none at all any more (`ESRCH`), or the kernel lets no read-only page be written.
    pub fn write(&self, address: u64, from: &[u8]) -> io::Result<()> {
        self.file.write_all_at(from, address).map_err(|error| {
            let error = gone(error);
            match error.raw_os_error() == Some(libc::EIO) && self.read(address, &mut [0]).is_ok() {
                true => io::Error::new(io::ErrorKind::PermissionDenied, READ_ONLY),
                false => error,
            }
        })
    }

    /// Writes what the program could write itself. Its constants lie in read-only pages, each once for many uses, and a
    /// change of one would show everywhere.
    pub fn write_as_program(&self, address: u64, from: &[u8]) -> io::Result<()> {
        let at = usize::try_from(address).map_err(io::Error::other)?;
        let to = RemoteIoVec {
            base: at,
            len: from.len(),
        };
        // The system call below knows a process, not its program: see that it is still this one.
        self.read(address, &mut [0])?;
        match process_vm_writev(self.pid, &[IoSlice::new(from)], &[to]) {
            Ok(written) if written == from.len() => Ok(()),
            Ok(_) => Err(io::ErrorKind::WriteZero.into()),
            // Filtered away in some containers.
            Err(Errno::ENOSYS | Errno::EPERM) => self.write(address, from),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads one word.
    pub fn word(&self, address: u64) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Another handle to the same memory, for a process that inherits it.
    pub fn try_clone(&self) -> io::Result<File> {
        Ok(File::from(self.file.as_fd().try_clone_to_owned()?))
    }
}

/// Reads of places that are close to each other: a system call for some pages in place of one for each. What is there must not
/// change meanwhile.
#[derive(Debug)]
pub struct Nearby<'a> {
    file: &'a File,
    start: u64,
    bytes: Vec<u8>,
}

impl Nearby<'_> {
    const SPAN: usize = 1 << 14;

    /// Of a program's memory or file, nothing of which is read yet.
    pub fn new(file: &File) -> Nearby<'_> {
        Nearby {
            file,
            start: 0,
            bytes: Vec::new(),
        }
    }

    /// Reads all of `to` from an address.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn read(&mut self, address: u64, to: &mut [u8]) -> io::Result<()> {
        if self.held(address, to.len()).is_none() {
            self.start = address;
            self.bytes.resize(Nearby::SPAN.max(to.len()), 0);
            // Less where the file or what is mapped ends; what can't be read is told below.
            let count = self.file.read_at(&mut self.bytes, address).unwrap_or(0);
            self.bytes.truncate(count);
        }
        match self.held(address, to.len()) {
            Some(held) => {
                to.copy_from_slice(held);
                Ok(())
            }
            None => self.file.read_exact_at(to, address).map_err(gone),
        }
    }

    fn held(&self, address: u64, len: usize) -> Option<&[u8]> {
        let from = usize::try_from(address.checked_sub(self.start)?).ok()?;
        self.bytes.get(from..from.checked_add(len)?)
    }
}

/// The file of a program that is gone, by its end or by an exec, is empty.
fn gone(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::WriteZero => io::Error::from_raw_os_error(libc::ESRCH),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn places_close_to_each_other_are_read_as_alone() {
        let memory = Memory::open(i32::try_from(std::process::id()).expect("a process id")).expect("our own");
        let content: Vec<u8> = (0..3 * Nearby::SPAN).map(|n| (n % 251) as u8).collect();
        let start = content.as_ptr() as u64;
        let mut nearby = memory.nearby();
        // Forwards, backwards, over the end of what was read at once, and more than that.
        for (at, len) in [
            (100, 12),
            (40, 12),
            (5000, 6),
            (40 + Nearby::SPAN - 3, 12),
            (8, Nearby::SPAN + 1),
            (20, 0),
        ] {
            let mut read = vec![0; len];
            nearby.read(start + at as u64, &mut read).expect("mapped");
            assert_eq!(read, content[at..at + len], "{len} bytes at {at}");
        }
        let is_unmapped = |error: io::Error| error.raw_os_error() == Some(libc::EIO);
        assert!(nearby.read(16, &mut [0; 4]).is_err_and(is_unmapped));
    }

    #[test]
    fn memory_of_a_program_that_is_gone_is_told_as_that() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("started");
        let memory = Memory::open(i32::try_from(child.id()).expect("a process id")).expect("a child's");
        child.kill().expect("ours");
        child.wait().expect("ended");
        let is_gone = |error: io::Error| error.raw_os_error() == Some(libc::ESRCH);
        assert!(memory.word(0x1000).is_err_and(is_gone));
        assert!(memory.write(0x1000, &[0; 8]).is_err_and(is_gone));
        assert!(memory.nearby().read(0x1000, &mut [0; 8]).is_err_and(is_gone));
    }
}
