//! Events on their way from the core inside a target.

use std::sync::atomic::{AtomicU64, Ordering};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::rows::Rows;
use crate::table::Event;

/// How many there is room for.
pub(super) const ENTRIES: usize = 4096;

/// So many are taken before threads are told of the room.
const PUBLISHED: u64 = 256;

/// `struct gi_ring`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Heads {
    head: u64,
    padding: [u64; 7],
    tail: u64,
    padding2: [u64; 7],
}

/// `struct gi_ring_entry`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Entry {
    number: u64,
    event: Event,
}

/// goinject's end of the ring. What the target writes there is never trusted for more than an event.
#[derive(Debug)]
pub(super) struct Ring {
    heads: Rows<Heads>,
    entries: Rows<Entry>,
    taken: u64,
}

impl Ring {
    pub(super) fn new(heads: Rows<Heads>, entries: Rows<Entry>) -> Ring {
        Ring {
            heads,
            entries,
            taken: 0,
        }
    }

    /// The events that are whole, up to the first that a thread is still writing.
    pub(super) fn take(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        // A ring that is filled as fast as it is emptied is left for the next time.
        while events.len() < ENTRIES {
            let row = (self.taken % ENTRIES as u64) as usize;
            if self.number(row).load(Ordering::Acquire) != self.taken + 1 {
                break;
            }
            events.extend(self.entries.get(row).map(|entry| entry.event));
            self.taken += 1;
            // Threads look at it: each change takes the line from them.
            if self.taken.is_multiple_of(PUBLISHED) {
                self.tail().store(self.taken, Ordering::Release);
            }
        }
        self.tail().store(self.taken, Ordering::Release);
        events
    }

    fn number(&self, row: usize) -> &AtomicU64 {
        assert!(row < self.entries.len(), "a row of the ring");
        // SAFETY: within the mapping, aligned; whoever changes it does so atomically.
        unsafe { AtomicU64::from_ptr(&raw mut (*self.entries.as_mut_ptr().add(row)).number) }
    }

    fn tail(&self) -> &AtomicU64 {
        // SAFETY: as in `number`; there is one row.
        unsafe { AtomicU64::from_ptr(&raw mut (*self.heads.as_mut_ptr()).tail) }
    }
}
