//! The tables: what the planner writes and the decision core reads. The C side is `bpf/abi.h`.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

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
/// Code ranges of the functions that one rule must be called within.
pub const RANGES: usize = 64;
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
/// Size of the failure counters' array.
pub const REASONS: usize = 32;
/// Size of the array of counters for what held a rule back.
pub const HELDS: usize = 8;

/// How many general registers a hit carries.
pub const REGISTERS: usize = 16;

/// A general register, in the order in which the tables and the hit number them (`bpf/goabi.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "register names say themselves")]
pub enum GeneralRegister {
    Rax,
    Rbx,
    Rcx,
    Rdi,
    Rsi,
    R8,
    R9,
    R10,
    R11,
    Rdx,
    Rsp,
    Rbp,
    R12,
    R13,
    R14,
    R15,
}

/// `gi_place.base`: where a place starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Base {
    /// A general register.
    Integer = 0,
    /// X0 to X14.
    Float = 1,
    /// Entry stack pointer plus offset.
    Stack = 2,
    /// A run-time address.
    Absolute = 3,
}

/// One dereference: the word found so far is a pointer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Step {
    /// Bytes from where it points.
    pub offset: i32,
    /// If not 0: the word behind the pointer is a length, and must be at least this.
    pub bound: u32,
}

/// A place in a stopped call: a register or memory, perhaps behind pointers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Place {
    /// [`Base`].
    pub base: u8,
    /// Register number, for the register bases.
    pub index: u8,
    /// Bytes read or written at the end: 1, 2, 4 or 8.
    pub size: u8,
    /// Entries of `step` in use.
    pub steps: u8,
    /// Bytes from the entry stack pointer, for [`Base::Stack`].
    pub offset: i32,
    /// Run-time address, for [`Base::Absolute`].
    pub address: u64,
    /// The way on from there.
    pub step: [Step; STEPS],
}

/// `gi_edit.source`: what an edit puts into its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Source {
    /// The operand.
    Put = 0,
    /// The word at the address that the operand is, read at the hit.
    Copy = 1,
    /// Nothing: it is only shown in the event.
    Keep = 2,
    /// As many zero bytes as the operand says.
    Clear = 3,
    /// What is there plus the operand.
    Add = 4,
    /// What is there with the operand's bits flipped.
    Xor = 5,
    /// Any value from the operand to `extra`.
    Random = 6,
    /// What is there, the operand at most.
    Cut = 7,
    /// The operand, which must not be more than what is there.
    Shrink = 8,
    /// The address of a type's description, as the interface table tells whose address is at the operand.
    CopyType = 9,
    /// The address of a copy of `extra` bytes at the operand.
    Fresh = 10,
    /// The address of a copy of the bytes that are there, flipped by the operand; the next edit is their number.
    Flip = 11,
    /// What the edit before puts into its place.
    Repeat = 12,
}

/// `gi_edit.kind`: how the bits of a value are to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ValueKind {
    /// Also bool and pointers.
    Unsigned = 0,
    /// Two's complement.
    Signed = 1,
    /// IEEE 754.
    Float = 2,
    /// A string; in conditions only.
    Text = 3,
}

/// `gi_edit.flags`: holds a pointer.
pub const EDIT_POINTER: u8 = 1;
/// `gi_edit.flags`: first word of a string; the next edit is its length.
pub const EDIT_TEXT: u8 = 2;
/// `gi_edit.flags`: first word of an interface value; the next edit is its second.
pub const EDIT_ERROR: u8 = 4;

/// One word overwritten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Edit {
    /// Where.
    pub place: Place,
    /// See [`Source`].
    pub operand: u64,
    /// See [`Source`]; of [`Source::Copy`] the description of the interface that the word must be of, or 0.
    pub extra: u64,
    /// [`Source`].
    pub source: u8,
    /// [`ValueKind`].
    pub kind: u8,
    /// `EDIT_*`.
    pub flags: u8,
    #[doc(hidden)]
    pub padding: [u8; 5],
}

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
    /// Nanoseconds that the goroutine sleeps.
    pub delay: u64,
    /// Up to this many nanoseconds more.
    pub jitter: u64,
}

