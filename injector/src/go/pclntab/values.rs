//! Tables that give a number for each range of instructions: lines, files, stack depths, PCDATA.

use crate::go::address::Address;
use crate::go::bytes::uvarint;

/// The bytes of such a table.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::go) struct ValueTable<'t> {
    bytes: &'t [u8],
    /// What lengths of ranges count in: bytes that instructions are aligned to.
    unit: u8,
}

impl<'t> ValueTable<'t> {
    /// The bytes, and what they count code in.
    pub(in crate::go) fn new(bytes: &'t [u8], unit: u8) -> ValueTable<'t> {
        ValueTable { bytes, unit }
    }
}

/// Steps through such a table: each item is the end of a range (exclusive) and its value. Every step
/// goes on, and none beyond the function, so that a damaged table ends too.
#[derive(Clone, Debug)]
pub(in crate::go) struct Values<'t> {
    rest: &'t [u8],
    unit: u64,
    address: u64,
    end: u64,
    value: i32,
    first: bool,
}

impl<'t> Values<'t> {
    /// The table of a function from an address to another.
    pub(in crate::go) fn new(table: ValueTable<'t>, start: Address, end: Address) -> Values<'t> {
        Values {
            rest: table.bytes,
            unit: table.unit.into(),
            address: start.0,
            end: end.0,
            value: -1,
            first: true,
        }
    }

    /// The value at an address.
    pub(in crate::go) fn at(table: ValueTable<'t>, start: Address, address: Address) -> Option<i32> {
        if address < start {
            return None;
        }
        Values::new(table, start, Address(u64::MAX))
            .find(|&(end, _)| address < end)
            .map(|(_, value)| value)
    }
}

impl Iterator for Values<'_> {
    type Item = (Address, i32);

    fn next(&mut self) -> Option<(Address, i32)> {
        if self.address >= self.end {
            return None;
        }
        let (delta, used) = uvarint(self.rest)?;
        if delta == 0 && !self.first {
            return None;
        }
        let (length, used_too) = uvarint(self.rest.get(used..)?)?;
        if length == 0 {
            return None;
        }
        self.rest = self.rest.get(used + used_too..)?;
        self.first = false;
        let delta = delta as u32;
        let delta = if delta & 1 != 0 { !(delta >> 1) } else { delta >> 1 };
        self.value = self.value.wrapping_add(delta as i32);
        self.address = self.address.wrapping_add(length.wrapping_mul(self.unit));
        Some((Address(self.address), self.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_hold_until_the_end_of_their_range() {
        // +1 (to 0) for 4 bytes, +8 for 10 bytes, -8 for 2 bytes, end.
        let table = ValueTable::new(&[2, 4, 16, 10, 15, 2, 0], 1);
        let start = Address(100);
        let all: Vec<_> = Values::new(table, start, Address(200)).collect();
        assert_eq!(all, [(Address(104), 0), (Address(114), 8), (Address(116), 0)]);
        assert_eq!(Values::at(table, start, Address(100)), Some(0));
        assert_eq!(Values::at(table, start, Address(104)), Some(8));
        assert_eq!(Values::at(table, start, Address(115)), Some(0));
        assert_eq!(Values::at(table, start, Address(116)), None);
        assert_eq!(Values::at(table, start, Address(99)), None);
    }

    #[test]
    fn ranges_count_in_what_instructions_are_aligned_to() {
        let table = ValueTable::new(&[2, 4, 16, 10, 0], 4);
        let all: Vec<_> = Values::new(table, Address(100), Address(200)).collect();
        assert_eq!(all, [(Address(116), 0), (Address(156), 8)]);
        assert_eq!(Values::at(table, Address(100), Address(115)), Some(0));
    }

    #[test]
    fn a_table_ends_with_its_function_and_where_it_stands_still() {
        assert_eq!(
            Values::new(
                ValueTable::new(&[2, 4, 16, 10, 15, 2, 0], 1),
                Address(0),
                Address(5)
            )
            .count(),
            2
        );
        assert_eq!(
            Values::new(
                ValueTable::new(&[2, 4, 16, 0, 15, 2, 0], 1),
                Address(0),
                Address(50)
            )
            .count(),
            1
        );
    }

    #[test]
    fn a_damaged_table_just_ends() {
        assert_eq!(
            Values::new(ValueTable::new(&[2], 1), Address(0), Address(9)).count(),
            0
        );
        assert_eq!(
            Values::new(ValueTable::new(&[0xff; 30], 1), Address(0), Address(9)).count(),
            0
        );
    }
}
