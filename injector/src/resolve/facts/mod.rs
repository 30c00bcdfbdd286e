//! What a rule could do with a function: the knowledge that resolves rules, without a rule.

mod value;

use serde::Serialize;

use self::value::Values;
pub(crate) use self::value::access as type_access;
pub use self::value::{Access, Part, Role, Value};
use super::rule::{declaration, float_parameters};
use super::{fault, function, policy};
use crate::go::abi::{self, Convention};
use crate::go::address::Address;
use crate::go::sites::{EntryKind, Sites, sites};
use crate::go::types::{Signature, Types};
use crate::go::{Binary, Function, InlinedCall};
use crate::plan::{Consumes, Instruction, SiteKind};

/// All that a rule with this name in `function:` would act on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NamedFunction {
    /// The name.
    pub name: String,
    /// The functions of that name: several instances of a generic function share one. Empty if every
    /// call is inlined.
    pub functions: Vec<FunctionFacts>,
    /// Calls that never reach a probe, because the function's body stands in their place.
    pub inlined: Vec<InlinedPlace>,
}

/// A call that was inlined.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InlinedPlace {
    /// The function whose code the body stands in.
    pub within: String,
    /// Source file of the call.
    pub file: String,
    /// Its line.
    pub line: u32,
}

/// What a rule could do with one function.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FunctionFacts {
    /// As Go would declare it; absent where the program has no types for it.
    pub declaration: Option<String>,
    /// Source file and line of its beginning.
    pub file: Option<String>,
    #[expect(missing_docs, reason = "see `file`")]
    pub line: Option<u32>,
    /// Its first instruction.
    pub address: Address,
    /// Bytes of its code.
    pub size: u64,
    /// `register` (ABIInternal) or `stack` (ABI0, and every function before Go 1.17).
    pub convention: &'static str,
    /// Why no rule can act on it; absent if rules can.
    pub refused: Option<String>,
    /// Why nothing is known of its parameters and results; absent if they are known.
    pub untyped: Option<String>,
    /// Receiver, parameters and results.
    pub values: Vec<Value>,
    /// Where it would be probed.
    pub sites: Vec<FoundSite>,
    /// How its calls would be delayed; absent if it cannot be probed.
    pub delay: Option<Delay>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
}

/// How calls of a function are delayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Delay {
    /// The goroutine sleeps.
    Sleeps,
    /// The goroutine yields to others again and again.
    Yields,
    /// Not at all, because of this.
    Refused(String),
}

/// A place where a function would be probed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FoundSite {
    /// Which end of a call.
    pub kind: SiteKind,
    /// The instruction.
    pub instruction: Instruction,
}

/// What there is under a name; none if there is no such function, nor an inlined call of one.
pub fn named(binary: &Binary, name: &str) -> Option<NamedFunction> {
    let functions = function::find(name, binary);
    let inlined = function::inlined_calls(name, binary);
    if functions.is_empty() && inlined.is_empty() {
        return None;
    }
    // Those in its wrapper are seen there.
    let wrappers = functions
        .iter()
        .filter_map(|function| binary.wrapper_with_body(function));
    let wrappers: Vec<String> = wrappers.map(|wrapper| wrapper.name).collect();
    let inlined: Vec<InlinedCall> = inlined
        .into_iter()
        .filter(|call| !wrappers.contains(&call.within))
        .collect();
    let found = functions.iter().map(|function| &function.name);
    let named = found.chain(inlined.iter().map(|call| &call.callee)).next();
    Some(NamedFunction {
        name: named.map_or(name, String::as_str).to_owned(),
        functions: functions.iter().map(|function| of(binary, function)).collect(),
        inlined: inlined.into_iter().map(InlinedPlace::from).collect(),
    })
}

impl From<InlinedCall> for InlinedPlace {
    fn from(call: InlinedCall) -> InlinedPlace {
        InlinedPlace {
            within: call.within,
            file: call.file,
            line: call.line,
        }
    }
}

/// How a function is declared, for lists; none where the program has no types for it.
pub fn declared(binary: &Binary, function: &Function) -> Option<String> {
    let signature = binary.signature(function).ok()??;
    Some(declaration(function, &signature, binary.types()))
}

/// Why no rule can act on a function; none if rules can.
pub fn refusal(binary: &Binary, function: &Function) -> Option<String> {
    match policy::refusal(function) {
        Some(why) => Some(why.to_owned()),
        None => sites(binary, function).err().map(|error| error.to_string()),
    }
}

