//! The plan: what will be probed, read and written, computed from files alone.
//!
//! A plan is deterministic and printable, needs no root and touches no process. Addresses in it are
//! link-time; [`encode`] turns it into the tables of a running process.

pub mod compile;
pub mod display;
pub mod encode;
mod serial;

use serde::Serialize;

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
    /// Facts of the program's runtime.
    pub runtime: Runtime,
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

/// What a rule does at a site.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Binding {
    /// Index into [`Plan::rules`].
    pub rule: usize,
    /// Whether the rule counts its calls here.
    pub counts: bool,
    /// Whether the rule has done all it does in a call when it is done here.
    pub completes: bool,
    /// Values to overwrite.
    pub assignments: Vec<Assignment>,
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

/// How the words of a value are to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the kinds of Go values say themselves")]
pub enum Shape {
    Bool,
    Int,
    Uint,
    Float,
    Duration,
    String,
    Words,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// These bits.
    Literal(u64),
    /// The word at this address, read at the hit.
    Copy(Address),
    /// Nothing; it is only shown.
    Keep,
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Runtime {
    /// g's place relative to the thread pointer, where the stack convention looks for it.
    pub tls_g: Option<i64>,
    /// Offset of the goroutine id in g.
    pub goid_offset: Option<u64>,
    /// `runtime.writeBarrier`.
    pub write_barrier: Option<Address>,
    /// The first instruction of `runtime.sigtramp`, and its place in the file.
    pub sigtramp: Option<(Address, FileOffset)>,
}

impl Plan {
    /// Whether any rule writes anything.
    pub fn writes(&self) -> bool {
        self.sites.iter().any(|site| site.needs(self).any())
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
}

impl Needs {
    /// Whether anything is written at all.
    pub fn any(self) -> bool {
        self.memory || self.general || self.floats
    }

    /// Both together.
    pub fn and(self, other: Needs) -> Needs {
        Needs {
            memory: self.memory || other.memory,
            general: self.general || other.general,
            floats: self.floats || other.floats,
            before: self.before || other.before,
        }
    }
}

impl Site {
    /// What the edits here need.
    pub fn needs(&self, plan: &Plan) -> Needs {
        let mut needs = Needs::default();
        for binding in self
            .bindings
            .iter()
            .filter(|binding| !plan.rules[binding.rule].observe)
        {
            for edit in binding
                .assignments
                .iter()
                .flat_map(|assignment| &assignment.edits)
            {
                if edit.source == Source::Keep {
                    continue;
                }
                match (edit.place.steps.is_empty(), edit.place.base) {
                    (true, Base::Register(Register::Integer(_))) => needs.general = true,
                    (true, Base::Register(Register::Float(_))) => needs.floats = true,
                    _ => needs.memory = true,
                }
            }
        }
        needs.before = needs.any() && matches!(self.instruction.consumes, Consumes::Irreversible(_));
        needs
    }
}

impl SiteKind {
    /// `entry` or `return`.
    pub fn name(self) -> &'static str {
        match self {
            SiteKind::Entry | SiteKind::EntryCheckJump { .. } => "entry",
            SiteKind::Return => "return",
        }
    }
}
