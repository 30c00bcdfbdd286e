//! Generations of a run's rules: which row of the tables each rule has, when others take the place of those before.
//!
//! A rule that stays keeps its row, and with it its counters, its turn and its chances. Each new one gets a row that no other had.

use std::collections::{HashMap, HashSet};

use goinject_probes::native::{Moved, Run};
use goinject_probes::table::{Rule, Tables, now};
use goinject_rules::model::Limits;

use crate::plan::Plan;

/// The rules of a run from some moment on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// From 1.
    pub number: u32,
    /// The row of each rule; none where they are in order.
    rows: Vec<u32>,
    /// Rows from here on are new in it.
    fresh: u32,
    /// Nanoseconds from the start of the run to its own.
    since: u64,
}

/// Why there can't be another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the run has had too many rules by now: end it, and start another")]
pub struct NoRoom;

impl Generation {
    /// The one that a run begins with.
    pub fn first() -> Generation {
        Generation {
            number: 1,
            rows: Vec::new(),
            fresh: u32::MAX,
            since: 0,
        }
    }

    /// The one after it. `kept` has the place that each of its rules has in this one, if it is there; `run` is none where nothing was
    /// armed yet.
    ///
    /// # Errors
    /// There is no room for so many rules.
    pub fn next(
        &self,
        kept: &[Option<usize>],
        limits: &Limits,
        run: Option<&Run>,
    ) -> Result<Generation, NoRoom> {
        let number = self.number + 1;
        let Some(run) = run else {
            return Ok(Generation {
                number,
                ..Generation::first()
            });
        };
        let fresh = kept.iter().filter(|kept| kept.is_none()).count();
        let fresh = run.add_rules(fresh).ok_or(NoRoom)?;
        let mut next = fresh;
        let rows = kept.iter().map(|kept| match kept {
            Some(rule) => self.row(*rule),
            None => {
                next += 1;
                next - 1
            }
        });
        let rows = rows.collect();
        run.set_limits(limits.duration, limits.faults);
        Ok(Generation {
            number,
            rows,
            fresh,
            since: now().saturating_sub(run.control().armed_at),
        })
    }

    /// The row of a rule.
    pub fn row(&self, rule: usize) -> u32 {
        let in_order = || u32::try_from(rule).expect("fewer than 2^32 rules");
        self.rows.get(rule).copied().unwrap_or_else(in_order)
    }

    /// The rule of a row.
    pub fn rule(&self, row: u32) -> u32 {
        let found = self.rows.iter().position(|other| *other == row);
        found.map_or(row, |rule| u32::try_from(rule).expect("fewer than 2^32 rules"))
    }

    /// Puts rules into their rows, in tables of a process and in those of the run. Times of new ones count from when they came.
    pub(super) fn place(&self, tables: &mut Tables, run: &Run) {
        if self.rows.is_empty() {
            return;
        }
        for binding in &mut tables.bindings {
            binding.rule = self.row(binding.rule as usize);
        }
        let last = self.rows.iter().max().map_or(0, |row| *row as usize + 1);
        let mut rules = vec![Rule::default(); last];
        for (rule, row) in tables.rules.iter().zip(&self.rows) {
            let mut rule = *rule;
            if *row >= self.fresh {
                rule.after_time = rule.after_time.saturating_add(self.since);
                rule.until_time = rule.until_time.saturating_add(self.since);
                run.set_rule(*row, &rule);
            }
            rules[*row as usize] = rule;
        }
        tables.rules = rules;
    }

    /// What of a plan under this generation is in another one under another generation.
    pub(super) fn moved(&self, plan: &Plan, to: &Plan, under: &Generation) -> Moved {
        let rows = |plan: &Plan, of: &Generation| -> HashSet<u32> {
            (0..plan.rules.len()).map(|rule| of.row(rule)).collect()
        };
        let mut moved = Moved {
            rules: rows(plan, self).intersection(&rows(to, under)).copied().collect(),
            ..Moved::default()
        };
        let (places, new_places) = (places(plan, self), places(to, under));
        for (site, (address, bindings)) in (0..).zip(&places) {
            let same = (0..).zip(&new_places).find(|(_, (other, _))| other == address);
            let Some((new, (_, new_bindings))) = same else {
                continue;
            };
            moved.sites.insert(site, new);
            for (rule, binding) in bindings {
                if let Some(binding_now) = new_bindings.get(rule) {
                    moved.bindings.insert(*binding, *binding_now);
                }
            }
        }
        moved
    }
}

/// Each site's instruction, and its bindings by the rows of their rules and what they do: a rule may have two at a site.
type Places = Vec<(u64, HashMap<(u32, usize), u32>)>;

fn places(plan: &Plan, generation: &Generation) -> Places {
    let mut next = 0;
    let mut of_site = |site: &crate::plan::Site| {
        let mut bindings = HashMap::new();
        for binding in &site.bindings {
            let row = generation.row(binding.rule);
            let before = bindings.keys().filter(|(other, _)| *other == row).count();
            bindings.insert((row, before), next);
            next += 1;
        }
        (site.instruction.address.0, bindings)
    };
    plan.sites.iter().map(&mut of_site).collect()
}
