//! What the code of a closure does with the object that it is called with.

use iced_x86::{Decoder, DecoderOptions, InstructionInfoFactory, Register};

use super::decode::flow;
use super::describe::reads;
use crate::go::address::Address;
use crate::go::arch::Flow;

/// The register that holds a closure's object when it is called.
const CONTEXT: Register = Register::RDX;

/// Whether the first instruction that uses the closure object's register at all reads it.
pub(in crate::go::arch) fn reads_closure_object(code: &[u8], start: Address) -> bool {
    let mut factory = InstructionInfoFactory::new();
    for instruction in &mut Decoder::with_ip(64, code, start.0, DecoderOptions::NONE) {
        let used = factory.info(&instruction).used_registers();
        let mut context = used
            .iter()
            .filter(|used| used.register().full_register() == CONTEXT);
        if let Some(used) = context.next() {
            return reads(used.access());
        }
        if !matches!(flow(&instruction), Flow::Next | Flow::Branch) {
            break;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_use_tells() {
        // mov rax, [rdx+8]; ret
        assert!(reads_closure_object(
            &[0x48, 0x8b, 0x42, 0x08, 0xc3],
            Address(0x1000)
        ));
        // xor eax, eax; mov edx, eax; mov rax, [rdx]
        let set_first = [0x31, 0xc0, 0x89, 0xc2, 0x48, 0x8b, 0x02];
        assert!(!reads_closure_object(&set_first, Address(0x1000)));
        // ret; mov rax, [rdx+8]
        let behind = [0xc3, 0x48, 0x8b, 0x42, 0x08];
        assert!(!reads_closure_object(&behind, Address(0x1000)));
    }
}
