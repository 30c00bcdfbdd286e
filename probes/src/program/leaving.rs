//! Processes that leave a run: their probes come off in the background, and then their rows are taken back.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use libbpf_rs::{MapCore, MapHandle};
use zerocopy::FromBytes;

use super::{ProcessRows, Program};
use crate::native::OutOfReach;
use crate::table::{CallKey, Event, GKey, GoroutineKey, Process, Reason, TermCounters};

/// How often at most rows are taken back from processes that left.
const SWEEP: Duration = Duration::from_millis(250);

/// What is known of a process when its rows are given back.
#[derive(Clone, Debug, Default)]
pub struct Removed {
    /// How each row of its conditions has come out.
    pub term_counters: Vec<TermCounters>,
    /// What it was given and has not used.
    pub process: Process,
}

impl Program {
    /// Takes a process's rows back. Its probes pass from now on and come off in the background.
    pub fn remove(&self, mut rows: ProcessRows) -> Removed {
        self.disarm(&rows);
        let removed = Removed {
            term_counters: self.term_counters(&rows),
            process: self.process(&rows),
        };
        self.instances.borrow()[rows.instance].unwatch(rows.pid, rows.place.process);
        self.leaving
            .borrow_mut()
            .insert(rows.serial, (rows.instance, std::mem::take(&mut rows.taken)));
        let links = std::mem::take(&mut rows.links);
        self.closer.borrow_mut().close(rows.serial, links);
        removed
    }

    /// Waits until the probes of all processes that were removed are off.
    pub fn finish(&self) {
        self.closer.borrow_mut().finish();
        self.reap(true);
    }

    /// Takes back the rows of processes whose probes are off, with what was kept of their threads and goroutines.
    pub(super) fn reap(&self, now: bool) {
        if !now && self.swept.get().is_some_and(|swept| swept.elapsed() < SWEEP) {
            return;
        }
        let closed: HashSet<u32> = self.closer.borrow().closed().into_iter().collect();
        self.swept.set(Some(Instant::now()));
        if closed.is_empty() {
            return;
        }
        self.drop_scratches(&closed);
        drop_keys(&self.passes, &closed, |key: GKey| key.process);
        drop_keys(&self.delays, &closed, |key: GKey| key.process);
        drop_keys(&self.calls, &closed, |key: CallKey| key.process);
        drop_keys(&self.goroutines, &closed, |key: GoroutineKey| key.process);
        let mut instances = self.instances.borrow_mut();
        let mut leaving = self.leaving.borrow_mut();
        for serial in closed {
            self.directory.remove(serial);
            if let Some((instance, taken)) = leaving.remove(&serial) {
                instances[instance].rooms.give(&taken);
            }
        }
    }

    /// Drops the scratches of threads of processes that left. What still waits in one can't be done any more.
    fn drop_scratches(&self, closed: &HashSet<u32>) {
        let mut core = None;
        for tid in self.threads() {
            let Some(scratch) = self.scratch(tid).filter(|s| closed.contains(&s.hit.serial)) else {
                continue;
            };
            self.forget(tid);
            if !scratch.is_waiting() {
                continue;
            }
            if core.is_none() {
                core = self.core().ok();
            }
            if let Some(core) = &mut core {
                // What failed is told.
                let mut left = OutOfReach(|event: &Event| self.events.borrow_mut().push(*event));
                core.abandon(&mut left, &scratch, Reason::Lost);
            }
        }
    }
}

fn drop_keys<K: FromBytes>(map: &MapHandle, closed: &HashSet<u32>, process: impl Fn(K) -> u32) {
    let keys = map
        .keys()
        .filter(|key| K::read_from_bytes(key).is_ok_and(|key| closed.contains(&process(key))));
    // All of them first: where the key that was just seen is gone, the kernel starts again from the beginning.
    for key in keys.collect::<Vec<_>>() {
        let _ = map.delete(&key);
    }
}
