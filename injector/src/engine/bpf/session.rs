//! A process with uprobes: from when it is armed until it is let go.

use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use goinject_probes::program::{ProcessRows, Removed};
use goinject_probes::table::TermCounters;

use super::served::Served;
use super::tracer::Tracer;
use super::{ArmError, Former, LoadedProgram};
use crate::engine::looks::Looks;
use crate::engine::provision::{give_back, have_scanned, unmap, unused_copies};
use crate::engine::starting::{Awaited, take_stop};
use crate::engine::supply::Supply;
use crate::engine::{Generation, Kept, Leftover, Retired, Session, SessionError, State};
use crate::plan::Plan;
use crate::plan::encode::Loaded;
use crate::tracee::{Family, Memory, Stop};

/// How often what dead threads left behind is looked for.
const SWEEP: Duration = Duration::from_secs(1);
/// How long the signals of begun edits may take when a process is let go.
const SETTLING: Duration = Duration::from_secs(2);
/// As many threads may leave something behind before it is.
const LEFT_BEHIND: usize = 512;

/// A process with uprobes.
pub struct BpfSession {
    pub(super) pid: i32,
    pub(super) plan: Rc<Plan>,
    pub(super) generation: Rc<Generation>,
    pub(super) loaded: Rc<LoadedProgram>,
    /// None once they were given back.
    pub(super) rows: Option<ProcessRows>,
    pub(super) removed: Removed,
    pub(super) tracer: Option<Tracer>,
    /// That of the program which was armed.
    pub(super) memory: Memory,
    pub(super) swept: Instant,
    pub(super) starting: Option<Starting>,
    pub(super) supply: Option<Supply>,
    pub(super) served: Served,
}

/// A program that must be given something once its runtime is set up: breakpoints, or values to come which its garbage
/// collector must be told of.
pub(super) struct Starting {
    pub(super) loaded: Loaded,
    /// Whether goinject goes on tracing it.
    pub(super) stays: bool,
}

impl Drop for BpfSession {
    fn drop(&mut self) {
        self.remove();
    }
}

impl BpfSession {
    /// Makes room where threads have ended: the table of threads is as large as no program should need
    /// at one time, but a long run may see many come and go.
    fn sweep(&mut self) {
        if self.swept.elapsed() < SWEEP {
            return;
        }
        self.swept = Instant::now();
        let program = &self.loaded.program;
        let threads = program.threads();
        if threads.len() < LEFT_BEHIND {
            return;
        }
        for tid in threads {
            if !Path::new(&format!("/proc/{}/task/{tid}", self.pid)).exists() {
                program.forget(tid);
            }
        }
    }

    /// Every thread, stopped, once the edits that the program has begun are made. A thread that stopped with the signal of its
    /// edit still before it goes on for a moment.
    pub(super) fn stop_settled(
        &self,
        family: &mut Family,
        rows: Option<&ProcessRows>,
    ) -> io::Result<Vec<Stop>> {
        let mut looks = Looks::within(SETTLING);
        loop {
            let stops = family.stop_all(self.pid, &mut |stop| self.serve(stop))?;
            let stops = self.all_edited(self.served.clean(stops, family, &self.loaded, &self.memory)?)?;
            let waits = rows.is_some_and(|rows| self.loaded.program.has_begun_edits(rows));
            let Some(pause) = looks.next().filter(|_| waits) else {
                return Ok(stops);
            };
            family.go_on_for(self.pid, stops, pause, &mut |stop| self.serve(stop))?;
        }
    }

    /// Puts in the breakpoints that the process needs, now that its threads are stopped, and lets them go on.
    pub(super) fn insert_and_resume(
        &mut self,
        mut stops: Vec<Stop>,
        family: &mut Family,
    ) -> Result<(), ArmError> {
        let Some(stop) = stops.pop() else {
            return Ok(());
        };
        let tid = stop.tid();
        let inserted = self.served.insert(stop, family, &self.memory);
        // Where that failed, it is still stopped.
        stops.push(Stop::again(tid));
        for stop in stops {
            stop.resume().map_err(ArmError::Trace)?;
        }
        inserted.map(drop)
    }

    /// Stopped threads, with the edits made that wait for them.
    fn all_edited(&self, stops: Vec<Stop>) -> io::Result<Vec<Stop>> {
        let LoadedProgram { program, core } = &*self.loaded;
        match &self.tracer {
            Some(tracer) => stops
                .into_iter()
                .map(|stop| tracer.edit(stop, program, core))
                .collect(),
            None => Ok(stops),
        }
    }

    /// Gives a program whose runtime has just been set up what had to wait for that.
    fn arm_started(&mut self, stop: Stop, family: &mut Family) -> Result<(), ArmError> {
        let Some(starting) = self.starting.take() else {
            return stop.resume().map_err(ArmError::Trace);
        };
        if self.plan.makes_scanned_copies() {
            self.have_scanned(starting.loaded);
        }
        let stop = self.served.insert(stop, family, &self.memory)?;
        match starting.stays {
            true => stop.resume().map_err(ArmError::Trace),
            false => family.let_go_and_watch(stop, true).map_err(ArmError::Trace),
        }
    }

