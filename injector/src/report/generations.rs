//! Which rules a run began with, and what became of them where its rule file was read again.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::line::{Fired, Line};

/// The generations of rules that a run had.
#[derive(Clone, Debug, Default)]
pub struct Generations {
    /// Of each, the rules that the run began with.
    original: Vec<BTreeSet<String>>,
    /// Rules that came later and fired: by name, with their generation and how often.
    later: BTreeMap<String, (u32, u64)>,
}

impl Generations {
    /// Takes in the next line of the run.
    pub fn add(&mut self, line: &Line) {
        match line {
            Line::Armed(armed) => {
                *self = Generations::default();
                self.original.push(armed.rules.iter().cloned().collect());
            }
            Line::Reloaded(reloaded) if reloaded.refused.is_none() => {
                let before = self.original.last().cloned().unwrap_or_default();
                let kept = reloaded.kept.iter().filter(|rule| before.contains(*rule));
                let kept = kept.cloned().collect();
                self.original.push(kept);
            }
            Line::Fired(fired) => self.fired(fired),
            _ => {}
        }
    }

    fn fired(&mut self, fired: &Fired) {
        let generation = fired.generation.saturating_sub(1) as usize;
        let is_original = |rules: &BTreeSet<String>| rules.contains(&fired.rule);
        if !self.original.get(generation).is_some_and(is_original) {
            let later = self.later.entry(fired.rule.clone()).or_default();
            *later = (fired.generation, later.1 + 1);
        }
    }

    /// Whether the rule file was read again, and taken.
    pub fn are_several(&self) -> bool {
        self.original.len() > 1
    }

    /// Whether a rule acted from the beginning to the end.
    pub fn has_stayed(&self, rule: &str) -> bool {
        self.original.last().is_some_and(|rules| rules.contains(rule))
    }

    /// A rule that the run did not begin with and that fired, its generation, and how often.
    pub fn later(&self) -> Option<(&str, u32, u64)> {
        let (rule, (generation, count)) = self.later.first_key_value()?;
        Some((rule, *generation, *count))
    }
}
