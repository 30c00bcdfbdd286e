//! How a goroutine of this program can be made to panic with a value from outside: `runtime.gopanic`, called through the
//! frame of `runtime.panicdivide`.
//!
//! `runtime.gopanic` keeps its argument, two words, in the frame of its caller, and a function that is interrupted at its
//! entry has no room there. `runtime.panicdivide` has: sixteen bytes below its saved frame pointer, and nothing else.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, Register};

use super::Binary;
use super::address::Address;

/// How a goroutine is made to panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PanicFrame {
    /// The first instruction of `runtime.gopanic`.
    pub gopanic: Address,
    /// Where the CALL of it in `runtime.panicdivide` returns to.
    pub frame_return: Address,
}

impl Binary {
    /// The means to panic with a value, or why there are none.
    pub fn panic_frame(&self) -> Result<PanicFrame, &'static str> {
        const SHAPE: &str =
            "this release's `runtime.panicdivide`, in whose name it is done, has another shape";
        let find = |name| {
            let found = self.functions().find(name);
            found
                .into_iter()
                .find(|function| !function.is_wrapper)
                .ok_or(SHAPE)
        };
        let (gopanic, host) = (find("runtime.gopanic")?, find("runtime.panicdivide")?);
        let code = self.code(&host).map_err(|_| SHAPE)?;
        let decoder = Decoder::with_ip(64, code, host.entry.0, DecoderOptions::NONE);
        let instructions: Vec<Instruction> = decoder.into_iter().collect();
        Ok(PanicFrame {
            gopanic: gopanic.entry,
            frame_return: behind_call(&instructions, gopanic.entry).ok_or(SHAPE)?,
        })
    }
}

/// Where the call of a function returns to, in code whose frame is the saved RBP on top of sixteen bytes.
fn behind_call(instructions: &[Instruction], callee: Address) -> Option<Address> {
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

    fn decode(code: &[u8]) -> Vec<Instruction> {
        Decoder::with_ip(64, code, 0x1000, DecoderOptions::NONE)
            .iter()
            .collect()
    }

    #[test]
    fn both_shapes_are_known() {
        // push rbp; mov rbp, rsp; sub rsp, 16; call 0x100d
        let new = [0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x10, 0xe8, 0, 0, 0, 0];
        assert_eq!(behind_call(&decode(&new), Address(0x100d)), Some(Address(0x100d)));
        // sub rsp, 24; mov [rsp+16], rbp; lea rbp, [rsp+16]; call 0x1013
        let old = [
            0x48, 0x83, 0xec, 0x18, 0x48, 0x89, 0x6c, 0x24, 0x10, 0x48, 0x8d, 0x6c, 0x24, 0x10, 0xe8, 0, 0,
            0, 0,
        ];
        assert_eq!(behind_call(&decode(&old), Address(0x1013)), Some(Address(0x1013)));
    }

    #[test]
    fn more_room_and_other_calls_are_not() {
        let more = [0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x20, 0xe8, 0, 0, 0, 0];
        assert_eq!(behind_call(&decode(&more), Address(0x100d)), None);
        let other = [0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x10, 0xe8, 1, 0, 0, 0];
        assert_eq!(behind_call(&decode(&other), Address(0x100d)), None);
    }
}
