//! Booleans, integers, floats and complex numbers.

use goinject_rules::model::Value;
use goinject_rules::units::parse_signed_duration;

use super::{Fitted, Located, Misfit, describe, edit};
use crate::go::types::{Kind, Type};
use crate::plan::{Extend, Place, Shape, Source};

/// Go's `time.Duration`, for which durations are written.
const DURATION: &str = "time.Duration";

pub(super) fn boolean(value: &Value, at: &Located, go: &Type) -> Result<Fitted, Misfit> {
    match value {
        Value::Bool(value) => {
            let source = Source::Literal(u64::from(*value));
            let edit = edit(at, 0, go.size, Extend::Zero, source, false)?;
            Ok(Fitted::one(edit, Shape::Bool))
        }
        other => Err(Misfit::kind(other, &go.name, "write `true` or `false`")),
    }
}

pub(super) fn integer(value: &Value, at: &Located, go: &Type) -> Result<Fitted, Misfit> {
    let signed = go.kind == Kind::Int;
    let (least, most) = integer_range(signed, go.size);
    let in_range = |number: i128| match (least..=most).contains(&number) {
        true => Ok(bits(number)),
        false => Err(Misfit::new(
            format!("{number} does not fit `{}`", go.name),
            format!("its values range from {least} to {most}"),
        )),
    };
    let source = match value {
        Value::Add(amount) => {
            let amount = whole(amount, go)?;
            if amount.abs() > most - least {
                return Err(Misfit::new(
                    format!("adding {amount} to `{}` always leaves its range", go.name),
                    format!("its values range from {least} to {most}"),
                ));
            }
            Source::Add(bits(amount))
        }
        Value::Xor(mask) => Source::Xor(fitting_mask(*mask, go)?),
        Value::Random(low, high) => Source::Random {
            low: in_range(whole(low, go)?)?,
            high: in_range(whole(high, go)?)?,
        },
        other => Source::Literal(in_range(whole(other, go)?)?),
    };
    let extend = if signed { Extend::Sign } else { Extend::Zero };
    let shape = match (signed, go.name.as_str()) {
        (_, DURATION) => Shape::Duration,
        (true, _) => Shape::Int,
        (false, _) => Shape::Uint,
    };
    Ok(Fitted::one(edit(at, 0, go.size, extend, source, false)?, shape))
}

/// A `time.Time` with a duration added: to the wall clock and, where it has a reading of that, to the monotonic one.
pub(super) fn time(amount: &Value, at: &Located) -> Result<Fitted, Misfit> {
    const SECOND: i64 = 1_000_000_000;
    let help = "write a duration as Go does: `{add: 2h}`, `{add: -1.5s}`";
    let Value::Text(text) = amount else {
        return Err(Misfit::new("a time takes a duration, with its unit", help));
    };
    let amount = parse_signed_duration(text).map_err(|error| Misfit::new(error.to_string(), help))?;
    let (seconds, nanoseconds) = (amount.div_euclid(SECOND), amount.rem_euclid(SECOND));
    let nanoseconds = u32::try_from(nanoseconds).expect("less than a second");
    let sources = [
        Source::Time { seconds, nanoseconds },
        Source::TimeRest { seconds, nanoseconds },
    ];
    Fitted::words(at, sources, 0, Shape::Time)
}

/// Two's complement, cut to 64 bits.
fn bits(number: i128) -> u64 {
    number.cast_unsigned() as u64
}

fn fitting_mask(mask: u64, go: &Type) -> Result<u64, Misfit> {
    if go.size < 8 && mask >> (8 * go.size) != 0 {
        let message = format!("0x{mask:x} has more bits than `{}`", go.name);
        let most = (1u64 << (8 * go.size)) - 1;
        return Err(Misfit::new(
            message,
            format!("it has {} bits: at most 0x{most:x}", 8 * go.size),
        ));
    }
    Ok(mask)
}

/// A whole number for an integer type, or what is wrong with it.
fn whole(value: &Value, go: &Type) -> Result<i128, Misfit> {
    match value {
        Value::Integer(number) => Ok(*number),
        Value::Text(text) if may_be_duration(go) => {
            parse_signed_duration(text).map(i128::from).map_err(|error| {
                Misfit::new(
                    error.to_string(),
                    "write a duration as Go does: `50ms`, `1m30s`, `-2h`",
                )
            })
        }
        Value::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => Err(Misfit::new(
            format!("{number:?} is a float, and `{}` is an integer", go.name),
            format!("write `{number:.0}`"),
        )),
        Value::Text(text) if text.parse::<i128>().is_ok() => Err(Misfit::new(
            format!("\"{text}\" is a text, and `{}` is an integer", go.name),
            format!("write {text} without quotes"),
        )),
        other => {
            let help = if may_be_duration(go) {
                "write a duration as Go does (`50ms`), or a whole number of nanoseconds".to_owned()
            } else {
                let (least, most) = integer_range(go.kind == Kind::Int, go.size);
                format!("write a whole number from {least} to {most}")
            };
            Err(Misfit::kind(other, &go.name, help))
        }
    }
}

/// Whether a duration may be written for a value: `time.Duration`, and the program's own types of the same form.
fn may_be_duration(go: &Type) -> bool {
    go.name == DURATION || (go.kind == Kind::Int && go.size == 8 && go.name.contains('.'))
}

/// The least and the most that an integer type of `size` bytes holds.
pub(in crate::resolve) fn integer_range(signed: bool, size: u64) -> (i128, i128) {
    let bits = size * 8;
    if signed {
        (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1)
    } else {
        (0, (1i128 << bits) - 1)
    }
}

