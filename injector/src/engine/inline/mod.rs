//! The inline engine: jumps in the program's code to the decision core inside the program, and traps where there is no room for one.
//!
//! A hit at a jump costs neither a trap nor a system call. The plan's tables are the same as for the other engines, in memory that the
//! target shares with goinject, and the core is compiled from the same source. goinject traces the target's threads only for
//! their births and ends: it takes the jumps out of what they fork, and lets them go as they were found.
//!
//! Bytes are moved before the program's first goroutine runs, or at a moment when neither a thread nor a goroutine that Go has
//! preempted is to go on in the middle of them.

mod armed;
mod attaching;
mod dumping;
mod error;
mod faults;
mod handing;
mod jumps;
mod shared;
mod stopping;
mod swapping;

use std::cell::RefCell;
use std::io;
use std::ops::Range;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::Duration;

use goinject_probes::inline::{RuntimeFacts, SharedProcess};
use goinject_probes::native::Run;
use goinject_probes::table::{Tables, TermCounters};
use goinject_rules::model::Limits;

use self::armed::{Armed, Ending, lift};
use self::attaching::unmap_all;
pub use self::error::{ArmError, without_advice};
use self::faults::Faults;
use self::handing::hand;
pub use self::jumps::fits;
use self::jumps::{Ground, Spot};
use self::shared::{Acting, Shared};
use super::code::verify;
use super::core_dumps::{end_with_dump, is_about_to_dump};
use super::guard::{Guard, Patch, Way};
use super::provision::{Provision, ProvisionError, WrittenBy, unused_copies};
use super::starting::{Awaited, take_stop};
use super::stopped::gone;
use super::supply::Supply;
use super::{
    Engine, Event, Generation, Leftover, NoRoom, Retired, Session, SessionError, Start, State, Subject,
    Tally, Untold,
};
use crate::plan::Plan;
use crate::plan::encode::{LoadBias, Numbering};
use crate::tracee::{Family, Memory, Remote, Stop, page_size};

/// Jumps in every process of a run.
pub struct InlineEngine {
    generation: Rc<Generation>,
    shared: Rc<Shared>,
}

impl InlineEngine {
    /// With the seed of every chance decision, and how many events of each rule are taken.
    ///
    /// # Errors
    /// The kernel has no timer.
    pub fn new(seed: u64, numbering: Numbering, event_limit: u64) -> io::Result<InlineEngine> {
        Ok(InlineEngine {
            generation: Rc::new(Generation::first()),
            shared: Rc::new(Shared::new(seed, numbering, event_limit)?),
        })
    }

    /// Begins the run for another engine that has a part in it, unless it has begun.
    pub(super) fn beginning(&self) -> impl Fn(&Tables) -> io::Result<Rc<Run>> + use<> {
        let shared = Rc::clone(&self.shared);
        move |tables| Ok(Rc::clone(shared.begin(tables)?.run()))
    }

    /// Has processes that are armed from now on have the rules of a generation, which the run has turned to.
    pub(super) fn take_over(&mut self, generation: &Rc<Generation>) {
        self.generation = Rc::clone(generation);
    }

    /// Arms a process with other rules, and lets it go on.
    ///
    /// # Errors
    /// It has none, and what it was left with is as it was.
    pub(super) fn arm_retired(
        &mut self,
        subject: &Subject<'_>,
        pid: i32,
        retired: &mut Retired,
        family: &mut Family,
    ) -> Result<Box<dyn Session>, super::ArmError> {
        let mut session = self.session(subject, pid)?;
        if !retired.is_starting {
            session.put_in(retired, family)?;
        }
        for stop in retired.stops.drain(..) {
            stop.resume().map_err(ArmError::trace)?;
        }
        Ok(Box::new(session))
    }

