//! The plan: what will be probed, read and written, computed from files alone.
//!
//! A plan is deterministic and printable, needs no root and touches no process. Addresses in it are
//! link-time; [`encode`] turns it into the tables of a running process.

mod automata;
mod binding;
pub mod display;
mod edit;
mod element;
pub mod encode;
mod instruction;
mod jumps;
mod needs;
pub mod scratch;
mod serial;
mod site;
mod term;
mod walk;

use std::ops::Range;

use goinject_rules::model::{Limits, Trigger};
use serde::Serialize;

pub use self::automata::Automata;
pub use self::binding::*;
pub use self::edit::*;
pub use self::element::*;
pub use self::jumps::*;
pub use self::needs::*;
use self::scratch::Scratch;
pub use self::site::*;
pub use self::term::*;
pub use self::walk::*;
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
    /// How Go tests are told apart, in a test binary.
    pub tests: Option<GoTests>,
}

impl Plan {
    /// How many instructions are probed for the rules. Those where tests and goroutines are noted are not theirs.
    pub fn sites_of_rules(&self) -> usize {
        self.sites.iter().filter(|site| !site.bindings.is_empty()).count()
    }
}

/// How Go tests are told apart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GoTests {
    /// Offset of the name in `testing.T`, `B` and `F`.
    pub name_offset: u64,
    /// Offset in g of the id of the goroutine that started it.
    pub parent_offset: Option<u64>,
    /// The patterns of the rules' `test`.
    pub automata: Automata,
    /// The code with which package testing prints on the goroutines of tests; none where no rule asks for a test.
    pub printing: Option<Walk>,
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
    /// Whether it is a C program with Go in it (`-buildmode=c-archive`): the C code then decides who handles signals.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub c_archive: bool,
    /// Address of its first loaded segment; rounded down to a page of the host it is what the load bias is measured from.
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
    /// The functions that calls must be within any of.
    pub within: Option<Walk>,
    /// The functions that must stand on the stack of calls, innermost first.
    pub callers: Option<Walk>,
    /// The pattern, from 0, that the name of a call's Go test must match.
    pub test: Option<usize>,
    /// Which of the matching calls fire.
    pub trigger: Trigger,
    /// Calls of its functions that it does not see, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<String>,
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
    /// Offset of procid in m, the kernel's number of the thread.
    pub procid_offset: Option<u64>,
    /// The code of `runtime.asyncPreempt`, through which a goroutine that was preempted goes on where it was.
    pub preemption: Vec<Preemption>,
    /// `runtime.writeBarrier`.
    pub write_barrier: Option<Address>,
    /// How a goroutine can be put to sleep.
    pub sleep: Option<Sleep>,
    /// How a goroutine can be made to panic with a value.
    pub panic: Option<Panic>,
    /// The first instruction of `runtime.sigtramp`, and its place in the file.
    pub sigtramp: Option<(Address, FileOffset)>,
    /// The functions that the runtime gives the kernel as handlers of signals.
    pub signal_handlers: Vec<Address>,
    /// The interface tables of errors whose text or number events show: those that `errors.New` makes.
    pub error_string: Option<Address>,
    /// And those of the system.
    pub errno: Option<Address>,
    /// The memory of package variables.
    pub data: Vec<Range<Address>>,
    /// Where the garbage collector learns what to scan of it; only where new values hold pointers.
    pub modules: Option<Modules>,
}

/// The list of modules, by which Go's garbage collector knows the memory of package variables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Modules {
    /// `runtime.firstmoduledata`: the module that is always in it.
    pub first: Address,
    /// `runtime.modulesSlice`, the list's address; none where no symbol tells.
    pub list: Option<Address>,
    /// Of a module's `data`, which `edata` follows.
    pub data_offset: u64,
    /// Words from its `data` to its `edata`.
    pub data_words: u64,
    /// And from `bss` to `ebss`.
    pub bss_words: u64,
}

/// A part of the code of `runtime.asyncPreempt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Preemption {
    /// Where it is.
    pub code: Range<Address>,
    /// How far the stack pointer is below its value at entry there, at which is where the goroutine goes on.
    pub depth: u64,
}

/// How a goroutine is put to sleep from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sleep {
    /// `time.Sleep`.
    pub sleep: Address,
    /// Behind the only CALL in `runtime.Gosched`, or in a function like it, whose frame time.Sleep is called in.
    pub frame_return: Address,
}

/// How a goroutine is made to panic from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Panic {
    /// `runtime.gopanic`.
    pub gopanic: Address,
    /// Behind the CALL of it in `runtime.panicdivide`, whose frame it is called in.
    pub frame_return: Address,
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

    /// Whether some of it holds pointers, which the garbage collector must know of.
    pub fn makes_scanned_copies(&self) -> bool {
        self.written_edits()
            .any(|edit| matches!(edit.source, Source::Scanned { .. }))
    }

    /// Whether memory is written that is not the call's own frame.
    pub fn writes_behind_pointers(&self) -> bool {
        self.written_edits().any(|edit| {
            let place = &edit.place;
            !place.steps.is_empty() || matches!(place.base, Base::Absolute(_))
        })
    }

    /// Whether objects in the scratch memory are written to at each firing.
    pub fn writes_scratch(&self) -> bool {
        let mut edits = self.written_edits();
        edits.any(|edit| matches!(edit.place.base, Base::Scratch(_)))
    }

    fn written_edits(&self) -> impl Iterator<Item = &Edit> {
        self.sites
            .iter()
            .flat_map(|site| &site.bindings)
            .filter(|binding| !self.rules[binding.rule].observe)
            .flat_map(|binding| &binding.assignments)
            .flat_map(|assignment| &assignment.edits)
            .filter(|edit| !matches!(edit.source, Source::Keep | Source::Find(_)))
    }
}
