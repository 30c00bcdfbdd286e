//! System calls in another process, made by one of its stopped threads.

use std::io;

use super::arch::{self, GeneralRegisters};
use super::memory::Memory;
use super::obstacle::{Filtering, Obstacle};
use super::ptrace;
use super::stop::{Stop, Why};
use super::way_back::{SIGNAL_INFO_SIZE, WayBack};

/// A stopped thread lent for system calls. [`Remote::finish`] puts everything back, and so does dropping
/// this, but then the thread stays stopped. If goinject is killed, the thread goes its [`WayBack`].
#[derive(Debug)]
pub struct Remote {
    stop: Stop,
    /// What it had stopped for before its registers were borrowed.
    stopped_for: Why,
    pid: i32,
    /// Through this thread, the only one that is surely traced.
    memory: Memory,
    lent: Lent,
    finished: bool,
}

/// What a thread has lent, and must get back.
#[derive(Debug)]
struct Lent {
    registers: GeneralRegisters,
    mask: u64,
    way_back: WayBack,
    filtering: Filtering,
}

impl Remote {
    /// Borrows a thread. One that can't be used is let go.
    pub(super) fn new(stop: Stop, pid: i32) -> io::Result<Remote> {
        let again = stop.stopped_for(stop.why());
        Remote::lend(stop, pid).or_else(|error| {
            again.detach()?;
            Err(error)
        })
    }

    /// Borrows a thread. One that can't be used stays stopped.
    pub(super) fn lend(stop: Stop, pid: i32) -> io::Result<Remote> {
        let stopped_for = stop.why();
        let stop = match stopped_for {
            // Still within the kernel, which would overwrite the register of the result.
            Why::Exec(_)
            | Why::Born {
                shares_memory: false, ..
            } => leave_call(stop, pid)?,
            _ => stop,
        };
        let memory = Memory::of_thread(pid, stop.tid())?;
        let info = stop.signal_info();
        let mut remote = Remote {
            lent: Lent::by(&stop, pid, &memory)?,
            // The signal that it stopped with is for later.
            stop: stop.without_signal(),
            stopped_for,
            pid,
            memory,
            finished: false,
        };
        match (stopped_for, info) {
            (Why::Signal(signal), Ok(info)) if !stops_processes(signal) => remote.defer(&info)?,
            _ => {}
        }
        Ok(remote)
    }

    /// Has the thread send itself the signal that it stopped with, as it came: that waits until the thread has its own mask again, also
    /// if goinject is killed. The kernel would tell nothing of one that is given to a thread behind a system call, and Go's handler
    /// takes it for a fault of the program. Where there is no room for it, or a filter might end the program, it is such a one.
    fn defer(&mut self, info: &libc::siginfo_t) -> io::Result<()> {
        let Some(place) = self.lent.way_back.room_behind.filter(|_| !self.is_filtered()) else {
            return Ok(());
        };
        // SAFETY: plain data; what of it is unused the kernel has made zero.
        let bytes: [u8; SIGNAL_INFO_SIZE] = unsafe { std::mem::transmute_copy(info) };
        self.memory.write(place, &bytes)?;
        // As its own namespace has them.
        let own = [libc::SYS_getpid, libc::SYS_gettid].map(|number| self.syscall(number, [0; 6]));
        let sent = match own {
            [Ok(pid), Ok(tid)] => {
                let signal = u64::from(info.si_signo.unsigned_abs());
                self.syscall(libc::SYS_rt_tgsigqueueinfo, [pid, tid, signal, place, 0, 0])
            }
            [Err(error), _] | [_, Err(error)] => Err(error),
        };
        self.memory.write(place, &[0; SIGNAL_INFO_SIZE])?;
        if sent.is_ok() {
            self.stopped_for = Why::Interrupted;
        }
        Ok(())
    }

    /// The process.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The process's memory.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Whether a filter may refuse system calls that a Go program does not make itself, or end it for them.
    pub fn is_filtered(&self) -> bool {
        self.lent.filtering == Filtering::AsOurselves
    }

    /// Makes a system call; the result is the kernel's, errors already told apart.
    pub fn syscall(&mut self, number: i64, arguments: [u64; 6]) -> io::Result<u64> {
        let on_its_way = self.lent.on_its_way();
        let registers = arch::with_system_call(on_its_way, self.lent.way_back.system_call, number, arguments);
        self.stop.set_registers(registers)?;
        // Its entry and its exit.
        self.go_to_system_call()?;
        self.go_to_system_call()?;
        let result = arch::system_call_result(&self.stop.registers()?);
        match result.cast_signed() {
            error @ -4095..=-1 => Err(io::Error::from_raw_os_error(
                i32::try_from(-error).expect("at most 4095"),
            )),
            _ => Ok(result),
        }
    }

    fn go_to_system_call(&mut self) -> io::Result<()> {
        loop {
            let again = self.stop.stopped_for(self.stop.why());
            // Nothing but a stop signal gets through to it, and that goes on to it.
            self.stop = std::mem::replace(&mut self.stop, again).go_to_next_stop(self.pid)?;
            if self.stop.why() == Why::SystemCall {
                return Ok(());
            }
        }
    }

