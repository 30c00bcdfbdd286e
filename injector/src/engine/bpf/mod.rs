//! The BPF engine: one generic uprobe program, told apart by attach cookies.
//!
//! With the in-kernel writers goinject only watches. With the tracer writer it also makes the edits:
//! the program stops a thread with a signal, and goinject, its tracer, changes it before the signal
//! goes on to the target. Where neither can change a call in time, single sites have breakpoints instead of probes.

mod served;
mod session;
mod tracer;

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use goinject_probes::native::Core;
use goinject_probes::program::{
    Attach, Capacity, Probe, ProcessRows, Program, ProgramError, Removed, Switches,
};
use goinject_probes::table::{self, Lead, Site, SiteKind, Tables, WriterKind};

use goinject_rules::model::Limits;

use self::served::Served;
pub use self::session::BpfSession;
use self::session::Starting;
use self::tracer::Tracer;
use super::breakpoints::{InsertError, Refusal};
use super::code::{CodeError, Others, verify};
use super::provision::{Provision, ProvisionError, WrittenBy};
use super::select::Fit;
use super::supply::Supply;
use super::{Engine, Event, Events, Generation, Kept, NoRoom, Retired, Session, Start, Subject, Tally};
use crate::plan::Plan;
use crate::plan::encode::{LoadBias, Loaded, Numbering, encode};
use crate::tracee::{Family, Follow, Memory, Stop};

/// Why a target can't be armed with BPF.
#[derive(Debug, thiserror::Error)]
pub enum ArmError {
    /// The kernel refused something.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The target's memory can't be had.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    /// It runs another program by now.
    #[error("the target ran another program while it was being armed")]
    Executed,
    /// The code in memory is not the plan's.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The target is out of reach.
    #[error("cannot trace the target: {0}")]
    Trace(io::Error),
    /// It can't have the breakpoints that single sites need.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// They can't be put in.
    #[error(transparent)]
    Insert(#[from] InsertError),
}

/// Processes that a loaded program has room for from the start; for more it is loaded once more.
const PROCESSES: usize = 8;

/// Uprobes in every process of a run.
pub struct BpfEngine {
    seed: u64,
    numbering: Numbering,
    events: Events,
    /// Loaded when the first process is armed.
    loaded: Option<Rc<LoadedProgram>>,
    /// The processes by what their events call them, and the rules that they were armed with.
    pids: HashMap<u32, (i32, Rc<Generation>)>,
    generation: Rc<Generation>,
}

/// The rows that a process had for its former rules. They are given back in the end.
#[derive(Debug)]
pub struct Former {
    loaded: Rc<LoadedProgram>,
    rows: Option<ProcessRows>,
}

impl Drop for Former {
    fn drop(&mut self) {
        if let Some(rows) = self.rows.take() {
            let _ = self.loaded.program.remove(rows);
        }
    }
}

/// The program of a run, and the core that makes the edits it leaves to goinject.
#[derive(Debug)]
struct LoadedProgram {
    program: Program,
    core: RefCell<Core>,
}

impl BpfEngine {
    /// With the seed of every chance decision.
    pub fn new(seed: u64, numbering: Numbering) -> BpfEngine {
        BpfEngine {
            seed,
            numbering,
            events: Events::default(),
            loaded: None,
            pids: HashMap::new(),
            generation: Rc::new(Generation::first()),
        }
    }

