//! Looking at a program again and again that goes on in between.

use std::time::{Duration, Instant};

/// How long is waited for threads and goroutines to go on from where a jump is to be, and for threads to come back from
/// goinject's code.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is looked for that at the least: on a busy machine, and with much memory, looks take long.
const LEAST: u32 = 40;
/// For how long at the most.
const LIMIT: Duration = Duration::from_secs(15);
/// Between two looks, at first and at most: a busy machine may not run the thread that is waited for at once.
const PAUSES: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(64)];

/// Looks at a program that goes on in between, until it is seen as it is to be, or for long enough.
pub(super) struct Looks {
    begun: Instant,
    patience: Duration,
    least: u32,
    made: u32,
    pause: Duration,
}

impl Looks {
    /// As many as a busy machine needs.
    pub(super) fn begin() -> Looks {
        Looks {
            least: LEAST,
            ..Looks::within(PATIENCE)
        }
    }

    /// As many as there is time for.
    pub(super) fn within(patience: Duration) -> Looks {
        Looks {
            begun: Instant::now(),
            patience,
            least: 0,
            made: 0,
            pause: PAUSES[0],
        }
    }

    /// How long the program is to go on before the next look. None after the last.
    pub(super) fn next(&mut self) -> Option<Duration> {
        let (elapsed, pause) = (self.begun.elapsed(), self.pause);
        self.made += 1;
        self.pause = (2 * pause).min(PAUSES[1]);
        let goes_on = elapsed < self.patience || (elapsed < LIMIT && self.made < self.least);
        goes_on.then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_machine_gets_as_many_looks_as_another() {
        let mut looks = Looks::begin();
        let pauses: Vec<Duration> = (0..8).filter_map(|_| looks.next()).collect();
        assert_eq!((pauses[0], pauses[7]), PAUSES.into());
        // Each of them took half a second.
        let slow = |made, seconds| Looks {
            begun: Instant::now()
                .checked_sub(Duration::from_secs(seconds))
                .expect("the machine is up"),
            made,
            ..Looks::begin()
        };
        assert!(slow(8, 4).next().is_some());
        assert!(slow(LEAST, 4).next().is_none());
        assert!(slow(LEAST / 2, LIMIT.as_secs()).next().is_none());
    }
}
