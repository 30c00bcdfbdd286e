//! Patterns over the names of Go tests, as automata that take a byte at a time.

use std::collections::HashMap;

use goinject_probes::table::{State, TEST_GLOBS};
use goinject_rules::model::Pattern;
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::{Anchored, Input};
use serde::Serialize;

/// Bytes that the automaton of one pattern may take while it is made.
const SIZE: usize = 8 << 20;
/// States of all of them together: their numbers are of 16 bits.
const STATES: usize = 1 << 15;

/// Automata of patterns. A name matches with all that stand below it: `TestCart` also means `TestCart/empty`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Automata {
    /// The patterns as written, each once.
    pub patterns: Vec<String>,
    #[serde(skip)]
    automata: Vec<Vec<AutomatonState>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct AutomatonState {
    /// None: nothing can match any more.
    next: Vec<Option<usize>>,
    accepts: bool,
}

impl Automata {
    /// Adds a pattern, and gives its number. An error says why there is no room.
    pub fn add(&mut self, pattern: &Pattern) -> Result<usize, String> {
        if let Some(number) = self.patterns.iter().position(|text| *text == pattern.text) {
            return Ok(number);
        }
        if self.patterns.len() == TEST_GLOBS {
            return Err("too many patterns over test names".to_owned());
        }
        let states = automaton(pattern)?;
        if self.automata.iter().map(Vec::len).sum::<usize>() + states.len() > STATES {
            return Err("the patterns over test names are too large together".to_owned());
        }
        self.patterns.push(pattern.text.clone());
        self.automata.push(states);
        Ok(self.patterns.len() - 1)
    }

    /// As rows: first where each begins, then one where nothing matches any more, then the rest.
    pub fn rows(&self) -> Vec<State> {
        if self.automata.is_empty() {
            return Vec::new();
        }
        let dead = self.automata.len();
        let mut starts = Vec::new();
        let mut rest = vec![row(&[], false, |_| dead)];
        for (number, states) in self.automata.iter().enumerate() {
            let first = dead + rest.len();
            // State 0 is where it begins.
            let place = |next: Option<usize>| match next {
                None => dead,
                Some(0) => number,
                Some(next) => first + next - 1,
            };
            for (n, state) in states.iter().enumerate() {
                let row = row(&state.next, state.accepts, place);
                if n == 0 { starts.push(row) } else { rest.push(row) }
            }
        }
        starts.append(&mut rest);
        starts
    }
}

fn row(next: &[Option<usize>], accepts: bool, place: impl Fn(Option<usize>) -> usize) -> State {
    let number = |byte: usize| {
        let next = place(next.get(byte).copied().flatten());
        u16::try_from(next).expect("there are fewer states than 2^16")
    };
    State {
        next: std::array::from_fn(number),
        accepts: u32::from(accepts),
        padding: 0,
    }
}

fn automaton(pattern: &Pattern) -> Result<Vec<AutomatonState>, String> {
    let whole = pattern.regex.as_str().trim_start_matches("(?s)^");
    let whole = whole.strip_suffix('$').unwrap_or(whole);
    let too_large =
        |error: &dyn std::fmt::Display| format!("the pattern makes too large an automaton ({error})");
    let config = dense::Config::new()
        .start_kind(StartKind::Anchored)
        .dfa_size_limit(Some(SIZE))
        .determinize_size_limit(Some(SIZE));
    let dfa = dense::Builder::new()
        .configure(config)
        .build(&format!("(?s)^(?:{whole})(?:/.*)?$"))
        .map_err(|error| too_large(&error))?;
    let input = Input::new("").anchored(Anchored::Yes);
    let start = dfa
        .start_state_forward(&input)
        .map_err(|error| too_large(&error))?;
    let mut numbers: HashMap<StateID, usize> = HashMap::from([(start, 0)]);
    let mut waiting = vec![start];
    let mut states = Vec::new();
    let mut at = 0;
    while let Some(&state) = waiting.get(at) {
        at += 1;
        let mut next = Vec::with_capacity(256);
        for byte in 0..=u8::MAX {
            let to = dfa.next_state(state, byte);
            if dfa.is_dead_state(to) || dfa.is_quit_state(to) {
                next.push(None);
                continue;
            }
            let number = numbers.len();
            next.push(Some(*numbers.entry(to).or_insert_with(|| {
                waiting.push(to);
                number
            })));
        }
        states.push(AutomatonState {
            next,
            accepts: dfa.is_match_state(dfa.next_eoi_state(state)),
        });
        if states.len() > STATES {
            return Err("the pattern makes too large an automaton".to_owned());
        }
    }
    Ok(states)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(automata: &Automata, number: usize, name: &str) -> bool {
        let rows = automata.rows();
        let end = name
            .bytes()
            .fold(number, |row, byte| usize::from(rows[row].next[usize::from(byte)]));
        rows[end].accepts != 0
    }

    #[test]
    fn names_match_with_what_stands_below_them() {
        let mut automata = Automata::default();
        let patterns = [
            "TestCart",
            "TestCart/*",
            "Test{Cart,Shop}*",
            "*/slow",
            "*",
            "Test?art/[a-c]",
            "TestÜ*",
        ];
        for (n, text) in patterns.iter().enumerate() {
            assert_eq!(automata.add(&Pattern::glob(text, 1).unwrap()), Ok(n));
        }
        assert_eq!(automata.add(&Pattern::glob("TestCart", 1).unwrap()), Ok(0));
        for (name, expected) in [
            ("TestCart", [true, false, true, false, true, false, false]),
            ("TestCart/empty", [true, true, true, false, true, false, false]),
            ("TestCart/b/x", [true, true, true, false, true, true, false]),
            ("TestCarts", [false, false, true, false, true, false, false]),
            (
                "TestShop/a/slow/x",
                [false, false, true, true, true, false, false],
            ),
            ("TestÜber", [false, false, false, false, true, false, true]),
            ("Tes", [false, false, false, false, true, false, false]),
            ("", [false, false, false, false, true, false, false]),
        ] {
            for (n, expected) in expected.into_iter().enumerate() {
                assert_eq!(
                    matches(&automata, n, name),
                    expected,
                    "{name} and {}",
                    patterns[n]
                );
            }
        }
    }

    #[test]
    fn there_is_room_for_so_many_patterns_and_no_more() {
        let mut automata = Automata::default();
        for n in 0..TEST_GLOBS {
            automata
                .add(&Pattern::glob(&format!("Test{n}"), 1).unwrap())
                .unwrap();
        }
        assert!(automata.add(&Pattern::glob("TestX", 1).unwrap()).is_err());
        assert!(automata.add(&Pattern::glob("Test7", 1).unwrap()).is_ok());
    }
}
