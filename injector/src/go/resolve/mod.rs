//! From what the debug information lists to a signature that is certain.
//!
//! The list is not always whole: compilers before Go 1.22 leave out parameters without a name, all
//! before Go 1.20 the hidden dictionary, wrappers their receiver. A place computed from a list with
//! a hole in it is wrong, and writing there corrupts the program. So every list is checked against
//! what the compiler recorded for stack traces and stack scanning, holes are filled where the
//! evidence leaves one possibility, and otherwise there is no signature.

mod captures;
mod fillers;
mod gaps;
mod names;
mod pointers;
mod stack_gaps;
mod witness;

use super::abi::{Convention, Frame, frame};
use super::arch::Architecture;
use super::arg_info::ArgInfo;
use super::dwarf::locations::EntryLocation;
use super::dwarf::parameters::{Listed, Listing};
use super::pclntab::functions::Function;
use super::sites::Spill;
use super::types::{Kind, Signature, TypeId, Types, Uncertain, Variable};
use super::version::GoVersion;

pub(super) use self::captures::ClosureFacts;
use self::names::Method;
pub(super) use self::names::is_closure;
pub(crate) use self::names::wrapper_name;
use self::witness::expected_spills;

/// What is known of a function beside its listing.
pub(super) struct Evidence<'e> {
    pub(super) architecture: Architecture,
    pub(super) version: &'e GoVersion,
    pub(super) convention: Convention,
    /// Bytes of the caller's frame that belong to the call.
    pub(super) arguments_size: Option<u32>,
    /// The compiler's record of the parameters' homes: absent where it makes none, `None` inside
    /// where the function has no parameters.
    pub(super) arg_info: Option<Option<ArgInfo>>,
    /// The registers that it saves before its stack grows; absent if it has no such code.
    pub(super) spills: &'e dyn Fn() -> Option<Vec<Spill>>,
    /// The words of its parameters that hold pointers at entry, in bytes from the first one's home; absent where there
    /// is no record.
    pub(super) pointers: &'e dyn Fn() -> Option<Vec<u64>>,
    /// Where a listed parameter is at entry, by its place in the listing, as the debug information
    /// sees it.
    pub(super) location: &'e dyn Fn(usize) -> Option<EntryLocation>,
    /// What is known of it as a closure; none if it is not one.
    pub(super) closure: &'e dyn Fn() -> Option<ClosureFacts>,
}

/// A possible signature, and which of its variables are listed.
#[derive(Clone, Debug)]
struct Candidate {
    signature: Signature,
    /// For receiver and parameters in order, dictionary not counted: the place in the listing.
    listed: Vec<Option<usize>>,
}

/// Finds the one signature that fits all evidence; the error says in words why there is none.
pub(super) fn resolve(
    types: &Types,
    listing: &Listing,
    evidence: &Evidence<'_>,
) -> Result<Signature, String> {
    let resolver = Resolver {
        types,
        listing,
        evidence,
        method: Method::of(&listing.name),
    };
    resolver.refuse_vectors()?;
    let plain: Vec<Candidate> = resolver
        .dictionaries()
        .into_iter()
        .map(|d| resolver.as_listed(d))
        .collect();
    if let Some(found) = plain.into_iter().find(|c| resolver.fits(c)) {
        return Ok(found.signature);
    }
    if evidence.version.at_least(17) {
        gaps::fill(&resolver)
    } else {
        stack_gaps::fill(&resolver)
    }
}

/// Whether a function is a method, by its name.
pub(super) fn is_method(name: &str) -> bool {
    Method::of(name).is_some()
}

/// Whether a function is an instance of a generic one that takes a dictionary.
pub(super) fn is_generic_instance(function: &Function) -> bool {
    match &function.full_name {
        Some(full) => names::is_shaped(full),
        // Without type arguments, only wrappers can be told apart, and they take none.
        None => !function.is_wrapper && names::is_shaped(&function.name.replace("[...]", "[go.shape.]")),
    }
}