    /// The program, loaded with room for processes such as this one.
    fn load(&mut self, tables: &Tables, setup: &Setup<'_>) -> Result<Rc<LoadedProgram>, ArmError> {
        if let Some(loaded) = &self.loaded {
            return Ok(Rc::clone(loaded));
        }
        let switches = Switches {
            pid_namespace: pid_namespace(),
            ..setup.switches
        };
        let capacity = Capacity::of(tables).times(PROCESSES);
        let program = Program::load(tables, switches, setup.attach, capacity)?;
        let core = RefCell::new(program.core()?);
        let loaded = Rc::new(LoadedProgram { program, core });
        self.loaded = Some(Rc::clone(&loaded));
        Ok(loaded)
    }
}

impl Engine for BpfEngine {
    fn arm(
        &mut self,
        subject: Subject<'_>,
        family: &mut Family,
    ) -> Result<Box<dyn Session>, super::ArmError> {
        let Fit::Bpf {
            writers,
            attach,
            switches,
        } = subject.fit
        else {
            unreachable!("the fit of a plan is for the engine that was chosen")
        };
        let setup = Setup {
            writers,
            attach: *attach,
            switches: *switches,
            seed: self.seed,
            is_child: matches!(subject.start, Start::Executed(_)) || subject.is_child,
        };
        // Also where processes are not wanted: a breakpoint must not be left in one.
        let follow = match subject.fit.patches_code() {
            true => Follow::Processes,
            false => subject.follow,
        };
        let session = match subject.start {
            Start::Executed(stop) => {
                self.arm_executed(subject.plan, subject.bias, &setup, stop, follow, family)
            }
            Start::Running(pid) => self.arm_running(subject.plan, subject.bias, &setup, pid, follow, family),
            Start::Retired { pid, retired } => {
                self.arm_retired(subject.plan, subject.bias, &setup, pid, *retired, family, follow)
            }
        };
        Ok(Box::new(session?))
    }

    fn turn(&mut self, kept: &[Option<usize>], limits: &Limits) -> Result<(), NoRoom> {
        let run = self.loaded.as_ref().map(|loaded| &**loaded.program.run());
        self.generation = Rc::new(self.generation.next(kept, limits, run)?);
        Ok(())
    }

    fn generation(&self) -> &Generation {
        &self.generation
    }

    fn tally(&self) -> Tally {
        let Some(loaded) = &self.loaded else {
            return Tally::default();
        };
        Tally {
            counters: loaded.program.counters(),
            dropped_events: loaded.program.dropped_events(),
            lost_hits: loaded.program.lost_hits(),
        }
    }

    fn extend(&self, lease: Duration) {
        if let Some(loaded) = &self.loaded {
            loaded.program.run().extend(lease);
        }
    }

    fn take_events(&mut self) -> Vec<Event> {
        let made = self.events.take().into_iter().map(|event| event.row);
        let sent = self.loaded.iter().flat_map(|loaded| loaded.program.take_events());
        let whose = |mut row: table::Event| {
            let (pid, rules) = self.pids.get(&row.process)?;
            row.rule = rules.rule(row.rule);
            Some(Event {
                pid: *pid,
                generation: rules.number,
                row,
            })
        };
        let mut events: Vec<Event> = made.chain(sent).filter_map(whose).collect();
        events.sort_by_key(|event| event.row.time);
        events
    }

    fn wake_fds(&self) -> Vec<RawFd> {
        self.loaded
            .iter()
            .map(|loaded| loaded.program.event_fd())
            .collect()
    }
}

impl BpfEngine {
    /// Arms a program before its first instruction, and lets it go on.
    fn arm_executed(
        &mut self,
        plan: &Rc<Plan>,
        bias: LoadBias,
        setup: &Setup<'_>,
        stop: Stop,
        follow: Follow,
        family: &mut Family,
    ) -> Result<BpfSession, ArmError> {
        let pid = stop.tid();
        let memory = Memory::open(pid).map_err(ArmError::Trace)?;
        let (loaded, stop) =
            Provision::of_starting(plan, bias, setup.written_by()).give(family, pid, stop)?;
        let mut session = self.session(plan, &loaded, setup, pid, memory, None)?;
        let stays = setup.is_traced() || follow == Follow::Processes;
        if plan.makes_scanned_copies() || session.served.waits() {
            session.starting = Some(Starting { loaded, stays });
            family.start(stop).map_err(ArmError::Trace)?;
        } else if stays {
            stop.resume().map_err(ArmError::Trace)?;
        } else {
            family.let_go_and_watch(stop, true).map_err(ArmError::Trace)?;
        }
        Ok(session)
    }

