//! Sites of a process that no writer of BPF's serves: they have breakpoints, and the core decides over the rows of the BPF program.

use std::io;

use goinject_probes::table::WriterKind;

use super::{ArmError, LoadedProgram, Setup, tell};
use crate::engine::breakpoints::{Breakpoints, Ground, LEFT, Spot};
use crate::engine::stopped::gone;
use crate::engine::{Events, Leftover};
use crate::plan::Plan;
use crate::plan::encode::LoadBias;
use crate::tracee::{Family, Memory, Remote, Stop};

/// The sites of a process that have breakpoints. Most processes have none.
pub(super) struct Served {
    pid: i32,
    /// Whether it descends from goinject.
    is_child: bool,
    /// What the program's rows call the process.
    serial: u32,
    events: Events,
    /// Those to be put in.
    spots: Vec<Spot>,
    breakpoints: Option<Breakpoints>,
}

impl Served {
    pub(super) fn new(
        (plan, bias): (&Plan, LoadBias),
        setup: &Setup<'_>,
        (pid, serial): (i32, u32),
        events: &Events,
    ) -> Served {
        Served {
            pid,
            is_child: setup.is_child,
            serial,
            events: Events::clone(events),
            spots: Spot::of(plan, bias, |site| setup.writers[site] == WriterKind::Direct),
            breakpoints: None,
        }
    }

    /// Whether breakpoints have yet to be put in.
    pub(super) fn waits(&self) -> bool {
        !self.spots.is_empty()
    }

    /// Puts them in, by a thread of the process, while every other one is stopped, too.
    pub(super) fn insert(
        &mut self,
        stop: Stop,
        family: &mut Family,
        memory: &Memory,
    ) -> Result<Stop, ArmError> {
        let spots = std::mem::take(&mut self.spots);
        if spots.is_empty() {
            return Ok(stop);
        }
        let mut remote = family.remote(self.pid, stop).map_err(ArmError::Trace)?;
        let ground = Ground::prepare(&mut remote, &spots);
        let stop = remote.finish().map_err(ArmError::Trace)?;
        let ground = ground.map_err(ArmError::Trace)??;
        self.breakpoints = Some(Breakpoints::insert(memory, self.pid, ground, spots)?);
        Ok(stop)
    }

    /// Has a thread that is at one of the breakpoints go on behind it when it is resumed without the signal; false if it
    /// stopped for another reason.
    pub(super) fn serve(&self, stop: &Stop, loaded: &LoadedProgram, memory: &Memory) -> io::Result<bool> {
        let Some(breakpoints) = &self.breakpoints else {
            return Ok(false);
        };
        let mut events = Vec::new();
        let served = breakpoints.serve(stop, memory, &mut events, |thread, hit| {
            hit.serial = self.serial;
            loaded.core.borrow_mut().hit(thread, hit);
        });
        tell(&self.events, self.pid, events);
        served.or_else(gone)
    }

    /// Has a signal that takes a sample for a profile find the thread where the program knows it to be.
    pub(super) fn show_place(&self, stop: &Stop) -> io::Result<()> {
        if let Some(breakpoints) = &self.breakpoints {
            breakpoints.show_place(stop).or_else(gone)?;
        }
        Ok(())
    }

    /// Stopped threads, none with a breakpoint's trap to be told of.
    pub(super) fn clean(
        &self,
        stops: Vec<Stop>,
        family: &mut Family,
        loaded: &LoadedProgram,
        memory: &Memory,
    ) -> io::Result<Vec<Stop>> {
        match &self.breakpoints {
            Some(breakpoints) => {
                breakpoints.clean(stops, family, &mut |stop| self.serve(stop, loaded, memory))
            }
            None => Ok(stops),
        }
    }

    pub(super) fn has_breakpoints(&self) -> bool {
        self.breakpoints.is_some()
    }

    /// Takes the breakpoints out. Threads may be anywhere.
    pub(super) fn lift(&self, memory: &Memory) -> io::Result<()> {
        self.breakpoints
            .as_ref()
            .map_or(Ok(()), |breakpoints| breakpoints.lift(memory))
    }

    /// Takes them out of a copy of the process.
    pub(super) fn forked(&self, child: i32) -> io::Result<()> {
        match &self.breakpoints {
            Some(breakpoints) => breakpoints.lift(&Memory::open(child)?),
            None => Ok(()),
        }
    }

    /// Gives SIGSEGV back its former action, once no thread can have a trap pending.
    pub(super) fn restore_action(&self, remote: &mut Remote) -> io::Result<()> {
        match &self.breakpoints {
            Some(breakpoints) => breakpoints.restore_action(remote),
            None => Ok(()),
        }
    }

    /// The thread that gives SIGSEGV back its action when all others have been let go: where processes may only trace their
    /// descendants, a deputy could not trace this one.
    pub(super) fn lent(&self, stops: &mut Vec<Stop>) -> Option<Stop> {
        let is_lent = self.breakpoints.is_some() && self.is_child;
        is_lent.then(|| stops.pop()).flatten()
    }

    /// Has the process, which has been let go but for the thread that is lent, be as it was.
    pub(super) fn leave(&mut self, lent: Option<Stop>, family: &Family, memory: &Memory) -> Option<Leftover> {
        let mut breakpoints = self.breakpoints.take()?;
        let left = breakpoints.leave(lent, self.is_child, (family, memory), |_| Ok(()));
        Leftover::of(LEFT, left).filter(|_| breakpoints.are_in(memory))
    }

    pub(super) fn thread_gone(&self, tid: i32) {
        if let Some(breakpoints) = &self.breakpoints {
            breakpoints.thread_gone(tid);
        }
    }

    /// None is left to guard.
    pub(super) fn gone(&mut self) {
        if let Some(mut breakpoints) = self.breakpoints.take() {
            breakpoints.dismiss_guard();
        }
    }
}
