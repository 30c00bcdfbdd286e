//! Mappings with fixed keys, and words about keys.

use super::Node;
use crate::diagnostic::{Diagnostic, did_you_mean, quoted};
use crate::source::{Span, Spanned};

/// The keys of one kind of mapping.
#[derive(Debug)]
pub(crate) struct Keys {
    /// The mapping in the words of messages: `inject`, `a rule`.
    pub(crate) place: &'static str,
    pub(crate) names: &'static [&'static str],
}

/// The fields of a mapping with fixed keys.
pub(crate) struct Fields<'n> {
    pub(super) entries: Vec<(Spanned<&'n str>, &'n Node)>,
    /// Keys that were reported.
    pub(super) unknown: Vec<&'n str>,
    /// The whole mapping.
    pub(crate) span: Span,
}

impl<'n> Fields<'n> {
    pub(crate) fn get(&self, name: &str) -> Option<&'n Node> {
        self.entries
            .iter()
            .find(|(key, _)| key.value == name)
            .map(|(_, value)| *value)
    }

    /// Whether a key was left out; one that was misspelled has been reported already.
    pub(crate) fn lacks(&self, name: &str) -> bool {
        self.get(name).is_none()
            && !self
                .unknown
                .iter()
                .any(|unknown| did_you_mean(unknown, [name]).is_some())
    }

    /// Whether no key was unknown, so that what is absent was not meant either.
    pub(crate) fn is_complete(&self) -> bool {
        self.unknown.is_empty()
    }

    /// Whether there are no keys at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.is_complete()
    }

    pub(crate) fn key_span(&self, name: &str) -> Option<Span> {
        self.entries
            .iter()
            .find(|(key, _)| key.value == name)
            .map(|(key, _)| key.span)
    }

    /// A place to say that something is missing: the first key, for the whole would be many lines.
    pub(crate) fn head(&self) -> Span {
        self.entries.first().map_or(
            Span {
                start: self.span.start,
                end: self.span.start,
            },
            |(key, _)| key.span,
        )
    }
}

/// The finding about a key that is not one of these.
pub(super) fn unknown_key(key: &Spanned<&str>, keys: &'static Keys) -> Diagnostic {
    let finding = Diagnostic::error(format!("{} has no key {}", keys.place, quoted(key.value)))
        .at(key.span)
        .label("unknown key");
    if let Some(near) = did_you_mean(key.value, keys.names.iter().copied()) {
        return finding.help(format!("did you mean `{near}`?"));
    }
    match crate::validate::keys::home_of(key.value) {
        Some(home) => finding.help(format!("`{}` belongs in {home}", key.value)),
        None => finding
            .help(format!("known keys are {}", and_list(keys.names)))
            .note("keys that begin with `x-` are free for notes and anchors"),
    }
}

/// Keys that users may add anywhere.
pub(super) fn is_extension(key: &str) -> bool {
    key.starts_with("x-")
}

/// "`a`, `b` and `c`".
pub(crate) fn and_list(words: &[&str]) -> String {
    join(words, "and")
}

/// "`a`, `b` or `c`".
pub(super) fn or_list(words: &[&str]) -> String {
    join(words, "or")
}

fn join(words: &[&str], conjunction: &str) -> String {
    match words {
        [] => String::new(),
        [only] => format!("`{only}`"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|word| format!("`{word}`")).collect();
            format!("{} {conjunction} `{last}`", first.join(", "))
        }
    }
}
