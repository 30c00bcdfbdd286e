//! Stopping every thread of a process at a moment at which none is where something is about to change.

use std::{io, mem};

use super::armed::Armed;
use super::{ArmError, InlineSession, Spot};
use crate::engine::looks::Looks;
use crate::tracee::{Family, Stop, Why};

impl InlineSession {
    /// Stops every thread at a moment when neither one of them nor a preempted goroutine is to go on within what jumps take. In any
    /// case `stops` are those that are stopped.
    ///
    /// # Errors
    /// There was no such moment, or those of ptrace.
    pub(super) fn stop_clear_of(
        &self,
        spots: &[Spot],
        stops: &mut Vec<Stop>,
        family: &mut Family,
    ) -> Result<(), ArmError> {
        let is_clear = |stops: &[Stop]| Ok(!self.is_within(stops, spots)?);
        match self.stop_where(None, stops, family, is_clear) {
            Ok(true) => Ok(()),
            Ok(false) => Err(ArmError::Busy),
            Err(error) => Err(ArmError::trace(error)),
        }
    }

    /// Stops every thread, has `lift` take the jumps and traps out, and waits until none is within goinject's code. Whether that
    /// came about.
    ///
    /// # Errors
    /// Those of ptrace.
    pub(super) fn stop_behind(
        &self,
        armed: &Armed,
        family: &mut Family,
        lift: impl FnOnce(),
    ) -> io::Result<(Vec<Stop>, bool)> {
        let mut stops = self.stop_all(Some(armed), family)?;
        lift();
        let is_outside = |stops: &[Stop]| armed.is_outside(stops, &self.memory);
        let is_outside = self.stop_where(Some(armed), &mut stops, family, is_outside)?;
        Ok((stops, is_outside))
    }

    /// Stops every thread at a moment that is as it should be, or leaves them stopped at the last look. Whether it came to that.
    pub(super) fn stop_where(
        &self,
        armed: Option<&Armed>,
        stops: &mut Vec<Stop>,
        family: &mut Family,
        is_clear: impl Fn(&[Stop]) -> io::Result<bool>,
    ) -> io::Result<bool> {
        let mut looks = Looks::begin();
        loop {
            if stops.is_empty() {
                *stops = self.stop_all(armed, family)?;
            }
            if stops.is_empty() || is_clear(stops)? {
                return Ok(true);
            }
            let Some(pause) = looks.next() else {
                return Ok(false);
            };
            let mut resume = |stop| self.resume(armed, stop);
            family.go_on_for(self.pid, mem::take(stops), pause, &mut resume)?;
        }
    }

    /// Every thread, stopped, and none with a trap to be told of.
    fn stop_all(&self, armed: Option<&Armed>, family: &mut Family) -> io::Result<Vec<Stop>> {
        let stops = family.stop_all(self.pid, &mut |stop| self.resume(armed, stop))?;
        match armed {
            Some(armed) => armed.clean(self.pid, stops, family, &self.memory),
            None => Ok(stops),
        }
    }

    fn resume(&self, armed: Option<&Armed>, stop: Stop) -> io::Result<()> {
        match armed {
            Some(armed) => armed.resume(stop, &self.memory),
            None => stop.resume(),
        }
    }
}

/// A thread that can make system calls for goinject.
pub(super) fn usable(stops: &mut Vec<Stop>) -> Stop {
    // One that has made a process may wait for it.
    let is_usable = |stop: &Stop| !stop.has_pending_fault() && !matches!(stop.why(), Why::Born { .. });
    let lent = stops.iter().position(is_usable).unwrap_or_default();
    stops.swap_remove(lent)
}
