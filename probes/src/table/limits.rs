//! How much of everything the tables take.

/// Dereferences on the way to a value.
pub const STEPS: usize = 6;
/// Of the rules that fire in one call, how many may if one of them delays it.
pub const DELAYED: usize = 8;
/// Rows of one condition.
pub const TERMS: usize = 64;
/// Truths that one condition may take from the entry of a call to its return.
pub const RECALLED: usize = 32;
/// Operands that one condition may take from the entry of a call to its return.
pub const CAPTURES: usize = 4;
/// Code ranges that one question about the callers may have.
pub const RANGES: usize = 65535;
/// Functions that one rule may want to find on the stack, one behind the other.
pub const LEVELS: usize = 15;
/// Bytes of a string that conditions look at.
pub const CONDITION_TEXT: usize = 256;
/// Bytes that one edit may clear.
pub const CLEARED: usize = 4096;
/// Rules that one probe serves.
pub const BINDINGS: usize = 1024;
/// Words that one rule may overwrite in one call.
pub const EDITS: usize = 64;
/// Rules that may fire in one and the same call.
pub const FIRED: usize = 32;
/// Words shown in one event.
pub const EVENT_WORDS: usize = 16;
/// Texts shown in one event.
pub const EVENT_TEXTS: usize = 3;
/// Bytes of each text shown in one event.
pub const TEXT: usize = 64;
/// Bytes that are copied at most, for a value that gets memory of its own at each firing.
pub const COPIED: usize = 4096;
/// Bytes of the pieces in which memory for copies is handed out.
pub const PIECE: usize = 64;
/// Return addresses shown in one event.
pub const STACK: usize = 32;
/// Bytes of a Go test's name that are looked at.
pub const TEST_NAME: usize = 240;
/// Patterns over the names of Go tests.
pub const TEST_GLOBS: usize = 64;
/// Calls under way that are remembered from their entry to their return; beyond, those that began first are forgotten.
pub const CALLS: usize = 262_144;
/// Goroutines that are known to belong to a Go test.
pub const MEMBERS: usize = 131_072;
/// Go tests whose names are known, the latest.
pub const TESTS: usize = 8192;
/// Size of the failure counters' array.
pub const REASONS: usize = 32;
/// Size of the array of counters for what held a rule back.
pub const HELDS: usize = 9;
/// Room of a hit for general registers: enough for every architecture, and a power of two.
pub const REGISTERS: usize = 32;