/// `gi_term.op`: what a row of a condition does to its stack of truths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Op {
    /// Pushes the outcome of its test.
    Test = 0,
    /// Turns the topmost.
    Not = 1,
    /// Joins the two topmost.
    And = 2,
    /// Joins the two topmost.
    Or = 3,
    /// Leaves out the next `skip` rows if the topmost is false.
    SkipIfFalse = 4,
    /// Leaves out the next `skip` rows if the topmost is true.
    SkipIfTrue = 5,
    /// Pushes truth `slot` as it was at entry.
    Recall = 6,
    /// At entry: keeps the left operand as number `slot`.
    Capture = 7,
}

/// `gi_term.test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the tests say themselves")]
pub enum Test {
    True = 0,
    Equal = 1,
    NotEqual = 2,
    Less = 3,
    LessOrEqual = 4,
    Greater = 5,
    GreaterOrEqual = 6,
    StartsWith = 7,
    EndsWith = 8,
    Contains = 9,
}

/// `gi_term.left_source` and `right_source`: where an operand comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OperandSource {
    /// The row's constant, or its fixed text.
    Constant = 0,
    /// A place in the call.
    Place = 1,
    /// Number `slot` of those kept at entry.
    Capture = 2,
}

/// `gi_term.flags`: the last pointer on the way to the left operand may be nil, and then it is 0: the length of a nil map.
pub const TERM_NIL_IS_ZERO_LEFT: u8 = 1;
/// `gi_term.flags`: the same of the right operand.
pub const TERM_NIL_IS_ZERO_RIGHT: u8 = 2;

/// One row of a condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Term {
    /// Left operand.
    pub left: Place,
    /// Right operand.
    pub right: Place,
    /// Right operand; for a text its length in bytes.
    pub constant: u64,
    /// Row of the fixed text.
    pub text: u32,
    /// [`Op`].
    pub op: u8,
    /// [`Test`].
    pub test: u8,
    /// [`OperandSource`].
    pub left_source: u8,
    /// [`OperandSource`].
    pub right_source: u8,
    /// [`ValueKind`].
    pub left_kind: u8,
    /// [`ValueKind`].
    pub right_kind: u8,
    /// Of a truth or operand kept at entry.
    pub slot: u8,
    /// `TERM_*`.
    pub flags: u8,
    /// Rows that a skip leaves out.
    pub skip: u16,
    #[doc(hidden)]
    pub padding: u16,
}

/// A fixed text, filled up with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FixedText(pub [u8; CONDITION_TEXT]);

/// How often a row's test was made, was true, and could not be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TermCounters {
    /// Was made or tried.
    pub tested: u64,
    /// Was true.
    pub held: u64,
    /// An operand could not be read.
    pub unreadable: u64,
}

/// Code of a function, run-time: `low <= address < high`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Range {
    /// First address.
    pub low: u64,
    /// Behind the last.
    pub high: u64,
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
    /// Of `times`.
    pub taken: u64,
    /// No firing before this time, by `interval`.
    pub next_time: u64,
}

impl Counters {
    /// Edits that could not be made, for whatever reason.
    pub fn failures(&self) -> u64 {
        self.failed.iter().sum()
    }
}

/// `gi_site.kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SiteKind {
    /// Where arguments are in place.
    Entry = 0,
    /// A RET.
    Return = 1,
    /// `runtime.sigtramp`, for the signal-frame writer.
    Signal = 2,
    /// The CALL of `runtime.morestack` in a function that can be delayed.
    Slot = 3,
}

