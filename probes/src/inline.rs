//! The decision core inside a target: the code that is put there, and the memory that goinject shares with it. The C side is
//! `bpf/inline.h`.

mod clock;
mod counted;
mod kept;
mod layout;
mod ring;
mod shares;
mod told;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use std::time::Duration;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::ftruncate;

pub use self::clock::Clock;
use self::counted::counted;
use self::kept::{KeptRows, SharedPlaces};
use self::layout::{Inside, KEPT, KeptTable, Memory, Room, SLOT, SLOTS, SharesPlace, Slot};
use self::ring::{RINGS, Rings};
use self::shares::{Gathered, Shares, sum};
pub use self::told::Faults;
use self::told::Told;
use crate::native::{Entries, FirstRows, LANES, Lane, Moved, Run, SPARE_RULES, TableRows, inherited};
use crate::rows::Rows;
use crate::table::{
    CallKey, Counters, Event, GKey, GoroutineKey, MemberKey, Process, Tables, TermCounters, now,
};

/// The code: the same for every target, but for the words of its [`Head`].
static CORE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/inline.core"));

/// Where things are in a target that code refers to.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// Where the process's memory is mapped.
    pub process: u64,
    /// The table of where the copies of displaced instructions are, one word for each site.
    pub displaced: u64,
}

/// Where the words of a [`Head`] are in the code. In front of them it says where threads enter, and where its faults are listed.
const POOL: usize = 24;

/// Bytes of the code.
#[must_use]
pub fn code_size() -> u64 {
    CORE.len() as u64
}

/// Where stubs jump to, from the beginning of the code.
///
/// # Panics
/// Never: the code begins with it.
#[must_use]
pub fn entrance() -> u64 {
    word(0)
}

/// The accesses of the code that may fault, and where a thread goes on then, for code that begins at `start`.
///
/// # Panics
/// Never: the code says where they are.
#[must_use]
pub fn faults(start: u64) -> Vec<(u64, u64)> {
    let [from, to] = [word(8), word(16)].map(|place| place as usize);
    let places = (from..to).step_by(16);
    let from_here = |place: usize| start.wrapping_add(place as u64).wrapping_add(word(place));
    places
        .map(|place| (from_here(place), from_here(place + 8)))
        .collect()
}

fn word(place: usize) -> u64 {
    u64::from_le_bytes(CORE[place..place + 8].try_into().expect("eight bytes"))
}

/// What all processes of a run share with goinject.
#[derive(Debug)]
pub struct SharedRun {
    memory: OwnedFd,
    size: u64,
    run: Rc<Run>,
    gathered: Gathered,
    places: RunPlaces,
}

/// Where its tables are in its memory.
#[derive(Clone, Copy, Debug)]
struct RunPlaces {
    rules: u64,
    counters: u64,
    control: u64,
    forced: u64,
    lanes: u64,
    goroutines: u64,
    rule_count: u32,
    forced_count: u32,
}

