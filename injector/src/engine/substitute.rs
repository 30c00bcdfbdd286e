//! The inline engine, with breakpoints for processes that can't have jumps.
//!
//! Whether a process can have jumps shows only when it is armed: it may be refused memory for what is shared or for code, or be
//! at the places of jumps each time that goinject looks. The rules of one run then act by both engines, and there is one run:
//! its counters, limits and generations are in the memory that the inline engine's targets share. The first process is not given
//! breakpoints: as long as there is no other, the run can have the next engine that serves it, which may need no memory for code.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::Duration;

use goinject_probes::native::Run;
use goinject_probes::table::TermCounters;
use goinject_rules::model::Limits;

use super::inline::{InlineEngine, without_advice};
use super::ptrace::PtraceEngine;
use super::select::Fit;
use super::{
    ArmError, Engine, Event, Generation, Leftover, NoRoom, Retired, Session, SessionError, Start, State,
    Subject, Tally, Untold,
};
use crate::plan::Plan;
use crate::plan::encode::{LoadBias, Numbering};
use crate::tracee::{Family, Follow, Stop};

/// Jumps in every process of a run that can have them, and breakpoints in the others.
pub struct SubstituteEngine {
    generation: Rc<Generation>,
    inline: InlineEngine,
    breakpoints: Rc<RefCell<Breakpoints>>,
    /// How many processes it was to arm.
    asked: Rc<Cell<usize>>,
}

/// The engine of the other processes.
struct Breakpoints {
    engine: PtraceEngine,
    /// The processes that have or had breakpoints in place of jumps, while the run goes on.
    processes: BTreeSet<i32>,
    /// There was no memory to share, so the run is in goinject's own, where jumps can't reach it.
    alone: Rc<Cell<bool>>,
}

impl SubstituteEngine {
    /// With the seed of every chance decision, and how many events of each rule are taken.
    ///
    /// # Errors
    /// The kernel has no timer.
    pub fn new(seed: u64, numbering: &Numbering, event_limit: u64) -> io::Result<SubstituteEngine> {
        let inline = InlineEngine::new(seed, numbering.clone(), event_limit)?;
        let begin = inline.beginning();
        let alone = Rc::new(Cell::new(false));
        let is_alone = Rc::clone(&alone);
        let engine = PtraceEngine::of_run(seed, numbering.clone(), move |tables| {
            begin(tables).unwrap_or_else(|_| {
                is_alone.set(true);
                Rc::new(Run::new(tables))
            })
        });
        let processes = BTreeSet::new();
        let breakpoints = Breakpoints {
            engine,
            processes,
            alone,
        };
        Ok(SubstituteEngine {
            generation: Rc::new(Generation::first()),
            inline,
            breakpoints: Rc::new(RefCell::new(breakpoints)),
            asked: Rc::default(),
        })
    }
}

/// Why a process can't have jumps, if that is what is wrong.
pub fn why_no_jumps(error: &ArmError) -> Option<String> {
    match error {
        ArmError::Inline(error) if error.is_of_jumps() => Some(without_advice(&error.to_string()).to_owned()),
        _ => None,
    }
}

impl Engine for SubstituteEngine {
    fn arm(&mut self, subject: Subject<'_>, family: &mut Family) -> Result<Box<dyn Session>, ArmError> {
        let pid = match &subject.start {
            Start::Executed(stop) => stop.tid(),
            Start::Running(pid) | Start::Retired { pid, .. } => *pid,
        };
        self.asked.set(self.asked.get() + 1);
        let mut breakpoints = self.breakpoints.borrow_mut();
        let had_them = breakpoints.processes.contains(&pid) && matches!(subject.start, Start::Retired { .. });
        if *subject.fit != Fit::Inline || had_them || breakpoints.alone.get() {
            return breakpoints.engine.arm(subject, family);
        }
        breakpoints.processes.remove(&pid);
        let mut session = SubstituteSession {
            pid,
            plan: Rc::clone(subject.plan),
            fit: subject.fit.clone(),
            bias: subject.bias,
            follow: subject.follow,
            is_child: subject.is_child || matches!(subject.start, Start::Executed(_)),
            breakpoints: Rc::clone(&self.breakpoints),
            asked: Rc::clone(&self.asked),
            session: None,
            why: None,
        };
        drop(breakpoints);
        let Subject {
            start,
            plan,
            fit,
            bias,
            follow,
            is_child,
        } = subject;
        let subject = |start| Subject {
            plan,
            fit,
            bias,
            start,
            follow,
            is_child,
        };
        let mut retired = None;
        let armed = match start {
            Start::Retired {
                retired: mut left, ..
            } => {
                let armed = self
                    .inline
                    .arm_retired(&subject(Start::Running(pid)), pid, &mut left, family);
                retired = Some(left);
                armed
            }
            start => self.inline.arm(subject(start), family),
        };
        let error = match armed {
            Ok(armed) => {
                session.session = Some(armed);
                return Ok(Box::new(session));
            }
            Err(error) => error,
        };
        match (why_no_jumps(&error), retired) {
            (Some(_), None) if session.is_only_one() => return Err(error),
            (Some(why), None) => {
                session.substitute(why, |engine, subject| engine.arm(subject, family))?;
            }
            (Some(why), Some(retired)) => session.substitute(why, |engine, subject| {
                let start = Start::Retired { pid, retired };
                engine.arm(Subject { start, ..subject }, family)
            })?,
            (None, retired) => {
                for stop in retired.map(|retired| retired.stops).unwrap_or_default() {
                    // One that is gone is told of by its end.
                    let _ = stop.resume();
                }
                return Err(error);
            }
        }
        Ok(Box::new(session))
    }

