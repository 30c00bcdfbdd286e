//! A run as one HTML file that needs nothing else: no network, no script.

use std::time::Duration;

use askama::Template;
use goinject_rules::units::format_duration;

use super::call_sites::call_sites;
use super::markdown::sentence;
use super::place::Workspace;
use super::record::Record;
use super::timeline::{Timeline, timelines};
use crate::event::line::{self, Armed, Fired, OutcomeName, RuleResult};
use crate::words::in_shell;

/// Rows of the tables of places and of events.
const ROWS: usize = 200;

/// What the page shows. The template escapes all of it.
#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    passed: bool,
    name: String,
    sentence: String,
    errors: Vec<ErrorRow>,
    facts: Vec<(&'static str, String)>,
    command: Option<String>,
    rules: Vec<RuleRow>,
    timelines: Vec<Timeline>,
    timeline_words: String,
    half: String,
    duration: String,
    sites: Vec<SiteRow>,
    sites_more: usize,
    events: Vec<EventRow>,
    events_words: String,
    armed_in: Vec<String>,
    passed_over: String,
}

struct ErrorRow {
    place: String,
    message: String,
    help: String,
}

struct RuleRow {
    name: String,
    bad: Vec<String>,
    notes: Vec<String>,
    calls: u64,
    matched: u64,
    fired: u64,
    applied: u64,
    failed: u64,
}

struct SiteRow {
    place: String,
    rule: String,
    functions: String,
    fired: u64,
    failed: u64,
}

struct EventRow {
    time: String,
    rule: String,
    what: String,
    failed: bool,
    test: String,
    process: String,
    function: String,
}

/// A run as a page.
pub fn html(record: &Record) -> String {
    let armed = record.armed.as_ref();
    let length = record.length();
    let (sites, sites_more) = sites(record);
    let left_out = record.events_left_out();
    let kept = record.events.len();
    let page = Page {
        passed: record.passed(),
        name: shown(&record.name()),
        sentence: shown(&sentence(record)),
        errors: record.errors.iter().map(error_row).collect(),
        facts: armed.map(|armed| facts(record, armed)).unwrap_or_default(),
        command: armed.map(|armed| shown(&in_shell(&armed.command))),
        rules: record.rules.iter().map(rule_row).collect(),
        timelines: timelines(record),
        timeline_words: match left_out {
            0 => String::new(),
            more => format!("The first {kept} faults; {more} more are only counted."),
        },
        half: seconds(length / 2),
        duration: seconds(length),
        sites,
        sites_more,
        events: record.events.iter().take(ROWS).map(event_row).collect(),
        events_words: match record.fired {
            all if all <= ROWS as u64 => format!("{all} in all"),
            all => format!("the first {ROWS} of {all}"),
        },
        armed_in: processes(record),
        passed_over: shown(&record.passed_over.join(", ")),
    };
    page.render().expect("a page can be written into memory")
}

fn error_row(error: &line::Error) -> ErrorRow {
    ErrorRow {
        place: shown(&error.place().unwrap_or_default()),
        message: shown(&error.message),
        help: shown(error.help.as_deref().unwrap_or_default()),
    }
}

fn facts(record: &Record, armed: &Armed) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("Rule file", shown(&armed.rule_file.path.to_string_lossy())),
        ("Began", shown(&armed.time)),
        ("Took", seconds(record.length())),
        ("Engine", shown(armed.engine_words())),
        ("Seed", armed.seed.to_string()),
        ("goinject", shown(&armed.goinject)),
    ];
    if let Some(end) = &record.end {
        if end.dropped_events > 0 {
            facts.push((
                "Events lost",
                format!("{}; the counts are complete", end.dropped_events),
            ));
        }
        if end.lost_calls > 0 {
            facts.push(("Calls lost", format!("{}; they are in no count", end.lost_calls)));
        }
    }
    facts
}