/// `gi_site.writer`: how edits reach the target at a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum WriterKind {
    /// Only observed.
    None = 0,
    /// User memory, at once.
    Memory = 1,
    /// Registers of the probe's context, and user memory, at once.
    Context = 2,
    /// A signal to the thread; edits go into its signal frame.
    Frame = 3,
    /// A signal to the thread; its tracer makes the edits.
    Tracer = 4,
    /// The caller of the core: the ptrace engine.
    Direct = 5,
}

/// `gi_site.flags`: g is in R14.
pub const SITE_REGISTER_G: u8 = 1;
/// `gi_site.flags`: the instruction uses up an argument, so edits after it must run it again.
pub const SITE_RESTART: u8 = 2;
/// `gi_site.flags`: a condition reads floating-point registers, so it is decided where they are in reach.
pub const SITE_FLOATS: u8 = 4;
/// `gi_site.flags`: a goroutine may come back here after a delay.
pub const SITE_DELAYS: u8 = 8;
/// `gi_site.flags`: it can be sent to `time.Sleep` through its slot; else it yields.
pub const SITE_SLEEPS: u8 = 16;

/// `gi_site.lead`: where the probed instruction leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Lead {
    /// The next instruction.
    Next = 0,
    /// The next instruction or the branch target.
    Branch = 1,
    /// The branch or call target.
    Target = 2,
    /// The word at the stack pointer.
    Return = 3,
}

/// One probe. Its row number is its attach cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Site {
    /// Run-time address of the probed instruction.
    pub address: u64,
    /// Run-time address: at an entry of the code that leads to the slot, at a slot of where its CALL returns to.
    pub slot: u64,
    /// First row in the binding table.
    pub first_binding: u32,
    /// How many.
    pub bindings: u32,
    /// From the instruction's address to its branch target.
    pub displacement: i32,
    /// [`SiteKind`].
    pub kind: u8,
    /// `SITE_*`.
    pub flags: u8,
    /// [`WriterKind`].
    pub writer: u8,
    /// [`Lead`].
    pub lead: u8,
    /// Bytes of the instruction.
    pub length: u8,
    /// With any of these bits set in RFLAGS it is on its way to morestack, and not a call yet.
    pub check_flags: u8,
    #[doc(hidden)]
    pub padding: [u8; 6],
}

/// Facts of the target, and the switch. Addresses are run-time; 0 unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Control {
    /// 0: every probe passes.
    pub armed: u32,
    #[doc(hidden)]
    pub padding: u32,
    /// g's place relative to the thread pointer.
    pub tls_g: i64,
    /// Of the goroutine id, in g.
    pub goid_offset: u64,
    /// Of the thread's m, in g.
    pub m_offset: u64,
    /// Of the goroutine that it runs, in m.
    pub curg_offset: u64,
    /// `runtime.writeBarrier`.
    pub write_barrier: u64,
    /// `time.Sleep`.
    pub sleep: u64,
    /// Behind the only CALL in `runtime.Gosched`.
    pub gosched_return: u64,
    /// Run-time address of the interface table of `*errors.errorString` as `error`; 0 unknown.
    pub error_string: u64,
    /// And of `syscall.Errno`.
    pub errno: u64,
    /// Memory in the target for copies: the next free byte. None is used twice.
    pub copies_next: u64,
    /// Its end.
    pub copies_end: u64,
    /// Of every chance decision.
    pub seed: u64,
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub armed_at: u64,
    /// Nanoseconds of `CLOCK_MONOTONIC`: no faults from then on; 0 none. Until it is armed, counted from then.
    pub deadline: u64,
    /// No more faults than this.
    pub fault_limit: u64,
    /// Fired so far, against the limit.
    pub faults: u64,
    /// Events that found no room.
    pub dropped_events: u64,
    /// Calls that could not even be looked at: no room for another thread.
    pub lost_hits: u64,
}

impl Control {
    /// Lets probes act from now on.
    pub fn start(&mut self) {
        self.armed_at = now();
        if self.deadline != 0 {
            self.deadline += self.armed_at;
        }
        self.armed = 1;
    }
}

