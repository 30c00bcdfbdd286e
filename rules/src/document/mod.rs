//! The rule file as written: a tree of YAML nodes, each with its place.
//!
//! Reading into typed structs would stop at the first wrong field; a tree lets `validate` look at
//! everything and report all mistakes at once. Anchors, aliases and merge keys are already
//! resolved here; a node that came through one remembers both where it is written and where it is used.

mod fields;
mod load;
mod place;
mod read;
mod syntax;

pub(crate) use fields::{Fields, Keys, and_list};
pub(crate) use load::load;
pub(crate) use read::Reader;

use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::units::number::{Malformed, Number};

/// One YAML node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// Where it is written.
    pub(crate) span: Span,
    /// Where it is used, if that is elsewhere: an alias or a merge key.
    pub(crate) used_at: Option<Span>,
    /// Its YAML tag, such as `!important`. Rule files use none.
    pub(crate) tag: Option<String>,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Scalar(Scalar),
    List(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
}

/// A scalar, both as text and as what YAML takes it for.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    /// The text: as written if unquoted, with quotes and escapes taken away otherwise.
    pub(crate) text: String,
    pub(crate) meaning: Meaning,
}

/// What YAML, and Go where YAML has nothing to say, takes a scalar for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Meaning {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    /// Every quoted scalar and block, and what is nothing else.
    Text,
    /// Looks like a number and is none.
    Malformed(Malformed),
}

impl From<Result<Number, Malformed>> for Meaning {
    fn from(number: Result<Number, Malformed>) -> Self {
        match number {
            Ok(Number::Integer(value)) => Meaning::Integer(value),
            Ok(Number::Float(value)) => Meaning::Float(value),
            Err(malformed) => Meaning::Malformed(malformed),
        }
    }
}

impl Node {
    /// An error at this node.
    pub(crate) fn error(&self, message: impl Into<String>) -> Diagnostic {
        self.blame(Diagnostic::error(message))
    }

    /// A warning at this node.
    pub(crate) fn warning(&self, message: impl Into<String>) -> Diagnostic {
        self.blame(Diagnostic::warning(message))
    }

    fn blame(&self, diagnostic: Diagnostic) -> Diagnostic {
        let diagnostic = diagnostic.at(self.span);
        match self.used_at {
            Some(used_at) => diagnostic.also(used_at, "used here"),
            None => diagnostic,
        }
    }

    pub(crate) fn scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(scalar),
            Kind::List(_) | Kind::Mapping(_) => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(
            &self.kind,
            Kind::Scalar(Scalar {
                meaning: Meaning::Null,
                ..
            })
        )
    }

    /// The node's kind in the words of messages.
    pub(crate) fn noun(&self) -> &'static str {
        match &self.kind {
            Kind::List(_) => "a list",
            Kind::Mapping(_) => "a mapping",
            Kind::Scalar(scalar) => match scalar.meaning {
                Meaning::Null => "nothing",
                Meaning::Bool(_) => "a boolean",
                Meaning::Integer(_) => "a whole number",
                Meaning::Float(_) => "a float",
                Meaning::Text | Meaning::Malformed(_) => "text",
            },
        }
    }
}
