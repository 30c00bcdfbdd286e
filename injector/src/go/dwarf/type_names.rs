//! Types in debug information by their names.

use std::ops::ControlFlow;

use gimli::DwTag;
use gimli::constants as dw;

use super::units::Unit;
use super::{Damage, Dwarf};
use crate::go::types::{TypeId, Types};

impl Dwarf {
    /// A type by its name; `None` if there is none of that name.
    pub(in crate::go) fn type_named(&self, types: &Types, name: &str) -> Result<Option<TypeId>, Damage> {
        for unit in self.units()?.iter().filter(|unit| unit.is_go) {
            let mut found = None;
            self.type_entries(unit, |offset, entry_name| {
                if entry_name != name {
                    return ControlFlow::Continue(());
                }
                found = Some(offset);
                ControlFlow::Break(())
            })?;
            if let Some(offset) = found {
                return Ok(Some(types.by_key(self.resolve_names(offset)? as u64)));
            }
        }
        Ok(None)
    }

    /// The names of all types.
    pub(in crate::go) fn type_names(&self) -> Result<Vec<String>, Damage> {
        let mut names = Vec::new();
        for unit in self.units()?.iter().filter(|unit| unit.is_go) {
            self.type_entries(unit, |_, name| {
                names.push(name.to_owned());
                ControlFlow::Continue(())
            })?;
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// Visits the types of a unit that have a name, until a visit breaks off.
    fn type_entries(
        &self,
        unit: &Unit,
        mut visit: impl FnMut(usize, &str) -> ControlFlow<()>,
    ) -> Result<(), Damage> {
        self.top_level(unit, is_type, |entry| {
            Ok(match entry.name() {
                Some(name) => visit(entry.offset(), name),
                None => ControlFlow::Continue(()),
            })
        })
    }
}

fn is_type(tag: DwTag) -> bool {
    matches!(
        tag,
        dw::DW_TAG_typedef
            | dw::DW_TAG_structure_type
            | dw::DW_TAG_base_type
            | dw::DW_TAG_pointer_type
            | dw::DW_TAG_array_type
            | dw::DW_TAG_subroutine_type
    )
}
