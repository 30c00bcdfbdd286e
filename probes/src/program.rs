//! The BPF program of a run: loaded once, with rows added and removed for each process, attached to its sites, read
//! while it runs.

mod capacity;
mod instance;
mod memories;
mod switches;

use std::cell::{Cell, Ref, RefCell};
use std::collections::{HashMap, HashSet};
use std::os::fd::RawFd;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use libbpf_rs::{
    Link, MapCore, MapFlags, MapHandle, RingBuffer, RingBufferBuilder, UprobeMultiOpts, UprobeOpts,
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub use self::capacity::Capacity;
pub use self::switches::Switches;

use self::capacity::Taken;
use self::instance::{Instance, map_error};
use self::memories::MapMemories;
use crate::closer::Closer;
use crate::native::{Core, Directory, FirstRows, Moved, Run, SPARE_RULES, Scratch, Thread};
use crate::table::{
    CallKey, Control, Counters, Event, GKey, GoroutineKey, Process, Reason, Tables, TermCounters,
};

/// How probes are attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// One perf event per site.
    Single,
    /// One link for all sites (Linux 6.6).
    Multi,
    /// As [`Attach::Single`], with an empty program: the benchmarks' peer.
    Empty,
    /// As [`Attach::Multi`], with an empty program.
    EmptyMulti,
}

/// Why the program could not be loaded or attached.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// The kernel refused the program or a map.
    #[error("the kernel refused the BPF program: {reason}")]
    Load {
        /// The last telling line of the verifier's or libbpf's log, else the error.
        reason: String,
    },
    /// The kernel refused a probe.
    #[error("the kernel refused a probe at file offset 0x{offset:x}: {source}")]
    Attach {
        /// Of the first site concerned.
        offset: u64,
        /// What libbpf said.
        source: libbpf_rs::Error,
    },
    /// A map could not be read or written.
    #[error("BPF map {map}: {source}")]
    Map {
        /// Its name.
        map: &'static str,
        /// What the kernel said.
        source: std::io::Error,
    },
}

/// A probe to attach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// File offset of the instruction.
    pub offset: u64,
    /// Row of the site, counted from the first of its process.
    pub site: u32,
}

/// A goroutine sent back to run an instruction again, as `gi_passes` holds it.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Pass {
    /// Distance of its stack pointer from its stack's high end.
    pub depth: u64,
    /// Row of the site, as a hit has it.
    pub site: u32,
    #[doc(hidden)]
    pub padding: u32,
}

impl Attach {
    /// Whether what is attached decides anything.
    fn decides(self) -> bool {
        matches!(self, Attach::Single | Attach::Multi)
    }

    fn at_once(self) -> bool {
        matches!(self, Attach::Multi | Attach::EmptyMulti)
    }
}

/// The rows of one process in a loaded program, and its probes. Given back with [`Program::remove`].
#[derive(Debug)]
#[must_use = "its rows are not used again unless they are given back"]
pub struct ProcessRows {
    serial: u32,
    pid: u32,
    instance: usize,
    taken: Taken,
    place: FirstRows,
    links: Vec<Link>,
}

impl ProcessRows {
    /// What its events call the process.
    pub fn serial(&self) -> u32 {
        self.serial
    }
}

impl Drop for ProcessRows {
    /// Where they were not given back, the probes come off now, and that is waited for.
    fn drop(&mut self) {
        Closer::new().close(self.serial, std::mem::take(&mut self.links));
    }
}

/// What is known of a process when its rows are given back.
#[derive(Clone, Debug, Default)]
pub struct Removed {
    /// How each row of its conditions has come out.
    pub term_counters: Vec<TermCounters>,
    /// What it was given and has not used.
    pub process: Process,
}

/// The program of a run with its maps. Dropping it takes every probe off.
pub struct Program {
    attach: Attach,
    switches: Switches,
    run: Rc<Run>,
    directory: Rc<Directory>,
    events: Rc<RefCell<Vec<Event>>>,
    ring: RingBuffer<'static>,
    scratches: MapHandle,
    passes: MapHandle,
    calls: MapHandle,
    delays: MapHandle,
    goroutines: MapHandle,
    closer: RefCell<Closer>,
    leaving: RefCell<HashMap<u32, (usize, Taken)>>,
    swept: Cell<Option<Instant>>,
    instances: RefCell<Vec<Instance>>,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program")
            .field("attach", &self.attach)
            .field("instances", &self.instances.borrow().len())
            .finish_non_exhaustive()
    }
}