fn rule_row(result: &RuleResult) -> RuleRow {
    let failures = result
        .failures
        .iter()
        .map(|(reason, count)| format!("{count} failed: {reason}"));
    let held = result
        .held_back
        .iter()
        .map(|(why, count)| format!("{count} held back by {why}"));
    let tests = result
        .tests
        .iter()
        .map(|test| format!("{} held {} of {} times", test.text, test.held, test.tested));
    RuleRow {
        name: shown(&result.rule),
        bad: result
            .unmet
            .iter()
            .map(|unmet| shown(&unmet.to_string()))
            .collect(),
        notes: failures
            .chain(held)
            .chain(tests)
            .map(|words| shown(&words))
            .collect(),
        calls: result.calls,
        matched: result.matched,
        fired: result.fired,
        applied: result.applied,
        failed: result.failed,
    }
}

fn sites(record: &Record) -> (Vec<SiteRow>, usize) {
    let folder = record
        .armed
        .as_ref()
        .map(|armed| armed.folder.clone())
        .unwrap_or_default();
    let all = call_sites(record, &Workspace::of_environment(&folder));
    let mut rows: Vec<SiteRow> = all
        .into_iter()
        .filter_map(|site| {
            let place = site.place?;
            let functions: Vec<String> = site.functions.into_iter().collect();
            Some(SiteRow {
                place: shown(&format!("{}:{} in {}", place.file, place.line, place.function)),
                rule: shown(&site.rule),
                functions: shown(&functions.join(", ")),
                fired: site.fired,
                failed: site.failed,
            })
        })
        .collect();
    let more = rows.len().saturating_sub(ROWS);
    rows.truncate(ROWS);
    (rows, more)
}

fn event_row(event: &Fired) -> EventRow {
    EventRow {
        time: seconds(event.elapsed_ns),
        rule: shown(&event.rule),
        what: shown(&what(event)),
        failed: event.outcome == OutcomeName::Failed,
        test: shown(event.test.as_deref().unwrap_or_default()),
        process: shown(&format!("{} ({})", event.program, event.pid)),
        function: shown(&event.function),
    }
}

/// What came of a rule that fired, in words.
fn what(event: &Fired) -> String {
    if let Some(reason) = &event.reason {
        return format!("failed: {reason}");
    }
    let mut words = Vec::new();
    if let Some(delay) = event.delay_ns {
        words.push(format!(
            "{} {}",
            event.words("delayed", "would have been delayed"),
            format_duration(Duration::from_nanos(delay))
        ));
    }
    if event.returned_early {
        words.push(
            event
                .words("returned early", "would have returned early")
                .to_owned(),
        );
    }
    if event.panicked {
        words.push(event.words("panicked", "would have panicked").to_owned());
    }
    words.extend(event.values.iter().map(|value| match &value.before {
        Some(before) => format!("{} {before} → {}", value.path, value.after),
        None => format!("{} {}", value.path, value.after),
    }));
    if event.outcome == OutcomeName::Observed {
        words.push("(observed only)".to_owned());
    }
    words.join(", ")
}

fn processes(record: &Record) -> Vec<String> {
    let mut programs = std::collections::BTreeMap::<(&str, &str), usize>::new();
    for process in &record.processes {
        *programs.entry((&process.program, &process.go)).or_default() += 1;
    }
    let words = programs
        .into_iter()
        .take(ROWS)
        .map(|((program, go), count)| match count {
            1 => shown(&format!("{program}, built by {go}")),
            count => shown(&format!("{program}, built by {go}, in {count} processes")),
        });
    words.collect()
}

/// Nanoseconds as people read them.
pub(super) fn seconds(nanoseconds: u64) -> String {
    format!("{:.3} s", nanoseconds as f64 / 1e9)
}

/// A text from elsewhere: what changes the direction or place of letters is shown as missing.
pub(super) fn shown(text: &str) -> String {
    const LENGTH: usize = 2000;
    let mut shown = legible(&text.chars().take(LENGTH).collect::<String>());
    if text.chars().nth(LENGTH).is_some() {
        shown.push('…');
    }
    shown
}

/// The same for a text of any length.
pub(super) fn legible(text: &str) -> String {
    text.chars()
        .map(|char| if is_hidden(char) { '\u{fffd}' } else { char })
        .collect()
}

/// Whether it would be obeyed rather than shown, or changes the direction of what is around it.
pub(super) fn is_hidden(char: char) -> bool {
    char.is_control() && char != '\n' && char != '\t'
        || matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
