//! The function table and its entries.

use std::ops::Range;

use super::values::ValueTable;
use crate::go::address::Address;
use crate::go::bytes::{c_string_at, u8_at, u32_at, u64_at};
use crate::go::image::Image;

/// The form of the table, by the Go release that brought it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::go) enum Form {
    /// Go 1.2 to 1.15: everything is relative to the table's start.
    Go12,
    /// Go 1.16 and 1.17: separate tables of names and files.
    Go116,
    /// Go 1.18 and 1.19: entry points relative to the start of the text.
    Go118,
    /// Since Go 1.20: functions have a start line.
    Go120,
}

impl Form {
    pub(in crate::go) fn of_magic(magic: u32) -> Option<Form> {
        match magic {
            0xffff_fffb => Some(Form::Go12),
            0xffff_fffa => Some(Form::Go116),
            0xffff_fff0 => Some(Form::Go118),
            0xffff_fff1 => Some(Form::Go120),
            _ => None,
        }
    }

    /// Whether a minor version of Go writes tables of this form.
    pub(in crate::go) fn written_by(self, minor: u32) -> bool {
        match self {
            Form::Go12 => minor <= 15,
            Form::Go116 => (16..=17).contains(&minor),
            Form::Go118 => (18..=19).contains(&minor),
            Form::Go120 => minor >= 20,
        }
    }

    /// Bytes of an entry of the index.
    pub(super) fn index_entry(self) -> usize {
        if self >= Form::Go118 { 8 } else { 16 }
    }

    /// Bytes of a function's record without its variable parts.
    fn record(self) -> usize {
        match self {
            Form::Go12 | Form::Go118 => 40,
            Form::Go116 | Form::Go120 => 44,
        }
    }
}

/// Where the parts of the table are, as offsets from its start.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) names: usize,
    pub(super) units: usize,
    pub(super) files: usize,
    pub(super) values: usize,
    pub(super) functions: usize,
}

/// The table's bytes: in the file, or copied because the dynamic linker would change them.
#[derive(Clone, Debug)]
pub(super) enum TableBytes {
    InFile(Image, Range<usize>),
    Copied(Vec<u8>),
}

/// The function table.
#[derive(Clone, Debug)]
pub(in crate::go) struct Table {
    pub(super) bytes: TableBytes,
    pub(in crate::go) address: Address,
    pub(in crate::go) form: Form,
    pub(super) parts: Parts,
    pub(in crate::go) count: usize,
    /// What its tables of values count code in.
    pub(super) unit: u8,
    /// What entry points count from; 0 where they are addresses.
    pub(in crate::go) text_start: u64,
}

/// One function's record.
#[derive(Clone, Copy, Debug)]
pub(in crate::go) struct Record<'t> {
    table: &'t Table,
    /// Offset of the record from the table's start.
    at: usize,
    pub(in crate::go) entry: Address,
    pub(in crate::go) end: Address,
}

impl Table {
    pub(super) fn data(&self) -> &[u8] {
        match &self.bytes {
            TableBytes::InFile(image, range) => image.data().get(range.clone()).unwrap_or_default(),
            TableBytes::Copied(bytes) => bytes,
        }
    }

    /// Whether an address is in the table, or behind it where its end is not known.
    pub(in crate::go) fn covers(&self, address: Address) -> bool {
        (self.address..self.address.plus(self.data().len() as u64)).contains(&address)
    }

    /// Settles what entry points count from: what the linker's summary or a symbol says where the
    /// header does not (position-independent programs, and everything since Go 1.26).
    pub(in crate::go) fn with_text_start(
        mut self,
        module: impl FnOnce() -> Option<Address>,
        symbol: impl FnOnce() -> Option<Address>,
    ) -> Option<Table> {
        if self.form >= Form::Go118 && self.text_start == 0 {
            self.text_start = module().or_else(symbol)?.0;
        }
        Some(self)
    }

    /// Bytes from the table's start to its index of functions.
    pub(in crate::go) fn index_offset(&self) -> u64 {
        self.parts.functions as u64
    }

