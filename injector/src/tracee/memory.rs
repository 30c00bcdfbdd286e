//! Memory of another process, through `/proc/PID/mem`: also read-only pages, also under lockdown.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_writev};
use nix::unistd::Pid;

/// The memory of the program that a process runs now. After an `exec` it is gone, and every access
/// fails, so nothing can be written into another program by mistake.
#[derive(Debug)]
pub struct Memory {
    file: File,
    pid: Pid,
}

impl Memory {
    /// Opens a process's memory for reading and writing.
    pub fn open(pid: i32) -> io::Result<Memory> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(format!("/proc/{pid}/mem"))?;
        Ok(Memory {
            file,
            pid: Pid::from_raw(pid),
        })
    }

    /// Reads all of `to` from an address.
    pub fn read(&self, address: u64, to: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(to, address)
    }

    /// Writes all of `from` to an address, whatever the page's protection.
    pub fn write(&self, address: u64, from: &[u8]) -> io::Result<()> {
        self.file.write_all_at(from, address)
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
