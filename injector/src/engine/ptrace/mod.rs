//! The ptrace engine: breakpoints and registers, without BPF and without root for one's own child.
//!
//! The plan's tables and the natively compiled decision core are the same as for BPF.

use std::cell::{OnceCell, RefCell};
use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::Duration;

use goinject_probes::native::{Core, Run};
use goinject_probes::table::{Tables, TermCounters, WriterKind};
use goinject_rules::model::Limits;
use serde::{Deserialize, Serialize};

use super::breakpoints::{Breakpoints, Ground, InsertError, LEFT, Refusal, Spot};
use super::code::{CodeError, Others, verify};
use super::core_dumps::{Dumped, end_with_dump, is_about_to_dump};
use super::provision::{Provision, ProvisionError, WrittenBy, unmap, unused_copies, words_for_copies};
use super::starting::{Awaited, take_stop};
use super::stopped::gone;
use super::supply::Supply;
use super::whereabouts::{Code, is_thread_within};
use super::{
    Engine, Event, Events, Generation, Kept, Leftover, NoRoom, Retired, Session, SessionError, Start, State,
    Subject, Tally,
};
use crate::plan::Plan;
use crate::plan::encode::{LoadBias, Loaded, Numbering, encode};
use crate::tracee::{Family, Follow, Memory, Obstacle, Remote, Stop, borrow_thread};

/// Why a target can't be armed with breakpoints.
#[derive(Debug, thiserror::Error)]
pub enum ArmError {
    /// ptrace or the target's memory is out of reach.
    #[error("cannot trace the target: {0}")]
    Trace(io::Error),
    /// The code in memory is not the plan's.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The program can't have breakpoints.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// They can't be put in.
    #[error(transparent)]
    Insert(#[from] InsertError),
    /// There is no memory to be had.
    #[error("{0}")]
    Provision(String),
}

impl ArmError {
    fn trace(error: io::Error) -> ArmError {
        ArmError::Trace(Obstacle::named(error))
    }
}

/// Breakpoints in every process of a run.
pub struct PtraceEngine {
    generation: Rc<Generation>,
    shared: Rc<Shared>,
}

/// Begins a run.
type Begin = dyn Fn(&Tables) -> Rc<Run>;

/// What the sessions of a run share.
struct Shared {
    seed: u64,
    numbering: Numbering,
    events: Events,
    /// Begun when the first process is armed.
    run: OnceCell<Rc<Run>>,
    begin: Box<Begin>,
}

impl PtraceEngine {
    /// With the seed of every chance decision.
    pub fn new(seed: u64, numbering: Numbering) -> PtraceEngine {
        PtraceEngine::of_run(seed, numbering, |tables| Rc::new(Run::new(tables)))
    }

    /// The same for a run that another engine has a part in, and that `begin` gives.
    pub(super) fn of_run(
        seed: u64,
        numbering: Numbering,
        begin: impl Fn(&Tables) -> Rc<Run> + 'static,
    ) -> PtraceEngine {
        PtraceEngine {
            generation: Rc::new(Generation::first()),
            shared: Rc::new(Shared {
                seed,
                numbering,
                events: Events::default(),
                run: OnceCell::new(),
                begin: Box::new(begin),
            }),
        }
    }

    /// Has processes that are armed from now on have the rules of a generation, which the run has turned to.
    pub(super) fn take_over(&mut self, generation: &Rc<Generation>) {
        self.generation = Rc::clone(generation);
    }

    /// The run, once it has begun.
    pub(super) fn run(&self) -> Option<Rc<Run>> {
        self.shared.run.get().cloned()
    }

    /// Arms a program whose runtime has just installed its handler for SIGSEGV, and lets it go on.
    ///
    /// # Errors
    /// It is still stopped.
    pub(super) fn arm_started(
        &mut self,
        subject: &Subject<'_>,
        stop: Stop,
        family: &mut Family,
    ) -> Result<Box<dyn Session>, super::ArmError> {
        let mut session = self.session(subject, stop.tid(), true)?;
        session.arm_started(stop, family)?;
        Ok(Box::new(session))
    }

