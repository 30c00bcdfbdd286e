//! The decision core, compiled natively: decides for the ptrace engine, and makes the edits wherever
//! a tracer writes. The C side is `bpf/native.c`; every unsafe call into it is below this module.

mod host;
mod inherit;
mod memories;
mod recent;
mod run;
mod scratch;

use std::rc::Rc;

use zerocopy::FromZeros;

pub use self::inherit::Moved;
pub(crate) use self::inherit::inherited;
pub use self::memories::{Entries, Memories};
pub(crate) use self::memories::{OwnPlaces, Places};
pub use self::run::Run;
pub(crate) use self::run::{Directory, FirstRows, LANES, Lane, SPARE_RULES, TableRows};
pub use self::scratch::{Hit, Scratch};

use self::host::{
    Host, Lent, emit, float_read, float_write, goinject_abandon, goinject_forced_key, goinject_hit,
    goinject_perform, read, remember, write,
};
use self::memories::OwnMemories;
use crate::rows::Rows;
use crate::table::{Counters, Event, Process, Reason, Site, Tables, TermCounters};

/// What a stopped thread lets the core do with it beyond the general registers.
pub trait Thread {
    /// Reads memory; false if not all of it could be read.
    fn read(&mut self, address: u64, to: &mut [u8]) -> bool;
    /// Writes memory; false if not all of it could be written.
    fn write(&mut self, address: u64, from: &[u8]) -> bool;
    /// The low 8 bytes of Xn.
    fn float(&mut self, index: u32) -> Option<u64>;
    /// Sets the low 8 bytes of Xn; false if it can't be done.
    fn set_float(&mut self, index: u32, value: u64) -> bool;
    /// FS base, where g is found under the stack convention.
    fn thread_pointer(&mut self) -> u64;
    /// Takes the event of a rule that fired.
    fn emit(&mut self, event: &Event);
}

/// A thread of which nothing can be read or written: its events go to a function.
pub(crate) struct OutOfReach<F>(pub(crate) F);

impl<F: FnMut(&Event)> Thread for OutOfReach<F> {
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
        self.0(event);
    }
}

/// The decision core: of one process, or of all processes that a BPF program decides for.
#[derive(Debug)]
pub struct Core {
    run: Rc<Run>,
    directory: Rc<Directory>,
    /// Its process, if it is of one.
    process: Option<Own>,
    memories: Box<dyn Memories>,
    scratch: Box<Scratch>,
}

/// The process of a core that decides by itself.
#[derive(Debug)]
struct Own {
    serial: u32,
    rows: Rc<TableRows>,
}

impl Core {
    /// A core with a run of its own. It does nothing until it is started.
    pub fn new(tables: &Tables) -> Core {
        Core::of(&Rc::new(Run::new(tables)), tables)
    }

    /// A core for one more process of a run. The tables' rules and control row are the run's.
    ///
    /// # Panics
    /// If there is no memory for it.
    pub fn of(run: &Rc<Run>, tables: &Tables) -> Core {
        let serial = run.next_serial();
        let rows = Rc::new(TableRows::own(tables).expect("memory for a table"));
        rows.set(&FirstRows::default(), tables, serial);
        let directory = Directory::default();
        directory.insert(serial, FirstRows::default(), Rc::clone(&rows));
        Core {
            run: Rc::clone(run),
            directory: Rc::new(directory),
            process: Some(Own { serial, rows }),
            memories: Box::new(OwnMemories::of(run)),
            scratch: Box::new(Scratch::new_zeroed()),
        }
    }

    /// A core that counts, remembers and finds its rows where a BPF program does.
    pub(crate) fn shared(run: Rc<Run>, directory: Rc<Directory>, memories: Box<dyn Memories>) -> Core {
        Core {
            run,
            directory,
            process: None,
            memories,
            scratch: Box::new(Scratch::new_zeroed()),
        }
    }

    /// What it has kept of calls and goroutines of its process.
    pub fn entries(&mut self) -> Entries {
        self.memories.entries(self.serial())
    }

    /// Takes over what was kept of the same process under former rules.
    pub fn inherit(&mut self, entries: Entries, moved: &Moved) {
        let none = FirstRows::default();
        let entries = inherited(entries, self.serial(), moved, (none, none));
        self.memories.keep(&entries);
    }

    /// The same where both are of processes that this core decides for.
    pub(crate) fn inherit_within(&mut self, from: u32, to: u32, moved: &Moved) {
        let places = (self.directory.place(from), self.directory.place(to));
        if let (Some(former), Some(place)) = places {
            let entries = self.memories.entries(from);
            self.memories
                .keep(&inherited(entries, to, moved, (former, place)));
        }
    }

    /// What it shares with the other processes of its run.
    pub fn run(&self) -> &Rc<Run> {
        &self.run
    }

    /// What its events call its process; 0 if it is of many.
    pub fn serial(&self) -> u32 {
        self.process.as_ref().map_or(0, |own| own.serial)
    }

    /// Lets the probes of its process act from now on, and starts the run if nobody has yet.
    pub fn start(&self) {
        self.run.start();
        if let Some(own) = &self.process {
            own.rows.arm(0);
        }
    }

