//! What is kept of a process when other rules take the place of its own: it goes on as far as it concerns rules that stay.

use std::collections::{HashMap, HashSet};

use super::memories::Entries;
use super::run::FirstRows;
use crate::table::{CallKey, DELAYED, Delay, Fired, GKey, GoroutineKey, MemberKey};

/// The scope's bits in [`GoroutineKey::rule`].
const RULE: u32 = 0x00ff_ffff;

/// What of a process's former tables is in its new ones. Sites and bindings count from the first of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Rows of rules that are in both.
    pub rules: HashSet<u32>,
    /// Sites at the same instruction, by what they were.
    pub sites: HashMap<u32, u32>,
    /// Bindings of the same rule there.
    pub bindings: HashMap<u32, u32>,
}

/// Entries of a process under its new serial, with the rows as they are now. `places` are the former and the new one.
pub(crate) fn inherited(entries: Entries, to: u32, moved: &Moved, places: (FirstRows, FirstRows)) -> Entries {
    let stays = |rule: u32| moved.rules.contains(&rule);
    let calls = entries.calls.into_iter().filter(|(key, _)| stays(key.rule));
    let delays = entries.delays.into_iter();
    let delays = delays.filter_map(|(key, delay)| Some((key, move_delay(&delay, moved, places)?)));
    let goroutines = entries.goroutines.into_iter();
    let goroutines = goroutines.filter(|(key, _)| stays(key.rule & RULE));
    let member = |key: MemberKey| MemberKey {
        process: to.into(),
        ..key
    };
    Entries {
        calls: calls
            .map(|(key, call)| (CallKey { process: to, ..key }, call))
            .collect(),
        delays: delays
            .map(|(key, delay)| (GKey { process: to, ..key }, delay))
            .collect(),
        goroutines: goroutines
            .map(|(key, calls)| (GoroutineKey { process: to, ..key }, calls))
            .collect(),
        members: entries
            .members
            .into_iter()
            .map(|(key, of)| (member(key), of))
            .collect(),
        tests: entries
            .tests
            .into_iter()
            .map(|(key, of)| (member(key), of))
            .collect(),
    }
}

/// A goroutine that sleeps comes back to the same instruction; what waits for that is what stays.
fn move_delay(delay: &Delay, moved: &Moved, (former, place): (FirstRows, FirstRows)) -> Option<Delay> {
    let site = moved.sites.get(&delay.site.wrapping_sub(former.sites))?;
    let mut fired = [Fired::default(); DELAYED];
    let mut count = 0;
    for waiting in delay.fired.iter().take(delay.fired_count as usize) {
        let binding = waiting.binding.wrapping_sub(former.bindings);
        if let Some(binding) = moved.bindings.get(&binding) {
            fired[count] = Fired {
                binding: binding + place.bindings,
                ..*waiting
            };
            count += 1;
        }
    }
    Some(Delay {
        site: site + place.sites,
        fired,
        fired_count: u32::try_from(count).expect("as few as before"),
        ..*delay
    })
}
