//! The plan: what will be probed, read and written, computed from files alone.
//!
//! A plan is deterministic and printable, needs no root and touches no process. Addresses in it are
//! link-time; [`encode`] turns it into the tables of a running process.

pub mod compile;
mod condition;
pub mod display;
pub mod encode;
pub mod scratch;
mod serial;

use std::ops::Range;

use serde::Serialize;

use self::scratch::Scratch;
use crate::go::abi::Register;
use crate::go::address::{Address, FileOffset};

/// Everything that arming needs to know.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The binary it was made for.
    pub binary: Binary,
    /// Rules, in file order.
    pub rules: Vec<Rule>,
    /// Functions that have sites, in order of address.
    pub functions: Vec<Function>,
    /// Places to probe, in order of address.
    pub sites: Vec<Site>,
    /// Memory that the target is given for replacement values.
    pub scratch: Scratch,
    /// Facts of the program's runtime.
    pub runtime: Runtime,
    /// When faults end.
    pub limits: Limits,
}

/// When faults end; absent: with the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Nanoseconds since arming.
    pub duration: Option<u64>,
    /// Firings of all rules together.
    pub faults: Option<u64>,
}

/// The binary of a plan. It must be the same when it is armed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Binary {
    /// Where it was read.
    pub path: std::path::PathBuf,
    /// Its Go version, as it says itself.
    pub go_version: String,
    /// Its build id; the Go one, else the GNU one, in hexadecimal or as text.
    pub build_id: Option<String>,
    /// Device and inode of its file, size in bytes, and last change in seconds and nanoseconds.
    pub device: u64,
    #[expect(missing_docs, reason = "see `device`")]
    pub inode: u64,
    #[expect(missing_docs, reason = "see `device`")]
    pub size: u64,
    #[expect(missing_docs, reason = "see `device`")]
    pub modified: (i64, i64),
    /// Whether it is loaded at an address of the kernel's choice.
    pub position_independent: bool,
    /// Address of its first loaded segment, rounded down to a page: what the load bias is measured from.
    pub base: Address,
}

/// A rule as the plan carries it out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Whether it writes nothing.
    pub observe: bool,
    /// Functions it acts on, as indices into [`Plan::functions`].
    pub functions: Vec<usize>,
    /// Which calls, by their values, as the rule file says it.
    pub condition: Option<String>,
    /// The function that calls must be within.
    pub within: Option<String>,
    /// Which of the matching calls fire.
    pub trigger: Trigger,
    /// Whether it is not the file's, but counts the target's panics.
    pub counts_panics: bool,
}

/// A function that has sites.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Function {
    /// Its full name.
    pub name: String,
    /// Its first instruction.
    pub address: Address,
    /// Its parameters and results as Go would declare them.
    pub signature: String,
}

/// A place to probe.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Site {
    /// Index into [`Plan::functions`].
    pub function: usize,
    /// Entry or return.
    pub kind: SiteKind,
    /// The probed instruction.
    pub instruction: Instruction,
    /// Whether g is in R14 here; else it is in thread-local storage.
    pub g_in_register: bool,
    /// How a goroutine is delayed here, if a rule does that.
    pub slot: Option<Slot>,
    /// What rules do here, in file order.
    pub bindings: Vec<Binding>,
}

/// Which end of a call a site is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SiteKind {
    /// Arguments are in place, and one pass is one call.
    Entry,
    /// The same, at the conditional jump of the stack check.
    EntryCheckJump {
        /// With any of these bits set in RFLAGS it is on its way to morestack, and not a call yet.
        flags: u8,
    },
    /// A RET: results are in place.
    Return,
    /// The CALL of morestack, through which delayed calls go to sleep.
    Slot,
}

