//! The values of an event, read back from its words.

use chrono::{DateTime, SecondsFormat, Utc};
use goinject_probes::table::{EVENT_OBSERVED, Event, TEXT};
use goinject_rules::errno;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::dynamic::DynamicTypes;
use super::seen::{Content, Seen};
use crate::plan::scratch::{Pointee, Scratch};
use crate::plan::{Assignment, Binding, Edit, Plan, Shape, Source};

/// What errors made by `errors.New` are, and errors of the system.
const ERROR_STRING: &str = "*errors.errorString";
const ERRNO: &str = "syscall.Errno";
const STRING: &str = "string";
/// What `fmt.Errorf` makes of an error.
const WRAPPED: &str = "*fmt.wrapError";

/// A value that a rule changed, before and after. Whole numbers, floats and booleans are JSON's own; NaN
/// and the infinities are the texts `.nan`, `.inf` and `-.inf`, durations are texts such as `50ms`, nil is null,
/// and words that goinject has no other form for are hexadecimal texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Shown {
    /// As the rule file names it.
    pub path: String,
    /// Its Go type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// What was there; absent if it could not be read, and for results of a call that returned early.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[schemars(with = "Option<Value>")]
    pub before: Option<Seen>,
    /// What was put there.
    #[schemars(with = "Value")]
    pub after: Seen,
}

/// A value that is there: null is nil.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Seen>, D::Error> {
    Seen::deserialize(deserializer).map(Some)
}

/// The values of an event, in the rule's order. Those beyond the event's room are left out.
pub fn shown(plan: &Plan, types: &DynamicTypes<'_>, binding: &Binding, event: &Event) -> Vec<Shown> {
    let mut reader = Reader {
        plan,
        types,
        event,
        returns_early: binding.fault.early_return || binding.until.is_some(),
        text: 0,
    };
    let mut word = 0;
    let mut all = Vec::new();
    // Nothing was there before the value of a panic.
    let made = binding
        .assignments
        .iter()
        .rposition(|_| binding.fault.panic_value);
    for (n, assignment) in binding.assignments.iter().enumerate() {
        let first = word;
        word += assignment.edits.len();
        if word > event.word.len() {
            break;
        }
        if assignment.shape != Shape::Hidden {
            let mut shown = reader.assignment(assignment, first);
            if Some(n) == made {
                shown.before = None;
            }
            all.push(shown);
        }
    }
    all
}

/// Reads an event from its first word and its first text on.
struct Reader<'a> {
    plan: &'a Plan,
    types: &'a DynamicTypes<'a>,
    event: &'a Event,
    returns_early: bool,
    text: usize,
}

/// One value of an event: its edits and its words.
#[derive(Clone, Copy)]
struct Words<'a> {
    edits: &'a [Edit],
    first: usize,
}

/// What the first two words of a `time.Time` say, in UTC.
fn time([wall, rest]: [u64; 2]) -> Seen {
    /// Seconds from the year 1 to 1885, which the first word counts from, and to 1970.
    const TO_1885: i64 = 59_453_308_800;
    const TO_1970: i64 = 62_135_596_800;
    let nanoseconds = (wall & ((1 << 30) - 1)) as u32;
    let seconds = match wall >> 63 {
        0 => rest.cast_signed(),
        _ => TO_1885 + (wall << 1 >> 31).cast_signed(),
    };
    let time = DateTime::<Utc>::from_timestamp(seconds.saturating_sub(TO_1970), nanoseconds);
    let text = time.map_or_else(
        || format!("second {seconds} since the year 1"),
        |time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
    );
    Seen::Text { text, cut: false }
}

impl<'a> Reader<'a> {
    fn assignment(&mut self, assignment: &Assignment, first: usize) -> Shown {
        let words = Words {
            edits: &assignment.edits,
            first,
        };
        let mut seen = (first..first + assignment.edits.len()).map(|n| self.event.known & (1 << n) != 0);
        // What lies in the place of a result before the body has run is none.
        let known = !self.returns_early && seen.all(|known| known);
        let (before, after) = self.both(&assignment.shape, words);
        Shown {
            path: assignment.path.clone(),
            type_name: assignment.type_name.clone(),
            before: known.then_some(before),
            after,
        }
    }

