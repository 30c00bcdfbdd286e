//! A stopped call, and the core's working memory for it. The C side is `bpf/hit.h`.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::table::{
    CONDITION_TEXT, Call, CallKey, Delay, EDITS, Event, FIRED, Fired, GKey, GoroutineKey, Member, MemberKey,
    REGISTERS,
};

/// One stopped call: the thread's registers before the probed instruction, edits included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Hit {
    /// General registers in the order of [`crate::table::GeneralRegister`].
    pub registers: [u64; REGISTERS],
    /// Address of the probed instruction.
    pub pc: u64,
    /// The flags register.
    pub flags: u64,
    /// Address of the goroutine's `runtime.g`; 0 unknown.
    pub g: u64,
    #[doc(hidden)]
    pub host: u64,
    /// Where the thread goes on, if it is redirected.
    pub to: u64,
    /// Not 0: the thread goes on at `to`, with all general registers as they are here.
    pub redirected: u32,
    /// Bit n: `registers[n]` was edited.
    pub dirty: u32,
    /// Not 0: something was edited, memory included.
    pub edited: u32,
    /// Row of the site.
    pub site: u32,
    /// Thread id.
    pub tid: u32,
    /// Row of the process.
    pub process: u32,
    /// Its serial.
    pub serial: u32,
    #[doc(hidden)]
    pub padding: u32,
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Planned {
    pub(super) address: u64,
    pub(super) base: u32,
    pub(super) index: u32,
    pub(super) before: u64,
    pub(super) after: u64,
    pub(super) extra: u64,
    pub(super) size: u32,
    pub(super) kind: u8,
    pub(super) source: u8,
    pub(super) known: u8,
    pub(super) flags: u8,
}

/// `gi_scratch.state`: waiting for the signal that brings the thread to where edits can be made.
const SCRATCH_SIGNAL: u32 = 1;

/// A thread's scratch: a call, the rules that fired in it, and what they are about to do.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Scratch {
    pub(super) state: u32,
    pub(super) stage: u32,
    pub(super) fired_count: u32,
    pub(super) writes: u32,
    pub(super) slept: u32,
    pub(super) next_row: u32,
    /// The call, as it was saved by the BPF program.
    pub hit: Hit,
    pub(super) found: [u64; 2],
    pub(super) word: [u64; 4],
    pub(super) applying: u32,
    pub(super) level: u32,
    pub(super) low: u32,
    pub(super) high: u32,
    pub(super) operand: [u64; 2],
    pub(super) truths: u64,
    pub(super) depth: u64,
    pub(super) length: [u64; 2],
    pub(super) text: [u8; CONDITION_TEXT],
    pub(super) other_text: [u8; CONDITION_TEXT],
    pub(super) search: [u64; 9],
    pub(super) element: [u64; 2],
    pub(super) error: [u64; 2],
    pub(super) ended: u32,
    pub(super) padding: u32,
    pub(super) g_key: GKey,
    pub(super) call_key: CallKey,
    pub(super) call: Call,
    pub(super) goroutine_key: GoroutineKey,
    pub(super) place: u64,
    pub(super) number: u64,
    pub(super) member_key: MemberKey,
    pub(super) member: Member,
    pub(super) delay: Delay,
    pub(super) fired: [Fired; FIRED],
    pub(super) planned: [Planned; EDITS],
    pub(super) event: Event,
}

impl Scratch {
    /// Whether something waits to be done where edits can be made.
    pub fn is_waiting(&self) -> bool {
        self.state == SCRATCH_SIGNAL
    }
}
