//! Which of the matching calls fire, as a rule's row says it.

use std::time::Duration;

use goinject_probes::table;
use goinject_rules::model::{Point, Scope, Trigger};

/// The row of a rule with its trigger only. Times are in nanoseconds, a rate is the time between two firings at least.
pub(super) fn encode(trigger: &Trigger) -> table::Rule {
    let calls = |point: Option<Point>| match point {
        Some(Point::Calls(calls)) => Some(calls),
        _ => None,
    };
    let time = |point: Option<Point>| match point {
        Some(Point::Time(time)) => Some(nanoseconds(time)),
        _ => None,
    };
    let interval = trigger.rate.map(|rate| match rate.count {
        0 => 0,
        count => nanoseconds(rate.per).div_ceil(count),
    });
    let mut flags = match trigger.scope {
        Scope::Run => 0,
        Scope::Process => table::RULE_PER_PROCESS,
        Scope::Test => table::RULE_PER_TEST,
        Scope::Goroutine => table::RULE_PER_GOROUTINE,
    };
    let mut field = |flag: u32, value: Option<u64>| {
        flags |= if value.is_some() { flag } else { 0 };
        value.unwrap_or_default()
    };
    let row = table::Rule {
        flags: 0,
        padding: 0,
        nth: field(table::RULE_NTH, trigger.nth),
        every: field(table::RULE_EVERY, trigger.every),
        first: field(table::RULE_FIRST, trigger.first),
        after_calls: field(table::RULE_AFTER_CALLS, calls(trigger.after)),
        until_calls: field(table::RULE_UNTIL_CALLS, calls(trigger.until)),
        after_time: field(table::RULE_AFTER_TIME, time(trigger.after)),
        until_time: field(table::RULE_UNTIL_TIME, time(trigger.until)),
        probability: field(table::RULE_PROBABILITY, trigger.probability.and_then(of_2_to_64)),
        times: field(table::RULE_TIMES, trigger.times),
        interval: field(table::RULE_RATE, interval),
    };
    table::Rule { flags, ..row }
}

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A chance as a number of 2^64; none for always.
fn of_2_to_64(probability: f64) -> Option<u64> {
    // The cast saturates; what rounds up to 2^64 is always, too.
    let scaled = probability * 18_446_744_073_709_551_616.0;
    (scaled < 18_446_744_073_709_551_616.0).then_some(scaled as u64)
}
