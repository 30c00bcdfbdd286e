//! Diagnostics with lines and columns, for other programs.

use serde::Serialize;

use super::{Diagnostic, Severity};
use crate::source::{Source, Span};

/// A diagnostic together with its file, ready to be written as JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Located<'d> {
    /// `error` or `warning`.
    pub severity: &'static str,
    /// What is wrong.
    pub message: &'d str,
    /// The file, as the user named it.
    pub file: String,
    /// Where; absent for the file as a whole.
    #[serde(skip_serializing_if = "Option::is_none", flatten)]
    pub place: Option<Place>,
    /// A few words on the marked place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<&'d str>,
    /// What to write instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<&'d str>,
    /// Further facts.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub notes: &'d [String],
    /// The rule it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'d str>,
}

/// A range of a file; lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Line of the first character.
    pub line: usize,
    /// Column of the first character.
    pub column: usize,
    /// Line of the character behind the last.
    pub end_line: usize,
    /// Column of the character behind the last.
    pub end_column: usize,
}

impl Place {
    fn new(source: &Source, span: Span) -> Self {
        let (line, column) = source.line_column(span.start);
        let (end_line, end_column) = source.line_column(span.end);
        Place {
            line,
            column,
            end_line,
            end_column,
        }
    }
}

impl Severity {
    /// The word for it in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

impl Diagnostic {
    /// The same with line and column instead of bytes.
    pub fn located<'d>(&'d self, source: &Source) -> Located<'d> {
        Located {
            severity: self.severity.as_str(),
            message: &self.message,
            file: source.path().display().to_string(),
            place: self.span.map(|span| Place::new(source, span)),
            label: self.label.as_deref(),
            help: self.help.as_deref(),
            notes: &self.notes,
            rule: self.rule.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_json() {
        let source = Source::new("a.yaml", "x: 1\nähm: 2\n");
        let start = source.text().find('2').expect("a two");
        let diagnostic = Diagnostic::error("no")
            .at(Span {
                start,
                end: start + 1,
            })
            .help("write 3")
            .note("so")
            .rule("r");
        let json = serde_json::to_string(&diagnostic.located(&source)).expect("plain data");
        assert_eq!(
            json,
            r#"{"severity":"error","message":"no","file":"a.yaml","line":2,"column":6,"end_line":2,"end_column":7,"help":"write 3","notes":["so"],"rule":"r"}"#
        );
        let json = serde_json::to_string(&Diagnostic::warning("hm").located(&source)).expect("plain data");
        assert_eq!(json, r#"{"severity":"warning","message":"hm","file":"a.yaml"}"#);
    }
}
