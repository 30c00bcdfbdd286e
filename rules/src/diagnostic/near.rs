//! Near misses of names.

/// The candidate that was probably meant by `word`, if one is near enough.
pub fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    near_misses(word, candidates, 1).into_iter().next()
}

/// The candidates that may have been meant by `word`, nearest first, `limit` at most.
///
/// Near is what differs in about a third of its letters, of which those of the same package do not count, in upper
/// and lower case, or in all but the part after the last `.` or `/`: `Next` and `parseMe` find `blob.(*Reader).Next`
/// and `main.parseMe`.
pub fn near_misses<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
    limit: usize,
) -> Vec<&'c str> {
    let lowered = word.to_lowercase();
    let tail = last_part(&lowered);
    let mut near: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter(|candidate| *candidate != word)
        .filter_map(|candidate| Some((distance(&lowered, tail, candidate)?, candidate)))
        .collect();
    near.sort();
    near.dedup();
    near.truncate(limit);
    near.into_iter().map(|(_, candidate)| candidate).collect()
}

fn distance(word: &str, tail: &str, candidate: &str) -> Option<usize> {
    let candidate = candidate.to_lowercase();
    let same_tail = tail.chars().count() > 1 && last_part(&candidate) == tail;
    let (word, candidate) = without_common_package(word, &candidate);
    let longest = word.chars().count().max(candidate.chars().count());
    let allowed = (longest / 3).max(1);
    // Names differ in length by more than that: no need for the costly comparison.
    let whole = (word.chars().count().abs_diff(candidate.chars().count()) <= allowed)
        .then(|| strsim::damerau_levenshtein(word, candidate))
        .filter(|distance| *distance <= allowed && *distance < longest);
    whole.or(same_tail.then_some(allowed))
}

/// What is behind the last separator up to which both are the same.
fn without_common_package<'w>(word: &'w str, candidate: &'w str) -> (&'w str, &'w str) {
    let same = word
        .bytes()
        .zip(candidate.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    let end = word.as_bytes()[..same]
        .iter()
        .rposition(|byte| matches!(byte, b'.' | b'/'));
    let start = end.map_or(0, |end| end + 1);
    (&word[start..], &candidate[start..])
}

fn last_part(name: &str) -> &str {
    name.rsplit(['.', '/']).next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_near() {
        let keys = ["function", "inject", "expect", "when", "within"];
        for (word, meant) in [
            ("funtion", "function"),
            ("Function", "function"),
            ("injcet", "inject"),
            ("injects", "inject"),
            ("wehn", "when"),
            ("within_", "within"),
        ] {
            assert_eq!(did_you_mean(word, keys), Some(meant), "{word}");
        }
    }

    #[test]
    fn other_words_are_not() {
        for word in ["", "x", "probability", "zzzz"] {
            assert_eq!(did_you_mean(word, ["function", "if", "set"]), None, "{word}");
        }
        assert_eq!(did_you_mean("a", ["b"]), None);
    }

    #[test]
    fn functions_are_found_by_their_last_part() {
        let functions = ["main.parseMe", "main.run", "github.com/acme/blob.(*Reader).Next"];
        assert_eq!(did_you_mean("main.parseMee", functions), Some("main.parseMe"));
        assert_eq!(did_you_mean("parseMe", functions), Some("main.parseMe"));
        assert_eq!(
            did_you_mean("blob.Next", functions),
            Some("github.com/acme/blob.(*Reader).Next")
        );
    }

    #[test]
    fn a_long_path_makes_nothing_near() {
        let functions = [
            "example.com/shop/internal/ledger.(*Account).Withdraw",
            "example.com/shop/internal/ledger.(*Account).Show",
            "example.com/shop/internal/ledger.Fetch",
        ];
        for word in [
            "example.com/shop/internal/ledger.Withdraw",
            "example.com/shop/internal/ledger.Account.Withdraw",
            "ledger.(*Account).Withdraw",
        ] {
            assert_eq!(near_misses(word, functions, 5), [functions[0]], "{word}");
        }
    }

    #[test]
    fn the_nearest_comes_first() {
        assert_eq!(near_misses("a22", ["a1", "a2", "a222"], 2), ["a2", "a222"]);
    }
}
