//! Ranges of counts.

use super::UnitError;
use super::rate::whole;
use crate::model::CountRange;

/// Reads `N`, `>=N`, `<=N` or `A..B`.
pub(crate) fn parse_count_range(text: &str) -> Result<CountRange, UnitError> {
    let number = |digits: &str| {
        whole(digits.trim()).ok_or_else(|| {
            UnitError::new(
                format!("`{text}` is not a number of calls"),
                "write `3`, `\">=3\"`, `\"<=3\"` or `\"3..5\"`",
            )
        })
    };
    let instead = |message: &str, help: String| Err(UnitError::new(format!("`{text}` {message}"), help));
    if let Some(least) = text.strip_prefix(">=") {
        Ok(CountRange {
            min: number(least)?,
            max: u64::MAX,
        })
    } else if let Some(most) = text.strip_prefix("<=") {
        Ok(CountRange {
            min: 0,
            max: number(most)?,
        })
    } else if let Some((least, most)) = text.split_once("..") {
        if least.trim().is_empty() {
            return instead("lacks a lower end", format!("write `\"<={}\"`", number(most)?));
        }
        if most.trim().is_empty() {
            return instead("lacks an upper end", format!("write `\">={}\"`", number(least)?));
        }
        let (min, max) = (number(least)?, number(most)?);
        if min > max {
            return instead("ends before it begins", format!("write `\"{max}..{min}\"`"));
        }
        Ok(CountRange { min, max })
    } else if let Some(over) = text.strip_prefix('>') {
        instead(
            "is not known, only `>=` and `<=` are",
            format!("write `\">={}\"`", number(over)?.saturating_add(1)),
        )
    } else if let Some(under) = text.strip_prefix('<') {
        instead(
            "is not known, only `>=` and `<=` are",
            format!("write `\"<={}\"`", number(under)?.saturating_sub(1)),
        )
    } else if let Some(exact) = text.strip_prefix('=') {
        let exact = number(exact.strip_prefix('=').unwrap_or(exact))?;
        instead("has a sign too many", format!("write `{exact}`"))
    } else {
        let exact = number(text)?;
        Ok(CountRange {
            min: exact,
            max: exact,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_four_forms() {
        for (text, min, max) in [
            ("3", 3, 3),
            (">=1", 1, u64::MAX),
            (">= 1_000", 1000, u64::MAX),
            ("<=5", 0, 5),
            ("2..4", 2, 4),
            ("2 .. 4", 2, 4),
            ("2..2", 2, 2),
        ] {
            assert_eq!(parse_count_range(text), Ok(CountRange { min, max }), "{text}");
        }
    }

    #[test]
    fn near_misses_are_told_the_right_form() {
        for (text, help) in [
            (">3", "`\">=4\"`"),
            ("<3", "`\"<=2\"`"),
            ("=3", "`3`"),
            ("== 3", "`3`"),
            ("3..", "`\">=3\"`"),
            ("..3", "`\"<=3\"`"),
            ("5..2", "`\"2..5\"`"),
            ("many", "`3`"),
            ("-1", "`3`"),
            ("1.5", "`3`"),
            (">=", "`3`"),
        ] {
            let error = parse_count_range(text).expect_err(text);
            assert!(error.help.contains(help), "{text}: {}", error.help);
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = parse_count_range(&text);
        }
    }
}
