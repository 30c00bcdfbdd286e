//! How a goroutine of this program can be put to sleep from outside: `time.Sleep`, called through the
//! frame of `runtime.Gosched`, or of another function like it.
//!
//! `runtime.Gosched` has one call, takes and gives nothing, and keeps eight bytes free below its saved
//! frame pointer, where the callee may save one argument. So a thread that is made to look as if
//! Gosched had just called `time.Sleep` comes back through Gosched's plain epilogue.

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
        const SHAPE: &str = "`time.Sleep` or `runtime.Gosched` has an unknown shape in this release";
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
            self.architecture().behind_only_call(code, function.entry)
        });
        Ok(Sleep {
            sleep: sleep.entry,
            frame_return: frame_return.ok_or(SHAPE)?,
        })
    }
}