/// A probed instruction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Instruction {
    /// Where it is.
    pub address: Address,
    /// Where it is in the binary's file.
    pub file_offset: FileOffset,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// As a disassembler prints it.
    pub text: String,
    /// What a uprobe on it costs.
    pub cost: Cost,
    /// Where it leads.
    pub lead: Lead,
    /// What it does to the call's arguments, which matters to edits that come after it.
    pub consumes: Consumes,
}

/// What a uprobe on an instruction costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    /// One trap: the kernel emulates the instruction.
    Emulated,
    /// Two traps: the kernel single-steps a copy.
    Stepped,
    /// No uprobe can be put here, because of this.
    Refused(String),
}

/// Where an instruction leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lead {
    /// The instruction behind it.
    Next,
    /// The instruction behind it, or this one.
    Branch(Address),
    /// This instruction.
    Target(Address),
    /// The caller.
    Return,
}

/// What a probed instruction does to the arguments of the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Consumes {
    /// Nothing: edits may come after it.
    Nothing,
    /// It uses them, but with the general registers restored it can be run again.
    Restartable,
    /// It uses them and can't be run again, because of this; edits must come before it.
    Irreversible(String),
}

/// The place in a function where Go itself may hold a call up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Slot {
    /// Where the way to it begins.
    pub start: Address,
    /// Where its CALL returns to.
    pub after_call: Address,
    /// Why a goroutine can't sleep there and yields again and again instead; none: it sleeps.
    pub yields_because: Option<&'static str>,
}

impl Slot {
    /// Whether a goroutine really sleeps there.
    #[must_use]
    pub fn sleeps(&self) -> bool {
        self.yields_because.is_none()
    }
}

/// What a rule does at a site.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Binding {
    /// Index into [`Plan::rules`].
    pub rule: usize,
    /// Its part in the rule's decision.
    pub role: Role,
    /// Whether the rule has done all it does in a call when it is done here.
    pub completes: bool,
    /// Rows of the rule's condition, or of what is recorded for it.
    pub condition: Vec<Term>,
    /// Code that the call must come from, at whatever distance; none: anywhere.
    pub within: Vec<CodeRange>,
    /// What is done beside overwriting.
    pub fault: Fault,
    /// Values to overwrite.
    pub assignments: Vec<Assignment>,
}

/// A binding's part in its rule's decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Counts calls and decides, once per call.
    Decides {
        /// The decision is kept for the return of the same call.
        pairs: bool,
        /// The condition uses what was recorded at the entry of the same call.
        recalls: bool,
    },
    /// Records at entry what the decision at return wants to know.
    Records,
    /// Fires at return if the entry of the same call did.
    Follows,
}

/// What is done beside overwriting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The body is skipped; the assignments are results.
    pub early_return: bool,
    /// The call becomes a call of nil.
    pub panic: bool,
    /// The goroutine sleeps first.
    pub delay: Option<Delay>,
}

/// How long a goroutine sleeps, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Delay {
    /// At least.
    pub fixed: u64,
    /// Up to this much more.
    pub jitter: u64,
}

/// Code of a function: `low <= address < high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CodeRange {
    /// First address.
    pub low: Address,
    /// Behind the last.
    pub high: Address,
}

/// One row of a condition; rows work on a stack of truths (true, false, unreadable).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// Pushes the outcome of a test.
    Test(Test),
    /// Turns the topmost.
    Not,
    /// Joins the two topmost.
    And,
    /// Joins the two topmost.
    Or,
    /// Leaves out as many rows if the topmost is false.
    SkipIfFalse(u16),
    /// Leaves out as many rows if the topmost is true.
    SkipIfTrue(u16),
    /// Pushes the truth that was recorded under this number at entry.
    Recall(u8),
    /// At entry: records the outcome of a test under this number.
    Record(u8, Test),
    /// At entry: records an operand under this number.
    Capture(u8, Operand),
}

/// A test of a condition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Test {
    /// As the rule file says it.
    pub text: String,
    /// Left operand.
    pub left: Operand,
    /// Which.
    pub test: TestKind,
    /// Right operand; of no meaning for [`TestKind::True`].
    pub right: Operand,
}

