//! What lies where in the shared memory.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::table::{
    CALLS, Call, CallKey, Delay, GKey, GoTest, Goroutine, GoroutineKey, MEMBERS, Member, MemberKey, TESTS,
};

/// Bytes of a slot: a thread's registers, working memory and stack while it is in the core.
pub(super) const SLOT: u64 = 65536;
/// How many there are. More threads at a time wait for one.
pub(super) const SLOTS: u64 = 64;

const PAGE: u64 = 4096;

/// Memory as it is given out, each piece from a page of its own: what threads write at the same time shares no line.
#[derive(Debug, Default)]
pub(super) struct Room(u64);

impl Room {
    pub(super) fn bytes(&mut self, size: u64) -> u64 {
        let start = self.0;
        self.0 += size.max(1).next_multiple_of(PAGE);
        start
    }

    pub(super) fn rows<T>(&mut self, count: usize) -> u64 {
        self.bytes((count * size_of::<T>()) as u64)
    }

    pub(super) fn size(&self) -> u64 {
        self.0
    }
}

/// `enum gi_memory`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Memory {
    Calls = 0,
    Delays = 1,
    Goroutines = 2,
    Members = 3,
    Tests = 4,
}

/// How much of what outlives a hit there is room for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) buckets: u32,
    /// Words of a key.
    pub(super) key: usize,
    /// Words of a value.
    pub(super) value: usize,
    /// What is oldest makes room.
    pub(super) forgets: bool,
}

pub(super) const WAYS: usize = 8;
/// Words of a bucket before its entries: a lock, and a clock.
pub(super) const BUCKET: usize = 2;
/// Words of an entry before its key: a stamp, 0 if it is free.
pub(super) const ENTRY: usize = 1;

/// By `enum gi_memory`. There are so many buckets that none gets full before there is as much as the tables have room for;
/// memory that is not used is none.
pub(super) const KEPT: [Kept; 5] = [
    kept::<CallKey, Call>(CALLS / 2, true),
    kept::<GKey, Delay>(32_768, false),
    kept::<GoroutineKey, Goroutine>(131_072, false),
    kept::<MemberKey, Member>(MEMBERS / 2, true),
    kept::<MemberKey, GoTest>(TESTS / 2, true),
];

const fn kept<K, V>(buckets: usize, forgets: bool) -> Kept {
    assert!(buckets.is_power_of_two() && buckets <= 1 << 20);
    Kept {
        buckets: buckets as u32,
        key: size_of::<K>() / 8,
        value: size_of::<V>() / 8,
        forgets,
    }
}

impl Kept {
    pub(super) fn size(self) -> u64 {
        u64::from(self.buckets) * 8 * self.bucket_words() as u64
    }

    pub(super) fn bucket_words(self) -> usize {
        BUCKET + WAYS * self.entry_words()
    }

    pub(super) fn entry_words(self) -> usize {
        ENTRY + self.key + self.value
    }
}

/// `struct gi_kept_table`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct KeptTable {
    pub(super) buckets: u64,
    mask: u32,
    key_words: u32,
    value_words: u32,
    forgets: u32,
}

impl KeptTable {
    pub(super) fn of(kept: Kept) -> KeptTable {
        let words = |words: usize| u32::try_from(words).expect("a few words");
        KeptTable {
            buckets: 0,
            mask: kept.buckets - 1,
            key_words: words(kept.key),
            value_words: words(kept.value),
            forgets: u32::from(kept.forgets),
        }
    }
}

/// `struct gi_clock`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Clock {
    pub(super) changes: u64,
    pub(super) counter: u64,
    pub(super) time: u64,
    pub(super) scale: u64,
}

impl Clock {
    /// As the core works the time out; none where it asks the kernel.
    pub(super) fn time_now(&self) -> Option<u64> {
        let passed = super::clock::counter().saturating_sub(self.counter);
        let time = u64::try_from((u128::from(passed) * u128::from(self.scale)) >> 32).ok()?;
        (self.changes != 0).then(|| self.time.saturating_add(time))
    }
}

/// `struct gi_shares`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct SharesPlace {
    pub(super) first: u64,
    pub(super) size: u64,
    pub(super) terms: u64,
    pub(super) used: u64,
}

/// `struct gi_slot`, of which goinject looks at the first word alone.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Slot {
    pub(super) taken: u32,
    rest: [u32; SLOT as usize / 4 - 1],
}

/// `struct gi_inside`, which begins with a `struct gi_host` of which the functions are not used.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Inside {
    pub(super) sites: u64,
    pub(super) bindings: u64,
    pub(super) rules: u64,
    pub(super) edits: u64,
    pub(super) terms: u64,
    pub(super) texts: u64,
    pub(super) ranges: u64,
    pub(super) states: u64,
    pub(super) counters: u64,
    pub(super) term_counters: u64,
    pub(super) control: u64,
    pub(super) processes: u64,
    pub(super) forced: u64,
    pub(super) lanes: u64,
    pub(super) site_count: u32,
    pub(super) binding_count: u32,
    pub(super) rule_count: u32,
    pub(super) edit_count: u32,
    pub(super) term_count: u32,
    pub(super) text_count: u32,
    pub(super) range_count: u32,
    pub(super) process_count: u32,
    pub(super) state_count: u32,
    pub(super) forced_count: u32,
    pub(super) functions: [u64; 8],
    pub(super) rings: u64,
    pub(super) entries: u64,
    pub(super) tls_is_known: u64,
    pub(super) lease: u64,
    pub(super) procid_offset: u64,
    pub(super) clock: Clock,
    pub(super) kept: [KeptTable; 5],
    pub(super) slots: u64,
    pub(super) shares: SharesPlace,
    pub(super) rest: u64,
}

// The same numbers as in `bpf/inline.h`.
const _: () = assert!(
    std::mem::offset_of!(Inside, rings) == 216
        && size_of::<Inside>() == 456
        && size_of::<Slot>() == SLOT as usize
);
