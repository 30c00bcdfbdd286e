//! Entries of debug information and their attributes.

use std::ops::ControlFlow;

use gimli::constants as dw;
use gimli::{
    Abbreviations, AttributeValue, DebugInfoOffset, DebuggingInformationEntry, DwAt, DwTag, EntriesRaw,
    UnitOffset,
};

use super::units::Unit;
use super::{Bytes, Damage, Dwarf};

/// Go's own attributes; source: `cmd/internal/dwarf/dwarf.go`.
pub(super) const GO_KIND: DwAt = DwAt(0x2900);
pub(super) const GO_KEY: DwAt = DwAt(0x2901);
pub(super) const GO_ELEM: DwAt = DwAt(0x2902);
pub(super) const GO_EMBEDDED_FIELD: DwAt = DwAt(0x2903);
pub(super) const GO_RUNTIME_TYPE: DwAt = DwAt(0x2904);

/// One entry.
#[derive(Debug, Default)]
pub(super) struct Entry<'d> {
    die: DebuggingInformationEntry<Bytes<'d>>,
    unit_start: usize,
}

impl<'d> Entry<'d> {
    pub(super) fn tag(&self) -> DwTag {
        self.die.tag()
    }

    /// 0 for the entry that the walk began at, 1 for its children.
    pub(super) fn depth(&self) -> isize {
        self.die.depth()
    }

    /// Bytes from the start of the section.
    pub(super) fn offset(&self) -> usize {
        self.unit_start.wrapping_add(self.die.offset().0)
    }

    pub(super) fn attr(&self, name: DwAt) -> Option<AttributeValue<Bytes<'d>>> {
        self.die.attr_value(name)
    }

    /// `DW_AT_name`, which Go always writes in place.
    pub(super) fn name(&self) -> Option<&'d str> {
        match self.attr(dw::DW_AT_name)? {
            // One with control characters is no name of Go's.
            AttributeValue::String(text) => std::str::from_utf8(text.slice())
                .ok()
                .filter(|name| !name.bytes().any(|byte| byte.is_ascii_control())),
            _ => None,
        }
    }

    /// The section offset of the entry that an attribute refers to.
    pub(super) fn reference(&self, name: DwAt) -> Option<usize> {
        match self.attr(name)? {
            AttributeValue::DebugInfoRef(DebugInfoOffset(offset)) => Some(offset),
            AttributeValue::UnitRef(UnitOffset(offset)) => self.unit_start.checked_add(offset),
            _ => None,
        }
    }

    pub(super) fn number(&self, name: DwAt) -> Option<u64> {
        self.attr(name)?.udata_value()
    }

    pub(super) fn flag(&self, name: DwAt) -> bool {
        matches!(self.attr(name), Some(AttributeValue::Flag(true)))
    }
}

/// Walks an entry and everything below it.
pub(super) struct Walk<'a, 'd> {
    raw: EntriesRaw<'a, Bytes<'d>>,
    entry: Entry<'d>,
    begun: bool,
}

impl<'d> Walk<'_, 'd> {
    /// The next entry in the order of the file; `None` after the last below the first.
    pub(super) fn next(&mut self) -> Result<Option<&Entry<'d>>, Damage> {
        loop {
            if self.raw.is_empty() || (self.begun && self.raw.next_depth() <= 0) {
                return Ok(None);
            }
            self.begun = true;
            if self
                .raw
                .read_entry(&mut self.entry.die)
                .map_err(|e| e.to_string())?
            {
                return Ok(Some(&self.entry));
            }
        }
    }
}

impl Dwarf {
    /// Walks the entry at a section offset and everything below it.
    pub(super) fn walk<T>(
        &self,
        unit: &Unit,
        offset: usize,
        visit: impl FnOnce(Walk<'_, '_>) -> Result<T, Damage>,
    ) -> Result<T, Damage> {
        self.raw_entries(unit, offset, |raw, _| {
            visit(Walk {
                raw,
                entry: Entry {
                    die: DebuggingInformationEntry::default(),
                    unit_start: unit.start,
                },
                begun: false,
            })
        })
    }

    /// Visits the entries directly below a unit's own that have a wanted tag, until a visit breaks off. All others are
    /// skipped, which takes a fraction of reading them.
    pub(super) fn top_level(
        &self,
        unit: &Unit,
        wanted: impl Fn(DwTag) -> bool,
        mut visit: impl FnMut(&Entry<'_>) -> Result<ControlFlow<()>, Damage>,
    ) -> Result<(), Damage> {
        let damage = |e: gimli::Error| e.to_string();
        self.raw_entries(unit, unit.root, |mut raw, _| {
            let mut entry = Entry {
                die: DebuggingInformationEntry::default(),
                unit_start: unit.start,
            };
            while !raw.is_empty() {
                let (depth, start) = (raw.next_depth(), raw.clone());
                let Some(abbreviation) = raw.read_abbreviation().map_err(damage)? else {
                    continue;
                };
                if depth != 1 || !wanted(abbreviation.tag()) {
                    raw.skip_attributes(abbreviation.attributes()).map_err(damage)?;
                    continue;
                }
                raw = start;
                raw.read_entry(&mut entry.die).map_err(damage)?;
                if visit(&entry)?.is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Reads just the entry at a section offset.
    pub(super) fn entry(&self, offset: usize) -> Result<Entry<'_>, Damage> {
        let unit = self.unit_at(offset)?;
        let info = self.info()?;
        let header = info
            .header_from_offset(DebugInfoOffset(unit.start))
            .map_err(|e| e.to_string())?;
        let abbreviations = self.abbreviations(header.debug_abbrev_offset().0)?;
        let at = UnitOffset(offset - unit.start);
        let mut raw = header
            .entries_raw(&abbreviations, Some(at))
            .map_err(|e| e.to_string())?;
        let mut entry = Entry {
            die: DebuggingInformationEntry::default(),
            unit_start: unit.start,
        };
        if !raw.read_entry(&mut entry.die).map_err(|e| e.to_string())? {
            return Err(format!("no entry at 0x{offset:x}"));
        }
        Ok(entry)
    }

    /// The entries from a section offset on, with what reading them takes.
    pub(super) fn raw_entries<'d, T>(
        &'d self,
        unit: &Unit,
        offset: usize,
        read: impl FnOnce(EntriesRaw<'_, Bytes<'d>>, &Abbreviations) -> Result<T, Damage>,
    ) -> Result<T, Damage> {
        let info = self.info()?;
        let header = info
            .header_from_offset(DebugInfoOffset(unit.start))
            .map_err(|e| e.to_string())?;
        let abbreviations = self.abbreviations(header.debug_abbrev_offset().0)?;
        let at = UnitOffset(
            offset
                .checked_sub(unit.start)
                .ok_or("an offset outside its unit")?,
        );
        let raw = header
            .entries_raw(&abbreviations, Some(at))
            .map_err(|e| e.to_string())?;
        read(raw, &abbreviations)
    }
}