/// The tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the tests say themselves")]
pub enum TestKind {
    True,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    StartsWith,
    EndsWith,
    Contains,
}

/// An operand of a test.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operand {
    /// 64 bits, of the same kind as the other operand.
    Constant(u64),
    /// A fixed text.
    Text(Vec<u8>),
    /// A value in the call.
    Place {
        /// Where.
        place: Place,
        /// Bytes: 1, 2, 4 or 8. Of a string 8: its pointer, with its length behind it.
        size: u8,
        /// How to understand them.
        kind: OperandKind,
        /// A nil pointer on the way makes it 0: the length of a nil map.
        nil_is_zero: bool,
    },
    /// The operand that was recorded under this number at entry.
    Recorded(u8, OperandKind),
}

/// How the bits of an operand are to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the kinds say themselves")]
pub enum OperandKind {
    Unsigned,
    Signed,
    Float,
    Text,
}

/// Which of the matching calls fire. Times in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "as in `goinject_rules::model::Trigger`")]
pub struct Trigger {
    pub nth: Option<u64>,
    pub every: Option<u64>,
    pub first: Option<u64>,
    pub after_calls: Option<u64>,
    pub until_calls: Option<u64>,
    pub after_time: Option<u64>,
    pub until_time: Option<u64>,
    /// Of 2^64; absent: always.
    pub probability: Option<u64>,
    pub times: Option<u64>,
    /// Between two firings at least; 0 never.
    pub interval: Option<u64>,
    /// Calls are counted for each goroutine.
    pub per_goroutine: bool,
}

/// A value to overwrite.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Assignment {
    /// As the rule file names it.
    pub path: String,
    /// Its Go type.
    pub type_name: String,
    /// How its words are to be shown.
    pub shape: Shape,
    /// The new value as the rule file gives it.
    pub value: String,
    /// The words it is made of.
    pub edits: Vec<Edit>,
}

/// How the words of a value are to be shown. Its parts are in the order of the edits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the kinds of Go values say themselves")]
pub enum Shape {
    Bool,
    Int,
    Uint,
    Float,
    Duration,
    /// Real and imaginary part.
    Complex,
    /// Address and length.
    String,
    /// Address, length and capacity.
    Slice,
    /// What tells the type, and the value or its address.
    Interface {
        /// The first word is a type's address, not an interface table's.
        empty: bool,
    },
    /// Also maps, channels and functions.
    Pointer,
    /// The fields that are set.
    Struct(Vec<(String, Shape)>),
    /// The elements.
    Array(Vec<Shape>),
    /// Not at all.
    Hidden,
}

impl Shape {
    /// How many words, and edits, a value of this shape takes; one that is not shown may take any number.
    pub fn words(&self) -> usize {
        match self {
            Shape::Bool | Shape::Int | Shape::Uint | Shape::Float | Shape::Duration | Shape::Pointer => 1,
            Shape::Hidden => 0,
            Shape::Complex | Shape::String | Shape::Interface { .. } => 2,
            Shape::Slice => 3,
            Shape::Struct(fields) => fields.iter().map(|(_, field)| field.words()).sum(),
            Shape::Array(elements) => elements.iter().map(Shape::words).sum(),
        }
    }
}

/// One word to overwrite.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Edit {
    /// Where.
    pub place: Place,
    /// Bytes: 1, 2, 4 or 8.
    pub size: u8,
    /// How a register is filled up beyond them.
    pub extend: Extend,
    /// What is put there.
    pub source: Source,
    /// Whether it holds a pointer the collector knows.
    pub pointer: bool,
}

/// How a narrow value fills its register, and how its bits are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Extend {
    /// With zeros.
    Zero,
    /// With its sign.
    Sign,
    /// It is in a floating-point register or is a float.
    Float,
}

