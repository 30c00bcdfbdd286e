//! System calls in another process, made by one of its stopped threads.

use std::io;

use super::memory::Memory;
use super::ptrace::{GeneralRegisters, Resume};
use super::stop::{Report, Stop, Why};

/// A stopped thread lent for system calls. [`Remote::finish`] puts everything back, and so does dropping
/// this, but then the thread stays stopped.
#[derive(Debug)]
pub struct Remote<'a> {
    stop: Stop,
    /// What it had stopped for before its registers were borrowed.
    stopped_for: Why,
    pid: i32,
    memory: &'a Memory,
    registers: GeneralRegisters,
    mask: u64,
    instruction: u64,
    finished: bool,
}

impl<'a> Remote<'a> {
    pub(super) fn new(stop: Stop, pid: i32, memory: &'a Memory) -> io::Result<Remote<'a>> {
        let stopped_for = stop.why();
        let stop = match stopped_for {
            // Still within the kernel, which would overwrite what is put into RAX.
            Why::Exec(_) => leave_exec(stop, pid)?,
            _ => stop,
        };
        let registers = stop.registers()?;
        let instruction = find_syscall_instruction(pid, memory)?;
        // No signal may be delivered to the thread while its registers are borrowed. SIGTRAP stays open:
        // a step's trap that finds it blocked makes the kernel reset the process's handler.
        let mask = stop.swap_signal_mask(!(1 << (libc::SIGTRAP - 1)))?;
        Ok(Remote {
            stop,
            stopped_for,
            pid,
            memory,
            registers,
            mask,
            instruction,
            finished: false,
        })
    }

    /// The process.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The process's memory.
    pub fn memory(&self) -> &'a Memory {
        self.memory
    }

    /// Makes a system call; the result is the kernel's, errors already told apart.
    pub fn syscall(&mut self, number: i64, arguments: [u64; 6]) -> io::Result<u64> {
        let [rdi, rsi, rdx, r10, r8, r9] = arguments;
        let registers = GeneralRegisters {
            rip: self.instruction,
            rax: number.cast_unsigned(),
            // The kernel would restart an interrupted system call of the thread otherwise.
            orig_rax: u64::MAX,
            rdi,
            rsi,
            rdx,
            r10,
            r8,
            r9,
            ..self.registers
        };
        self.stop.set_registers(registers)?;
        loop {
            let lent = self.stop.stopped_for(self.stopped_for);
            let stop = std::mem::replace(&mut self.stop, lent);
            match stop.go_to_next_stop(Resume::Step, self.pid)? {
                Report::Stopped(stop) => {
                    let why = stop.why();
                    self.stop = stop;
                    if why == Why::Signal(libc::SIGTRAP) {
                        break;
                    }
                }
                _ => return Err(io::Error::from_raw_os_error(libc::ESRCH)),
            }
        }
        let after = self.stop.registers()?;
        let result = after.rax.cast_signed();
        match result {
            -4095..=-1 => Err(io::Error::from_raw_os_error(
                i32::try_from(-result).expect("at most 4095"),
            )),
            _ => Ok(after.rax),
        }
    }

    /// Gives the thread back as it was, still stopped.
    pub fn finish(mut self) -> io::Result<Stop> {
        self.finished = true;
        self.put_back()?;
        Ok(self.stop.stopped_for(self.stopped_for))
    }

    fn put_back(&self) -> io::Result<()> {
        self.stop.set_registers(self.registers)?;
        self.stop.swap_signal_mask(self.mask)?;
        Ok(())
    }
}

impl Drop for Remote<'_> {
    fn drop(&mut self) {
        if !self.finished {
            // If this fails the thread is gone, and nothing is to be put back.
            let _ = self.put_back();
        }
    }
}

/// Takes a thread from the stop within `exec` to the one at its end.
fn leave_exec(stop: Stop, pid: i32) -> io::Result<Stop> {
    match stop.go_to_next_stop(Resume::ToSystemCall, pid)? {
        Report::Stopped(stop) => Ok(stop),
        _ => Err(io::Error::from_raw_os_error(libc::ESRCH)),
    }
}

/// A `syscall` instruction in the target's own code: the kernel's vDSO has one, and so does every Go runtime.
fn find_syscall_instruction(pid: i32, memory: &Memory) -> io::Result<u64> {
    const SYSCALL: [u8; 2] = [0x0f, 0x05];
    const CHUNK: u64 = 1 << 20;
    let mut mappings = super::maps::read(pid)?;
    mappings.retain(|mapping| mapping.executable && mapping.name != "[vsyscall]");
    mappings.sort_by_key(|mapping| mapping.name != "[vdso]");
    for mapping in mappings {
        let mut start = mapping.range.start;
        while start < mapping.range.end {
            let size = CHUNK.min(mapping.range.end - start);
            let mut bytes = vec![0; usize::try_from(size).expect("at most a chunk")];
            if memory.read(start, &mut bytes).is_ok()
                && let Some(found) = bytes.windows(2).position(|window| window == SYSCALL)
            {
                return Ok(start + found as u64);
            }
            start += size;
        }
    }
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        "no system call instruction in the target's code",
    ))
}
