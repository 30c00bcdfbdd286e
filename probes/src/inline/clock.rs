//! The processor's own counter as a clock, which takes a few nanoseconds to read.

mod arch;

use std::cell::Cell;
use std::fs;

use crate::table::now;

/// How long the counter is watched before its speed is taken anew, in nanoseconds.
const WATCHED: u64 = 1_000_000_000;

/// The counter at some time.
#[derive(Clone, Copy, Debug)]
struct Pair {
    counter: u64,
    time: u64,
}

/// A time by the counter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) counter: u64,
    pub(super) time: u64,
    pub(super) scale: u64,
}

/// How fast the processor's counter runs, against `CLOCK_MONOTONIC`.
#[derive(Debug)]
pub struct Clock {
    /// What its speed is measured from.
    since: Cell<Pair>,
    scale: Cell<u64>,
}

impl Clock {
    /// Begins to watch the counter. None where the kernel does not trust it itself: on processors whose counters may differ,
    /// and on machines that may move to another.
    #[must_use]
    pub fn new() -> Option<Clock> {
        let source = fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource");
        source
            .is_ok_and(|source| source.trim() == arch::SOURCE)
            .then(|| Clock {
                since: Cell::new(pair()),
                scale: Cell::new(0),
            })
    }

    /// The counter now, and its speed.
    pub(super) fn reading(&self) -> Reading {
        let (since, here) = (self.since.get(), pair());
        let passed = here.time.saturating_sub(since.time);
        let counted = here.counter.saturating_sub(since.counter);
        if counted > 0 && (passed > WATCHED || self.scale.get() == 0) {
            let scale = (u128::from(passed) << 32) / u128::from(counted);
            self.scale.set(u64::try_from(scale).unwrap_or(0));
            if passed > WATCHED {
                self.since.set(here);
            }
        }
        Reading {
            counter: here.counter,
            time: here.time,
            scale: self.scale.get(),
        }
    }
}

/// The processor's counter.
pub(super) fn counter() -> u64 {
    arch::counter()
}

/// Both, as close together as they can be had.
fn pair() -> Pair {
    let take = || {
        let before = arch::counter();
        let time = now();
        let after = arch::counter();
        let counter = before + (after.wrapping_sub(before)) / 2;
        (after.wrapping_sub(before), Pair { counter, time })
    };
    let best = (0..8).map(|_| take()).min_by_key(|(apart, _)| *apart);
    best.expect("eight of them").1
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_counter_tells_the_time() {
        let Some(clock) = Clock::new() else {
            println!("skipped: the kernel does not trust the counter here");
            return;
        };
        sleep(Duration::from_millis(50));
        let reading = clock.reading();
        sleep(Duration::from_millis(20));
        let later = pair();
        let passed = u128::from(later.counter - reading.counter) * u128::from(reading.scale);
        let told = reading.time + u64::try_from(passed >> 32).unwrap();
        assert!(told.abs_diff(later.time) < 100_000, "{told} {later:?}");
    }
}