/// What an edit puts into its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// These bits.
    Literal(u64),
    /// Where this is.
    Address(Global),
    /// The word there, read at the hit.
    Copy(Global),
    /// The same, the first word of an interface value. It fails if that is of another interface.
    CopyInterface {
        /// The word.
        from: Global,
        /// The description of the interface that it must be of.
        interface: Global,
    },
    /// The address of a type's description, where the word there is the first of an interface value
    /// of that type.
    CopyType(Global),
    /// Where this byte of the scratch memory is.
    Scratch(u32),
    /// A copy, made at the hit, of bytes of the scratch memory, which nobody else has.
    Fresh {
        /// The first of them.
        offset: u32,
        /// How many.
        length: u32,
    },
    /// A copy, made at the hit, of the bytes that are there, with these bits of each flipped. The next
    /// edit is of their number.
    Flip(u8),
    /// What is there plus this, as its type adds.
    Add(u64),
    /// What is there with these bits flipped.
    Xor(u64),
    /// Any value between these, both included.
    Random {
        /// The least.
        low: u64,
        /// The most.
        high: u64,
    },
    /// This, if less is not there anyway.
    Cut(u64),
    /// This. It fails if less is there.
    Shrink(u64),
    /// What the edit before this one puts into its place.
    Repeat,
    /// Nothing; it is only shown.
    Keep,
    /// As many zero bytes.
    Clear(u64),
}

/// Something in the program's data: a package variable, an interface table, a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Global {
    /// What it is called.
    pub name: String,
    /// Where it is.
    pub address: Address,
    /// This many bytes into it.
    pub offset: u64,
}

/// A place in a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Where it starts.
    pub base: Base,
    /// Pointers to follow from there.
    pub steps: Vec<Step>,
}

/// Where a place starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Base {
    /// A register of the calling convention.
    Register(Register),
    /// Bytes from the stack pointer at entry.
    Stack(i32),
    /// A package variable.
    Absolute(Address),
}

/// One pointer followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Bytes from where it points.
    pub offset: i32,
    /// The length behind the pointer must be more than this index.
    pub index: Option<u32>,
}

/// Facts of the program's runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Runtime {
    /// g's place relative to the thread pointer, where the stack convention looks for it.
    pub tls_g: Option<i64>,
    /// Offset of the goroutine id in g.
    pub goid_offset: Option<u64>,
    /// Offset of m in g.
    pub m_offset: Option<u64>,
    /// Offset of curg in m.
    pub curg_offset: Option<u64>,
    /// `runtime.writeBarrier`.
    pub write_barrier: Option<Address>,
    /// How a goroutine can be put to sleep.
    pub sleep: Option<Sleep>,
    /// The first instruction of `runtime.sigtramp`, and its place in the file.
    pub sigtramp: Option<(Address, FileOffset)>,
    /// The interface tables of errors whose text or number events show: those that `errors.New` makes.
    pub error_string: Option<Address>,
    /// And those of the system.
    pub errno: Option<Address>,
    /// The memory of package variables.
    pub data: Vec<Range<Address>>,
}

/// How a goroutine is put to sleep from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sleep {
    /// `time.Sleep`.
    pub sleep: Address,
    /// Behind the only CALL in `runtime.Gosched`, whose frame time.Sleep is called in.
    pub gosched_return: Address,
}

impl Plan {
    /// Whether any rule writes anything.
    pub fn writes(&self) -> bool {
        self.sites.iter().any(|site| site.needs(self).any())
    }

    /// Whether values get memory of their own at each firing.
    pub fn makes_copies(&self) -> bool {
        self.written_edits().any(|edit| edit.source.is_copy())
    }

    /// Whether memory is written that is not the call's own frame.
    pub fn writes_behind_pointers(&self) -> bool {
        self.written_edits().any(|edit| {
            let place = &edit.place;
            !place.steps.is_empty() || matches!(place.base, Base::Absolute(_))
        })
    }

