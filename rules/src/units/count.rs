//! Ranges of counts.

use std::fmt;

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

impl CountRange {
    /// Whether a count is in it.
    pub fn contains(self, count: u64) -> bool {
        (self.min..=self.max).contains(&count)
    }
}

/// As a rule file writes it: `3`, `>=1`, `<=5`, `2..4`.
impl fmt::Display for CountRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (min, max) if min == max => write!(f, "{min}"),
            (min, u64::MAX) => write!(f, ">={min}"),
            (0, max) => write!(f, "<={max}"),
            (min, max) => write!(f, "{min}..{max}"),
        }
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

    #[test]
    fn both_ends_are_included() {
        let range = CountRange { min: 2, max: 4 };
        assert_eq!(
            [1, 2, 4, 5].map(|count| range.contains(count)),
            [false, true, true, false]
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(a: u64, b: u64) {
            for range in [
                CountRange { min: a.min(b), max: a.max(b) },
                CountRange { min: a, max: u64::MAX },
                CountRange { min: 0, max: a },
                CountRange { min: a, max: a },
            ] {
                prop_assert_eq!(parse_count_range(&range.to_string()), Ok(range));
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = parse_count_range(&text);
        }
    }
}
