//! The tracer writer: edits that BPF decided on, made by goinject through ptrace.

use std::cell::RefCell;
use std::io;

use goinject_probes::native::{Core, Hit, Scratch};
use goinject_probes::program::{Pass, Program};
use goinject_probes::table::{self, GKey, Lead, Reason, SITE_RESTART, Site};

use super::tell;
use crate::engine::Events;
use crate::engine::arch::return_address;
use crate::engine::stopped::{StoppedThread, commit, gone, send_back, stack_pointer};
use crate::tracee::arch::pc;
use crate::tracee::{Memory, Stop, Why};

/// `runtime.g` starts with the bounds of its stack, low end first.
const G_STACK_HIGH: u64 = 8;

/// goinject as the tracer of the target's threads. It sets no breakpoint: if it dies, the kernel lets
/// the threads go.
#[derive(Debug)]
pub(super) struct Tracer {
    pid: i32,
    memory: Memory,
    events: Events,
}

impl Tracer {
    pub(super) fn new(pid: i32, events: &Events) -> io::Result<Tracer> {
        Ok(Tracer {
            pid,
            memory: Memory::open(pid)?,
            events: Events::clone(events),
        })
    }

    /// Makes the edits that wait for a stopped thread, and lets it go on.
    pub(super) fn stopped(&self, stop: Stop, program: &Program, core: &RefCell<Core>) -> io::Result<()> {
        self.edit(stop, program, core)?.resume()
    }

    /// Makes the edits that wait for a stopped thread, if any do. A thread that was killed meanwhile needs none.
    /// The signal goes on to the target even if it was ours: one of Go's own preemption signals may have been merged into
    /// it, and Go waits for the answer to that. A fault of the probed instruction does not: it runs again, with other
    /// values.
    pub(super) fn edit(&self, stop: Stop, program: &Program, core: &RefCell<Core>) -> io::Result<Stop> {
        let mut events = Vec::new();
        let edited = self.make_edits(&stop, program, &mut core.borrow_mut(), &mut events);
        tell(&self.events, self.pid, events);
        let edited = edited.or_else(gone)?;
        Ok(match edited && is_fault(stop.why()) {
            true => stop.without_signal(),
            false => stop,
        })
    }

    /// Whether any were made.
    fn make_edits(
        &self,
        stop: &Stop,
        program: &Program,
        core: &mut Core,
        events: &mut Vec<table::Event>,
    ) -> io::Result<bool> {
        let faulted = is_fault(stop.why());
        if !faulted && stop.why() != Why::Signal(libc::SIGURG) {
            return Ok(false);
        }
        let Some(scratch) = program.waiting(stop.tid().cast_unsigned()) else {
            return Ok(false);
        };
        let mut registers = stop.registers()?;
        // The probed instruction faulted by itself, before the signal that was to follow it.
        let is_before = faulted && pc(&registers) == scratch.hit.pc;
        if faulted && !is_before {
            return Ok(false);
        }
        program.forget(stop.tid().cast_unsigned());
        let Some(site) = core.site(&scratch) else {
            return Ok(false);
        };
        let mut thread = StoppedThread::new(stop, &registers, &self.memory, events);
        if !is_before && !self.has_left(&site, &scratch, pc(&registers)) {
            core.abandon(&mut thread, &scratch, Reason::WrongPc);
            return Ok(false);
        }
        let hit = core.perform(&mut thread, &scratch);
        if hit.edited == 0 {
            return Ok(false);
        }
        if (is_before || site.flags & SITE_RESTART != 0) && hit.redirected == 0 {
            self.let_pass(program, &hit)?;
            send_back(&hit, &mut registers);
        } else {
            let resume_at = pc(&registers);
            commit(&hit, &mut registers, resume_at);
        }
        stop.set_registers(registers).map(|()| true)
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
            _ => return_address(&scratch.hit, &self.memory).is_ok_and(|to| pc == to),
        }
    }

    /// Has the probe let a goroutine pass that is sent back to run the probed instruction again.
    fn let_pass(&self, program: &Program, hit: &Hit) -> io::Result<()> {
        let high = self.memory.word(hit.g + G_STACK_HIGH)?;
        let depth = high.wrapping_sub(stack_pointer(hit));
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

/// Whether a thread stopped for what its own instruction did.
fn is_fault(why: Why) -> bool {
    matches!(why, Why::Signal(libc::SIGSEGV | libc::SIGBUS | libc::SIGFPE))
}
