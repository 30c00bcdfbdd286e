//! Numbers of calls on which no decision depends: threads count these calls for themselves, and they are numbered as their events
//! are told.

use std::collections::HashMap;

use crate::table::{
    BINDING_COUNTS, BINDING_DELAYS, BINDING_FOLLOWS, BINDING_PAIRS, BINDING_TELLS, BINDING_UNTIL, Event,
    RULE_PER_GOROUTINE, RULE_PER_PROCESS, RULE_PER_TEST, RULE_PROBABILITY, Source, Tables,
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

/// How many of the calls that slots of a process counted have numbers by now.
#[derive(Debug, Default)]
pub(super) struct Told(HashMap<(usize, u32), u64>);

impl Told {
    /// How many calls of its rule the event's slot has counted since its last event, with that of the event; none where that has a number.
    pub(super) fn passed(&mut self, event: &Event) -> Option<u64> {
        if event.call & TOLD == 0 {
            return None;
        }
        let slot = (event.call >> SLOT_SHIFT & SLOT) as usize;
        let count = event.call & ((1 << SLOT_SHIFT) - 1);
        let last = self.0.entry((slot, event.rule)).or_default();
        // One that comes after a later one counts once more, as no other does then.
        let passed = count.checked_sub(*last).filter(|passed| *passed > 0);
        *last = count.max(*last);
        Some(passed.unwrap_or(1))
    }
}
