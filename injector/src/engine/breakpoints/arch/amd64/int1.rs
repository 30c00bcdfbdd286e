//! What an int1 does on this machine, found out by running one.

use std::arch::asm;
use std::arch::x86_64::__cpuid;
use std::io;
use std::sync::OnceLock;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

use super::INT1;
use crate::tracee::arch::pc;
use crate::tracee::{Memory, Stop};

/// Whether it raises SIGTRAP with the thread behind it, as an int3 does. Some hypervisors on AMD processors leave the thread at the
/// instruction, and QEMU's emulation of a processor stops the whole machine.
pub(super) fn is_like_int3() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| !is_emulated() && is_passed().unwrap_or(false))
}

fn is_emulated() -> bool {
    const HYPERVISOR: u32 = 0x4000_0000;
    const EMULATED: &[u8; 12] = b"TCGTCGTCGTCG";
    let found = __cpuid(HYPERVISOR);
    let name = [found.ebx, found.ecx, found.edx].map(u32::to_le_bytes);
    name.as_flattened() == EMULATED
}

fn is_passed() -> io::Result<bool> {
    // SAFETY: the child makes system calls alone.
    match unsafe { fork()? } {
        ForkResult::Child => run(),
        ForkResult::Parent { child } => {
            let passed = is_behind(child);
            let _ = kill(child, Signal::SIGKILL);
            let _ = waitpid(child, None);
            passed
        }
    }
}

fn run() -> ! {
    // SAFETY: the kernel ends this process with its parent, and it stops at the trap where it is traced, which it does not run else.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        if libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) == 0 {
            asm!(".byte 0xf1");
        }
        libc::_exit(0)
    }
}

fn is_behind(child: Pid) -> io::Result<bool> {
    if waitpid(child, None)? != WaitStatus::Stopped(child, Signal::SIGTRAP) {
        return Ok(false);
    }
    let before = pc(&Stop::again(child.as_raw()).registers()?) - INT1.len() as u64;
    let mut bytes = [0; 1];
    Memory::open(child.as_raw())?.read(before, &mut bytes)?;
    Ok(bytes == INT1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_can_be_tried_where_tests_run() {
        assert!(is_emulated() || is_passed().is_ok());
    }
}
