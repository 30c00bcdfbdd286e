//! Functions by the beginning of their names.

use memchr::memmem;

use super::table::Table;

/// Which functions have the name at each place in the table's names.
///
/// Large programs have tens of thousands of functions, and a plan asks for a dozen: names are looked for among the bytes of
/// all of them at once rather than read one by one.
#[derive(Debug)]
pub(super) struct NameIndex {
    /// Offsets of names with the number of a function each, in order.
    functions: Vec<(u32, u32)>,
}

impl NameIndex {
    pub(super) fn of(table: &Table) -> NameIndex {
        let offset = |index| Some((table.record(index as usize)?.name_offset(), index));
        let count = u32::try_from(table.count).unwrap_or(u32::MAX);
        let mut functions: Vec<(u32, u32)> = (0..count).filter_map(offset).collect();
        // Nearly sorted as it is: the linker collects names in the order of functions.
        functions.sort();
        NameIndex { functions }
    }

    /// The functions whose names begin like this, in the order of addresses.
    pub(super) fn begun(&self, table: &Table, start: &str) -> Vec<usize> {
        let mut found: Vec<usize> = memmem::find_iter(table.name_bytes(), start)
            .filter_map(|at| u32::try_from(at).ok())
            .flat_map(|at| self.named_at(at))
            .collect();
        found.sort_unstable();
        found
    }

    fn named_at(&self, at: u32) -> impl Iterator<Item = usize> {
        let first = self.functions.partition_point(|&(offset, _)| offset < at);
        let rest = self.functions.get(first..).unwrap_or_default();
        rest.iter()
            .take_while(move |&&(offset, _)| offset == at)
            .map(|&(_, index)| index as usize)
    }
}
