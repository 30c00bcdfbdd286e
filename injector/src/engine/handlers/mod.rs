//! Handlers of signals that goinject puts in front of the program's own: they have a thread go on that came to a place which
//! goinject knows, also when goinject is gone, and pass on whatever else there is. A fault of the program's own in the copy of an
//! instruction is passed on as one of the instruction.

mod arch;

use std::io;

use serde::{Deserialize, Serialize};

pub(super) use self::arch::{SERVED, at_copy, at_trap};
use super::provision::{map_data, unmap};
use crate::tracee::{Remote, page_size};

/// A place where a signal finds a thread, and the one where it is to go on.
pub(super) type Detour = (u64, u64);

const SIGSET: u64 = 8;

/// A `struct kernel_sigaction`: handler, flags, restorer, mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Action([u64; 4]);

const SA_RESTORER: u64 = 0x0400_0000;

impl Action {
    fn handler(self) -> u64 {
        self.0[0]
    }

    /// Whether it is a function of the program's, rather than what the kernel does by itself.
    fn is_function(self) -> bool {
        self.handler() > libc::SIG_IGN as u64 && self.0[1] & SA_RESTORER != 0
    }

    /// The same with our handler in front, on the signal stack, which returns to where the program's own would: nothing leads
    /// into goinject's code for longer than that runs.
    fn behind(self, handler: u64) -> Action {
        let [_, flags, restorer, mask] = self.0;
        let flags = flags | libc::SA_SIGINFO as u64 | libc::SA_ONSTACK as u64;
        Action([
            handler,
            flags & !(libc::SA_RESETHAND as u32 as u64),
            restorer,
            mask,
        ])
    }
}

/// The handler of one signal.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Handler {
    signal: i32,
    former: Action,
    /// Where its code is; 0 before it is installed.
    at: u64,
}

impl Handler {
    /// For a signal that the program has a handler for; None if it has none.
    ///
    /// # Errors
    /// Those of ptrace, or of the target.
    pub(super) fn before(remote: &mut Remote, signal: i32) -> io::Result<Option<Handler>> {
        let former = swap(remote, signal, None)?;
        Ok(former.is_function().then_some(Handler {
            signal,
            former,
            at: 0,
        }))
    }

    /// Whether the program's own handler begins at one of these addresses.
    pub(super) fn is_before(&self, functions: &[u64]) -> bool {
        functions.contains(&self.former.handler())
    }

    /// Its code, for these detours.
    pub(super) fn image(&self, detours: &[Detour]) -> Vec<u8> {
        arch::image(self.former.handler(), detours)
    }

    /// Bytes of its code for so many.
    pub(super) fn size(detours: usize) -> u64 {
        arch::image(0, &[]).len() as u64 + 16 * detours as u64
    }

    /// Puts it in front, once its code is at `at`.
    ///
    /// # Errors
    /// Those of ptrace, or of the target.
    pub(super) fn install(&mut self, remote: &mut Remote, at: u64) -> io::Result<()> {
        self.at = at;
        swap(remote, self.signal, Some(self.former.behind(at))).map(drop)
    }

    /// Gives the signal back its former action. False if the program has set one of its own meanwhile, which stays: it may pass
    /// signals on to ours.
    ///
    /// # Errors
    /// Those of ptrace, or of the target.
    pub(super) fn remove(&self, remote: &mut Remote) -> io::Result<bool> {
        let found = swap(remote, self.signal, Some(self.former))?;
        let is_ours = found.handler() == self.at;
        if !is_ours {
            swap(remote, self.signal, Some(found))?;
        }
        Ok(is_ours)
    }
}

/// Reads the target's action for a signal, and sets it if there is a new one.
fn swap(remote: &mut Remote, signal: i32, new: Option<Action>) -> io::Result<Action> {
    let size = page_size();
    let page = map_data(remote, size)?;
    let (new_at, former_at) = (page, page + 32);
    let new_argument = match new {
        Some(Action(words)) => {
            remote
                .memory()
                .write(new_at, words.map(u64::to_le_bytes).as_flattened())?;
            new_at
        }
        None => 0,
    };
    let swapped = remote.syscall(
        libc::SYS_rt_sigaction,
        [signal as u64, new_argument, former_at, SIGSET, 0, 0],
    );
    let mut former = [[0; 8]; 4];
    remote.memory().read(former_at, former.as_flattened_mut())?;
    unmap(remote, &(page..page + size))?;
    swapped?;
    Ok(Action(former.map(u64::from_le_bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_in_front_returns_to_where_the_programs_own_does() {
        let own = Action([
            0x40_1000,
            SA_RESTORER | libc::SA_RESETHAND as u32 as u64,
            0x40_2000,
            7,
        ]);
        assert!(own.is_function());
        let ours = own.behind(0x3f_0000);
        let flags = SA_RESTORER | libc::SA_SIGINFO as u64 | libc::SA_ONSTACK as u64;
        assert_eq!(ours, Action([0x3f_0000, flags, 0x40_2000, 7]));
        assert!(!Action([libc::SIG_IGN as u64, SA_RESTORER, 0x40_2000, 0]).is_function());
    }
}