    fn session(&self, subject: &Subject<'_>, pid: i32) -> Result<InlineSession, ArmError> {
        Ok(InlineSession {
            pid,
            plan: Rc::clone(subject.plan),
            bias: subject.bias,
            memory: Memory::open(pid).map_err(ArmError::trace)?,
            shared: Rc::clone(&self.shared),
            awaited: Awaited::faults(),
            armed: None,
            generation: Rc::clone(&self.generation),
        })
    }

    /// See [`Shared::settle`].
    pub(super) fn settle(&self) {
        self.shared.settle();
    }

    /// The run, once it has begun.
    pub(super) fn run(&self) -> Option<Rc<Run>> {
        self.shared.run.get().map(|run| Rc::clone(run.run()))
    }
}

impl Engine for InlineEngine {
    fn arm(
        &mut self,
        subject: Subject<'_>,
        family: &mut Family,
    ) -> Result<Box<dyn Session>, super::ArmError> {
        let pid = match &subject.start {
            Start::Executed(stop) => stop.tid(),
            Start::Running(pid) => *pid,
            Start::Retired { pid, .. } => *pid,
        };
        let mut session = self.session(&subject, pid)?;
        match subject.start {
            // It runs until its Go runtime has set up threads and signal handlers, which is before any package is
            // initialised.
            Start::Executed(stop) => family.start(stop).map_err(ArmError::trace)?,
            Start::Running(_) => session.attach(family)?,
            Start::Retired { retired, .. } if retired.is_starting => {}
            Start::Retired { mut retired, .. } => {
                let armed = session.put_in(&mut retired, family);
                for stop in retired.stops {
                    stop.resume().map_err(ArmError::trace)?;
                }
                armed?;
            }
        }
        Ok(Box::new(session))
    }

    fn turn(&mut self, kept: &[Option<usize>], limits: &Limits) -> Result<(), NoRoom> {
        let run = self.run();
        self.settle();
        self.generation = Rc::new(self.generation.next(kept, limits, run.as_deref())?);
        self.settle();
        Ok(())
    }

    fn generation(&self) -> &Generation {
        &self.generation
    }

    fn tally(&self) -> Tally {
        let Some(run) = self.shared.run.get() else {
            return Tally::default();
        };
        let [dropped_events, lost_hits] = run.lost();
        Tally {
            counters: run.counters(),
            dropped_events,
            lost_hits,
        }
    }

    fn extend(&self, lease: Duration) {
        if let Some(run) = self.shared.run.get() {
            run.run().extend(lease);
        }
    }

    fn take_events(&mut self) -> Vec<Event> {
        self.shared.take_events()
    }

    fn take_untold(&mut self) -> Vec<Untold> {
        self.shared.take_untold()
    }

    fn wake_fds(&self) -> Vec<RawFd> {
        vec![self.shared.wake_fd()]
    }
}

/// A process with jumps.
pub struct InlineSession {
    pid: i32,
    plan: Rc<Plan>,
    bias: LoadBias,
    memory: Memory,
    shared: Rc<Shared>,
    awaited: Awaited,
    /// None until the Go runtime is set up, and once the program is gone.
    armed: Option<Armed>,
    /// Of its rules.
    generation: Rc<Generation>,
}

/// What a target was given before there are jumps to it.
struct Prepared {
    shared: SharedProcess,
    supply: Option<Supply>,
    switch: u64,
    ground: Ground,
    mapped: Vec<Range<u64>>,
}

impl InlineSession {
    /// Arms a program whose runtime is set up, and lets it go on.
    fn arm_started(&mut self, stop: Stop, family: &Family) -> Result<(), ArmError> {
        let spots = self.spots()?;
        let mut remote = family.remote_at_start(self.pid, stop).map_err(ArmError::trace)?;
        let prepared = self.prepare(&mut remote, spots);
        let stop = remote.finish().map_err(ArmError::trace)?;
        self.arm(prepared?)?;
        stop.resume().map_err(ArmError::trace)
    }

