//! Why a value does not fit, in words for the user.

use goinject_rules::model::Value;
use goinject_rules::source::Span;

/// Why a value does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::resolve) struct Misfit {
    /// What is wrong.
    pub(in crate::resolve) message: String,
    /// What to write instead.
    pub(in crate::resolve) help: String,
    /// The part of the value that does not fit, if it is only a part.
    pub(in crate::resolve) span: Option<Span>,
    /// Whether another build of the program would do, rather than another value.
    pub(in crate::resolve) unarmable: bool,
}

impl Misfit {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Misfit {
        Misfit {
            message: message.into(),
            help: help.into(),
            span: None,
            unarmable: false,
        }
    }

    /// The rule is right, but this program does not have what it takes.
    pub(super) fn of_binary(message: impl Into<String>, help: impl Into<String>) -> Misfit {
        Misfit {
            unarmable: true,
            ..Misfit::new(message, help)
        }
    }

    /// A value that is nothing of what fits.
    pub(super) fn kind(value: &Value, type_name: &str, help: impl Into<String>) -> Misfit {
        Misfit::new(format!("{} does not fit `{type_name}`", describe(value)), help)
    }

    pub(super) fn no_room() -> Misfit {
        Misfit::new(
            "the texts of all rules together are more than 16 MiB",
            "make them shorter",
        )
    }

    /// Of a part of a value, unless an even smaller part is known.
    pub(super) fn within(mut self, span: Span) -> Misfit {
        self.span.get_or_insert(span);
        self
    }
}

/// A value as a message names it.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Bool(value) => value.to_string(),
        Value::Text(text) => format!("\"{text}\""),
        Value::Null => "null".to_owned(),
        Value::Message(_) => "an error with a message".to_owned(),
        Value::Errno(_) => "a system error".to_owned(),
        Value::Add(_) => "`add`".to_owned(),
        Value::Xor(_) => "`xor`".to_owned(),
        Value::Random(..) => "`random`".to_owned(),
        Value::Len(_) => "`len`".to_owned(),
        Value::Bytes(_) => "`bytes`".to_owned(),
        Value::Fields(_) => "a mapping".to_owned(),
        Value::List(_) => "a list".to_owned(),
        Value::New(_) => "`new`".to_owned(),
        Value::Typed { name, .. } => format!("a `{}`", name.value),
        Value::Wrap { .. } => "a wrapped error".to_owned(),
        Value::Join(_) => "joined errors".to_owned(),
    }
}
