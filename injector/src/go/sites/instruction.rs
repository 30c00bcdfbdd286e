//! What probing one instruction involves.

use iced_x86::{
    FlowControl, Formatter, Instruction, InstructionInfoFactory, InstructionInfoOptions, NasmFormatter,
    OpAccess, Register,
};

use super::decode::Code;
use super::kernel;
use super::morestack::argument_register;
use crate::go::abi;
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
    pub rip_relative: bool,
    /// How far the stack pointer is below its value at entry, before the instruction, as the
    /// compiler recorded it.
    pub stack_depth: Option<i32>,
    /// Registers that it reads.
    pub reads: Registers,
    /// Registers that it may write.
    pub writes: Registers,
    /// Memory that it may write: to execute it again, this is to be restored first.
    pub memory_writes: Vec<MemoryWrite>,
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
    /// General registers, bit n for the register that is encoded as n: RAX RCX RDX RBX RSP RBP RSI RDI
    /// R8 to R15.
    pub general: u16,
    /// Vector registers, bit n for XMMn and all that is part of or contains it.
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
    /// The base register as it is encoded (RAX 0 … R15 15).
    pub base: Option<u8>,
    /// The index register and what it is multiplied by.
    pub index: Option<(u8, u8)>,
    /// Added to that; the whole link-time address if it is relative to the instruction.
    pub displacement: i64,
    /// Whether it is relative to a thread's FS or GS segment.
    pub in_segment: bool,
}

impl Registers {
    fn add(&mut self, register: Register) {
        if register.is_vector_register() {
            self.vector |= 1_u32.checked_shl(register.number() as u32).unwrap_or(0);
        } else if register.full_register().is_gpr64() {
            self.general |= 1 << register.full_register().number();
        }
        match argument_register(register) {
            Some(abi::Register::Integer(n)) => self.integer_arguments |= 1 << n,
            Some(abi::Register::Float(n)) => self.float_arguments |= 1 << n,
            None => {}
        }
    }
}

/// An instruction as people read it: `mov [rsp+0x68],r10`, `jbe 0x4a8232`.
fn assembly(instruction: &Instruction) -> String {
    let mut formatter = NasmFormatter::new();
    let options = formatter.options_mut();
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_uppercase_hex(false);
    options.set_branch_leading_zeros(false);
    options.set_show_branch_size(false);
    let mut text = String::new();
    formatter.format(instruction, &mut text);
    text
}

/// Describes an instruction of a function.
pub(super) fn describe(code: &Code<'_>, index: usize, stack_depth: Option<i32>) -> Site {
    let instruction = &code.instructions[index];
    let bytes = code.bytes_of(index);
    let text = assembly(instruction);
    let mut site = Site {
        address: code.address(index),
        bytes: bytes.to_vec(),
        text,
        execution: kernel::execution(instruction, bytes),
        leads: leads(code, index),
        rip_relative: instruction.is_ip_rel_memory_operand(),
        stack_depth,
        reads: Registers::default(),
        writes: Registers::default(),
        memory_writes: Vec::new(),
    };
    let mut factory = InstructionInfoFactory::new();
    let info = factory.info_options(instruction, InstructionInfoOptions::NONE);
    for used in info.used_registers() {
        if reads(used.access()) {
            site.reads.add(used.register());
        }
        if writes(used.access()) {
            site.writes.add(used.register());
        }
    }
    for used in info.used_memory().iter().filter(|m| writes(m.access())) {
        let relative = matches!(used.base(), Register::RIP | Register::EIP);
        site.memory_writes.push(MemoryWrite {
            operand: MemoryOperand {
                base: general(used.base()),
                index: general(used.index()).map(|n| (n, used.scale() as u8)),
                displacement: if relative {
                    instruction.ip_rel_memory_address() as i64
                } else {
                    used.displacement() as i64
                },
                in_segment: matches!(used.segment(), Register::FS | Register::GS),
            },
            size: u8::try_from(used.memory_size().size()).unwrap_or(0),
        });
    }
    site
}

fn general(register: Register) -> Option<u8> {
    register.is_gpr().then(|| register.full_register().number() as u8)
}

fn reads(access: OpAccess) -> bool {
    matches!(
        access,
        OpAccess::Read | OpAccess::CondRead | OpAccess::ReadWrite | OpAccess::ReadCondWrite
    )
}

fn writes(access: OpAccess) -> bool {
    matches!(
        access,
        OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
    )
}

fn leads(code: &Code<'_>, index: usize) -> Leads {
    let instruction: &Instruction = &code.instructions[index];
    let next = Address(instruction.next_ip());
    let target = code.target(index);
    match (instruction.flow_control(), target) {
        (FlowControl::Next, _) => Leads::Next(next),
        (FlowControl::ConditionalBranch, Some(taken)) => Leads::Branch { taken, next },
        (FlowControl::UnconditionalBranch, Some(target)) => Leads::Jump(target),
        (FlowControl::IndirectBranch, _) => Leads::IndirectJump,
        (FlowControl::Call | FlowControl::IndirectCall, target)
            if instruction.is_call_near() || instruction.is_call_near_indirect() =>
        {
            Leads::Call { target, next }
        }
        (FlowControl::Return, _) => Leads::Return,
        _ => Leads::Other,
    }
}
