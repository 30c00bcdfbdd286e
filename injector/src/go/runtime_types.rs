//! Types as the running program itself describes them: what an interface value refers to.
//!
//! Source: `type _type` in `runtime/type.go` up to Go 1.20, then `internal/abi/type.go`. The fields wanted
//! here have had the same places since Go 1.14; the form of names changed with Go 1.17.

use super::address::Address;
use super::binary::Binary;
use super::bytes::{u8_at, u16_at, u32_at, uvarint};
use super::types::TypeId;

/// Bytes of what all kinds of types have in common.
pub(super) const COMMON_SIZE: usize = 48;
pub(super) const FLAGS: usize = 20;
pub(super) const KIND: usize = 23;
const NAME: usize = 40;

pub(super) const FLAG_UNCOMMON: u8 = 1;
const FLAG_EXTRA_STAR: u8 = 2;
const FLAG_NAMED: u8 = 4;

pub(super) const KIND_MASK: u8 = 0x1f;
pub(super) const FUNC: u8 = 19;
pub(super) const INTERFACE: u8 = 20;
const MAP: u8 = 21;
const POINTER: u8 = 22;
pub(super) const STRUCT: u8 = 25;

/// Bytes of what named types and types with methods have beside.
pub(super) const UNCOMMON_SIZE: usize = 16;

/// Pointers to pointers are rare; a bound for damaged files.
const MAX_DEPTH: u32 = 8;
/// Names are seldom longer than a few dozen bytes; a bound for damaged files.
const MAX_NAME: usize = 1 << 16;

impl Binary {
    /// The name of a type by the address of its description: with the import path of its package,
    /// as in `*net/http.Request`.
    pub fn runtime_type_name(&self, address: Address) -> Option<String> {
        self.type_name_at(address, MAX_DEPTH)
    }

    /// The address of the description that the running program has of a type; `None` if the program
    /// has none or the type is not from its debug information.
    pub fn runtime_type(&self, ty: TypeId) -> Option<Address> {
        let from_start = self.dwarf.as_ref()?.runtime_type(self.types().key(ty)?)?;
        Some(self.module()?.types.plus(from_start))
    }

    fn type_name_at(&self, address: Address, depth: u32) -> Option<String> {
        let depth = depth.checked_sub(1)?;
        let module = self.module()?;
        if address < module.types || address >= module.etypes {
            return None;
        }
        let common = self.image.relocated(address, COMMON_SIZE)?;
        let flags = u8_at(&common, FLAGS)?;
        let kind = u8_at(&common, KIND)? & KIND_MASK;
        let text = self.name_at(u32_at(&common, NAME)?)?;
        let text = match flags & FLAG_EXTRA_STAR {
            0 => text,
            _ => text.strip_prefix('*')?.to_owned(),
        };
        if flags & FLAG_NAMED == 0 {
            if kind != POINTER {
                return Some(text);
            }
            let element = self.read_pointer(address.plus(COMMON_SIZE as u64))?;
            return Some(format!("*{}", self.type_name_at(element, depth)?));
        }
        // The text has the package's name only: `http.Request`.
        match (self.package_path(address), text.find(['.', '['])) {
            (Some(package), Some(dot)) if text[dot..].starts_with('.') => {
                Some(format!("{package}{}", &text[dot..]))
            }
            _ => Some(text),
        }
    }

    /// The import path of a named type.
    fn package_path(&self, address: Address) -> Option<String> {
        let offset = u32_at(self.image.read(self.uncommon_part(address)?, 4)?, 0)?;
        (offset != 0).then(|| self.name_at(offset))?
    }

    /// Where the part of a description is that only named types and types with methods have: behind what is
    /// particular to the type's kind.
    pub(super) fn uncommon_part(&self, address: Address) -> Option<Address> {
        let common = self.image.relocated(address, COMMON_SIZE)?;
        if u8_at(&common, FLAGS)? & FLAG_UNCOMMON == 0 {
            return None;
        }
        Some(address.plus(COMMON_SIZE as u64 + self.size_of_kind(u8_at(&common, KIND)? & KIND_MASK)))
    }

    /// Bytes of what is particular to a kind of types.
    pub(super) fn size_of_kind(&self, kind: u8) -> u64 {
        match kind {
            // Array: element, slice, length.
            17 => 24,
            // Channel: element, direction.
            18 => 16,
            // Counts of parameters and results, padded.
            FUNC => 8,
            // Interface: package, slice of methods.
            INTERFACE => 32,
            MAP => match self.version().minor {
                // Key, element, bucket, hash function, sizes and flags.
                ..=23 => 40,
                // Key, element, group, hash function, size of a group and of a slot, place of elements, flags.
                24..=26 => 64,
                // Places and strides of keys and elements.
                _ => 88,
            },
            // Pointer, slice: element.
            POINTER | 23 => 8,
            // Struct: package, slice of fields.
            STRUCT => 32,
            _ => 0,
        }
    }

    /// A name by its offset from the start of the types.
    fn name_at(&self, offset: u32) -> Option<String> {
        let module = self.module()?;
        self.described_name(module.types.plus(u64::from(offset)))
    }

    /// A name by its address.
    pub(super) fn described_name(&self, address: Address) -> Option<String> {
        let bytes = self.image.read_rest(address)?;
        // A byte of flags, then the length.
        let (start, length) = if self.version().at_least(17) {
            let (length, used) = uvarint(bytes.get(1..)?)?;
            (1 + used, usize::try_from(length).ok()?)
        } else {
            (3, usize::from(u16_at(bytes, 1)?.swap_bytes()))
        };
        let text = bytes.get(start..start.checked_add(length.min(MAX_NAME))?)?;
        std::str::from_utf8(text).ok().map(str::to_owned)
    }
}
