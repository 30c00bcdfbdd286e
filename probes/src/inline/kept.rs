//! What outlives a hit, in memory that a target's threads share with goinject, as this reads and writes it. The C side is
//! `bpf/inline_kept.h`.
//!
//! The target may have written anything there: rows are looked for within bounds, and what is found is any value.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use nix::errno::Errno;
use nix::unistd::{Whence, lseek};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::layout::{BUCKET, ENTRY, KEPT, Kept, Memory, WAYS};
use crate::native::Places;
use crate::rows::Rows;
use crate::table::{Goroutine, GoroutineKey};

/// How often a lock is tried. Whoever has it may be stopped.
const TURNS: u32 = 4096;
const YIELDS: u32 = 4;

/// A table of what outlives a hit.
#[derive(Debug)]
pub(super) struct KeptRows {
    layout: Kept,
    /// Where it is in its file.
    offset: u64,
    words: Rows<u64>,
}

impl KeptRows {
    pub(super) fn new(file: BorrowedFd<'_>, offset: u64, memory: Memory) -> io::Result<KeptRows> {
        let layout = KEPT[memory as usize];
        Ok(KeptRows {
            layout,
            offset,
            words: Rows::of_file(file, offset, layout.buckets as usize * layout.bucket_words())?,
        })
    }

    /// All that is there of some keys.
    pub(super) fn entries<K, V>(
        &self,
        file: BorrowedFd<'_>,
        is_wanted: impl Fn(&K) -> bool,
    ) -> io::Result<Vec<(K, V)>>
    where
        K: FromBytes,
        V: FromBytes,
    {
        let mut found = Vec::new();
        self.each(file, |entry| {
            if let Some(key) = self.key(entry).filter(&is_wanted) {
                let value = self
                    .words
                    .range(entry + ENTRY + self.layout.key, self.layout.value);
                found.extend(
                    V::read_from_bytes(value.as_bytes())
                        .ok()
                        .map(|value| (key, value)),
                );
            }
        })?;
        Ok(found)
    }

    /// Drops what is there of some keys.
    pub(super) fn forget<K: FromBytes>(
        &self,
        file: BorrowedFd<'_>,
        is_wanted: impl Fn(&K) -> bool,
    ) -> io::Result<()> {
        self.each(file, |entry| {
            if self.key(entry).is_some_and(|key| is_wanted(&key)) {
                self.words.set(entry, &[0]);
            }
        })
    }

    /// Keeps entries, as the newest ones.
    pub(super) fn keep<K, V>(&self, entries: &[(K, V)])
    where
        K: IntoBytes + Immutable,
        V: IntoBytes + Immutable,
    {
        for (key, value) in entries {
            let key = words(key);
            self.locked(&key, |bucket| {
                let entry = self.touch(bucket, &key)?;
                self.words.set(entry + ENTRY + key.len(), &words(value));
                Some(())
            });
        }
    }

    /// Has each entry that is taken looked at, while its bucket is locked. Memory that nobody has used is not touched.
    fn each(&self, file: BorrowedFd<'_>, mut look: impl FnMut(usize)) -> io::Result<()> {
        let bytes = self.layout.bucket_words() as u64 * 8;
        let end = self.offset + self.layout.size();
        let (mut from, mut next) = (self.offset, 0);
        while let Some(used) = next_used(file, from, end)? {
            let first = ((used.0 - self.offset) / bytes).max(next);
            next = (used.1 - self.offset).div_ceil(bytes);
            for bucket in first..next {
                let bucket = bucket as usize * self.layout.bucket_words();
                self.with_lock(bucket, || {
                    let entries = (0..WAYS).map(|way| self.entry(bucket, way));
                    entries.filter(|entry| self.is_taken(*entry)).for_each(&mut look);
                });
            }
            from = used.1;
        }
        Ok(())
    }

    fn entry(&self, bucket: usize, way: usize) -> usize {
        bucket + BUCKET + way * self.layout.entry_words()
    }

    fn is_taken(&self, entry: usize) -> bool {
        self.stamp(entry) != 0
    }

    fn stamp(&self, entry: usize) -> u64 {
        self.words.get(entry).unwrap_or_default()
    }

    fn key<K: FromBytes>(&self, entry: usize) -> Option<K> {
        let words = self.words.range(entry + ENTRY, self.layout.key);
        K::read_from_bytes(words.as_bytes()).ok()
    }

    /// `gi_bucket`.
    fn bucket(&self, key: &[u64]) -> usize {
        let mut hash = 0u64;
        for word in key {
            hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            hash ^= hash >> 29;
        }
        let bucket = (hash ^ hash >> 32) & u64::from(self.layout.buckets - 1);
        bucket as usize * self.layout.bucket_words()
    }

    fn find(&self, bucket: usize, key: &[u64]) -> Option<usize> {
        let mut entries = (0..WAYS).map(|way| self.entry(bucket, way));
        entries.find(|entry| self.is_taken(*entry) && self.words.range(entry + ENTRY, key.len()) == key)
    }

    /// `gi_touch_entry`: the entry of a key, found or made, as the newest. The bucket is locked.
    fn touch(&self, bucket: usize, key: &[u64]) -> Option<usize> {
        let entry = match self.find(bucket, key) {
            Some(entry) => entry,
            None => {
                let entries = (0..WAYS).map(|way| self.entry(bucket, way));
                let oldest = entries.min_by_key(|entry| self.stamp(*entry))?;
                if self.is_taken(oldest) && !self.layout.forgets {
                    return None;
                }
                self.words.set(oldest + ENTRY, key);
                let blank = vec![0; self.layout.value];
                self.words.set(oldest + ENTRY + key.len(), &blank);
                oldest
            }
        };
        let clock = self.words.get(bucket + 1)?.wrapping_add(1);
        self.words.set(bucket + 1, &[clock]);
        self.words.set(entry, &[clock]);
        Some(entry)
    }

