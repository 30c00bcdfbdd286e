//! Jumps in a program that runs already, and what is taken back from one that goes on without.

use std::io;
use std::ops::Range;

use super::stopping::usable;
use super::{ArmError, InlineSession, Spot, jumps, verify};
use crate::engine::Kept;
use crate::engine::code::Others;
use crate::engine::provision::unmap;
use crate::engine::whereabouts::{Code, Preemption, is_goroutine_within, is_thread_within};
use crate::tracee::{Family, Follow, Obstacle, Remote, Stop};

impl InlineSession {
    /// Arms a running process.
    pub(super) fn attach(&mut self, family: &mut Family) -> Result<(), ArmError> {
        Obstacle::if_traced(self.pid).map_err(ArmError::trace)?;
        let spots = self.spots()?;
        // Also where processes are not wanted: a jump must not be left in one.
        family
            .attach(self.pid, Follow::Processes)
            .map_err(ArmError::trace)?;
        let mut stops = Vec::new();
        let armed = self
            .stop_clear_of(&spots, &mut stops, family)
            .and_then(|()| match stops.is_empty() {
                true => Err(ArmError::trace(io::Error::from_raw_os_error(libc::ESRCH))),
                false => self.arm_stopped(&mut stops, spots, None, family),
            });
        if let Err(error) = armed {
            family.let_go(self.pid, stops).map_err(ArmError::trace)?;
            return Err(error);
        }
        stops
            .into_iter()
            .try_for_each(Stop::resume)
            .map_err(ArmError::trace)
    }

    /// Whether one of the threads, which are all stopped, or a preempted goroutine is to go on within what jumps take.
    pub(super) fn is_within(&self, stops: &[Stop], spots: &[Spot]) -> io::Result<bool> {
        if spots.is_empty() {
            return Ok(false);
        }
        let windows = || spots.iter().filter_map(Spot::inside);
        let parts = self.plan.runtime.preemption.iter().map(|part| {
            let [start, end] = [part.code.start, part.code.end].map(|address| self.bias.apply(address));
            (start..end, part.depth)
        });
        let (code, preemption) = (Code::new(windows()), Preemption::new(parts.clone()));
        // A thread that is about to save a goroutine's registers, or to load them, has not put its frame there, or no more.
        let of_threads = Code::new(windows().chain(parts.map(|(code, _)| code)));
        let (pid, memory) = (self.pid, &self.memory);
        Ok(is_thread_within(stops, memory, &of_threads)?
            || is_goroutine_within(pid, memory, &code, &preemption)?)
    }

    /// Where the jumps and traps go, all of it being as it was planned for.
    pub(super) fn spots(&self) -> Result<Vec<Spot>, ArmError> {
        let spots = Spot::all(&self.plan, self.bias).map_err(ArmError::Unfit)?;
        verify(&self.plan, self.bias, &self.memory, Others::None)?;
        jumps::verify(&spots, &self.memory)?;
        Ok(spots)
    }

    /// Gives the process what it needs, through one of its stopped threads, with what its former rules have left to it, and puts
    /// the jumps in. One without a thread has ended, which is told by itself.
    pub(super) fn arm_stopped(
        &mut self,
        stops: &mut Vec<Stop>,
        spots: Vec<Spot>,
        kept: Option<Kept>,
        family: &Family,
    ) -> Result<(), ArmError> {
        let Some(stop) = usable(stops) else {
            return Ok(());
        };
        let mut remote = family.remote(self.pid, stop).map_err(ArmError::trace)?;
        let prepared = self.prepare(&mut remote, spots);
        stops.push(remote.finish().map_err(ArmError::trace)?);
        let prepared = prepared?;
        if let Some(Kept {
            plan,
            generation,
            entries: Some(entries),
            ..
        }) = kept
        {
            let moved = generation.moved(&plan, &self.plan, &self.generation);
            let inherited = prepared.shared.inherit(self.shared.run(), entries, &moved);
            inherited.map_err(ArmError::Memory)?;
        }
        self.arm(prepared)
    }
}

/// Unmaps memory that nothing leads to any more.
pub(super) fn unmap_all(remote: &mut Remote, ranges: &[Range<u64>]) -> io::Result<()> {
    ranges.iter().try_for_each(|range| unmap(remote, range))
}
