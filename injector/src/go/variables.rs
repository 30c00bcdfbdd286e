//! Package variables of a program.

use std::collections::HashMap;

use super::address::Address;
use super::binary::Binary;
use super::elf::symbols::SymbolKind;
use super::error::GoError;
use super::pclntab::functions::{Function, package_of};
use super::types::TypeId;

/// At most this many names are offered for a misspelt one.
const MAX_SUGGESTIONS: usize = 5;

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

    /// Names of package variables that one may have meant by this name, the nearest first.
    pub fn variables_near(&self, name: &str) -> Result<Vec<String>, GoError> {
        let names = self.variables_of(package_of(name))?;
        let mut near: Vec<(usize, String)> = names
            .into_iter()
            .filter_map(|n| Some((nearness(name, &n)?, n)))
            .collect();
        near.sort();
        near.dedup();
        near.truncate(MAX_SUGGESTIONS);
        Ok(near.into_iter().map(|(_, name)| name).collect())
    }
}

impl Binary {
    /// The package variables whose names end in this one, behind a slash: `errors.ErrGone` of any package whose path ends
    /// in `errors`.
    pub fn variables_ending(&self, name: &str) -> Result<Vec<String>, GoError> {
        let end = format!("/{name}");
        let mut names = self.variables_of("")?;
        names.retain(|name| name.ends_with(&end));
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The names of a package's variables; of all packages if there is none of that name.
    fn variables_of(&self, package: &str) -> Result<Vec<String>, GoError> {
        let mut names = match &self.dwarf {
            Some(dwarf) => dwarf
                .variable_names(package)
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

/// How far a name is from the wanted one; `None` if it is not near at all.
fn nearness(wanted: &str, name: &str) -> Option<usize> {
    let last = |n: &str| n.rsplit('.').next().unwrap_or_default().to_lowercase();
    // The right name in another package is as good as one wrong letter.
    let distance = if last(wanted) == last(name) {
        1
    } else {
        edit_distance(wanted, name)
    };
    (distance <= (wanted.chars().count() / 4).clamp(1, 4)).then_some(distance)
}

/// How many letters are to be added, removed, changed or swapped with their neighbour.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = change.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_near() {
        assert_eq!(nearness("main.ErrQouta", "main.ErrQuota"), Some(1));
        assert_eq!(nearness("main.EOF", "io.EOF"), Some(1));
        assert_eq!(nearness("main.ErrQuota", "main.Greeting"), None);
        assert_eq!(nearness("io.EOG", "io.EOF"), Some(1));
    }

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
