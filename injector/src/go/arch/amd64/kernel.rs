//! What the kernel does with a uprobe on an instruction (x86-64).
//!
//! Source: `arch/x86/kernel/uprobes.c`: `uprobe_init_insn`, `branch_setup_xol_ops`,
//! `push_setup_xol_ops`. The rules are the same from Linux 5.10 to 6.17; newer kernels emulate more.

use iced_x86::{Code, EncodingKind, Instruction, Mnemonic, Register};

use crate::go::sites::Execution;

/// One-byte opcodes that a uprobe refuses: invalid in 64-bit mode, input and output, interrupts, halt.
const REFUSED: [u8; 37] = [
    0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61, 0x62, 0x6c, 0x6d, 0x6e,
    0x6f, 0x82, 0x9a, 0xcc, 0xcd, 0xce, 0xcf, 0xd4, 0xd5, 0xd6, 0xe4, 0xe5, 0xe6, 0xe7, 0xea, 0xec, 0xed,
    0xee, 0xef, 0xf1,
];
const REFUSED_TOO: [u8; 3] = [0xf4, 0xfa, 0xfb];
const EVEX: u8 = 0x62;

/// How an instruction under a uprobe is executed.
pub(super) fn execution(instruction: &Instruction, bytes: &[u8]) -> Execution {
    let refused = |why| Execution::Refused { why };
    if bytes.first() == Some(&EVEX) || instruction.encoding() == EncodingKind::EVEX {
        return refused("the kernel does not probe AVX-512 (EVEX) instructions");
    }
    if instruction.has_lock_prefix() {
        return refused("the kernel does not probe instructions with a LOCK prefix");
    }
    if matches!(
        instruction.segment_prefix(),
        Register::ES | Register::CS | Register::SS | Register::DS
    ) {
        return refused("the kernel does not probe instructions with an old segment prefix");
    }
    match instruction.mnemonic() {
        Mnemonic::Syscall | Mnemonic::Sysenter | Mnemonic::Ud2 => {
            return refused("the kernel does not single-step this instruction safely");
        }
        _ => {}
    }
    let Some((opcode, prefixes)) = opcode(instruction, bytes) else {
        return refused("the instruction is in no known encoding");
    };
    if REFUSED.contains(&opcode) || REFUSED_TOO.contains(&opcode) {
        return refused("the kernel does not probe this opcode");
    }
    let has_16_bit_prefix = prefixes.contains(&0x66);
    match instruction.code() {
        // push of a register, with at most the one prefix that reaches r8 to r15.
        Code::Push_r64 if (0x50..=0x57).contains(&opcode) && matches!(prefixes, [] | [0x41]) => {
            Execution::Emulated
        }
        _ if opcode == 0x90 && instruction.encoding() == EncodingKind::Legacy => Execution::Emulated,
        _ if is_relative_branch(instruction) && has_16_bit_prefix => {
            refused("the kernel does not probe branches with a 16-bit prefix")
        }
        _ if is_relative_branch(instruction) => Execution::Emulated,
        _ => Execution::SingleStepped,
    }
}

/// Jumps and calls with a displacement, except the ones on RCX.
fn is_relative_branch(instruction: &Instruction) -> bool {
    instruction.is_jcc_short_or_near() || instruction.is_jmp_short_or_near() || instruction.is_call_near()
}

/// The opcode byte that the kernel looks at, and the prefixes before it.
fn opcode<'b>(instruction: &Instruction, bytes: &'b [u8]) -> Option<(u8, &'b [u8])> {
    match instruction.encoding() {
        EncodingKind::Legacy => {
            let at = bytes.iter().position(|b| !is_prefix(*b))?;
            Some((bytes[at], &bytes[..at]))
        }
        // Two- and three-byte VEX.
        EncodingKind::VEX => {
            let length = if bytes.first() == Some(&0xc5) { 2 } else { 3 };
            Some((*bytes.get(length)?, &[]))
        }
        _ => None,
    }
}

fn is_prefix(byte: u8) -> bool {
    matches!(byte, 0x26 | 0x2e | 0x36 | 0x3e | 0x40..=0x4f | 0x64..=0x67 | 0xf0 | 0xf2 | 0xf3)
}

#[cfg(test)]
mod tests {
    use iced_x86::{Decoder, DecoderOptions};

    use super::*;

    fn of(bytes: &[u8]) -> Execution {
        let instruction = Decoder::new(64, bytes, DecoderOptions::NONE).decode();
        assert_eq!(instruction.len(), bytes.len());
        execution(&instruction, bytes)
    }

    #[test]
    fn what_the_kernel_emulates() {
        for bytes in [
            &[0x55][..],
            &[0x41, 0x54],
            &[0x90],
            &[0xe8, 1, 2, 3, 4],
            &[0xe9, 1, 2, 3, 4],
            &[0xeb, 1],
            &[0x76, 5],
            &[0x0f, 0x86, 1, 2, 3, 4],
        ] {
            assert_eq!(of(bytes), Execution::Emulated, "{bytes:x?}");
        }
    }

    #[test]
    fn what_it_single_steps() {
        for bytes in [
            &[0xc3][..],
            &[0x48, 0x83, 0xec, 0x18],
            &[0x49, 0x3b, 0x66, 0x10],
            &[0x31, 0xc0],
            &[0xff, 0xe2],
            &[0x0f, 0x1f, 0x40, 0x00],
            &[0x64, 0x48, 0x8b, 0x0c, 0x25, 0xf8, 0xff, 0xff, 0xff],
        ] {
            assert_eq!(of(bytes), Execution::SingleStepped, "{bytes:x?}");
        }
    }

    #[test]
    fn what_it_refuses() {
        for bytes in [
            &[0xcc][..],
            &[0xf4],
            &[0xf0, 0x48, 0x0f, 0xb1, 0x0b],
            &[0x62, 0xf1, 0xfe, 0x48, 0x6f, 0x00],
            &[0xc5, 0xfe, 0x6f, 0x06],
            &[0x0f, 0x05],
            &[0x0f, 0x0b],
            &[0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
        ] {
            assert!(matches!(of(bytes), Execution::Refused { .. }), "{bytes:x?}");
        }
    }
}