    /// Tells the program's garbage collector of the values to come. Where that can't be done, none is made, and each that was to
    /// be is counted as failed.
    fn have_scanned(&mut self, mut given: Loaded) {
        if let Some(supply) = &self.supply {
            given.supplied = supply.end();
        }
        if let (Ok(()), Some(rows)) = (have_scanned(&self.plan, &mut given, &self.memory), &self.rows) {
            self.loaded.program.have_scanned(rows, given.marks_base());
            self.supply.iter_mut().for_each(Supply::is_scanned_now);
        }
    }

    /// Makes the edits that wait for a stopped thread, where they are ours to make, and lets it go on.
    fn serve(&self, stop: Stop) -> io::Result<()> {
        if self.served.serve(&stop, &self.loaded, &self.memory)? {
            return stop.resume_without_signal();
        }
        self.served.show_place(&stop)?;
        match &self.tracer {
            Some(tracer) => tracer.stopped(stop, &self.loaded.program, &self.loaded.core),
            None => stop.resume(),
        }
    }

    /// Has all probes pass at once; they come off in the background.
    fn remove(&mut self) {
        if let Some(rows) = self.rows.take() {
            self.removed = self.loaded.program.remove(rows);
        }
    }
}

impl Session for BpfSession {
    fn state(&self) -> State {
        State::Armed
    }

    fn stopped(&mut self, stop: Stop, family: &mut Family) -> Result<(), SessionError> {
        self.sweep();
        self.supply();
        let pid = self.pid;
        match self.starting.is_some() {
            true => {
                let is_over = Awaited::traps().is_over(pid, &stop, &self.plan, &self.memory, family)?;
                take_stop(pid, stop, is_over, |stop| self.arm_started(stop, family))
            }
            false => Ok(self.serve(stop)?),
        }
    }

    fn supply(&mut self) {
        let program = &self.loaded.program;
        if let (Some(supply), Some(rows)) = (&mut self.supply, &self.rows) {
            while let Some(end) = supply.more(&program.process(rows), &self.memory) {
                program.supply_copies(rows, end);
            }
        }
    }

    fn thread_gone(&mut self, tid: i32) {
        self.loaded.program.forget(tid.cast_unsigned());
        self.served.thread_gone(tid);
    }

    fn forked(&mut self, child: i32) -> io::Result<()> {
        self.served.forked(child)
    }

    fn gone(&mut self) {
        self.served.gone();
        if let Some(rows) = &self.rows {
            self.loaded.program.forget_threads(rows);
        }
        self.remove();
    }

    fn retire(&mut self, _: Option<&Plan>, family: &mut Family) -> io::Result<Retired> {
        let (loaded, Some(rows)) = (Rc::clone(&self.loaded), self.rows.take()) else {
            return Ok(Retired::default());
        };
        let program = &loaded.program;
        program.disarm(&rows);
        let mut stops = Vec::new();
        if family.traces(self.pid) {
            stops = self.stop_settled(family, Some(&rows))?;
        } else {
            program.settle(&rows, SETTLING);
        }
        let term_counters = program.term_counters(&rows);
        // No thread is in a probe while all are stopped. Where they are not, it is kept until the process ends.
        let unused = unused_copies(&program.process(&rows), &self.memory);
        let lifted = self.served.lift(&self.memory);
        if (unused.is_some() || self.served.has_breakpoints())
            && let Some(stop) = stops.pop()
        {
            let mut remote = family.remote(self.pid, stop)?;
            let left = self
                .served
                .restore_action(&mut remote)
                .and_then(|()| unused.iter().try_for_each(|unused| unmap(&mut remote, unused)));
            stops.push(remote.finish()?);
            left?;
        }
        // The guard tries once more.
        lifted?;
        self.served.gone();
        Ok(Retired {
            stops,
            is_starting: self.starting.is_some(),
            without: None,
            term_counters,
            kept: Some(Kept {
                plan: Rc::clone(&self.plan),
                generation: Rc::clone(&self.generation),
                serial: rows.serial(),
                entries: None,
                _former: Some(Former {
                    rows: Some(rows),
                    loaded,
                }),
            }),
        })
    }

    fn let_go(&mut self, family: &mut Family) -> io::Result<Option<Leftover>> {
        let program = &self.loaded.program;
        if let Some(rows) = &self.rows {
            program.disarm(rows);
            if self.tracer.is_none() && !family.traces(self.pid) {
                program.settle(rows, SETTLING);
            }
        }
        let lifted = self.served.lift(&self.memory);
        let mut left = None;
        if family.traces(self.pid) {
            let mut stops = self.stop_settled(family, self.rows.as_ref())?;
            let lent = self.served.lent(&mut stops);
            family.let_go(self.pid, stops)?;
            // The guard tries once more.
            lifted?;
            left = self.served.leave(lent, family, &self.memory);
        }
        self.remove();
        let Some(unused) = unused_copies(&self.removed.process, &self.memory) else {
            return Ok(left);
        };
        // No probe may still be handing it out.
        self.loaded.program.finish();
        Ok(left.or(give_back(&unused, &self.memory, self.pid)))
    }

    fn term_counters(&self) -> Vec<TermCounters> {
        match &self.rows {
            Some(rows) => self.loaded.program.term_counters(rows),
            None => self.removed.term_counters.clone(),
        }
    }
}
