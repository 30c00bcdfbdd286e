//! Chances and rates.

use std::time::Duration;

use super::{UnitError, parse_duration};
use crate::model::Rate;

/// Reads `25%` as 0.25.
pub(crate) fn parse_percentage(text: &str) -> Result<f64, UnitError> {
    let help = "write `0.25` or `25%`";
    let Some(number) = text.strip_suffix('%') else {
        return Err(UnitError::new(format!("`{text}` is not a probability"), help));
    };
    let digits = |c: char| c.is_ascii_digit() || c == '.';
    match number.trim_end().parse::<f64>() {
        Ok(percent) if number.trim_end().chars().all(digits) && (0.0..=100.0).contains(&percent) => {
            Ok(percent / 100.0)
        }
        Ok(_) => Err(UnitError::new(
            format!("`{text}` is not between 0% and 100%"),
            help,
        )),
        Err(_) => Err(UnitError::new(format!("`{text}` is not a percentage"), help)),
    }
}

/// Reads `5/s`, `100/m`, `5/100ms`.
pub(crate) fn parse_rate(text: &str) -> Result<Rate, UnitError> {
    let help = "write a number per time, such as `5/s`, `100/m` or `5/100ms`";
    let Some((count, per)) = text.split_once('/') else {
        return Err(UnitError::new(format!("`{text}` is not a rate"), help));
    };
    let (count, per) = (count.trim(), per.trim());
    if per.is_empty() {
        return Err(UnitError::new(format!("`{text}` does not say per what"), help));
    }
    let Some(count) = whole(count) else {
        return Err(UnitError::new(format!("`{count}` is not a whole number"), help));
    };
    let starts_with_digit = per.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+'));
    let per = if starts_with_digit {
        parse_duration(per)?
    } else {
        parse_duration(&format!("1{per}"))?
    };
    if per == Duration::ZERO {
        return Err(UnitError::new("the time of a rate can't be 0", help));
    }
    Ok(Rate { count, per })
}

/// An unsigned whole number in any of Go's spellings.
pub(super) fn whole(text: &str) -> Option<u64> {
    match super::number::read(text)? {
        Ok(super::number::Number::Integer(value)) => u64::try_from(value).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::format_duration;
    use proptest::prelude::*;

    #[test]
    fn percentages() {
        assert_eq!(parse_percentage("25%"), Ok(0.25));
        assert_eq!(parse_percentage("12.5%"), Ok(0.125));
        assert_eq!(parse_percentage("100%"), Ok(1.0));
        assert_eq!(parse_percentage("0 %"), Ok(0.0));
        for text in ["101%", "-1%", "%", "x%", "25", "inf%", "NaN%", "+5%", "1e1%"] {
            assert!(parse_percentage(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates() {
        let second = Duration::from_secs(1);
        assert_eq!(
            parse_rate("5/s"),
            Ok(Rate {
                count: 5,
                per: second
            })
        );
        assert_eq!(
            parse_rate("5 / 1s"),
            Ok(Rate {
                count: 5,
                per: second
            })
        );
        assert_eq!(
            parse_rate("1_000/m"),
            Ok(Rate {
                count: 1000,
                per: 60 * second
            })
        );
        assert_eq!(
            parse_rate("5/100ms"),
            Ok(Rate {
                count: 5,
                per: second / 10
            })
        );
        assert_eq!(
            parse_rate("0/s"),
            Ok(Rate {
                count: 0,
                per: second
            })
        );
        for text in [
            "5", "s", "5/", "/s", "5/day", "5/5", "1.5/s", "-1/s", "5/0s", "5/s/s", "5/-1s",
        ] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn rates_are_read_back(count: u64, per in 1..=i64::MAX as u64) {
            let per = Duration::from_nanos(per);
            let text = format!("{count}/{}", format_duration(per));
            prop_assert_eq!(parse_rate(&text), Ok(Rate { count, per }));
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = parse_rate(&text);
            let _ = parse_percentage(&text);
        }
    }
}