/// Checks a signature that comes from elsewhere; the error says in words what is wrong with it.
pub(super) fn check(
    types: &Types,
    signature: &Signature,
    name: &str,
    evidence: &Evidence<'_>,
) -> Result<(), String> {
    let frame = frame(
        evidence.architecture,
        types,
        signature,
        evidence.convention,
        evidence.version,
    );
    if let Some(size) = evidence.arguments_size
        && frame.size != u64::from(size)
    {
        return Err(format!(
            "this does not fit the function: its parameters and results take {} bytes, and the compiler recorded {size}",
            frame.size
        ));
    }
    if let Some(recorded) = &evidence.arg_info {
        let computed = ArgInfo::of(types, &frame.homes, name.contains('['));
        match recorded {
            None if frame.homes.len() > usize::from(name.contains('[')) => {
                return Err("this does not fit the function: it takes no parameters".to_owned());
            }
            Some(recorded) if *recorded != computed => {
                return Err(format!(
                    "this does not fit the function: the compiler recorded parameters of the sizes {recorded}, and \
                     these are {computed} (bytes, grouped as in Go's stack traces)"
                ));
            }
            _ => {}
        }
    }
    if let Some(saved) = (evidence.spills)() {
        let expected = expected_spills(&frame);
        if !saved.iter().all(|spill| expected.contains(spill)) {
            return Err(
                "this does not fit the function: it takes parameters in other registers (integers where there are \
                 floats, or the other way round)"
                    .to_owned(),
            );
        }
    }
    let pointers = (evidence.pointers)().unwrap_or_default();
    if let Some(ty) = pointers::misplaced(types, &frame, &pointers) {
        return Err(format!(
            "this does not fit the function: the compiler recorded a pointer where a `{}` has none",
            types.get(ty).name
        ));
    }
    Ok(())
}

struct Resolver<'r> {
    types: &'r Types,
    listing: &'r Listing,
    evidence: &'r Evidence<'r>,
    method: Option<Method>,
}

