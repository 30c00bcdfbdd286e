//! What is wrong with a rule file, where, and what to write instead.

mod inert;
mod located;
mod near;
mod render;

pub use inert::{inert, inert_lines};
pub use located::Located;
pub use near::{did_you_mean, near_misses};
pub use render::{Style, render, render_short};

use std::borrow::Cow;

use crate::source::Span;

/// How serious a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; nothing is refused.
    Warning,
    /// The rule file can't be used as it stands.
    Error,
}

/// One finding in a rule file.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// How serious it is.
    pub severity: Severity,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// Where; none for the file as a whole.
    pub span: Option<Span>,
    /// A few words put under the marked place.
    pub label: Option<String>,
    /// Further places that belong to it, each with its words: an earlier definition, a use of an alias.
    pub secondary: Vec<(Span, String)>,
    /// What to write instead.
    pub help: Option<String>,
    /// Further facts: call sites, near misses, ranges.
    pub notes: Vec<String>,
    /// The rule it belongs to, by name.
    pub rule: Option<String>,
}

impl Diagnostic {
    /// An error with its message.
    pub fn error(message: impl Into<String>) -> Self {
        Diagnostic::new(Severity::Error, message)
    }

    /// A warning with its message.
    pub fn warning(message: impl Into<String>) -> Self {
        Diagnostic::new(Severity::Warning, message)
    }

    fn new(severity: Severity, message: impl Into<String>) -> Self {
        Diagnostic {
            severity,
            message: message.into(),
            span: None,
            label: None,
            secondary: Vec::new(),
            help: None,
            notes: Vec::new(),
            rule: None,
        }
    }

    /// At a place.
    pub fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// With words under the marked place.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// With a further place and its words.
    pub fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.secondary.push((span, label.into()));
        self
    }

    /// With what to write instead.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With a further fact.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// In a rule.
    pub fn rule(mut self, rule: impl Into<String>) -> Self {
        self.rule = Some(rule.into());
        self
    }
}

/// Text of a file between backticks: on one line, not too long, and without what a terminal would obey.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 80;
    let shown: Cow<'_, str> = if text.chars().any(char::is_control) {
        text.escape_debug().to_string().into()
    } else {
        text.into()
    };
    match shown.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("`{}…`", &shown[..end]),
        None => format!("`{shown}`"),
    }
}
