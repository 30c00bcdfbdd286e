//! The BPF program of a run: loaded once, with rows added and removed for each process, attached to its sites, read
//! while it runs.

mod capacity;
mod instance;
mod leaving;
mod memories;
mod switches;
mod threads;

use std::cell::{Cell, Ref, RefCell};
use std::collections::HashMap;
use std::os::fd::RawFd;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use libbpf_rs::{Link, MapHandle, RingBuffer, RingBufferBuilder, UprobeMultiOpts, UprobeOpts};

pub use self::capacity::Capacity;
pub use self::leaving::Removed;
pub use self::switches::Switches;
pub use self::threads::Pass;

use self::capacity::Taken;
use self::instance::{Instance, map_error};
use self::memories::MapMemories;
use crate::closer::Closer;
use crate::native::{Core, Directory, FirstRows, OwnPlaces, Run, SPARE_RULES};
use crate::table::{Control, Counters, Event, Process, Tables, TermCounters};

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

/// The program of a run with its maps. Dropping it takes every probe off.
pub struct Program {
    attach: Attach,
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
            // The program counts them.
            Rc::new(OwnPlaces::default()),
        );
        run.set(tables);
        let directory = Rc::new(Directory::default());
        let events = Rc::new(RefCell::new(Vec::new()));
        let ring = ring(&instance.map("gi_events")?, &events, &directory)?;
        Ok(Program {
            attach,
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
    /// `switches` are what its rules have the program do.
    pub fn add(&self, tables: &Tables, switches: Switches, pid: i32) -> Result<ProcessRows, ProgramError> {
        self.reap(false);
        let wanted = Capacity::of(tables);
        let (instance, taken) = match self.find_room(wanted, switches) {
            Some(found) => found,
            None => self.make_room(wanted, switches)?,
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

    fn find_room(&self, wanted: Capacity, switches: Switches) -> Option<(usize, Taken)> {
        let mut instances = self.instances.borrow_mut();
        instances
            .iter_mut()
            .enumerate()
            .filter(|(_, instance)| instance.switches.allow(switches))
            .filter(|(_, instance)| instance.capacity.needs.has(wanted.needs))
            .find_map(|(n, instance)| Some((n, instance.rooms.take(wanted)?)))
    }

    /// Takes back what is free by now; if that is not enough, loads the program once more, twice as large. So it does
    /// where rules need more of it in this process than in those before.
    fn make_room(&self, wanted: Capacity, switches: Switches) -> Result<(usize, Taken), ProgramError> {
        self.reap(true);
        if let Some(found) = self.find_room(wanted, switches) {
            return Ok(found);
        }
        let mut instances = self.instances.borrow_mut();
        let last = instances.last().expect("there is one from the start");
        let capacity = last.capacity.times(2).or_more(wanted);
        let mut next = Instance::load(
            last.switches.or(switches),
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

    /// Has the memory for copies of a process end further on.
    pub fn supply_copies(&self, rows: &ProcessRows, end: u64) {
        self.rows_of(rows).supply_copies(rows.place.process, end);
    }

    /// Lets all probes of all processes pass.
    pub fn cease(&self) {
        self.run.cease();
    }

    fn rows_of(&self, rows: &ProcessRows) -> Ref<'_, crate::native::TableRows> {
        Ref::map(self.instances.borrow(), |instances| {
            &*instances[rows.instance].rows
        })
    }

    /// Has copies of what holds pointers made in a process from now on: its garbage collector knows of them. None of its
    /// threads is in a probe.
    pub fn have_scanned(&self, rows: &ProcessRows, marks_base: u64) {
        let rows_of = self.rows_of(rows);
        let at = rows.place.process as usize;
        if let Some(process) = rows_of.processes.get(at) {
            let process = Process {
                copies_scanned: marks_base,
                ..process
            };
            rows_of.processes.set(at, &[process]);
        }
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

#[cfg(test)]
mod tests;