    fn session(&self, subject: &Subject<'_>, pid: i32, is_child: bool) -> Result<PtraceSession, ArmError> {
        Ok(PtraceSession {
            pid,
            plan: Rc::clone(subject.plan),
            bias: subject.bias,
            memory: Memory::open(pid).map_err(ArmError::trace)?,
            shared: Rc::clone(&self.shared),
            armed: None,
            is_child,
            generation: Rc::clone(&self.generation),
        })
    }
}

impl Shared {
    /// The core for one more process.
    fn core(&self, plan: &Plan, loaded: &Loaded, generation: &Generation) -> Core {
        let writers = vec![WriterKind::Direct; plan.sites.len()];
        let mut tables = encode(plan, loaded, self.seed, &writers);
        self.numbering.apply(plan, loaded.bias, &mut tables);
        let run = self.run.get_or_init(|| (self.begin)(&tables));
        generation.place(&mut tables, run);
        let core = Core::of(run, &tables);
        core.start();
        core
    }
}

impl Engine for PtraceEngine {
    fn arm(
        &mut self,
        subject: Subject<'_>,
        family: &mut Family,
    ) -> Result<Box<dyn Session>, super::ArmError> {
        let (pid, is_child) = match &subject.start {
            Start::Executed(stop) => (stop.tid(), true),
            Start::Running(pid) => (*pid, false),
            Start::Retired { pid, .. } => (*pid, subject.is_child),
        };
        let mut session = self.session(&subject, pid, is_child)?;
        match subject.start {
            // It runs until its Go runtime has installed its signal handlers, which is before any package is
            // initialised.
            Start::Executed(stop) => family.start(stop).map_err(ArmError::trace)?,
            Start::Running(_) => session.attach(family)?,
            Start::Retired { retired, .. } if retired.is_starting => {}
            Start::Retired { retired, .. } => session.arm_retired(*retired, family)?,
        }
        Ok(Box::new(session))
    }

    fn turn(&mut self, kept: &[Option<usize>], limits: &Limits) -> Result<(), NoRoom> {
        let run = self.shared.run.get().map(|run| &**run);
        self.generation = Rc::new(self.generation.next(kept, limits, run)?);
        Ok(())
    }

    fn generation(&self) -> &Generation {
        &self.generation
    }

    fn tally(&self) -> Tally {
        let counters = self.shared.run.get().map(|run| run.counters());
        Tally {
            counters: counters.unwrap_or_default(),
            ..Tally::default()
        }
    }

    fn extend(&self, lease: Duration) {
        if let Some(run) = self.shared.run.get() {
            run.extend(lease);
        }
    }

    fn take_events(&mut self) -> Vec<Event> {
        self.shared.events.take()
    }

    fn wake_fds(&self) -> Vec<RawFd> {
        Vec::new()
    }
}

/// What is in a process while its rules act.
struct Armed {
    breakpoints: Breakpoints,
    core: RefCell<Core>,
    supply: RefCell<Option<Supply>>,
}

impl Armed {
    /// Lets a thread go on that has not come to a breakpoint.
    fn resume(&self, stop: Stop) -> io::Result<()> {
        self.breakpoints.show_place(&stop).or_else(gone)?;
        stop.resume()
    }

