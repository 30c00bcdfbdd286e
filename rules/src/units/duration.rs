//! Durations, read and written as Go's `time.ParseDuration` and `Duration.String` do.

use std::time::Duration;

use super::UnitError;

/// Go's units, in nanoseconds. Both spellings of micro exist in Unicode, and Go takes both.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3_600 * 1_000_000_000),
];

const HELP: &str = "write a number with a unit, such as `50ms`, `1.5s` or `1h30m`";

/// Reads a duration such as `50ms`, `1.5s` or `1h30m`.
///
/// As in Go, but with every number under a unit (also zero) and without a sign.
///
/// # Errors
///
/// When it is not a duration, or one that a Go `time.Duration` can't hold (about 292 years).
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let refuse = |message: String| Err(UnitError::new(message, HELP));
    if text.is_empty() {
        return refuse("a duration is missing".to_owned());
    }
    if let Some(magnitude) = text.strip_prefix('-') {
        return Err(UnitError::new(
            "a duration can't be negative here",
            format!("write `{magnitude}`"),
        ));
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut total: u128 = 0;
    loop {
        let number_length = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_length);
        let unit_length = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_length);
        if number.is_empty() || number.matches('.').count() > 1 || number == "." {
            return refuse(format!("`{text}` is not a duration"));
        }
        let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(unknown_unit(text, number, unit));
        };
        match nanoseconds(number, *scale).and_then(|part| total.checked_add(part)) {
            Some(sum) if sum <= i64::MAX as u128 => total = sum,
            _ => {
                return Err(UnitError::new(
                    format!("`{text}` is too long"),
                    "a Go duration ends at about 292 years",
                ));
            }
        }
        if next.is_empty() {
            break;
        }
        rest = next;
    }
    Ok(Duration::from_nanos(total as u64))
}

/// Reads a duration with or without a sign, in nanoseconds: a value for a Go `time.Duration`.
///
/// # Errors
///
/// As [`parse_duration`].
pub fn parse_signed_duration(text: &str) -> Result<i64, UnitError> {
    let (sign, magnitude) = match text.strip_prefix('-') {
        Some(magnitude) if !magnitude.starts_with(['-', '+']) => (-1, magnitude),
        _ => (1, text),
    };
    // parse_duration keeps to what an i64 holds.
    Ok(sign * parse_duration(magnitude)?.as_nanos() as i64)
}

fn unknown_unit(text: &str, number: &str, unit: &str) -> UnitError {
    if unit.is_empty() {
        return UnitError::new(
            format!("`{text}` has no unit"),
            format!("write `{number}ms`, `{number}s` or `{number}m`"),
        );
    }
    if UNITS.iter().any(|(name, _)| *name == unit.trim()) {
        let joined: String = text.split_whitespace().collect();
        return UnitError::new(format!("`{text}` has a space"), format!("write `{joined}`"));
    }
    let help = match unit {
        "d" | "day" | "days" => "Go has no unit for days: write hours, such as `24h`".to_owned(),
        _ => "units are `ns`, `us`, `ms`, `s`, `m` and `h`".to_owned(),
    };
    UnitError::new(format!("`{unit}` is not a unit of time"), help)
}

/// What a decimal number of a unit is in nanoseconds; what is finer is cut off, as in Go.
fn nanoseconds(number: &str, scale: u64) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut total = whole.checked_mul(u128::from(scale))?;
    // Past 18 digits not even hours have a nanosecond left.
    let fraction = &fraction[..fraction.len().min(18)];
    if !fraction.is_empty() {
        let numerator: u128 = fraction.parse().ok()?;
        total = total.checked_add(numerator * u128::from(scale) / 10_u128.pow(fraction.len() as u32))?;
    }
    Some(total)
}

/// Writes a duration as Go does: `1h30m0s`, `1.5s`, `50ms`, `100µs`, `0s`.
pub fn format_duration(duration: Duration) -> String {
    let total = duration.as_nanos();
    if total == 0 {
        return "0s".to_owned();
    }
    let (scale, unit) = match total {
        0..1_000 => (1, "ns"),
        1_000..1_000_000 => (1_000, "\u{b5}s"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    if unit != "s" {
        return format!("{}{unit}", decimal(total, scale));
    }
    const MINUTE: u128 = 60 * 1_000_000_000;
    let (hours, minutes) = (total / (60 * MINUTE), total / MINUTE % 60);
    let seconds = decimal(total % MINUTE, scale);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

fn decimal(value: u128, scale: u128) -> String {
    let (whole, fraction) = (value / scale, value % scale);
    if fraction == 0 {
        return whole.to_string();
    }
    let width = scale.ilog10() as usize;
    let digits = format!("{fraction:0width$}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn go_spellings_are_read() {
        for (text, nanoseconds) in [
            ("0s", 0),
            ("50ms", 50_000_000),
            ("1h30m", 5_400_000_000_000),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("100us", 100_000),
            ("100\u{b5}s", 100_000),
            ("100\u{3bc}s", 100_000),
            ("7ns", 7),
            ("0.9ns", 0),
            ("1h0.5m1ms", 3_630_001_000_000),
            ("+2m", 120_000_000_000),
            ("9223372036854775807ns", i64::MAX as u64),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_nanos(nanoseconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, message) in [
            ("", "missing"),
            ("5", "has no unit"),
            ("0", "has no unit"),
            ("1h5", "has no unit"),
            ("5d", "`d` is not a unit"),
            ("5 ms", "has a space"),
            ("5MS", "`MS` is not a unit"),
            ("ms", "not a duration"),
            ("1.2.3s", "not a duration"),
            (".s", "not a duration"),
            ("-5s", "negative"),
            ("9223372036854775808ns", "too long"),
            ("300000000000000000000000000000000000000000h", "too long"),
        ] {
            let error = parse_duration(text).expect_err(text);
            assert!(error.message.contains(message), "{text}: {}", error.message);
        }
    }

    #[test]
    fn values_may_be_negative() {
        assert_eq!(parse_signed_duration("-50ms"), Ok(-50_000_000));
        assert_eq!(parse_signed_duration("50ms"), Ok(50_000_000));
        for text in ["--5s", "-+5s", "-", "-5"] {
            assert!(parse_signed_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn written_as_go_writes_them() {
        for (nanoseconds, text) in [
            (0, "0s"),
            (7, "7ns"),
            (1_100, "1.1\u{b5}s"),
            (50_000_000, "50ms"),
            (1_500_000_000, "1.5s"),
            (90_000_000_000, "1m30s"),
            (5_400_000_000_000, "1h30m0s"),
        ] {
            assert_eq!(format_duration(Duration::from_nanos(nanoseconds)), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(nanoseconds in 0..=i64::MAX as u64) {
            let duration = Duration::from_nanos(nanoseconds);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = parse_duration(&text);
        }
    }
}
