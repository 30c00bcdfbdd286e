//! YAML text to [`Node`]s.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Location, Spanned, Tagged};

use super::syntax;
use super::{Kind, Meaning, Node, Scalar};
use crate::diagnostic::Diagnostic;
use crate::source::{Source, Span};
use crate::units::number;

/// Deeper files are refused: reading them takes stack, and no rule has a reason.
const DEEPEST: usize = 24;

/// Reads a rule file's YAML. A syntax error is the only finding, for what follows it can't be trusted.
pub(crate) fn load(source: &Source) -> Result<Node, Box<Diagnostic>> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: DEEPEST },
        strict_booleans: true,
        // Reported by the reader, together with everything else.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    };
    match serde_saphyr::from_str_with_options::<RawNode>(source.text(), options) {
        Ok(raw) => Ok(Converter { text: source.text() }.node(raw)),
        Err(error) => Err(Box::new(syntax::explain(&error, source))),
    }
}

type RawNode = Spanned<Tagged<Raw>>;

/// A node as the YAML library gives it.
enum Raw {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<RawNode>),
    Mapping(Vec<(RawNode, RawNode)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

// Whole numbers go through as f64 only to say "a number": their exact value is read from the text.
impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Number(value as f64))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Number(value as f64))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut mapping: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = mapping.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Mapping(entries))
    }
}

struct Converter<'s> {
    text: &'s str,
}

impl Converter<'_> {
    fn node(&self, raw: RawNode) -> Node {
        let mut span = self.span(raw.defined);
        let used_at = (raw.referenced != raw.defined).then(|| self.span(raw.referenced));
        let Tagged(value, tag) = raw.value;
        let kind = match value {
            Raw::List(items) => Kind::List(items.into_iter().map(|item| self.node(item)).collect()),
            Raw::Mapping(entries) => Kind::Mapping(
                entries
                    .into_iter()
                    .map(|(key, value)| (self.node(key), self.node(value)))
                    .collect(),
            ),
            Raw::Text(text) => Kind::Scalar(self.text_scalar(text, span)),
            Raw::Null => Kind::Scalar(self.plain_scalar(Meaning::Null, span)),
            Raw::Bool(value) => Kind::Scalar(self.plain_scalar(Meaning::Bool(value), span)),
            Raw::Number(value) => {
                let scalar = self.plain_scalar(Meaning::Float(value), span);
                let meaning = number::read(&scalar.text).map_or(Meaning::Float(value), Meaning::from);
                Kind::Scalar(Scalar { meaning, ..scalar })
            }
        };
        self.extend_over_children(&kind, &mut span, used_at.is_some());
        Node {
            kind,
            span,
            used_at,
            tag,
        }
    }

    /// A scalar that YAML takes for text. Numbers in spellings that only Go knows (`0x_ff`, `NaN`)
    /// are numbers here too, if unquoted.
    fn text_scalar(&self, text: String, span: Span) -> Scalar {
        let unquoted = self.text.get(span.start..span.end) == Some(text.as_str());
        let go_spelling = text.contains('_') || number::is_non_finite_name(&text);
        let meaning = match number::read(&text) {
            Some(number) if unquoted && go_spelling => Meaning::from(number),
            _ => Meaning::Text,
        };
        Scalar { text, meaning }
    }

    fn plain_scalar(&self, meaning: Meaning, span: Span) -> Scalar {
        Scalar {
            text: self.text.get(span.start..span.end).unwrap_or_default().to_owned(),
            meaning,
        }
    }

    /// The library marks only where a list or mapping begins; it ends with its last child.
    fn extend_over_children(&self, kind: &Kind, span: &mut Span, through_alias: bool) {
        let children: Vec<&Node> = match kind {
            Kind::Scalar(_) => return,
            Kind::List(items) => items.iter().collect(),
            Kind::Mapping(entries) => entries.iter().flat_map(|(key, value)| [key, value]).collect(),
        };
        let opener = self.text[span.start..].chars().next();
        for child in children {
            // An alias in here counts where it stands; in an aliased mapping only definitions are near.
            let place = if through_alias {
                child.span
            } else {
                child.used_at.unwrap_or(child.span)
            };
            if place.start >= span.start {
                span.end = span.end.max(place.end);
            }
        }
        let closer = match opener {
            Some('{') => '}',
            Some('[') => ']',
            _ => return,
        };
        let rest = &self.text[span.end..];
        let gap = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
        if gap.starts_with(closer) {
            span.end += rest.len() - gap.len() + 1;
        }
    }

    fn span(&self, location: Location) -> Span {
        let span = location.span();
        let (Some(start), Some(length)) = (span.byte_offset(), span.byte_len()) else {
            return Span::default();
        };
        let clamp = |offset: u64| self.text.floor_char_boundary(offset as usize);
        let (start, end) = (clamp(start), clamp(start + length));
        // A block scalar's place includes its last line break, which is no part of what is marked.
        let end = start + self.text[start..end].trim_end_matches(['\n', '\r', ' ']).len();
        Span { start, end }
    }
}
