//! Displaced copies of the instructions under breakpoints and jumps, each followed by a jump back.
//!
//! A thread never runs an instruction in place while its breakpoint is lifted, so no other thread can
//! slip past meanwhile.

use iced_x86::{
    BlockEncoder, BlockEncoderOptions, Code, Decoder, DecoderOptions, FlowControl, Instruction,
    InstructionBlock, MemoryOperand, Register,
};

/// Why an instruction can't be displaced.
#[derive(Debug, thiserror::Error)]
#[error("the instruction at 0x{address:x} can't run at another address: {reason}")]
pub(in crate::engine) struct DisplaceError {
    address: u64,
    reason: String,
}

/// Instructions at another address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Displaced {
    /// What does there what they do in place.
    pub(in crate::engine) code: Vec<u8>,
    /// Where in there those are that are as they were, each with its own address.
    pub(in crate::engine) copies: Vec<(u64, u64)>,
}

/// Code that does at `copy` what the instructions `bytes` do at `address`. Only the last of them may be a call, or leave for
/// good.
pub(in crate::engine) fn displace(bytes: &[u8], address: u64, copy: u64) -> Result<Displaced, DisplaceError> {
    let fail = |reason: String| DisplaceError { address, reason };
    let failed = |error: iced_x86::IcedError| fail(error.to_string());
    let next = address + bytes.len() as u64;
    let mut decoder = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE);
    let mut code = Vec::new();
    let mut goes_on = true;
    while decoder.can_decode() && goes_on {
        let instruction = decoder.decode();
        if instruction.is_invalid() {
            return Err(fail("it does not decode".to_owned()));
        }
        match instruction.flow_control() {
            FlowControl::Next | FlowControl::ConditionalBranch => code.push(instruction),
            FlowControl::Call | FlowControl::IndirectCall if instruction.next_ip() == next => {
                code.extend(call(&instruction, next).map_err(failed)?);
                goes_on = false;
            }
            // It leaves for good: no way back is needed, and what follows is never run.
            FlowControl::Return | FlowControl::UnconditionalBranch | FlowControl::IndirectBranch => {
                code.push(instruction);
                goes_on = false;
            }
            other => return Err(fail(format!("{other:?}"))),
        }
    }
    if goes_on {
        code.push(Instruction::with_branch(Code::Jmp_rel32_64, next).map_err(failed)?);
    }
    let block = InstructionBlock::new(&code, copy);
    let encoded = BlockEncoder::encode(64, block, BlockEncoderOptions::RETURN_NEW_INSTRUCTION_OFFSETS)
        .map_err(failed)?;
    // Those that were put in have no address, and those that were made anew have no offset.
    let places = encoded.new_instruction_offsets.iter().zip(&code);
    let copies = places
        .filter(|(offset, original)| **offset != u32::MAX && original.ip() != 0)
        .map(|(offset, original)| (copy + u64::from(*offset), original.ip()))
        .collect();
    Ok(Displaced {
        code: encoded.code_buffer,
        copies,
    })
}

