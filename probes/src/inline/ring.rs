//! Events on their way from the core inside a target.

use std::mem::offset_of;
use std::sync::atomic::{AtomicU64, Ordering};

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use crate::rows::Rows;
use crate::table::Event;

/// `GI_RINGS`.
pub(super) const RINGS: usize = 16;

/// How many each of them has room for.
pub(super) const ENTRIES: usize = 1024;

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

/// goinject's end of the rings. What the target writes there is never trusted for more than an event.
#[derive(Debug)]
pub(super) struct Rings {
    heads: Rows<Heads>,
    entries: Rows<Entry>,
    rest: Rows<Rest>,
    taken: [u64; RINGS],
}

impl Rings {
    pub(super) fn new(heads: Rows<Heads>, entries: Rows<Entry>, rest: Rows<Rest>) -> Rings {
        Rings {
            heads,
            entries,
            rest,
            taken: [0; RINGS],
        }
    }

    /// The events that are whole, of each ring up to the first that a thread is still writing, in the order of their times. None
    /// from `now` on is among them: while one ring is looked at, another may get an event that is later than one in a ring that was
    /// looked at before. A ring that is filled as fast as it is emptied is left for the next time.
    pub(super) fn take(&mut self, now: u64) -> Vec<Event> {
        let until = (0..RINGS)
            .filter_map(|ring| self.first_behind(ring))
            .fold(now, u64::min);
        let mut rows = Vec::new();
        for ring in 0..RINGS {
            let next = self.taken[ring]..self.taken[ring] + ENTRIES as u64;
            let whole = next.take_while(|place| self.is_whole(ring, *place));
            let timed = whole.map(|place| (self.time(row(ring, place)), row(ring, place)));
            rows.extend(timed.take_while(|(time, _)| *time < until));
        }
        self.take_rows(rows)
    }

    /// All events that are whole. What is not by now is of a thread that is gone.
    pub(super) fn take_last(&mut self) -> Vec<Event> {
        let mut rows = Vec::new();
        for ring in 0..RINGS {
            let whole = self.places(ring).filter(|place| self.is_whole(ring, *place));
            rows.extend(whole.map(|place| (self.time(row(ring, place)), row(ring, place))));
        }
        self.take_rows(rows)
    }

    fn take_rows(&mut self, mut rows: Vec<(u64, usize)>) -> Vec<Event> {
        // Those of one thread stay in their order.
        rows.sort_by_key(|(time, _)| *time);
        let mut events = Vec::with_capacity(rows.len());
        for (_, row) in rows {
            events.extend(self.event(row));
            self.taken[row / ENTRIES] += 1;
        }
        (0..RINGS).for_each(|ring| self.publish(ring));
        events
    }

    /// The places in a ring that threads have taken, and goinject has not.
    fn places(&self, ring: usize) -> std::ops::Range<u64> {
        let taken = self.taken[ring];
        let head = self.heads.get(ring).map_or(taken, |heads| heads.head);
        taken..head.min(taken + ENTRIES as u64)
    }

    /// Tells threads of the room. They look at it: each change takes the line from them.
    fn publish(&self, ring: usize) {
        let (tail, taken) = (self.tail(ring), self.taken[ring]);
        if tail.load(Ordering::Relaxed) != taken {
            tail.store(taken, Ordering::Release);
        }
    }

    /// The time of the first event that is whole behind one that is not: what happened because of it is not told before it.
    fn first_behind(&self, ring: usize) -> Option<u64> {
        let behind = self.places(ring);
        let unfinished = behind.clone().find(|place| !self.is_whole(ring, *place))?;
        let whole = (unfinished..behind.end).find(|place| self.is_whole(ring, *place))?;
        Some(self.time(row(ring, whole)))
    }

    fn time(&self, row: usize) -> u64 {
        assert!(row < self.entries.len(), "a row of the rings");
        // SAFETY: as in `number`; the thread has written it before that.
        let word = unsafe {
            let entry = self.entries.as_mut_ptr().add(row);
            AtomicU64::from_ptr(&raw mut (*entry).words[offset_of!(Event, time) / 8])
        };
        word.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(super) fn unfinish(&self, ring: usize, place: u64) {
        self.number(row(ring, place)).store(0, Ordering::Release);
    }

    pub(super) fn is_whole(&self, ring: usize, place: u64) -> bool {
        self.number(row(ring, place)).load(Ordering::Acquire) == place + 1
    }

    /// The event in a row, put together from those of its parts that are in use.
    fn event(&self, row: usize) -> Option<Event> {
        const BEGIN: usize = offset_of!(Event, word) / 8;
        let entry = self.entries.get(row)?;
        let mut event = Event::new_zeroed();
        words_of(&mut event)[..BEGIN].copy_from_slice(&entry.words[..BEGIN]);
        let count = |count: u32, most: usize| usize::try_from(count).map_or(most, |count| count.min(most));
        let parts = [
            (BEGIN, 2 * count(event.padding & SENT_WORDS, event.word.len())),
            (
                offset_of!(Event, stack) / 8,
                count(event.frames, event.stack.len()),
            ),
            (
                offset_of!(Event, text) / 8,
                size_of_val(&event.text[0]) / 8 * count(event.texts, event.text.len()),
            ),
            (
                offset_of!(Event, test) / 8,
                size_of_val(&event.test) / 8 * usize::from(event.padding & SENT_TEST != 0),
            ),
        ];
        let sent: usize = parts.iter().map(|(_, count)| count).sum();
        let rest = match BEGIN + sent > WORDS {
            true => self.rest.get(row)?,
            false => Rest([0; 104]),
        };
        let mut words = entry.words[BEGIN..].iter().chain(&rest.0);
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
        assert!(row < self.entries.len(), "a row of the rings");
        // SAFETY: within the mapping, aligned; whoever changes it does so atomically.
        unsafe { AtomicU64::from_ptr(&raw mut (*self.entries.as_mut_ptr().add(row)).number) }
    }

    fn tail(&self, ring: usize) -> &AtomicU64 {
        assert!(ring < self.heads.len(), "one of the rings");
        // SAFETY: as in `number`.
        unsafe { AtomicU64::from_ptr(&raw mut (*self.heads.as_mut_ptr().add(ring)).tail) }
    }
}

/// The row of the entry that is a ring's for its place-th event, from 0.
fn row(ring: usize, place: u64) -> usize {
    ring * ENTRIES + (place % ENTRIES as u64) as usize
}

fn words_of(event: &mut Event) -> &mut [u64] {
    <[u64]>::mut_from_bytes(event.as_mut_bytes()).expect("events are of words")
}

// As in `bpf/inline.h`.
const _: () = assert!(size_of::<Entry>() == 256 && size_of::<Event>() <= 8 * WORDS + size_of::<Rest>());
