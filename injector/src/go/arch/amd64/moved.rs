//! Which instructions may be run elsewhere, in the way of a jump over them.

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpKind, Register,
};

use crate::go::address::Address;
use crate::go::arch::Moved;

/// `jmp rel32`.
pub(in crate::go::arch) const JUMP: u64 = 5;

/// Whether bytes fill up the space between functions.
pub(in crate::go::arch) fn is_padding(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0xcc)
}

/// What is to be known of an instruction before it is moved.
pub(in crate::go::arch) fn moved(bytes: &[u8], address: Address) -> Moved {
    let instruction = &Decoder::with_ip(64, bytes, address.0, DecoderOptions::NONE).decode();
    let flow = instruction.flow_control();
    let never = match flow {
        FlowControl::Next
        | FlowControl::ConditionalBranch
        | FlowControl::UnconditionalBranch
        | FlowControl::Return
        | FlowControl::IndirectBranch
        | FlowControl::Call => None,
        // Its operand may be in memory or a register that the displaced copy has no way to keep.
        FlowControl::IndirectCall => Some("it is a call through a register or memory"),
        _ => Some("it is not an instruction that can run at another address"),
    };
    let mut factory = InstructionInfoFactory::new();
    let used = factory.info(instruction).used_registers();
    let uses_free_registers = used.iter().any(|used| is_free(used.register().full_register()));
    Moved {
        never: match instruction.mnemonic() {
            Mnemonic::Syscall | Mnemonic::Loop | Mnemonic::Loope | Mnemonic::Loopne => {
                Some("it is not an instruction that can run at another address")
            }
            _ => never,
        },
        may_fault: may_fault(instruction),
        // Without an index it is the call that ends a wrapper of a method.
        is_by_table: flow == FlowControl::IndirectBranch && instruction.memory_index() != Register::None,
        is_frame: is_frame(instruction),
        uses_free_registers,
    }
}

/// The registers that the way into the core overwrites.
fn is_free(register: Register) -> bool {
    matches!(register, Register::R12 | Register::R13)
}

/// Whether an instruction may raise a signal that is Go's to handle: it goes to memory that is not the frame's nor of the
/// program, or divides.
fn may_fault(instruction: &Instruction) -> bool {
    let through_pointer = instruction.mnemonic() != Mnemonic::Lea
        && instruction.mnemonic() != Mnemonic::Nop
        && (0..instruction.op_count()).any(|n| match instruction.op_kind(n) {
            OpKind::Memory => {
                let base = instruction.memory_base();
                let is_frame = base == Register::RSP && instruction.memory_index() == Register::None;
                !(is_frame || instruction.is_ip_rel_memory_operand())
            }
            OpKind::Register
            | OpKind::NearBranch64
            | OpKind::Immediate8
            | OpKind::Immediate8_2nd
            | OpKind::Immediate16
            | OpKind::Immediate32
            | OpKind::Immediate64
            | OpKind::Immediate8to16
            | OpKind::Immediate8to32
            | OpKind::Immediate8to64
            | OpKind::Immediate32to64 => false,
            _ => true,
        });
    through_pointer
        || instruction.segment_prefix() != Register::None
        || matches!(instruction.mnemonic(), Mnemonic::Div | Mnemonic::Idiv)
}

/// Whether it sets a frame up or takes it down.
fn is_frame(instruction: &Instruction) -> bool {
    let first = instruction.op0_register();
    match instruction.mnemonic() {
        Mnemonic::Push | Mnemonic::Pop => first == Register::RBP,
        Mnemonic::Add | Mnemonic::Sub => first == Register::RSP && instruction.op1_kind() != OpKind::Register,
        Mnemonic::Mov => first == Register::RBP && instruction.op1_register() == Register::RSP,
        Mnemonic::Ret => true,
        _ => false,
    }
}
