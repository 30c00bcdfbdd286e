//! What the core remembers, where the BPF program remembers it.

use libbpf_rs::{MapCore, MapFlags, MapHandle};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::native::{Entries, Memories};
use crate::table::{Call, CallKey, Delay, GKey, GoTest, Goroutine, GoroutineKey, Member, MemberKey};

/// What the core remembers, where the BPF program remembers it.
#[derive(Debug)]
pub(super) struct MapMemories {
    pub(super) calls: MapHandle,
    pub(super) delays: MapHandle,
    pub(super) goroutines: MapHandle,
    pub(super) members: MapHandle,
    pub(super) tests: MapHandle,
}

fn load<V: FromBytes>(map: &MapHandle, key: &[u8]) -> Option<V> {
    V::read_from_bytes(&map.lookup(key, MapFlags::ANY).ok()??).ok()
}

fn save<V: IntoBytes + Immutable>(map: &MapHandle, key: &[u8], value: Option<&V>) -> bool {
    match value {
        Some(value) => map.update(key, value.as_bytes(), MapFlags::ANY).is_ok(),
        // A missing key is what is wanted.
        None => {
            let _ = map.delete(key);
            true
        }
    }
}

/// Those of a process.
fn all<K: FromBytes, V: FromBytes>(map: &MapHandle, is_of: impl Fn(&K) -> bool) -> Vec<(K, V)> {
    let keys = map.keys().filter_map(|bytes| {
        let key = K::read_from_bytes(&bytes).ok().filter(|key| is_of(key))?;
        Some((key, bytes))
    });
    let keys: Vec<(K, Vec<u8>)> = keys.collect();
    keys.into_iter()
        .filter_map(|(key, bytes)| Some((key, load(map, &bytes)?)))
        .collect()
}

impl Memories for MapMemories {
    fn entries(&mut self, process: u32) -> Entries {
        Entries {
            calls: all(&self.calls, |key: &CallKey| key.process == process),
            delays: all(&self.delays, |key: &GKey| key.process == process),
            goroutines: all(&self.goroutines, |key: &GoroutineKey| key.process == process),
            members: all(&self.members, |key: &MemberKey| key.process == u64::from(process)),
            tests: all(&self.tests, |key: &MemberKey| key.process == u64::from(process)),
        }
    }
    fn call(&mut self, key: &CallKey) -> Option<Call> {
        load(&self.calls, key.as_bytes())
    }
    fn set_call(&mut self, key: &CallKey, call: Option<&Call>) -> bool {
        save(&self.calls, key.as_bytes(), call)
    }
    fn delay(&mut self, key: &GKey) -> Option<Delay> {
        load(&self.delays, key.as_bytes())
    }
    fn set_delay(&mut self, key: &GKey, delay: Option<&Delay>) -> bool {
        save(&self.delays, key.as_bytes(), delay)
    }
    fn goroutine(&mut self, key: &GoroutineKey) -> Option<Goroutine> {
        load(&self.goroutines, key.as_bytes())
    }
    fn set_goroutine(&mut self, key: &GoroutineKey, calls: &Goroutine) -> bool {
        save(&self.goroutines, key.as_bytes(), Some(calls))
    }
    fn member(&mut self, key: &MemberKey) -> Option<Member> {
        load(&self.members, key.as_bytes())
    }
    fn set_member(&mut self, key: &MemberKey, member: &Member) -> bool {
        save(&self.members, key.as_bytes(), Some(member))
    }
    fn test(&mut self, key: &MemberKey) -> Option<GoTest> {
        load(&self.tests, key.as_bytes())
    }
    fn set_test(&mut self, key: &MemberKey, test: &GoTest) -> bool {
        save(&self.tests, key.as_bytes(), Some(test))
    }
}
