//! The ptrace engine: breakpoints and registers, without BPF and without root for one's own child.
//!
//! The plan's tables and the natively compiled decision core are the same as for BPF.

mod breakpoints;
mod displaced;
mod guard;
mod stub;

use std::io;
use std::os::fd::RawFd;

use goinject_probes::native::Core;
use goinject_probes::table::{Counters, Event, Tables, TermCounters, WriterKind};

use self::breakpoints::{Breakpoints, Ground, Refusal, Spot};
use super::code::{CodeError, Others, verify};
use super::provision::{Provision, ProvisionError, WrittenBy, unmap, unused_copies};
use super::stopped::{StoppedThread, commit, hit};
use super::{End, Happened, Session};
use crate::plan::encode::{LoadBias, Loaded, encode};
use crate::plan::{Plan, Site};
use crate::tracee::{Memory, Obstacle, Remote, Report, Spawned, Stop, Tracees, Why, borrow_thread};

pub use self::guard::{COMMAND as GUARD_COMMAND, run as run_guard};

/// Why a target can't be armed with breakpoints.
#[derive(Debug, thiserror::Error)]
pub enum ArmError {
    /// ptrace or the target's memory is out of reach.
    #[error("cannot trace the target: {0}")]
    Trace(io::Error),
    /// The code in memory is not the plan's.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// An instruction can't be run elsewhere, or there is no memory to be had.
    #[error("{0}")]
    Unfit(String),
    /// The program does not handle SIGTRAP, so a breakpoint left behind could kill it.
    #[error(
        "the target has no handler for SIGTRAP, which every Go runtime installs: is it still starting, or not a Go program?"
    )]
    NoTrapHandler,
    /// The guard process did not start.
    #[error("cannot start the process that guards the breakpoints: {0}")]
    Guard(io::Error),
    /// The target ended before it could be armed.
    #[error("the target ended before its Go runtime had started")]
    Ended(End),
}

impl ArmError {
    fn trace(error: io::Error) -> ArmError {
        ArmError::Trace(Obstacle::named(error))
    }
}

impl From<Refusal> for ArmError {
    fn from(refusal: Refusal) -> ArmError {
        match refusal {
            Refusal::NoTrapHandler => ArmError::NoTrapHandler,
            Refusal::Displace(reason) | Refusal::Provision(reason) => ArmError::Unfit(reason),
        }
    }
}

/// A target armed with breakpoints.
pub struct PtraceSession {
    tracees: Tracees,
    memory: Memory,
    breakpoints: Breakpoints,
    core: Core,
    tables: Tables,
    /// Whether goinject started it.
    is_child: bool,
    ended: bool,
}

impl PtraceSession {
    /// Arms a command that was just started. It runs until its Go runtime has installed its signal
    /// handlers, which is before any package is initialised.
    pub fn arm_spawned(
        plan: &Plan,
        bias: LoadBias,
        seed: u64,
        spawned: Spawned,
    ) -> Result<PtraceSession, ArmError> {
        let mut tracees = Tracees::of_spawned(&spawned.stop);
        let stop = run_to_trap_handler(&mut tracees, spawned.stop)?;
        let memory = Memory::open(tracees.pid()).map_err(ArmError::trace)?;
        let spots = spots(plan, bias);
        verify(plan, bias, &memory, Others::None)?;
        let mut remote = tracees.remote(stop, &memory).map_err(ArmError::trace)?;
        let prepared = prepare(plan, bias, &spots, &mut remote).map_err(ArmError::trace)?;
        let stop = remote.finish().map_err(ArmError::trace)?;
        let (loaded, ground) = prepared?;
        let (core, tables) = core(plan, &loaded, seed);
        let breakpoints = Breakpoints::insert(&memory, ground, spots)?;
        stop.resume().map_err(ArmError::trace)?;
        Ok(PtraceSession {
            tracees,
            memory,
            breakpoints,
            core,
            tables,
            is_child: true,
            ended: false,
        })
    }

