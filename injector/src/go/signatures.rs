//! Signatures of a binary's functions.

use std::cell::OnceCell;
use std::ops::Range;

use super::abi::{Layout, layout};
use super::address::Address;
use super::arg_info::{self, ArgInfo};
use super::binary::Binary;
use super::bytes::u32_at;
use super::dwarf::locations::EntryLocation;
use super::error::GoError;
use super::pclntab::functions::Function;
use super::pclntab::inline_tree::InlinedCall;
use super::resolve::{Evidence, check, resolve};
use super::sites::{self, Spill};
use super::types::{Signature, TypeId};

impl Binary {
    /// The parameters and results of a function.
    ///
    /// `None` where the program has no types for it: no debug information, or the function is
    /// assembly. An error where it has some, but they leave room for more than one reading.
    pub fn signature(&self, function: &Function) -> Result<Option<Signature>, GoError> {
        let Some(dwarf) = self.dwarf.as_ref().filter(|_| !function.is_assembly) else {
            return Ok(None);
        };
        let damaged = |why: String| GoError::dwarf(self.debug.path(), why);
        let Some(listing) = dwarf.listing(self.types(), function.entry).map_err(damaged)? else {
            return Ok(None);
        };
        let spills = || self.spills(function);
        let pointers = || self.entry_pointers(function);
        let location = |parameter| dwarf.entry_location(&listing, parameter);
        let closure = OnceCell::new();
        let closure = || *closure.get_or_init(|| self.closure_facts(function));
        let evidence = Evidence {
            location: &location,
            closure: &closure,
            ..self.evidence(function, &spills, &pointers)
        };
        resolve(self.types(), &listing, &evidence)
            .map(Some)
            .map_err(|why| GoError::UncertainSignature {
                function: function.name.clone(),
                why,
            })
    }

    /// Where the debug information sees a function's parameters when it is entered, by their names
    /// there. To compare with only: it is silent or wrong for what the optimiser dropped.
    pub fn witnesses(&self, function: &Function) -> Result<Vec<(String, EntryLocation)>, GoError> {
        let damaged = |why: String| GoError::dwarf(self.debug.path(), why);
        let Some(dwarf) = &self.dwarf else {
            return Ok(Vec::new());
        };
        let Some(listing) = dwarf.listing(self.types(), function.entry).map_err(damaged)? else {
            return Ok(Vec::new());
        };
        let located = listing.parameters.iter().enumerate();
        Ok(located
            .filter_map(|(i, p)| Some((p.name.clone(), dwarf.entry_location(&listing, i)?)))
            .collect())
    }

    /// Checks a signature that does not come from the program against what the compiler recorded of
    /// the function's calls. The error says what is wrong.
    pub fn check_signature(&self, function: &Function, signature: &Signature) -> Result<(), String> {
        let spills = || self.spills(function);
        let pointers = || self.entry_pointers(function);
        check(
            self.types(),
            signature,
            &function.name,
            &self.evidence(function, &spills, &pointers),
        )
    }

    fn evidence<'e>(
        &'e self,
        function: &Function,
        spills: &'e dyn Fn() -> Option<Vec<Spill>>,
        pointers: &'e dyn Fn() -> Option<Vec<u64>>,
    ) -> Evidence<'e> {
        Evidence {
            architecture: self.architecture(),
            version: self.version(),
            convention: function.convention(),
            arguments_size: function.arguments_size,
            arg_info: self.arg_info(function),
            spills,
            pointers,
            location: &|_| None,
            closure: &|| None,
        }
    }

    fn spills(&self, function: &Function) -> Option<Vec<Spill>> {
        sites::sites(self, function).ok()?.morestack.map(|m| m.spills)
    }

    /// The words of a function's parameters that the garbage collector would follow when it begins, in bytes from the
    /// first one's home.
    fn entry_pointers(&self, function: &Function) -> Option<Vec<u64>> {
        /// `FUNCDATA_ArgsPointerMaps`.
        const ARGUMENT_MAPS: usize = 0;
        /// Number of maps, bits in each; the first one is of the entry.
        const HEAD: usize = 8;
        /// Parameters take no more; a bound for damaged files.
        const MAX_BITS: u32 = 1 << 13;
        if function.is_assembly {
            return None;
        }
        let map = self.functions().funcdata(function, ARGUMENT_MAPS)?;
        let head = self.image.read(map, HEAD)?;
        let (maps, bits) = (u32_at(head, 0)?, u32_at(head, 4)?);
        if maps == 0 || bits > MAX_BITS {
            return None;
        }
        let bytes = self
            .image
            .read(map.plus(HEAD as u64), bits.div_ceil(8) as usize)?;
        let is_set = |bit: &u32| bytes[*bit as usize / 8] & (1 << (bit % 8)) != 0;
        Some((0..bits).filter(is_set).map(|bit| u64::from(bit) * 8).collect())
    }

    /// The calls of a function of that name that were inlined, so that no probe can see them.
    pub fn inlined_calls(&self, name: &str) -> Result<Vec<InlinedCall>, GoError> {
        Ok(self.inlined_calls_where(|callee| callee == name))
    }

    /// The inlined calls of every function whose name is wanted, in one pass over the program.
    pub fn inlined_calls_where(&self, wanted: impl Fn(&str) -> bool) -> Vec<InlinedCall> {
        self.functions().inlined_calls(&self.image, wanted)
    }

    /// Every piece of code that a marked function stands at, as itself or inlined, in order of address: with the marks
    /// of all functions there, innermost first.
    pub fn marked_code(&self, mark: impl Fn(&str) -> u16, visit: impl FnMut(Range<Address>, &[u16])) {
        self.functions().marked_code(&self.image, mark, visit);
    }

    /// A type by its name in the program, as `main.Config`, `[]uint8` or `*net/http.Request`. `None` if
    /// there is none of that name, or no debug information.
    pub fn type_named(&self, name: &str) -> Result<Option<TypeId>, GoError> {
        let damaged = |why| GoError::dwarf(self.debug.path(), why);
        match &self.dwarf {
            Some(dwarf) => dwarf.type_named(self.types(), name).map_err(damaged),
            None => Ok(None),
        }
    }

    /// The names of all types in the debug information.
    pub fn type_names(&self) -> Result<Vec<String>, GoError> {
        let damaged = |why| GoError::dwarf(self.debug.path(), why);
        match &self.dwarf {
            Some(dwarf) => dwarf.type_names().map_err(damaged),
            None => Ok(Vec::new()),
        }
    }

    /// Where the values of a function with this signature are.
    pub fn layout(&self, function: &Function, signature: &Signature) -> Layout {
        layout(
            self.architecture(),
            self.types(),
            signature,
            function.convention(),
            self.version(),
        )
    }

    /// The compiler's record of a function's parameters: `None` where there is no such record at
    /// all, `Some(None)` where the function has none because it has no parameters.
    pub(super) fn arg_info(&self, function: &Function) -> Option<Option<ArgInfo>> {
        if !self.version().at_least(17) || function.is_assembly {
            return None;
        }
        if self.version().at_least(18) {
            self.module()?.function_data?;
        }
        let Some(address) = self.functions().funcdata(function, arg_info::FUNCDATA) else {
            return Some(None);
        };
        let bytes = self.image.read_rest(address)?;
        let bytes = &bytes[..bytes.len().min(arg_info::MAX_BYTES)];
        ArgInfo::parse(bytes).map(Some)
    }
}
