//! Interface tables: for each pair of an interface and a type that the compiler saw converted, the
//! linker built one, and every interface value of that pair refers to it.
//!
//! Source: `type itab` in `runtime/runtime2.go` up to Go 1.22, then `internal/abi/iface.go`.

use super::address::Address;
use super::binary::Binary;
use super::bytes::u64_at;
use super::module_data::Itabs;
use super::pclntab::functions::Function;
use super::types::{Field, Kind, TypeId};

/// Interface, type, hash, first method.
const HEAD_SIZE: usize = 32;
const FIRST_METHOD: usize = 24;
/// In the description of an interface type: behind its common part, its package and a pointer.
const METHOD_COUNT: u64 = 64;
/// More than any program has; a bound for damaged files.
const MAX_ITABS: u64 = 1 << 22;

/// An interface table, by link-time addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Itab {
    /// Where it is: the first word of an interface value.
    pub address: Address,
    /// The description of the interface type.
    pub interface: Address,
    /// The description of the type that the value has.
    pub concrete: Address,
}

impl Binary {
    /// All interface tables, in order of address. Those that the program makes at run time, for type
    /// assertions to an interface, are not among them.
    pub fn itabs(&self) -> &[Itab] {
        self.itabs.get_or_init(|| {
            let mut itabs = self.read_itabs().unwrap_or_default();
            itabs.sort_by_key(|itab| itab.address);
            itabs
        })
    }

    /// The interface table of an interface and a type, by their names.
    pub fn itab(&self, interface: &str, concrete: &str) -> Option<Itab> {
        let is = |address, name: &str| self.runtime_type_name(address).as_deref() == Some(name);
        let of_interface = self.interface_named(interface)?;
        self.itabs()
            .iter()
            .find(|itab| itab.interface == of_interface && is(itab.concrete, concrete))
            .copied()
    }

    /// The interface table of two types of the program's debug information.
    pub fn itab_of(&self, interface: TypeId, concrete: TypeId) -> Option<Itab> {
        let (interface, concrete) = (self.runtime_type(interface)?, self.runtime_type(concrete)?);
        self.itabs()
            .iter()
            .find(|itab| itab.interface == interface && itab.concrete == concrete)
            .copied()
    }

    /// The function that an interface table has for a method of its interface, by the method's number in the order of names.
    /// Where nothing calls the method, it is `runtime.unreachableMethod`.
    pub fn method_of(&self, itab: &Itab, number: u64) -> Option<Function> {
        let methods = u64_at(&self.image.relocated(itab.interface.plus(METHOD_COUNT), 8)?, 0)?;
        if number >= methods {
            return None;
        }
        let at = itab.address.plus(FIRST_METHOD as u64 + 8 * number);
        self.functions().at(self.read_pointer(at)?)
    }

    /// The description of an interface type by its name, if any type was converted to it.
    pub fn interface_named(&self, name: &str) -> Option<Address> {
        let mut seen = Vec::new();
        self.itabs().iter().map(|itab| itab.interface).find(|&address| {
            let new = !seen.contains(&address);
            if new {
                seen.push(address);
            }
            new && self.runtime_type_name(address).as_deref() == Some(name)
        })
    }

    /// Whether interfaces hold values of a type themselves, and not their address: those that are one pointer.
    pub fn is_held_directly(&self, ty: TypeId) -> bool {
        let ty = self.types().get(ty);
        match &ty.kind {
            Kind::Pointer { .. } | Kind::Map { .. } | Kind::Chan | Kind::Func => true,
            Kind::Array { element, length: 1 } => self.is_held_directly(*element),
            Kind::Struct { fields } => {
                // Since Go 1.26 the memory counts, and before the number of fields.
                let counts =
                    |field: &&Field| !self.version().at_least(26) || self.types().get(field.ty).size > 0;
                let mut fields = fields.iter().filter(counts);
                match (fields.next(), fields.next()) {
                    (Some(only), None) => ty.size == 8 && self.is_held_directly(only.ty),
                    _ => false,
                }
            }
            _ => false,
        }
    }

    fn read_itabs(&self) -> Option<Vec<Itab>> {
        let mut itabs = Vec::new();
        match self.module()?.itabs {
            Itabs::Pointers { start, count } => {
                let count = count.min(MAX_ITABS);
                let bytes = self.image.relocated(start, usize::try_from(count * 8).ok()?)?;
                for address in bytes.chunks_exact(8).filter_map(|word| u64_at(word, 0)) {
                    itabs.extend(self.itab_at(Address(address))?.0);
                }
            }
            Itabs::Table { start, size } => {
                let end = start.plus(size.min(MAX_ITABS * HEAD_SIZE as u64));
                let mut at = start;
                while at < end {
                    let (itab, size) = self.itab_at(at)?;
                    itabs.extend(itab);
                    at = at.plus(size);
                }
            }
        }
        Some(itabs)
    }

    /// The table at an address, and its size: a word for each method of the interface. No table if it
    /// only tells a type switch that the type does not have the interface's methods.
    fn itab_at(&self, address: Address) -> Option<(Option<Itab>, u64)> {
        let head = self.image.relocated(address, HEAD_SIZE)?;
        let itab = Itab {
            address,
            interface: Address(u64_at(&head, 0)?),
            concrete: Address(u64_at(&head, 8)?),
        };
        if u64_at(&head, FIRST_METHOD)? == 0 {
            return Some((None, HEAD_SIZE as u64));
        }
        let methods = u64_at(&self.image.relocated(itab.interface.plus(METHOD_COUNT), 8)?, 0)?;
        let size = FIRST_METHOD as u64 + 8 * methods.max(1);
        (methods <= MAX_ITABS).then_some((Some(itab), size))
    }
}
