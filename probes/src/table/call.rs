//! What is kept of calls under way, and of goroutines.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{CAPTURES, DELAYED};

/// A call between its entry and its return, as the core keeps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct CallKey {
    /// Address of the goroutine's g.
    pub g: u64,
    /// Of its frame below the stack's high end: survives stack moves.
    pub depth: u64,
    /// Row of the rule.
    pub rule: u32,
    /// Serial of the process: the g of two processes may be the same.
    pub process: u32,
}

/// What the return of a call wants to know of its entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Call {
    /// Its number, if it fired at entry.
    pub call: u64,
    /// Of conditions at entry, two bits each.
    pub truths: u64,
    /// Operands at entry.
    pub capture: [u64; CAPTURES],
    /// Bit n: `capture[n]` was read.
    pub captured: u32,
    /// Whether it fired at entry.
    pub fired: u32,
}

/// A binding that fired in a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Fired {
    /// Its row.
    pub binding: u32,
    /// What became of it; 0 while it waits for its edits.
    pub settled: u32,
    /// Number of the call.
    pub call: u64,
    /// Nanoseconds that the goroutine is to sleep.
    pub delay: u64,
    /// Where the call was made, as another run of the program tells it.
    pub place: u64,
    /// Its number among the rule's calls there; 0: not numbered.
    pub number: u64,
}

/// A goroutine of a process, for what is kept of it whichever rule it is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct GKey {
    /// Address of its g.
    pub g: u64,
    /// Serial of the process.
    pub process: u32,
    #[doc(hidden)]
    pub padding: u32,
}

/// A goroutine that sleeps before a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Delay {
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub deadline: u64,
    /// What is left of it, in nanoseconds.
    pub duration: u64,
    /// In nanoseconds.
    pub whole: u64,
    /// Of its frame below the stack's high end.
    pub depth: u64,
    /// Row of the entry site.
    pub site: u32,
    /// Entries of `fired` in use.
    pub fired_count: u32,
    /// Not 0: it is on its way to the slot.
    pub sent: u32,
    /// Not 0: it was sent from there to `time.Sleep`.
    pub asleep: u32,
    /// What waits for the end of the delay.
    pub fired: [Fired; DELAYED],
}

/// A rule's calls in one scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct GoroutineKey {
    /// Address of the goroutine's g, which the runtime uses again for another goroutine; or the id of a test's goroutine.
    pub g: u64,
    /// Row of the rule.
    pub rule: u32,
    /// Serial of the process: the g of two processes may be the same.
    pub process: u32,
}

/// How many they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Goroutine {
    /// The goroutine's id, which tells it from others that had the same g.
    pub goid: u64,
    /// Calls so far.
    pub calls: u64,
    /// Firings so far, where `times` counts them.
    pub taken: u64,
}
