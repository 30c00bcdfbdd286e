//! Rules, and what each does at its sites.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{HELDS, REASONS};

/// `gi_binding.flags`: counts the rule's calls and decides.
pub const BINDING_COUNTS: u32 = 1;
/// `gi_binding.flags`: with this one the rule has done all it does in a call.
pub const BINDING_COMPLETES: u32 = 2;
/// `gi_binding.flags`: the decision is kept for the same call's return.
pub const BINDING_PAIRS: u32 = 4;
/// `gi_binding.flags`: fires if the entry of the same call did.
pub const BINDING_FOLLOWS: u32 = 8;
/// `gi_binding.flags`: only keeps what the condition wants to know of the entry.
pub const BINDING_RECORDS: u32 = 16;
/// `gi_binding.flags`: its condition uses what was kept.
pub const BINDING_RECALLS: u32 = 32;
/// `gi_binding.flags`: the edits are results, and the body is skipped.
pub const BINDING_RETURNS: u32 = 64;
/// `gi_binding.flags`: the call becomes a call of nil.
pub const BINDING_PANICS: u32 = 128;
/// `gi_binding.flags`: the goroutine sleeps first.
pub const BINDING_DELAYS: u32 = 256;
/// The call becomes a panic with a value: the last two edits.
pub const BINDING_PANIC_VALUE: u32 = 512;
/// `gi_binding.flags`: a context ends the delay, and then the call; the edits are its results.
pub const BINDING_UNTIL: u32 = 1024;
/// `gi_binding.flags`: what it does depends on no call's number, which only its event tells.
pub const BINDING_TELLS: u32 = 2048;

/// What a rule does at one site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Binding {
    /// Row of the rule and its counters.
    pub rule: u32,
    /// `BINDING_*`.
    pub flags: u32,
    /// First row in the edit table.
    pub first_edit: u32,
    /// How many.
    pub edits: u32,
    /// First row of the condition in the term table.
    pub first_term: u32,
    /// How many; none: it holds.
    pub terms: u32,
    /// First row in the range table: code that the call must come from, at whatever distance.
    pub first_range: u32,
    /// How many; none: from anywhere.
    pub ranges: u32,
    /// First row in the range table: code that must stand on the stack one behind the other.
    pub first_caller: u32,
    /// How many.
    pub callers: u32,
    /// How many functions are looked for in them; none: called by whomever.
    pub levels: u32,
    /// The pattern, from 1, that the name of the call's Go test must match; 0 any call.
    pub test: u32,
    /// Nanoseconds that the goroutine sleeps.
    pub delay: u64,
    /// Up to this many nanoseconds more.
    pub jitter: u64,
    /// Row of the [`super::Until`] that ends the delay.
    pub until: u32,
    #[doc(hidden)]
    pub padding: u32,
}

/// `gi_rule.flags`: writes nothing.
pub const RULE_OBSERVE: u32 = 1;
/// `gi_rule.flags`: `nth` counts.
pub const RULE_NTH: u32 = 2;
/// `gi_rule.flags`: `every` counts.
pub const RULE_EVERY: u32 = 4;
/// `gi_rule.flags`: `first` counts.
pub const RULE_FIRST: u32 = 8;
/// `gi_rule.flags`: `after_calls` counts.
pub const RULE_AFTER_CALLS: u32 = 16;
/// `gi_rule.flags`: `until_calls` counts.
pub const RULE_UNTIL_CALLS: u32 = 32;
/// `gi_rule.flags`: `after_time` counts.
pub const RULE_AFTER_TIME: u32 = 64;
/// `gi_rule.flags`: `until_time` counts.
pub const RULE_UNTIL_TIME: u32 = 128;
/// `gi_rule.flags`: `probability` counts.
pub const RULE_PROBABILITY: u32 = 256;
/// `gi_rule.flags`: `times` counts.
pub const RULE_TIMES: u32 = 512;
/// `gi_rule.flags`: `interval` counts.
pub const RULE_RATE: u32 = 1024;
/// `gi_rule.flags`: calls are counted for each goroutine.
pub const RULE_PER_GOROUTINE: u32 = 2048;
/// `gi_rule.flags`: calls are counted for each Go test.
pub const RULE_PER_TEST: u32 = 4096;
/// `gi_rule.flags`: calls are counted for each process.
pub const RULE_PER_PROCESS: u32 = 8192;

/// How a rule decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Rule {
    /// `RULE_*`: which of the fields below count.
    pub flags: u32,
    #[doc(hidden)]
    pub padding: u32,
    /// Only this call, from 1.
    pub nth: u64,
    /// Each that this divides; 0 none.
    pub every: u64,
    /// As many of the first.
    pub first: u64,
    /// Only after as many.
    pub after_calls: u64,
    /// Only up to as many.
    pub until_calls: u64,
    /// Nanoseconds since arming.
    pub after_time: u64,
    /// Nanoseconds since arming.
    pub until_time: u64,
    /// Of 2^64.
    pub probability: u64,
    /// At most as many firings.
    pub times: u64,
    /// Nanoseconds between two firings at least; 0 never.
    pub interval: u64,
}

/// What a rule has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Counters {
    /// Reached a counting site.
    pub calls: u64,
    /// And its condition held.
    pub matched: u64,
    /// And its turn had come.
    pub fired: u64,
    /// And all its edits were made.
    pub applied: u64,
    /// And they were not, by [`Reason`].
    pub failed: [u64; REASONS],
    /// Did not fire, by [`Held`].
    pub held: [u64; HELDS],
    /// Of `times`; in the share of a slot: of [`Control::event_limit`](super::Control::event_limit).
    pub taken: u64,
    /// No firing before this time, by `interval`.
    pub next_time: u64,
    /// Firings put off by [`Held::Marking`](super::Held::Marking), to be made up for.
    pub owed: u64,
}

impl Counters {
    /// Edits that could not be made, for whatever reason.
    pub fn failures(&self) -> u64 {
        self.failed.iter().sum()
    }
}
