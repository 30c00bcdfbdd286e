//! How a goroutine of this program can be made to panic with a value from outside: `runtime.gopanic`, called through the
//! frame of `runtime.panicdivide`.
//!
//! `runtime.gopanic` keeps its argument, two words, in the frame of its caller, and a function that is interrupted at its
//! entry has no room there. `runtime.panicdivide` has: sixteen bytes below its saved frame pointer, and nothing else.

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
            "`runtime.panicdivide`, whose frame this needs, has an unknown shape in this release";
        let find = |name| {
            let found = self.functions().find(name);
            found
                .into_iter()
                .find(|function| !function.is_wrapper)
                .ok_or(SHAPE)
        };
        let (gopanic, host) = (find("runtime.gopanic")?, find("runtime.panicdivide")?);
        let code = self.code(&host).map_err(|_| SHAPE)?;
        let frame_return = self
            .architecture()
            .behind_panic_call(code, host.entry, gopanic.entry);
        Ok(PanicFrame {
            gopanic: gopanic.entry,
            frame_return: frame_return.ok_or(SHAPE)?,
        })
    }
}