/// How often at most rows are taken back from processes that left.
const SWEEP: Duration = Duration::from_millis(250);

impl Program {
    /// Loads the program for a run, with room for as many rows as `capacity` says. Where that is used up, it is loaded
    /// once more.
    pub fn load(
        tables: &Tables,
        switches: Switches,
        attach: Attach,
        capacity: Capacity,
    ) -> Result<Program, ProgramError> {
        let (rules, forced) = (tables.rules.len() + SPARE_RULES, tables.forced.len());
        let instance = Instance::load(switches, attach, capacity, (rules, forced), None)?;
        let run = Run::of_rows(
            instance.table("gi_rules", rules)?,
            instance.table("gi_counter_map", rules)?,
            instance.table("gi_control_map", 1)?,
            instance.table("gi_forced", forced)?,
        );
        run.set(tables);
        let directory = Rc::new(Directory::default());
        let events = Rc::new(RefCell::new(Vec::new()));
        let ring = ring(&instance.map("gi_events")?, &events, &directory)?;
        Ok(Program {
            attach,
            switches,
            run: Rc::new(run),
            directory,
            events,
            ring,
            scratches: instance.map("gi_scratches")?,
            passes: instance.map("gi_passes")?,
            calls: instance.map("gi_calls")?,
            delays: instance.map("gi_delays")?,
            goroutines: instance.map("gi_goroutines")?,
            closer: RefCell::new(Closer::new()),
            leaving: RefCell::default(),
            swept: Cell::new(None),
            instances: RefCell::new(vec![instance]),
        })
    }

    /// Gives a process rows of its own, disarmed. The tables' rules and control row are the run's, and not looked at.
    /// From now on its `exec` is noticed: whoever looks at its memory after this and then arms it arms what it saw.
    pub fn add(&self, tables: &Tables, pid: i32) -> Result<ProcessRows, ProgramError> {
        self.reap(false);
        let wanted = Capacity::of(tables);
        let (instance, taken) = match self.find_room(wanted) {
            Some(found) => found,
            None => self.make_room(wanted)?,
        };
        let pid = pid.cast_unsigned();
        let place = taken.place();
        let serial = self.run.next_serial();
        let instances = self.instances.borrow();
        let home = &instances[instance];
        let mut tables = tables.clone();
        tables.process.pid = pid;
        home.rows.set(&place, &tables, serial);
        self.directory.insert(serial, place, Rc::clone(&home.rows));
        let rows = ProcessRows {
            serial,
            pid,
            instance,
            taken,
            place,
            links: Vec::new(),
        };
        match home.watch(pid, place.process) {
            Ok(()) => Ok(rows),
            Err(error) => {
                drop(instances);
                let _ = self.remove(rows);
                Err(error)
            }
        }
    }

    fn find_room(&self, wanted: Capacity) -> Option<(usize, Taken)> {
        let mut instances = self.instances.borrow_mut();
        instances
            .iter_mut()
            .enumerate()
            .filter(|(_, instance)| instance.capacity.needs.has(wanted.needs))
            .find_map(|(n, instance)| Some((n, instance.rooms.take(wanted)?)))
    }

    /// Takes back what is free by now; if that is not enough, loads the program once more, twice as large. So it does
    /// where rules need more of it in this process than in those before.
    fn make_room(&self, wanted: Capacity) -> Result<(usize, Taken), ProgramError> {
        self.reap(true);
        if let Some(found) = self.find_room(wanted) {
            return Ok(found);
        }
        let mut instances = self.instances.borrow_mut();
        let last = instances.last().expect("there is one from the start");
        let capacity = last.capacity.times(2).or_more(wanted);
        let mut next = Instance::load(
            self.switches,
            self.attach,
            capacity,
            (self.run.rules.len(), self.run.forced.len()),
            instances.first(),
        )?;
        let taken = next.rooms.take(wanted).expect("it has at least as much");
        instances.push(next);
        Ok((instances.len() - 1, taken))
    }

