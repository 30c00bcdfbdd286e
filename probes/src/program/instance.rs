//! One loaded object with its tables.

use std::os::fd::AsFd;
use std::rc::Rc;

use libbpf_rs::{Link, MapCore, MapFlags, MapHandle, Object, ObjectBuilder, OpenObject, ProgramMut};

use super::capacity::{Capacity, Rooms};
use super::switches::write_switches;
use super::{Attach, ProgramError, Switches};
use crate::native::TableRows;
use crate::rows::Rows;
use crate::table::{CALLS, MEMBERS, Needs, TESTS};
use crate::verifier;

static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/inject.bpf.o"));
static SLEEPABLE_OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/inject.sleepable.bpf.o"));

/// The maps that all instances of a run have in common.
const SHARED: [&str; 12] = [
    "gi_rules",
    "gi_forced",
    "gi_counter_map",
    "gi_control_map",
    "gi_scratches",
    "gi_passes",
    "gi_delays",
    "gi_calls",
    "gi_goroutines",
    "gi_members",
    "gi_tests",
    "gi_events",
];

/// The program that notices an `exec`.
const EXECUTED: &str = "goinject_executed";

pub(super) struct Instance {
    attach: Attach,
    pub(super) switches: Switches,
    pub(super) capacity: Capacity,
    pub(super) rooms: Rooms,
    pub(super) rows: Rc<TableRows>,
    /// Rows of the processes that are to be disarmed when they run another program, by their ids.
    pids: MapHandle,
    /// Notices that. Without it, a process that runs the same file again could be taken for what it was.
    executed: Option<Link>,
    object: Object,
}

impl Instance {
    /// Loads the program, with the maps of `first` where there is one, else with room for that many rules and forced calls.
    pub(super) fn load(
        switches: Switches,
        attach: Attach,
        capacity: Capacity,
        shared: (usize, usize),
        first: Option<&Instance>,
    ) -> Result<Instance, ProgramError> {
        let log = verifier::capture();
        let refused = |error: libbpf_rs::Error| ProgramError::Load {
            reason: log.reason(&error),
        };
        let object = if switches.sleep { SLEEPABLE_OBJECT } else { OBJECT };
        let mut open = ObjectBuilder::default().open_memory(object).map_err(refused)?;
        for mut program in open.progs_mut() {
            let wanted =
                program.name() == program_name(attach) || (program.name() == EXECUTED && attach.decides());
            program.set_autoload(wanted);
        }
        size_maps(&mut open, switches, capacity, shared, first).map_err(refused)?;
        let object = open.load().map_err(refused)?;
        let executed = find(&object, EXECUTED)
            .filter(|_| attach.decides())
            .and_then(|program| program.attach_raw_tracepoint("sched_process_exec").ok());
        Ok(Instance {
            attach,
            switches,
            capacity,
            rooms: Rooms::new(capacity),
            rows: Rc::new(table_rows(&object, capacity)?),
            pids: map_handle(&object, "gi_pids")?,
            executed,
            object,
        })
    }

    pub(super) fn program(&self) -> ProgramMut<'_> {
        find(&self.object, program_name(self.attach)).expect("the object has the program")
    }

    pub(super) fn map(&self, name: &'static str) -> Result<MapHandle, ProgramError> {
        map_handle(&self.object, name)
    }

    pub(super) fn table<T>(&self, name: &'static str, length: usize) -> Result<Rows<T>, ProgramError>
    where
        T: zerocopy::FromBytes + zerocopy::IntoBytes + zerocopy::Immutable + Copy,
    {
        table(&self.object, name, length)
    }

    /// Has a process disarmed when it runs another program. An `exec` from here on is noticed.
    pub(super) fn watch(&self, pid: u32, row: u32) -> Result<(), ProgramError> {
        self.pids
            .update(&pid.to_ne_bytes(), &row.to_ne_bytes(), MapFlags::ANY)
            .map_err(|error| map_error("gi_pids", error))
    }

    /// No longer, unless it has got other rows meanwhile.
    pub(super) fn unwatch(&self, pid: u32, row: u32) {
        let noted = self.pids.lookup(&pid.to_ne_bytes(), MapFlags::ANY).ok().flatten();
        if noted.is_some_and(|noted| noted == row.to_ne_bytes()) {
            // A missing key is what is wanted.
            let _ = self.pids.delete(&pid.to_ne_bytes());
        }
    }

    /// Whether an `exec` is noticed at once.
    pub(super) fn notices_exec(&self) -> bool {
        self.executed.is_some()
    }
}