    fn supply(&self, memory: &Memory) {
        let core = self.core.borrow();
        if let Some(supply) = &mut *self.supply.borrow_mut() {
            while let Some(end) = supply.more(&core.process(), memory) {
                core.supply_copies(end);
            }
        }
    }
}

/// A process with breakpoints.
pub struct PtraceSession {
    pid: i32,
    plan: Rc<Plan>,
    bias: LoadBias,
    memory: Memory,
    shared: Rc<Shared>,
    /// None until the Go runtime has installed its handler for SIGSEGV, and once the program is gone.
    armed: Option<Armed>,
    /// Whether it descends from goinject.
    is_child: bool,
    /// Of its rules.
    generation: Rc<Generation>,
}

impl PtraceSession {
    /// Arms a running process.
    fn attach(&mut self, family: &mut Family) -> Result<(), ArmError> {
        // Its breakpoints, too, would look like a program that was changed.
        Obstacle::if_traced(self.pid).map_err(ArmError::trace)?;
        let spots = self.spots();
        verify(&self.plan, self.bias, &self.memory, Others::None)?;
        let prepared = borrow_thread(self.pid, |remote| prepare(&self.plan, self.bias, &spots, remote));
        let (loaded, ground) = prepared.map_err(ArmError::trace)??;
        // Also where processes are not wanted: a breakpoint must not be left in one.
        family
            .attach(self.pid, Follow::Processes)
            .map_err(ArmError::trace)?;
        let stops = family
            .stop_all(self.pid, &mut Stop::resume)
            .map_err(ArmError::trace)?;
        let armed = self.arm(&loaded, ground, spots);
        for stop in stops {
            stop.resume().map_err(ArmError::trace)?;
        }
        armed
    }

    /// Arms a program whose runtime has just installed its handler for SIGSEGV, and lets it go on.
    fn arm_started(&mut self, stop: Stop, family: &mut Family) -> Result<(), ArmError> {
        let spots = self.spots();
        verify(&self.plan, self.bias, &self.memory, Others::None)?;
        let mut remote = family.remote_at_start(self.pid, stop).map_err(ArmError::trace)?;
        let prepared = prepare(&self.plan, self.bias, &spots, &mut remote).map_err(ArmError::trace);
        let stop = remote.finish().map_err(ArmError::trace)?;
        let (loaded, ground) = prepared??;
        self.arm(&loaded, ground, spots)?;
        stop.resume().map_err(ArmError::trace)
    }

    /// Arms a process of the run whose threads are stopped, or are to be, and lets it go on.
    fn arm_retired(&mut self, retired: Retired, family: &mut Family) -> Result<(), ArmError> {
        let Retired { mut stops, kept, .. } = retired;
        if stops.is_empty() {
            stops = family
                .stop_all(self.pid, &mut Stop::resume)
                .map_err(ArmError::trace)?;
        }
        let armed = self.arm_stopped(&mut stops, kept, family);
        for stop in stops {
            stop.resume().map_err(ArmError::trace)?;
        }
        armed
    }

    fn arm_stopped(
        &mut self,
        stops: &mut Vec<Stop>,
        kept: Option<Kept>,
        family: &Family,
    ) -> Result<(), ArmError> {
        // One that has ended is told of by its end.
        let Some(stop) = stops.pop() else {
            return Ok(());
        };
        let spots = self.spots();
        if let Err(error) = verify(&self.plan, self.bias, &self.memory, Others::None) {
            stops.push(stop);
            return Err(error.into());
        }
        let mut remote = family.remote(self.pid, stop).map_err(ArmError::trace)?;
        let prepared = prepare(&self.plan, self.bias, &spots, &mut remote).map_err(ArmError::trace);
        stops.push(remote.finish().map_err(ArmError::trace)?);
        let (loaded, ground) = prepared??;
        self.arm(&loaded, ground, spots)?;
        if let (
            Some(Kept {
                plan,
                generation,
                entries: Some(entries),
                ..
            }),
            Some(armed),
        ) = (kept, &self.armed)
        {
            let moved = generation.moved(&plan, &self.plan, &self.generation);
            armed.core.borrow_mut().inherit(entries, &moved);
        }
        Ok(())
    }

    /// Puts the breakpoints in, while every thread is stopped.
    fn arm(&mut self, loaded: &Loaded, ground: Ground, spots: Vec<Spot>) -> Result<(), ArmError> {
        self.armed = Some(Armed {
            core: RefCell::new(self.shared.core(&self.plan, loaded, &self.generation)),
            breakpoints: Breakpoints::insert(&self.memory, self.pid, ground, spots)?,
            supply: RefCell::new(Supply::of(loaded, WrittenBy::Tracer)),
        });
        Ok(())
    }

    /// The plan's sites in the process.
    fn spots(&self) -> Vec<Spot> {
        Spot::of(&self.plan, self.bias, |_| true)
    }

