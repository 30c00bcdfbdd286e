//! Signatures of methods by the tables that the program carries for itself: a type that is put into an interface has
//! a table of its methods there, each with its code and the type of its parameters and results. Stripped programs have
//! them, too.
//!
//! Source: `type uncommontype`, `method` and `functype` in `runtime/type.go` up to Go 1.20, then `internal/abi/type.go`.

use std::collections::HashMap;

use super::address::Address;
use super::binary::Binary;
use super::bytes::{u8_at, u16_at, u32_at};
use super::error::GoError;
use super::pclntab::functions::Function;
use super::runtime_types::{COMMON_SIZE, FLAG_UNCOMMON, FLAGS, FUNC, KIND, KIND_MASK, UNCOMMON_SIZE};
use super::types::{Signature, TypeId, Variable};

/// In what named types and types with methods have beside: number of methods, and where they are.
pub(super) const METHOD_COUNT: usize = 4;
const METHODS: usize = 8;
/// Of a method: name, type, code that interfaces call, code that others call.
pub(super) const METHOD_SIZE: usize = 16;
const METHOD_TYPE: usize = 4;
const METHOD_CODE: usize = 12;
/// Behind the common part of a func type.
const PARAMETERS: usize = COMMON_SIZE;
const RESULTS: usize = COMMON_SIZE + 2;
const FUNC_SIZE: usize = COMMON_SIZE + 8;
/// In the number of results: the last parameter is `...T`.
pub(super) const VARIADIC: u16 = 1 << 15;
/// No function has so many; a bound for damaged files.
const MAX_VARIABLES: u16 = 1 << 10;

/// What a table says of a method, by the addresses of descriptions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recorded {
    receiver: Address,
    func: Address,
}

impl Binary {
    /// What the program knows of a function's signature: by its debug information, else, without names, by its tables
    /// of methods.
    pub fn known_signature(&self, function: &Function) -> Result<Option<Signature>, GoError> {
        match self.signature(function) {
            Ok(None) => Ok(self.recorded_signature(function)),
            other => other,
        }
    }

    /// The signature of a method as the program's own tables have it, without names. `None` if it is no method, or one
    /// that the linker found no interface to call.
    pub fn recorded_signature(&self, function: &Function) -> Option<Signature> {
        if function.is_assembly {
            return None;
        }
        let recorded = *self.method_tables().get(&function.entry)?;
        let (parameters, results) = self.func_variables(recorded.func)?;
        let unnamed = |types: Vec<Address>| -> Option<Vec<Variable>> {
            types.into_iter().map(|ty| self.unnamed(ty)).collect()
        };
        let signature = Signature {
            receiver: Some(self.unnamed(recorded.receiver)?),
            parameters: unnamed(parameters)?,
            results: unnamed(results)?,
            ..Signature::default()
        };
        self.check_signature(function, &signature).ok()?;
        Some(signature)
    }

    /// A type of the program by its name, whole or with the last element of its package; `None` where there is none
    /// or several.
    pub fn described_by_name(&self, name: &str) -> Option<TypeId> {
        match self.types_named(name).as_slice() {
            [(only, _)] => self.described_type(*only),
            _ => None,
        }
    }

    fn unnamed(&self, ty: Address) -> Option<Variable> {
        Some(Variable {
            name: None,
            ty: self.described_type(ty)?,
        })
    }

    /// The methods of all described types, by where their code begins.
    fn method_tables(&self) -> &HashMap<Address, Recorded> {
        self.methods.get_or_init(|| {
            let mut methods = HashMap::new();
            for (receiver, _) in self.described_types() {
                for (code, func) in self.methods_of(*receiver).unwrap_or_default() {
                    methods.insert(
                        code,
                        Recorded {
                            receiver: *receiver,
                            func,
                        },
                    );
                }
            }
            methods
        })
    }

    /// Code and type of each method of a type. The linker has emptied the rows of methods that nothing can call.
    fn methods_of(&self, ty: Address) -> Option<Vec<(Address, Address)>> {
        let module = self.module()?;
        let uncommon = self.uncommon_part(ty)?;
        let head = self.image.read(uncommon, UNCOMMON_SIZE)?;
        let count = usize::from(u16_at(head, METHOD_COUNT)?);
        let start = uncommon.plus(u64::from(u32_at(head, METHODS)?));
        let rows = self.image.read(start, count * METHOD_SIZE)?;
        let present = |offset: u32| (offset != 0 && offset != u32::MAX).then_some(u64::from(offset));
        let method = |row: &[u8]| {
            let func = present(u32_at(row, METHOD_TYPE)?)?;
            let code = present(u32_at(row, METHOD_CODE)?)?;
            Some((module.text.plus(code), module.types.plus(func)))
        };
        Some(rows.chunks_exact(METHOD_SIZE).filter_map(method).collect())
    }

    /// The types of a func type's parameters and results.
    fn func_variables(&self, func: Address) -> Option<(Vec<Address>, Vec<Address>)> {
        let head = self.image.relocated(func, FUNC_SIZE)?;
        if u8_at(&head, KIND)? & KIND_MASK != FUNC {
            return None;
        }
        let parameters = u16_at(&head, PARAMETERS)?;
        let results = u16_at(&head, RESULTS)? & !VARIADIC;
        if parameters > MAX_VARIABLES || results > MAX_VARIABLES {
            return None;
        }
        let has_more = u8_at(&head, FLAGS)? & FLAG_UNCOMMON != 0;
        let more = if has_more { UNCOMMON_SIZE } else { 0 };
        let start = func.plus((FUNC_SIZE + more) as u64);
        let mut all: Vec<Address> = (0..u64::from(parameters + results))
            .map(|n| self.image.pointer(start.plus(8 * n)))
            .collect::<Option<_>>()?;
        let results = all.split_off(usize::from(parameters));
        Some((all, results))
    }
}
