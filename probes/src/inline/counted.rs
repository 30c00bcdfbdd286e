//! Counts that come from a target's memory.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// More than any run counts to. What is above was written by the target, and might overflow sums.
const MOST: u64 = 1 << 48;

/// A row of counts, none of which is above what sums have room for, or below zero: that is one that was taken back and whose
/// thread's share was read before.
///
/// # Panics
/// If the row is of other than whole words.
pub(super) fn counted<T: FromBytes + IntoBytes + Immutable + KnownLayout>(mut row: T) -> T {
    let words = <[u64]>::mut_from_bytes(row.as_mut_bytes()).expect("rows of counts are of words");
    for word in words {
        *word = i64::try_from(*word).map_or(0, |_| (*word).min(MOST));
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Counters, TermCounters};

    #[test]
    fn counts_that_no_run_comes_to_have_sums() {
        let of_bytes = |byte| Counters::read_from_bytes(&[byte; size_of::<Counters>()]).unwrap();
        let counters = counted(of_bytes(0x7f));
        assert_eq!(counters.fired, MOST);
        assert!(counters.failures() >= MOST);
        assert_eq!(counted(of_bytes(0xff)), Counters::default());
        let usual = TermCounters {
            held: 3,
            failed: 4,
            unreadable: 5,
        };
        assert_eq!(counted(usual), usual);
    }
}
