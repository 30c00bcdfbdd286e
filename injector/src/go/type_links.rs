//! Types that nothing converts to an interface with methods: the linker lists them all, for reflection.
//!
//! Source: `moduleTypelinks` in `runtime/type.go` and `DescriptorSize` in `internal/abi/type.go` of Go 1.27, `typelinks` before.

use super::address::Address;
use super::binary::Binary;
use super::bytes::{u8_at, u16_at, u32_at, u64_at};
use super::described::FIELD_SIZE;
use super::method_tables::{METHOD_COUNT, METHOD_SIZE, VARIADIC};
use super::module_data::TypeLinks;
use super::runtime_types::{COMMON_SIZE, FUNC, INTERFACE, KIND, KIND_MASK, STRUCT, UNCOMMON_SIZE};

/// No program has so many; a bound for damaged files.
const MAX_LINKS: u64 = 1 << 18;
/// Name and type of a method of an interface.
const INTERFACE_METHOD_SIZE: u64 = 8;

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
                    let size = self.description_size(at);
                    let next = size.and_then(|size| at.0.checked_add(size)?.checked_next_multiple_of(8));
                    let Some(next) = next else {
                        break;
                    };
                    found.push(at);
                    at = Address(next);
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
                8 * (u64::from(u16_at(counts, 0)?) + u64::from(u16_at(counts, 2)? & !VARIADIC))
            }
            INTERFACE => INTERFACE_METHOD_SIZE.checked_mul(count()?)?,
            STRUCT => FIELD_SIZE.checked_mul(count()?)?,
            _ => 0,
        };
        let beside = match self.uncommon_part(address) {
            Some(uncommon) => {
                let methods = u16_at(self.image.read(uncommon.plus(METHOD_COUNT as u64), 2)?, 0)?;
                UNCOMMON_SIZE + METHOD_SIZE * usize::from(methods)
            }
            None => 0,
        };
        (COMMON_SIZE as u64 + own + beside as u64).checked_add(parts)
    }
}