    /// Lets the probes of its process pass.
    pub fn cease(&self) {
        if let Some(own) = &self.process {
            own.rows.disarm(0);
        }
    }

    /// What each rule has done so far, in all processes of the run.
    pub fn counters(&self) -> Vec<Counters> {
        self.run.counters()
    }

    /// Facts of its process, and what it hands out, as they are now.
    pub fn process(&self) -> Process {
        let own = self.process.as_ref();
        own.and_then(|own| own.rows.processes.get(0)).unwrap_or_default()
    }

    /// Has the memory for copies of its process end further on.
    pub fn supply_copies(&self, end: u64) {
        if let Some(own) = &self.process {
            own.rows.supply_copies(0, end);
        }
    }

    /// How each row of its process's conditions has come out so far.
    pub fn term_counters(&self) -> Vec<TermCounters> {
        let own = self.process.as_ref();
        own.map_or_else(Vec::new, |own| {
            own.rows.term_counters.range(0, own.rows.term_counters.len())
        })
    }

    /// The site that a thread's scratch is about.
    pub fn site(&self, scratch: &Scratch) -> Option<Site> {
        let (_, rows) = self.directory.find(scratch.hit.serial)?;
        rows.sites.get(scratch.hit.site as usize)
    }

    /// Decides for every rule of the hit's site and makes the edits of those that fire: registers in
    /// the hit, the rest in the thread. A core of many processes finds the hit's by its serial.
    pub fn hit<T: Thread>(&mut self, thread: &mut T, hit: &mut Hit) {
        if let Some(own) = &self.process {
            hit.serial = own.serial;
        }
        let Some(place) = self.directory.place(hit.serial) else {
            return;
        };
        self.scratch.hit = *hit;
        self.scratch.hit.site += place.sites;
        // SAFETY: host and scratch are valid for the call; the core is synchronous.
        self.with(thread, |host, scratch| unsafe { goinject_hit(host, scratch) });
        *hit = self.scratch.hit;
    }

    /// Does what the BPF program left to be done in a thread's scratch.
    pub fn perform<T: Thread>(&mut self, thread: &mut T, scratch: &Scratch) -> Hit {
        *self.scratch = *scratch;
        // SAFETY: as in `hit`.
        self.with(thread, |host, scratch| unsafe { goinject_perform(host, scratch) });
        self.scratch.hit
    }

    /// Counts a failure for every rule that waits in a thread's scratch.
    pub fn abandon<T: Thread>(&mut self, thread: &mut T, scratch: &Scratch, reason: Reason) {
        *self.scratch = *scratch;
        // SAFETY: as in `hit`.
        self.with(thread, |host, scratch| unsafe {
            goinject_abandon(host, scratch, reason as u32)
        });
    }

    /// Runs the core over the rows of the process that its scratch is about. Where that has none any more, nothing is
    /// done.
    fn with<T: Thread>(&mut self, thread: &mut T, run: impl FnOnce(*mut Host, *mut Scratch)) {
        let Some((place, rows)) = self.directory.find(self.scratch.hit.serial) else {
            return;
        };
        let thread_pointer = thread.thread_pointer();
        let mut lent = Lent {
            thread,
            memories: &mut *self.memories,
            first: place,
        };
        let mut host = Host {
            sites: rows.sites.as_mut_ptr(),
            bindings: rows.bindings.as_mut_ptr(),
            rules: self.run.rules.as_mut_ptr(),
            edits: rows.edits.as_mut_ptr(),
            terms: rows.terms.as_mut_ptr(),
            texts: rows.texts.as_mut_ptr(),
            ranges: rows.ranges.as_mut_ptr(),
            states: rows.states.as_mut_ptr(),
            counters: self.run.counters.as_mut_ptr(),
            term_counters: rows.term_counters.as_mut_ptr(),
            control: self.run.control.as_mut_ptr(),
            processes: rows.processes.as_mut_ptr(),
            forced: self.run.forced.as_mut_ptr(),
            lanes: self.run.lanes(),
            site_count: count(&rows.sites),
            binding_count: count(&rows.bindings),
            rule_count: count(&self.run.rules),
            edit_count: count(&rows.edits),
            term_count: count(&rows.terms),
            text_count: count(&rows.texts),
            range_count: count(&rows.ranges),
            process_count: count(&rows.processes),
            state_count: count(&rows.states),
            forced_count: count(&self.run.forced),
            thread_pointer,
            context: (&raw mut lent).cast(),
            read: read::<T>,
            write: write::<T>,
            float_read: float_read::<T>,
            float_write: float_write::<T>,
            remember: remember::<T>,
            emit: emit::<T>,
        };
        run(&raw mut host, &raw mut *self.scratch);
    }
}

/// The key of a call in [`Tables::forced`]: by its place and number, as its event tells them, and the row of its rule.
pub fn forced_key(place: u64, number: u64, rule: u32) -> u64 {
    // SAFETY: it computes with its arguments alone.
    unsafe { goinject_forced_key(place, number, rule) }
}

fn count<T: zerocopy::FromBytes + zerocopy::IntoBytes + zerocopy::Immutable + Copy>(rows: &Rows<T>) -> u32 {
    u32::try_from(rows.len()).expect("tables have fewer than 2^32 rows")
}

#[cfg(test)]
mod tests;
