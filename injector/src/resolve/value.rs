//! Replacement values: from what a rule file says to the words of a Go type.

use goinject_rules::model::Value;
use goinject_rules::units::parse_signed_duration;

use super::place::WORD;
use crate::go::types::{Kind, Type, TypeId, Types};
use crate::plan::{Extend, Shape, Source};

/// One word of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// Bytes from the start of the value.
    pub(super) offset: u64,
    /// Bytes: 1, 2, 4 or 8.
    pub(super) size: u8,
    /// How it fills a register.
    pub(super) extend: Extend,
    /// What it will be.
    pub(super) source: Source,
    /// Whether the garbage collector takes it for a pointer.
    pub(super) pointer: bool,
}

/// Why a value does not fit a type. The words are for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    /// What is wrong.
    pub(super) message: String,
    /// What to write instead.
    pub(super) help: String,
}

impl Misfit {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Misfit {
        Misfit {
            message: message.into(),
            help: help.into(),
        }
    }
}

/// Go's `time.Duration`, for which durations are written.
const DURATION: &str = "time.Duration";

/// The words of a value of a type.
pub(super) fn words(value: &Value, ty: TypeId, types: &Types) -> Result<Vec<Word>, Misfit> {
    let go = types.get(ty);
    match &go.kind {
        Kind::Bool => boolean(value, go),
        Kind::Int | Kind::Uint => integer(value, go),
        Kind::Float => float(value, go),
        Kind::Pointer { .. } | Kind::Map { .. } | Kind::Chan | Kind::Func => nil(value, go, 1),
        Kind::Interface { .. } => nil(value, go, 2),
        Kind::Slice { .. } => nil(value, go, 3),
        _ => Err(unsupported(go)),
    }
}

/// How a type's words are shown.
pub(super) fn shape(ty: &Type) -> Shape {
    match &ty.kind {
        Kind::Bool => Shape::Bool,
        Kind::Int if ty.name == DURATION => Shape::Duration,
        Kind::Int => Shape::Int,
        Kind::Uint => Shape::Uint,
        Kind::Float => Shape::Float,
        Kind::String => Shape::String,
        _ => Shape::Words,
    }
}

fn unsupported(go: &Type) -> Misfit {
    Misfit::new(
        format!("values of type `{}` cannot be set", go.name),
        "set one of its fields instead, if it has any",
    )
}

fn one(go: &Type, extend: Extend, bits: u64) -> Vec<Word> {
    let size = u8::try_from(go.size).expect("scalars have at most 8 bytes");
    vec![Word {
        offset: 0,
        size,
        extend,
        source: Source::Literal(bits),
        pointer: false,
    }]
}

fn boolean(value: &Value, go: &Type) -> Result<Vec<Word>, Misfit> {
    match value {
        Value::Bool(value) => Ok(one(go, Extend::Zero, u64::from(*value))),
        other => Err(Misfit::new(
            format!("{} does not fit `{}`, which is a bool", describe(other), go.name),
            "write `true` or `false`",
        )),
    }
}

fn integer(value: &Value, go: &Type) -> Result<Vec<Word>, Misfit> {
    let signed = go.kind == Kind::Int;
    let (least, most) = integer_range(signed, go.size);
    let number = match value {
        Value::Integer(number) => *number,
        Value::Text(text) if go.name == DURATION => {
            parse_signed_duration(text).map(i128::from).map_err(|error| {
                Misfit::new(
                    error.to_string(),
                    "write a duration as Go does: `50ms`, `1m30s`, `-2h`",
                )
            })?
        }
        Value::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
            return Err(Misfit::new(
                format!("{number:?} is a float, and `{}` is an integer", go.name),
                format!("write `{number:.0}`"),
            ));
        }
        Value::Text(text) if text.parse::<i128>().is_ok() => {
            return Err(Misfit::new(
                format!("\"{text}\" is a text, and `{}` is an integer", go.name),
                format!("write {text} without quotes"),
            ));
        }
        other => {
            let help = if go.name == DURATION {
                "write a duration as Go does (`50ms`), or a whole number of nanoseconds".to_owned()
            } else {
                format!("write a whole number from {least} to {most}")
            };
            return Err(Misfit::new(
                format!("{} does not fit `{}`", describe(other), go.name),
                help,
            ));
        }
    };
    if !(least..=most).contains(&number) {
        return Err(Misfit::new(
            format!("{number} does not fit `{}`", go.name),
            format!("its values go from {least} to {most}"),
        ));
    }
    // Two's complement, cut to the word: the range was checked.
    let bits = number.cast_unsigned() as u64;
    Ok(one(go, if signed { Extend::Sign } else { Extend::Zero }, bits))
}

/// The least and the most that an integer type of `size` bytes holds.
pub(super) fn integer_range(signed: bool, size: u64) -> (i128, i128) {
    let bits = size * 8;
    if signed {
        (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1)
    } else {
        (0, (1i128 << bits) - 1)
    }
}

fn float(value: &Value, go: &Type) -> Result<Vec<Word>, Misfit> {
    let number = match value {
        Value::Float(number) => *number,
        Value::Integer(number) => *number as f64,
        other => {
            return Err(Misfit::new(
                format!("{} does not fit `{}`", describe(other), go.name),
                "write a number, `.nan`, `.inf` or `-.inf`",
            ));
        }
    };
    if go.size == 8 {
        return Ok(one(go, Extend::Float, number.to_bits()));
    }
    let narrow = number as f32;
    if narrow.is_infinite() && number.is_finite() {
        return Err(Misfit::new(
            format!("{number:?} does not fit `{}`", go.name),
            format!("its values go from {:?} to {:?}", f32::MIN, f32::MAX),
        ));
    }
    Ok(one(go, Extend::Float, u64::from(narrow.to_bits())))
}

fn nil(value: &Value, go: &Type, words: u64) -> Result<Vec<Word>, Misfit> {
    if *value != Value::Null {
        return Err(Misfit::new(
            format!("{} does not fit `{}`", describe(value), go.name),
            "write `null` for nil",
        ));
    }
    let word = |n| Word {
        offset: n * WORD,
        size: 8,
        extend: Extend::Zero,
        source: Source::Literal(0),
        pointer: true,
    };
    Ok((0..words).map(word).collect())
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
    }
}
