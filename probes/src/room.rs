//! Which rows of a table are free.

use std::ops::Range;

/// Hands out ranges of a table's rows and takes them back.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    /// Sorted, none next to another.
    free: Vec<Range<usize>>,
}

impl Room {
    pub(crate) fn new(rows: usize) -> Room {
        let all = 0..rows;
        Room {
            free: if all.is_empty() { Vec::new() } else { vec![all] },
        }
    }

    /// Takes a range: the first that is large enough.
    pub(crate) fn take(&mut self, count: usize) -> Option<Range<usize>> {
        if count == 0 {
            return Some(0..0);
        }
        let found = self.free.iter().position(|free| free.len() >= count)?;
        let Range { start, end } = self.free[found];
        if start + count == end {
            self.free.remove(found);
        } else {
            self.free[found].start = start + count;
        }
        Some(start..start + count)
    }

    /// Gives a range back.
    pub(crate) fn give(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        let at = self.free.partition_point(|free| free.start < range.start);
        self.free.insert(at, range);
        if at + 1 < self.free.len() && self.free[at].end == self.free[at + 1].start {
            self.free[at].end = self.free.remove(at + 1).end;
        }
        if at > 0 && self.free[at - 1].end == self.free[at].start {
            self.free[at - 1].end = self.free.remove(at).end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_come_back_are_joined() {
        let mut room = Room::new(10);
        let [a, b, c] = [room.take(3), room.take(3), room.take(4)].map(Option::unwrap);
        assert_eq!((a.clone(), b.clone(), c.clone()), (0..3, 3..6, 6..10));
        assert_eq!(room.take(1), None);
        assert_eq!(room.take(0), Some(0..0));
        room.give(a);
        room.give(c);
        assert_eq!(room.take(5), None);
        room.give(b);
        assert_eq!(room.take(10), Some(0..10));
    }
}
