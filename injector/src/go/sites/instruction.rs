//! What probing one instruction involves.

use super::{NoRoom, Room};
use crate::go::address::Address;

/// An instruction to put a probe on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Its link-time address.
    pub address: Address,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// As assembly text, for people.
    pub text: String,
    /// What the kernel does with a uprobe on it.
    pub execution: Execution,
    /// Where it leads.
    pub leads: Leads,
    /// Whether it refers to memory relative to itself, so that a copy elsewhere must be adjusted.
    pub pc_relative: bool,
    /// How far the stack pointer is below its value at entry, before the instruction, as the
    /// compiler recorded it.
    pub stack_depth: Option<i32>,
    /// Registers that it reads.
    pub reads: Registers,
    /// Registers that it may write.
    pub writes: Registers,
    /// Memory that it may write: to execute it again, this is to be restored first.
    pub memory_writes: Vec<MemoryWrite>,
    /// Whether it does no more than set a frame up, or nothing: what is at and above the stack pointer stays as it is.
    pub sets_frame_up: bool,
    /// Whether it only moves a value, so that it can be done again with another.
    pub moves: bool,
    /// The bytes that a jump may be written over to get there without a trap, or why there are none.
    pub room: Result<Room, NoRoom>,
}

/// How an instruction under a uprobe is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execution {
    /// By the kernel itself: cheap.
    Emulated,
    /// From a copy, with a second trap.
    SingleStepped,
    /// Not at all: a uprobe here cannot be attached or never fires.
    Refused {
        /// Why, in words.
        why: &'static str,
    },
}

/// Where an instruction leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leads {
    /// To the next one.
    Next(Address),
    /// To one of two.
    Branch {
        /// If its condition holds.
        taken: Address,
        /// If not.
        next: Address,
    },
    /// To another, always.
    Jump(Address),
    /// To where a register or memory says.
    IndirectJump,
    /// Into a function.
    Call {
        /// The function; absent if a register or memory says.
        target: Option<Address>,
        /// Where that returns to.
        next: Address,
    },
    /// To the caller.
    Return,
    /// Into the kernel, or nowhere.
    Other,
}

/// A set of registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// General registers, bit n for the register that the architecture encodes as n.
    pub general: u16,
    /// Vector registers, bit n for the n-th and all that is part of or contains it.
    pub vector: u32,
    /// The argument registers among them: bit n for the n-th integer register of the convention.
    pub integer_arguments: u16,
    /// The same for floating-point registers.
    pub float_arguments: u16,
}

/// Memory that an instruction may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryWrite {
    /// Where.
    pub operand: MemoryOperand,
    /// Bytes; 0 if the instruction alone does not tell.
    pub size: u8,
}

/// An address in terms of registers before the instruction runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryOperand {
    /// The base register as it is encoded.
    pub base: Option<u8>,
    /// The index register and what it is multiplied by.
    pub index: Option<(u8, u8)>,
    /// Added to that; the whole link-time address if it is relative to the instruction.
    pub displacement: i64,
    /// Whether it is relative to the thread's own memory, by a segment register.
    pub in_segment: bool,
}