impl SharedRun {
    /// Memory for a run. It does nothing until it is started.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn new(tables: &Tables) -> io::Result<SharedRun> {
        let mut room = Room::default();
        let rules = tables.rules.len() + SPARE_RULES;
        let places = RunPlaces {
            rules: room.rows::<crate::table::Rule>(rules),
            counters: room.rows::<Counters>(rules),
            control: room.rows::<crate::table::Control>(1),
            forced: room.rows::<u64>(tables.forced.len()),
            lanes: room.rows::<Lane>(rules * LANES),
            goroutines: room.bytes(KEPT[Memory::Goroutines as usize].size()),
            rule_count: count(rules),
            forced_count: count(tables.forced.len()),
        };
        let memory = anonymous_file("goinject-run", room.size())?;
        let fd = memory.as_fd();
        let run = Run::of_rows(
            Rows::of_file(fd, places.rules, rules)?,
            Rows::of_file(fd, places.counters, rules)?,
            Rows::of_file(fd, places.control, 1)?,
            Rows::of_file(fd, places.forced, tables.forced.len())?,
            Rc::new(SharedPlaces::new(fd, places.goroutines)?),
        )
        .with_lanes(Rows::of_file(fd, places.lanes, rules * LANES)?);
        run.set(tables);
        Ok(SharedRun {
            size: room.size(),
            run: Rc::new(run),
            gathered: Gathered::new(rules),
            places,
            memory,
        })
    }

    /// The run's switch and its rules.
    pub fn run(&self) -> &Rc<Run> {
        &self.run
    }

    /// What each rule has done so far, in all processes.
    pub fn counters(&self) -> Vec<Counters> {
        let gathered = self.gathered.counters(self.run.rule_count());
        let rows = self.run.counters().into_iter().zip(gathered);
        rows.map(|(row, gathered)| counted(sum(row, &gathered))).collect()
    }

    /// Events that found no room, and calls that could not be looked at.
    pub fn lost(&self) -> [u64; 2] {
        let control = self.run.control();
        counted([self.gathered.dropped(), control.lost_hits])
    }

    /// The memory.
    pub fn file(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }

    /// Its bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Numbers so many more calls that matched a rule and were counted by their threads. The number of the last of them.
    fn number(&self, rule: u32, calls: u64) -> u64 {
        let rule = rule as usize;
        assert!(rule < self.run.counters.len(), "a rule of the run");
        self.gathered.is_numbered(rule, calls);
        // SAFETY: within the mapping, aligned; whoever changes it does so atomically.
        let matched =
            unsafe { AtomicU64::from_ptr(&raw mut (*self.run.counters.as_mut_ptr().add(rule)).matched) };
        matched.fetch_add(calls, Ordering::Relaxed).wrapping_add(calls)
    }

    /// Adds faults that threads counted for themselves to those that count against a limit.
    fn settle_faults(&self, faults: u64) {
        // SAFETY: there is one row, aligned; whoever changes the word does so atomically.
        let common = unsafe { AtomicU64::from_ptr(&raw mut (*self.run.control.as_mut_ptr()).faults) };
        common.fetch_add(faults, Ordering::Relaxed);
    }

    /// Where the switch of all probes is, in a target that has the memory at `at`: a word.
    pub fn switch(&self, at: u64) -> u64 {
        at + self.places.control
    }
}

/// What the core has to know of a program's runtime besides its table.
#[derive(Clone, Copy, Debug, Default)]
pub struct RuntimeFacts {
    /// It is known where g is in thread-local storage.
    pub tls_is_known: bool,
    /// Where a thread's number is in its m; 0 unknown.
    pub procid_offset: u64,
}

/// What one process shares with goinject.
#[derive(Debug)]
pub struct SharedProcess {
    memory: OwnedFd,
    size: u64,
    serial: u32,
    /// As they were handed out: the target can write to its own.
    facts: Process,
    rows: TableRows,
    inside: Rc<Rows<Inside>>,
    shares: Rc<Shares>,
    slots: Rows<Slot>,
    rings: Rings,
    told: Told,
    /// Faults that are in the common count.
    settled: u64,
    places: ProcessPlaces,
}

#[derive(Clone, Copy, Debug)]
struct ProcessPlaces {
    slots: u64,
    inside: u64,
    sites: u64,
    bindings: u64,
    edits: u64,
    terms: u64,
    texts: u64,
    ranges: u64,
    states: u64,
    term_counters: u64,
    shares: u64,
    share: (u64, u64),
    processes: u64,
    rings: u64,
    entries: u64,
    rest: u64,
    kept: [u64; KEPT.len()],
}

