//! The values of an event, read back from its words.

use goinject_probes::table::{Event, TEXT};
use goinject_rules::units::format_duration;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::plan::{Assignment, Binding, Extend, Shape, Source};

/// A value that a rule changed, before and after. Whole numbers, floats and booleans are JSON's own; NaN
/// and the infinities are the texts `.nan`, `.inf` and `-.inf`, durations are texts such as `50ms`, nil is null,
/// and words that goinject has no other form for are hexadecimal texts.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Shown {
    /// As the rule file names it.
    pub path: String,
    /// Its Go type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// What was there; absent if it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What was put there.
    pub after: Value,
}

/// The values of an event, in the rule's order. Those beyond the event's room are left out.
pub fn shown(binding: &Binding, event: &Event) -> Vec<Shown> {
    let mut word = 0;
    let mut text = 0;
    let mut all = Vec::new();
    for assignment in &binding.assignments {
        let words = word..word + assignment.edits.len();
        word = words.end;
        if words.end > event.word.len() {
            break;
        }
        if assignment.shape == Shape::Hidden {
            continue;
        }
        let known = words.clone().all(|n| event.known & (1 << n) != 0);
        let before: Vec<u64> = event.word[words.clone()].iter().map(|word| word.before).collect();
        let after: Vec<u64> = event.word[words].iter().map(|word| word.after).collect();
        let former_text =
            (assignment.shape == Shape::String && known && text < event.texts as usize).then(|| {
                text += 1;
                let length = (event.text_length[text - 1] as usize).min(TEXT);
                let cut = before.get(1).is_some_and(|full| *full > length as u64);
                shown_text(&event.text[text - 1][..length], cut)
            });
        all.push(Shown {
            path: assignment.path.clone(),
            type_name: assignment.type_name.clone(),
            before: known.then(|| former_text.unwrap_or_else(|| value(assignment, &before))),
            after: after_value(assignment, &after),
        });
    }
    all
}

fn shown_text(bytes: &[u8], cut: bool) -> Value {
    let text = String::from_utf8_lossy(bytes);
    Value::String(if cut {
        format!("{text}…")
    } else {
        text.into_owned()
    })
}

/// What was put there: a text or an error is shown as the rule file has it, for its bytes are elsewhere.
fn after_value(assignment: &Assignment, words: &[u64]) -> Value {
    let literal = assignment
        .edits
        .iter()
        .all(|edit| matches!(edit.source, Source::Literal(_) | Source::Keep));
    match assignment.shape {
        Shape::String | Shape::Words if !literal || assignment.shape == Shape::String => {
            Value::String(assignment.value.clone())
        }
        _ => value(assignment, words),
    }
}

fn value(assignment: &Assignment, words: &[u64]) -> Value {
    let (Some(word), Some(edit)) = (words.first().copied(), assignment.edits.first()) else {
        return Value::Null;
    };
    match assignment.shape {
        Shape::Bool => Value::Bool(word & 1 != 0),
        Shape::Int => json!(signed(word, edit.size)),
        Shape::Uint => json!(word),
        Shape::Duration => Value::String(duration(signed(word, edit.size))),
        Shape::Float => float(word, edit.size),
        Shape::String | Shape::Words | Shape::Hidden => {
            if words.iter().all(|word| *word == 0) && edit.extend == Extend::Zero {
                return Value::Null;
            }
            let words: Vec<String> = words.iter().map(|word| format!("0x{word:x}")).collect();
            Value::String(words.join(" "))
        }
    }
}

fn duration(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    format!(
        "{sign}{}",
        format_duration(std::time::Duration::from_nanos(nanoseconds.unsigned_abs()))
    )
}

fn signed(word: u64, size: u8) -> i64 {
    let shift = 64 - u32::from(size) * 8;
    (word << shift).cast_signed() >> shift
}

/// JSON has no NaN and no infinities: they are texts, as rule files write them.
fn float(word: u64, size: u8) -> Value {
    let number = if size == 4 {
        // The shortest decimal of a float32 is not that of the same float64.
        let narrow = f32::from_bits(word as u32);
        narrow.to_string().parse().unwrap_or(f64::from(narrow))
    } else {
        f64::from_bits(word)
    };
    if number.is_nan() {
        return Value::String(".nan".to_owned());
    }
    if number.is_infinite() {
        return Value::String(if number > 0.0 { ".inf" } else { "-.inf" }.to_owned());
    }
    json!(number)
}
