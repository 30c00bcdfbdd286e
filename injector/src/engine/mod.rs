//! Engines: each arms processes with plans, and gives events and counters of the run.
//!
//! An engine knows neither the command line nor reports nor the other engines. What a plan needs and
//! what a host has are data; [`select`] compares them.

mod arch;
pub mod bpf;
pub mod breakpoints;
pub mod code;
mod core_dumps;
pub mod generation;
pub mod guard;
mod handlers;
pub mod inline;
mod looks;
pub mod provision;
pub mod ptrace;
mod scanned;
pub mod select;
mod starting;
pub mod stopped;
pub mod substitute;
mod supply;
mod whereabouts;

use std::cell::RefCell;
use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use goinject_probes::inline::Faults;
use goinject_probes::native::Entries;
use goinject_probes::table::{self, Counters, TermCounters};
use goinject_rules::model::Limits;

use self::generation::{Generation, NoRoom};
use self::select::Fit;
use crate::plan::Plan;
use crate::plan::encode::LoadBias;
use crate::tracee::{Family, Follow, Obstacle, Stop};

/// A rule fired in a process.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// The process.
    pub pid: i32,
    /// The rules that it is of.
    pub generation: u32,
    /// What happened, in the words of the tables; its rule is that of the plan.
    pub row: table::Event,
}

/// What a rule did in a process whose rules are at an end, and no event has told.
#[derive(Clone, Copy, Debug)]
pub struct Untold {
    /// The process.
    pub pid: i32,
    /// The rules that it is of.
    pub generation: u32,
    /// That of the plan.
    pub rule: usize,
    /// What it did.
    pub faults: Faults,
}

/// Events on their way from sessions to whoever runs the engine.
pub(crate) type Events = Rc<RefCell<Vec<Event>>>;

/// What all rules have done so far, in all processes of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// One for each rule that there is or was, in the order of its row.
    pub counters: Vec<Counters>,
    /// Events that nobody took fast enough.
    pub dropped_events: u64,
    /// Calls that could not even be looked at.
    pub lost_hits: u64,
}

/// How far a process is when it is to be armed.
#[derive(Debug)]
pub enum Start {
    /// It has just executed its program, and is stopped before its first instruction.
    Executed(Stop),
    /// It runs, and nobody traces it.
    Running(i32),
    /// It is one of the run: its former rules have just been retired, or it had none.
    Retired {
        /// The process.
        pid: i32,
        /// How it was left.
        retired: Box<Retired>,
    },
}

/// A process of the run whose rules act no longer, so that others can take their place.
#[derive(Debug, Default)]
pub struct Retired {
    /// Its threads, stopped; none where nobody traces it, or it is still starting.
    pub stops: Vec<Stop>,
    /// Its program is still starting: its Go runtime is not set up.
    pub is_starting: bool,
    /// Since when its calls have had no rules, where it had to go on without for a while.
    pub without: Option<Instant>,
    /// What its former rules leave to those that stay.
    pub kept: Option<Kept>,
    /// How each row of the former conditions came out.
    pub term_counters: Vec<TermCounters>,
}

/// What a session leaves to the next one of the same process.
#[derive(Debug)]
pub struct Kept {
    plan: Rc<Plan>,
    generation: Rc<Generation>,
    serial: u32,
    /// Of calls and goroutines; none where BPF has it still.
    entries: Option<Entries>,
    /// Given back when this is dropped.
    _former: Option<bpf::Former>,
}

/// A process to arm.
#[derive(Debug)]
pub struct Subject<'a> {
    /// What it is to be armed with.
    pub plan: &'a Rc<Plan>,
    /// The writers that [`select`] chose for it.
    pub fit: &'a Fit,
    /// How far its program lies from where it was linked to.
    pub bias: LoadBias,
    /// How far it is.
    pub start: Start,
    /// Whether the processes that it starts are wanted, too.
    pub follow: Follow,
    /// Whether it descends from goinject.
    pub is_child: bool,
}