fn of(binary: &Binary, function: &Function) -> FunctionFacts {
    let location = binary.functions().location(function);
    let mut facts = FunctionFacts {
        declaration: None,
        file: location.as_ref().map(|(file, _)| file.clone()),
        line: location.map(|(_, line)| line),
        address: function.entry,
        size: function.size(),
        convention: match function.convention() {
            Convention::Register => "register",
            Convention::Stack => "stack",
        },
        refused: policy::refusal(function).map(str::to_owned),
        untyped: None,
        values: Vec::new(),
        sites: Vec::new(),
        delay: None,
        notes: Vec::new(),
    };
    let found = match sites(binary, function) {
        Ok(found) => Some(found),
        Err(error) => {
            let why = error.to_string();
            let own = why.strip_prefix(&format!("{}: ", function.name)).unwrap_or(&why);
            facts.refused.get_or_insert_with(|| own.to_owned());
            None
        }
    };
    let signature = match binary.known_signature(function) {
        Ok(Some(signature)) => Some(signature),
        Ok(None) => {
            facts.untyped = Some("the binary has no types for it".to_owned());
            None
        }
        Err(error) => {
            facts.untyped = Some(format!("its types cannot be read: {error}"));
            None
        }
    };
    let mut floats = 0;
    if let Some(signature) = &signature {
        let layout = abi::layout(
            binary.architecture(),
            binary.types(),
            signature,
            function.convention(),
            binary.version(),
        );
        floats = float_parameters(&layout);
        facts.declaration = Some(declaration(function, signature, binary.types()));
        facts.values = Values {
            signature,
            layout: &layout,
            types: binary.types(),
            unreachable: facts.refused.as_deref(),
            no_results: found.as_ref().and_then(no_results),
        }
        .list();
        facts.notes.extend(captures(signature, binary.types()));
        if let Some(why) = signature.positions_uncertain {
            let why = why.words();
            facts.notes.push(format!(
                "{why}: rules name them, for positions (`args[n]`) are refused"
            ));
        }
    }
    if let Some(found) = &found {
        facts.sites = found_sites(binary, found, floats);
        facts.delay = Some(match fault::delayed_at(function, found, binary) {
            Ok(slot) if slot.sleeps() => Delay::Sleeps,
            Ok(_) => Delay::Yields,
            Err(why) => Delay::Refused(why.to_owned()),
        });
        facts.notes.extend(tail_calls(found));
    }
    if let Some(wrapper) = binary.wrapper_with_body(function) {
        facts.notes.push(format!(
            "calls through an interface go to `{}`, which has its body inlined: rules on the method act there, too",
            wrapper.name
        ));
    }
    if function.is_wrapper {
        facts
            .notes
            .push("the compiler made it, around another function".to_owned());
    }
    facts
}

/// Why results can't be reached, if they can't.
fn no_results(found: &Sites) -> Option<String> {
    if !found.returns.is_empty() {
        return None;
    }
    let callee = found.tail_calls.iter().find_map(|call| call.callee.as_deref());
    Some(callee.map_or_else(
        || "the function never returns".to_owned(),
        |callee| format!("the function ends in a jump to `{callee}`: name that function instead"),
    ))
}

/// What a closure gets from where it stands, in front of its parameters.
fn captures(signature: &Signature, types: &Types) -> Option<String> {
    let named = signature
        .captures()
        .iter()
        .filter(|variable| variable.name.is_some());
    let captured: Vec<String> = named
        .map(|v| format!("`{} {}`", v.name.as_deref().unwrap_or("_"), types.get(v.ty).name))
        .collect();
    (!captured.is_empty()).then(|| {
        format!(
            "it is a closure that is called where it stands, and captures {}",
            captured.join(", ")
        )
    })
}

fn tail_calls(found: &Sites) -> Option<String> {
    let callee = found.tail_calls.first()?.callee.as_deref();
    let to = callee.map_or_else(|| "another function".to_owned(), |callee| format!("`{callee}`"));
    (!found.returns.is_empty()).then(|| format!("calls that end in a jump to {to} keep their results"))
}

fn found_sites(binary: &Binary, found: &Sites, floats: u16) -> Vec<FoundSite> {
    let entry = &found.entry;
    let kind = match entry.kind {
        EntryKind::CheckJump { morestack_flags } => SiteKind::EntryCheckJump {
            flags: u8::try_from(morestack_flags).expect("carry and zero are in the low byte"),
        },
        EntryKind::AfterCheck | EntryKind::Start => SiteKind::Entry,
    };
    let mut all = vec![FoundSite {
        kind,
        instruction: Instruction::of(
            &entry.site,
            Consumes::at_entry(entry, floats, binary.architecture()),
            binary,
        ),
    }];
    all.extend(found.returns.iter().map(|site| FoundSite {
        kind: SiteKind::Return,
        instruction: Instruction::of(site, Consumes::Nothing, binary),
    }));
    all
}