    /// Attaches probes to a binary in the process. With [`Attach::Multi`] the kernel takes all or none.
    pub fn attach(&self, rows: &mut ProcessRows, path: &Path, probes: &[Probe]) -> Result<(), ProgramError> {
        let refused = |probe: &Probe, source| ProgramError::Attach {
            offset: probe.offset,
            source,
        };
        let cookie = |probe: &Probe| u64::from(rows.place.sites + probe.site);
        let pid = rows.pid.cast_signed();
        let instances = self.instances.borrow();
        let program = instances[rows.instance].program();
        if !self.attach.at_once() {
            for probe in probes {
                let options = UprobeOpts {
                    cookie: cookie(probe),
                    ..UprobeOpts::default()
                };
                let link = program.attach_uprobe_with_opts(pid, path, probe.offset as usize, options);
                let link = link.map_err(|error| refused(probe, error))?;
                rows.links.push(link);
            }
            return Ok(());
        }
        let Some(first) = probes.first() else {
            return Ok(());
        };
        let options = UprobeMultiOpts {
            offsets: probes.iter().map(|probe| probe.offset as usize).collect(),
            cookies: probes.iter().map(cookie).collect(),
            ..UprobeMultiOpts::default()
        };
        let link = program.attach_uprobe_multi_with_opts(pid, path, "", options);
        rows.links.push(link.map_err(|error| refused(first, error))?);
        Ok(())
    }

    /// Starts the run, if nobody has yet: its clock, and its processes as they are armed.
    pub fn start(&self) {
        self.run.start();
    }

    /// Lets the probes of a process act; false if it runs another program by now.
    #[must_use = "a process that runs another program is not armed"]
    pub fn arm(&self, rows: &ProcessRows) -> bool {
        self.rows_of(rows).arm(rows.place.process)
    }

    /// Lets the probes of a process pass.
    pub fn disarm(&self, rows: &ProcessRows) {
        self.rows_of(rows).disarm(rows.place.process);
    }

    /// Takes over what is kept of another process's calls and goroutines: of the same one, with other rules. Neither may be armed.
    pub fn inherit(&self, rows: &ProcessRows, former: u32, moved: &Moved, core: &mut Core) {
        core.inherit_within(former, rows.serial, moved);
        let Some(place) = self.directory.place(former) else {
            return;
        };
        let of_former = |key: &Vec<u8>| {
            GKey::read_from_bytes(key)
                .ok()
                .filter(|key| key.process == former)
        };
        for key in self
            .passes
            .keys()
            .filter_map(|key| of_former(&key))
            .collect::<Vec<_>>()
        {
            let pass = self.passes.lookup(key.as_bytes(), MapFlags::ANY).ok().flatten();
            let pass = pass.and_then(|bytes| Pass::read_from_bytes(&bytes).ok());
            let site = pass.and_then(|pass| moved.sites.get(&pass.site.wrapping_sub(place.sites)));
            if let (Some(pass), Some(site)) = (pass, site) {
                let goroutine = GKey {
                    process: rows.serial,
                    ..key
                };
                let site = site + rows.place.sites;
                // Where there is no room, the call counts twice.
                let _ = self.let_pass(goroutine, Pass { site, ..pass });
            }
        }
    }