    /// All that the target is given, by system calls of one of its threads.
    fn prepare(&self, remote: &mut Remote, spots: Vec<Spot>) -> Result<Prepared, ArmError> {
        let loaded = Provision::of(&self.plan, self.bias, WrittenBy::Tracer)
            .make(remote)
            .map_err(ProvisionError::from)?;
        let shared = self
            .shared
            .process(&self.plan, &loaded, &self.generation)
            .map_err(ArmError::Memory)?;
        let run = self.shared.run();
        let handed = hand(remote, run, &shared).map_err(ArmError::Refused)?;
        let runtime = RuntimeFacts {
            tls_is_known: self.plan.runtime.tls_g.is_some(),
            procid_offset: self.plan.runtime.procid_offset.unwrap_or_default(),
        };
        shared.place(handed.process, run, handed.run, runtime);
        let mut mapped = vec![
            handed.run..handed.run + run.size().next_multiple_of(page_size()),
            handed.process..handed.process + shared.size().next_multiple_of(page_size()),
        ];
        let handlers = self.plan.runtime.signal_handlers.iter();
        let handlers: Vec<u64> = handlers.map(|function| self.bias.apply(*function)).collect();
        let ground = Ground::make(remote, spots, handed, &shared, &handlers)
            .map_err(ArmError::Refused)
            .and_then(|made| made.map_err(ArmError::Unfit));
        let ground = match ground {
            Ok(ground) => ground,
            Err(error) => {
                // It may go on with another engine, which has no use for them.
                unmap_all(remote, &mapped).map_err(ArmError::Refused)?;
                return Err(error);
            }
        };
        mapped.push(ground.range.clone());
        Ok(Prepared {
            supply: Supply::of(&loaded, WrittenBy::Tracer),
            switch: run.switch(handed.run),
            mapped,
            ground,
            shared,
        })
    }

    /// Puts jumps and traps in. No thread of the program runs.
    fn arm(&mut self, prepared: Prepared) -> Result<(), ArmError> {
        let traps = prepared.ground.traps();
        let spots = &prepared.ground.spots;
        let jumps = spots.iter().filter(|spot| !spot.is_trap);
        let back = jumps.map(|spot| Patch {
            address: spot.address,
            bytes: spot.bytes.clone(),
            way: Way::Stopped,
        });
        let switch = Patch {
            address: prepared.switch,
            bytes: vec![0; 4],
            way: Way::AtOnce,
        };
        let patches: Vec<Patch> = std::iter::once(switch)
            .chain(traps.patches())
            .chain(back)
            .collect();
        let guard = Guard::start(&self.memory, self.pid, &patches).map_err(ArmError::Guard)?;
        let process = Rc::new(RefCell::new(prepared.shared));
        let mut jumps = prepared.ground.jumps.iter();
        let inserted = jumps
            .try_for_each(|(address, bytes)| self.memory.write(*address, bytes))
            .and_then(|()| traps.insert(&self.memory));
        if let Err(error) = inserted {
            let _ = lift(spots, &self.memory);
            guard.dismiss();
            return Err(ArmError::trace(error));
        }
        self.shared.add(Acting {
            pid: self.pid,
            process: Rc::clone(&process),
            generation: Rc::clone(&self.generation),
            rules: self.plan.rules.len(),
        });
        self.shared.keep(&process.borrow());
        process.borrow().arm();
        self.shared.run().run().start();
        let Ground {
            spots,
            handlers,
            faults,
            range,
            ..
        } = prepared.ground;
        self.armed = Some(Armed {
            spots,
            traps,
            faults: Faults::new(faults),
            handlers,
            process,
            supply: prepared.supply,
            guard: Some(guard),
            code: range,
            mapped: prepared.mapped,
        });
        Ok(())
    }
}

impl Session for InlineSession {
    fn state(&self) -> State {
        match self.armed {
            Some(_) => State::Armed,
            None => State::Starting,
        }
    }

