//! What code does with the results of its calls, and where it stores.

use iced_x86::{Decoder, DecoderOptions, InstructionInfoFactory, Mnemonic, OpKind, Register};

use super::convention::argument_register;
use super::decode::{decode, flow, target};
use super::describe::{reads, writes};
use crate::go::abi;
use crate::go::address::Address;
use crate::go::arch::{Flow, Instruction, Use};

/// So far behind a call its results are looked for: longer stretches without a branch do not matter.
const FAR: usize = 24;

/// For each call in the code: what becomes of the result in this register. One that is returned counts as read.
pub(in crate::go::arch) fn reads_result(
    code: &[u8],
    start: Address,
    result: abi::Register,
) -> Vec<(Instruction, Use)> {
    let instructions = decode(code, start).unwrap_or_default();
    let calls = instructions.into_iter().filter(|one| one.flow == Flow::Call);
    calls
        .map(|call| (call, use_of(code, start, call.next(), result)))
        .collect()
}

fn use_of(code: &[u8], start: Address, from: Address, result: abi::Register) -> Use {
    let mut decoder = Decoder::with_ip(64, code, start.0, DecoderOptions::NONE);
    let mut factory = InstructionInfoFactory::new();
    let mut at = from;
    for n in 0..FAR {
        let Some(offset) = at.0.checked_sub(start.0).and_then(|at| usize::try_from(at).ok()) else {
            return Use::Read;
        };
        if offset >= code.len() || decoder.set_position(offset).is_err() {
            return Use::Read;
        }
        decoder.set_ip(at.0);
        let instruction = decoder.decode();
        at = Address(instruction.next_ip());
        match flow(&instruction) {
            // Whoever called gets it.
            Flow::Return => return Use::Read,
            Flow::Call if n == 0 => return Use::Passed(target(&instruction)),
            Flow::Call => return Use::None,
            Flow::Jump => match target(&instruction) {
                Some(to) => at = to,
                None => return Use::Read,
            },
            Flow::IndirectJump => return Use::Read,
            Flow::Next | Flow::Branch | Flow::Other => {
                let used = factory.info(&instruction).used_registers();
                let mut of = used
                    .iter()
                    .filter(|used| argument_register(used.register()) == Some(result))
                    .map(iced_x86::UsedRegister::access);
                if of.clone().any(reads) {
                    return Use::Read;
                }
                if of.any(writes) {
                    return Use::None;
                }
            }
        }
    }
    Use::None
}

/// The offsets at which a function stores words behind pointers: not on the stack.
pub(in crate::go::arch) fn stores(code: &[u8], start: Address) -> Vec<u64> {
    let stack = [Register::RSP, Register::RBP, Register::None];
    Decoder::with_ip(64, code, start.0, DecoderOptions::NONE)
        .into_iter()
        .filter(|instruction| {
            instruction.mnemonic() == Mnemonic::Mov
                && instruction.op0_kind() == OpKind::Memory
                && instruction.op1_kind() == OpKind::Register
                && instruction.memory_size().size() == 8
                && instruction.memory_index() == Register::None
                && !instruction.is_ip_rel_memory_operand()
                && !stack.contains(&instruction.memory_base())
        })
        .map(|instruction| instruction.memory_displacement64())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call at 0x1000, and what follows.
    fn after_call(rest: &[u8]) -> Use {
        let mut code = vec![0xe8, 0xfb, 0, 0, 0];
        code.extend(rest);
        let found = reads_result(&code, Address(0x1000), abi::Register::Integer(1));
        assert_eq!(found[0].0.target, Some(Address(0x1100)));
        found[0].1
    }

    #[test]
    fn a_result_that_is_tested_saved_or_returned_is_read() {
        // test rbx, rbx
        assert_eq!(after_call(&[0x48, 0x85, 0xdb]), Use::Read);
        // mov [rsp+0x20], rbx
        assert_eq!(after_call(&[0x48, 0x89, 0x5c, 0x24, 0x20]), Use::Read);
        // add rsp, 0x20; pop rbp; ret
        assert_eq!(after_call(&[0x48, 0x83, 0xc4, 0x20, 0x5d, 0xc3]), Use::Read);
        // call the next instruction: f(g()), or f() and then g()
        let passed = Use::Passed(Some(Address(0x100a)));
        assert_eq!(after_call(&[0xe8, 0, 0, 0, 0]), passed);
    }

    #[test]
    fn a_result_that_is_overwritten_is_not() {
        // mov [rsp+0x20], rax; mov rbx, rax
        assert_eq!(
            after_call(&[0x48, 0x89, 0x44, 0x24, 0x20, 0x48, 0x89, 0xc3]),
            Use::None
        );
        // mov [rsp+0x20], rax; call the next instruction
        assert_eq!(
            after_call(&[0x48, 0x89, 0x44, 0x24, 0x20, 0xe8, 0, 0, 0, 0]),
            Use::None
        );
    }

    #[test]
    fn stores_behind_pointers() {
        // mov [rax+0x18], rbx; mov [rsp+0x20], rbx; mov [rax+0x8], ebx; mov rbx, [rax+0x28]
        let code = [
            0x48, 0x89, 0x58, 0x18, 0x48, 0x89, 0x5c, 0x24, 0x20, 0x89, 0x58, 0x08, 0x48, 0x8b, 0x58, 0x28,
        ];
        assert_eq!(stores(&code, Address(0x1000)), [0x18]);
    }
}
