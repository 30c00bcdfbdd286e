//! Package variables in debug information.

use std::ops::ControlFlow;

use gimli::constants as dw;
use gimli::{AttributeValue, DebugAddr, DebugAddrBase, Operation};

use super::entry::Entry;
use super::sections::SectionName;
use super::units::Unit;
use super::{Damage, Dwarf};
use crate::go::address::Address;
use crate::go::pclntab::functions::package_of;
use crate::go::types::{TypeId, Types};

impl Dwarf {
    /// The address and type of a package variable; `None` if there is none of that name.
    pub(in crate::go) fn variable(
        &self,
        types: &Types,
        name: &str,
    ) -> Result<Option<(Address, TypeId)>, Damage> {
        for unit in self.units_named(package_of(name))? {
            let mut found = None;
            self.package_variables(unit, |entry| {
                if entry.name() == Some(name) {
                    found = self.placed(unit, entry)?;
                }
                Ok(match found {
                    Some(_) => ControlFlow::Break(()),
                    None => ControlFlow::Continue(()),
                })
            })?;
            if let Some((address, ty)) = found {
                return Ok(Some((address, types.by_key(self.resolve_names(ty)? as u64))));
            }
        }
        Ok(None)
    }

    /// The names of the variables of all packages.
    pub(in crate::go) fn variable_names(&self) -> Result<Vec<String>, Damage> {
        let mut names = Vec::new();
        for unit in self.units()?.iter().filter(|unit| unit.is_go) {
            self.package_variables(unit, |entry| {
                names.extend(entry.name().map(str::to_owned));
                Ok(ControlFlow::Continue(()))
            })?;
        }
        Ok(names)
    }

    fn package_variables(
        &self,
        unit: &Unit,
        visit: impl FnMut(&Entry<'_>) -> Result<ControlFlow<()>, Damage>,
    ) -> Result<(), Damage> {
        self.top_level(unit, |tag| tag == dw::DW_TAG_variable, visit)
    }

    fn placed(&self, unit: &Unit, entry: &Entry<'_>) -> Result<Option<(Address, usize)>, Damage> {
        let Some(AttributeValue::Exprloc(location)) = entry.attr(dw::DW_AT_location) else {
            return Ok(None);
        };
        let mut operations = location.operations(unit.encoding);
        let address = match operations.next().map_err(|e| e.to_string())? {
            Some(Operation::Address { address }) => address,
            Some(Operation::AddressIndex { index }) => DebugAddr::from(self.section(SectionName::Addr)?)
                .get_address(unit.encoding.address_size, DebugAddrBase(unit.addr_base), index)
                .map_err(|e| e.to_string())?,
            _ => return Ok(None),
        };
        Ok(entry.reference(dw::DW_AT_type).map(|ty| (Address(address), ty)))
    }
}
