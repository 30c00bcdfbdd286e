//! The program `fixtures/go/busy`: goroutines that check each of their calls, under a garbage collection each
//! millisecond.

use std::collections::BTreeMap;

use crate::{Outcome, Writer};

/// Its functions, with what a rule sets in each call.
const FUNCTIONS: [(&str, &str); 8] = [
    ("mixed", "{n: 1000003, x: 2.5}"),
    ("number", "{n: 1000003, on: false}"),
    ("leaf", "{a: 1000003}"),
    ("result", "{r: 1000003, s: replaced}"),
    ("behind", "{c.value: 1000003}"),
    ("deep", "{weight: 5}"),
    ("squared", "{x: 2.5}"),
    ("larger", "{r: 1000003}"),
];

/// A rule whose condition is behind a pointer that leads nowhere.
pub const NOWHERE: &str =
    "- {name: nowhere, function: main.missing, if: c.value == 1, inject: {set: {c.value: 2}}}\n";

/// What the program counted of one function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// All of them.
    pub calls: u64,
    /// In which every value was the rule's.
    pub replaced: u64,
    /// In which every value was the program's own.
    pub kept: u64,
    /// In which some values were the rule's and some the program's: its tracer was killed meanwhile.
    pub halfway: u64,
    /// All others.
    pub wrong: u64,
}

/// The functions that a writer can change in a program of a Go version.
#[must_use]
pub fn functions(writer: Writer, version: &str) -> Vec<&'static str> {
    let names = FUNCTIONS.iter().map(|(name, _)| *name);
    match writer {
        // Up to Go 1.16 values are passed in memory.
        _ if version == "1.15" => names.collect(),
        Writer::UserMemory => vec!["behind"],
        Writer::Context => names
            .filter(|name| !["mixed", "squared"].contains(name))
            .collect(),
        // Its first instruction overwrites what it gets.
        Writer::SignalFrame | Writer::Tracer => names.filter(|name| *name != "squared").collect(),
        _ => names.collect(),
    }
}

/// A rule file that replaces what these functions get or give. `more` are keys of every rule, as in `when: {every: 3}, `.
#[must_use]
pub fn rules(functions: &[&str], more: &str) -> String {
    let rules = FUNCTIONS.iter().filter(|(name, _)| functions.contains(name));
    let rules = rules.map(|(name, set)| {
        format!("- {{name: {name}, function: main.{name}, {more}inject: {{set: {set}}}}}\n")
    });
    format!("version: 1\nrules:\n{}", rules.collect::<String>())
}

/// What the program counted, by function. Empty if it did not come to its end.
#[must_use]
pub fn counted(stdout: &str) -> BTreeMap<String, Calls> {
    let of_line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let &[
            name,
            "calls",
            calls,
            "replaced",
            replaced,
            "kept",
            kept,
            "halfway",
            halfway,
            "wrong",
            wrong,
        ] = words.as_slice()
        else {
            return None;
        };
        let calls = Calls {
            calls: calls.parse().ok()?,
            replaced: replaced.parse().ok()?,
            kept: kept.parse().ok()?,
            halfway: halfway.parse().ok()?,
            wrong: wrong.parse().ok()?,
        };
        Some((name.to_owned(), calls))
    };
    stdout.lines().filter_map(of_line).collect()
}

/// All calls of a program that came to its end.
///
/// # Errors
/// With what is wrong: a call, or that there is no end.
pub fn total(stdout: &str) -> Result<Calls, String> {
    let counted = counted(stdout);
    let mut total = Calls::default();
    for calls in counted.values() {
        total.calls += calls.calls;
        total.replaced += calls.replaced;
        total.kept += calls.kept;
        total.halfway += calls.halfway;
        total.wrong += calls.wrong;
    }
    match total {
        Calls { wrong: 0, .. } if total.calls > 0 => Ok(total),
        _ => Err(format!("the program says\n{stdout}")),
    }
}

/// Compares goinject's counters with the program's: one call is one hit, one edit one replaced call. Gives the calls.
///
/// # Errors
/// With what differs.
pub fn compare(outcome: &Outcome) -> Result<u64, String> {
    let total = total(&outcome.stdout).map_err(|error| format!("{error}\n{}", outcome.describe()))?;
    let counted = counted(&outcome.stdout);
    let counts: BTreeMap<&str, _> = outcome
        .of_type("rule")
        .filter_map(|line| line["rule"].as_str())
        .zip(outcome.counts())
        .collect();
    if counts.len() != counted.len() {
        return Err(format!("goinject counts only {counts:?}\n{}", outcome.describe()));
    }
    for (name, calls) in &counted {
        let counts = counts[name.as_str()];
        let counted = (counts.calls, counts.applied, counts.failed);
        if counted != (calls.calls, calls.replaced, 0) || calls.halfway > 0 {
            return Err(format!(
                "{name}: the program counts {calls:?}\ngoinject counts {counts:?}\n{}",
                outcome.describe()
            ));
        }
    }
    Ok(total.calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: &str = "started 7\nleaf calls 5 replaced 3 kept 2 halfway 0 wrong 0\ndeep calls 1 replaced 1 kept 0 halfway 0 wrong 0\n";

    fn outcome(applied: u64) -> Outcome {
        let rule = |name: &str, calls: u64, applied: u64| {
            serde_json::json!({"type": "rule", "rule": name, "calls": calls, "matched": calls, "fired": calls,
                "applied": applied, "failed": 0})
        };
        Outcome {
            stdout: END.to_owned(),
            json: vec![rule("deep", 1, 1), rule("leaf", 5, applied)],
            ..Outcome::default()
        }
    }

    #[test]
    fn counters_must_agree() {
        assert_eq!(compare(&outcome(3)), Ok(6));
        assert!(compare(&outcome(4)).is_err());
    }

    #[test]
    fn a_wrong_call_or_no_end_is_an_error() {
        assert!(total("started 7\n").is_err());
        assert!(total(&END.replace("wrong 0", "wrong 1")).is_err());
    }
}