    /// A value before and after.
    fn both(&mut self, shape: &Shape, words: Words<'_>) -> (Seen, Seen) {
        let parts = |reader: &mut Self, shapes: &mut dyn Iterator<Item = &Shape>| {
            let mut at = 0;
            let mut before = Vec::new();
            let mut after = Vec::new();
            for shape in shapes {
                let end = at + shape.words();
                let words = Words {
                    edits: &words.edits[at..end],
                    first: words.first + at,
                };
                let (former, new) = reader.both(shape, words);
                before.push(former);
                after.push(new);
                at = end;
            }
            (before, after)
        };
        match shape {
            Shape::Struct(fields) => {
                let (before, after) = parts(self, &mut fields.iter().map(|(_, shape)| shape));
                let named = |values: Vec<Seen>| {
                    let names = fields.iter().map(|(name, _)| name.clone());
                    Seen::Fields(names.zip(values).collect())
                };
                (named(before), named(after))
            }
            Shape::Array(elements) => {
                let (before, after) = parts(self, &mut elements.iter());
                (Seen::Elements(before), Seen::Elements(after))
            }
            Shape::String => self.string(words),
            Shape::Interface { empty } => self.interface(words, *empty),
            Shape::Slice => {
                let slice = |[address, len, cap]: [u64; 3], is_made: bool| match address {
                    0 => Seen::Nil,
                    address => Seen::Slice {
                        len,
                        cap,
                        address: is_made.then_some(address),
                    },
                };
                let is_made = !self.is_observed() || !words.edits[0].source.is_copy();
                (slice(self.before(words), true), slice(self.after(words), is_made))
            }
            Shape::Complex => {
                let size = words.edits[0].size;
                let complex = |[re, im]: [u64; 2]| Seen::Complex(float(re, size), float(im, size));
                (complex(self.before(words)), complex(self.after(words)))
            }
            Shape::Time => (time(self.before(words)), time(self.after(words))),
            scalar => {
                let size = words.edits[0].size;
                let seen = |[word]: [u64; 1]| match scalar {
                    Shape::Bool => Seen::Bool(word & 1 != 0),
                    Shape::Int => Seen::Int(signed(word, size).into()),
                    Shape::Duration => Seen::Duration(signed(word, size)),
                    Shape::Float => Seen::Float(float(word, size)),
                    Shape::Pointer if word == 0 => Seen::Nil,
                    Shape::Pointer => Seen::Address(word),
                    _ => Seen::Int(word.into()),
                };
                (seen(self.before(words)), seen(self.after(words)))
            }
        }
    }

    fn string(&mut self, words: Words<'_>) -> (Seen, Seen) {
        let [_, length] = self.before(words);
        let (known, _) = self.next_text(words.first);
        let [_, new_length] = self.after(words);
        let after = match &words.edits[0].source {
            Source::Literal(_) => text(b"", 0),
            Source::Scratch(offset) => {
                let shown = new_length.min(TEXT as u64);
                text(
                    self.plan.scratch.text(*offset, shown).unwrap_or_default(),
                    new_length,
                )
            }
            Source::Flip(mask) => {
                let flipped: Vec<u8> = known.iter().map(|byte| byte ^ mask).collect();
                text(&flipped, length)
            }
            _ => {
                let kept = usize::try_from(new_length).map_or(known.len(), |most| most.min(known.len()));
                text(&known[..kept], new_length)
            }
        };
        (text(known, length), after)
    }

