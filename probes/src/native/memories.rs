//! What the core keeps from one hit to another.

use std::collections::HashMap;
use std::fmt;

use crate::table::{Call, CallKey, Delay, GKey, Goroutine, GoroutineKey};

/// What the core keeps from one hit to another.
pub trait Memories: fmt::Debug {
    /// What was kept at the entry of a call.
    fn call(&mut self, key: &CallKey) -> Option<Call>;
    /// Keeps or drops it; false if there is no room.
    fn set_call(&mut self, key: &CallKey, call: Option<&Call>) -> bool;
    /// The delay of a goroutine, by its key.
    fn delay(&mut self, key: &GKey) -> Option<Delay>;
    /// Keeps or drops it; false if there is no room.
    fn set_delay(&mut self, key: &GKey, delay: Option<&Delay>) -> bool;
    /// A rule's calls on one goroutine.
    fn goroutine(&mut self, key: &GoroutineKey) -> Option<Goroutine>;
    /// Keeps their number; false if there is no room.
    fn set_goroutine(&mut self, key: &GoroutineKey, calls: &Goroutine) -> bool;
}

/// Memories of goinject's own.
#[derive(Debug, Default)]
pub(super) struct OwnMemories {
    calls: HashMap<CallKey, Call>,
    delays: HashMap<GKey, Delay>,
    goroutines: HashMap<GoroutineKey, Goroutine>,
}

impl Memories for OwnMemories {
    fn call(&mut self, key: &CallKey) -> Option<Call> {
        self.calls.get(key).copied()
    }
    fn set_call(&mut self, key: &CallKey, call: Option<&Call>) -> bool {
        match call {
            Some(call) => drop(self.calls.insert(*key, *call)),
            None => drop(self.calls.remove(key)),
        }
        true
    }
    fn delay(&mut self, key: &GKey) -> Option<Delay> {
        self.delays.get(key).copied()
    }
    fn set_delay(&mut self, key: &GKey, delay: Option<&Delay>) -> bool {
        match delay {
            Some(delay) => drop(self.delays.insert(*key, *delay)),
            None => drop(self.delays.remove(key)),
        }
        true
    }
    fn goroutine(&mut self, key: &GoroutineKey) -> Option<Goroutine> {
        self.goroutines.get(key).copied()
    }
    fn set_goroutine(&mut self, key: &GoroutineKey, calls: &Goroutine) -> bool {
        self.goroutines.insert(*key, *calls);
        true
    }
}