    fn locked<T>(&self, key: &[u64], work: impl FnOnce(usize) -> Option<T>) -> Option<T> {
        let bucket = self.bucket(key);
        self.with_lock(bucket, || work(bucket)).flatten()
    }

    /// None if somebody else has it for too long.
    fn with_lock<T>(&self, bucket: usize, work: impl FnOnce() -> T) -> Option<T> {
        // SAFETY: within the mapping, aligned; whoever changes it does so atomically.
        let lock = unsafe { AtomicU64::from_ptr(self.words.as_mut_ptr().add(bucket)) };
        let is_had = (1..=TURNS).any(|turn| {
            let taken = lock.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed);
            std::hint::spin_loop();
            // Whoever has it may wait for this processor.
            if taken.is_err() && turn % (TURNS / YIELDS) == 0 {
                thread::yield_now();
            }
            taken.is_ok()
        });
        if !is_had {
            return None;
        }
        let done = work();
        lock.store(0, Ordering::Release);
        Some(done)
    }
}

/// The next piece of a file that has memory, from and to.
fn next_used(file: BorrowedFd<'_>, from: u64, end: u64) -> io::Result<Option<(u64, u64)>> {
    let signed = |offset: u64| i64::try_from(offset).map_err(io::Error::other);
    let start = match lseek(file, signed(from)?, Whence::SeekData) {
        Ok(start) => start.cast_unsigned(),
        Err(Errno::ENXIO) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if start >= end {
        return Ok(None);
    }
    let stop = lseek(file, signed(start)?, Whence::SeekHole)?.cast_unsigned();
    Ok(Some((start, stop.min(end))))
}

/// A key or a value, all of which are of whole words.
fn words<T: IntoBytes + Immutable>(row: &T) -> Vec<u64> {
    let words = row.as_bytes().chunks_exact(8);
    words
        .map(|word| u64::from_ne_bytes(word.try_into().expect("eight bytes")))
        .collect()
}

/// Calls by where they were made, which threads of targets count as well.
#[derive(Debug)]
pub(super) struct SharedPlaces(KeptRows);

impl SharedPlaces {
    pub(super) fn new(file: BorrowedFd<'_>, offset: u64) -> io::Result<SharedPlaces> {
        Ok(SharedPlaces(KeptRows::new(file, offset, Memory::Goroutines)?))
    }
}

impl Places for SharedPlaces {
    fn count(&self, key: &GoroutineKey) -> Option<u64> {
        let (rows, key) = (&self.0, words(key));
        rows.locked(&key, |bucket| {
            let entry = rows.touch(bucket, &key)?;
            let at = entry + ENTRY + key.len();
            let value = rows.words.range(at, rows.layout.value);
            let mut counted = Goroutine::read_from_bytes(value.as_bytes()).ok()?;
            counted.calls = counted.calls.wrapping_add(1);
            rows.words.set(at, &words(&counted));
            Some(counted.calls)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::inline::anonymous_file;
    use crate::table::{Call, CallKey};

    const OFFSET: u64 = 8192;

    fn key(g: u64, process: u32) -> CallKey {
        CallKey {
            g,
            process,
            ..CallKey::default()
        }
    }

    fn call(number: u64) -> Call {
        Call {
            call: number,
            ..Call::default()
        }
    }

    #[test]
    fn what_is_kept_of_a_process_is_found_and_forgotten() {
        let size = OFFSET + KEPT[Memory::Calls as usize].size();
        let file = anonymous_file("kept", size).unwrap();
        let rows = KeptRows::new(file.as_fd(), OFFSET, Memory::Calls).unwrap();
        let kept: Vec<_> = (0..1000).map(|g| (key(g, 7), call(g + 1))).collect();
        rows.keep(&kept);
        rows.keep(&[(key(5, 7), call(55)), (key(5, 8), call(56))]);
        let entries = |process| {
            let of = move |key: &CallKey| key.process == process;
            let mut found: Vec<(CallKey, Call)> = rows.entries(file.as_fd(), of).unwrap();
            found.sort_by_key(|(key, _)| key.g);
            found
                .into_iter()
                .map(|(key, call)| (key.g, call.call))
                .collect::<Vec<_>>()
        };
        let expected = |g| (g, if g == 5 { 55 } else { g + 1 });
        assert_eq!(entries(7), (0..1000).map(expected).collect::<Vec<_>>());
        assert_eq!(entries(8), [(5, 56)]);
        rows.forget(file.as_fd(), |key: &CallKey| key.process == 7)
            .unwrap();
        assert_eq!((entries(7), entries(8)), (Vec::new(), vec![(5, 56)]));
    }

    #[test]
    fn places_are_counted_but_not_under_a_lock_that_nobody_gives_back() {
        let size = KEPT[Memory::Goroutines as usize].size();
        let file = anonymous_file("kept", size).unwrap();
        let places = SharedPlaces::new(file.as_fd(), 0).unwrap();
        let other = SharedPlaces::new(file.as_fd(), 0).unwrap();
        let key = GoroutineKey {
            g: 0x1234_5678,
            ..GoroutineKey::default()
        };
        let counts = [&places, &other, &places].map(|places| places.count(&key));
        assert_eq!(counts, [Some(1), Some(2), Some(3)]);
        let bucket = places.0.bucket(&words(&key));
        places.0.words.set(bucket, &[1]);
        assert_eq!(other.count(&key), None);
        other.0.words.set(bucket, &[0]);
        assert_eq!(other.count(&key), Some(4));
    }
}
