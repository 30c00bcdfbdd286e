//! What the runtime's own code tells.

use std::collections::HashMap;

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};

use crate::go::address::Address;

/// The offset that a function first uses with the FS segment, which thread-local storage is in. `relocation` gives
/// the offset that the dynamic linker puts into a place.
pub(in crate::go::arch) fn thread_local_load(
    code: &[u8],
    start: Address,
    relocation: &dyn Fn(Address) -> Option<i64>,
) -> Option<i64> {
    let mut decoder = Decoder::with_ip(64, code, start.0, DecoderOptions::NONE);
    let mut constants: HashMap<Register, i64> = HashMap::new();
    for instruction in &mut decoder {
        if uses_fs(&instruction) {
            let base = instruction.memory_base();
            let displacement = instruction.memory_displacement64() as i64;
            if base == Register::None {
                return Some(displacement);
            }
            return constants
                .get(&base)
                .map(|constant| constant.wrapping_add(displacement));
        }
        if instruction.mnemonic() == Mnemonic::Mov && instruction.op0_kind() == OpKind::Register {
            let target = instruction.op0_register();
            match instruction.op1_kind() {
                OpKind::Immediate32to64 => {
                    constants.insert(target, instruction.immediate32to64());
                }
                OpKind::Memory if instruction.is_ip_rel_memory_operand() => {
                    let place = Address(instruction.ip_rel_memory_address());
                    if let Some(offset) = relocation(place) {
                        constants.insert(target, offset);
                    }
                }
                _ => {
                    constants.remove(&target);
                }
            }
        }
    }
    None
}

/// Where something in the program's own block of thread-local storage is, counted from the thread pointer: the FS base,
/// where that block ends.
pub(in crate::go::arch) fn thread_pointer_offset(offset: u64, block_size: u64) -> Option<i64> {
    i64::try_from(offset)
        .ok()?
        .checked_sub(i64::try_from(block_size).ok()?)
}

fn uses_fs(instruction: &Instruction) -> bool {
    instruction.segment_prefix() == Register::FS
        && (0..instruction.op_count()).any(|i| instruction.op_kind(i) == OpKind::Memory)
}

/// The words that a function compares with zero, as it does with the write barrier's flag, and the functions
/// that it calls.
pub(in crate::go::arch) fn flags_and_calls(code: &[u8], start: Address) -> (Vec<u64>, Vec<Address>) {
    let (mut flags, mut calls) = (Vec::new(), Vec::new());
    for instruction in &mut Decoder::with_ip(64, code, start.0, DecoderOptions::NONE) {
        if instruction.code() == Code::Cmp_rm32_imm8
            && instruction.is_ip_rel_memory_operand()
            && instruction.immediate8() == 0
        {
            flags.push(instruction.ip_rel_memory_address());
        }
        if instruction.flow_control() == FlowControl::Call {
            calls.push(Address(instruction.near_branch_target()));
        }
    }
    (flags, calls)
}

/// Whether a function begins by setting up what compiled code keeps in registers: g and a zero.
pub(in crate::go::arch) fn sets_registers_up(code: &[u8], start: Address) -> bool {
    Decoder::with_ip(64, code, start.0, DecoderOptions::NONE)
        .iter()
        .take_while(|i| i.flow_control() != FlowControl::Call && !i.is_invalid())
        .any(|i| i.mnemonic() == Mnemonic::Xorps && i.op0_register() == Register::XMM15)
}