pub(super) fn float(value: &Value, at: &Located, go: &Type) -> Result<Fitted, Misfit> {
    let bits = |value: &Value| float_bits(real(value, go)?, go.size, go);
    let source = match value {
        Value::Add(amount) => Source::Add(bits(amount)?),
        Value::Xor(mask) => Source::Xor(fitting_mask(*mask, go)?),
        Value::Random(low, high) => Source::Random {
            low: bits(low)?,
            high: bits(high)?,
        },
        other => Source::Literal(bits(other)?),
    };
    let edit = edit(at, 0, go.size, Extend::Float, source, false)?;
    Ok(Fitted::one(edit, Shape::Float))
}

fn real(value: &Value, go: &Type) -> Result<f64, Misfit> {
    match value {
        Value::Float(number) => Ok(*number),
        Value::Integer(number) => Ok(*number as f64),
        other => Err(Misfit::kind(
            other,
            &go.name,
            "write a number, `.nan`, `.inf` or `-.inf`",
        )),
    }
}

/// The bits of a float of `size` bytes.
fn float_bits(number: f64, size: u64, go: &Type) -> Result<u64, Misfit> {
    if size == 8 {
        return Ok(number.to_bits());
    }
    let narrow = number as f32;
    if narrow.is_infinite() && number.is_finite() {
        return Err(Misfit::new(
            format!("{number:?} does not fit `{}`", go.name),
            format!("its values range from {:?} to {:?}", f32::MIN, f32::MAX),
        ));
    }
    Ok(u64::from(narrow.to_bits()))
}

/// `"1+2i"`, `"-0.5i"`, a number, or a list of real and imaginary part.
pub(super) fn complex(value: &Value, at: &Located, go: &Type) -> Result<Fitted, Misfit> {
    const HELP: &str = "write `\"1+2i\"`, or a list of its real and imaginary part: `[1, 2]`";
    let (re, im) = match value {
        Value::Text(text) => parse_complex(text).ok_or_else(|| Misfit::kind(value, &go.name, HELP))?,
        Value::List(parts) => match parts.as_slice() {
            [re, im] => (
                real(re, go).map_err(|misfit| misfit.within(re.span))?,
                real(im, go).map_err(|misfit| misfit.within(im.span))?,
            ),
            _ => {
                let message = format!("`{}` has two parts, not {}", go.name, parts.len());
                return Err(Misfit::new(message, HELP));
            }
        },
        Value::Integer(_) | Value::Float(_) => (real(value, go)?, 0.0),
        other => return Err(Misfit::kind(other, &go.name, HELP)),
    };
    let half = go.size / 2;
    let part = |offset, number| {
        let source = Source::Literal(float_bits(number, half, go)?);
        edit(at, offset, half, Extend::Float, source, false)
    };
    Ok(Fitted {
        edits: vec![part(0, re)?, part(half, im)?],
        shape: Shape::Complex,
    })
}

/// A complex number as Go writes it: `1+2i`, `(1+2i)`, `2i`, `1`.
fn parse_complex(text: &str) -> Option<(f64, f64)> {
    let text = text.trim();
    let text = text
        .strip_prefix('(')
        .and_then(|text| text.strip_suffix(')'))
        .unwrap_or(text);
    let number = |text: &str| -> Option<f64> {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let known = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            || ["Inf", "NaN", "inf", "nan"].contains(&digits);
        known.then(|| text.parse().ok())?
    };
    let Some(both) = text.strip_suffix('i') else {
        return Some((number(text)?, 0.0));
    };
    // The sign between the parts is the last one that no exponent belongs to.
    let sign = both
        .char_indices()
        .rev()
        .find(|&(at, c)| at > 0 && matches!(c, '+' | '-') && !both[..at].ends_with(['e', 'E']));
    match sign {
        Some((at, _)) => Some((number(&both[..at])?, number(&both[at..])?)),
        None => Some((0.0, number(both)?)),
    }
}

/// A length or capacity, which may shrink only: nothing belongs to the value behind its present end.
pub(in crate::resolve) fn length(value: &Value, place: Place) -> Result<Fitted, Misfit> {
    let number = match value {
        Value::Integer(number) => u64::try_from(*number).ok().filter(|n| *n <= i64::MAX as u64),
        _ => None,
    };
    let number = number.ok_or_else(|| {
        Misfit::new(
            format!("{} is not a length", describe(value)),
            "write a whole number, 0 or more, that does not exceed the current length at run time",
        )
    })?;
    let edit = crate::plan::Edit {
        place,
        size: 8,
        extend: Extend::Sign,
        source: Source::Shrink(number),
        pointer: false,
    };
    Ok(Fitted::one(edit, Shape::Int))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complex_numbers_are_read_as_go_writes_them() {
        for (text, re, im) in [
            ("1+2i", 1.0, 2.0),
            ("(1-2i)", 1.0, -2.0),
            ("-0.5i", 0.0, -0.5),
            ("1e-3-2e+4i", 1e-3, -2e4),
            ("7", 7.0, 0.0),
            ("+Inf-.5i", f64::INFINITY, -0.5),
        ] {
            assert_eq!(parse_complex(text), Some((re, im)), "{text}");
        }
        for text in ["", "i", "1+i", "1+2", "1+2j", "a+2i", "--1i", "1++2i"] {
            assert_eq!(parse_complex(text), None, "{text}");
        }
    }

    #[test]
    fn ranges_of_integers() {
        assert_eq!(integer_range(true, 1), (-128, 127));
        assert_eq!(integer_range(false, 8), (0, u64::MAX.into()));
    }
}
