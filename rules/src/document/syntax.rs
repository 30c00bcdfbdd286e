//! YAML's own errors in words for people who write rule files.

use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{DefaultMessageFormatter, Error, MessageFormatter};

use crate::diagnostic::Diagnostic;
use crate::source::{Source, Span};

/// A diagnostic for an error of the YAML library.
pub(super) fn explain(error: &Error, source: &Source) -> Diagnostic {
    let error = innermost(error);
    let span = place(error, source);
    let diagnostic = match error {
        Error::MultipleDocuments { .. } => Diagnostic::error("a rule file is one YAML document")
            .label("a second one begins here")
            .help("put each document into a file of its own"),
        Error::UnknownAnchor { .. } => unknown_anchor(source, span),
        Error::MergeValueNotMapOrSeqOfMaps { .. } => {
            Diagnostic::error("`<<` merges a mapping, or a list of mappings")
                .help("write `<<: *name-of-an-anchor`")
        }
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            Diagnostic::error("an anchor can't contain itself")
                .label("refers to what it is part of")
                .help("refer to an anchor from outside of it")
        }
        Error::Budget { breach, .. } => {
            Diagnostic::error(budget(breach)).help("this is too large for a rule file: make it smaller")
        }
        Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            Diagnostic::error("the aliases of this file grow beyond all bounds").help("use fewer of them")
        }
        other => {
            let message = DefaultMessageFormatter.format_message(other);
            // The scanner tells of a tab where the value before it began.
            if message.contains("tab")
                && let Some(tab) = indenting_tab(source, span)
            {
                return Diagnostic::error("YAML is not indented with tabs")
                    .at(tab)
                    .help("indent with spaces");
            }
            scanner(&message, span, source)
        }
    };
    match span {
        Some(span) => diagnostic.at(span),
        None => diagnostic,
    }
}

/// The first tab that stands among what a line is indented by, from the line of a place on.
fn indenting_tab(source: &Source, from: Option<Span>) -> Option<Span> {
    let text = source.text();
    let from = from.map_or(0, |span| span.start);
    let mut start = text[..from].rfind('\n').map_or(0, |newline| newline + 1);
    for line in text[start..].split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = line[..indent].find('\t').filter(|_| !line.trim().is_empty()) {
            let at = start + tab;
            return Some(Span {
                start: at,
                end: start + indent,
            });
        }
        start += line.len();
    }
    None
}

/// An alias without an anchor is often a pattern without quotes.
fn unknown_anchor(source: &Source, span: Option<Span>) -> Diagnostic {
    let rest = span.map_or("", |span| &source.text()[span.start..]);
    let written = rest
        .split([' ', '\n', '\r', ',', '}', ']'])
        .next()
        .unwrap_or_default();
    let finding = Diagnostic::error("text that begins with `*` is read as a YAML alias")
        .label("no anchor of this name");
    match written.strip_prefix('*') {
        Some(name)
            if name
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_')) =>
        {
            finding.help(format!(
                "put `&{name}` before the value it refers to, further up, or quote the text"
            ))
        }
        _ => finding.help(format!("quote patterns: `\"{written}\"`")),
    }
}

fn innermost(error: &Error) -> &Error {
    match error {
        Error::WithSnippet { error, .. } | Error::AliasError { error, .. } => innermost(error),
        other => other,
    }
}

/// The errors of the scanner have no kind that could be matched, only words and a place.
fn scanner(message: &str, span: Option<Span>, source: &Source) -> Diagnostic {
    let line = span.map_or("", |span| line_at(source.text(), span.start));
    let at = span.and_then(|span| source.text()[span.start..].chars().next());
    let diagnostic = Diagnostic::error(format!("not valid YAML: {message}"));
    let line_has = |words: &[&str]| words.iter().any(|word| line.contains(word));
    if line_has(&[": >=", ": >"]) && matches!(at, Some('>' | '=' | '0'..='9')) {
        diagnostic.help("quote a range that begins with `>`: `\">=1\"`")
    } else if matches!(at, Some('[' | '{')) && message.contains("did not find expected ','") {
        diagnostic.help(
            "inside `{…}` quote what has brackets: `{\"args[0]\": 1}`, `if: 'size(list[0]) > 1'`; or write one per line",
        )
    } else if at == Some('!') {
        diagnostic.help("quote text that begins with `!`, with '…' around the whole of it")
    } else if message.contains("tab") {
        diagnostic.help("indent with spaces")
    } else if message.contains("mapping values are not allowed") {
        diagnostic.help("quote text that contains `: `, with '…' around the whole of it")
    } else if message.contains("trailing content") {
        diagnostic.help("text that begins with a quote ends with it: put '…' around the whole of it")
    } else if matches!(at, Some('@' | '`' | '%' | '>' | '&' | '|')) {
        diagnostic.help("quote text that begins with this character")
    } else if message.contains("quote") {
        diagnostic.help("close the quote")
    } else if message.contains("block") {
        diagnostic.help("indent all keys of a mapping, and all `-` of a list, alike")
    } else {
        diagnostic.help("the error is here or just before")
    }
}

fn budget(breach: &BudgetBreach) -> String {
    match breach {
        BudgetBreach::Depth { .. } => "the file is nested too deeply".to_owned(),
        BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. } => "the file has too many values".to_owned(),
        BudgetBreach::ScalarBytes { .. } => "the file is too large".to_owned(),
        _ => "the file uses too many anchors, aliases or merge keys".to_owned(),
    }
}

fn line_at(text: &str, offset: usize) -> &str {
    let start = text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[offset..]
        .find('\n')
        .map_or(text.len(), |newline| offset + newline);
    text[start..end].trim_end_matches('\r')
}

/// The scanner gives lines and columns only; at the end of the file they point behind it.
fn place(error: &Error, source: &Source) -> Option<Span> {
    let location = error.location()?;
    if location.line() == 0 {
        return None;
    }
    let text = source.text();
    let span = location.span();
    let start = match span.byte_offset() {
        Some(offset) => text.floor_char_boundary(offset as usize),
        None => source.offset(location.line() as usize, location.column() as usize),
    };
    let length = text[start..]
        .chars()
        .next()
        .filter(|c| !c.is_control())
        .map_or(0, char::len_utf8);
    Some(Span {
        start,
        end: start + length,
    })
}