/// Why a process can't be armed.
#[derive(Debug, thiserror::Error)]
pub enum ArmError {
    /// BPF refused.
    #[error(transparent)]
    Bpf(#[from] bpf::ArmError),
    /// Breakpoints are refused.
    #[error(transparent)]
    Ptrace(#[from] ptrace::ArmError),
    /// Jumps are refused.
    #[error(transparent)]
    Inline(#[from] inline::ArmError),
}

/// An engine of one run.
pub trait Engine {
    /// Arms a process. It goes on, and until its end the session has to be given what becomes of it.
    ///
    /// # Errors
    /// The process is as it was; a stopped one is still stopped, and of the family.
    fn arm(&mut self, subject: Subject<'_>, family: &mut Family) -> Result<Box<dyn Session>, ArmError>;

    /// Has processes that are armed from now on have other rules: `kept` says where each was in the generation before, if it was
    /// there. Limits count from the start of the run.
    ///
    /// # Errors
    /// There is no room for them.
    fn turn(&mut self, kept: &[Option<usize>], limits: &Limits) -> Result<(), NoRoom>;

    /// The generation of rules that processes are armed with now.
    fn generation(&self) -> &Generation;

    /// What all rules have done so far.
    fn tally(&self) -> Tally;

    /// Lets faults go on for so long from now. If nobody extends that, they end then, also those that the kernel or code in
    /// the target decides on.
    fn extend(&self, lease: Duration);

    /// The events since the last call, in order of time.
    fn take_events(&mut self) -> Vec<Event>;

    /// What has come to an end since the last call, and is known of each process by more than its events.
    fn take_untold(&mut self) -> Vec<Untold> {
        Vec::new()
    }

    /// Descriptors that become readable when there are events.
    fn wake_fds(&self) -> Vec<RawFd>;
}

/// Whether a process's rules act already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its program has not come far enough.
    Starting,
    /// They do.
    Armed,
}

/// What a process keeps of what it was given: it does no harm, but the process is not quite as it was found.
#[derive(Debug, thiserror::Error)]
#[error("{what}, since goinject could not take it back: {why}")]
pub struct Leftover {
    /// In words, as what a process keeps.
    pub what: String,
    /// What the kernel said.
    pub why: io::Error,
}

impl Leftover {
    /// What is left if taking it back has failed, and not because the process is gone.
    pub fn of(what: impl Into<String>, taken_back: io::Result<()>) -> Option<Leftover> {
        let why = taken_back.err()?;
        (Obstacle::of(&why) != Some(&Obstacle::Ended)).then(|| Leftover {
            what: what.into(),
            why,
        })
    }
}

/// A process with its rules armed, or about to be.
pub trait Session {
    /// Whether the rules act.
    fn state(&self) -> State;

    /// Takes a stop of one of the process's threads, or of a process that runs in its memory, and resumes it.
    ///
    /// # Errors
    /// The rules can't be armed after all; the thread is still stopped then, and the process is to go on without them.
    fn stopped(&mut self, stop: Stop, family: &mut Family) -> Result<(), SessionError>;

    /// Has memory ready for the copies that values get, before it is needed. To be called again and again.
    fn supply(&mut self);

    /// A thread of the process is gone.
    fn thread_gone(&mut self, tid: i32);

    /// The process has started another with a copy of its memory, which is stopped: nothing of the session is to stay
    /// in there.
    ///
    /// # Errors
    /// The copy can't be written.
    fn forked(&mut self, child: i32) -> io::Result<()>;

    /// The program that was armed is gone: the process has ended, or executes another.
    fn gone(&mut self);

    /// Takes the rules out and leaves the process as it is, for [`Start::Retired`] with the next plan, if it has one. What it was
    /// begun to do is done.
    ///
    /// # Errors
    /// Those of ptrace.
    fn retire(&mut self, next: Option<&Plan>, family: &mut Family) -> io::Result<Retired>;

    /// Takes every probe off. The process goes on as it was found, and is none of the family's any more. What it has to
    /// keep is returned.
    ///
    /// # Errors
    /// Those of ptrace, or a probe can't be taken off.
    fn let_go(&mut self, family: &mut Family) -> io::Result<Option<Leftover>>;

    /// How each row of the conditions has come out so far.
    fn term_counters(&self) -> Vec<TermCounters>;

    /// Why the process has breakpoints, where jumps were chosen for it.
    fn why_breakpoints(&self) -> Option<&str> {
        None
    }
}

/// What goes wrong in a session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The rules can't be armed.
    #[error(transparent)]
    Arm(#[from] ArmError),
    /// A thread is out of reach.
    #[error(transparent)]
    Lost(#[from] io::Error),
}
