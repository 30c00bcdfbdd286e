//! The order of Debian versions.

use std::cmp::Ordering;
use std::iter;

/// Compares two versions as dpkg does (Debian policy 5.6.12): epoch, then upstream version, then revision.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let split = |version: &str| {
        let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
        (
            epoch.parse::<u64>().unwrap_or(0),
            upstream.to_owned(),
            revision.to_owned(),
        )
    };
    let (a, b) = (split(a), split(b));
    a.0.cmp(&b.0)
        .then_with(|| part(&a.1, &b.1))
        .then_with(|| part(&a.2, &b.2))
}

/// Compares runs of other characters and runs of digits in turn.
fn part(mut a: &str, mut b: &str) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let order = text(
            take(&mut a, |c| !c.is_ascii_digit()),
            take(&mut b, |c| !c.is_ascii_digit()),
        );
        let order = order.then_with(|| {
            number(
                take(&mut a, |c| c.is_ascii_digit()),
                take(&mut b, |c| c.is_ascii_digit()),
            )
        });
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

fn take<'a>(from: &mut &'a str, wanted: impl Fn(char) -> bool) -> &'a str {
    let end = from.find(|c| !wanted(c)).unwrap_or(from.len());
    let (taken, rest) = from.split_at(end);
    *from = rest;
    taken
}

/// A tilde sorts before everything, the end included; letters before everything else.
fn text(a: &str, b: &str) -> Ordering {
    let weigh = |c: char| match c {
        '~' => -1,
        c if c.is_ascii_alphabetic() => c as i32,
        c => c as i32 + 256,
    };
    let weights = |text: &str| {
        text.chars()
            .map(weigh)
            .chain(iter::repeat(0))
            .take(a.len().max(b.len()))
            .collect()
    };
    let (a, b): (Vec<i32>, Vec<i32>) = (weights(a), weights(b));
    a.cmp(&b)
}

fn number(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_as_dpkg_sorts_them() {
        let ascending = [
            "5.10.223-1",
            "6.1.170-3",
            "6.1.176-1",
            "6.12.9-1~bpo12+1",
            "6.12.9-1",
            "6.12.90-1~bpo12+1",
            "6.12.90-2~bpo12+1",
            "6.12.107-1",
            "7.3~rc7-1~exp1",
            "7.3-1",
            "7.3.4-1~bpo13+1",
            "7.3.4-1",
            "1:1.0-1",
        ];
        for pair in ascending.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
    }

    #[test]
    fn odd_versions_follow_the_policy() {
        for (less, more) in [
            ("~~", "~~a"),
            ("~~a", "~"),
            ("~", ""),
            ("", "a"),
            ("1.0", "1.0+b1"),
            ("a", "+"),
        ] {
            assert_eq!(compare(less, more), Ordering::Less, "{less} {more}");
        }
        assert_eq!(compare("1.02", "1.2"), Ordering::Equal);
        assert_eq!(compare("1.0", "1.0-0"), Ordering::Equal);
    }
}
