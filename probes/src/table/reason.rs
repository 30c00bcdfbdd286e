//! Why an edit failed, and what held a rule back.

use super::HELDS;

/// Why something could not be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Reason {
    /// It could.
    Ok = 0,
    /// A pointer on the way is nil.
    Nil = 1,
    /// An index is beyond the length.
    Range = 2,
    /// Memory not readable now.
    ReadFault = 3,
    /// Memory not writable now.
    WriteFault = 4,
    /// A pointer into the heap while the collector marks.
    Barrier = 5,
    /// Floating-point registers out of reach of this writer.
    NoFloats = 6,
    /// The signal frame is not that of the probed instruction.
    WrongPc = 7,
    /// The kernel did not send the signal.
    NoSignal = 8,
    /// A table is full.
    NoRoom = 9,
    /// The signal never came back to this thread.
    Lost = 10,
    /// More than [`FIRED`] rules fired in one call.
    TooMany = 11,
    /// A row that is not there: a defect of goinject.
    NoRow = 12,
    /// The call began before it could be seen.
    NoEntry = 13,
    /// A string longer than [`CONDITION_TEXT`].
    TooLong = 14,
    /// Not on a goroutine's own stack.
    NotHere = 15,
    /// A variable does not hold what its name promised.
    WrongType = 16,
    /// The memory for copies is used up.
    NoCopies = 17,
    /// The garbage collector does not know of the memory for copies.
    Unscanned = 18,
    /// A map has no such key.
    NoKey = 19,
    /// A map has more than [`super::GROUPS`] groups.
    TooLarge = 20,
    /// Whether a context is done can't be read.
    NoContext = 21,
}

impl Reason {
    /// All reasons for a failure.
    pub const FAILURES: [Reason; 21] = [
        Reason::Nil,
        Reason::Range,
        Reason::ReadFault,
        Reason::WriteFault,
        Reason::Barrier,
        Reason::NoFloats,
        Reason::WrongPc,
        Reason::NoSignal,
        Reason::NoRoom,
        Reason::Lost,
        Reason::TooMany,
        Reason::NoRow,
        Reason::NoEntry,
        Reason::TooLong,
        Reason::NotHere,
        Reason::WrongType,
        Reason::NoCopies,
        Reason::Unscanned,
        Reason::NoKey,
        Reason::TooLarge,
        Reason::NoContext,
    ];

    /// The reason of a number in a table, if there is one.
    pub fn of(number: u32) -> Option<Reason> {
        match number.checked_sub(1) {
            None => Some(Reason::Ok),
            Some(n) => Reason::FAILURES.get(n as usize).copied(),
        }
    }

    /// In words, for reports.
    pub fn words(self) -> &'static str {
        match self {
            Reason::Ok => "applied",
            Reason::Nil => "a pointer on the way was nil",
            Reason::Range => "an index or length was out of range",
            Reason::ReadFault => "memory could not be read",
            Reason::WriteFault => "memory could not be written",
            Reason::Barrier => "the garbage collector was marking",
            Reason::NoFloats => "floating-point registers were out of reach",
            Reason::WrongPc => "the signal arrived at another instruction",
            Reason::NoSignal => "the kernel did not send the signal",
            Reason::NoRoom => "a table was full",
            Reason::Lost => "the signal did not arrive",
            Reason::TooMany => "too many rules fired in one call",
            Reason::NoRow => "a table row was missing (a defect of goinject)",
            Reason::NoEntry => "the call began before it could be seen",
            Reason::TooLong => "a string was too long",
            Reason::NotHere => "the call was not on a goroutine's own stack",
            Reason::WrongType => "a variable did not hold what it should",
            Reason::NoCopies => "the memory for new values was used up",
            Reason::Unscanned => "the garbage collector did not know yet of the memory for new values",
            Reason::NoKey => "a map had no such key",
            Reason::TooLarge => "a map was too large to look for a key in it",
            Reason::NoContext => {
                "the context was nil, or of a type of which goinject does not know when it is done"
            }
        }
    }
}

/// Why a call did not fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Held {
    /// Not the turn of its number: `nth`, `every`, `first`, `after`, `until`.
    Calls = 0,
    /// Not the time: `after`, `until`.
    Window = 1,
    /// `probability`.
    Chance = 2,
    /// `rate`.
    Rate = 3,
    /// `times`.
    Times = 4,
    /// `limits`.
    Limit = 5,
    /// Called from elsewhere than `within` says: not even matched.
    Within = 6,
    /// The condition or the callers could not be read, or are too many: not even matched.
    Unreadable = 7,
    /// A pointer into the heap while the collector marks: another call fires instead.
    Marking = 8,
}

impl Held {
    /// All of them, in the order in which a call meets them.
    pub const ALL: [Held; HELDS] = [
        Held::Unreadable,
        Held::Within,
        Held::Calls,
        Held::Window,
        Held::Chance,
        Held::Rate,
        Held::Times,
        Held::Limit,
        Held::Marking,
    ];

    /// A name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Held::Unreadable => "unreadable",
            Held::Within => "within",
            Held::Calls => "calls",
            Held::Window => "window",
            Held::Chance => "probability",
            Held::Rate => "rate",
            Held::Times => "times",
            Held::Limit => "limits",
            Held::Marking => "marking",
        }
    }
}
