//! A stopped call, and the core's working memory for it. The C side is `bpf/hit.h`.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::table::{
    CONDITION_TEXT, Call, CallKey, Delay, EDITS, Event, FIRED, Fired, GKey, GoroutineKey, REGISTERS,
};

/// One stopped call: the thread's registers before the probed instruction, edits included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Hit {
    /// General registers in the order of [`crate::table::GeneralRegister`].
    pub registers: [u64; REGISTERS],
    /// Address of the probed instruction.
    pub pc: u64,
    /// RFLAGS.
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
struct Planned {
    address: u64,
    base: u32,
    index: u32,
    before: u64,
    after: u64,
    extra: u64,
    size: u32,
    kind: u8,
    source: u8,
    known: u8,
    padding: u8,
}

/// `gi_scratch.state`: waiting for the signal that brings the thread to where edits can be made.
const SCRATCH_SIGNAL: u32 = 1;

/// A thread's scratch: a call, the rules that fired in it, and what they are about to do.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Scratch {
    state: u32,
    stage: u32,
    fired_count: u32,
    writes: u32,
    slept: u32,
    next_row: u32,
    /// The call, as it was saved by the BPF program.
    pub hit: Hit,
    found: [u64; 2],
    word: [u64; 4],
    applying: [u32; 4],
    operand: [u64; 2],
    truths: u64,
    depth: u64,
    length: [u64; 2],
    text: [u8; CONDITION_TEXT],
    other_text: [u8; CONDITION_TEXT],
    g_key: GKey,
    call_key: CallKey,
    call: Call,
    goroutine_key: GoroutineKey,
    delay: Delay,
    fired: [Fired; FIRED],
    planned: [Planned; EDITS],
    event: Event,
}

impl Scratch {
    /// Whether something waits to be done where edits can be made.
    pub fn is_waiting(&self) -> bool {
        self.state == SCRATCH_SIGNAL
    }
}