/// Nanoseconds of `CLOCK_MONOTONIC`, the core's clock.
pub fn now() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).expect("every kernel has it");
    u64::try_from(std::time::Duration::from(now).as_nanos()).expect("centuries fit")
}

/// One word of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Word {
    /// What was there.
    pub before: u64,
    /// What was put there.
    pub after: u64,
}

/// `gi_event.flags`: nothing was written.
pub const EVENT_OBSERVED: u32 = 1;

/// A rule that fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Event {
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub time: u64,
    /// Number of the call among the rule's matched calls, from 1.
    pub call: u64,
    /// Goroutine id; 0 unknown.
    pub goid: u64,
    /// Thread id, in goinject's PID namespace.
    pub tid: u32,
    /// Row of the rule.
    pub rule: u32,
    /// Row of the site.
    pub site: u32,
    /// Row of the binding.
    pub binding: u32,
    /// [`Reason`].
    pub reason: u32,
    /// `EVENT_*`.
    pub flags: u32,
    /// Bit n: `word[n].before` was read.
    pub known: u32,
    /// Entries of `text` in use.
    pub texts: u32,
    /// Bytes of each text.
    pub text_length: [u32; EVENT_TEXTS],
    #[doc(hidden)]
    pub padding: u32,
    /// Nanoseconds that the goroutine was to sleep.
    pub delay: u64,
    /// In the order of the binding's edits.
    pub word: [Word; EVENT_WORDS],
    /// In the order of the edits that carry [`EDIT_TEXT`].
    pub text: [[u8; TEXT]; EVENT_TEXTS],
}

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
}

impl Reason {
    /// All reasons for a failure.
    pub const FAILURES: [Reason; 17] = [
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
    ];

    /// The reason of a number in a table.
    pub fn from_number(number: u32) -> Reason {
        match number {
            0 => Reason::Ok,
            n => Reason::FAILURES
                .get(n as usize - 1)
                .copied()
                .unwrap_or(Reason::NoRow),
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
        }
    }
}

/// All rows of one plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// Indexed by attach cookie.
    pub sites: Vec<Site>,
    /// Rules at sites.
    pub bindings: Vec<Binding>,
    /// Rules.
    pub rules: Vec<Rule>,
    /// Words to overwrite.
    pub edits: Vec<Edit>,
    /// Rows of conditions.
    pub terms: Vec<Term>,
    /// Texts that conditions compare with.
    pub texts: Vec<FixedText>,
    /// Code that rules must be called within.
    pub ranges: Vec<Range>,
    /// Facts of the target.
    pub control: Control,
}

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
    #[doc(hidden)]
    pub padding: u32,
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
    #[doc(hidden)]
    pub padding: u32,
    /// Number of the call.
    pub call: u64,
    /// Nanoseconds that the goroutine is to sleep.
    pub delay: u64,
}

/// A goroutine that sleeps before a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Delay {
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub deadline: u64,
    /// Of its frame below the stack's high end.
    pub depth: u64,
    /// Row of the entry site.
    pub site: u32,
    /// Entries of `fired` in use.
    pub fired_count: u32,
    /// Not 0: it is on its way to the slot.
    pub sent: u32,
    #[doc(hidden)]
    pub padding: u32,
    /// What waits for the end of the delay.
    pub fired: [Fired; DELAYED],
}

/// A rule's calls on one goroutine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct GoroutineKey {
    /// Address of the goroutine's g, which the runtime uses again for another goroutine.
    pub g: u64,
    /// Row of the rule.
    pub rule: u32,
    #[doc(hidden)]
    pub padding: u32,
}

/// How many they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Goroutine {
    /// The goroutine's id, which tells it from others that had the same g.
    pub goid: u64,
    /// Calls so far.
    pub calls: u64,
}

impl Default for Event {
    fn default() -> Self {
        FromZeros::new_zeroed()
    }
}