impl SharedProcess {
    /// Memory for one more process of a run, with its tables, disarmed.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn new(run: &SharedRun, tables: &Tables) -> io::Result<SharedProcess> {
        use crate::table::{Binding, Edit, FixedText, Range, Site, State, Term};
        let mut room = Room::default();
        let share = Shares::layout(run.places.rule_count as usize, tables.terms.len());
        let places = ProcessPlaces {
            slots: room.bytes(SLOT * SLOTS),
            inside: room.rows::<Inside>(1),
            sites: room.rows::<Site>(tables.sites.len()),
            bindings: room.rows::<Binding>(tables.bindings.len()),
            edits: room.rows::<Edit>(tables.edits.len()),
            terms: room.rows::<Term>(tables.terms.len()),
            texts: room.rows::<FixedText>(tables.texts.len()),
            ranges: room.rows::<Range>(tables.ranges.len()),
            states: room.rows::<State>(tables.states.len()),
            term_counters: room.rows::<TermCounters>(tables.terms.len()),
            shares: room.bytes(share.0 * SLOTS),
            share,
            processes: room.rows::<Process>(1),
            rings: room.rows::<ring::Heads>(RINGS),
            entries: room.rows::<ring::Entry>(RINGS * ring::ENTRIES),
            rest: room.rows::<ring::Rest>(RINGS * ring::ENTRIES),
            kept: KEPT.map(|table| room.bytes(table.size())),
        };
        let memory = anonymous_file("goinject-process", room.size())?;
        let fd = memory.as_fd();
        let rows = TableRows {
            sites: Rows::of_file(fd, places.sites, tables.sites.len())?,
            bindings: Rows::of_file(fd, places.bindings, tables.bindings.len())?,
            edits: Rows::of_file(fd, places.edits, tables.edits.len())?,
            terms: Rows::of_file(fd, places.terms, tables.terms.len())?,
            texts: Rows::of_file(fd, places.texts, tables.texts.len())?,
            ranges: Rows::of_file(fd, places.ranges, tables.ranges.len())?,
            states: Rows::of_file(fd, places.states, tables.states.len())?,
            term_counters: Rows::of_file(fd, places.term_counters, tables.terms.len())?,
            processes: Rows::of_file(fd, places.processes, 1)?,
        };
        let serial = run.run.next_serial();
        rows.set(&FirstRows::default(), &told::marked(tables), serial);
        let inside = Rc::new(Rows::of_file(fd, places.inside, 1)?);
        let shares = Rc::new(Shares::of_file(fd, places.shares, share, &inside, &run.run)?);
        run.gathered.join(&shares);
        Ok(SharedProcess {
            size: room.size(),
            serial,
            facts: tables.process,
            inside,
            shares,
            slots: Rows::of_file(fd, places.slots, SLOTS as usize)?,
            rings: Rings::new(
                Rows::of_file(fd, places.rings, RINGS)?,
                Rows::of_file(fd, places.entries, RINGS * ring::ENTRIES)?,
                Rows::of_file(fd, places.rest, RINGS * ring::ENTRIES)?,
            ),
            told: Told::new(run.places.rule_count as usize),
            settled: 0,
            rows,
            places,
            memory,
        })
    }

    /// The memory.
    pub fn file(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }

    /// Its bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What its events call it.
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// Tells the core where things are: its own tables in memory that the process has at `at`, and the run's at `run_at`.
    pub fn place(&self, at: u64, run: &SharedRun, run_at: u64, runtime: RuntimeFacts) {
        let (mine, runs) = (&self.places, &run.places);
        let mut kept = KEPT.map(KeptTable::of);
        for (table, place) in kept.iter_mut().zip(mine.kept) {
            table.buckets = at + place;
        }
        // Calls are also counted by where they were made, in whichever process.
        kept[Memory::Goroutines as usize].buckets = run_at + runs.goroutines;
        let rows = &self.rows;
        let mut inside = Inside {
            sites: at + mine.sites,
            bindings: at + mine.bindings,
            rules: run_at + runs.rules,
            edits: at + mine.edits,
            terms: at + mine.terms,
            texts: at + mine.texts,
            ranges: at + mine.ranges,
            states: at + mine.states,
            counters: run_at + runs.counters,
            term_counters: at + mine.term_counters,
            control: run_at + runs.control,
            processes: at + mine.processes,
            forced: run_at + runs.forced,
            lanes: run_at + runs.lanes,
            site_count: count(rows.sites.len()),
            binding_count: count(rows.bindings.len()),
            rule_count: runs.rule_count,
            edit_count: count(rows.edits.len()),
            term_count: count(rows.terms.len()),
            text_count: count(rows.texts.len()),
            range_count: count(rows.ranges.len()),
            process_count: 1,
            state_count: count(rows.states.len()),
            forced_count: runs.forced_count,
            rings: at + mine.rings,
            entries: at + mine.entries,
            rest: at + mine.rest,
            tls_is_known: u64::from(runtime.tls_is_known),
            procid_offset: runtime.procid_offset,
            kept,
            slots: at + mine.slots,
            ..Inside::default()
        };
        let (size, terms) = mine.share;
        inside.shares = SharesPlace {
            first: at + mine.shares,
            size,
            terms: terms
                .wrapping_sub(inside.term_counters)
                .wrapping_add(inside.counters),
            used: 0,
        };
        self.inside.set(0, &[inside]);
    }

    /// The code as it is to be in the target.
    #[must_use]
    pub fn code(&self, head: Head) -> Vec<u8> {
        let mut code = CORE.to_vec();
        let pool = head.process + self.places.slots;
        let words = [
            pool,
            pool + SLOT * SLOTS,
            head.process + self.places.inside,
            head.displaced,
        ];
        for (to, word) in code[POOL..].chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        code
    }

    /// Lets its probes act.
    pub fn arm(&self) {
        self.rows.arm(0);
    }

    /// Lets its probes pass.
    pub fn disarm(&self) {
        self.rows.disarm(0);
    }

    /// Lets faults go on for so long from now.
    pub fn extend(&self, lease: Duration) {
        let until = now() + u64::try_from(lease.as_nanos()).unwrap_or(u64::MAX);
        // SAFETY: there is one row, aligned; whoever reads it does so atomically.
        let word = unsafe { AtomicU64::from_ptr(&raw mut (*self.inside.as_mut_ptr()).lease) };
        word.store(until, Ordering::Relaxed);
    }

    /// Tells the core what time it is, and how fast the processor's counter runs. To be told again and again.
    pub fn tell_time(&self, clock: &Clock) {
        // SAFETY: there is one row, aligned; whoever reads these words does so atomically.
        let [changes, counter, time, scale] = unsafe {
            let words = &raw mut (*self.inside.as_mut_ptr()).clock;
            [
                AtomicU64::from_ptr(&raw mut (*words).changes),
                AtomicU64::from_ptr(&raw mut (*words).counter),
                AtomicU64::from_ptr(&raw mut (*words).time),
                AtomicU64::from_ptr(&raw mut (*words).scale),
            ]
        };
        let before = changes.load(Ordering::Relaxed);
        let reading = clock.reading();
        changes.store(before + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        counter.store(reading.counter, Ordering::Relaxed);
        time.store(reading.time, Ordering::Relaxed);
        scale.store(reading.scale, Ordering::Relaxed);
        changes.store(before + 2, Ordering::Release);
    }

    /// Whether no thread is in the core.
    pub fn is_idle(&self) -> bool {
        (0..self.slots.len()).all(|slot| {
            // SAFETY: within the mapping, aligned; whoever changes it does so atomically.
            let taken = unsafe { AtomicU32::from_ptr(&raw mut (*self.slots.as_mut_ptr().add(slot)).taken) };
            taken.load(Ordering::Acquire) == 0
        })
    }

    /// Facts of the process, and what it hands out, as they are now.
    pub fn process(&self) -> Process {
        let Process {
            copies_next,
            copies_limit,
            ..
        } = self.facts;
        let now = self.rows.processes.get(0).unwrap_or_default().copies_next;
        Process {
            copies_next: now.clamp(copies_next.min(copies_limit), copies_limit),
            ..self.facts
        }
    }

    /// Has its memory for copies end further on.
    pub fn supply_copies(&self, end: u64) {
        self.rows.supply_copies(0, end);
    }

    /// How each row of its conditions has come out so far.
    pub fn term_counters(&self) -> Vec<TermCounters> {
        let mut rows = self.rows.term_counters.range(0, self.rows.term_counters.len());
        self.shares.add_terms(&mut rows);
        rows.into_iter().map(counted).collect()
    }

    /// What the core has kept of calls and goroutines. No thread is in it.
    ///
    /// # Errors
    /// There is no memory to look at it.
    pub fn entries(&self, run: &SharedRun) -> io::Result<Entries> {
        let (mine, serial) = (self.memory.as_fd(), self.serial);
        let at = |memory: Memory| KeptRows::new(mine, self.places.kept[memory as usize], memory);
        let goroutines = KeptRows::new(run.memory.as_fd(), run.places.goroutines, Memory::Goroutines)?;
        Ok(Entries {
            calls: at(Memory::Calls)?.entries(mine, |key: &CallKey| key.process == serial)?,
            delays: at(Memory::Delays)?.entries(mine, |key: &GKey| key.process == serial)?,
            goroutines: goroutines.entries(run.memory.as_fd(), |key: &GoroutineKey| key.process == serial)?,
            members: at(Memory::Members)?
                .entries(mine, |key: &MemberKey| key.process == u64::from(serial))?,
            tests: at(Memory::Tests)?.entries(mine, |key: &MemberKey| key.process == u64::from(serial))?,
        })
    }

    /// Takes over what was kept of the same process under former rules, before its probes act.
    ///
    /// # Errors
    /// There is no memory to look at it.
    pub fn inherit(&self, run: &SharedRun, entries: Entries, moved: &Moved) -> io::Result<()> {
        let none = FirstRows::default();
        let entries = inherited(entries, self.serial, moved, (none, none));
        let mine = self.memory.as_fd();
        let at = |memory: Memory| KeptRows::new(mine, self.places.kept[memory as usize], memory);
        let goroutines = KeptRows::new(run.memory.as_fd(), run.places.goroutines, Memory::Goroutines)?;
        // What there is no room for is as good as never seen.
        at(Memory::Calls)?.keep(&entries.calls);
        at(Memory::Delays)?.keep(&entries.delays);
        goroutines.keep(&entries.goroutines);
        at(Memory::Members)?.keep(&entries.members);
        at(Memory::Tests)?.keep(&entries.tests);
        Ok(())
    }

    /// Has what is counted of it in the memory of its run make room.
    ///
    /// # Errors
    /// There is no memory to look at it.
    pub fn forget(&self, run: &SharedRun) -> io::Result<()> {
        let of_run = run.memory.as_fd();
        let goroutines = KeptRows::new(of_run, run.places.goroutines, Memory::Goroutines)?;
        goroutines.forget(of_run, |key: &GoroutineKey| key.process == self.serial)
    }

    /// The events since the last call, in the order of their times, but for what happens meanwhile. Their calls are yet to be
    /// numbered.
    pub fn take_events(&mut self) -> Vec<Event> {
        let now = self.core_time();
        self.rings.take(now)
    }

    /// All that are left. No thread is in the core, or none gets out of it.
    pub fn take_last_events(&mut self) -> Vec<Event> {
        self.rings.take_last()
    }

    /// Notes that an event is told, and numbers its call among those that matched its rule, if it was not numbered when it was made. To be asked in
    /// the order in which events are told.
    pub fn number(&mut self, run: &SharedRun, event: &mut Event) {
        if let Some(calls) = self.told.passed(event) {
            event.call = run.number(event.rule, calls);
        }
    }

    /// What each rule did that no event was told of: nobody took it, or there was no room.
    pub fn untold(&self) -> Vec<Faults> {
        self.told.untold(&self.shares.of_rules())
    }

    /// Has faults that its threads counted for themselves, while there was no limit, count against one that may come.
    pub fn settle(&mut self, run: &SharedRun) {
        let faults = self.shares.faults();
        run.settle_faults(faults.wrapping_sub(self.settled));
        self.settled = faults;
    }

    /// The time as the core has it.
    fn core_time(&self) -> u64 {
        let Some(inside) = self.inside.get(0) else {
            return now();
        };
        inside.clock.time_now().unwrap_or_else(now)
    }
}

fn count(rows: usize) -> u32 {
    u32::try_from(rows).expect("tables have fewer than 2^32 rows")
}

/// Memory that can be shared, all zero, of which only what is used takes any. Nobody can take of it what goinject would miss.
fn anonymous_file(name: &str, size: u64) -> io::Result<OwnedFd> {
    let file = memfd_create(name, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    ftruncate(&file, i64::try_from(size).map_err(io::Error::other)?)?;
    let sealed = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(sealed))?;
    Ok(file)
}

#[cfg(test)]
mod tests;