fn size_maps(
    open: &mut OpenObject,
    switches: Switches,
    capacity: Capacity,
    (rules, forced): (usize, usize),
    first: Option<&Instance>,
) -> libbpf_rs::Result<()> {
    for mut map in open.maps_mut() {
        let name = map.name().to_string_lossy().into_owned();
        if let Some(first) = first
            && SHARED.contains(&name.as_str())
        {
            let shared = first.object.maps().find(|map| map.name() == name.as_str());
            map.reuse_fd(shared.expect("both are of one object").as_fd())?;
            continue;
        }
        let rows = match name.as_str() {
            "gi_sites" => capacity.sites,
            "gi_bindings" => capacity.bindings,
            "gi_rules" | "gi_counter_map" => rules,
            "gi_forced" => forced,
            "gi_edit_rows" => capacity.edits,
            "gi_terms" | "gi_term_counter_map" => capacity.terms,
            "gi_texts" => capacity.texts,
            "gi_ranges" => capacity.ranges,
            "gi_states" => capacity.states,
            // What the first process needs decides, as the others use the same.
            "gi_calls" if capacity.needs.has(Needs::CALLS) => CALLS,
            "gi_calls" => CALLS / 4,
            "gi_members" if capacity.needs.has(Needs::TESTS) => MEMBERS,
            "gi_members" => MEMBERS / 8,
            "gi_tests" if capacity.needs.has(Needs::TESTS) => TESTS,
            "gi_tests" => TESTS / 8,
            "gi_processes" | "gi_pids" => capacity.processes,
            name if name.ends_with(".rodata") => {
                let data = map.initial_value_mut().expect("read-only data has a value");
                write_switches(data, switches, capacity.needs);
                continue;
            }
            _ => continue,
        };
        map.set_max_entries(u32::try_from(rows.max(1)).expect("fewer than 2^32 rows"))?;
    }
    Ok(())
}

fn table_rows(object: &Object, capacity: Capacity) -> Result<TableRows, ProgramError> {
    Ok(TableRows {
        sites: table(object, "gi_sites", capacity.sites)?,
        bindings: table(object, "gi_bindings", capacity.bindings)?,
        edits: table(object, "gi_edit_rows", capacity.edits)?,
        terms: table(object, "gi_terms", capacity.terms)?,
        texts: table(object, "gi_texts", capacity.texts)?,
        ranges: table(object, "gi_ranges", capacity.ranges)?,
        states: table(object, "gi_states", capacity.states)?,
        term_counters: table(object, "gi_term_counter_map", capacity.terms)?,
        processes: table(object, "gi_processes", capacity.processes)?,
    })
}

fn program_name(attach: Attach) -> &'static str {
    match attach {
        Attach::Single => "goinject_single",
        Attach::Multi => "goinject_multi",
        Attach::Empty => "goinject_empty",
        Attach::EmptyMulti => "goinject_empty_multi",
    }
}

fn find<'o>(object: &'o Object, name: &str) -> Option<ProgramMut<'o>> {
    object.progs_mut().find(|program| program.name() == name)
}

fn table<T>(object: &Object, name: &'static str, length: usize) -> Result<Rows<T>, ProgramError>
where
    T: zerocopy::FromBytes + zerocopy::IntoBytes + zerocopy::Immutable + Copy,
{
    let map = map_handle(object, name)?;
    Rows::of_map(map.as_fd(), length).map_err(|source| ProgramError::Map { map: name, source })
}

fn map_handle(object: &Object, name: &'static str) -> Result<MapHandle, ProgramError> {
    let map = object
        .maps()
        .find(|map| map.name() == name)
        .expect("the object has the map");
    MapHandle::try_from(&map).map_err(|error| map_error(name, error))
}

pub(super) fn map_error(map: &'static str, error: libbpf_rs::Error) -> ProgramError {
    ProgramError::Map {
        map,
        source: std::io::Error::other(error),
    }
}