    /// Waits for edits that threads of a process have begun and their signals are to end, while that lasts no longer
    /// than this.
    pub fn settle(&self, rows: &ProcessRows, patience: Duration) {
        let begun = Instant::now();
        let waits = |tid: &u32| {
            let scratch = self.scratch(*tid);
            scratch.is_some_and(|s| s.is_waiting() && s.hit.serial == rows.serial)
        };
        while self.threads().iter().any(waits) && begun.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Drops the scratches of the threads of a process that has ended or runs another program: what waits in them ended with
    /// their calls, and has not failed.
    pub fn forget_threads(&self, rows: &ProcessRows) {
        for tid in self.threads() {
            if self.scratch(tid).is_some_and(|s| s.hit.serial == rows.serial) {
                self.forget(tid);
            }
        }
    }

    /// Lets all probes of all processes pass.
    pub fn cease(&self) {
        self.run.cease();
    }

    /// Takes a process's rows back. Its probes pass from now on and come off in the background.
    pub fn remove(&self, mut rows: ProcessRows) -> Removed {
        self.disarm(&rows);
        let removed = Removed {
            term_counters: self.term_counters(&rows),
            process: self.process(&rows),
        };
        self.instances.borrow()[rows.instance].unwatch(rows.pid, rows.place.process);
        self.leaving
            .borrow_mut()
            .insert(rows.serial, (rows.instance, std::mem::take(&mut rows.taken)));
        let links = std::mem::take(&mut rows.links);
        self.closer.borrow_mut().close(rows.serial, links);
        removed
    }

    /// Waits until the probes of all processes that were removed are off.
    pub fn finish(&self) {
        self.closer.borrow_mut().finish();
        self.reap(true);
    }

    /// Takes back the rows of processes whose probes are off, with what was kept of their threads and goroutines.
    fn reap(&self, now: bool) {
        if !now && self.swept.get().is_some_and(|swept| swept.elapsed() < SWEEP) {
            return;
        }
        let closed: HashSet<u32> = self.closer.borrow().closed().into_iter().collect();
        self.swept.set(Some(Instant::now()));
        if closed.is_empty() {
            return;
        }
        self.drop_scratches(&closed);
        drop_keys(&self.passes, &closed, |key: GKey| key.process);
        drop_keys(&self.delays, &closed, |key: GKey| key.process);
        drop_keys(&self.calls, &closed, |key: CallKey| key.process);
        drop_keys(&self.goroutines, &closed, |key: GoroutineKey| key.process);
        let mut instances = self.instances.borrow_mut();
        let mut leaving = self.leaving.borrow_mut();
        for serial in closed {
            self.directory.remove(serial);
            if let Some((instance, taken)) = leaving.remove(&serial) {
                instances[instance].rooms.give(&taken);
            }
        }
    }

    /// Drops the scratches of threads of processes that left. What still waits in one can't be done any more.
    fn drop_scratches(&self, closed: &HashSet<u32>) {
        let mut core = None;
        for tid in self.threads() {
            let Some(scratch) = self.scratch(tid).filter(|s| closed.contains(&s.hit.serial)) else {
                continue;
            };
            self.forget(tid);
            if !scratch.is_waiting() {
                continue;
            }
            if core.is_none() {
                core = self.core().ok();
            }
            if let Some(core) = &mut core {
                core.abandon(&mut Left(&self.events), &scratch, Reason::Lost);
            }
        }
    }

    fn rows_of(&self, rows: &ProcessRows) -> Ref<'_, crate::native::TableRows> {
        Ref::map(self.instances.borrow(), |instances| {
            &*instances[rows.instance].rows
        })
    }

    /// What all processes share.
    pub fn run(&self) -> &Rc<Run> {
        &self.run
    }

    /// Whether a process that runs another program is disarmed in that moment, also where nobody traces it.
    pub fn notices_exec(&self) -> bool {
        self.instances.borrow().iter().all(Instance::notices_exec)
    }

    /// Facts of a process and what it hands out, as they are now.
    pub fn process(&self, rows: &ProcessRows) -> Process {
        let process = self.rows_of(rows).processes.get(rows.place.process as usize);
        process.unwrap_or_default()
    }

    /// The run's switch and limits as they are now.
    pub fn control(&self) -> Control {
        self.run.control()
    }

    /// What each rule has done so far, in all processes.
    pub fn counters(&self) -> Vec<Counters> {
        self.run.counters()
    }

    /// How each row of a process's conditions has come out so far.
    pub fn term_counters(&self, rows: &ProcessRows) -> Vec<TermCounters> {
        let terms = rows.taken.terms();
        self.rows_of(rows).term_counters.range(terms.start, terms.len())
    }

    /// Events that found no room in the ring.
    pub fn dropped_events(&self) -> u64 {
        self.control().dropped_events
    }

    /// Calls that could not be looked at, because the table of threads was full.
    pub fn lost_hits(&self) -> u64 {
        self.control().lost_hits
    }

    /// Readable when events wait.
    pub fn event_fd(&self) -> RawFd {
        self.ring.epoll_fd()
    }

    /// The events that came since the last call, in order. Their sites and bindings are counted from the first of
    /// their process.
    pub fn take_events(&self) -> Vec<Event> {
        self.reap(false);
        // An interrupted read only means that the rest comes with the next call.
        let _ = self.ring.consume();
        self.events.take()
    }

