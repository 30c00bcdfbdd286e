//! Package variables of a program.

use std::collections::HashMap;

use super::address::Address;
use super::binary::Binary;
use super::elf::symbols::SymbolKind;
use super::error::GoError;
use super::pclntab::functions::{Function, package_of};
use super::types::TypeId;

/// A package variable such as `io.EOF`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageVariable {
    /// Its name, with the import path of its package.
    pub name: String,
    /// Its link-time address.
    pub address: Address,
    /// Its type; absent in programs without debug information.
    pub ty: Option<TypeId>,
    /// Bytes; absent if neither debug information nor a symbol tells.
    pub size: Option<u64>,
}

impl Binary {
    /// A package variable by its name with the import path, as `io.EOF`, `main.ErrQuota` or
    /// `example.com/shop/store.ErrGone`. `None` if there is none: a variable that nothing in the
    /// program uses is not linked in.
    pub fn variable(&self, name: &str) -> Result<Option<PackageVariable>, GoError> {
        if let Some(dwarf) = &self.dwarf
            && let Some((address, ty)) = dwarf
                .variable(self.types(), name)
                .map_err(|why| GoError::dwarf(self.debug.path(), why))?
        {
            let size = Some(self.types().get(ty).size);
            return Ok(Some(PackageVariable {
                name: name.to_owned(),
                address,
                ty: Some(ty),
                size,
            }));
        }
        let symbol = self.symbol(name).filter(|s| s.kind == SymbolKind::Object);
        Ok(symbol.map(|symbol| PackageVariable {
            name: name.to_owned(),
            address: symbol.address,
            ty: None,
            size: Some(symbol.size).filter(|&size| size > 0),
        }))
    }

    /// The addresses of data that a function's code refers to, in its order.
    pub fn references(&self, function: &Function) -> Vec<Address> {
        let code = self.code(function).unwrap_or_default();
        self.architecture().references(code, function.entry)
    }

    /// The package variables that the program has symbols of, by address.
    pub fn variables_by_address(&self) -> HashMap<Address, String> {
        let symbols = self.debug.symbols();
        let objects = symbols.iter().flat_map(|symbols| symbols.iter());
        objects
            .filter(|(name, symbol)| symbol.kind == SymbolKind::Object && is_written(name))
            .map(|(name, symbol)| (symbol.address, name.to_owned()))
            .collect()
    }

    /// The package variables whose names end in this one, behind a slash: `errors.ErrGone` of any package whose path ends
    /// in `errors`.
    pub fn variables_ending(&self, name: &str) -> Result<Vec<String>, GoError> {
        let end = format!("/{name}");
        let mut names = self.variable_names()?;
        names.retain(|name| name.ends_with(&end));
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The names of all package variables.
    pub fn variable_names(&self) -> Result<Vec<String>, GoError> {
        let mut names = match &self.dwarf {
            Some(dwarf) => dwarf
                .variable_names()
                .map_err(|why| GoError::dwarf(self.debug.path(), why))?,
            None => self.debug.symbols().map_or_else(Vec::new, |symbols| {
                let objects = symbols.iter().filter(|(_, s)| s.kind == SymbolKind::Object);
                objects.map(|(name, _)| name.to_owned()).collect()
            }),
        };
        names.retain(|name| is_written(name));
        Ok(names)
    }
}

/// Whether a name stands in source code, rather than being made up by compiler or linker.
fn is_written(name: &str) -> bool {
    let last = name
        .strip_prefix(package_of(name))
        .and_then(|n| n.strip_prefix('.'));
    last.is_some_and(|last| !last.is_empty() && last.chars().all(|c| c.is_alphanumeric() || c == '_'))
        && !name.contains(".stmp_")
        && !name.ends_with(".inittask")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_nobody_wrote() {
        assert!(is_written("io.EOF") && is_written("example.com/a.b/c.Größe"));
        for name in [
            "main..inittask",
            "main..stmp_1",
            "go:itab.*os.File,io.Reader",
            "main",
            "runtime.text.1",
        ] {
            assert!(!is_written(name), "{name}");
        }
    }
}
