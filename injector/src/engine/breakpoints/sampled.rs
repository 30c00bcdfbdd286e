//! Threads that were put back to their breakpoint while a signal takes a sample of where they are.

use std::collections::HashMap;

/// Where each of them stands once its handler has returned, and what its stack pointer is then.
#[derive(Debug, Default)]
pub(super) struct Sampled {
    threads: HashMap<i32, (u64, u64)>,
}

impl Sampled {
    /// A thread was put back to a breakpoint at which it was served already.
    pub(super) fn put_back(&mut self, tid: i32, address: u64, stack: u64) {
        self.threads.insert(tid, (address, stack));
    }

    /// Whether a thread was put back at all.
    pub(super) fn has(&self, tid: i32) -> bool {
        self.threads.contains_key(&tid)
    }

    /// Whether a thread that has come to a breakpoint was put back to it: only once.
    pub(super) fn is_back(&mut self, tid: i32, address: u64, stack: u64) -> bool {
        let is_back = self.threads.get(&tid) == Some(&(address, stack));
        if is_back {
            self.threads.remove(&tid);
        }
        is_back
    }

    /// A thread is gone.
    pub(super) fn forget(&mut self, tid: i32) {
        self.threads.remove(&tid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_passes_once_where_it_was_put_back() {
        let mut sampled = Sampled::default();
        sampled.put_back(7, 0x1000, 0xc000);
        assert!(!sampled.is_back(8, 0x1000, 0xc000), "another thread");
        assert!(!sampled.is_back(7, 0x1000, 0xb000), "a call from its handler");
        assert!(sampled.has(7) && sampled.is_back(7, 0x1000, 0xc000));
        assert!(!sampled.is_back(7, 0x1000, 0xc000), "the next call");
    }

    #[test]
    fn a_thread_that_is_gone_leaves_nothing() {
        let mut sampled = Sampled::default();
        sampled.put_back(7, 0x1000, 0xc000);
        sampled.forget(7);
        assert!(!sampled.has(7));
    }
}