    /// Arms a running process.
    pub fn arm_attached(plan: &Plan, bias: LoadBias, seed: u64, pid: i32) -> Result<PtraceSession, ArmError> {
        // Its breakpoints, too, would look like a program that was changed.
        Obstacle::if_traced(pid).map_err(ArmError::trace)?;
        let memory = Memory::open(pid).map_err(ArmError::trace)?;
        let spots = spots(plan, bias);
        verify(plan, bias, &memory, Others::None)?;
        let prepared = borrow_thread(pid, |remote| prepare(plan, bias, &spots, remote));
        let (loaded, ground) = prepared.map_err(ArmError::trace)??;
        let (core, tables) = core(plan, &loaded, seed);
        let mut tracees = Tracees::attach(pid).map_err(ArmError::trace)?;
        let stops = tracees.stop_all().map_err(ArmError::trace)?;
        let breakpoints = Breakpoints::insert(&memory, ground, spots)?;
        for stop in stops {
            stop.resume().map_err(ArmError::trace)?;
        }
        Ok(PtraceSession {
            tracees,
            memory,
            breakpoints,
            core,
            tables,
            is_child: false,
            ended: false,
        })
    }

    /// Has a thread that is at one of our breakpoints go on behind it when it is resumed without the
    /// signal; false if it stopped for another reason.
    fn serve(&mut self, stop: &Stop, events: &mut Vec<Event>) -> io::Result<bool> {
        if stop.why() != Why::Signal(libc::SIGTRAP) || !stop.is_from_kernel() {
            return Ok(false);
        }
        let mut registers = stop.registers()?;
        let address = registers.rip.wrapping_sub(1);
        let Some(row) = self.breakpoints.row(address) else {
            return Ok(false);
        };
        let mut hit = hit(&registers, address, row, stop.tid());
        let mut thread = StoppedThread::new(stop, &registers, &self.memory, events);
        self.core.hit(&mut thread, &mut hit);
        thread.commit_floats();
        commit(&hit, &mut registers, self.breakpoints.copy(row));
        // If goinject is killed from here on, the trap is delivered, but nothing is left to do about it.
        stop.mark_signal(stub::SERVED)?;
        stop.set_registers(registers)?;
        Ok(true)
    }

    fn take(&mut self, report: Report, happened: &mut Happened) -> io::Result<()> {
        match report {
            Report::Stopped(stop) => {
                if let Why::Exec(_) = stop.why() {
                    happened.executed = true;
                    self.breakpoints.forget();
                }
                if self.serve(&stop, &mut happened.events).or_else(gone)? {
                    stop.resume_without_signal()?;
                } else {
                    stop.resume()?;
                }
            }
            Report::ThreadGone(_) => {}
            Report::Exited(_, status) => happened.end = Some(End::Exited(status)),
            Report::Killed(_, signal) => happened.end = Some(End::Killed(signal)),
        }
        if happened.end.is_some() {
            self.ended = true;
            self.breakpoints.dismiss_guard();
        }
        Ok(())
    }
}

impl Session for PtraceSession {
    fn pid(&self) -> i32 {
        self.tracees.pid()
    }

    fn wake_fds(&self) -> Vec<RawFd> {
        Vec::new()
    }

    fn advance(&mut self) -> io::Result<Happened> {
        let mut happened = Happened::default();
        while !self.ended
            && let Some(report) = self.tracees.next_ready()?
        {
            self.take(report, &mut happened)?;
        }
        Ok(happened)
    }

    fn counters(&self) -> Vec<Counters> {
        self.core.counters()
    }

    fn term_counters(&self) -> Vec<TermCounters> {
        self.core.term_counters()
    }

    fn tables(&self) -> &Tables {
        &self.tables
    }

    fn dropped_events(&self) -> u64 {
        0
    }

    fn lost_hits(&self) -> u64 {
        0
    }

    fn cease(&mut self) {
        self.core.cease();
    }

