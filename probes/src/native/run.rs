//! What the processes of a run share, and which rows are whose.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::host::goinject_matched;
use super::memories::{OwnPlaces, Places};
use crate::rows::Rows;
use crate::table::{
    Armed, BINDING_UNTIL, Binding, Control, Counters, Edit, Event, FixedText, Process, Range, Rule, Site,
    Source, State, Tables, Term, TermCounters, now,
};

/// Rules that a run has room for beyond those that it begins with, for those that take their place.
pub(crate) const SPARE_RULES: usize = 1000;

/// `struct gi_lane`: calls of a rule that pass while its turn is far.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct Lane {
    word: u64,
    padding: [u64; 7],
    wanted: u64,
    padding2: [u64; 7],
}

/// `GI_LANES`: of each rule.
pub(crate) const LANES: usize = 32;

/// What all processes of a run share: how rules decide, what they have done, and the switch. With BPF it is shared
/// with the program, too.
#[derive(Debug)]
pub struct Run {
    pub(crate) rules: Rows<Rule>,
    pub(crate) counters: Rows<Counters>,
    pub(crate) control: Rows<Control>,
    pub(crate) forced: Rows<u64>,
    /// [`LANES`] for each rule. None where all calls are counted in one place.
    lanes: Rows<Lane>,
    /// Of a run of goinject's own.
    pub(super) places: Rc<dyn Places>,
    last_serial: Cell<u32>,
    /// Rules that there are, or were.
    used: Cell<usize>,
}

impl Run {
    /// A run of goinject's own. It does nothing until it is started.
    ///
    /// # Panics
    /// If there is no memory for it.
    pub fn new(tables: &Tables) -> Run {
        let run = Run::of_rows(
            own(tables.rules.len() + SPARE_RULES),
            own(tables.rules.len() + SPARE_RULES),
            own(1),
            own(tables.forced.len()),
            Rc::new(OwnPlaces::default()),
        );
        run.set(tables);
        run
    }

    pub(crate) fn of_rows(
        rules: Rows<Rule>,
        counters: Rows<Counters>,
        control: Rows<Control>,
        forced: Rows<u64>,
        places: Rc<dyn Places>,
    ) -> Run {
        Run {
            rules,
            counters,
            control,
            forced,
            lanes: own(0),
            places,
            last_serial: Cell::new(0),
            used: Cell::new(0),
        }
    }

    /// The same run, whose calls are counted in lanes, too.
    pub(crate) fn with_lanes(self, lanes: Rows<Lane>) -> Run {
        Run { lanes, ..self }
    }

    /// Fills in what the run's processes share, disarmed.
    pub(crate) fn set(&self, tables: &Tables) {
        self.rules.set(0, &tables.rules);
        self.used.set(tables.rules.len());
        self.forced.set(0, &tables.forced);
        let control = Control {
            armed: 0,
            forced: u32::try_from(tables.forced.len()).expect("fewer than 2^32 rows"),
            ..tables.control
        };
        self.control.set(0, &[control]);
    }

    /// Starts the clock of the run and lets probes act, of those processes that are armed. Only the first time counts.
    pub fn start(&self) {
        let mut started = self.control();
        if started.armed_at != 0 {
            return;
        }
        started.start();
        let control = self.control.as_mut_ptr();
        // SAFETY: there is one control row; the BPF program reads it meanwhile, hence volatile, and the switch last.
        unsafe {
            (&raw mut (*control).armed_at).write_volatile(started.armed_at);
            (&raw mut (*control).deadline).write_volatile(started.deadline);
            (&raw mut (*control).armed).write_volatile(1);
        }
    }

    /// Lets faults go on for so long from now; without a further extension they end then, whoever decides on them.
    pub fn extend(&self, lease: Duration) {
        let until = now().saturating_add(u64::try_from(lease.as_nanos()).unwrap_or(u64::MAX));
        // SAFETY: as in `start`.
        unsafe { (&raw mut (*self.control.as_mut_ptr()).lease).write_volatile(until) };
    }

    /// Lets all probes of all processes pass.
    pub fn cease(&self) {
        // SAFETY: as in `start`.
        unsafe { (&raw mut (*self.control.as_mut_ptr()).armed).write_volatile(0) };
    }

    /// Its switch and limits as they are now.
    pub fn control(&self) -> Control {
        self.control.get(0).unwrap_or_default()
    }

    /// What each rule has done so far, in all processes.
    pub fn counters(&self) -> Vec<Counters> {
        let mut rows = self.counters.range(0, self.used.get());
        for (rule, row) in rows.iter_mut().enumerate() {
            row.matched = self.matched(rule).unwrap_or(row.matched);
        }
        rows
    }

