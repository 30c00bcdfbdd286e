//! Typed reading of nodes, collecting every mistake instead of stopping at the first.

use std::ops::Range;

use super::fields::{Fields, Keys, and_list, is_extension, or_list, unknown_key};
use super::place::place;
use super::{Kind, Meaning, Node};
use crate::diagnostic::{Diagnostic, did_you_mean, quoted};
use crate::source::{Source, Span, Spanned};
use crate::units::UnitError;

/// Reads nodes and collects findings.
pub(crate) struct Reader<'s> {
    source: &'s Source,
    findings: Vec<Diagnostic>,
    rule: Option<String>,
}

impl<'s> Reader<'s> {
    pub(crate) fn new(source: &'s Source) -> Self {
        Reader {
            source,
            findings: Vec::new(),
            rule: None,
        }
    }

    pub(crate) fn source(&self) -> &'s Source {
        self.source
    }

    /// Says which rule the following findings belong to.
    pub(crate) fn enter_rule(&mut self, rule: Option<String>) {
        self.rule = rule;
    }

    pub(crate) fn report(&mut self, mut finding: Diagnostic) {
        if finding.rule.is_none() {
            finding.rule.clone_from(&self.rule);
        }
        // One anchor used by many rules would say the same of each.
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    pub(crate) fn into_findings(self) -> Vec<Diagnostic> {
        self.findings
    }

    /// Where a part of a scalar's text stands in the file.
    pub(crate) fn place_in(&self, node: &Node, part: Range<usize>) -> Span {
        match node.scalar() {
            Some(scalar) => place(self.source.text(), node.span, &scalar.text, part),
            None => node.span,
        }
    }

    /// Reports that a node is something else than `wanted`.
    pub(crate) fn mismatch(&mut self, node: &Node, what: &str, wanted: &str, help: impl Into<String>) {
        let finding = match (&node.tag, node.scalar().map(|scalar| &scalar.meaning)) {
            (Some(_), _) => return self.refuse_tag(node),
            (None, Some(Meaning::Malformed(malformed))) => node
                .error(malformed.reason)
                .label("not a number")
                .help(malformed.help.clone()),
            (None, Some(Meaning::Null)) => node
                .error(format!("{what} has no value"))
                .label("nothing here")
                .help(help),
            _ => node
                .error(format!("{what} must be {wanted}, not {}", node.noun()))
                .label(format!("expected {wanted}"))
                .help(help),
        };
        self.report(finding);
    }

    /// A YAML tag is nearly always a condition that begins with `!`.
    fn refuse_tag(&mut self, node: &Node) {
        let tag = node.tag.as_deref().unwrap_or_default();
        if let Some(name) = tag.strip_prefix("tag:yaml.org,2002:") {
            let finding = node.error(format!("rule files have no YAML tags such as `!!{name}`"));
            return self.report(finding.help("remove the tag"));
        }
        let mut finding = node.error(format!("{} is read as a YAML tag", quoted(tag)));
        let before = self.source.text()[..node.span.start].trim_end();
        if before.ends_with(tag) {
            finding = finding.at(Span {
                start: before.len() - tag.len(),
                end: node.span.end.max(before.len()),
            });
        }
        self.report(match node.scalar() {
            Some(scalar) => {
                let whole = format!("{tag} {}", scalar.text);
                finding.help(format!("quote the text: `'{}'`", whole.trim_end()))
            }
            None => finding.help("remove the tag: rule files use none"),
        });
    }

    /// Refuses a tag wherever one stands; true if there is one.
    pub(crate) fn has_tag(&mut self, node: &Node) -> bool {
        let tagged = node.tag.is_some();
        if tagged {
            self.refuse_tag(node);
        }
        tagged
    }

    /// Text; numbers and booleans must be quoted to be text.
    pub(crate) fn text(&mut self, node: &Node, what: &str, example: &str) -> Option<Spanned<String>> {
        match node.scalar() {
            Some(scalar) if node.tag.is_none() && scalar.meaning == Meaning::Text => {
                if scalar.text.trim().is_empty() {
                    self.report(node.error(format!("{what} is empty")).help(example));
                    return None;
                }
                Some(Spanned::new(scalar.text.clone(), node.span))
            }
            Some(scalar) if node.tag.is_none() && !node.is_null() => {
                let help = format!("quote it: `\"{}\"`", scalar.text);
                self.report(
                    node.error(format!("{what} must be text, not {}", node.noun()))
                        .label("expected text")
                        .help(help),
                );
                None
            }
            _ => {
                self.mismatch(node, what, "text", example);
                None
            }
        }
    }

    /// A whole number within a range.
    pub(crate) fn whole(
        &mut self,
        node: &Node,
        what: &str,
        range: std::ops::RangeInclusive<i128>,
    ) -> Option<i128> {
        let (low, high) = (*range.start(), *range.end());
        let bounds = match high {
            _ if high == i128::from(u64::MAX) => format!("write a whole number from {low}"),
            _ => format!("write a whole number from {low} to {high}"),
        };
        match node.scalar().map(|scalar| &scalar.meaning) {
            Some(Meaning::Integer(value)) if node.tag.is_none() => {
                if range.contains(value) {
                    return Some(*value);
                }
                self.report(
                    node.error(format!("{what} can't be {value}"))
                        .label("out of range")
                        .help(bounds),
                );
            }
            Some(Meaning::Text) if node.tag.is_none() => {
                let text = &node.scalar()?.text;
                let unquoted = matches!(crate::units::number::read(text), Some(Ok(_)));
                let help = if unquoted {
                    format!("write it without quotes: `{text}`")
                } else {
                    bounds
                };
                self.mismatch(node, what, "a whole number", help);
            }
            Some(Meaning::Float(value)) if value.fract() == 0.0 => {
                self.mismatch(node, what, "a whole number", format!("write `{value}`"));
            }
            _ => self.mismatch(node, what, "a whole number", bounds),
        }
        None
    }

    /// A count: a whole number from 0.
    pub(crate) fn count(&mut self, node: &Node, what: &str) -> Option<u64> {
        self.whole(node, what, 0..=i128::from(u64::MAX))
            .and_then(|value| u64::try_from(value).ok())
    }

    /// Text with a unit: a duration, a rate, a percentage.
    pub(crate) fn with_unit<T>(
        &mut self,
        node: &Node,
        what: &str,
        wanted: &str,
        example: &str,
        parse: impl FnOnce(&str) -> Result<T, UnitError>,
    ) -> Option<T> {
        let scalar = node
            .scalar()
            .filter(|scalar| node.tag.is_none() && scalar.meaning != Meaning::Null);
        let parsed = match scalar {
            Some(scalar)
                if matches!(
                    scalar.meaning,
                    Meaning::Text | Meaning::Integer(_) | Meaning::Float(_)
                ) =>
            {
                parse(&scalar.text)
            }
            _ => {
                self.mismatch(node, what, wanted, example);
                return None;
            }
        };
        match parsed {
            Ok(value) => Some(value),
            Err(error) => {
                self.report(
                    node.error(format!("{what}: {}", error.message))
                        .label(format!("expected {wanted}"))
                        .help(error.help),
                );
                None
            }
        }
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&mut self, node: &Node, what: &str, words: &[(&str, T)]) -> Option<T> {
        let choices: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let list = or_list(&choices);
        let Some(text) = node
            .scalar()
            .filter(|_| node.tag.is_none())
            .map(|scalar| scalar.text.as_str())
        else {
            self.mismatch(node, what, "a word", format!("write {list}"));
            return None;
        };
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let help = match did_you_mean(text, choices) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write {list}"),
        };
        self.report(
            node.error(format!("{what} can't be {}", quoted(text)))
                .label("not known")
                .help(help),
        );
        None
    }

    /// The items of a list.
    pub(crate) fn list<'n>(&mut self, node: &'n Node, what: &str, example: &str) -> Option<&'n [Node]> {
        match &node.kind {
            Kind::List(items) if !self.has_tag(node) => Some(items),
            Kind::List(_) => None,
            _ => {
                self.mismatch(node, what, "a list", example);
                None
            }
        }
    }

    /// The entries of a mapping without those that users add for themselves, `x-…`.
    pub(crate) fn entries<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        example: &str,
    ) -> Option<Vec<(Spanned<&'n str>, &'n Node)>> {
        let mut entries = self.variables(node, what, example)?;
        entries.retain(|(key, _)| !is_extension(key.value));
        Some(entries)
    }

    /// The entries of a mapping whose keys are all data. Keys that are no scalar or come twice are reported.
    pub(crate) fn variables<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        example: &str,
    ) -> Option<Vec<(Spanned<&'n str>, &'n Node)>> {
        let Kind::Mapping(entries) = &node.kind else {
            self.mismatch(node, what, "a mapping", example);
            return None;
        };
        if self.has_tag(node) {
            return None;
        }
        let mut seen: Vec<(Spanned<&str>, &Node)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let Some(scalar) = key.scalar().filter(|_| key.tag.is_none()) else {
                let finding = key.error(format!("a key of {what} must be text, not {}", key.noun()));
                self.report(finding.help("quote keys with brackets: `\"args[0]\": 1`"));
                continue;
            };
            let name = scalar.text.as_str();
            if let Some((first, _)) = seen.iter().find(|(other, _)| other.value == name) {
                let first = first.span;
                self.report(
                    key.error(format!("{} comes twice in {what}", quoted(name)))
                        .label("the second one")
                        .also(first, "the first one")
                        .help("remove one of them"),
                );
                continue;
            }
            seen.push((Spanned::new(name, key.span), value));
        }
        Some(seen)
    }

    /// The fields of a mapping with fixed keys; unknown ones are reported.
    pub(crate) fn fields<'n>(&mut self, node: &'n Node, keys: &'static Keys) -> Option<Fields<'n>> {
        let example = format!("its keys are {}", and_list(keys.names));
        let entries = self.entries(node, keys.place, &example)?;
        let mut fields = Fields {
            entries: Vec::with_capacity(entries.len()),
            unknown: Vec::new(),
            span: node.span,
        };
        for (key, value) in entries {
            if keys.names.contains(&key.value) {
                fields.entries.push((key, value));
            } else {
                self.report(unknown_key(&key, keys));
                fields.unknown.push(key.value);
            }
        }
        Some(fields)
    }
}
