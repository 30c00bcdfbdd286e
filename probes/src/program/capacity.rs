//! How many rows a loaded program has room for, and which of them are whose.

use std::ops::Range;

use crate::native::FirstRows;
use crate::room::Room;
use crate::table::{Needs, Tables};

/// Rows of each table that processes have their own of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// Probes.
    pub sites: usize,
    /// Rules at probes.
    pub bindings: usize,
    /// Words to overwrite.
    pub edits: usize,
    /// Rows of conditions.
    pub terms: usize,
    /// Fixed texts.
    pub texts: usize,
    /// Code that rules must be called within.
    pub ranges: usize,
    /// States of automata over the names of Go tests.
    pub states: usize,
    /// Processes at a time.
    pub processes: usize,
    /// What their rules need of the program; more than that is dead code.
    pub needs: Needs,
}

impl Capacity {
    /// What one process takes.
    pub fn of(tables: &Tables) -> Capacity {
        Capacity {
            sites: tables.sites.len(),
            bindings: tables.bindings.len(),
            edits: tables.edits.len(),
            terms: tables.terms.len(),
            texts: tables.texts.len(),
            ranges: tables.ranges.len(),
            states: tables.states.len(),
            processes: 1,
            needs: Needs::of(tables),
        }
    }

    /// What that many processes take of which each takes as much as this.
    #[must_use]
    pub fn times(self, count: usize) -> Capacity {
        self.each(self, |rows, _| rows * count)
    }

    /// The larger of each.
    #[must_use]
    pub fn or_more(self, other: Capacity) -> Capacity {
        self.each(other, usize::max)
    }

    fn each(self, other: Capacity, join: impl Fn(usize, usize) -> usize) -> Capacity {
        Capacity {
            sites: join(self.sites, other.sites),
            bindings: join(self.bindings, other.bindings),
            edits: join(self.edits, other.edits),
            terms: join(self.terms, other.terms),
            texts: join(self.texts, other.texts),
            ranges: join(self.ranges, other.ranges),
            states: join(self.states, other.states),
            processes: join(self.processes, other.processes),
            needs: self.needs.and(other.needs),
        }
    }
}

/// What is free.
#[derive(Debug)]
pub(super) struct Rooms {
    sites: Room,
    bindings: Room,
    edits: Room,
    terms: Room,
    texts: Room,
    ranges: Room,
    states: Room,
    processes: Room,
}

/// What one process was given.
#[derive(Clone, Debug, Default)]
pub(super) struct Taken {
    sites: Range<usize>,
    bindings: Range<usize>,
    edits: Range<usize>,
    terms: Range<usize>,
    texts: Range<usize>,
    ranges: Range<usize>,
    states: Range<usize>,
    process: Range<usize>,
}

impl Rooms {
    pub(super) fn new(capacity: Capacity) -> Rooms {
        Rooms {
            sites: Room::new(capacity.sites),
            bindings: Room::new(capacity.bindings),
            edits: Room::new(capacity.edits),
            terms: Room::new(capacity.terms),
            texts: Room::new(capacity.texts),
            ranges: Room::new(capacity.ranges),
            states: Room::new(capacity.states),
            processes: Room::new(capacity.processes),
        }
    }

    /// Room for a process in every table, or nothing at all.
    pub(super) fn take(&mut self, wanted: Capacity) -> Option<Taken> {
        let mut taken = Taken::default();
        let all = self.fill(wanted, &mut taken);
        if all.is_none() {
            self.give(&taken);
        }
        all.map(|()| taken)
    }

    fn fill(&mut self, wanted: Capacity, taken: &mut Taken) -> Option<()> {
        taken.sites = self.sites.take(wanted.sites)?;
        taken.bindings = self.bindings.take(wanted.bindings)?;
        taken.edits = self.edits.take(wanted.edits)?;
        taken.terms = self.terms.take(wanted.terms)?;
        taken.texts = self.texts.take(wanted.texts)?;
        taken.ranges = self.ranges.take(wanted.ranges)?;
        taken.states = self.states.take(wanted.states)?;
        taken.process = self.processes.take(wanted.processes)?;
        Some(())
    }

    pub(super) fn give(&mut self, taken: &Taken) {
        self.sites.give(taken.sites.clone());
        self.bindings.give(taken.bindings.clone());
        self.edits.give(taken.edits.clone());
        self.terms.give(taken.terms.clone());
        self.texts.give(taken.texts.clone());
        self.ranges.give(taken.ranges.clone());
        self.states.give(taken.states.clone());
        self.processes.give(taken.process.clone());
    }
}

impl Taken {
    /// Where each begins.
    pub(super) fn place(&self) -> FirstRows {
        let row = |range: &Range<usize>| u32::try_from(range.start).expect("fewer than 2^32 rows");
        FirstRows {
            sites: row(&self.sites),
            bindings: row(&self.bindings),
            edits: row(&self.edits),
            terms: row(&self.terms),
            texts: row(&self.texts),
            ranges: row(&self.ranges),
            states: row(&self.states),
            process: row(&self.process),
        }
    }

    /// Its conditions' rows.
    pub(super) fn terms(&self) -> Range<usize> {
        self.terms.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_gets_room_in_every_table_or_none() {
        let one = Capacity {
            sites: 2,
            bindings: 3,
            terms: 1,
            processes: 1,
            ..Capacity::default()
        };
        let mut rooms = Rooms::new(Capacity {
            terms: 1,
            ..one.times(2)
        });
        let first = rooms.take(one).unwrap();
        assert!(rooms.take(one).is_none(), "no row for a second condition");
        let second = rooms.take(Capacity { terms: 0, ..one }).unwrap();
        assert_eq!((second.place().sites, second.place().process), (2, 1));
        rooms.give(&first);
        assert_eq!(rooms.take(one).unwrap().place(), first.place());
    }
}
