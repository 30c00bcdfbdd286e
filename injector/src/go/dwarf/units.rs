//! Compile units: one per Go package, and one per C file.

use std::sync::{Arc, PoisonError};

use gimli::constants as dw;
use gimli::{
    AttributeValue, DebugAddr, DebugAddrBase, DebugInfoOffset, DebugRanges, DebugRngLists, Encoding,
    RangeLists,
};

use super::entry::Entry;
use super::sections::SectionName;
use super::{Bytes, Damage, Dwarf};
use crate::go::address::Address;

/// What is known of a unit from its own entry.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    /// Its place in the list of units.
    pub(super) index: usize,
    /// Section offset of its header.
    pub(super) start: usize,
    /// Section offset after its last entry.
    pub(super) end: usize,
    /// Section offset of its own entry.
    pub(super) root: usize,
    /// The import path of its package.
    pub(super) name: String,
    pub(super) is_go: bool,
    pub(super) low_pc: u64,
    pub(super) ranges: Option<usize>,
    pub(super) addr_base: usize,
    pub(super) loclists_base: Option<usize>,
    pub(super) encoding: Encoding,
}

/// The functions of a unit: entry address and section offset, by address.
pub(super) type FunctionIndex = Vec<(u64, usize)>;

impl Dwarf {
    /// All units.
    pub(super) fn units(&self) -> Result<&[Unit], Damage> {
        self.units
            .get_or_init(|| self.read_units())
            .as_deref()
            .map_err(Clone::clone)
    }

    fn read_units(&self) -> Result<Vec<Unit>, Damage> {
        let info = self.info()?;
        let mut headers = info.units();
        let mut units = Vec::new();
        while let Some(header) = headers.next().map_err(|e| e.to_string())? {
            let Some(DebugInfoOffset(start)) = header.debug_info_offset() else {
                continue;
            };
            let mut unit = Unit {
                index: units.len(),
                start,
                end: start + header.length_including_self(),
                root: start + header.root_offset().0,
                name: String::new(),
                is_go: false,
                low_pc: u64::MAX,
                ranges: None,
                addr_base: 0,
                loclists_base: None,
                encoding: header.encoding(),
            };
            let root = unit.root;
            self.walk(&unit.clone(), root, |mut walk| {
                if let Some(entry) = walk.next()? {
                    unit.describe(entry);
                }
                Ok(())
            })?;
            units.push(unit);
        }
        Ok(units)
    }

    /// The unit that a section offset is in.
    pub(super) fn unit_at(&self, offset: usize) -> Result<&Unit, Damage> {
        let units = self.units()?;
        let index = units.partition_point(|unit| unit.end <= offset);
        units
            .get(index)
            .filter(|unit| unit.root <= offset)
            .ok_or_else(|| format!("nothing is at 0x{offset:x}"))
    }

    /// The units of a package: the linker may make several, for types and for variables without data.
    pub(super) fn units_named(&self, package: &str) -> Result<Vec<&Unit>, Damage> {
        let package = unescape(package);
        Ok(self
            .units()?
            .iter()
            .filter(|unit| unit.is_go && unescape(&unit.name) == package)
            .collect())
    }

    /// The section offset of the function that begins at an address, and its unit.
    pub(super) fn function_at(&self, entry: Address) -> Result<Option<(&Unit, usize)>, Damage> {
        let units = self.units()?;
        // The linker lays units out one after another, so the last one that begins before the
        // function is nearly always right; and no ranges need inflating.
        let nearest = units
            .iter()
            .filter(|u| u.is_go && u.low_pc <= entry.0)
            .max_by_key(|u| u.low_pc);
        if let Some(unit) = nearest
            && let Some(offset) = self.function_in(unit, entry)?
        {
            return Ok(Some((unit, offset)));
        }
        for unit in units
            .iter()
            .filter(|u| u.is_go && Some(u.index) != nearest.map(|n| n.index))
        {
            if self.covers(unit, entry)?
                && let Some(offset) = self.function_in(unit, entry)?
            {
                return Ok(Some((unit, offset)));
            }
        }
        Ok(None)
    }

    fn function_in(&self, unit: &Unit, entry: Address) -> Result<Option<usize>, Damage> {
        let index = self.functions_of(unit)?;
        let found = index.binary_search_by_key(&entry.0, |&(address, _)| address);
        Ok(found.ok().map(|i| index[i].1))
    }

