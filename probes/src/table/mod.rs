//! The tables: what the planner writes and the decision core reads. The C side is `bpf/abi.h`.

mod call;
mod condition;
mod edit;
mod event;
mod limits;
mod place;
mod reason;
mod rule;
mod site;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub use call::*;
pub use condition::*;
pub use edit::*;
pub use event::*;
pub use limits::*;
pub use place::*;
pub use reason::*;
pub use rule::*;
pub use site::*;

/// A general register, in the order in which the tables and the hit number them (`bpf/arch/amd64/goabi.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "register names say themselves")]
pub enum GeneralRegister {
    Rax,
    Rbx,
    Rcx,
    Rdi,
    Rsi,
    R8,
    R9,
    R10,
    R11,
    Rdx,
    Rsp,
    Rbp,
    R12,
    R13,
    R14,
    R15,
}

/// Facts of the target, and the switch. Addresses are run-time; 0 unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Control {
    /// 0: every probe passes.
    pub armed: u32,
    #[doc(hidden)]
    pub padding: u32,
    /// g's place relative to the thread pointer.
    pub tls_g: i64,
    /// Of the goroutine id, in g.
    pub goid_offset: u64,
    /// Of the thread's m, in g.
    pub m_offset: u64,
    /// Of the goroutine that it runs, in m.
    pub curg_offset: u64,
    /// `runtime.writeBarrier`.
    pub write_barrier: u64,
    /// `time.Sleep`.
    pub sleep: u64,
    /// Behind the only CALL in `runtime.Gosched`, or in a function like it.
    pub frame_return: u64,
    /// Run-time address of the interface table of `*errors.errorString` as `error`; 0 unknown.
    pub error_string: u64,
    /// And of `syscall.Errno`.
    pub errno: u64,
    /// Memory in the target for copies: the next free byte. None is used twice.
    pub copies_next: u64,
    /// Its end.
    pub copies_end: u64,
    /// Of every chance decision.
    pub seed: u64,
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub armed_at: u64,
    /// Nanoseconds of `CLOCK_MONOTONIC`: no faults from then on; 0 none. Until it is armed, counted from then.
    pub deadline: u64,
    /// No more faults than this.
    pub fault_limit: u64,
    /// Fired so far, against the limit.
    pub faults: u64,
    /// Events that found no room.
    pub dropped_events: u64,
    /// Calls that could not even be looked at: no room for another thread.
    pub lost_hits: u64,
}

impl Control {
    /// Lets probes act from now on.
    pub fn start(&mut self) {
        self.armed_at = now();
        if self.deadline != 0 {
            self.deadline += self.armed_at;
        }
        self.armed = 1;
    }
}

/// Nanoseconds of `CLOCK_MONOTONIC`, the core's clock.
pub fn now() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).expect("every kernel has it");
    u64::try_from(std::time::Duration::from(now).as_nanos()).expect("centuries fit")
}

/// All rows of one plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// Indexed by attach cookie.
    pub sites: Vec<Site>,
    /// Rules at sites.
    pub bindings: Vec<Binding>,
    /// Rules.
    pub rules: Vec<Rule>,
    /// Words to overwrite.
    pub edits: Vec<Edit>,
    /// Rows of conditions.
    pub terms: Vec<Term>,
    /// Texts that conditions compare with.
    pub texts: Vec<FixedText>,
    /// Code that rules must be called within.
    pub ranges: Vec<Range>,
    /// Facts of the target.
    pub control: Control,
}
