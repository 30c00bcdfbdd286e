//! Sites: where probes go.

use serde::Serialize;

use super::Binding;
use crate::go::address::{Address, FileOffset};

/// A place to probe.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Site {
    /// Index into [`Plan::functions`].
    pub function: usize,
    /// Entry or return.
    pub kind: SiteKind,
    /// The probed instruction.
    pub instruction: Instruction,
    /// Whether g is in a register here; else it is in thread-local storage.
    pub g_in_register: bool,
    /// How a goroutine is delayed here, if a rule does that.
    pub slot: Option<Slot>,
    /// What is noted here of Go tests and goroutines.
    pub notes: Option<Notes>,
    /// What rules do here, in file order.
    pub bindings: Vec<Binding>,
}

/// What is noted at a site, whatever rules do there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Notes {
    /// A Go test begins.
    Test,
    /// A goroutine is started.
    Goroutine,
}

/// Which end of a call a site is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SiteKind {
    /// Arguments are in place, and one pass is one call.
    Entry,
    /// The same, at the conditional jump of the stack check.
    EntryCheckJump {
        /// With any of these bits set in the flags register it is on its way to morestack, and not a call yet.
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
    /// Whether a jump can be put over it.
    pub room: Room,
}

/// Whether a jump can be put over an instruction, and what is next to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Room {
    /// It takes the place of these whole instructions, into whose middle nothing leads.
    Jump {
        /// Where they begin, at the instruction or before it.
        start: Address,
        /// What they are.
        bytes: Vec<u8>,
        /// Which of them may fault.
        faulting: Vec<Address>,
    },
    /// It can't, because of what is next to it, but a trap can.
    Trap(String),
    /// Neither can, because of this.
    None(String),
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