    /// How many calls of a rule matched, where some may be counted in lanes.
    fn matched(&self, rule: usize) -> Option<u64> {
        let lanes = self.lanes_of(rule)?;
        assert!(
            rule < self.rules.len() && rule < self.counters.len(),
            "a rule of the run"
        );
        // SAFETY: within the mappings, as asserted; who changes what is looked at does so atomically.
        unsafe {
            let counter = &raw const (*self.counters.as_mut_ptr().add(rule)).matched;
            Some(goinject_matched(
                self.rules.as_mut_ptr().add(rule),
                counter,
                lanes,
            ))
        }
    }

    fn lanes_of(&self, rule: usize) -> Option<*mut Lane> {
        // SAFETY: within the mapping.
        ((rule + 1) * LANES <= self.lanes.len()).then(|| unsafe { self.lanes.as_mut_ptr().add(rule * LANES) })
    }

    /// Those of the first rule, or none for the core.
    pub(super) fn lanes(&self) -> *mut Lane {
        self.lanes_of(0).unwrap_or(std::ptr::null_mut())
    }

    /// Rules that there are, or were: so many rows are in use.
    pub(crate) fn rule_count(&self) -> usize {
        self.used.get()
    }

    /// Rows for more rules; none if there is no room.
    pub fn add_rules(&self, count: usize) -> Option<u32> {
        let first = self.used.get();
        if first + count > self.rules.len() {
            return None;
        }
        self.used.set(first + count);
        u32::try_from(first).ok()
    }

    /// Says how a rule decides. It must act nowhere yet.
    pub fn set_rule(&self, row: u32, rule: &Rule) {
        self.rules.set(row as usize, &[*rule]);
    }

    /// Sets limits, which count from the start of the run.
    pub fn set_limits(&self, duration: Option<Duration>, faults: Option<u64>) {
        let after = duration.map(|duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
        let deadline = after.map_or(0, |after| self.control().armed_at.saturating_add(after));
        let control = self.control.as_mut_ptr();
        // SAFETY: as in `start`.
        unsafe {
            (&raw mut (*control).deadline).write_volatile(deadline);
            (&raw mut (*control).fault_limit).write_volatile(faults.unwrap_or(u64::MAX));
        }
    }

    /// A serial that no other process of the run has or had.
    pub(crate) fn next_serial(&self) -> u32 {
        self.last_serial.set(self.last_serial.get() + 1);
        self.last_serial.get()
    }
}

/// The tables that processes have rows of their own in.
#[derive(Debug)]
pub(crate) struct TableRows {
    pub(crate) sites: Rows<Site>,
    pub(crate) bindings: Rows<Binding>,
    pub(crate) edits: Rows<Edit>,
    pub(crate) terms: Rows<Term>,
    pub(crate) texts: Rows<FixedText>,
    pub(crate) ranges: Rows<Range>,
    pub(crate) states: Rows<State>,
    pub(crate) term_counters: Rows<TermCounters>,
    pub(crate) processes: Rows<Process>,
}

impl TableRows {
    /// Goinject's own, for one process.
    pub(super) fn own(tables: &Tables) -> std::io::Result<TableRows> {
        Ok(TableRows {
            sites: Rows::own(tables.sites.len())?,
            bindings: Rows::own(tables.bindings.len())?,
            edits: Rows::own(tables.edits.len())?,
            terms: Rows::own(tables.terms.len())?,
            texts: Rows::own(tables.texts.len())?,
            ranges: Rows::own(tables.ranges.len())?,
            states: Rows::own(tables.states.len())?,
            term_counters: Rows::own(tables.terms.len())?,
            processes: Rows::own(1)?,
        })
    }

    /// Writes the rows of a process. The process row comes last, disarmed.
    pub(crate) fn set(&self, place: &FirstRows, tables: &Tables, serial: u32) {
        let tables = place.rebased(tables);
        self.bindings.set(row(place.bindings), &tables.bindings);
        self.edits.set(row(place.edits), &tables.edits);
        self.terms.set(row(place.terms), &tables.terms);
        self.texts.set(row(place.texts), &tables.texts);
        self.ranges.set(row(place.ranges), &tables.ranges);
        self.states.set(row(place.states), &tables.states);
        let blank = vec![TermCounters::default(); tables.terms.len()];
        self.term_counters.set(row(place.terms), &blank);
        let process = Process {
            armed: Armed::Disarmed as u32,
            serial,
            ..tables.process
        };
        self.processes.set(row(place.process), &[process]);
        self.sites.set(row(place.sites), &tables.sites);
    }

