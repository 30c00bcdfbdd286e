//! Other rules in a program that goes on: its jumps come out, and those of the next rules go in, while no thread runs.

use std::io;
use std::rc::Rc;
use std::time::Instant;

use super::attaching::unmap_all;
use super::{ArmError, InlineSession, Spot, lift};
use crate::engine::guard::Guard;
use crate::engine::provision::unused_copies;
use crate::engine::{Kept, Retired};
use crate::plan::Plan;
use crate::tracee::Family;

impl InlineSession {
    /// Takes the jumps out, and leaves every thread stopped: outside of goinject's code, which is given back, and of what the jumps
    /// of the next rules take. Until there is such a moment, the rules act; if there is none, calls have no rules for a while.
    pub(super) fn take_out(&mut self, next: Option<&Plan>, family: &mut Family) -> io::Result<Retired> {
        let Some(armed) = &self.armed else {
            return Ok(Retired {
                is_starting: true,
                ..Retired::default()
            });
        };
        let spots = next.map(|next| Spot::all(next, self.bias));
        // Where these can't have jumps, nobody is in their way.
        let spots = spots.and_then(Result::ok).unwrap_or_default();
        let mut stops = Vec::new();
        let is_clear = self.stop_where(Some(armed), &mut stops, family, |stops| {
            Ok(armed.is_outside(stops, &self.memory)? && !self.is_within(stops, &spots)?)
        })?;
        let mut armed = self.armed.take().expect("looked at above");
        let mut lifted = Ok(());
        let mut take_out = || {
            armed.process.borrow().disarm();
            lifted = lift(&armed.spots, &self.memory);
        };
        let mut is_outside = is_clear;
        let mut without = None;
        match is_clear {
            true => take_out(),
            false => {
                for stop in stops {
                    self.resume(Some(&armed), stop)?;
                }
                without = Some(Instant::now());
                (stops, is_outside) = self.stop_behind(&armed, family, take_out)?;
            }
        }
        self.settle(&stops);
        self.shared.remove(&armed.process);
        let process = armed.process.borrow();
        let run = self.shared.run();
        let entries = process.entries(run)?;
        process.forget(run)?;
        // Where the jumps are still in, so must be what they lead to.
        if is_outside
            && lifted.is_ok()
            && let Some(stop) = armed.remove_handlers(self.pid, &mut stops, family)?
        {
            let mut unused = armed.mapped.clone();
            unused.extend(unused_copies(&process.process(), &self.memory));
            let mut remote = family.remote(self.pid, stop)?;
            let left = unmap_all(&mut remote, &unused);
            stops.push(remote.finish()?);
            left?;
        }
        // The guard tries once more.
        lifted?;
        armed.guard.take().into_iter().for_each(Guard::dismiss);
        Ok(Retired {
            stops,
            is_starting: false,
            without,
            term_counters: process.term_counters(),
            kept: Some(Kept {
                plan: Rc::clone(&self.plan),
                generation: Rc::clone(&self.generation),
                serial: process.serial(),
                entries: Some(entries),
                _former: None,
            }),
        })
    }

    /// Arms a process of the run whose threads are stopped, or are to be. They stay so.
    ///
    /// # Errors
    /// The process has no rules, and what it was left with is as it was.
    pub(super) fn put_in(&mut self, retired: &mut Retired, family: &mut Family) -> Result<(), ArmError> {
        let spots = self.spots()?;
        self.stop_clear_of(&spots, &mut retired.stops, family)?;
        self.arm_stopped(&mut retired.stops, spots, retired.kept.take(), family)
    }
}