    /// Arms a running process. It is stopped for a moment if it must be given memory.
    fn arm_running(
        &mut self,
        plan: &Rc<Plan>,
        bias: LoadBias,
        setup: &Setup<'_>,
        pid: i32,
        follow: Follow,
        family: &mut Family,
    ) -> Result<BpfSession, ArmError> {
        let memory = Memory::open(pid).map_err(ArmError::Trace)?;
        let loaded = Provision::of(plan, bias, setup.written_by()).give_running(pid)?;
        if setup.is_traced() || follow == Follow::Processes {
            family.attach(pid, follow).map_err(ArmError::Trace)?;
        } else {
            family.watch(pid).map_err(ArmError::Trace)?;
        }
        let mut session = self.session(plan, &loaded, setup, pid, memory, None)?;
        if session.served.waits() {
            let stops = session.stop_settled(family, None).map_err(ArmError::Trace)?;
            session.insert_and_resume(stops, family)?;
        }
        Ok(session)
    }

    /// Arms a process of the run, with what its former rules leave, and lets it go on.
    #[expect(clippy::too_many_arguments, reason = "they are what a process is armed with")]
    fn arm_retired(
        &mut self,
        plan: &Rc<Plan>,
        bias: LoadBias,
        setup: &Setup<'_>,
        pid: i32,
        retired: Retired,
        family: &mut Family,
        follow: Follow,
    ) -> Result<BpfSession, ArmError> {
        let memory = Memory::open(pid).map_err(ArmError::Trace)?;
        let provision = Provision::of(plan, bias, setup.written_by());
        let Retired {
            mut stops,
            is_starting,
            kept,
            ..
        } = retired;
        if setup.is_traced() && !family.traces(pid) {
            family.attach(pid, follow).map_err(ArmError::Trace)?;
        }
        if !family.traces(pid) {
            let loaded = provision.give_running(pid)?;
            return self.session(plan, &loaded, setup, pid, memory, kept);
        }
        if stops.is_empty() {
            stops = family.stop_all(pid, &mut Stop::resume).map_err(ArmError::Trace)?;
        }
        // One that has ended is told of by its end.
        let armed = match stops.pop() {
            None => Err(ArmError::Executed),
            Some(stop) => match provision.give(family, pid, stop) {
                Ok((loaded, stop)) => {
                    stops.push(stop);
                    self.session(plan, &loaded, setup, pid, memory, kept)
                        .map(|session| (session, loaded))
                }
                Err(error) => Err(error.into()),
            },
        };
        let (mut session, loaded) = match armed {
            Ok(armed) => armed,
            Err(error) => {
                stops
                    .into_iter()
                    .try_for_each(Stop::resume)
                    .map_err(ArmError::Trace)?;
                return Err(error);
            }
        };
        if is_starting && session.served.waits() {
            session.starting = Some(Starting { loaded, stays: true });
            for stop in stops {
                family.start(stop).map_err(ArmError::Trace)?;
            }
        } else {
            session.insert_and_resume(stops, family)?;
        }
        Ok(session)
    }

