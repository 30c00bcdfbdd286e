//! Numbers of calls on which no decision depends: threads count these calls for themselves, and they are numbered as their events
//! are told.

use std::collections::HashMap;

use crate::table::{
    BINDING_COUNTS, BINDING_DELAYS, BINDING_FOLLOWS, BINDING_PAIRS, BINDING_TELLS, BINDING_UNTIL, Counters,
    Event, RULE_PER_GOROUTINE, RULE_PER_PROCESS, RULE_PER_TEST, RULE_PROBABILITY, Reason, Source, Tables,
};

/// `GI_TOLD_NUMBER` and `GI_TOLD_SLOT_SHIFT`.
const TOLD: u64 = 1 << 63;
const SLOT_SHIFT: u32 = 56;
const SLOT: u64 = 0x3f;

/// Tables in which those bindings are marked that need no number while the call is made. Others keep it for the call's return or its
/// end of sleep, or have chances by it. Whether a trigger counts is looked at in each call, since it may have nothing left to count.
pub(super) fn marked(tables: &Tables) -> Tables {
    const KEEPS: u32 = BINDING_PAIRS | BINDING_FOLLOWS | BINDING_DELAYS | BINDING_UNTIL;
    const CHANCES: u32 = RULE_PROBABILITY | RULE_PER_GOROUTINE | RULE_PER_TEST | RULE_PER_PROCESS;
    let mut tables = tables.clone();
    for binding in &mut tables.bindings {
        let rule = tables.rules.get(binding.rule as usize);
        let edits = tables.edits.iter().skip(binding.first_edit as usize);
        let is_random = |edit: &crate::table::Edit| edit.source == Source::Random as u8;
        let tells = binding.flags & BINDING_COUNTS != 0
            && binding.flags & KEEPS == 0
            && rule.is_some_and(|rule| rule.flags & CHANCES == 0)
            && !edits.take(binding.edits as usize).any(is_random);
        if tells {
            binding.flags |= BINDING_TELLS;
        }
    }
    tables
}

/// A rule's faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// How often it fired.
    pub fired: u64,
    /// How often that failed.
    pub failed: u64,
}

/// What was told of a process.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// How many of the calls that slots counted have numbers by now.
    numbered: HashMap<(usize, u32), u64>,
    /// By rule.
    faults: Vec<Faults>,
}

impl Told {
    pub(super) fn new(rules: usize) -> Told {
        Told {
            faults: vec![Faults::default(); rules],
            ..Told::default()
        }
    }

    /// What each rule did beside that.
    pub(super) fn untold(&self, all: &[Counters]) -> Vec<Faults> {
        let rules = all.iter().zip(&self.faults);
        rules
            .map(|(all, told)| Faults {
                fired: all.fired.saturating_sub(told.fired),
                failed: all.failures().saturating_sub(told.failed),
            })
            .collect()
    }

    /// Notes an event that is told. How many calls of its rule the event's slot has counted since its last event, with that of the event;
    /// none where that has a number.
    pub(super) fn passed(&mut self, event: &Event) -> Option<u64> {
        let faults = self.faults.get_mut(event.rule as usize)?;
        faults.fired += 1;
        faults.failed += u64::from(event.reason != Reason::Ok as u32);
        if event.call & TOLD == 0 {
            return None;
        }
        let slot = (event.call >> SLOT_SHIFT & SLOT) as usize;
        let count = event.call & ((1 << SLOT_SHIFT) - 1);
        let last = self.numbered.entry((slot, event.rule)).or_default();
        // One that comes after a later one counts once more, as no other does then.
        let passed = count.checked_sub(*last).filter(|passed| *passed > 0);
        *last = count.max(*last);
        Some(passed.unwrap_or(1))
    }
}
