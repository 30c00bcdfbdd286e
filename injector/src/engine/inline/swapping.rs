//! Other rules in a program that goes on: its jumps come out, and those of the next rules go in, while no thread runs.

use std::io;
use std::mem;
use std::rc::Rc;

use super::attaching::unmap_all;
use super::whereabouts::{Code, is_thread_within};
use super::{ArmError, Armed, InlineSession, Spot, jumps, lift, verify};
use crate::engine::code::Others;
use crate::engine::guard::Guard;
use crate::engine::looks::Looks;
use crate::engine::provision::unused_copies;
use crate::engine::{Kept, Retired};
use crate::plan::Plan;
use crate::tracee::{Family, Stop, Why};

impl InlineSession {
    /// Takes the jumps out, and leaves every thread stopped: outside of goinject's code, which is given back, and of what the jumps
    /// of the next rules take. Until there is such a moment, the rules act.
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
        let code = Code::new([armed.code.clone()]);
        let is_in_code = |stops: &[Stop]| -> io::Result<bool> {
            let is_idle = armed.process.borrow().is_idle();
            Ok(!is_idle || is_thread_within(stops, &self.memory, &code)?)
        };
        let mut stops = Vec::new();
        let is_clear = self.stop_where(Some(armed), &mut stops, family, |stops| {
            Ok(!is_in_code(stops)? && !self.is_within(stops, &spots)?)
        })?;
        let mut armed = self.armed.take().expect("looked at above");
        let mut lifted = Ok(());
        let mut take_out = || {
            armed.process.borrow().disarm();
            lifted = lift(&armed.spots, &self.memory);
        };
        let mut is_outside = is_clear;
        match is_clear {
            true => take_out(),
            false => {
                // Calls that it makes from here on until it has the next rules have none.
                for stop in stops {
                    stop.resume()?;
                }
                (stops, is_outside) = armed.stop_behind(self.pid, family, &self.memory, take_out)?;
            }
        }
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
        let spots = Spot::all(&self.plan, self.bias).map_err(ArmError::Unfit)?;
        verify(&self.plan, self.bias, &self.memory, Others::None)?;
        jumps::verify(&spots, &self.memory)?;
        let mut stops = mem::take(&mut retired.stops);
        let is_clear = self.stop_where(None, &mut stops, family, |stops| {
            Ok(!self.is_within(stops, &spots)?)
        });
        retired.stops = stops;
        match is_clear {
            Ok(true) => {}
            Ok(false) => return Err(ArmError::Busy),
            Err(error) => return Err(ArmError::trace(error)),
        }
        // One that has ended is told of by its end.
        if retired.stops.is_empty() {
            return Ok(());
        }
        let mut remote = family
            .remote(self.pid, usable(&mut retired.stops))
            .map_err(ArmError::trace)?;
        let prepared = self.prepare(&mut remote, &spots);
        retired.stops.push(remote.finish().map_err(ArmError::trace)?);
        let prepared = prepared?;
        if let Some(Kept {
            plan,
            generation,
            entries: Some(entries),
            ..
        }) = retired.kept.take()
        {
            let moved = generation.moved(&plan, &self.plan, &self.generation);
            let inherited = prepared.shared.inherit(self.shared.run(), entries, &moved);
            inherited.map_err(ArmError::Memory)?;
        }
        self.arm(prepared, spots)
    }

    /// Stops every thread at a moment that is as it should be, or leaves them stopped at the last look. Whether it came to that.
    fn stop_where(
        &self,
        armed: Option<&Armed>,
        stops: &mut Vec<Stop>,
        family: &mut Family,
        is_clear: impl Fn(&[Stop]) -> io::Result<bool>,
    ) -> io::Result<bool> {
        let mut looks = Looks::begin();
        let mut resume = |stop: Stop| match armed {
            Some(armed) => armed.resume(stop, &self.memory),
            None => stop.resume(),
        };
        loop {
            if stops.is_empty() {
                *stops = family.stop_all(self.pid, &mut resume)?;
                if let Some(armed) = armed {
                    *stops = armed.clean(self.pid, mem::take(stops), family, &self.memory)?;
                }
            }
            if stops.is_empty() || is_clear(stops)? {
                return Ok(true);
            }
            let Some(pause) = looks.next() else {
                return Ok(false);
            };
            family.go_on_for(self.pid, mem::take(stops), pause, &mut resume)?;
        }
    }
}

/// A thread that can make system calls for goinject.
fn usable(stops: &mut Vec<Stop>) -> Stop {
    // One that has made a process may wait for it.
    let is_usable = |stop: &Stop| !stop.has_pending_fault() && !matches!(stop.why(), Why::Born { .. });
    let lent = stops.iter().position(is_usable).unwrap_or_default();
    stops.swap_remove(lent)
}
