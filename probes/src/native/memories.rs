//! What the core keeps from one hit to another.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use super::recent::Recent;
use super::run::Run;
use crate::table::{
    CALLS, Call, CallKey, Delay, GKey, GoTest, Goroutine, GoroutineKey, MEMBERS, Member, MemberKey, TESTS,
};

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
    /// Counts one more call where calls of a goroutine are counted; those before are another's if it has another id. How many
    /// there are by then; none if there is no room.
    fn count(&mut self, key: &GoroutineKey, goid: u64) -> Option<u64> {
        count(self, key, goid)
    }
    /// The Go test that a goroutine belongs to.
    fn member(&mut self, key: &MemberKey) -> Option<Member>;
    /// Keeps it; false if there is no room.
    fn set_member(&mut self, key: &MemberKey, member: &Member) -> bool;
    /// A Go test, by its goroutine.
    fn test(&mut self, key: &MemberKey) -> Option<GoTest>;
    /// Keeps it; false if there is no room.
    fn set_test(&mut self, key: &MemberKey, test: &GoTest) -> bool;
    /// All that is kept of a process.
    fn entries(&mut self, process: u32) -> Entries;
    /// Keeps all of it, as far as there is room.
    fn keep(&mut self, entries: &Entries) {
        for (key, call) in &entries.calls {
            self.set_call(key, Some(call));
        }
        for (key, delay) in &entries.delays {
            self.set_delay(key, Some(delay));
        }
        for (key, calls) in &entries.goroutines {
            self.set_goroutine(key, calls);
        }
        for (key, member) in &entries.members {
            self.set_member(key, member);
        }
        for (key, test) in &entries.tests {
            self.set_test(key, test);
        }
    }
}

fn count<M: Memories + ?Sized>(memories: &mut M, key: &GoroutineKey, goid: u64) -> Option<u64> {
    let before = memories.goroutine(key).filter(|counted| counted.goid == goid);
    let mut counted = before.unwrap_or(Goroutine {
        goid,
        ..Goroutine::default()
    });
    counted.calls += 1;
    memories.set_goroutine(key, &counted).then_some(counted.calls)
}

/// Calls by where they were made, which all processes of a run count together.
pub(crate) trait Places: fmt::Debug {
    /// Counts one more. How many there are by then; none if there is no room.
    fn count(&self, key: &GoroutineKey) -> Option<u64>;
}

/// Those of a run that nobody shares.
#[derive(Debug, Default)]
pub(crate) struct OwnPlaces(RefCell<HashMap<GoroutineKey, u64>>);

impl Places for OwnPlaces {
    fn count(&self, key: &GoroutineKey) -> Option<u64> {
        let mut places = self.0.borrow_mut();
        let calls = places.entry(*key).or_default();
        *calls += 1;
        Some(*calls)
    }
}

/// What is kept of a process.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    /// Calls under way.
    pub calls: Vec<(CallKey, Call)>,
    /// Goroutines that sleep.
    pub delays: Vec<(GKey, Delay)>,
    /// Calls by scope.
    pub goroutines: Vec<(GoroutineKey, Goroutine)>,
    /// Goroutines of Go tests.
    pub members: Vec<(MemberKey, Member)>,
    /// Go tests.
    pub tests: Vec<(MemberKey, GoTest)>,
}

/// Memories of goinject's own.
#[derive(Debug)]
pub(super) struct OwnMemories {
    calls: Recent<CallKey, Call>,
    delays: HashMap<GKey, Delay>,
    goroutines: HashMap<GoroutineKey, Goroutine>,
    /// Of no process.
    places: Rc<dyn Places>,
    members: Recent<MemberKey, Member>,
    tests: Recent<MemberKey, GoTest>,
}

impl OwnMemories {
    pub(super) fn of(run: &Run) -> OwnMemories {
        OwnMemories {
            places: Rc::clone(&run.places),
            calls: Recent::new(CALLS),
            delays: HashMap::new(),
            goroutines: HashMap::new(),
            members: Recent::new(MEMBERS),
            tests: Recent::new(TESTS),
        }
    }
}

impl Memories for OwnMemories {
    fn call(&mut self, key: &CallKey) -> Option<Call> {
        self.calls.get(key)
    }
    fn set_call(&mut self, key: &CallKey, call: Option<&Call>) -> bool {
        match call {
            Some(call) => self.calls.insert(*key, *call),
            None => self.calls.remove(key),
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
    fn count(&mut self, key: &GoroutineKey, goid: u64) -> Option<u64> {
        match key.process {
            0 => self.places.count(key),
            _ => count(self, key, goid),
        }
    }
    fn member(&mut self, key: &MemberKey) -> Option<Member> {
        self.members.get(key)
    }
    fn set_member(&mut self, key: &MemberKey, member: &Member) -> bool {
        self.members.insert(*key, *member);
        true
    }
    fn test(&mut self, key: &MemberKey) -> Option<GoTest> {
        self.tests.get(key)
    }
    fn set_test(&mut self, key: &MemberKey, test: &GoTest) -> bool {
        self.tests.insert(*key, *test);
        true
    }
    fn entries(&mut self, _: u32) -> Entries {
        // They are of one process.
        let own = |(key, value): (&GoroutineKey, &Goroutine)| (*key, *value);
        Entries {
            calls: self.calls.entries(),
            delays: self.delays.iter().map(|(key, delay)| (*key, *delay)).collect(),
            goroutines: self.goroutines.iter().map(own).collect(),
            members: self.members.entries(),
            tests: self.tests.entries(),
        }
    }
}
