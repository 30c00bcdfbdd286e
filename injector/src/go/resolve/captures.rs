//! Which parameters of a closure are its own, and which are variables that it captures.
//!
//! A closure that is called where it stands (`func(k int) {…}(3)`, unless it is inlined) has no closure object: the
//! compiler makes what it captures parameters, in front of its own. Source: `directClosureCall` in
//! `cmd/compile/internal/walk/closure.go`; before Go 1.17 `transformclosure` in `gc/closure.go`. The debug information
//! lists all alike, with the line of its declaration for a parameter, and for a captured variable the line of its first
//! use in the closure, in the order of these.

use super::Resolver;
use crate::go::dwarf::parameters::Listed;

/// What the code of a closure tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::go) struct ClosureFacts {
    /// It is a value that the program holds: it has a closure object, so none of its parameters is captured.
    pub(in crate::go) is_value: bool,
    /// The first and the last line that have code of its own; the first is that of `func`.
    pub(in crate::go) lines: Option<(u32, u32)>,
}

impl Resolver<'_> {
    /// How many of the values that come in are captured; `None` if that cannot be told.
    pub(super) fn captures(&self, listed: &[Option<usize>]) -> Option<usize> {
        let Some(facts) = (self.evidence.closure)() else {
            return Some(0);
        };
        let parameters = &self.listing.parameters;
        let own = listed.iter().map(|place| place.map(|n| &parameters[n]));
        captured(&own.collect::<Vec<_>>(), facts)
    }
}

/// Captured variables have names, so what is not listed is declared.
fn captured(values: &[Option<&Listed>], facts: ClosureFacts) -> Option<usize> {
    let behind_last = |is: &dyn Fn(usize, &Listed) -> bool| {
        let found = values
            .iter()
            .enumerate()
            .rposition(|(n, value)| value.is_some_and(|value| is(n, value)));
        found.map_or(0, |n| n + 1)
    };
    // By reference, and the dictionary of a generic function that it stands in.
    let certain = behind_last(&|_, value| value.name.starts_with(['&', '.']));
    if facts.is_value {
        return Some(certain);
    }
    let (first, last) = facts.lines?;
    let line = |n: usize| values.get(n).and_then(|value| value.as_ref()?.line);
    let outside = behind_last(&|_, value| value.line.is_some_and(|line| line < u64::from(first)));
    let begun = certain.max(outside);
    // The body comes behind the declared ones, and its first uses in order: where lines go back, the declared begin.
    let goes_back = (begun..values.len().saturating_sub(1)).rfind(|&n| match (line(n), line(n + 1)) {
        (Some(this), Some(next)) => this > next,
        _ => false,
    });
    if let Some(n) = goes_back {
        return Some(n + 1);
    }
    let Some(value) = values.get(begun) else {
        return Some(begun);
    };
    let is_declared = value.is_none_or(|value| {
        value.name == "_" || value.name.starts_with('~')
            // The body of a closure of several lines begins on the next one.
            || (value.line == Some(first.into()) && last > first)
    });
    is_declared.then_some(begun)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::types::{Type, Types};

    fn count(values: &[(&str, u64)], facts: ClosureFacts) -> Option<usize> {
        let ty = Types::default().add(Type::unknown(8));
        let listed: Vec<Listed> = values
            .iter()
            .map(|&(name, line)| Listed::new(name, ty, Some(line)))
            .collect();
        captured(&listed.iter().map(Some).collect::<Vec<_>>(), facts)
    }

    const LINES: ClosureFacts = ClosureFacts {
        is_value: false,
        lines: Some((11, 14)),
    };
    const ONE_LINE: ClosureFacts = ClosureFacts {
        is_value: false,
        lines: Some((11, 11)),
    };

    #[test]
    fn captured_variables_are_used_behind_the_declarations() {
        assert_eq!(
            count(&[("j", 13), ("name", 13), ("k", 11), ("s", 11)], LINES),
            Some(2)
        );
        assert_eq!(count(&[("&j", 11), ("name", 13), ("k", 11)], LINES), Some(2));
        assert_eq!(count(&[("name", 13), ("&j", 11), ("k", 11)], LINES), Some(2));
        assert_eq!(count(&[("j", 9), ("k", 11)], LINES), Some(1));
        assert_eq!(count(&[("k", 11), ("s", 11)], LINES), Some(0));
        assert_eq!(count(&[("&x", 11)], LINES), Some(1));
        assert_eq!(count(&[], LINES), Some(0));
        // One parameter on each line.
        assert_eq!(count(&[("q", 14), ("a", 12), ("b", 13)], LINES), Some(1));
    }

    #[test]
    fn what_may_be_either_is_not_guessed() {
        assert_eq!(count(&[("z", 11), ("a", 11)], ONE_LINE), None);
        assert_eq!(count(&[("z", 12), ("q", 13)], LINES), None);
        assert_eq!(count(&[("&x", 11), ("a", 11)], ONE_LINE), None);
        let unknown = ClosureFacts { lines: None, ..LINES };
        assert_eq!(count(&[("a", 11)], unknown), None);
        // A value that the program holds has captured nothing by parameters.
        let value = ClosureFacts {
            is_value: true,
            ..ONE_LINE
        };
        assert_eq!(count(&[("z", 11), ("a", 11)], value), Some(0));
    }
}
