//! The tables: what the planner writes and the decision core reads. The C side is `bpf/abi.h`.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// Dereferences on the way to a value.
pub const STEPS: usize = 6;
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
/// Size of the failure counters' array.
pub const REASONS: usize = 16;

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
}

/// `gi_edit.flags`: holds a pointer.
pub const EDIT_POINTER: u8 = 1;
/// `gi_edit.flags`: first word of a string; the next edit is its length.
pub const EDIT_TEXT: u8 = 2;

/// One word overwritten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Edit {
    /// Where.
    pub place: Place,
    /// See [`Source`].
    pub operand: u64,
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

/// What a rule does at one site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Binding {
    /// Row of the rule and its counters.
    pub rule: u32,
    /// First row in the edit table.
    pub first_edit: u32,
    /// How many.
    pub edits: u32,
    /// `BINDING_*`.
    pub flags: u32,
}

/// `gi_rule.flags`: writes nothing.
pub const RULE_OBSERVE: u32 = 1;

/// How a rule decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Rule {
    /// `RULE_*`.
    pub flags: u32,
    #[doc(hidden)]
    pub padding: u32,
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

/// Facts of the target, and the switch.
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
    /// Run-time address of `runtime.writeBarrier`; 0 unknown.
    pub write_barrier: u64,
    /// Events that found no room.
    pub dropped_events: u64,
    /// Calls that could not even be looked at: no room for another thread.
    pub lost_hits: u64,
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
}

impl Reason {
    /// All reasons for a failure.
    pub const FAILURES: [Reason; 12] = [
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
            Reason::Range => "an index was out of range",
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
    /// Facts of the target.
    pub control: Control,
}

impl Default for Event {
    fn default() -> Self {
        FromZeros::new_zeroed()
    }
}