    fn session(
        &mut self,
        plan: &Rc<Plan>,
        loaded: &Loaded,
        setup: &Setup<'_>,
        pid: i32,
        memory: Memory,
        kept: Option<Kept>,
    ) -> Result<BpfSession, ArmError> {
        verify(plan, loaded.bias, &memory, Others::Probes)?;
        let mut tables = encode(plan, loaded, setup.seed, setup.writers);
        self.numbering.apply(plan, loaded.bias, &mut tables);
        let mut probes: Vec<Probe> = plan
            .sites
            .iter()
            .zip(0..)
            .filter(|(_, site)| setup.writers[*site as usize] != WriterKind::Direct)
            .map(|(place, site)| Probe {
                offset: place.instruction.file_offset.0,
                site,
            })
            .collect();
        if setup.writers.contains(&WriterKind::Frame) {
            probes.push(add_signal_site(plan, loaded.bias, &mut tables));
        }
        let given = loaded;
        let loaded = self.load(&tables, setup)?;
        let program = &loaded.program;
        self.generation.place(&mut tables, program.run());
        let mut rows = program.add(&tables, setup.switches, pid)?;
        // An `exec` from here on is noticed, and what `memory` shows is gone after one that came before.
        let is_gone = tables
            .sites
            .first()
            .is_some_and(|site| memory.word(site.address).is_err());
        let attached = program.attach(&mut rows, &PathBuf::from(format!("/proc/{pid}/exe")), &probes);
        program.start();
        if let Some(kept) = &kept {
            let moved = kept.generation.moved(&kept.plan, plan, &self.generation);
            program.inherit(&rows, kept.serial, &moved, &mut loaded.core.borrow_mut());
        }
        if attached.is_err() || is_gone || !program.arm(&rows) {
            let _ = program.remove(rows);
            attached?;
            return Err(ArmError::Executed);
        }
        let tracer = setup
            .writers
            .contains(&WriterKind::Tracer)
            .then(|| Tracer::new(pid, &self.events));
        let tracer = tracer.transpose().map_err(ArmError::Trace)?;
        self.pids
            .insert(rows.serial(), (pid, Rc::clone(&self.generation)));
        let served = Served::new((plan, given.bias), setup, (pid, rows.serial()), &self.events);
        Ok(BpfSession {
            pid,
            plan: Rc::clone(plan),
            generation: Rc::clone(&self.generation),
            loaded,
            rows: Some(rows),
            removed: Removed::default(),
            tracer,
            memory,
            swept: Instant::now(),
            starting: None,
            supply: Supply::of(given, setup.written_by()),
            served,
        })
    }
}

/// How to arm: what [`super::select`] chose.
#[derive(Clone, Debug)]
struct Setup<'a> {
    /// One per site.
    writers: &'a [WriterKind],
    /// Single or multi.
    attach: Attach,
    /// What the program may do.
    switches: Switches,
    /// Of every chance decision.
    seed: u64,
    /// Whether the process descends from goinject.
    is_child: bool,
}

impl Setup<'_> {
    fn is_traced(&self) -> bool {
        let traced = [WriterKind::Tracer, WriterKind::Direct];
        self.writers.iter().any(|writer| traced.contains(writer))
    }

    fn written_by(&self) -> WrittenBy {
        match self.switches.memory {
            true => WrittenBy::Kernel,
            false => WrittenBy::Tracer,
        }
    }
}

/// Hands on what rules did while a thread was stopped. Which rules those are is found by the process's serial.
fn tell(events: &Events, pid: i32, rows: Vec<table::Event>) {
    let generation = 0;
    let rows = rows.into_iter().map(|row| Event { pid, generation, row });
    events.borrow_mut().extend(rows);
}

/// goinject's PID namespace, if it is not the first one: there the kernel's thread ids are everybody's.
fn pid_namespace() -> Option<(u64, u64)> {
    /// `PROC_PID_INIT_INO` of the kernel.
    const FIRST: u64 = 0xeffffffc;
    let namespace = std::fs::metadata("/proc/self/ns/pid").ok()?;
    (namespace.ino() != FIRST).then(|| (namespace.dev(), namespace.ino()))
}

/// The site at `runtime.sigtramp`, which only the signal-frame writer pays for.
fn add_signal_site(plan: &Plan, bias: LoadBias, tables: &mut Tables) -> Probe {
    let (address, offset) = plan
        .runtime
        .sigtramp
        .expect("checked when the writer was selected");
    let site = u32::try_from(tables.sites.len()).expect("fewer than 2^32 sites");
    tables.sites.push(Site {
        address: bias.apply(address),
        kind: SiteKind::Signal as u8,
        lead: Lead::Next as u8,
        ..Site::default()
    });
    Probe {
        offset: offset.0,
        site,
    }
}
