//! The shape of a function that a goroutine can be put to sleep through.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, Register};

use crate::go::address::Address;

/// Where the call of a function returns to that has one call, sixteen bytes of frame with the saved RBP
/// on top, and nothing but its epilogue behind the call.
pub(in crate::go::arch) fn behind_only_call(code: &[u8], start: Address) -> Option<Address> {
    let mut decoder = Decoder::with_ip(64, code, start.0, DecoderOptions::NONE);
    let instructions: Vec<Instruction> = decoder.iter().collect();
    let end = instructions.iter().position(|i| i.mnemonic() == Mnemonic::Ret)?;
    let body = &instructions[..=end];
    let calls: Vec<usize> = (0..body.len())
        .filter(|&n| body[n].mnemonic() == Mnemonic::Call)
        .collect();
    let [call] = calls[..] else { return None };
    let moves_stack = |i: &Instruction, by: Mnemonic| {
        (i.mnemonic() == by && i.op0_register() == Register::RSP).then(|| i.immediate(1))
    };
    let pushes = body[..call]
        .iter()
        .any(|i| i.mnemonic() == Mnemonic::Push && i.op0_register() == Register::RBP);
    let room = body[..call].iter().find_map(|i| moves_stack(i, Mnemonic::Sub))?;
    let epilogue = &body[call + 1..end];
    let plain = match (pushes, room) {
        // push rbp; mov rbp, rsp; sub rsp, 8 … add rsp, 8; pop rbp; ret (since Go 1.21)
        (true, 8) => {
            epilogue.len() == 2
                && moves_stack(&epilogue[0], Mnemonic::Add) == Some(8)
                && epilogue[1].mnemonic() == Mnemonic::Pop
                && epilogue[1].op0_register() == Register::RBP
        }
        // sub rsp, 16; mov [rsp+8], rbp; lea rbp, [rsp+8] … mov rbp, [rsp+8]; add rsp, 16; ret
        (false, 16) => {
            epilogue.len() == 2
                && epilogue[0].mnemonic() == Mnemonic::Mov
                && epilogue[0].op0_register() == Register::RBP
                && epilogue[0].memory_base() == Register::RSP
                && epilogue[0].memory_displacement64() == 8
                && moves_stack(&epilogue[1], Mnemonic::Add) == Some(16)
        }
        _ => false,
    };
    plain.then(|| Address(body[call].next_ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_shape_is_known() {
        let code = [
            0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x08, 0xe8, 0, 0, 0, 0, 0x48, 0x83, 0xc4, 0x08, 0x5d,
            0xc3,
        ];
        assert_eq!(behind_only_call(&code, Address(0x1000)), Some(Address(0x100d)));
    }

    #[test]
    fn more_room_is_another_shape() {
        let code = [
            0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x10, 0xe8, 0, 0, 0, 0, 0x48, 0x83, 0xc4, 0x10, 0x5d,
            0xc3,
        ];
        assert_eq!(behind_only_call(&code, Address(0x1000)), None);
    }
}
