//! Debug information (DWARF 4 and 5): parameters, types, variables, inlined calls.
//!
//! Inflating the sections costs most, so each is inflated when first needed; one function needs one
//! compile unit, found by its address. `gimli::Dwarf` is not used: its units want `.debug_line`,
//! which would be inflated for nothing.

mod entry;
pub(super) mod locations;
pub(super) mod parameters;
mod sections;
mod type_names;
mod types;
mod units;
mod variables;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gimli::{Abbreviations, DebugAbbrev, DebugAbbrevOffset, DebugInfo, EndianSlice, LittleEndian};

use self::sections::{SectionName, Sections};
use self::units::{FunctionIndex, Unit};
use super::image::Image;
use super::types::{TypeSource, Types};

/// Bytes of debug information.
type Bytes<'d> = EndianSlice<'d, LittleEndian>;

/// Damage: what is wrong, in words.
pub(super) type Damage = String;

/// The debug information of a program.
#[derive(Debug)]
pub(super) struct Dwarf {
    sections: Sections,
    units: OnceLock<Result<Vec<Unit>, Damage>>,
    abbreviations: Mutex<HashMap<usize, Arc<Abbreviations>>>,
    functions: Mutex<HashMap<usize, Arc<FunctionIndex>>>,
    /// Sizes and alignments of types, by section offset.
    measures: Mutex<HashMap<usize, (u64, u64)>>,
}

impl Dwarf {
    /// Takes the debug information of a file; `None` if it has none.
    pub(super) fn open(image: &Image) -> Option<Arc<Dwarf>> {
        Sections::present(image).then(|| {
            Arc::new(Dwarf {
                sections: Sections::new(image.clone()),
                units: OnceLock::new(),
                abbreviations: Mutex::default(),
                functions: Mutex::default(),
                measures: Mutex::default(),
            })
        })
    }

    /// An arena that reads types from here.
    pub(super) fn types(self: &Arc<Dwarf>) -> Types {
        Types::from_source(Arc::clone(self) as Arc<dyn TypeSource>)
    }

    fn info(&self) -> Result<DebugInfo<Bytes<'_>>, Damage> {
        Ok(DebugInfo::new(
            self.sections.get(SectionName::Info)?,
            LittleEndian,
        ))
    }

    fn section(&self, name: SectionName) -> Result<Bytes<'_>, Damage> {
        Ok(EndianSlice::new(self.sections.get(name)?, LittleEndian))
    }

    /// The abbreviations at an offset; all units of a Go program share one set.
    fn abbreviations(&self, offset: usize) -> Result<Arc<Abbreviations>, Damage> {
        let mut known = self.abbreviations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(abbreviations) = known.get(&offset) {
            return Ok(Arc::clone(abbreviations));
        }
        let section = DebugAbbrev::new(self.sections.get(SectionName::Abbrev)?, LittleEndian);
        let parsed = section
            .abbreviations(DebugAbbrevOffset(offset))
            .map_err(|e| e.to_string())?;
        Ok(Arc::clone(known.entry(offset).or_insert(Arc::new(parsed))))
    }
}