    fn interface(&mut self, words: Words<'_>, empty: bool) -> (Seen, Seen) {
        let (known, length) = if empty {
            (&[][..], 0)
        } else {
            self.next_text(words.first)
        };
        let before = self.interface_value(self.before(words), empty, |type_name| match type_name {
            ERROR_STRING if !empty => Some(Content::Message(Box::new(text(known, length)))),
            ERRNO => Some(Content::Errno(error_name(u64::from_le_bytes(
                known.try_into().ok()?,
            )))),
            _ => None,
        });
        let scratch = &self.plan.scratch;
        let after = self.interface_value(self.after(words), empty, |type_name| {
            match (&words.edits[1].source, type_name) {
                (Source::Copy(global) | Source::Address(global), _) => {
                    Some(Content::Variable(global.name.clone()))
                }
                // All of these begin with a string.
                (Source::Scratch(object), ERROR_STRING | STRING) => message(scratch, *object),
                (Source::Fresh { offset, .. }, WRAPPED) => message(scratch, *offset),
                (Source::Scratch(object), ERRNO) => Some(Content::Errno(error_name(scratch.word(*object)?))),
                _ => None,
            }
        });
        (before, after)
    }

    fn interface_value(
        &self,
        [first, second]: [u64; 2],
        empty: bool,
        content: impl FnOnce(&str) -> Option<Content>,
    ) -> Seen {
        if first == 0 {
            return Seen::Nil;
        }
        let type_name = self.types.name(first, empty);
        let content = content(type_name.as_deref().unwrap_or_default());
        Seen::Interface {
            type_name,
            content: content.unwrap_or(Content::Address(second)),
        }
    }

    fn before<const N: usize>(&self, words: Words<'_>) -> [u64; N] {
        std::array::from_fn(|n| self.event.word[words.first + n].before)
    }

    fn after<const N: usize>(&self, words: Words<'_>) -> [u64; N] {
        std::array::from_fn(|n| self.event.word[words.first + n].after)
    }

    fn is_observed(&self) -> bool {
        self.event.flags & EVENT_OBSERVED != 0
    }

    /// What the event tells of the text behind the word `n`, and how long it is.
    fn next_text(&mut self, n: usize) -> (&'a [u8], u64) {
        let event = self.event;
        let known = event.known >> n & 3 == 3;
        let mut texts = event
            .text_length
            .iter()
            .zip(&event.text)
            .take(event.texts as usize);
        let Some((&length, text)) = texts.nth(self.text).filter(|_| known) else {
            return (&[], 0);
        };
        self.text += 1;
        (&text[..TEXT.min(length as usize)], length.into())
    }
}

/// A text of which the beginning is known.
fn text(known: &[u8], length: u64) -> Seen {
    Seen::Text {
        text: String::from_utf8_lossy(known).into_owned(),
        cut: length > known.len() as u64,
    }
}

/// The text of an error that the plan has made.
fn message(scratch: &Scratch, object: u32) -> Option<Content> {
    let length = scratch.word(object + 8)?;
    let bytes = match scratch.pointer(object) {
        Some(Pointee::Scratch(offset)) => scratch.text(*offset, length)?,
        _ => &[],
    };
    Some(Content::Message(Box::new(text(
        &bytes[..bytes.len().min(TEXT)],
        length,
    ))))
}

fn error_name(number: u64) -> String {
    errno::name(number.into()).map_or_else(|| number.to_string(), str::to_owned)
}

fn signed(word: u64, size: u8) -> i64 {
    let shift = 64 - u32::from(size) * 8;
    (word << shift).cast_signed() >> shift
}

fn float(word: u64, size: u8) -> f64 {
    if size == 4 {
        // The shortest decimal of a float32 is not that of the same float64.
        let narrow = f32::from_bits(word as u32);
        return narrow.to_string().parse().unwrap_or(f64::from(narrow));
    }
    f64::from_bits(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nil_that_was_there_is_told_from_nothing() {
        let mut shown = Shown {
            path: "err".to_owned(),
            type_name: "error".to_owned(),
            before: Some(Seen::Nil),
            after: Seen::Nil,
        };
        for before in [Some(Seen::Nil), None, Some(Seen::Int(3))] {
            shown.before = before;
            let json = serde_json::to_string(&shown).expect("a value");
            assert_eq!(serde_json::from_str::<Shown>(&json).expect("a value"), shown);
        }
    }
}
