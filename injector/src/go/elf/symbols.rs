//! The symbol table, searched in the file itself.

use super::types::Elf;
use crate::go::address::Address;
use crate::go::bytes::{slice_at, u16_at, u32_at, u64_at};

const ENTRY_SIZE: usize = 24;

/// An entry of the symbol table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Its name in the symbol table.
    pub name: String,
    /// Its link-time address.
    pub address: Address,
    /// Bytes; 0 where the linker did not say.
    pub size: u64,
    /// What it stands for.
    pub kind: SymbolKind,
}

/// What a symbol stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolKind {
    /// A function.
    Function,
    /// A variable.
    Object,
    /// A thread-local variable: its address is an offset.
    ThreadLocal,
    /// Something else: a section, a file, a marker.
    Other,
}

/// The symbol table of a file.
#[derive(Clone, Copy, Debug)]
pub(in crate::go) struct SymbolTable<'d> {
    entries: &'d [u8],
    names: &'d [u8],
}

impl<'d> SymbolTable<'d> {
    /// Finds it; `None` where it was stripped.
    pub(in crate::go) fn find(elf: &Elf, data: &'d [u8]) -> Option<SymbolTable<'d>> {
        let section = elf.section(".symtab")?;
        let entries = elf.contents(data, section)?;
        let names = elf.contents(data, elf.sections.get(usize::try_from(section.link).ok()?)?)?;
        (entries.len() >= ENTRY_SIZE).then_some(SymbolTable { entries, names })
    }

    /// The symbol of exactly that name that has an address.
    pub(in crate::go) fn lookup(&self, name: &str) -> Option<Symbol> {
        // Comparing bytes at each name's place avoids building a table of all names, which would
        // cost more than everything else of a one-function query.
        self.entries.chunks_exact(ENTRY_SIZE).find_map(|entry| {
            let offset = usize::try_from(u32_at(entry, 0)?).ok()?;
            let candidate = slice_at(self.names, offset, name.len())?;
            let ends = self.names.get(offset + name.len()) == Some(&0);
            let defined = u16_at(entry, 6)? != 0;
            (ends && defined && candidate == name.as_bytes()).then(|| symbol(name.to_owned(), entry))?
        })
    }

    /// The addresses of all symbols whose name ends like this.
    pub(in crate::go) fn addresses_ending(&self, suffix: &str) -> impl Iterator<Item = Address> + use<'d> {
        let suffix = [suffix.as_bytes(), &[0]].concat();
        let (entries, names) = (self.entries, self.names);
        entries.chunks_exact(ENTRY_SIZE).filter_map(move |entry| {
            let rest = names.get(usize::try_from(u32_at(entry, 0)?).ok()?..)?;
            let end = rest.iter().position(|&b| b == 0)?;
            let defined = u16_at(entry, 6)? != 0;
            (defined && rest[..=end].ends_with(&suffix)).then(|| u64_at(entry, 8).map(Address))?
        })
    }

    /// All symbols with a name and an address, in file order.
    pub(in crate::go) fn iter(&self) -> impl Iterator<Item = (&'d str, Symbol)> + use<'d> {
        let names = self.names;
        self.entries.chunks_exact(ENTRY_SIZE).filter_map(move |entry| {
            let offset = usize::try_from(u32_at(entry, 0)?).ok()?;
            let rest = names.get(offset..)?;
            let end = rest.iter().position(|&b| b == 0)?;
            let name = std::str::from_utf8(&rest[..end]).ok()?;
            if name.is_empty() || u16_at(entry, 6)? == 0 {
                return None;
            }
            Some((name, symbol(name.to_owned(), entry)?))
        })
    }
}

fn symbol(name: String, entry: &[u8]) -> Option<Symbol> {
    let kind = match entry[4] & 0xf {
        1 => SymbolKind::Object,
        2 => SymbolKind::Function,
        6 => SymbolKind::ThreadLocal,
        _ => SymbolKind::Other,
    };
    Some(Symbol {
        name,
        address: Address(u64_at(entry, 8)?),
        size: u64_at(entry, 16)?,
        kind,
    })
}
