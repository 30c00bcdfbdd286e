//! Events on their way from the core inside a target.

use std::mem::offset_of;
use std::sync::atomic::{AtomicU64, Ordering};

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

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
    words: [u64; WORDS],
}

/// `struct gi_ring_rest`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Rest([u64; 104]);

/// Words of an event that are in its entry.
const WORDS: usize = 31;

/// `GI_SENT_WORDS` and `GI_SENT_TEST`.
const SENT_WORDS: u32 = 0xffff;
const SENT_TEST: u32 = 0x1_0000;

/// goinject's end of the ring. What the target writes there is never trusted for more than an event.
#[derive(Debug)]
pub(super) struct Ring {
    heads: Rows<Heads>,
    entries: Rows<Entry>,
    rest: Rows<Rest>,
    taken: u64,
}

impl Ring {
    pub(super) fn new(heads: Rows<Heads>, entries: Rows<Entry>, rest: Rows<Rest>) -> Ring {
        Ring {
            heads,
            entries,
            rest,
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
            events.extend(self.event(row));
            self.taken += 1;
            // Threads look at it: each change takes the line from them.
            if self.taken.is_multiple_of(PUBLISHED) {
                self.tail().store(self.taken, Ordering::Release);
            }
        }
        self.tail().store(self.taken, Ordering::Release);
        events
    }

    /// The event in a row, put together from those of its parts that are in use.
    fn event(&self, row: usize) -> Option<Event> {
        const BEGIN: usize = offset_of!(Event, word) / 8;
        let entry = self.entries.get(row)?;
        let mut head = Event::new_zeroed();
        words_of(&mut head)[..BEGIN].copy_from_slice(&entry.words[..BEGIN]);
        let count = |count: u32, most: usize| usize::try_from(count).map_or(most, |count| count.min(most));
        let parts = [
            (BEGIN, 2 * count(head.padding & SENT_WORDS, head.word.len())),
            (offset_of!(Event, stack) / 8, count(head.frames, head.stack.len())),
            (
                offset_of!(Event, text) / 8,
                size_of_val(&head.text[0]) / 8 * count(head.texts, head.text.len()),
            ),
            (
                offset_of!(Event, test) / 8,
                size_of_val(&head.test) / 8 * usize::from(head.padding & SENT_TEST != 0),
            ),
        ];
        let sent: usize = parts.iter().map(|(_, count)| count).sum();
        let rest = match BEGIN + sent > WORDS {
            true => self.rest.get(row)?,
            false => Rest([0; 104]),
        };
        let mut words = entry.words[BEGIN..].iter().chain(&rest.0);
        let mut event = head;
        event.padding = 0;
        for (first, count) in parts {
            let place = &mut words_of(&mut event)[first..first + count];
            place
                .iter_mut()
                .zip(&mut words)
                .for_each(|(to, from)| *to = *from);
        }
        Some(event)
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

fn words_of(event: &mut Event) -> &mut [u64] {
    <[u64]>::mut_from_bytes(event.as_mut_bytes()).expect("events are of words")
}

// As in `bpf/inline.h`.
const _: () = assert!(size_of::<Entry>() == 256 && size_of::<Event>() <= 8 * WORDS + size_of::<Rest>());