    fn written_edits(&self) -> impl Iterator<Item = &Edit> {
        self.sites
            .iter()
            .flat_map(|site| &site.bindings)
            .filter(|binding| !self.rules[binding.rule].observe)
            .flat_map(|binding| &binding.assignments)
            .flat_map(|assignment| &assignment.edits)
            .filter(|edit| edit.source != Source::Keep)
    }
}

/// What the edits at a site need from whoever makes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Needs {
    /// Memory of the target is written.
    pub memory: bool,
    /// General registers are written.
    pub general: bool,
    /// Floating-point registers are written.
    pub floats: bool,
    /// The edits must be made before the instruction runs.
    pub before: bool,
    /// The thread goes on elsewhere.
    pub redirect: bool,
    /// A condition reads floating-point registers.
    pub float_conditions: bool,
}

impl Needs {
    /// Whether anything is written at all.
    pub fn any(self) -> bool {
        self.memory || self.general || self.floats || self.redirect
    }

    /// Both together.
    pub fn and(self, other: Needs) -> Needs {
        Needs {
            memory: self.memory || other.memory,
            general: self.general || other.general,
            floats: self.floats || other.floats,
            before: self.before || other.before,
            redirect: self.redirect || other.redirect,
            float_conditions: self.float_conditions || other.float_conditions,
        }
    }
}

impl Site {
    /// What this site's rules need.
    pub fn needs(&self, plan: &Plan) -> Needs {
        let mut needs = Needs {
            redirect: self.kind == SiteKind::Slot,
            ..Needs::default()
        };
        needs.memory = needs.redirect;
        for binding in &self.bindings {
            needs.float_conditions |= binding.condition.iter().any(Term::reads_floats);
            if !plan.rules[binding.rule].observe {
                needs = needs.and(binding.needs());
            }
        }
        // Both ways to delay a call write the goroutine's own memory.
        needs.memory |= self.bindings.iter().any(|binding| binding.fault.delay.is_some());
        needs.before = (needs.any() || needs.float_conditions)
            && matches!(self.instruction.consumes, Consumes::Irreversible(_));
        needs
    }
}

impl Binding {
    fn needs(&self) -> Needs {
        let fault = &self.fault;
        let mut needs = Needs {
            redirect: fault.early_return || fault.panic || fault.delay.is_some(),
            ..Needs::default()
        };
        for edit in self.assignments.iter().flat_map(|assignment| &assignment.edits) {
            if edit.source == Source::Keep {
                continue;
            }
            needs.memory |= edit.source.is_copy();
            match edit.place.register() {
                Some(Register::Integer(_)) => needs.general = true,
                Some(Register::Float(_)) => needs.floats = true,
                None => needs.memory = true,
            }
        }
        needs
    }
}

impl Source {
    /// Whether the value gets memory of its own when it is put in place.
    pub fn is_copy(&self) -> bool {
        matches!(self, Source::Fresh { .. } | Source::Flip(_))
    }
}

impl Place {
    /// The register, if it is one as a whole.
    pub fn register(&self) -> Option<Register> {
        match self.base {
            Base::Register(register) if self.steps.is_empty() => Some(register),
            _ => None,
        }
    }
}

impl Term {
    fn reads_floats(&self) -> bool {
        let float = |operand: &Operand| matches!(operand, Operand::Place { place, .. } if matches!(place.register(), Some(Register::Float(_))));
        match self {
            Term::Test(test) | Term::Record(_, test) => float(&test.left) || float(&test.right),
            Term::Capture(_, operand) => float(operand),
            _ => false,
        }
    }
}

impl SiteKind {
    /// `entry`, `return` or `slot`.
    pub fn name(self) -> &'static str {
        match self {
            SiteKind::Entry | SiteKind::EntryCheckJump { .. } => "entry",
            SiteKind::Return => "return",
            SiteKind::Slot => "slot",
        }
    }
}
