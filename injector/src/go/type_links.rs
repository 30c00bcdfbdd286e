//! Types that nothing converts to an interface with methods: the linker lists them all, for reflection.
//!
//! Source: `moduleTypelinks` in `runtime/type.go` and `DescriptorSize` in `internal/abi/type.go` of Go 1.27, `typelinks` before.

use super::address::Address;
use super::binary::Binary;
use super::bytes::{u8_at, u16_at, u32_at, u64_at};
use super::module_data::TypeLinks;
use super::runtime_types::{
    COMMON_SIZE, FLAG_UNCOMMON, FLAGS, FUNC, INTERFACE, KIND, KIND_MASK, STRUCT, UNCOMMON_SIZE,
};

/// No program has so many; a bound for damaged files.
const MAX_LINKS: u64 = 1 << 18;
/// Of a method, behind what named types have beside.
const METHOD_SIZE: u64 = 16;
/// Of a method of an interface, and of a field of a struct.
const INTERFACE_METHOD_SIZE: u64 = 8;
const FIELD_SIZE: u64 = 24;
/// In a function's number of results.
const VARIADIC: u16 = 1 << 15;

impl Binary {
    /// Descriptions that the linker lists. Other types are reached from them.
    pub(super) fn linked_types(&self) -> Vec<Address> {
        let Some(module) = self.module() else {
            return Vec::new();
        };
        match module.type_links {
            TypeLinks::Offsets { start, count } => {
                let size = usize::try_from(4 * count.min(MAX_LINKS)).unwrap_or(0);
                let offsets = self.image.read(start, size).unwrap_or_default();
                let offsets = offsets.chunks_exact(4).filter_map(|offset| u32_at(offset, 0));
                offsets.map(|offset| module.types.plus(offset.into())).collect()
            }
            TypeLinks::Table { start, end } => {
                let mut found = Vec::new();
                let mut at = start;
                while at < end && (found.len() as u64) < MAX_LINKS {
                    let Some(size) = self.description_size(at) else {
                        break;
                    };
                    found.push(at);
                    at = Address(at.plus(size).0.next_multiple_of(8));
                }
                found
            }
        }
    }

    /// Bytes of a description, with what comes right behind it.
    fn description_size(&self, address: Address) -> Option<u64> {
        let common = self.image.relocated(address, COMMON_SIZE)?;
        let kind = u8_at(&common, KIND)? & KIND_MASK;
        let own = self.size_of_kind(kind);
        let behind = address.plus(COMMON_SIZE as u64);
        let count = || u64_at(&self.image.relocated(behind.plus(16), 8)?, 0);
        let parts = match kind {
            FUNC => {
                let counts = self.image.read(behind, 4)?;
                8 * u64::from(u16_at(counts, 0)? + (u16_at(counts, 2)? & !VARIADIC))
            }
            INTERFACE => INTERFACE_METHOD_SIZE.checked_mul(count()?)?,
            STRUCT => FIELD_SIZE.checked_mul(count()?)?,
            _ => 0,
        };
        let beside = if u8_at(&common, FLAGS)? & FLAG_UNCOMMON == 0 {
            0
        } else {
            let methods = u16_at(self.image.read(behind.plus(own + 4), 2)?, 0)?;
            UNCOMMON_SIZE as u64 + METHOD_SIZE * u64::from(methods)
        };
        (COMMON_SIZE as u64 + own + parts).checked_add(beside)
    }
}