    /// Lets the probes of a process act; false if it runs another program by now.
    pub(crate) fn arm(&self, process: u32) -> bool {
        self.armed(process)
            .compare_exchange(
                Armed::Disarmed as u32,
                Armed::Armed as u32,
                Ordering::Release,
                Ordering::Relaxed,
            )
            .is_ok_and(|_| true)
    }

    /// Lets the probes of a process pass. It can be armed again, unless it runs another program.
    pub(crate) fn disarm(&self, process: u32) {
        // It was not armed, which is as good.
        let _ = self.armed(process).compare_exchange(
            Armed::Armed as u32,
            Armed::Disarmed as u32,
            Ordering::Release,
            Ordering::Relaxed,
        );
    }

    /// Has memory for copies of a process end further on.
    pub(crate) fn supply_copies(&self, process: u32, end: u64) {
        assert!(row(process) < self.processes.len(), "a process row that is there");
        // SAFETY: within the mapping, aligned; the core only reads it.
        let word = unsafe {
            AtomicU64::from_ptr(&raw mut (*self.processes.as_mut_ptr().add(row(process))).copies_end)
        };
        word.store(end, Ordering::Release);
    }

    fn armed(&self, process: u32) -> &AtomicU32 {
        assert!(row(process) < self.processes.len(), "a process row that is there");
        // SAFETY: within the mapping, aligned; whoever changes it does so atomically.
        unsafe { AtomicU32::from_ptr(&raw mut (*self.processes.as_mut_ptr().add(row(process))).armed) }
    }
}

fn row(row: u32) -> usize {
    row as usize
}

fn own<T: FromBytes + IntoBytes + Immutable + Copy>(length: usize) -> Rows<T> {
    Rows::own(length).expect("memory for a table")
}

/// Where the rows of one process begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FirstRows {
    pub(crate) sites: u32,
    pub(crate) bindings: u32,
    pub(crate) edits: u32,
    pub(crate) terms: u32,
    pub(crate) texts: u32,
    pub(crate) ranges: u32,
    pub(crate) states: u32,
    pub(crate) process: u32,
}

impl FirstRows {
    /// Tables with their indices as they are there.
    fn rebased(&self, tables: &Tables) -> Tables {
        let mut tables = tables.clone();
        for site in &mut tables.sites {
            site.first_binding += self.bindings;
            site.process = self.process;
        }
        for binding in &mut tables.bindings {
            binding.first_edit += self.edits;
            binding.first_term += self.terms;
            binding.first_range += self.ranges;
            binding.first_caller += self.ranges;
            if binding.flags & BINDING_UNTIL != 0 {
                binding.until += self.texts;
            }
        }
        tables.process.first_state = self.states;
        tables.process.first_printing += self.ranges;
        for term in &mut tables.terms {
            term.text += self.texts;
        }
        for edit in &mut tables.edits {
            if edit.source == Source::Find as u8 {
                edit.operand += u64::from(self.texts);
            }
        }
        tables
    }

    /// An event with its rows counted from the first of the process.
    pub(crate) fn own(&self, mut event: Event) -> Event {
        event.site = event.site.wrapping_sub(self.sites);
        event.binding = event.binding.wrapping_sub(self.bindings);
        event
    }
}

/// The processes of a run, by serial.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    entries: RefCell<HashMap<u32, Entry>>,
}

/// A process of the run.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) place: FirstRows,
    /// While it has them.
    pub(crate) rows: Option<Rc<TableRows>>,
}

impl Directory {
    pub(crate) fn insert(&self, serial: u32, place: FirstRows, rows: Rc<TableRows>) {
        let rows = Some(rows);
        self.entries.borrow_mut().insert(serial, Entry { place, rows });
    }

    /// Its rows are given back. Events of it may still come.
    pub(crate) fn remove(&self, serial: u32) {
        if let Some(entry) = self.entries.borrow_mut().get_mut(&serial) {
            entry.rows = None;
        }
    }

    pub(crate) fn place(&self, serial: u32) -> Option<FirstRows> {
        Some(self.entries.borrow().get(&serial)?.place)
    }

    /// Where a process is that still has its rows.
    pub(crate) fn find(&self, serial: u32) -> Option<(FirstRows, Rc<TableRows>)> {
        let entries = self.entries.borrow();
        let entry = entries.get(&serial)?;
        Some((entry.place, Rc::clone(entry.rows.as_ref()?)))
    }
}
