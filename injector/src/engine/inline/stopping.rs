//! Stopping every thread of a process at a moment at which none is where something is about to change.

use std::time::Duration;
use std::{io, mem};

use super::armed::Armed;
use super::{ArmError, InlineSession, Spot};
use crate::engine::looks::Looks;
use crate::engine::stopped::gone;
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
            self.go_on_for(armed, mem::take(stops), pause, family)?;
        }
    }

    /// Lets stopped threads go on for a moment, those with a signal that has to wait without it.
    fn go_on_for(
        &self,
        armed: Option<&Armed>,
        stops: Vec<Stop>,
        time: Duration,
        family: &mut Family,
    ) -> io::Result<()> {
        stops.into_iter().try_for_each(|stop| self.resume(armed, stop))?;
        family.go_on_for(self.pid, Vec::new(), time, &mut |stop| self.resume(armed, stop))
    }

    /// Every thread, stopped, and none with a trap to be told of.
    pub(super) fn stop_all(&self, armed: Option<&Armed>, family: &mut Family) -> io::Result<Vec<Stop>> {
        let stops = family.stop_all(self.pid, &mut |stop| self.resume(armed, stop))?;
        match armed {
            Some(armed) => armed.clean(self.pid, stops, family, &self.memory),
            None => Ok(stops),
        }
    }

    /// Lets a thread go on: behind what it has run into, or with its signal, unless that has to wait.
    pub(super) fn resume(&self, armed: Option<&Armed>, stop: Stop) -> io::Result<()> {
        if let Some(armed) = armed {
            if armed.serve(&stop, &self.memory)? {
                return stop.resume_without_signal();
            }
            armed.traps.show_place(&stop).or_else(gone)?;
        }
        let code = armed.map_or(0..0, |armed| armed.code.clone());
        let mut dumping = self.shared.dumping.borrow_mut();
        dumping.resume(self.pid, stop, &code)
    }

    /// Stopped threads that are about to go on by themselves: those with a signal that was put off get it as it came.
    pub(super) fn settle(&self, stops: &[Stop]) {
        let mut dumping = self.shared.dumping.borrow_mut();
        stops.iter().for_each(|stop| dumping.settle(self.pid, stop));
    }
}

/// A thread that can make system calls for goinject, if there is a thread.
pub(super) fn usable(stops: &mut Vec<Stop>) -> Option<Stop> {
    // One that has made a process may wait for it; and the kernel tells less of a signal that comes behind a system call.
    let is_usable = |stop: &Stop| !stop.has_pending_fault() && !matches!(stop.why(), Why::Born { .. });
    let is_best = |stop: &Stop| is_usable(stop) && !matches!(stop.why(), Why::Signal(_));
    let best = stops.iter().position(is_best);
    let lent = best
        .or_else(|| stops.iter().position(is_usable))
        .unwrap_or_default();
    (lent < stops.len()).then(|| stops.swap_remove(lent))
}
