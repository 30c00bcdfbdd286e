//! Whole numbers and floats in Go's spellings.

/// A number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Integer(i128),
    Float(f64),
}

/// Looks like a number and is none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Malformed {
    pub(crate) reason: &'static str,
    pub(crate) help: String,
}

/// Reads a number; none where the text does not look like one.
///
/// Taken are Go's literals (`1_000`, `0x_ff`, `0o17`, `0b11`, `1e3`, `.5`), a sign before them, and the
/// names of the special floats in YAML's and Go's spelling.
pub(crate) fn read(text: &str) -> Option<Result<Number, Malformed>> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if let Some(value) = non_finite(digits) {
        return Some(Ok(Number::Float(if negative { -value } else { value })));
    }
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    integer(negative, digits).or_else(|| float(negative, digits))
}

/// Whether this is a special float in a spelling that YAML does not know.
pub(crate) fn is_non_finite_name(text: &str) -> bool {
    matches!(text.trim_start_matches(['+', '-']), "NaN" | "Inf")
}

fn non_finite(name: &str) -> Option<f64> {
    match name {
        ".nan" | ".NaN" | ".NAN" | "NaN" => Some(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "Inf" => Some(f64::INFINITY),
        _ => None,
    }
}

fn integer(negative: bool, digits: &str) -> Option<Result<Number, Malformed>> {
    let (radix, body) = match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        Some("0o" | "0O") => (8, &digits[2..]),
        Some("0b" | "0B") => (2, &digits[2..]),
        _ => (10, digits),
    };
    // In Go an underscore separates digits, or follows the prefix.
    let body = if radix == 10 {
        body
    } else {
        body.strip_prefix('_').unwrap_or(body)
    };
    let plain = without_underscores(body)?;
    if plain.is_empty() || !plain.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    if radix == 10 && plain.len() > 1 && plain.starts_with('0') {
        let decimal = match plain.trim_start_matches('0') {
            "" => "0",
            rest => rest,
        };
        let sign = if negative { "-" } else { "" };
        return Some(Err(Malformed {
            reason: "a number with a leading zero is octal in Go and decimal in YAML",
            help: format!(
                "write `{sign}{decimal}`, `{sign}0o{decimal}` for octal, or quote it if it is text"
            ),
        }));
    }
    let magnitude = i128::from_str_radix(&plain, radix).ok();
    Some(match magnitude {
        Some(magnitude) => Ok(Number::Integer(if negative { -magnitude } else { magnitude })),
        None => Err(Malformed {
            reason: "no Go integer is this large",
            help: "the largest is 18446744073709551615 (uint64)".to_owned(),
        }),
    })
}

fn float(negative: bool, digits: &str) -> Option<Result<Number, Malformed>> {
    let plain = without_underscores(digits)?;
    let decimal = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    if !plain.chars().all(decimal) {
        return None;
    }
    let value: f64 = plain.parse().ok()?;
    Some(if value.is_infinite() {
        Err(Malformed {
            reason: "no float is this large",
            help: "write `.inf` for infinity; the largest float64 is 1.7976931348623157e308".to_owned(),
        })
    } else {
        Ok(Number::Float(if negative { -value } else { value }))
    })
}

/// The digits alone; none where an underscore does not stand between two of them.
fn without_underscores(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    for (at, _) in text.match_indices('_') {
        let digit = |index: Option<usize>| {
            index
                .and_then(|i| bytes.get(i))
                .is_some_and(u8::is_ascii_hexdigit)
        };
        if !digit(at.checked_sub(1)) || !digit(Some(at + 1)) {
            return None;
        }
    }
    Some(text.replace('_', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Number {
        read(text).expect("looks like a number").expect("is one")
    }

    #[test]
    fn whole_numbers_in_all_of_gos_bases() {
        for (text, expected) in [
            ("0", 0),
            ("+5", 5),
            ("-5", -5),
            ("1_000", 1000),
            ("0xff", 255),
            ("0x_ff", 255),
            ("-0XFF_FF", -65535),
            ("0b1_1", 3),
            ("0o17", 15),
            ("18446744073709551615", i128::from(u64::MAX)),
            ("-9223372036854775808", i128::from(i64::MIN)),
        ] {
            assert_eq!(value(text), Number::Integer(expected), "{text}");
        }
    }

    #[test]
    fn floats_and_their_special_names() {
        for (text, expected) in [
            ("1.5", 1.5),
            ("1.", 1.0),
            (".5", 0.5),
            ("-1e3", -1000.0),
            ("1_0.5", 10.5),
            (".inf", f64::INFINITY),
            ("-Inf", f64::NEG_INFINITY),
            ("00.5", 0.5),
        ] {
            assert_eq!(value(text), Number::Float(expected), "{text}");
        }
        assert!(matches!(value("NaN"), Number::Float(nan) if nan.is_nan()));
    }

    #[test]
    fn what_only_looks_like_a_number_says_why() {
        for (text, reason) in [
            ("017", "leading zero"),
            ("1e400", "large"),
            (&"9".repeat(60), "large"),
        ] {
            let malformed = read(text).expect("looks like a number").expect_err("is none");
            assert!(malformed.reason.contains(reason), "{text}: {}", malformed.reason);
        }
    }

    #[test]
    fn other_text_is_no_number() {
        for text in [
            "",
            "-",
            "+",
            "a1",
            "1__0",
            "_1",
            "1_",
            "0xzz",
            "0o9",
            "1:30",
            "50ms",
            "2026-01-01",
            ".",
            "1.2.3",
            "0x",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