/// A call as a push of the return address it would have pushed in place, and a jump: a return address
/// into goinject's memory would be one that Go's runtime does not know.
fn call(instruction: &Instruction, next: u64) -> Result<Vec<Instruction>, iced_x86::IcedError> {
    let below = MemoryOperand::with_base_displ(Register::RSP, -8);
    let low = MemoryOperand::with_base(Register::RSP);
    let high = MemoryOperand::with_base_displ(Register::RSP, 4);
    let [low_word, high_word] =
        [next & 0xffff_ffff, next >> 32].map(|word| u32::try_from(word).expect("masked"));
    let jump = match instruction.flow_control() {
        FlowControl::Call => Instruction::with_branch(Code::Jmp_rel32_64, instruction.near_branch_target())?,
        _ => {
            let mut jump = *instruction;
            jump.set_code(match instruction.code() {
                Code::Call_rm64 => Code::Jmp_rm64,
                _ => Code::INVALID,
            });
            if jump.op0_kind() == iced_x86::OpKind::Memory && jump.memory_base() == Register::RSP {
                // Its operand would be eight bytes off now.
                jump.set_memory_displacement64(jump.memory_displacement64().wrapping_add(8));
            }
            jump
        }
    };
    Ok(vec![
        Instruction::with2(Code::Lea_r64_m, Register::RSP, below)?,
        Instruction::with2(Code::Mov_rm32_imm32, low, low_word)?,
        Instruction::with2(Code::Mov_rm32_imm32, high, high_word)?,
        jump,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(bytes: &[u8], address: u64, copy: u64) -> Vec<String> {
        let code = displace(bytes, address, copy).unwrap().code;
        let mut decoder = Decoder::with_ip(64, &code, copy, DecoderOptions::NONE);
        let mut lines = Vec::new();
        while decoder.can_decode() {
            lines.push(decoder.decode().to_string());
        }
        lines
    }

    const AT: u64 = 0x40_1000;
    const COPY: u64 = 0x3f_0000;

    #[test]
    fn plain_instructions_run_and_jump_back() {
        assert_eq!(listing(&[0x55], AT, COPY), ["push rbp", "jmp 0000000000401001h"]);
    }

    #[test]
    fn conditional_jumps_keep_both_ways() {
        let jbe = [0x0f, 0x86, 0xba, 0, 0, 0];
        assert_eq!(
            listing(&jbe, AT, COPY),
            ["jbe near 00000000004010C0h", "jmp 0000000000401006h"]
        );
        assert_eq!(listing(&[0x76, 0x10], AT, COPY)[0], "jbe near 0000000000401012h");
    }

    #[test]
    fn relative_operands_still_mean_the_same_address() {
        let lea = [0x48, 0x8d, 0x05, 0x69, 0x13, 0x12, 0x00];
        assert_eq!(listing(&lea, AT, COPY)[0], "lea rax,[rel 522370h]");
    }

    #[test]
    fn returns_are_copied_as_they_are() {
        assert_eq!(listing(&[0xc3], AT, COPY), ["ret"]);
    }

    #[test]
    fn calls_push_the_address_behind_the_original() {
        let lines = listing(&[0xe8, 0, 0x10, 0, 0], AT, COPY);
        assert_eq!(
            lines,
            [
                "lea rsp,[rsp-8]",
                "mov dword [rsp],401005h",
                "mov dword [rsp+4],0",
                "jmp 0000000000402005h"
            ]
        );
    }

    #[test]
    fn copies_are_told_with_what_they_are_of() {
        // push rbp; mov rbp, rsp; jae +0x10; mov rax, [rax]
        let code = [0x55, 0x48, 0x89, 0xe5, 0x73, 0x10, 0x48, 0x8b, 0x00];
        let Displaced { code, copies } = displace(&code, AT, COPY).unwrap();
        let of = |n: u64| copies.iter().find(|(_, of)| *of == AT + n).map(|(at, _)| *at);
        assert_eq!((of(0), of(1)), (Some(COPY), Some(COPY + 1)));
        let load = of(6).unwrap();
        assert_eq!(code[(load - COPY) as usize..][..3], [0x48, 0x8b, 0x00]);
        assert_eq!(of(9), None, "the way back is no copy");
    }

    #[test]
    fn what_cannot_be_displaced_is_refused() {
        assert!(displace(&[0xcc], AT, COPY).is_err());
        assert!(displace(&[0x0f, 0xff, 0xff], AT, COPY).is_err());
        assert!(displace(&[0xe8, 0, 0x10, 0, 0, 0x55], AT, COPY).is_err());
    }

    #[test]
    fn several_run_one_after_the_other() {
        let prologue = [0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x10];
        assert_eq!(
            listing(&prologue, AT, COPY),
            ["push rbp", "mov rbp,rsp", "sub rsp,10h", "jmp 0000000000401008h"]
        );
        // Behind a return is what fills the function up.
        assert_eq!(
            listing(&[0x5d, 0xc3, 0xcc, 0xcc, 0xcc], AT, COPY),
            ["pop rbp", "ret"]
        );
    }
}