    fn disarm(&mut self) -> io::Result<Happened> {
        let mut happened = Happened::default();
        if self.ended {
            return Ok(happened);
        }
        self.core.cease();
        self.breakpoints.lift(&self.memory);
        let mut clean = Vec::new();
        for mut stop in self.tracees.stop_all()? {
            // A thread may have passed a breakpoint and not have reported its trap yet: it runs into its
            // report now, before the stub that would catch the trap is taken away.
            if stop.has_pending_trap() {
                match self.tracees.go_on_to_signal(stop)? {
                    Some(next) => stop = next,
                    None => continue,
                }
            }
            let served = self.serve(&stop, &mut happened.events).or_else(gone)?;
            clean.push(if served { stop.without_signal() } else { stop });
        }
        let unused = unused_copies(&self.core.process(), &self.memory);
        let leave = |remote: &mut Remote<'_>| {
            if !self.breakpoints.are_in(&self.memory) {
                return Ok(());
            }
            self.breakpoints.restore_action(remote)?;
            unused.iter().try_for_each(|unused| unmap(remote, unused))
        };
        // Where processes may only trace their descendants, a deputy could not trace this one.
        let lent = if self.is_child { clean.pop() } else { None };
        // First, so that the stub is there as long as one of them has a trap that the kernel would deliver without us.
        for stop in clean {
            stop.detach()?;
        }
        if let Some(stop) = lent {
            let mut remote = self.tracees.remote(stop, &self.memory)?;
            // Where it is refused the stub stays, which passes on what is not its own.
            let left = leave(&mut remote);
            remote.finish()?.detach()?;
            left?;
        }
        if !self.is_child
            && let Err(error) = borrow_thread(self.tracees.pid(), leave)
            && self.breakpoints.are_in(&self.memory)
        {
            return Err(error);
        }
        self.breakpoints.dismiss_guard();
        self.ended = true;
        while let Some(report) = self.tracees.next_ready()? {
            match report {
                Report::Exited(_, status) => happened.end = Some(End::Exited(status)),
                Report::Killed(_, signal) => happened.end = Some(End::Killed(signal)),
                _ => {}
            }
        }
        Ok(happened)
    }
}

/// The plan's sites in a process.
fn spots(plan: &Plan, bias: LoadBias) -> Vec<Spot> {
    let spot = |site: &Site| Spot {
        address: bias.apply(site.instruction.address),
        bytes: site.instruction.bytes.clone(),
    };
    plan.sites.iter().map(spot).collect()
}

/// All that the target is given, by system calls of one of its threads.
fn prepare(
    plan: &Plan,
    bias: LoadBias,
    spots: &[Spot],
    remote: &mut Remote<'_>,
) -> io::Result<Result<(Loaded, Ground), Refusal>> {
    let ground = match Ground::prepare(remote, spots)? {
        Ok(ground) => ground,
        Err(refusal) => return Ok(Err(refusal)),
    };
    match Provision::of(plan, bias, WrittenBy::Tracer).make(remote) {
        Ok(loaded) => Ok(Ok((loaded, ground))),
        Err(error) => {
            ground.undo(remote)?;
            Ok(Err(Refusal::Provision(ProvisionError::from(error).to_string())))
        }
    }
}

fn core(plan: &Plan, loaded: &Loaded, seed: u64) -> (Core, Tables) {
    let writers = vec![WriterKind::Direct; plan.sites.len()];
    let tables = encode(plan, loaded, seed, &writers);
    let core = Core::new(&tables);
    core.start();
    (core, tables)
}

/// The thread was killed while it was handled; its end is reported by itself.
fn gone(error: io::Error) -> io::Result<bool> {
    if error.raw_os_error() == Some(libc::ESRCH) {
        Ok(false)
    } else {
        Err(error)
    }
}

/// Lets a new program run until it has installed its handler for SIGTRAP.
fn run_to_trap_handler(tracees: &mut Tracees, stop: Stop) -> Result<Stop, ArmError> {
    let main = stop.tid();
    stop.resume_to_system_call().map_err(ArmError::trace)?;
    loop {
        let report = tracees.next_blocking().map_err(ArmError::trace)?;
        let stop = match report {
            Report::Exited(_, status) => return Err(ArmError::Ended(End::Exited(status))),
            Report::Killed(_, signal) => return Err(ArmError::Ended(End::Killed(signal))),
            Report::ThreadGone(_) => continue,
            Report::Stopped(stop) => stop,
        };
        if stop.tid() != main {
            stop.resume().map_err(ArmError::trace)?;
            continue;
        }
        if stop.why() == Why::SystemCall {
            let registers = stop.registers().map_err(ArmError::trace)?;
            // At the entry RAX holds -ENOSYS, at the exit the result.
            let installed = registers.orig_rax == libc::SYS_rt_sigaction as u64
                && registers.rdi == libc::SIGTRAP as u64
                && registers.rsi != 0
                && registers.rax == 0;
            if installed {
                return Ok(stop);
            }
        }
        stop.resume_to_system_call().map_err(ArmError::trace)?;
    }
}