    fn turn(&mut self, kept: &[Option<usize>], limits: &Limits) -> Result<(), NoRoom> {
        let mut breakpoints = self.breakpoints.borrow_mut();
        let run = match breakpoints.alone.get() {
            true => breakpoints.engine.run(),
            false => self.inline.run(),
        };
        self.inline.settle();
        self.generation = Rc::new(self.generation.next(kept, limits, run.as_deref())?);
        self.inline.settle();
        self.inline.take_over(&self.generation);
        breakpoints.engine.take_over(&self.generation);
        Ok(())
    }

    fn generation(&self) -> &Generation {
        &self.generation
    }

    fn tally(&self) -> Tally {
        let breakpoints = self.breakpoints.borrow();
        match breakpoints.alone.get() {
            true => breakpoints.engine.tally(),
            false => self.inline.tally(),
        }
    }

    fn extend(&self, lease: Duration) {
        let breakpoints = self.breakpoints.borrow();
        match breakpoints.alone.get() {
            true => breakpoints.engine.extend(lease),
            false => self.inline.extend(lease),
        }
    }

    fn take_events(&mut self) -> Vec<Event> {
        let mut events = self.inline.take_events();
        events.extend(self.breakpoints.borrow_mut().engine.take_events());
        events.sort_by_key(|event| event.row.time);
        events
    }

    fn take_untold(&mut self) -> Vec<Untold> {
        self.inline.take_untold()
    }

    fn wake_fds(&self) -> Vec<RawFd> {
        self.inline.wake_fds()
    }
}

/// A process that is to have jumps, or breakpoints if it can't have them.
struct SubstituteSession {
    pid: i32,
    plan: Rc<Plan>,
    fit: Fit,
    bias: LoadBias,
    follow: Follow,
    is_child: bool,
    breakpoints: Rc<RefCell<Breakpoints>>,
    /// How many processes the engine was to arm so far.
    asked: Rc<Cell<usize>>,
    /// None where neither engine could arm the process.
    session: Option<Box<dyn Session>>,
    /// Why it has breakpoints.
    why: Option<String>,
}

impl SubstituteSession {
    /// Whether the run has no other process whose rules act or acted.
    fn is_only_one(&self) -> bool {
        self.asked.get() == 1
    }

    /// Has the process armed with breakpoints.
    fn substitute(
        &mut self,
        why: String,
        arm: impl FnOnce(&mut PtraceEngine, Subject<'_>) -> Result<Box<dyn Session>, ArmError>,
    ) -> Result<(), ArmError> {
        let mut breakpoints = self.breakpoints.borrow_mut();
        self.session = None;
        let subject = Subject {
            plan: &self.plan,
            fit: &self.fit,
            bias: self.bias,
            start: Start::Running(self.pid),
            follow: self.follow,
            is_child: self.is_child,
        };
        self.session = Some(arm(&mut breakpoints.engine, subject)?);
        breakpoints.processes.insert(self.pid);
        self.why = Some(why);
        Ok(())
    }
}

impl Session for SubstituteSession {
    fn state(&self) -> State {
        let session = self.session.as_ref();
        session.map_or(State::Starting, |session| session.state())
    }

    fn stopped(&mut self, stop: Stop, family: &mut Family) -> Result<(), SessionError> {
        let Some(session) = &mut self.session else {
            return Ok(stop.resume()?);
        };
        let tid = stop.tid();
        let error = match session.stopped(stop, family) {
            Err(SessionError::Arm(error)) => error,
            other => return other,
        };
        let Some(why) = why_no_jumps(&error).filter(|_| !self.is_only_one()) else {
            return Err(error.into());
        };
        // Its runtime has just been set up.
        let stop = Stop::again(tid);
        Ok(self.substitute(why, |engine, subject| engine.arm_started(&subject, stop, family))?)
    }

    fn supply(&mut self) {
        self.session.iter_mut().for_each(|session| session.supply());
    }

    fn thread_gone(&mut self, tid: i32) {
        self.session
            .iter_mut()
            .for_each(|session| session.thread_gone(tid));
    }

    fn forked(&mut self, child: i32) -> io::Result<()> {
        self.session
            .as_mut()
            .map_or(Ok(()), |session| session.forked(child))
    }

    fn gone(&mut self) {
        self.breakpoints.borrow_mut().processes.remove(&self.pid);
        self.session.iter_mut().for_each(|session| session.gone());
    }

    fn retire(&mut self, next: Option<&Plan>, family: &mut Family) -> io::Result<Retired> {
        let session = self.session.as_mut();
        session.map_or_else(|| Ok(Retired::default()), |session| session.retire(next, family))
    }

    fn let_go(&mut self, family: &mut Family) -> io::Result<Option<Leftover>> {
        match &mut self.session {
            Some(session) => session.let_go(family),
            None => {
                let stops = family.stop_all(self.pid, &mut Stop::resume)?;
                family.let_go(self.pid, stops)?;
                Ok(None)
            }
        }
    }

    fn term_counters(&self) -> Vec<TermCounters> {
        let session = self.session.as_ref();
        session.map_or_else(Vec::new, |session| session.term_counters())
    }

    fn why_breakpoints(&self) -> Option<&str> {
        self.why.as_deref()
    }
}
