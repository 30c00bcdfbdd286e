//! Go types in debug information.

use std::sync::PoisonError;

use gimli::{AttributeValue, constants as dw};

use super::entry::{Entry, GO_ELEM, GO_EMBEDDED_FIELD, GO_KEY, GO_KIND, GO_RUNTIME_TYPE};
use super::{Damage, Dwarf};
use crate::go::types::{Field, Kind, Type, TypeSource, Types};

/// `reflect.Kind`, which Go writes into its types.
mod kind {
    pub(super) const BOOL: u64 = 1;
    pub(super) const INT: u64 = 2;
    pub(super) const INT64: u64 = 6;
    pub(super) const UINT: u64 = 7;
    pub(super) const UINTPTR: u64 = 12;
    pub(super) const FLOAT32: u64 = 13;
    pub(super) const FLOAT64: u64 = 14;
    pub(super) const COMPLEX64: u64 = 15;
    pub(super) const COMPLEX128: u64 = 16;
    pub(super) const CHAN: u64 = 18;
    pub(super) const FUNC: u64 = 19;
    pub(super) const INTERFACE: u64 = 20;
    pub(super) const MAP: u64 = 21;
    pub(super) const SLICE: u64 = 23;
    pub(super) const STRING: u64 = 24;
}

/// Names stand before types at most this often; a bound for damaged information.
const MAX_NAMES: u32 = 32;
/// Types nest less than this by value; a bound for damaged information.
const MAX_DEPTH: u32 = 64;
const WORD: u64 = 8;

impl TypeSource for Dwarf {
    fn load(&self, types: &Types, key: u64) -> Type {
        let offset = usize::try_from(key).unwrap_or(usize::MAX);
        // Damage in a type makes that type unknown, and whoever wants to write one refuses it.
        self.read_type(types, offset, MAX_DEPTH)
            .unwrap_or_else(|_| Type::unknown(0))
    }
}

impl Dwarf {
    /// The type at a section offset, by its name's or its definition's offset alike.
    pub(super) fn resolve_names(&self, mut offset: usize) -> Result<usize, Damage> {
        for _ in 0..MAX_NAMES {
            let entry = self.entry(offset)?;
            // A typedef with a kind is a definition: interface, map, channel.
            if entry.tag() != dw::DW_TAG_typedef || entry.number(GO_KIND).is_some_and(|k| k != 0) {
                return Ok(offset);
            }
            offset = entry.reference(dw::DW_AT_type).ok_or("a name without a type")?;
        }
        Err("names of types in a circle".to_owned())
    }

    /// Where the runtime's own description of the type at an offset is, in bytes from the start of all
    /// of them; `None` if the linker found no use for one.
    pub(in crate::go) fn runtime_type(&self, offset: u64) -> Option<u64> {
        let offset = self.resolve_names(usize::try_from(offset).ok()?).ok()?;
        match self.entry(offset).ok()?.attr(GO_RUNTIME_TYPE)? {
            // An address by its form; the linker writes an offset.
            AttributeValue::Addr(from_start) => Some(from_start).filter(|from_start| *from_start != 0),
            _ => None,
        }
    }

    fn read_type(&self, types: &Types, offset: usize, depth: u32) -> Result<Type, Damage> {
        let depth = depth
            .checked_sub(1)
            .ok_or("types inside each other in a circle")?;
        let offset = self.resolve_names(offset)?;
        let entry = self.entry(offset)?;
        let name = entry.name().unwrap_or("?").to_owned();
        let declared = entry.number(dw::DW_AT_byte_size);
        let element = |at| self.reference_id(types, &entry, at);
        let words = |n: u64, kind| {
            Ok(Type {
                name: name.clone(),
                size: n * WORD,
                align: WORD,
                kind,
            })
        };
        let scalar = |kind| {
            let size = declared.ok_or("a type without a size")?;
            Ok(Type {
                name: name.clone(),
                size,
                align: size.clamp(1, WORD),
                kind,
            })
        };
        match (entry.tag(), entry.number(GO_KIND).unwrap_or_default()) {
            (_, kind::BOOL) => scalar(Kind::Bool),
            (_, kind::INT..=kind::INT64) => scalar(Kind::Int),
            (_, kind::UINT..=kind::UINTPTR) => scalar(Kind::Uint),
            (_, kind::FLOAT32 | kind::FLOAT64) => scalar(Kind::Float),
            (_, kind::COMPLEX64 | kind::COMPLEX128) => {
                let size = declared.ok_or("a type without a size")?;
                Ok(Type {
                    name,
                    size,
                    align: size / 2,
                    kind: Kind::Complex,
                })
            }
            (_, kind::STRING) => words(2, Kind::String),
            (_, kind::SLICE) => {
                let element = element(GO_ELEM)?.ok_or("a slice without an element type")?;
                words(3, Kind::Slice { element })
            }
            (_, kind::INTERFACE) => words(
                2,
                Kind::Interface {
                    empty: self.is_empty_interface(&entry)?,
                },
            ),
            (_, kind::MAP) => words(
                1,
                Kind::Map {
                    key: element(GO_KEY)?,
                    value: element(GO_ELEM)?,
                },
            ),
            (_, kind::CHAN) => words(1, Kind::Chan),
            (_, kind::FUNC) | (dw::DW_TAG_subroutine_type, _) => words(1, Kind::Func),
            (dw::DW_TAG_pointer_type, _) => words(
                1,
                Kind::Pointer {
                    target: element(dw::DW_AT_type)?,
                },
            ),
            (dw::DW_TAG_array_type, _) => self.read_array(types, &entry, name, depth),
            (dw::DW_TAG_structure_type, _) => self.read_struct(types, &entry, name, depth),
            _ => Ok(Type {
                name,
                ..Type::unknown(declared.unwrap_or_default())
            }),
        }
    }