    /// The edits that wait for a thread, if any.
    pub fn waiting(&self, tid: u32) -> Option<Scratch> {
        let scratch = self.scratch(tid).filter(Scratch::is_waiting)?;
        let left = self.leaving.borrow().contains_key(&scratch.hit.serial);
        (!left && self.directory.find(scratch.hit.serial).is_some()).then_some(scratch)
    }

    fn scratch(&self, tid: u32) -> Option<Scratch> {
        let bytes = self.scratches.lookup(&tid.to_ne_bytes(), MapFlags::ANY).ok()??;
        Scratch::read_from_bytes(&bytes).ok()
    }

    /// Every thread that has a scratch.
    pub fn threads(&self) -> Vec<u32> {
        self.scratches
            .keys()
            .filter_map(|key| Some(u32::from_ne_bytes(key.try_into().ok()?)))
            .collect()
    }

    /// Drops a thread's scratch: its edits are made, or the thread is gone.
    pub fn forget(&self, tid: u32) {
        // A missing key is what is wanted.
        let _ = self.scratches.delete(&tid.to_ne_bytes());
    }

    /// Lets a goroutine pass a site once, because it is sent back to run the probed instruction again.
    pub fn let_pass(&self, goroutine: GKey, pass: Pass) -> Result<(), ProgramError> {
        self.passes
            .update(goroutine.as_bytes(), pass.as_bytes(), MapFlags::ANY)
            .map_err(|error| map_error("gi_passes", error))
    }

    /// The native core over this program's rows and memories, of all processes: for edits that goinject makes itself.
    pub fn core(&self) -> Result<Core, ProgramError> {
        let instances = self.instances.borrow();
        let first = instances.first().expect("there is one from the start");
        let memories = MapMemories {
            calls: first.map("gi_calls")?,
            delays: first.map("gi_delays")?,
            goroutines: first.map("gi_goroutines")?,
            members: first.map("gi_members")?,
            tests: first.map("gi_tests")?,
        };
        Ok(Core::shared(
            Rc::clone(&self.run),
            Rc::clone(&self.directory),
            Box::new(memories),
        ))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.cease();
        self.closer.get_mut().finish();
    }
}

/// Collects events, with the rows counted from the first of their process.
fn ring(
    map: &MapHandle,
    events: &Rc<RefCell<Vec<Event>>>,
    directory: &Rc<Directory>,
) -> Result<RingBuffer<'static>, ProgramError> {
    let sink = Rc::clone(events);
    let directory = Rc::clone(directory);
    let mut builder = RingBufferBuilder::new();
    let added = builder.add(map, move |bytes| {
        if let Some(event) = Event::from_sent(bytes)
            && let Some(place) = directory.place(event.process)
        {
            sink.borrow_mut().push(place.own(event));
        }
        0
    });
    added
        .map(drop)
        .and_then(|()| builder.build())
        .map_err(|error| map_error("gi_events", error))
}

fn drop_keys<K: FromBytes>(map: &MapHandle, closed: &HashSet<u32>, process: impl Fn(K) -> u32) {
    let keys = map
        .keys()
        .filter(|key| K::read_from_bytes(key).is_ok_and(|key| closed.contains(&process(key))));
    // All of them first: where the key that was just seen is gone, the kernel starts again from the beginning.
    for key in keys.collect::<Vec<_>>() {
        let _ = map.delete(&key);
    }
}

/// A thread of a process that left: nothing can be read or written, but what failed is told.
struct Left<'a>(&'a RefCell<Vec<Event>>);

impl Thread for Left<'_> {
    fn read(&mut self, _: u64, _: &mut [u8]) -> bool {
        false
    }
    fn write(&mut self, _: u64, _: &[u8]) -> bool {
        false
    }
    fn float(&mut self, _: u32) -> Option<u64> {
        None
    }
    fn set_float(&mut self, _: u32, _: u64) -> bool {
        false
    }
    fn thread_pointer(&mut self) -> u64 {
        0
    }
    fn emit(&mut self, event: &Event) {
        self.0.borrow_mut().push(*event);
    }
}

#[cfg(test)]
mod tests;
