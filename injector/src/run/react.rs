//! Signals, limits and the passage of time.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::container::Watched;
use super::target::shares_terminal;
use super::watchdog::{self, Watchdog};
use super::{Failure, IDLE, Run};
use crate::event::line::Line;
use crate::event::{Notice, Progress, Standing};
use crate::signals::Received;
use crate::tracee::signal_name;

impl Run<'_> {
    /// Whether the processes are to be let go.
    pub(super) fn react_to_signals(&mut self) -> Result<bool, Failure> {
        for signal in self.signals.received().map_err(Failure::lost)? {
            if signal.asks_for_standing() {
                let progress = self.progress();
                self.sink.notice(&Notice::Standing(progress));
            } else if signal.asks_for_stop() {
                self.stop_with_job();
            } else if self.options.reloads && signal.asks_for_reload() && self.outcome.end.is_none() {
                self.reload()?;
            } else if self.react(signal) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A signal to goinject goes on to a command that it started; a process that it attached to is let go.
    /// A second interrupt lets a command go that does not end on the first.
    fn react(&mut self, received: Received) -> bool {
        if !self.outcome.started || self.outcome.interrupted || self.outcome.end.is_some() {
            self.outcome.interrupted = true;
            return true;
        }
        self.outcome.interrupted = true;
        // At a terminal it had the signal as well.
        if !(received.from_terminal && shares_terminal()) {
            received.pass_on(self.target);
        }
        self.say(format!(
            "{}: passed on to the target; goinject ends with it (once more to let it go on without faults)",
            signal_name(received.signal)
        ));
        false
    }

    /// Shows whoever ends the faults otherwise that goinject goes on. Short runs have nobody for that but the kernel.
    pub(super) fn show_life(&mut self) {
        let Some(lease) = self.options.lease else {
            return;
        };
        if let Some((_, engine)) = &self.engine {
            engine.extend(lease);
        }
        match &mut self.watchdog {
            Some(watchdog) => watchdog.feed(),
            None if self.began.elapsed() > watchdog::SETTLED && !self.has_no_watchdog => {
                match Watchdog::start(lease) {
                    Ok(watchdog) => self.watchdog = Some(watchdog),
                    Err(error) => {
                        self.has_no_watchdog = true;
                        self.say(format!(
                            "warning: if goinject itself is stopped, so is what it traces: no watchdog ({error})"
                        ));
                    }
                }
            }
            None => {}
        }
    }

    /// Stops goinject as its job is stopped, and goes on when that does.
    fn stop_with_job(&mut self) {
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.pause();
        }
        crate::signals::stop_with_job();
        self.show_life();
    }

    /// Ends the faults when a limit is reached. Whether the run is over by that.
    pub(super) fn reach_limits(&mut self) -> bool {
        if self.outcome.limit_reached || !self.is_beyond_limits() {
            return false;
        }
        self.outcome.limit_reached = true;
        // The core fires no more by itself, and goes on counting.
        self.sink.line(&Line::Limit {});
        !self.outcome.started
    }

    pub(super) fn is_beyond_limits(&self) -> bool {
        let fired = || {
            self.tally()
                .counters
                .iter()
                .map(|counters| counters.fired)
                .sum::<u64>()
        };
        self.rules.limits.faults.is_some_and(|limit| fired() >= limit)
            || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Tells how far the rules are, if it is time again: this is called at every stop of a thread.
    pub(super) fn tick(&mut self) {
        if self.ticked.elapsed() < IDLE {
            return;
        }
        self.ticked = Instant::now();
        self.tell_standing();
    }

    /// Tells how far the rules are, and how the run stands.
    pub(super) fn tell_standing(&mut self) {
        let tally = self.tally();
        let armed = self.processes.iter().filter(|(_, process)| process.is_armed());
        let standing = Standing {
            armed: armed.map(|(pid, _)| *pid).collect(),
            ever_armed: self.ever_armed.count(),
            limit_reached: self.outcome.limit_reached,
            dropped_events: tally.dropped_events,
            lost_calls: tally.lost_hits,
        };
        self.sink.standing(&standing);
        let progress = self.progress();
        self.sink.tick(&progress);
    }

    fn progress(&self) -> Vec<Progress> {
        let counters = self.counters_of(&self.generation());
        let rules = self.rules.rules.iter().zip(&counters);
        rules
            .map(|(rule, counters)| Progress {
                rule: rule.name.clone(),
                calls: counters.calls,
                matched: counters.matched,
                fired: counters.fired,
                applied: counters.applied,
                failed: counters.failures(),
            })
            .collect()
    }

    /// Waits until something happens, or for a moment.
    pub(super) fn wait(&self) -> io::Result<()> {
        let deadline = self.deadline.filter(|_| !self.outcome.limit_reached);
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let look = self.watched.as_ref().and_then(Watched::pause).unwrap_or(IDLE);
        let timeout = left
            .unwrap_or(IDLE)
            .min(IDLE)
            .min(look)
            .max(Duration::from_millis(1));
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        let engine = self.engine.iter().flat_map(|(_, engine)| engine.wake_fds());
        // SAFETY: the engine and the family own these descriptors and outlive the poll.
        let mut fds: Vec<PollFd<'_>> = engine
            .chain(self.family.wake_fds())
            .map(|fd| PollFd::new(unsafe { BorrowedFd::borrow_raw(fd) }, PollFlags::POLLIN))
            .collect();
        fds.push(PollFd::new(self.signals.fd(), PollFlags::POLLIN));
        match poll(&mut fds, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
