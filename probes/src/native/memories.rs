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
    /// Those that are of no process, which all processes of the run count together.
    shared: Rc<RefCell<HashMap<GoroutineKey, Goroutine>>>,
    members: Recent<MemberKey, Member>,
    tests: Recent<MemberKey, GoTest>,
}

impl OwnMemories {
    pub(super) fn of(run: &Run) -> OwnMemories {
        OwnMemories {
            shared: Rc::clone(&run.places),
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
        match key.process {
            0 => self.shared.borrow().get(key).copied(),
            _ => self.goroutines.get(key).copied(),
        }
    }
    fn set_goroutine(&mut self, key: &GoroutineKey, calls: &Goroutine) -> bool {
        match key.process {
            0 => self.shared.borrow_mut().insert(*key, *calls),
            _ => self.goroutines.insert(*key, *calls),
        };
        true
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
