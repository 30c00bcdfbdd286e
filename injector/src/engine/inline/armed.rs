//! A process while its rules act: its threads are served, and are brought out of goinject's code in the end.

use std::cell::RefCell;
use std::io;
use std::ops::Range;
use std::rc::Rc;

use goinject_probes::inline::SharedProcess;

use super::InlineSession;
use super::faults::Faults;
use super::jumps::Spot;
use super::stopping::usable;
use crate::engine::breakpoints::Traps;
use crate::engine::core_dumps::Dumped;
use crate::engine::guard::Guard;
use crate::engine::handlers::Handler;
use crate::engine::stopped::gone;
use crate::engine::supply::Supply;
use crate::engine::whereabouts::{Code, is_thread_within};
use crate::tracee::{Family, Memory, Stop};

/// What is in a process while its rules act.
pub(super) struct Armed {
    pub(super) spots: Vec<Spot>,
    /// At those that have no jump.
    pub(super) traps: Traps,
    pub(super) faults: Faults,
    pub(super) handlers: Vec<Handler>,
    pub(super) process: Rc<RefCell<SharedProcess>>,
    pub(super) supply: Option<Supply>,
    pub(super) guard: Option<Guard>,
    /// goinject's code in the process.
    pub(super) code: Range<u64>,
    /// All memory that the process shares or got for it.
    pub(super) mapped: Vec<Range<u64>>,
}

impl Armed {
    /// Has a thread go on that has come to a trap, or faulted in the core, when it is resumed without the signal; false if it stopped
    /// for another reason.
    pub(super) fn serve(&self, stop: &Stop, memory: &Memory) -> io::Result<bool> {
        let served = self.faults.serve(stop).and_then(|is_served| {
            // What becomes of its call is decided behind the trap, in the program.
            Ok(is_served || self.traps.serve(stop, memory, &mut Vec::new(), |_, _| ())?)
        });
        served.or_else(gone)
    }

    /// Stopped threads of a process, none with a trap to be told of, nor on its way from one: such a thread is in goinject's code at
    /// each look if it runs in a loop with a trap, whose stops take most of its time. Nothing has been decided about its call.
    pub(super) fn clean(
        &self,
        pid: i32,
        stops: Vec<Stop>,
        family: &mut Family,
        memory: &Memory,
    ) -> io::Result<Vec<Stop>> {
        let serve = &mut |stop: &Stop| self.serve(stop, memory);
        let stops = self.traps.clean(pid, stops, family, serve)?;
        for stop in &stops {
            self.traps.step_back(stop).or_else(gone)?;
        }
        Ok(stops)
    }

    /// Whether none of the threads, which are all stopped, is within goinject's code.
    pub(super) fn is_outside(&self, stops: &[Stop], memory: &Memory) -> io::Result<bool> {
        let code = Code::new([self.code.clone()]);
        Ok(self.process.borrow().is_idle() && !is_thread_within(stops, memory, &code)?)
    }

    /// Gives the signals back their former actions, by one of the stopped threads, none of which is within goinject's code. That
    /// thread, where no handler of the program's own may still pass signals on to goinject's.
    ///
    /// # Errors
    /// Those of ptrace.
    pub(super) fn remove_handlers(
        &self,
        pid: i32,
        stops: &mut Vec<Stop>,
        family: &Family,
    ) -> io::Result<Option<Stop>> {
        let Some(stop) = usable(stops) else {
            return Ok(None);
        };
        let mut remote = family.remote(pid, stop)?;
        let removed = self
            .handlers
            .iter()
            .try_fold(true, |all, handler| Ok(handler.remove(&mut remote)? && all));
        let stop = remote.finish()?;
        match removed {
            Ok(true) => Ok(Some(stop)),
            Ok(false) => {
                stops.push(stop);
                Ok(None)
            }
            Err(error) => {
                stops.push(stop);
                Err(error)
            }
        }
    }
}

/// A process that is about to end with a dump of its memory.
pub(super) struct Ending<'a> {
    pub(super) session: &'a InlineSession,
    pub(super) armed: &'a Armed,
}

impl Dumped for Ending<'_> {
    fn stop_all(&self, family: &mut Family) -> io::Result<Vec<Stop>> {
        self.session.stop_all(Some(self.armed), family)
    }

    fn lift(&self) -> io::Result<()> {
        self.armed.process.borrow().disarm();
        lift(&self.armed.spots, &self.session.memory)
    }

    fn is_outside(&self, stops: &[Stop]) -> io::Result<bool> {
        self.armed.is_outside(stops, &self.session.memory)
    }

    fn resume(&self, stop: Stop) -> io::Result<()> {
        self.session.resume(Some(self.armed), stop)
    }
}

/// Puts the instructions back. Threads are stopped, or it is a copy of the process that has not run yet.
pub(super) fn lift(spots: &[Spot], memory: &Memory) -> io::Result<()> {
    let mut first = Ok(());
    for spot in spots {
        first = first.and(memory.write(spot.address, &spot.bytes));
    }
    first
}
