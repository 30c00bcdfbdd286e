//! Instructions, as far as all architectures have such.

use iced_x86::{Code, ConditionCode, Decoder, DecoderOptions, FlowControl, Mnemonic, OpKind, Register};

use super::convention::argument_register;
use crate::go::address::Address;
use crate::go::arch::{CheckPart, Flow, Instruction};
use crate::go::sites::Spill;

const CARRY: u64 = 0x01;
const ZERO: u64 = 0x40;
const BREAKPOINT: u8 = 0xcc;

/// Decodes code from its first byte to its last, or gives the place of bytes that are no instruction. Every
/// instruction set is on: a decoder that does not know AVX loses its place and invents instructions.
pub(in crate::go::arch) fn decode(bytes: &[u8], start: Address) -> Result<Vec<Instruction>, Address> {
    let mut decoder = Decoder::with_ip(64, bytes, start.0, DecoderOptions::NONE);
    let mut instructions = Vec::with_capacity(bytes.len() / 4);
    while decoder.can_decode() {
        let at = decoder.position();
        let instruction = decoder.decode();
        if instruction.is_invalid() {
            // What follows the last instruction is padding.
            let rest = &bytes[at..];
            if rest.iter().all(|&byte| byte == 0) || rest.iter().all(|&byte| byte == BREAKPOINT) {
                break;
            }
            return Err(start.plus(at as u64));
        }
        instructions.push(Instruction {
            address: Address(instruction.ip()),
            length: u8::try_from(instruction.len()).expect("at most 15"),
            flow: flow(&instruction),
            target: target(&instruction),
        });
    }
    Ok(instructions)
}

pub(super) fn flow(instruction: &iced_x86::Instruction) -> Flow {
    match instruction.flow_control() {
        FlowControl::Next => Flow::Next,
        FlowControl::ConditionalBranch => Flow::Branch,
        FlowControl::UnconditionalBranch => Flow::Jump,
        FlowControl::IndirectBranch => Flow::IndirectJump,
        FlowControl::Call | FlowControl::IndirectCall
            if instruction.is_call_near() || instruction.is_call_near_indirect() =>
        {
            Flow::Call
        }
        FlowControl::Return => Flow::Return,
        _ => Flow::Other,
    }
}

/// Where a direct jump or call goes.
pub(super) fn target(instruction: &iced_x86::Instruction) -> Option<Address> {
    (instruction.op_count() > 0 && instruction.op0_kind() == OpKind::NearBranch64)
        .then(|| Address(instruction.near_branch64()))
}

/// The addresses that instructions name relative to themselves, in the code's order.
pub(in crate::go::arch) fn references(code: &[u8], start: Address) -> Vec<Address> {
    Decoder::with_ip(64, code, start.0, DecoderOptions::NONE)
        .into_iter()
        .filter(iced_x86::Instruction::is_ip_rel_memory_operand)
        .map(|instruction| Address(instruction.ip_rel_memory_address()))
        .collect()
}

/// Whether a function comes to its return within so many instructions that work on registers alone.
pub(in crate::go::arch) fn returns_from_registers(code: &[u8], start: Address, most: usize) -> bool {
    let touches_memory = |instruction: &iced_x86::Instruction| {
        instruction.mnemonic() != Mnemonic::Lea
            && (0..instruction.op_count()).any(|n| instruction.op_kind(n) == OpKind::Memory)
    };
    let decoder = Decoder::with_ip(64, code, start.0, DecoderOptions::NONE);
    for (n, instruction) in decoder.into_iter().enumerate() {
        match flow(&instruction) {
            Flow::Return => return true,
            Flow::Next if n < most && !touches_memory(&instruction) => {}
            _ => return false,
        }
    }
    false
}

/// What an instruction is to a stack check.
pub(in crate::go::arch) fn check_part(bytes: &[u8], address: Address) -> CheckPart {
    let instruction = &Decoder::with_ip(64, bytes, address.0, DecoderOptions::NONE).decode();
    CheckPart {
        // Load g and its guard, compute, compare.
        is_step: matches!(
            instruction.mnemonic(),
            Mnemonic::Mov | Mnemonic::Lea | Mnemonic::Cmp | Mnemonic::Sub | Mnemonic::Nop
        ),
        is_filler: instruction.mnemonic() == Mnemonic::Nop,
        fails_on: match instruction.condition_code() {
            ConditionCode::be => Some(CARRY | ZERO),
            ConditionCode::b => Some(CARRY),
            ConditionCode::e => Some(ZERO),
            _ => None,
        },
        is_frame_push: instruction.code() == Code::Push_r64 && instruction.op0_register() == Register::RBP,
        spill: spill(instruction),
    }
}

/// A store of an argument register to the caller's frame.
fn spill(instruction: &iced_x86::Instruction) -> Option<Spill> {
    let stores = matches!(
        instruction.mnemonic(),
        Mnemonic::Mov | Mnemonic::Movss | Mnemonic::Movsd | Mnemonic::Movups | Mnemonic::Vmovdqu
    );
    if !stores
        || instruction.op0_kind() != OpKind::Memory
        || instruction.op1_kind() != OpKind::Register
        || instruction.memory_base() != Register::RSP
        || instruction.memory_index() != Register::None
    {
        return None;
    }
    Some(Spill {
        register: argument_register(instruction.op1_register())?,
        offset: instruction.memory_displacement64(),
        size: u8::try_from(instruction.memory_size().size()).ok()?,
    })
}
