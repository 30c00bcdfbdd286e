//! The faults of a run over its time, in lanes.

use std::collections::BTreeMap;

use super::html::{seconds, shown};
use super::record::{Record, TestName};
use crate::event::line::{Fired, OutcomeName};

/// Parts that the time of a run is cut into.
const PARTS: u64 = 100;
/// Lanes of one timeline.
const LANES: usize = 40;

/// Lanes by one kind of name.
#[derive(Debug)]
pub(super) struct Timeline {
    /// `rule`, `test` or `process`.
    pub by: &'static str,
    /// The lanes with the most faults.
    pub lanes: Vec<Lane>,
    /// How many there are beside them.
    pub more: usize,
}

/// The faults of one rule, test or process.
#[derive(Debug)]
pub(super) struct Lane {
    /// Its name.
    pub name: String,
    /// What the picture shows.
    pub words: String,
    /// The picture.
    pub marks: Vec<Mark>,
    /// How many faults.
    pub count: u64,
}

/// Faults of one kind in one part of the time.
#[derive(Debug)]
pub(super) struct Mark {
    /// `applied`, `observed` or `failed`.
    pub class: &'static str,
    /// The part, from 0.
    pub x: u64,
    /// From the top, out of 20.
    pub y: String,
    /// Higher where there are more.
    pub height: String,
    /// In words.
    pub words: String,
}

/// The timelines of a run: by rule, by Go test where there are any, and by process.
pub(super) fn timelines(record: &Record) -> Vec<Timeline> {
    if record.events.is_empty() {
        return Vec::new();
    }
    let process = |event: &Fired| Some(format!("{} ({})", event.program, event.pid));
    let test = |event: &Fired| TestName::of(event).map(|test| test.to_string());
    let timelines = [
        timeline(record, "rule", |event| Some(event.rule.clone())),
        timeline(record, "test", test),
        timeline(record, "process", process),
    ];
    timelines
        .into_iter()
        .filter(|timeline| !timeline.lanes.is_empty())
        .collect()
}

fn timeline(record: &Record, by: &'static str, name: impl Fn(&Fired) -> Option<String>) -> Timeline {
    let mut lanes: BTreeMap<String, Vec<&Fired>> = BTreeMap::new();
    for event in &record.events {
        if let Some(name) = name(event) {
            lanes.entry(name).or_default().push(event);
        }
    }
    let mut lanes: Vec<(String, Vec<&Fired>)> = lanes.into_iter().collect();
    lanes.sort_by_key(|(_, events)| std::cmp::Reverse(events.len()));
    let more = lanes.len().saturating_sub(LANES);
    lanes.truncate(LANES);
    let length = record.length().max(1);
    let lanes = lanes
        .iter()
        .map(|(name, events)| lane(name, events, length))
        .collect();
    Timeline { by, lanes, more }
}

fn lane(name: &str, events: &[&Fired], length: u64) -> Lane {
    let mut parts: BTreeMap<(u64, &'static str), u64> = BTreeMap::new();
    for event in events {
        let class = match event.outcome {
            OutcomeName::Applied => "applied",
            OutcomeName::Observed => "observed",
            OutcomeName::Failed => "failed",
        };
        let part = u128::from(event.elapsed_ns) * u128::from(PARTS) / u128::from(length);
        let part = u64::try_from(part).unwrap_or(PARTS).min(PARTS - 1);
        *parts.entry((part, class)).or_default() += 1;
    }
    let most = parts.values().copied().max().unwrap_or(1);
    let marks = parts.iter().map(|((part, class), count)| {
        let height = 4.0 + 6.0 * *count as f64 / most as f64;
        let top = if *class == "failed" {
            20.0 - height
        } else {
            10.0 - height
        };
        let from = seconds(length / PARTS * part);
        Mark {
            class,
            x: *part,
            y: format!("{top:.1}"),
            height: format!("{height:.1}"),
            words: format!("{count} {class} from {from} on"),
        }
    });
    let failed = events
        .iter()
        .filter(|event| event.outcome == OutcomeName::Failed)
        .count();
    let times = events.iter().map(|event| event.elapsed_ns);
    let [first, last] = [times.clone().min(), times.max()].map(|time| seconds(time.unwrap_or(0)));
    Lane {
        name: shown(name),
        words: format!("{} faults from {first} to {last}, {failed} failed", events.len()),
        marks: marks.collect(),
        count: events.len() as u64,
    }
}
