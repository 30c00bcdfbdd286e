//! Signatures written by people, for programs without debug information.
//!
//! The text is Go: `func(s *struct{}, key string, n ...int) (val []byte, err error)`. A method's
//! receiver is its first parameter. `lexer` splits the text, `parser` and `types` read it, `layout` gives
//! types their sizes, `known` has the types of the standard library that are known by name.

mod known;
mod layout;
mod lexer;
mod parser;
mod types;

use self::parser::Lookup;
use super::binary::Binary;
use super::pclntab::functions::Function;
use super::resolve;
use super::types::{Signature, Types};

/// What is wrong with the text of a signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SignatureError {
    /// Where in the text, in bytes from its start; its length where something is missing at the end.
    pub offset: usize,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// Parses the text of a signature. `has_receiver` tells that the first parameter is the receiver.
///
/// Types are added to the arena. Behind pointers, in slices, maps, channels and functions any type
/// name will do; what is passed by value must be a builtin type, a well-known type of the standard
/// library, one that the program describes, or be written out.
pub fn parse(text: &str, has_receiver: bool, types: &Types) -> Result<Signature, SignatureError> {
    parse_with(text, has_receiver, types, &|_| None)
}

/// The same, where the program may know types by their names.
fn parse_with(
    text: &str,
    has_receiver: bool,
    types: &Types,
    lookup: Lookup<'_>,
) -> Result<Signature, SignatureError> {
    let mut signature = parser::parse(text, types, lookup)?;
    if has_receiver {
        if signature.parameters.is_empty() {
            let message = "this is a method: write its receiver as the first parameter".to_owned();
            return Err(SignatureError {
                offset: text.find('(').map_or(text.len(), |i| i + 1),
                message,
            });
        }
        signature.receiver = Some(signature.parameters.remove(0));
    }
    Ok(signature)
}

impl Binary {
    /// Parses the text of a signature for a function of this program, and checks it against what the
    /// compiler recorded of the function's calls.
    ///
    /// The function's name tells whether there is a receiver and a hidden dictionary.
    pub fn parse_signature(&self, function: &Function, text: &str) -> Result<Signature, SignatureError> {
        let has_receiver = resolve::is_method(&function.name);
        let lookup = |name: &str| self.described_by_name(name);
        let mut signature = parse_with(text, has_receiver, self.types(), &lookup)?;
        signature.dictionary = self.version().at_least(18) && resolve::is_generic_instance(function);
        self.check_signature(function, &signature)
            .map_err(|message| SignatureError { offset: 0, message })?;
        Ok(signature)
    }
}
