//! Programs that are to run with privileges of their own, such as set-user-ID ones.
//!
//! The kernel does not give them these below a tracer without CAP_SYS_PTRACE: they would do something else than without
//! goinject. So such a process is let go, and executes its program again, untraced.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::sys::statvfs::{FsFlags, statvfs};

use super::remote::Remote;
use super::stop::Stop;

/// Which bit of a set of capabilities is CAP_SYS_PTRACE.
const SYS_PTRACE: u64 = 1 << 19;
/// Entry of the auxiliary vector: the path that was executed.
const AT_EXECFN: u64 = 31;
/// More than any program is started with; a bound for what is read.
const MOST_WORDS: u64 = 1 << 20;
const LONGEST_PATH: usize = 4096;

/// Whether a process that has just executed its program was denied that program's privileges because goinject traces it.
pub fn are_denied(pid: i32) -> bool {
    static GETS_ALL: OnceLock<bool> = OnceLock::new();
    if *GETS_ALL.get_or_init(has_sys_ptrace) {
        return false;
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    if field(&status, "NoNewPrivs") == Some("1") {
        return false;
    }
    let exe = PathBuf::from(format!("/proc/{pid}/exe"));
    let Ok(metadata) = fs::metadata(&exe) else {
        return false;
    };
    (is_of_another(&metadata, &status) || has_capabilities(&exe))
        && statvfs(&exe).is_ok_and(|fs| !fs.flags().contains(FsFlags::ST_NOSUID))
}

fn has_sys_ptrace() -> bool {
    let own = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let capabilities = field(&own, "CapEff").and_then(|mask| u64::from_str_radix(mask, 16).ok());
    capabilities.is_none_or(|mask| mask & SYS_PTRACE != 0)
}

/// Whether a program is set-user-ID or set-group-ID to somebody whom the process does not run as.
fn is_of_another(metadata: &Metadata, status: &str) -> bool {
    let effective = |name| field(status, name).and_then(|id| id.parse::<u32>().ok());
    let mode = metadata.mode();
    let sets_user = mode & libc::S_ISUID != 0;
    // Without the group's right to execute it the bit is about locks on the file.
    let sets_group = mode & libc::S_ISGID != 0 && mode & libc::S_IXGRP != 0;
    (sets_user && effective("Uid").is_some_and(|id| id != metadata.uid()))
        || (sets_group && effective("Gid").is_some_and(|id| id != metadata.gid()))
}

fn has_capabilities(exe: &Path) -> bool {
    let path = std::ffi::CString::new(exe.as_os_str().as_bytes()).expect("no zero in it");
    let name = c"security.capability";
    // SAFETY: both are C strings; with no buffer the size is asked for.
    unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), std::ptr::null_mut(), 0) > 0 }
}

/// A field of `/proc/PID/status`; of several values the second, which is the effective one.
pub(super) fn field<'s>(status: &'s str, name: &str) -> Option<&'s str> {
    let of_line = |line: &'s str| line.strip_prefix(name)?.strip_prefix(':');
    let mut values = status.lines().find_map(of_line)?.split_whitespace();
    let first = values.next()?;
    Some(values.next().unwrap_or(first))
}

/// What a program was executed with: addresses of its path, arguments and environment.
#[derive(Clone, Copy, Debug)]
struct Executed {
    path: u64,
    arguments: u64,
    environment: u64,
}

impl Executed {
    /// That of a process at its first instruction, whose stack pointer this is.
    fn of(remote: &Remote, stack: u64) -> io::Result<Executed> {
        let memory = remote.memory();
        let damaged = || io::Error::other("its stack is not that of a program that begins");
        let count = memory.word(stack)?;
        if count > MOST_WORDS {
            return Err(damaged());
        }
        let arguments = stack + 8;
        let environment = arguments + (count + 1) * 8;
        let mut at = environment;
        while memory.word(at)? != 0 {
            at += 8;
            if at > environment + MOST_WORDS * 8 {
                return Err(damaged());
            }
        }
        // Behind the environment's end: pairs of a name and a value, the last named 0.
        loop {
            at += 8;
            let (name, path) = (memory.word(at)?, memory.word(at + 8)?);
            at += 8;
            match name {
                0 => return Err(damaged()),
                AT_EXECFN => {
                    return Ok(Executed {
                        path,
                        arguments,
                        environment,
                    });
                }
                _ if at > environment + 2 * MOST_WORDS * 8 => return Err(damaged()),
                _ => {}
            }
        }
    }

    /// Whether the path still leads to the program, from where the process is.
    fn leads_to_program(&self, remote: &Remote) -> io::Result<bool> {
        let mut path = Vec::new();
        while path.last() != Some(&0) && path.len() < LONGEST_PATH {
            let mut byte = [0];
            remote.memory().read(self.path + path.len() as u64, &mut byte)?;
            path.push(byte[0]);
        }
        path.pop();
        let path = Path::new(std::ffi::OsStr::from_bytes(&path));
        let pid = remote.pid();
        let from = if path.is_absolute() { "root" } else { "cwd" };
        let path = path.strip_prefix("/").unwrap_or(path);
        let found = fs::metadata(Path::new(&format!("/proc/{pid}/{from}")).join(path))?;
        let runs = fs::metadata(format!("/proc/{pid}/exe"))?;
        Ok((found.dev(), found.ino()) == (runs.dev(), runs.ino()))
    }
}

/// Lets a process go that stopped when it had executed its program, and has it execute that again, untraced. Should that fail, it
/// runs on without privileges.
///
/// # Errors
/// It is let go as it is, without the privileges, for this reason.
pub fn give_back(remote: Remote) -> io::Result<()> {
    let again = Executed::of(&remote, remote.stack_pointer()).and_then(|executed| {
        match executed.leads_to_program(&remote)? {
            true => Ok(executed),
            false => Err(io::Error::other("its path does not lead to it any more")),
        }
    });
    match again {
        Ok(Executed {
            path,
            arguments,
            environment,
        }) => remote.let_go_to(libc::SYS_execve, [path, arguments, environment, 0, 0, 0]),
        Err(error) => {
            remote.finish().and_then(Stop::detach)?;
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effective_ids_are_the_second_of_four() {
        let status = "Name:\tx\nUid:\t1000\t7\t1000\t7\nNoNewPrivs:\t0\nCapEff:\t00000000\n";
        assert_eq!(field(status, "Uid"), Some("7"));
        assert_eq!(field(status, "NoNewPrivs"), Some("0"));
        assert_eq!(field(status, "Gid"), None);
    }

    #[test]
    fn goinjects_own_process_lacks_nothing() {
        assert!(!are_denied(std::process::id().cast_signed()));
    }
}
