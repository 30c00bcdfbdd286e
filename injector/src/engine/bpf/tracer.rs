//! The tracer writer: edits that BPF decided on, made by goinject through ptrace.

use std::io;

use goinject_probes::native::{Core, Hit, Scratch};
use goinject_probes::program::{Pass, Program};
use goinject_probes::table::{GKey, GeneralRegister, Lead, Reason, SITE_RESTART, Site};

use crate::engine::stopped::{StoppedThread, commit, send_back};
use crate::engine::{End, Happened};
use crate::tracee::{Memory, Report, Stop, Tracees, Why};

/// `runtime.g` starts with the bounds of its stack, low end first.
const G_STACK_HIGH: u64 = 8;

/// goinject as the tracer of the target's threads. It sets no breakpoint: if it dies, the kernel lets
/// the threads go.
#[derive(Debug)]
pub(super) struct Tracer {
    tracees: Tracees,
    memory: Memory,
    core: Core,
}

impl Tracer {
    pub(super) fn new(tracees: Tracees, program: &Program) -> io::Result<Tracer> {
        let memory = Memory::open(tracees.pid())?;
        Ok(Tracer {
            tracees,
            memory,
            core: program.core().map_err(io::Error::other)?,
        })
    }

    /// Handles every stop that is due.
    pub(super) fn advance(&mut self, program: &Program, happened: &mut Happened) -> io::Result<()> {
        while happened.end.is_none()
            && let Some(report) = self.tracees.next_ready()?
        {
            self.take(report, program, happened)?;
        }
        Ok(())
    }

    /// Makes the edits that still wait and lets every thread go.
    pub(super) fn release(mut self, program: &Program, happened: &mut Happened) -> io::Result<()> {
        let stops = self.tracees.stop_all()?;
        for stop in &stops {
            self.edit(stop, program, happened).or_else(gone)?;
        }
        for stop in stops {
            stop.detach()?;
        }
        while let Some(report) = self.tracees.next_ready()? {
            self.take(report, program, happened)?;
        }
        Ok(())
    }

    fn take(&mut self, report: Report, program: &Program, happened: &mut Happened) -> io::Result<()> {
        match report {
            Report::Stopped(stop) => {
                happened.executed |= matches!(stop.why(), Why::Exec(_));
                self.edit(&stop, program, happened).or_else(gone)?;
                // The signal goes on to the target even if it was ours: one of Go's own preemption
                // signals may have been merged into it, and Go waits for the answer to that.
                stop.resume()?;
            }
            Report::ThreadGone(tid) => program.forget(tid.cast_unsigned()),
            Report::Exited(_, status) => happened.end = Some(End::Exited(status)),
            Report::Killed(_, signal) => happened.end = Some(End::Killed(signal)),
        }
        Ok(())
    }

    /// Makes the edits that wait for a stopped thread, if any do.
    fn edit(&mut self, stop: &Stop, program: &Program, happened: &mut Happened) -> io::Result<()> {
        if stop.why() != Why::Signal(libc::SIGURG) {
            return Ok(());
        }
        let Some(scratch) = program.waiting(stop.tid().cast_unsigned()) else {
            return Ok(());
        };
        program.forget(stop.tid().cast_unsigned());
        let mut registers = stop.registers()?;
        let Some(site) = self.core.site(&scratch) else {
            return Ok(());
        };
        let mut thread = StoppedThread::new(stop, &registers, &self.memory, &mut happened.events);
        if !self.has_left(&site, &scratch, registers.rip) {
            self.core.abandon(&mut thread, &scratch, Reason::WrongPc);
            return Ok(());
        }
        let hit = self.core.perform(&mut thread, &scratch);
        if hit.edited == 0 {
            return Ok(());
        }
        thread.commit_floats();
        if site.flags & SITE_RESTART != 0 && hit.redirected == 0 {
            self.let_pass(program, &hit)?;
            send_back(&hit, &mut registers);
        } else {
            let pc = registers.rip;
            commit(&hit, &mut registers, pc);
        }
        stop.set_registers(registers)
    }

    /// Whether a thread stands where the probed instruction leads.
    fn has_left(&self, site: &Site, scratch: &Scratch, pc: u64) -> bool {
        let from = scratch.hit.pc;
        let next = from + u64::from(site.length);
        let target = from.wrapping_add_signed(i64::from(site.displacement));
        match site.lead {
            lead if lead == Lead::Next as u8 => pc == next,
            lead if lead == Lead::Branch as u8 => pc == next || pc == target,
            lead if lead == Lead::Target as u8 => pc == target,
            _ => self
                .memory
                .word(scratch.hit.registers[GeneralRegister::Rsp as usize])
                .is_ok_and(|to| pc == to),
        }
    }

    /// Has the probe let a goroutine pass that is sent back to run the probed instruction again.
    fn let_pass(&self, program: &Program, hit: &Hit) -> io::Result<()> {
        let high = self.memory.word(hit.g + G_STACK_HIGH)?;
        let depth = high.wrapping_sub(hit.registers[GeneralRegister::Rsp as usize]);
        let pass = Pass {
            depth,
            site: hit.site,
            padding: 0,
        };
        let goroutine = GKey {
            g: hit.g,
            process: hit.serial,
            padding: 0,
        };
        program.let_pass(goroutine, pass).map_err(io::Error::other)
    }
}

fn gone(error: io::Error) -> io::Result<()> {
    if error.raw_os_error() == Some(libc::ESRCH) {
        Ok(())
    } else {
        Err(error)
    }
}