    /// The functions of a unit that have code.
    pub(super) fn functions_of(&self, unit: &Unit) -> Result<Arc<FunctionIndex>, Damage> {
        let mut known = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = known.get(&unit.index) {
            return Ok(Arc::clone(index));
        }
        let index = Arc::new(self.index_functions(unit)?);
        known.insert(unit.index, Arc::clone(&index));
        Ok(index)
    }

    fn index_functions(&self, unit: &Unit) -> Result<FunctionIndex, Damage> {
        let mut index = Vec::new();
        self.raw_entries(unit, unit.root, |mut raw, _| {
            let damage = |e: gimli::Error| e.to_string();
            while !raw.is_empty() {
                let (depth, at) = (raw.next_depth(), raw.next_offset().0);
                let Some(abbreviation) = raw.read_abbreviation().map_err(damage)? else {
                    continue;
                };
                if depth != 1 || abbreviation.tag() != dw::DW_TAG_subprogram {
                    raw.skip_attributes(abbreviation.attributes()).map_err(damage)?;
                    continue;
                }
                for &spec in abbreviation.attributes() {
                    let attribute = raw.read_attribute(spec).map_err(damage)?;
                    if attribute.name() == dw::DW_AT_low_pc
                        && let Some(address) = self.address(unit, attribute.value())?
                    {
                        index.push((address, unit.start + at));
                    }
                }
            }
            Ok(())
        })?;
        index.sort_unstable();
        Ok(index)
    }

    /// The address that an attribute's value stands for.
    pub(super) fn address(
        &self,
        unit: &Unit,
        value: AttributeValue<Bytes<'_>>,
    ) -> Result<Option<u64>, Damage> {
        match value {
            AttributeValue::Addr(address) => Ok(Some(address)),
            AttributeValue::DebugAddrIndex(index) => {
                let section = DebugAddr::from(self.section(SectionName::Addr)?);
                let size = unit.encoding.address_size;
                let base = DebugAddrBase(unit.addr_base);
                section
                    .get_address(size, base, index)
                    .map(Some)
                    .map_err(|e| e.to_string())
            }
            _ => Ok(None),
        }
    }

    /// Whether a unit's ranges have an address in them; a unit without ranges may have any.
    fn covers(&self, unit: &Unit, address: Address) -> Result<bool, Damage> {
        let Some(offset) = unit.ranges else {
            return Ok(unit.low_pc != u64::MAX);
        };
        let lists = RangeLists::new(
            DebugRanges::from(self.section(SectionName::Ranges)?),
            DebugRngLists::from(self.section(SectionName::RngLists)?),
        );
        let addresses = DebugAddr::from(self.section(SectionName::Addr)?);
        let mut ranges = lists
            .ranges(
                gimli::RangeListsOffset(offset),
                unit.encoding,
                unit.low_pc,
                &addresses,
                DebugAddrBase(unit.addr_base),
            )
            .map_err(|e| e.to_string())?;
        while let Some(range) = ranges.next().map_err(|e| e.to_string())? {
            if (range.begin..range.end).contains(&address.0) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Unit {
    fn describe(&mut self, entry: &Entry<'_>) {
        self.name = entry.name().unwrap_or_default().to_owned();
        self.is_go = matches!(
            entry.attr(dw::DW_AT_language),
            Some(AttributeValue::Language(dw::DW_LANG_Go))
        );
        if let Some(AttributeValue::Addr(address)) = entry.attr(dw::DW_AT_low_pc) {
            self.low_pc = address;
        }
        if let Some(AttributeValue::RangeListsRef(offset)) = entry.attr(dw::DW_AT_ranges) {
            self.ranges = Some(offset.0);
        }
        if let Some(AttributeValue::DebugAddrBase(base)) = entry.attr(dw::DW_AT_addr_base) {
            self.addr_base = base.0;
        }
        if let Some(AttributeValue::DebugLocListsBase(base)) = entry.attr(dw::DW_AT_loclists_base) {
            self.loclists_base = Some(base.0);
        }
    }
}

/// An import path without the escapes that symbol names have: `gopkg.in/yaml%2ev3`.
fn unescape(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let code = rest
            .get(at + 1..at + 3)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(code) => {
                out.push(char::from(code));
                rest = &rest[at + 3..];
            }
            None => {
                out.push('%');
                rest = &rest[at + 1..];
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn import_paths_as_symbols_escape_them() {
        assert_eq!(unescape("gopkg.in/yaml%2ev3"), "gopkg.in/yaml.v3");
        assert_eq!(unescape("a%zz%2"), "a%zz%2");
        assert_eq!(unescape("main"), "main");
    }
}
