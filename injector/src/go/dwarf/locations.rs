//! Where the debug information says that a value is when its function is entered.
//!
//! This is a witness to check computed places with. It is silent or wrong for values that the
//! optimiser dropped, so places are never taken from here alone.

use gimli::constants as dw;
use gimli::{
    AttributeValue, DebugAddr, DebugAddrBase, DebugLoc, DebugLocLists, EndianSlice, Expression, LittleEndian,
    LocationLists, LocationListsOffset, Operation,
};

use super::entry::Entry;
use super::sections::SectionName;
use super::units::Unit;
use super::{Bytes, Damage, Dwarf};
use crate::go::address::Address;

/// A place of (a part of) a value at entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A register, by its DWARF number.
    Register(u16),
    /// Bytes behind the return address.
    Stack(i64),
}

/// The places of a value's pieces, with their bytes; 0 for all of it. Pieces that are not used may be
/// left out.
pub type EntryLocation = Vec<(Place, u64)>;

/// A location attribute that is not read yet.
#[derive(Clone, Debug)]
pub(super) enum RawLocation {
    Expression(Vec<u8>),
    List(usize),
    ListIndex(usize),
}

impl RawLocation {
    pub(super) fn of(entry: &Entry<'_>) -> Option<RawLocation> {
        match entry.attr(dw::DW_AT_location)? {
            AttributeValue::Exprloc(expression) => {
                Some(RawLocation::Expression(expression.0.slice().to_vec()))
            }
            AttributeValue::Block(block) => Some(RawLocation::Expression(block.slice().to_vec())),
            AttributeValue::LocationListsRef(offset) => Some(RawLocation::List(offset.0)),
            AttributeValue::DebugLocListsIndex(index) => Some(RawLocation::ListIndex(index.0)),
            _ => None,
        }
    }
}

impl Dwarf {
    /// The places at an address; `None` if the information has none for it.
    pub(super) fn location_at(
        &self,
        unit: &Unit,
        location: &RawLocation,
        at: Address,
    ) -> Result<Option<EntryLocation>, Damage> {
        let damage = |e: gimli::Error| e.to_string();
        if let RawLocation::Expression(bytes) = location {
            return places(Expression(EndianSlice::new(bytes, LittleEndian)), unit);
        }
        let lists = LocationLists::new(
            DebugLoc::from(self.section(SectionName::Loc)?),
            DebugLocLists::from(self.section(SectionName::LocLists)?),
        );
        let offset = match (location, unit.loclists_base) {
            (RawLocation::List(offset), _) => LocationListsOffset(*offset),
            (RawLocation::ListIndex(index), Some(base)) => lists
                .get_offset(
                    unit.encoding,
                    gimli::DebugLocListsBase(base),
                    gimli::DebugLocListsIndex(*index),
                )
                .map_err(damage)?,
            _ => return Ok(None),
        };
        let addresses = DebugAddr::from(self.section(SectionName::Addr)?);
        let base = if unit.low_pc == u64::MAX { 0 } else { unit.low_pc };
        let mut entries = lists
            .locations(
                offset,
                unit.encoding,
                base,
                &addresses,
                DebugAddrBase(unit.addr_base),
            )
            .map_err(damage)?;
        while let Some(entry) = entries.next().map_err(damage)? {
            if (entry.range.begin..entry.range.end).contains(&at.0) {
                return places(entry.data, unit);
            }
        }
        Ok(None)
    }
}

/// The places that an expression names; `None` if it is empty or computes something.
fn places(expression: Expression<Bytes<'_>>, unit: &Unit) -> Result<Option<EntryLocation>, Damage> {
    let mut places: EntryLocation = Vec::new();
    let mut current = None;
    let mut in_pieces = false;
    let mut operations = expression.operations(unit.encoding);
    while let Some(operation) = operations.next().map_err(|e| e.to_string())? {
        match operation {
            Operation::Register { register } => current = Some(Place::Register(register.0)),
            Operation::CallFrameCFA => current = Some(Place::Stack(0)),
            // Go's frame base is the call frame's address.
            Operation::FrameOffset { offset } => current = Some(Place::Stack(offset)),
            Operation::PlusConstant { value } => {
                let Some(Place::Stack(offset)) = current else {
                    return Ok(None);
                };
                current = Some(Place::Stack(offset.wrapping_add_unsigned(value)));
            }
            Operation::Piece {
                size_in_bits,
                bit_offset: None,
            } => {
                let Some(place) = current.take() else {
                    return Ok(None);
                };
                places.push((place, size_in_bits / 8));
                in_pieces = true;
            }
            _ => return Ok(None),
        }
    }
    match current {
        Some(place) if !in_pieces => Ok(Some(vec![(place, 0)])),
        None if in_pieces => Ok(Some(places)),
        _ => Ok(None),
    }
}
