//! Sites: where probes are.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `gi_site.kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SiteKind {
    /// Where arguments are in place.
    Entry = 0,
    /// A RET.
    Return = 1,
    /// `runtime.sigtramp`, for the signal-frame writer.
    Signal = 2,
    /// The CALL of `runtime.morestack` in a function that can be delayed.
    Slot = 3,
}

/// `gi_site.writer`: how edits reach the target at a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum WriterKind {
    /// Only observed.
    None = 0,
    /// User memory, at once.
    Memory = 1,
    /// Registers of the probe's context, and user memory, at once.
    Context = 2,
    /// A signal to the thread; edits go into its signal frame.
    Frame = 3,
    /// A signal to the thread; its tracer makes the edits.
    Tracer = 4,
    /// The caller of the core: the ptrace engine.
    Direct = 5,
}

/// `gi_site.flags`: g is in its own register.
pub const SITE_REGISTER_G: u8 = 1;
/// `gi_site.flags`: the instruction uses up an argument, so edits after it must run it again.
pub const SITE_RESTART: u8 = 2;
/// `gi_site.flags`: a condition reads floating-point registers, so it is decided where they are in reach.
pub const SITE_FLOATS: u8 = 4;
/// `gi_site.flags`: a goroutine may come back here after a delay.
pub const SITE_DELAYS: u8 = 8;
/// `gi_site.flags`: it can be sent to `time.Sleep` through its slot; else it yields.
pub const SITE_SLEEPS: u8 = 16;
/// `gi_site.flags`: a Go test begins here.
pub const SITE_TEST: u8 = 32;
/// `gi_site.flags`: a goroutine is started here.
pub const SITE_SPAWN: u8 = 64;

/// `gi_site.lead`: where the probed instruction leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Lead {
    /// The next instruction.
    Next = 0,
    /// The next instruction or the branch target.
    Branch = 1,
    /// The branch or call target.
    Target = 2,
    /// The word at the stack pointer.
    Return = 3,
}

/// One probe. Its row number is its attach cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Site {
    /// Run-time address of the probed instruction.
    pub address: u64,
    /// Run-time address: at an entry of the code that leads to the slot, at a slot of where its CALL returns to.
    pub slot: u64,
    /// First row in the binding table.
    pub first_binding: u32,
    /// How many.
    pub bindings: u32,
    /// From the instruction's address to its branch target.
    pub displacement: i32,
    /// [`SiteKind`].
    pub kind: u8,
    /// `SITE_*`.
    pub flags: u8,
    /// [`WriterKind`].
    pub writer: u8,
    /// [`Lead`].
    pub lead: u8,
    /// Bytes of the instruction.
    pub length: u8,
    /// With any of these flags set it is on its way to morestack, and not a call yet.
    pub check_flags: u8,
    #[doc(hidden)]
    pub padding: [u8; 2],
    /// Row of the process that it is in.
    pub process: u32,
}