    /// The n-th function, in the order of addresses.
    pub(in crate::go) fn record(&self, index: usize) -> Option<Record<'_>> {
        if index >= self.count {
            return None;
        }
        let (entry, offset) = self.index(index)?;
        // The index ends with the address after the last function.
        let (end, _) = self
            .index(index + 1)
            .or_else(|| Some((self.index_address(index + 1)?, 0)))?;
        let at = match self.form {
            Form::Go12 => offset,
            _ => self.parts.functions.checked_add(offset)?,
        };
        self.data().get(at..at.checked_add(self.form.record())?)?;
        (entry <= end).then_some(Record {
            table: self,
            at,
            entry: Address(entry),
            end: Address(end),
        })
    }

    /// The function that an address is in.
    pub(in crate::go) fn index_of(&self, address: Address) -> Option<usize> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.index_address(middle)? <= address.0 {
                low = middle + 1
            } else {
                high = middle
            }
        }
        let index = low.checked_sub(1)?;
        (address < self.record(index)?.end).then_some(index)
    }

    fn index(&self, n: usize) -> Option<(u64, usize)> {
        let entry = self.index_entry(n)?;
        let offset = match self.form {
            Form::Go118 | Form::Go120 => u64::from(u32_at(entry, 4)?),
            _ => u64_at(entry, 8)?,
        };
        Some((self.entry_address(entry)?, usize::try_from(offset).ok()?))
    }

    fn index_address(&self, n: usize) -> Option<u64> {
        self.entry_address(self.index_entry(n)?)
    }

    /// The index from its n-th entry on; the last has an address only.
    fn index_entry(&self, n: usize) -> Option<&[u8]> {
        let at = n.checked_mul(self.form.index_entry())?;
        self.data().get(self.parts.functions.checked_add(at)?..)
    }

    fn entry_address(&self, entry: &[u8]) -> Option<u64> {
        match self.form {
            Form::Go118 | Form::Go120 => Some(self.text_start.wrapping_add(u64::from(u32_at(entry, 0)?))),
            _ => u64_at(entry, 0),
        }
    }

    /// The name at an offset into the names. One with control characters is none: no compiler makes it, and it would
    /// break the lines that it is printed in.
    pub(in crate::go) fn name(&self, offset: u32) -> Option<&str> {
        let at = self.parts.names.checked_add(usize::try_from(offset).ok()?)?;
        c_string_at(self.data(), at).filter(|name| !name.bytes().any(|byte| byte.is_ascii_control()))
    }

    /// The names as they are in the table: each ends in a zero byte.
    pub(super) fn name_bytes(&self) -> &[u8] {
        let parts = &self.parts;
        let others = [parts.units, parts.files, parts.values, parts.functions];
        let end = others.into_iter().filter(|&start| start > parts.names).min();
        // Before Go 1.16, names stand among everything else.
        let end = end
            .filter(|_| self.form > Form::Go12)
            .unwrap_or(self.data().len());
        self.data().get(parts.names..end).unwrap_or_default()
    }

    /// The bytes of a table of values; `None` for offset 0, which stands for no table.
    pub(in crate::go) fn values(&self, offset: u32) -> Option<ValueTable<'_>> {
        let offset = usize::try_from(offset).ok().filter(|&o| o != 0)?;
        let bytes = self.data().get(self.parts.values.checked_add(offset)?..)?;
        Some(ValueTable::new(bytes, self.unit))
    }

    /// A source file, by its number in a compile unit.
    fn file(&self, unit: u32, number: i32) -> Option<&str> {
        let number = usize::try_from(number).ok()?;
        let data = self.data();
        if self.form == Form::Go12 {
            let at = self.parts.files.checked_add(number.checked_mul(4)?)?;
            return c_string_at(data, usize::try_from(u32_at(data, at)?).ok()?);
        }
        let slot = usize::try_from(unit).ok()?.checked_add(number)?.checked_mul(4)?;
        let offset = u32_at(data, self.parts.units.checked_add(slot)?).filter(|&o| o != u32::MAX)?;
        c_string_at(data, self.parts.files.checked_add(usize::try_from(offset).ok()?)?)
    }
}

