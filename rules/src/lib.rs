//! Rule files of goinject: parsed, validated, described by a schema.
//!
//! Data flows one way: text → `document` (as written, with spans) → `validate` → [`model::RuleSet`]
//! (checked, nothing left to misread) — or a list of [`diagnostic::Diagnostic`], all mistakes at once.
//! This crate never learns what an offset or a process is.
//!
//! ```
//! use goinject_rules::diagnostic::{Style, render};
//! use goinject_rules::source::Source;
//!
//! let source = Source::new("chaos.yaml", "version: 1\nrules:\n- function: main.parseMe\n  inject: {delay: 5}\n");
//! let mistakes = goinject_rules::parse(&source).expect_err("a delay without a unit");
//! print!("{}", render(&mistakes, &source, Style::Plain));
//! assert_eq!(source.line_column(mistakes[0].span.unwrap().start), (4, 19));
//! ```

mod condition;
mod document;
mod validate;

pub mod diagnostic;
pub mod errno;
pub mod model;
pub mod path;
pub mod pattern;
pub mod program;
pub mod schema;
pub mod source;
pub mod units;

use std::path::Path;

use diagnostic::{Diagnostic, Severity};
use model::RuleSet;
use source::{ReadError, Source};

/// Reads a rule file from disk, ready for [`parse`].
///
/// # Errors
///
/// When there is no such file, or it is not text.
pub fn read(path: impl AsRef<Path>) -> Result<Source, ReadError> {
    Source::read(path.as_ref())
}

/// Checks a rule file and gives its rules, with what is worth a warning.
///
/// # Errors
///
/// All mistakes of the file, in its order, warnings among them; only a YAML syntax error comes alone.
pub fn parse(source: &Source) -> Result<(RuleSet, Vec<Diagnostic>), Vec<Diagnostic>> {
    let (rules, findings) = parse_in_part(source);
    let refused = findings.iter().any(|finding| finding.severity == Severity::Error);
    match rules {
        Some(rules) if !refused => Ok((rules, findings)),
        _ => Err(findings),
    }
}

/// Checks a rule file and gives whatever of it makes sense, with all findings in the file's order. Where
/// these have errors the rules are good for finding more mistakes, and for nothing else.
pub fn parse_in_part(source: &Source) -> (Option<RuleSet>, Vec<Diagnostic>) {
    let root = match document::load(source) {
        Ok(root) => root,
        Err(error) => return (None, vec![*error]),
    };
    let mut reader = document::Reader::new(source);
    let rules = validate::file(&mut reader, &root);
    let mut findings = reader.into_findings();
    findings.sort_by_key(|finding| finding.span.map_or(0, |span| span.start));
    (rules, findings)
}