    /// Has a thread that is at one of our breakpoints go on behind it when it is resumed without the
    /// signal; false if it stopped for another reason.
    fn serve(&self, stop: &Stop) -> io::Result<bool> {
        let Some(armed) = &self.armed else {
            return Ok(false);
        };
        let mut events = Vec::new();
        let served = armed
            .breakpoints
            .serve(stop, &self.memory, &mut events, |thread, hit| {
                armed.supply(&self.memory);
                armed.core.borrow_mut().hit(thread, hit);
            });
        let pid = self.pid;
        let generation = self.generation.number;
        let events = events.into_iter().map(|mut row| {
            row.rule = self.generation.rule(row.rule);
            Event { pid, generation, row }
        });
        self.shared.events.borrow_mut().extend(events);
        served.or_else(gone)
    }

    fn serve_and_resume(&self, stop: Stop) -> io::Result<()> {
        if self.serve(&stop)? {
            return stop.resume_without_signal();
        }
        match &self.armed {
            Some(armed) => armed.resume(stop),
            None => stop.resume(),
        }
    }

    /// Every thread of the process, stopped, and none with a breakpoint's trap to be told of.
    fn stop_clean(&self, family: &mut Family) -> io::Result<Vec<Stop>> {
        let stops = family.stop_all(self.pid, &mut |stop| self.serve_and_resume(stop))?;
        match &self.armed {
            Some(armed) => armed
                .breakpoints
                .clean(stops, family, &mut |stop| self.serve(stop)),
            None => Ok(stops),
        }
    }
}

/// A process that is about to end with a dump of its memory.
struct Ending<'a> {
    session: &'a PtraceSession,
    armed: &'a Armed,
}

impl Dumped for Ending<'_> {
    fn stop_all(&self, family: &mut Family) -> io::Result<Vec<Stop>> {
        self.session.stop_clean(family)
    }

    fn lift(&self) -> io::Result<()> {
        self.armed.core.borrow().cease();
        self.armed.breakpoints.lift(&self.session.memory)
    }

    fn is_outside(&self, stops: &[Stop]) -> io::Result<bool> {
        let code = Code::new([self.armed.breakpoints.code().clone()]);
        Ok(!is_thread_within(stops, &self.session.memory, &code)?)
    }

    fn resume(&self, stop: Stop) -> io::Result<()> {
        self.session.serve_and_resume(stop)
    }
}

impl Session for PtraceSession {
    fn state(&self) -> State {
        match self.armed {
            Some(_) => State::Armed,
            None => State::Starting,
        }
    }

    fn stopped(&mut self, stop: Stop, family: &mut Family) -> Result<(), SessionError> {
        let Some(armed) = &self.armed else {
            let is_over = Awaited::traps().is_over(self.pid, &stop, &self.plan, &self.memory, family)?;
            return take_stop(self.pid, stop, is_over, |stop| self.arm_started(stop, family));
        };
        if self.serve(&stop)? {
            return Ok(stop.resume_without_signal()?);
        }
        if is_about_to_dump(armed.breakpoints.code(), &stop) {
            let ending = Ending { session: self, armed };
            return Ok(end_with_dump(&ending, stop, family)?);
        }
        Ok(armed.resume(stop)?)
    }

    /// Done before each hit.
    fn supply(&mut self) {}

    fn thread_gone(&mut self, tid: i32) {
        if let Some(armed) = &self.armed {
            armed.breakpoints.thread_gone(tid);
        }
    }

    fn forked(&mut self, child: i32) -> io::Result<()> {
        if let Some(armed) = &self.armed {
            armed.breakpoints.lift(&Memory::open(child)?)?;
        }
        Ok(())
    }

    fn gone(&mut self) {
        if let Some(mut armed) = self.armed.take() {
            armed.breakpoints.dismiss_guard();
        }
    }