    /// Gives the thread back as it was, still stopped.
    pub fn finish(mut self) -> io::Result<Stop> {
        self.finished = true;
        self.put_back()?;
        Ok(self.stop.stopped_for(self.stopped_for))
    }

    /// Its stack pointer, as it stopped.
    pub(super) fn stack_pointer(&self) -> u64 {
        arch::stack_pointer(&self.lent.registers)
    }

    /// Lets the thread go with a system call that it makes untraced. If it comes back from that, it goes on where it was.
    pub(super) fn let_go_to(mut self, number: i64, arguments: [u64; 6]) -> io::Result<()> {
        self.finished = true;
        let lent = &self.lent;
        let on_its_way = lent.on_its_way();
        let registers = arch::with_system_call(on_its_way, lent.way_back.system_call, number, arguments);
        self.stop.set_registers(registers)?;
        self.stop.set_signal_mask(lent.mask)?;
        if lent.filtering == Filtering::Own {
            ptrace::resume_seccomp(self.stop.tid())?;
        }
        self.stop.stopped_for(self.stopped_for).detach()
    }

    fn put_back(&self) -> io::Result<()> {
        let lent = &self.lent;
        // In this order: it is on its way back until it has its own registers.
        self.stop.set_registers(lent.on_its_way())?;
        self.stop.set_signal_mask(lent.mask)?;
        self.stop.set_registers(lent.registers)?;
        if lent.filtering == Filtering::Own {
            ptrace::resume_seccomp(self.stop.tid())?;
        }
        lent.way_back.remove(&self.memory)
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        if !self.finished {
            // If this fails the thread is gone, and nothing is to be put back.
            let _ = self.put_back();
        }
    }
}

impl Lent {
    fn by(stop: &Stop, pid: i32, memory: &Memory) -> io::Result<Lent> {
        let filtering = Filtering::of(pid, stop.tid());
        if filtering == Filtering::Own {
            ptrace::suspend_seccomp(stop.tid()).map_err(|error| match error.raw_os_error() {
                Some(libc::ESRCH) => error,
                _ => Obstacle::Confined {
                    pid,
                    why: error.to_string(),
                }
                .into(),
            })?;
        }
        let registers = arch::restarted(stop.registers()?);
        let mask = stop.signal_mask()?;
        let lent = Lent {
            registers,
            mask,
            way_back: WayBack::put(pid, memory, &registers, mask)?,
            filtering,
        };
        stop.set_registers(lent.on_its_way())?;
        // No signal may be delivered to the thread while its registers are borrowed.
        stop.set_signal_mask(u64::MAX)?;
        Ok(lent)
    }

    /// Registers with which a thread finds back by itself.
    fn on_its_way(&self) -> GeneralRegisters {
        let mut registers = self.registers;
        arch::set_pc(&mut registers, self.way_back.start);
        registers
    }
}

/// Whether a signal stops the whole process. Nobody looks at what is told of it.
fn stops_processes(signal: i32) -> bool {
    [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU].contains(&signal)
}

/// Takes a thread from the stop within `exec`, or within a call that makes a thread or a process, to the one at its end.
fn leave_call(stop: Stop, pid: i32) -> io::Result<Stop> {
    stop.go_to_next_stop(pid)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::patience::next_stop;
    use super::super::ptrace::seize_alone;
    use super::*;

    const VALUE: usize = 0x5eed_f00d;

    #[test]
    fn a_thread_that_was_lent_has_its_signal_as_it_came() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("started");
        let pid = i32::try_from(child.id()).expect("a process id");
        seize_alone(pid).expect("a child");
        let value = libc::sigval {
            sival_ptr: std::ptr::without_provenance_mut(VALUE),
        };
        // SAFETY: a child of ours gets a signal.
        assert_eq!(unsafe { libc::sigqueue(pid, libc::SIGTRAP, value) }, 0);
        let next = || next_stop(pid, pid, None).expect("traced").expect("no limit");
        let mut stop = next();
        if let Why::Exec(_) = stop.why() {
            stop.resume().expect("it goes on to its signal");
            stop = next();
        }
        assert_eq!(stop.why(), Why::Signal(libc::SIGTRAP));
        let mut remote = Remote::lend(stop, pid).expect("a stopped thread");
        let own = remote.syscall(libc::SYS_getpid, [0; 6]).expect("allowed");
        assert_eq!(own, u64::from(child.id()));
        remote
            .finish()
            .and_then(Stop::resume)
            .expect("it goes on to its signal");
        let stop = next();
        assert_eq!(stop.why(), Why::Signal(libc::SIGTRAP));
        let info = stop.signal_info().expect("of a signal");
        // SAFETY: of this code the information ends with a value.
        let came = (info.si_code, unsafe { info.si_value() }.sival_ptr.addr());
        assert_eq!(came, (libc::SI_QUEUE, VALUE));
        stop.detach().expect("stopped");
        let _ = child.kill();
        child.wait().expect("ended");
    }
}
