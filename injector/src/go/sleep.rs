//! How a goroutine of this program can be put to sleep from outside: `time.Sleep`, called through the
//! frame of `runtime.Gosched`, or of another function like it.
//!
//! `runtime.Gosched` has one call, takes and gives nothing, and keeps eight bytes free below its saved
//! frame pointer, where the callee may save one argument. So a thread that is made to look as if
//! Gosched had just called `time.Sleep` comes back through Gosched's plain epilogue.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, Register};

use super::Binary;
use super::abi::Convention;
use super::address::Address;
use super::sites::{MorestackCallee, sites};

/// Functions whose frame is used. Go 1.21 and 1.22 copy the first into its callers and leave it out where nothing else
/// refers to it; the second is part of the collector there.
const FRAMES: [&str; 2] = ["runtime.Gosched", "runtime.goschedIfBusy"];

/// How a goroutine is put to sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sleep {
    /// The first instruction of `time.Sleep`.
    pub sleep: Address,
    /// Where the only CALL of a function of such a shape returns to.
    pub frame_return: Address,
}

impl Binary {
    /// The means to put a goroutine to sleep, or why there are none: `time.Sleep` is not linked in, or a function is not
    /// of the shape that this needs.
    pub fn sleep(&self) -> Result<Sleep, &'static str> {
        let find = |name| {
            let found = self.functions().find(name);
            found.into_iter().find(|function| !function.is_wrapper)
        };
        let sleep = find("time.Sleep").ok_or("the program does not use `time.Sleep`")?;
        if sleep.convention() != Convention::Register {
            return Err("Go passed arguments on the stack before 1.17");
        }
        const SHAPE: &str = "this release's `time.Sleep` or `runtime.Gosched` has another shape";
        // It must save exactly one word of arguments, into the first slot of its caller's frame.
        let morestack = sites(self, &sleep)
            .ok()
            .and_then(|sites| sites.morestack)
            .ok_or(SHAPE)?;
        let one_word =
            morestack.spills.len() == 1 && morestack.spills[0].offset == 8 && morestack.spills[0].size == 8;
        if morestack.callee != MorestackCallee::NoContext || !one_word {
            return Err(SHAPE);
        }
        let frame_return = FRAMES.into_iter().filter_map(find).find_map(|function| {
            let code = self.code(&function).ok()?;
            let mut decoder = Decoder::with_ip(64, code, function.entry.0, DecoderOptions::NONE);
            let instructions: Vec<Instruction> = decoder.iter().collect();
            behind_only_call(&instructions)
        });
        Ok(Sleep {
            sleep: sleep.entry,
            frame_return: frame_return.ok_or(SHAPE)?,
        })
    }
}

/// Where the call of a function returns to that has one call, sixteen bytes of frame with the saved RBP
/// on top, and nothing but its epilogue behind the call.
fn behind_only_call(instructions: &[Instruction]) -> Option<Address> {
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

    fn decode(code: &[u8]) -> Vec<Instruction> {
        Decoder::with_ip(64, code, 0x1000, DecoderOptions::NONE)
            .iter()
            .collect()
    }

    #[test]
    fn the_plain_shape_is_known() {
        let code = [
            0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x08, 0xe8, 0, 0, 0, 0, 0x48, 0x83, 0xc4, 0x08, 0x5d,
            0xc3,
        ];
        assert_eq!(behind_only_call(&decode(&code)), Some(Address(0x100d)));
    }

    #[test]
    fn more_room_is_another_shape() {
        let code = [
            0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x10, 0xe8, 0, 0, 0, 0, 0x48, 0x83, 0xc4, 0x10, 0x5d,
            0xc3,
        ];
        assert_eq!(behind_only_call(&decode(&code)), None);
    }
}
