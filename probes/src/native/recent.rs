//! What is remembered as long as there is room.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Values by keys. Beyond its room, what came first and was not asked for since makes place.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// Keys as they came; some are gone since.
    order: VecDeque<K>,
    room: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    used: bool,
}

impl<K: Copy + Eq + Hash, V: Copy> Recent<K, V> {
    pub(super) fn new(room: usize) -> Recent<K, V> {
        Recent {
            entries: HashMap::new(),
            order: VecDeque::new(),
            room,
        }
    }

    pub(super) fn get(&mut self, key: &K) -> Option<V> {
        let entry = self.entries.get_mut(key)?;
        entry.used = true;
        Some(entry.value)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.entries.insert(key, Entry { value, used: false }).is_some() {
            return;
        }
        self.order.push_back(key);
        while self.entries.len() > self.room {
            self.make_place();
        }
        if self.order.len() > 2 * self.room {
            let mut seen = HashMap::new();
            self.order
                .retain(|key| self.entries.contains_key(key) && seen.insert(*key, ()).is_none());
        }
    }

    /// All of them, what came first before what came later.
    pub(super) fn entries(&self) -> Vec<(K, V)> {
        let mut seen = std::collections::HashSet::new();
        let keys = self.order.iter().filter(|key| seen.insert(**key));
        keys.filter_map(|key| Some((*key, self.entries.get(key)?.value)))
            .collect()
    }

    pub(super) fn remove(&mut self, key: &K) {
        self.entries.remove(key);
    }

    fn make_place(&mut self) {
        let Some(oldest) = self.order.pop_front() else {
            return;
        };
        match self.entries.get_mut(&oldest) {
            Some(entry) if entry.used => {
                entry.used = false;
                self.order.push_back(oldest);
            }
            Some(_) => drop(self.entries.remove(&oldest)),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_use_stays() {
        let mut recent = Recent::new(3);
        for key in 0..3 {
            recent.insert(key, key * 10);
        }
        assert_eq!(recent.get(&0), Some(0));
        recent.insert(3, 30);
        recent.insert(4, 40);
        assert_eq!(recent.get(&0), Some(0));
        assert_eq!((recent.get(&1), recent.get(&2)), (None, None));
        assert_eq!((recent.get(&3), recent.get(&4)), (Some(30), Some(40)));
    }

    #[test]
    fn what_comes_and_goes_leaves_nothing_behind() {
        let mut recent = Recent::new(10);
        for key in 0..1000 {
            recent.insert(key, key);
            recent.insert(7777, key);
            recent.remove(&key);
            recent.remove(&7777);
        }
        assert!(recent.order.len() <= 21 && recent.entries.is_empty());
    }
}
