//! Breakpoints in a running program, served through ptrace: what becomes of a thread that comes to one is decided, and it goes on
//! in a displaced copy of the instruction.

mod arch;
mod ground;
mod sampled;
mod traps;

use std::io;
use std::ops::Range;

use goinject_probes::native::Hit;
use goinject_probes::table::Event;

use self::arch::Trap;
pub(super) use self::ground::Ground;
pub use self::ground::Refusal;
pub(super) use self::traps::Traps;
use super::guard::Guard;
use super::stopped::StoppedThread;
use crate::plan::Plan;
use crate::plan::encode::LoadBias;
use crate::tracee::{Family, Memory, Remote, Stop, borrow_thread};

/// Why breakpoints can't be put in.
#[derive(Debug, thiserror::Error)]
pub enum InsertError {
    /// The target's code is out of reach.
    #[error("cannot trace the target: {0}")]
    Trace(io::Error),
    /// The guard process did not start.
    #[error("cannot start the process that guards the breakpoints: {0}")]
    Guard(io::Error),
}

/// A breakpoint to be.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    /// The row of its site.
    site: u32,
    /// Run-time address.
    address: u64,
    /// The instruction there.
    bytes: Vec<u8>,
}

impl Spot {
    /// At the site of this row.
    pub(super) fn new(site: u32, address: u64, bytes: Vec<u8>) -> Spot {
        Spot { site, address, bytes }
    }

    /// Those of a plan's sites that are wanted.
    pub(super) fn of(plan: &Plan, bias: LoadBias, is_wanted: impl Fn(usize) -> bool) -> Vec<Spot> {
        let sites = plan.sites.iter().enumerate().zip(0..);
        let wanted = sites.filter(|((n, _), _)| is_wanted(*n));
        wanted
            .map(|((_, place), site)| {
                let address = bias.apply(place.instruction.address);
                Spot::new(site, address, place.instruction.bytes.clone())
            })
            .collect()
    }

    /// The bytes that the breakpoint is over.
    fn original(&self) -> Trap {
        *self
            .bytes
            .first_chunk()
            .expect("no instruction is shorter than a breakpoint")
    }
}

/// All breakpoints of a target. Dropping this leaves them in, and the guard takes them out.
#[derive(Debug)]
pub(super) struct Breakpoints {
    pid: i32,
    traps: Traps,
    ground: Ground,
    guard: Option<Guard>,
}

impl Breakpoints {
    /// Puts breakpoints in, while every thread is stopped.
    pub(super) fn insert(
        memory: &Memory,
        pid: i32,
        ground: Ground,
        spots: Vec<Spot>,
    ) -> Result<Breakpoints, InsertError> {
        let traps = Traps::new(spots, ground.copies.clone());
        let guard = Guard::start(memory, pid, &traps.patches()).map_err(InsertError::Guard)?;
        let breakpoints = Breakpoints {
            pid,
            traps,
            ground,
            guard: Some(guard),
        };
        breakpoints.traps.insert(memory).map_err(InsertError::Trace)?;
        Ok(breakpoints)
    }

    /// Has a thread that is at one of the breakpoints go on behind it; see [`Traps::serve`].
    pub(super) fn serve(
        &self,
        stop: &Stop,
        memory: &Memory,
        events: &mut Vec<Event>,
        decide: impl FnOnce(&mut StoppedThread<'_>, &mut Hit),
    ) -> io::Result<bool> {
        self.traps.serve(stop, memory, events, decide)
    }

    /// See [`Traps::show_place`].
    pub(super) fn show_place(&self, stop: &Stop) -> io::Result<bool> {
        self.traps.show_place(stop)
    }

    /// Where threads go on that have come to one of them.
    pub(super) fn code(&self) -> &Range<u64> {
        &self.ground.page
    }

    /// See [`Traps::clean`].
    pub(super) fn clean(
        &self,
        stops: Vec<Stop>,
        family: &mut Family,
        serve: &mut dyn FnMut(&Stop) -> io::Result<bool>,
    ) -> io::Result<Vec<Stop>> {
        self.traps.clean(self.pid, stops, family, serve)
    }

    /// A thread of the process is gone.
    pub(super) fn thread_gone(&self, tid: i32) {
        self.traps.thread_gone(tid);
    }

    /// Takes the breakpoints out. Threads may be anywhere.
    ///
    /// # Errors
    /// One of them can't be written over. A target that is gone or runs another program has none.
    pub(super) fn lift(&self, memory: &Memory) -> io::Result<()> {
        let lifted = self.traps.lift(memory);
        match self.are_in(memory) {
            true => lifted,
            false => Ok(()),
        }
    }

    /// Whether the program that has the breakpoints still runs.
    pub(super) fn are_in(&self, memory: &Memory) -> bool {
        memory.word(self.ground.page.start).is_ok()
    }

    /// Gives the traps' signal back its former action, once no thread can have one pending. The copies stay
    /// mapped: a thread may be interrupted within one.
    pub(super) fn restore_action(&self, remote: &mut Remote) -> io::Result<()> {
        self.ground.restore_action(remote)
    }

    /// Has a target that has been let go, but for the thread that is lent, take back what it was given: the signal's action, and
    /// what `also` does. The breakpoints have been lifted.
    ///
    /// # Errors
    /// It has to keep that.
    pub(super) fn leave(
        &mut self,
        lent: Option<Stop>,
        is_child: bool,
        (family, memory): (&Family, &Memory),
        also: impl FnOnce(&mut Remote) -> io::Result<()>,
    ) -> io::Result<()> {
        let leave = |remote: &mut Remote| {
            if !self.are_in(memory) {
                return Ok(());
            }
            self.restore_action(remote)?;
            also(remote)
        };
        let left = match lent {
            Some(stop) => family.lend_last(self.pid, stop, leave),
            None if is_child => Ok(()),
            None => borrow_thread(self.pid, leave),
        };
        self.dismiss_guard();
        left
    }

    /// Sees the guard off: no breakpoint is left.
    pub(super) fn dismiss_guard(&mut self) {
        if let Some(guard) = self.guard.take() {
            guard.dismiss();
        }
    }
}

/// What stays where the signal can't be given back its former action.
pub(super) const LEFT: &str = "goinject's handler of SIGSEGV, which passes on what is not its own";