    fn reference_id(
        &self,
        types: &Types,
        entry: &Entry<'_>,
        attribute: gimli::DwAt,
    ) -> Result<Option<crate::go::types::TypeId>, Damage> {
        entry
            .reference(attribute)
            .map(|offset| Ok(types.by_key(self.resolve_names(offset)? as u64)))
            .transpose()
    }

    /// An interface's definition is a name for `runtime.eface` if it has no methods.
    fn is_empty_interface(&self, entry: &Entry<'_>) -> Result<bool, Damage> {
        let mut target = entry.reference(dw::DW_AT_type);
        for _ in 0..MAX_NAMES {
            let Some(offset) = target else { break };
            let entry = self.entry(offset)?;
            match entry.name() {
                Some("runtime.eface") => return Ok(true),
                Some("runtime.iface") => return Ok(false),
                _ => target = entry.reference(dw::DW_AT_type),
            }
        }
        Err("an interface without a form".to_owned())
    }

    fn read_array(&self, types: &Types, entry: &Entry<'_>, name: String, depth: u32) -> Result<Type, Damage> {
        let element = entry
            .reference(dw::DW_AT_type)
            .ok_or("an array without an element type")?;
        let element = self.resolve_names(element)?;
        let mut length = None;
        self.walk(self.unit_at(entry.offset())?, entry.offset(), |mut walk| {
            while let Some(child) = walk.next()? {
                if child.depth() == 1 && child.tag() == dw::DW_TAG_subrange_type {
                    length = child.number(dw::DW_AT_count);
                }
            }
            Ok(())
        })?;
        let length = length.ok_or("an array without a length")?;
        let (element_size, align) = self.measure(types, element, depth)?;
        Ok(Type {
            name,
            size: element_size
                .checked_mul(length)
                .ok_or("an array larger than memory")?,
            align,
            kind: Kind::Array {
                element: types.by_key(element as u64),
                length,
            },
        })
    }

    fn read_struct(
        &self,
        types: &Types,
        entry: &Entry<'_>,
        name: String,
        depth: u32,
    ) -> Result<Type, Damage> {
        let size = entry
            .number(dw::DW_AT_byte_size)
            .ok_or("a struct without a size")?;
        let mut members = Vec::new();
        self.walk(self.unit_at(entry.offset())?, entry.offset(), |mut walk| {
            while let Some(child) = walk.next()? {
                if child.depth() == 1 && child.tag() == dw::DW_TAG_member {
                    let ty = child.reference(dw::DW_AT_type).ok_or("a field without a type")?;
                    members.push((
                        child.name().unwrap_or("_").to_owned(),
                        child.number(dw::DW_AT_data_member_location).unwrap_or_default(),
                        self.resolve_names(ty)?,
                        child.flag(GO_EMBEDDED_FIELD),
                    ));
                }
            }
            Ok(())
        })?;
        // The markers that force 64-bit alignment have no fields to tell it from.
        let mut align = if name.ends_with("/atomic.align64") { 8 } else { 1 };
        let mut fields = Vec::with_capacity(members.len());
        for (field, offset, ty, embedded) in members {
            align = align.max(self.measure(types, ty, depth)?.1);
            fields.push(Field {
                name: field,
                offset,
                ty: types.by_key(ty as u64),
                embedded,
            });
        }
        Ok(Type {
            name,
            size,
            align,
            kind: Kind::Struct { fields },
        })
    }

    /// Size and alignment of a type inside another.
    fn measure(&self, types: &Types, offset: usize, depth: u32) -> Result<(u64, u64), Damage> {
        // Remembered, because damaged information may nest types so that they multiply.
        if let Some(&known) = self
            .measures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&offset)
        {
            return Ok(known);
        }
        let ty = self.read_type(types, offset, depth)?;
        self.measures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(offset, (ty.size, ty.align));
        Ok((ty.size, ty.align))
    }
}
