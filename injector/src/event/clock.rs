//! Times of events: the kernel tells them by the monotonic clock, people read them by the wall clock.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use nix::time::{ClockId, clock_gettime};

/// When a run began, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    monotonic: u64,
    wall: SystemTime,
}

impl Clock {
    /// A run that begins now.
    pub fn start() -> Clock {
        Clock {
            monotonic: monotonic(),
            wall: SystemTime::now(),
        }
    }

    /// When the run began, as in RFC 3339, in UTC.
    pub fn began(&self) -> String {
        rfc3339(self.wall)
    }

    /// Nanoseconds since the run began.
    pub fn now(&self) -> u64 {
        self.elapsed(monotonic())
    }

    /// Nanoseconds from the beginning of the run to a time of the monotonic clock.
    pub fn elapsed(&self, monotonic: u64) -> u64 {
        monotonic.saturating_sub(self.monotonic)
    }

    /// So many nanoseconds since the run began, as in RFC 3339, in UTC.
    pub fn time_of(&self, elapsed: u64) -> String {
        rfc3339(self.wall + Duration::from_nanos(elapsed))
    }

    /// A time of the monotonic clock as in RFC 3339, in UTC.
    pub fn time(&self, monotonic: u64) -> String {
        rfc3339(self.wall + Duration::from_nanos(self.elapsed(monotonic)))
    }
}

fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

fn rfc3339(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Nanos, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_monotonic_clock_are_told_by_the_wall_clock() {
        let clock = Clock {
            monotonic: 5_000_000_000,
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        };
        assert_eq!(clock.began(), "2023-11-14T22:13:20.000000000Z");
        assert_eq!(clock.time(6_250_000_001), "2023-11-14T22:13:21.250000001Z");
        assert_eq!(clock.elapsed(6_250_000_001), 1_250_000_001);
        // A call may have been made before goinject looked at its clock.
        assert_eq!(clock.elapsed(4_999_999_999), 0);
    }
}