    fn stopped(&mut self, stop: Stop, family: &mut Family) -> Result<(), SessionError> {
        let Some(armed) = &self.armed else {
            let is_over = self
                .awaited
                .is_over(self.pid, &stop, &self.plan, &self.memory, family)?;
            return take_stop(self.pid, stop, is_over, |stop| self.arm_started(stop, family));
        };
        if armed.serve(&stop, &self.memory)? {
            return Ok(stop.resume_without_signal()?);
        }
        if is_about_to_dump(&armed.code, &stop) {
            let ending = Ending { session: self, armed };
            return Ok(end_with_dump(&ending, stop, family)?);
        }
        Ok(self.resume(Some(armed), stop)?)
    }

    fn supply(&mut self) {
        let Some(armed) = &mut self.armed else {
            return;
        };
        let process = armed.process.borrow();
        // While many events are told, nobody is to take goinject for dead.
        self.shared.keep(&process);
        if let Some(supply) = &mut armed.supply {
            while let Some(end) = supply.more(&process.process(), &self.memory) {
                process.supply_copies(end);
            }
        }
    }

    fn thread_gone(&mut self, tid: i32) {
        self.shared.dumping.borrow_mut().thread_gone(self.pid, tid);
        if let Some(armed) = &self.armed {
            armed.traps.thread_gone(tid);
        }
    }

    fn forked(&mut self, child: i32) -> io::Result<()> {
        match &self.armed {
            Some(armed) => lift(&armed.spots, &Memory::open(child)?),
            None => Ok(()),
        }
    }

    fn gone(&mut self) {
        if let Some(mut armed) = self.armed.take() {
            self.shared.remove(&armed.process);
            // Where that fails, there is less room for other processes.
            let _ = armed.process.borrow().forget(self.shared.run());
            armed.guard.take().into_iter().for_each(Guard::dismiss);
        }
    }

    fn retire(&mut self, next: Option<&Plan>, family: &mut Family) -> io::Result<Retired> {
        self.take_out(next, family)
    }

    fn let_go(&mut self, family: &mut Family) -> io::Result<Option<Leftover>> {
        let Some(mut armed) = self.armed.take() else {
            let stops = family.stop_all(self.pid, &mut Stop::resume)?;
            family.let_go(self.pid, stops)?;
            return Ok(None);
        };
        let mut lifted = Ok(());
        let take_out = || {
            armed.process.borrow().disarm();
            lifted = lift(&armed.spots, &self.memory);
        };
        let (mut stops, is_outside) = self.stop_behind(&armed, family, take_out)?;
        let is_there = self.memory.word(armed.spots[0].address).is_ok();
        let mut unused = armed.mapped.clone();
        unused.extend(unused_copies(&armed.process.borrow().process(), &self.memory));
        // Where the jumps are still in, so must be what they lead to.
        let lent = match is_there && is_outside && lifted.is_ok() {
            true => armed
                .remove_handlers(self.pid, &mut stops, family)
                .or_else(|error| gone(error).map(|_| None))?,
            false => None,
        };
        self.settle(&stops);
        family.let_go(self.pid, stops)?;
        self.shared.remove(&armed.process);
        if is_there {
            // The guard tries once more.
            lifted?;
        }
        armed.guard.take().into_iter().for_each(Guard::dismiss);
        if !is_there {
            return Ok(None);
        }
        let left = match lent {
            Some(stop) => family.lend_last(self.pid, stop, |remote| unmap_all(remote, &unused)),
            None => Err(io::Error::other(
                "a thread was in it, or a handler of the program's own leads there",
            )),
        };
        let size: u64 = unused.iter().map(|range| range.end - range.start).sum();
        Ok(Leftover::of(
            format!("{} KB of addresses with memory that nothing uses", size / 1024),
            left,
        ))
    }

    fn term_counters(&self) -> Vec<TermCounters> {
        self.armed
            .as_ref()
            .map(|armed| armed.process.borrow().term_counters())
            .unwrap_or_default()
    }
}