impl Resolver<'_> {
    /// Whether there may be a dictionary that is not listed, the likelier first.
    fn dictionaries(&self) -> Vec<bool> {
        match (self.listing.dictionary, names::is_shaped(&self.listing.name)) {
            (None, true) if self.evidence.version.at_least(18) => vec![true, false],
            _ => vec![false],
        }
    }

    /// The signature as it is listed, nothing added but perhaps a dictionary.
    fn as_listed(&self, dictionary: bool) -> Candidate {
        let listed = (0..self.listing.parameters.len()).map(Some).collect();
        let variables = self.listing.parameters.iter().map(variable).collect();
        self.candidate(variables, listed, self.lists_receiver(), dictionary)
    }

    /// A candidate from all values that come in.
    fn candidate(
        &self,
        mut variables: Vec<Variable>,
        mut listed: Vec<Option<usize>>,
        has_receiver: bool,
        dictionary: bool,
    ) -> Candidate {
        // Where it stands in the listing says little: in functions that can be inlined it is last.
        let place = self
            .listing
            .dictionary
            .and_then(|d| listed.iter().position(|&l| l == Some(d)));
        let is_listed = place.is_some() && names::is_shaped(&self.listing.name);
        if let Some(place) = place.filter(|_| is_listed) {
            variables.remove(place);
            listed.remove(place);
        }
        let captures = self.captures(&listed);
        let receiver = (has_receiver && !variables.is_empty()).then(|| variables.remove(0));
        Candidate {
            signature: Signature {
                receiver,
                dictionary: dictionary || is_listed,
                parameters: variables,
                captured: captures.unwrap_or_default(),
                results: self.results(),
                positions_uncertain: if captures.is_none() {
                    Some(Uncertain::Captured)
                } else {
                    self.order_is_uncertain().then_some(Uncertain::Unlisted)
                },
            },
            listed,
        }
    }

    fn results(&self) -> Vec<Variable> {
        self.listing.results.iter().map(variable).collect()
    }

    /// Whether the first listed parameter is the receiver.
    fn lists_receiver(&self) -> bool {
        let dictionary_first = usize::from(self.listing.dictionary == Some(0));
        match (&self.method, self.listing.parameters.get(dictionary_first)) {
            (Some(method), Some(first)) => method.receives(&self.types.get(first.ty).name),
            _ => false,
        }
    }

    /// Whether it is a method whose receiver the listing lacks.
    fn lacks_receiver(&self) -> bool {
        self.method.is_some() && !self.lists_receiver()
    }

    /// How many parameters there are, receiver not counted, where that is known: before Go 1.17 the
    /// compiler's names for results without a name go on counting where the parameters end.
    fn parameter_count(&self) -> Option<usize> {
        let first = self.listing.results.iter().find(|r| r.name.starts_with('~'))?;
        first.name.get(2..)?.parse().ok()
    }

    /// Whether no result is missing: since Go 1.17 the compiler calls those without a name by their
    /// place among the results.
    fn results_are_whole(&self) -> bool {
        let place = |name: &str| name.strip_prefix(['~'])?.get(1..)?.parse::<usize>().ok();
        let mut results = self.listing.results.iter().enumerate();
        !self.evidence.version.at_least(17) || results.all(|(i, r)| place(&r.name).is_none_or(|n| n == i))
    }

    /// Before Go 1.17 parameters without a size are listed in no certain order.
    fn order_is_uncertain(&self) -> bool {
        !self.evidence.version.at_least(17)
            && self
                .listing
                .parameters
                .iter()
                .any(|p| self.types.get(p.ty).size == 0)
    }

    fn frame(&self, candidate: &Candidate) -> Frame {
        frame(
            self.evidence.architecture,
            self.types,
            &candidate.signature,
            self.evidence.convention,
            self.evidence.version,
        )
    }

    /// Whether a candidate agrees with everything that is known.
    fn fits(&self, candidate: &Candidate) -> bool {
        if (self.method.is_some() && candidate.signature.receiver.is_none()) || !self.results_are_whole() {
            return false;
        }
        let frame = self.frame(candidate);
        let captures_dictionary = self
            .listing
            .dictionary
            .is_some_and(|d| candidate.listed.contains(&Some(d)));
        if captures_dictionary && !self.all_places_agree(candidate, &frame) {
            return false;
        }
        let Some(size) = self.evidence.arguments_size else {
            return false;
        };
        if frame.size != u64::from(size) {
            return false;
        }
        if !self.evidence.version.at_least(17) {
            let count = candidate.signature.parameters.len();
            let is_whole = self.parameter_count().map(|n| n == count);
            return self.places_agree(candidate, &frame)
                && is_whole.unwrap_or_else(|| self.is_pinned(candidate, &frame));
        }
        // The record stops after ten components; what comes later, or everything where it cannot be
        // read, needs another witness, unless the compiler lists every parameter.
        let (agrees, is_cut) = match &self.evidence.arg_info {
            Some(Some(recorded)) => {
                let computed = ArgInfo::of(self.types, &frame.homes, self.skips_first());
                (*recorded == computed, recorded.is_cut())
            }
            Some(None) => (frame.homes.is_empty(), false),
            None => (self.spills_agree(&frame) != Some(false), true),
        };
        let is_pinned = || self.spills_agree(&frame) != Some(false) && self.is_pinned(candidate, &frame);
        agrees && (!is_cut || self.evidence.version.at_least(22) || is_pinned())
    }

    /// The compiler leaves the first parameter out of its record if there are brackets in the name,
    /// meaning the dictionary.
    fn skips_first(&self) -> bool {
        self.listing.name.contains('[')
    }

    /// Vector types (`GOEXPERIMENT=simd`) travel in registers that no layout describes.
    fn refuse_vectors(&self) -> Result<(), String> {
        let mut all = self.listing.parameters.iter().chain(&self.listing.results);
        match all.find(|p| contains_vector(self.types, p.ty, 16)) {
            Some(listed) => Err(format!(
                "`{}` is of a vector type, which is not supported",
                listed.name
            )),
            None => Ok(()),
        }
    }
}

fn contains_vector(types: &Types, ty: TypeId, depth: u32) -> bool {
    let t = types.get(ty);
    let inner = |ty| depth > 0 && contains_vector(types, ty, depth - 1);
    match &t.kind {
        Kind::Struct { fields } => t.name.starts_with("simd/archsimd.") || fields.iter().any(|f| inner(f.ty)),
        Kind::Array { element, length: 1 } => inner(*element),
        _ => false,
    }
}

fn variable(listed: &Listed) -> Variable {
    let invented = listed.name == "_" || listed.name.starts_with(['~', '.', '&']);
    Variable {
        name: (!invented).then(|| listed.name.clone()),
        ty: listed.ty,
    }
}