impl<'t> Record<'t> {
    /// Offset of its name in the names; equal for equal names.
    pub(in crate::go) fn name_offset(&self) -> u32 {
        self.word(1)
    }

    pub(in crate::go) fn name(&self) -> Option<&'t str> {
        self.table.name(self.name_offset())
    }

    /// Bytes of stack that its caller provides for parameters, results and spilled registers.
    /// `None` where it is not known: assembly without a declared size.
    pub(in crate::go) fn arguments_size(&self) -> Option<u32> {
        // ArgsSizeUnknown is the most negative number.
        Some(self.word(2)).filter(|&size| size < 0x8000_0000)
    }

    /// The table of stack depths.
    pub(in crate::go) fn depths(&self) -> Option<ValueTable<'t>> {
        self.table.values(self.word(4))
    }

    /// The table of source lines.
    pub(in crate::go) fn lines(&self) -> Option<ValueTable<'t>> {
        self.table.values(self.word(6))
    }

    /// The table of source files.
    pub(in crate::go) fn files(&self) -> Option<ValueTable<'t>> {
        self.table.values(self.word(5))
    }

    /// A source file by its number in this function's tables.
    pub(in crate::go) fn file(&self, number: i32) -> Option<&'t str> {
        let unit = if self.table.form == Form::Go12 {
            0
        } else {
            self.word(8)
        };
        self.table.file(unit, number)
    }

    /// The line of its `func` keyword, since Go 1.20.
    pub(in crate::go) fn start_line(&self) -> Option<u32> {
        (self.table.form == Form::Go120).then(|| self.word(9))
    }

    /// The runtime's number for special functions.
    pub(in crate::go) fn id(&self) -> u8 {
        self.byte(4)
    }

    /// `FuncFlag` bits, since Go 1.17.
    pub(in crate::go) fn flags(&self) -> u8 {
        if self.table.form == Form::Go12 {
            0
        } else {
            self.byte(3)
        }
    }

    /// The n-th PCDATA table.
    pub(in crate::go) fn pcdata(&self, n: usize) -> Option<ValueTable<'t>> {
        let count = usize::try_from(self.word(7)).ok()?;
        let at = self.at + self.table.form.record() + 4 * n;
        if n >= count {
            return None;
        }
        self.table.values(u32_at(self.table.data(), at)?)
    }

    /// The address of the n-th FUNCDATA. `base` is what offsets count from since Go 1.18.
    pub(in crate::go) fn funcdata(&self, n: usize, base: Option<Address>) -> Option<Address> {
        if n >= usize::from(self.byte(1)) {
            return None;
        }
        let pcdata = usize::try_from(self.word(7)).ok()?.checked_mul(4)?;
        let start = (self.at + self.table.form.record()).checked_add(pcdata)?;
        if self.table.form >= Form::Go118 {
            let offset = u32_at(self.table.data(), start.checked_add(4 * n)?)?;
            return (offset != u32::MAX).then_some(base?.plus(u64::from(offset)));
        }
        // Pointers, aligned as addresses are.
        let skew = self.table.address.plus(start as u64).0.wrapping_neg() & 7;
        let pointer = u64_at(self.table.data(), start.checked_add(skew as usize + 8 * n)?)?;
        (pointer != 0).then_some(Address(pointer))
    }

    /// The n-th 32-bit word after the entry point.
    fn word(&self, n: usize) -> u32 {
        // The entry point takes two words before Go 1.18.
        let first = if self.table.form >= Form::Go118 { 0 } else { 4 };
        u32_at(self.table.data(), self.at + first + 4 * n).unwrap_or_default()
    }

    /// The n-th byte from the end of the fixed part.
    fn byte(&self, n: usize) -> u8 {
        u8_at(self.table.data(), self.at + self.table.form.record() - n).unwrap_or_default()
    }
}
