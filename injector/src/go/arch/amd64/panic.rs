//! The shape of a function that a goroutine can be made to panic through.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, Register};

use crate::go::address::Address;

/// Where the call of `callee` returns to, in code whose frame is the saved RBP on top of sixteen bytes.
pub(in crate::go::arch) fn behind_panic_call(
    code: &[u8],
    start: Address,
    callee: Address,
) -> Option<Address> {
    let decoder = Decoder::with_ip(64, code, start.0, DecoderOptions::NONE);
    let instructions: Vec<Instruction> = decoder.into_iter().collect();
    let is_call = |i: &Instruction| i.mnemonic() == Mnemonic::Call && i.near_branch_target() == callee.0;
    let call = instructions.iter().position(is_call)?;
    let before = &instructions[..call];
    let moves: Vec<&Instruction> = before
        .iter()
        .filter(|i| {
            i.op0_register() == Register::RSP && matches!(i.mnemonic(), Mnemonic::Sub | Mnemonic::Add)
        })
        .collect();
    let pushes = before
        .iter()
        .filter(|i| i.mnemonic() == Mnemonic::Push)
        .collect::<Vec<_>>();
    let [room] = moves[..] else { return None };
    let room = (room.mnemonic() == Mnemonic::Sub).then(|| room.immediate(1))?;
    let saves_on_top = |i: &Instruction| {
        i.mnemonic() == Mnemonic::Mov
            && i.op1_register() == Register::RBP
            && i.memory_base() == Register::RSP
            && i.memory_displacement64() == 16
    };
    let plain = match pushes[..] {
        // push rbp; mov rbp, rsp; sub rsp, 16 (since Go 1.21)
        [push] => push.op0_register() == Register::RBP && room == 16,
        // sub rsp, 24; mov [rsp+16], rbp; lea rbp, [rsp+16]
        [] => room == 24 && before.iter().any(saves_on_top),
        _ => false,
    };
    plain.then(|| Address(instructions[call].next_ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Address = Address(0x1000);

    #[test]
    fn both_shapes_are_known() {
        // push rbp; mov rbp, rsp; sub rsp, 16; call 0x100d
        let new = [0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x10, 0xe8, 0, 0, 0, 0];
        assert_eq!(
            behind_panic_call(&new, START, Address(0x100d)),
            Some(Address(0x100d))
        );
        // sub rsp, 24; mov [rsp+16], rbp; lea rbp, [rsp+16]; call 0x1013
        let old = [
            0x48, 0x83, 0xec, 0x18, 0x48, 0x89, 0x6c, 0x24, 0x10, 0x48, 0x8d, 0x6c, 0x24, 0x10, 0xe8, 0, 0,
            0, 0,
        ];
        assert_eq!(
            behind_panic_call(&old, START, Address(0x1013)),
            Some(Address(0x1013))
        );
    }

    #[test]
    fn more_room_and_other_calls_are_not() {
        let more = [0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x20, 0xe8, 0, 0, 0, 0];
        assert_eq!(behind_panic_call(&more, START, Address(0x100d)), None);
        let other = [0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x10, 0xe8, 1, 0, 0, 0];
        assert_eq!(behind_panic_call(&other, START, Address(0x100d)), None);
    }
}
