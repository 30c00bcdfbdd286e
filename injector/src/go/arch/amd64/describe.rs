//! What an instruction reads, writes and is called.

use iced_x86::{
    Decoder, DecoderOptions, Formatter, Instruction, InstructionInfoFactory, InstructionInfoOptions,
    Mnemonic, NasmFormatter, OpAccess, Register,
};

use super::convention::argument_register;
use super::{decode, kernel};
use crate::go::abi;
use crate::go::address::Address;
use crate::go::arch::Flow;
use crate::go::sites::{Leads, MemoryOperand, MemoryWrite, NoRoom, Registers, Site};

fn add(to: &mut Registers, register: Register) {
    if register.is_vector_register() {
        to.vector |= 1_u32.checked_shl(register.number() as u32).unwrap_or(0);
    } else if register.full_register().is_gpr64() {
        to.general |= 1 << register.full_register().number();
    }
    match argument_register(register) {
        Some(abi::Register::Integer(n)) => to.integer_arguments |= 1 << n,
        Some(abi::Register::Float(n)) => to.float_arguments |= 1 << n,
        None => {}
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

/// Describes the instruction that these bytes are.
pub(in crate::go::arch) fn describe(bytes: &[u8], address: Address, stack_depth: Option<i32>) -> Site {
    let instruction = &Decoder::with_ip(64, bytes, address.0, DecoderOptions::NONE).decode();
    let mut site = Site {
        address,
        bytes: bytes.to_vec(),
        text: assembly(instruction),
        execution: kernel::execution(instruction, bytes),
        leads: leads(instruction),
        pc_relative: instruction.is_ip_rel_memory_operand(),
        stack_depth,
        reads: Registers::default(),
        writes: Registers::default(),
        memory_writes: Vec::new(),
        sets_frame_up: sets_frame_up(instruction),
        moves: moves(instruction.mnemonic()),
        room: Err(NoRoom::Itself("it was looked at alone")),
    };
    let mut factory = InstructionInfoFactory::new();
    let info = factory.info_options(instruction, InstructionInfoOptions::NONE);
    for used in info.used_registers() {
        if reads(used.access()) {
            add(&mut site.reads, used.register());
        }
        if writes(used.access()) {
            add(&mut site.writes, used.register());
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

/// Whether an instruction may read what it has such access to.
pub(super) fn reads(access: OpAccess) -> bool {
    matches!(
        access,
        OpAccess::Read | OpAccess::CondRead | OpAccess::ReadWrite | OpAccess::ReadCondWrite
    )
}

/// Whether an instruction may write what it has such access to.
pub(super) fn writes(access: OpAccess) -> bool {
    matches!(
        access,
        OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
    )
}

fn leads(instruction: &Instruction) -> Leads {
    let next = Address(instruction.next_ip());
    match (decode::flow(instruction), decode::target(instruction)) {
        (Flow::Next, _) => Leads::Next(next),
        (Flow::Branch, Some(taken)) => Leads::Branch { taken, next },
        (Flow::Jump, Some(target)) => Leads::Jump(target),
        (Flow::IndirectJump, _) => Leads::IndirectJump,
        (Flow::Call, target) => Leads::Call { target, next },
        (Flow::Return, _) => Leads::Return,
        _ => Leads::Other,
    }
}

/// Pushes, and takes room on the stack; or does nothing at all.
fn sets_frame_up(instruction: &Instruction) -> bool {
    match instruction.mnemonic() {
        Mnemonic::Push | Mnemonic::Nop | Mnemonic::Endbr64 => true,
        Mnemonic::Sub | Mnemonic::Lea => instruction.op0_register() == Register::RSP,
        _ => false,
    }
}

/// Whether it copies a value from one place to another, perhaps extended, and does nothing else.
fn moves(mnemonic: Mnemonic) -> bool {
    matches!(
        mnemonic,
        Mnemonic::Mov
            | Mnemonic::Movzx
            | Mnemonic::Movsx
            | Mnemonic::Movsxd
            | Mnemonic::Movbe
            | Mnemonic::Movnti
            | Mnemonic::Movd
            | Mnemonic::Movq
            | Mnemonic::Movss
            | Mnemonic::Movsd
            | Mnemonic::Movaps
            | Mnemonic::Movapd
            | Mnemonic::Movups
            | Mnemonic::Movupd
            | Mnemonic::Movdqa
            | Mnemonic::Movdqu
            | Mnemonic::Movhps
            | Mnemonic::Movhpd
            | Mnemonic::Movlps
            | Mnemonic::Movlpd
            | Mnemonic::Movntdq
            | Mnemonic::Movntps
            | Mnemonic::Movntpd
    )
}
