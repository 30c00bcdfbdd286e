//! Facts of the run, facts of one of its processes, and their switches.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `gi_process.armed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Armed {
    /// Its probes pass.
    Disarmed = 0,
    /// Its probes act.
    Armed = 1,
    /// It runs another program: its probes pass, and it can't be armed any more.
    Executed = 2,
}

/// Facts of one process, and its switch. Addresses are run-time; 0 unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Process {
    /// [`Armed`].
    pub armed: u32,
    /// From 1; no other process of the run has or had it. Rows are used again.
    pub serial: u32,
    /// In goinject's PID namespace.
    pub pid: u32,
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
    /// The end of what there is by now: more is supplied as it is used.
    pub copies_end: u64,
    /// The end of what there can be.
    pub copies_limit: u64,
    /// Which of its words the garbage collector scans, a byte for each [`super::PIECE`], counted from address 0; 0 as long as it
    /// does not know of that memory.
    pub copies_scanned: u64,
    /// `runtime.gopanic`.
    pub gopanic: u64,
    /// Behind the CALL of it in `runtime.panicdivide`.
    pub panic_return: u64,
    /// Of the id of the goroutine that started this one, in g; 0 unknown.
    pub parent_offset: u64,
    /// Of the name, in `testing.T`, `B` and `F`.
    pub test_name: u64,
    /// Not 0: Go tests are told apart.
    pub tests: u32,
    /// Patterns over their names.
    pub globs: u32,
    /// First row of their automata: what these count from.
    pub first_state: u32,
    /// First range of the code with which package testing prints on the goroutines of tests.
    pub first_printing: u32,
    /// How many.
    pub printing: u32,
    /// Not 0: the calls that fire are those of [`super::Tables::forced`], whatever the triggers say.
    pub forced: u32,
    /// Tells the program from others.
    pub build: u64,
    /// How far it lies from where it was linked to.
    pub bias: u64,
}

/// The run: what all its processes share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Control {
    /// 0: every probe of every process passes.
    pub armed: u32,
    /// Rows of [`super::Tables::forced`].
    pub forced: u32,
    /// Of every chance decision.
    pub seed: u64,
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub armed_at: u64,
    /// Nanoseconds of `CLOCK_MONOTONIC`: no faults from then on; 0 none. Until it is armed, counted from then.
    pub deadline: u64,
    /// No more faults than this.
    pub fault_limit: u64,
    /// Events that found no room.
    pub dropped_events: u64,
    /// Calls that could not even be looked at: no room for another thread.
    pub lost_hits: u64,
    /// Goroutines that were noted as members of a Go test.
    pub members: u64,
    /// Tests and goroutines that could not be noted.
    pub untold: u64,
    /// Not 0: calls are numbered, so that another run recognizes them.
    pub numbers: u64,
    /// Nanoseconds of `CLOCK_MONOTONIC`: no faults from then on, since nobody has extended it; 0 none.
    pub lease: u64,
    /// No more events of a rule than this from each slot of a process, where the core is inside: nobody takes them.
    pub event_limit: u64,
    #[doc(hidden)]
    pub padding: [u64; 4],
    /// Fired so far, against the limit. What the inline core counts while there is none is not in it.
    pub faults: u64,
    #[doc(hidden)]
    pub padding2: [u64; 7],
}

impl Control {
    /// Starts the run: its clock, and its processes as they are armed.
    pub fn start(&mut self) {
        self.armed_at = now();
        if self.deadline != 0 {
            self.deadline = self.deadline.saturating_add(self.armed_at);
        }
        self.armed = 1;
    }
}

/// Nanoseconds of `CLOCK_MONOTONIC`, the core's clock.
pub fn now() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).expect("every kernel has it");
    u64::try_from(std::time::Duration::from(now).as_nanos()).expect("centuries fit")
}
