//! What the sessions of a run share: its memory, the processes whose rules act, and when their events are looked for.

use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::rc::Rc;
use std::time::Duration;

use goinject_probes::inline::{Clock, Faults, SharedProcess, SharedRun};
use goinject_probes::table::{self, Tables, WriterKind};
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::dumping::Dumping;
use crate::engine::{Event, Generation, Untold};
use crate::plan::Plan;
use crate::plan::encode::{Loaded, Numbering, encode};

/// How often events are looked for.
const BEAT: Duration = Duration::from_millis(10);

/// How often while they come so fast that threads would run out of room for them by then.
const QUICK_BEAT: Duration = Duration::from_millis(1);

/// How many events at once are so many: a part of what a single thread has room for.
const MANY_EVENTS: usize = 512;

/// How long faults go on in a target whose goinject says nothing.
const LEASE: Duration = Duration::from_secs(5);

/// What the sessions of a run share.
pub(super) struct Shared {
    seed: u64,
    numbering: Numbering,
    /// How many events of each rule are taken.
    event_limit: u64,
    /// Begun when the first process is armed.
    pub(super) run: OnceCell<SharedRun>,
    /// Of the processes whose rules act.
    processes: RefCell<Vec<Acting>>,
    /// Of those that are gone.
    events: RefCell<Vec<Event>>,
    untold: RefCell<Vec<Untold>>,
    timer: TimerFd,
    /// Its period; none where it is not set.
    beat: Cell<Option<Duration>>,
    /// A signal may wait while rules are swapped.
    pub(super) dumping: RefCell<Dumping>,
    /// None where the processor's counter is none.
    clock: Option<Clock>,
}

/// A process whose rules act.
pub(super) struct Acting {
    pub(super) pid: i32,
    pub(super) process: Rc<RefCell<SharedProcess>>,
    pub(super) generation: Rc<Generation>,
    /// How many it has.
    pub(super) rules: usize,
}

impl Acting {
    fn untold(&self) -> impl Iterator<Item = Untold> {
        let rows = self.process.borrow().untold();
        (0..self.rules).filter_map(move |rule| {
            let faults = rows.get(self.generation.row(rule) as usize).copied()?;
            (faults != Faults::default()).then_some(Untold {
                pid: self.pid,
                generation: self.generation.number,
                rule,
                faults,
            })
        })
    }

    /// An event as it is told. To be asked in the order in which they are.
    fn event(&self, run: &SharedRun, mut row: table::Event) -> Event {
        self.process.borrow_mut().number(run, &mut row);
        row.rule = self.generation.rule(row.rule);
        Event {
            pid: self.pid,
            generation: self.generation.number,
            row,
        }
    }
}

impl Shared {
    /// # Errors
    /// The kernel has no timer.
    pub(super) fn new(seed: u64, numbering: Numbering, event_limit: u64) -> io::Result<Shared> {
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        Ok(Shared {
            seed,
            numbering,
            event_limit,
            run: OnceCell::new(),
            processes: RefCell::default(),
            events: RefCell::default(),
            untold: RefCell::default(),
            timer,
            beat: Cell::default(),
            dumping: RefCell::default(),
            clock: Clock::new(),
        })
    }

    /// Memory for one more process.
    pub(super) fn process(
        &self,
        plan: &Plan,
        loaded: &Loaded,
        generation: &Generation,
    ) -> io::Result<SharedProcess> {
        let writers = vec![WriterKind::Direct; plan.sites.len()];
        let mut tables = encode(plan, loaded, self.seed, &writers);
        self.numbering.apply(plan, loaded.bias, &mut tables);
        tables.control.event_limit = self.event_limit;
        let run = self.begin(&tables)?;
        generation.place(&mut tables, run.run());
        SharedProcess::new(run, &tables)
    }

    pub(super) fn begin(&self, tables: &Tables) -> io::Result<&SharedRun> {
        if let Some(run) = self.run.get() {
            return Ok(run);
        }
        let run = SharedRun::new(tables)?;
        Ok(self.run.get_or_init(|| run))
    }

    pub(super) fn run(&self) -> &SharedRun {
        self.run.get().expect("begun with the first process")
    }

    /// Lets a process know that goinject is there, and what time it is.
    pub(super) fn keep(&self, process: &SharedProcess) {
        self.clock.iter().for_each(|clock| process.tell_time(clock));
        process.extend(LEASE);
    }

    /// Rules begin to act in a process.
    pub(super) fn add(&self, acting: Acting) {
        self.processes.borrow_mut().push(acting);
        self.set_beat(BEAT);
    }

    fn set_beat(&self, beat: Duration) {
        if self.beat.replace(Some(beat)) != Some(beat) {
            self.timer
                .set(Expiration::Interval(beat.into()), TimerSetTimeFlags::empty())
                .expect("a timer takes any period");
        }
    }

    /// They are at an end.
    pub(super) fn remove(&self, process: &Rc<RefCell<SharedProcess>>) {
        let mut processes = self.processes.borrow_mut();
        for acting in processes.extract_if(.., |acting| Rc::ptr_eq(&acting.process, process)) {
            acting.process.borrow_mut().settle(self.run());
            let rows = acting.process.borrow_mut().take_last_events();
            let events = rows.into_iter().map(|row| acting.event(self.run(), row));
            self.events.borrow_mut().extend(events);
            self.untold.borrow_mut().extend(acting.untold());
        }
        if processes.is_empty() {
            let _ = self.timer.unset();
            self.beat.set(None);
        }
    }

    /// What those that are gone did and did not tell, since the last call.
    pub(super) fn take_untold(&self) -> Vec<Untold> {
        self.untold.take()
    }

    /// Has all faults so far count against the limit that the run has next: those before it is there, and those since.
    pub(super) fn settle(&self) {
        for acting in &*self.processes.borrow() {
            acting.process.borrow_mut().settle(self.run());
        }
    }

    /// The events since the last call, in order of time.
    pub(super) fn take_events(&self) -> Vec<Event> {
        let mut events = self.events.take();
        // It is asked at each stop of a thread, too, of which there may be many thousands a second.
        let is_due = nix::unistd::read(self.timer.as_fd(), &mut [0; 8]).is_ok();
        let processes = self.processes.borrow();
        let mut taken: Vec<(&Acting, Vec<table::Event>, usize)> = Vec::new();
        for acting in &*processes {
            if is_due {
                self.keep(&acting.process.borrow());
            }
            let rows = acting.process.borrow_mut().take_events();
            taken.push((acting, rows, 0));
        }
        if is_due && !taken.is_empty() {
            self.set_beat(match taken.iter().any(|(_, rows, _)| rows.len() >= MANY_EVENTS) {
                true => QUICK_BEAT,
                false => BEAT,
            });
        }
        events.reserve(taken.iter().map(|(_, rows, _)| rows.len()).sum());
        // Those of each process are in order. They are large, and there may be many: none is moved twice.
        while let Some((acting, rows, next)) = taken
            .iter_mut()
            .filter(|(_, rows, next)| *next < rows.len())
            .min_by_key(|(_, rows, next)| rows[*next].time)
        {
            events.push(acting.event(self.run(), rows[*next]));
            *next += 1;
        }
        events.sort_by_key(|event| event.row.time);
        events
    }

    /// Becomes readable when events are to be looked for.
    pub(super) fn wake_fd(&self) -> RawFd {
        self.timer.as_fd().as_raw_fd()
    }
}
