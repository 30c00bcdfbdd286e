//! The parameters and results of a function, as the debug information lists them.
//!
//! A list is evidence, not yet a signature: compilers before Go 1.22 leave out parameters without a
//! name, and wrappers leave out their receiver.

use gimli::constants as dw;

use super::entry::{Entry, Walk};
use super::locations::{EntryLocation, RawLocation};
use super::{Damage, Dwarf};
use crate::go::address::Address;
use crate::go::types::{TypeId, Types};

/// The hidden dictionary's name.
const DICTIONARY: &str = ".dict";

/// What the debug information lists of one function.
#[derive(Clone, Debug)]
pub(in crate::go) struct Listing {
    /// Its full name, with the type arguments of the instance.
    pub(in crate::go) name: String,
    pub(in crate::go) parameters: Vec<Listed>,
    pub(in crate::go) results: Vec<Listed>,
    /// Place among the parameters of the dictionary, where it is listed.
    pub(in crate::go) dictionary: Option<usize>,
    entry: Address,
    unit: usize,
}

/// One listed parameter or result.
#[derive(Clone, Debug)]
pub(in crate::go) struct Listed {
    /// As listed, so perhaps `~r0` or `_`.
    pub(in crate::go) name: String,
    pub(in crate::go) ty: TypeId,
    /// Source line: of its declaration, or of the first use of a variable that a closure captures.
    pub(in crate::go) line: Option<u64>,
    location: Option<RawLocation>,
}

impl Dwarf {
    /// The listing of the function that begins at an address; `None` if there is none.
    pub(in crate::go) fn listing(&self, types: &Types, entry: Address) -> Result<Option<Listing>, Damage> {
        let Some((unit, offset)) = self.function_at(entry)? else {
            return Ok(None);
        };
        let mut listing = Listing {
            name: String::new(),
            parameters: Vec::new(),
            results: Vec::new(),
            dictionary: None,
            entry,
            unit: unit.index,
        };
        let mut children = Vec::new();
        self.walk(unit, offset, |mut walk: Walk<'_, '_>| {
            while let Some(entry) = walk.next()? {
                match (entry.depth(), entry.tag()) {
                    (0, _) => listing.name = self.name_of(entry)?,
                    (1, dw::DW_TAG_formal_parameter) => children.push(self.raw_parameter(entry)?),
                    _ => {}
                }
            }
            Ok(())
        })?;
        for RawParameter {
            name,
            ty,
            is_result,
            line,
            location,
        } in children
        {
            let list = if is_result {
                &mut listing.results
            } else {
                &mut listing.parameters
            };
            // Go 1.21 lists some results twice. Names are unique in a signature, the blank one apart.
            if name != "_" && list.iter().any(|l| l.name == name) {
                continue;
            }
            if name == DICTIONARY {
                listing.dictionary = Some(list.len());
            }
            let ty = types.by_key(self.resolve_names(ty)? as u64);
            list.push(Listed {
                name,
                ty,
                line,
                location,
            });
        }
        Ok(Some(listing))
    }

    /// Whether the body of the function that begins at an address was put in place of some call of it.
    pub(in crate::go) fn is_inlined(&self, entry: Address) -> Result<bool, Damage> {
        let Some((_, offset)) = self.function_at(entry)? else {
            return Ok(false);
        };
        Ok(self.entry(offset)?.reference(dw::DW_AT_abstract_origin).is_some())
    }

    /// Where a listed parameter is when its function is entered, if the debug information says so.
    ///
    /// Separate from the listing, because most programs need no witness, and locations are the
    /// largest part of debug information.
    pub(in crate::go) fn entry_location(&self, listing: &Listing, parameter: usize) -> Option<EntryLocation> {
        let raw = listing.parameters.get(parameter)?.location.as_ref()?;
        let unit = self.units().ok()?.get(listing.unit)?;
        // A witness that cannot be heard is no witness, not damage.
        self.location_at(unit, raw, listing.entry).ok().flatten()
    }

    fn raw_parameter(&self, entry: &Entry<'_>) -> Result<RawParameter, Damage> {
        // A function that is also inlined somewhere has its names and types with the abstract one.
        let origin = match entry.reference(dw::DW_AT_abstract_origin) {
            Some(at) => Some(self.entry(at)?),
            None => None,
        };
        let (name, ty, is_result) = match &origin {
            Some(origin) => described(origin)?,
            None => described(entry)?,
        };
        let line = origin
            .as_ref()
            .and_then(|origin| origin.number(dw::DW_AT_decl_line));
        Ok(RawParameter {
            name,
            ty,
            is_result,
            line: line.or_else(|| entry.number(dw::DW_AT_decl_line)),
            location: RawLocation::of(entry),
        })
    }

    fn name_of(&self, entry: &Entry<'_>) -> Result<String, Damage> {
        if let Some(name) = entry.name() {
            return Ok(name.to_owned());
        }
        let origin = entry
            .reference(dw::DW_AT_abstract_origin)
            .ok_or("a function without a name")?;
        Ok(self.entry(origin)?.name().unwrap_or_default().to_owned())
    }
}

#[cfg(test)]
impl Listed {
    /// As a listing without places has it.
    pub(in crate::go) fn new(name: &str, ty: TypeId, line: Option<u64>) -> Listed {
        Listed {
            name: name.to_owned(),
            ty,
            line,
            location: None,
        }
    }
}

struct RawParameter {
    name: String,
    ty: usize,
    is_result: bool,
    line: Option<u64>,
    location: Option<RawLocation>,
}

/// Name, type and whether it is a result.
fn described(entry: &Entry<'_>) -> Result<(String, usize, bool), Damage> {
    let name = entry.name().ok_or("a parameter without a name")?.to_owned();
    let ty = entry
        .reference(dw::DW_AT_type)
        .ok_or("a parameter without a type")?;
    Ok((name, ty, entry.flag(dw::DW_AT_variable_parameter)))
}