    fn retire(&mut self, _: Option<&Plan>, family: &mut Family) -> io::Result<Retired> {
        if self.armed.is_none() {
            return Ok(Retired {
                is_starting: true,
                ..Retired::default()
            });
        }
        let mut stops = self.stop_clean(family)?;
        let Some(mut armed) = self.armed.take() else {
            return Ok(Retired::default());
        };
        armed.core.borrow().cease();
        let lifted = armed.breakpoints.lift(&self.memory);
        if let Some(stop) = stops.pop() {
            let unused = unused_copies(&armed.core.borrow().process(), &self.memory);
            let mut remote = family.remote(self.pid, stop)?;
            let left = armed
                .breakpoints
                .restore_action(&mut remote)
                .and_then(|()| unused.iter().try_for_each(|unused| unmap(&mut remote, unused)));
            stops.push(remote.finish()?);
            left?;
        }
        // The guard tries once more.
        lifted?;
        armed.breakpoints.dismiss_guard();
        let mut core = armed.core.into_inner();
        Ok(Retired {
            stops,
            is_starting: false,
            without: None,
            term_counters: core.term_counters(),
            kept: Some(Kept {
                plan: Rc::clone(&self.plan),
                generation: Rc::clone(&self.generation),
                serial: core.serial(),
                entries: Some(core.entries()),
                _former: None,
            }),
        })
    }

    fn let_go(&mut self, family: &mut Family) -> io::Result<Option<Leftover>> {
        let Some(armed) = self.armed.take() else {
            let stops = family.stop_all(self.pid, &mut Stop::resume)?;
            family.let_go(self.pid, stops)?;
            return Ok(None);
        };
        armed.core.borrow().cease();
        let lifted = armed.breakpoints.lift(&self.memory);
        self.armed = Some(armed);
        let mut clean = self.stop_clean(family)?;
        let mut armed = self.armed.take().expect("put back above");
        let unused = unused_copies(&armed.core.borrow().process(), &self.memory);
        // Where processes may only trace their descendants, a deputy could not trace this one.
        let lent = if self.is_child { clean.pop() } else { None };
        // First, so that the stub is there as long as one of them has a trap that the kernel would deliver without us.
        family.let_go(self.pid, clean)?;
        // The guard tries once more.
        lifted?;
        let left = armed
            .breakpoints
            .leave(lent, self.is_child, (family, &self.memory), |remote| {
                unused.iter().try_for_each(|unused| unmap(remote, unused))
            });
        // Where it is refused the stub stays, which passes on what is not its own.
        let mut what = LEFT.to_owned();
        if let Some(unused) = unused {
            what = format!("{what}, and {}", words_for_copies(&unused));
        }
        Ok(Leftover::of(what, left).filter(|_| armed.breakpoints.are_in(&self.memory)))
    }

    fn term_counters(&self) -> Vec<TermCounters> {
        self.armed
            .as_ref()
            .map(|armed| armed.core.borrow().term_counters())
            .unwrap_or_default()
    }
}

/// All that the target is given, by system calls of one of its threads.
fn prepare(
    plan: &Plan,
    bias: LoadBias,
    spots: &[Spot],
    remote: &mut Remote,
) -> io::Result<Result<(Loaded, Ground), Unprepared>> {
    let ground = match Ground::prepare(remote, spots)? {
        Ok(ground) => ground,
        Err(refusal) => return Ok(Err(Unprepared::Ground(refusal))),
    };
    match Provision::of(plan, bias, WrittenBy::Tracer).make(remote) {
        Ok(loaded) => Ok(Ok((loaded, ground))),
        Err(error) => {
            ground.undo(remote)?;
            Ok(Err(Unprepared::Provision(
                ProvisionError::from(error).to_string(),
            )))
        }
    }
}

/// Why the target could not be given it all.
#[derive(Debug, Serialize, Deserialize)]
enum Unprepared {
    Ground(Refusal),
    Provision(String),
}

impl From<Unprepared> for ArmError {
    fn from(unprepared: Unprepared) -> ArmError {
        match unprepared {
            Unprepared::Ground(refusal) => refusal.into(),
            Unprepared::Provision(reason) => ArmError::Provision(reason),
        }
    }
}
