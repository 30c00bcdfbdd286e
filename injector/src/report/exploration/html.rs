//! An exploration as one HTML file that needs nothing else: no network, no script.

use askama::Template;

use super::Report;
use super::case::{Case, replay};
use super::classes::meaning;
use crate::explore::class::{Class, Worth};
use crate::explore::results::Finding;
use crate::report::html::{legible, shown};
use crate::words::in_shell;

/// Rows of the table of outcomes.
const ROWS: usize = 2000;
/// Bytes of a rule file; those that goinject writes are smaller.
const RULE_FILE: usize = 64 << 10;

/// What the page shows. The template escapes all of it.
#[derive(Template)]
#[template(path = "exploration.html")]
struct Page {
    passed: bool,
    name: String,
    sentence: String,
    facts: Vec<(&'static str, String)>,
    classes: Vec<ClassRow>,
    packages: Vec<PackageRow>,
    findings: Vec<FindingRow>,
    outcomes: Vec<OutcomeRow>,
    outcomes_words: String,
    passed_over: Vec<(String, String)>,
    unstable: Vec<String>,
    alone: Vec<(String, String)>,
    never: Vec<String>,
}

struct ClassRow {
    name: &'static str,
    look: &'static str,
    count: usize,
    short: &'static str,
}

/// How much of the faults of a package came up, and what became of them.
struct PackageRow {
    name: String,
    points: usize,
    faults: usize,
    fired: usize,
    share: String,
    good: usize,
    notes: usize,
    findings: usize,
}

struct FindingRow {
    id: String,
    class: &'static str,
    known: bool,
    function: String,
    mode: String,
    words: String,
    error: String,
    test: String,
    subject: String,
    place: String,
    stack: Vec<String>,
    others: usize,
    help: &'static str,
    file: String,
    rule: Option<String>,
    replay: String,
}

struct OutcomeRow {
    class: &'static str,
    look: &'static str,
    function: String,
    caller: String,
    mode: String,
    test: String,
    subject: String,
    words: String,
}

/// An exploration as a page.
pub fn html(report: &Report<'_>) -> String {
    let of = report.of;
    let subjects = report.subjects();
    let packages = subjects.iter().map(|(name, cases)| package(name, cases));
    let mut cases: Vec<&Case<'_>> = subjects.values().flatten().collect();
    cases.sort_by_key(|case| case.outcome.class);
    let mut findings: Vec<&Finding> = of.findings.iter().collect();
    findings.sort_by_key(|finding| finding.known);
    let page = Page {
        passed: report.passed(),
        name: shown(&in_shell(&of.command)),
        sentence: shown(&report.sentence()),
        facts: vec![
            ("Folder", shown(&of.folder.to_string_lossy())),
            ("Began", shown(&of.time)),
            ("Took", format!("{:.1} s", of.elapsed_ms as f64 / 1000.0)),
            ("Runs", of.runs.to_string()),
            ("goinject", shown(&of.goinject)),
        ],
        classes: Class::ALL
            .into_iter()
            .filter_map(|class| Some((class, *of.counts.get(&class)?)))
            .map(|(class, count)| ClassRow {
                name: class.name(),
                look: look(class),
                count,
                short: meaning(class).short,
            })
            .collect(),
        packages: packages.collect(),
        findings: findings.into_iter().map(|finding| row(report, finding)).collect(),
        outcomes: cases
            .iter()
            .take(ROWS)
            .map(|case| outcome(report, case))
            .collect(),
        outcomes_words: match cases.len() {
            all if all <= ROWS => format!("{all} in all"),
            all => format!("the first {ROWS} of {all}; all are in explore.json"),
        },
        passed_over: of
            .passed_over
            .iter()
            .map(|(function, why)| (shown(function), shown(why)))
            .collect(),
        unstable: of.unstable.iter().map(|test| shown(test)).collect(),
        alone: of
            .alone
            .iter()
            .map(|(subject, why)| (shown(subject), shown(why)))
            .collect(),
        never: of
            .error_paths
            .iter()
            .flat_map(|paths| &paths.never)
            .map(|line| shown(&report.line(line)))
            .collect(),
    };
    page.render().expect("a page can be written into memory")
}

fn look(class: Class) -> &'static str {
    match class.worth() {
        Worth::Finding => "bad",
        Worth::Good => "good",
        Worth::Note | Worth::Counted => "soft",
    }
}

fn package(name: &str, cases: &[Case<'_>]) -> PackageRow {
    let number = |worth| {
        cases
            .iter()
            .filter(|case| case.outcome.class.worth() == worth)
            .count()
    };
    let is_fired = |case: &&Case<'_>| case.outcome.class != Class::NotFired;
    let fired = cases.iter().filter(is_fired).count();
    let mut points: Vec<_> = cases
        .iter()
        .map(|case| (&case.outcome.function, &case.outcome.caller))
        .collect();
    points.sort();
    points.dedup();
    PackageRow {
        name: shown(name),
        points: points.len(),
        faults: cases.len(),
        fired,
        share: format!("{:.0} %", 100.0 * fired as f64 / cases.len().max(1) as f64),
        good: number(Worth::Good),
        notes: number(Worth::Note),
        findings: number(Worth::Finding),
    }
}

fn row(report: &Report<'_>, finding: &Finding) -> FindingRow {
    let file = report.of.folder.join(&finding.rule);
    let rule = std::fs::read_to_string(file).ok();
    FindingRow {
        id: shown(&finding.id),
        class: finding.class.name(),
        known: finding.known,
        function: shown(&finding.function),
        mode: finding.mode.to_string(),
        words: shown(&finding.words),
        error: shown(&finding.error),
        test: shown(finding.test.as_deref().unwrap_or_default()),
        subject: shown(&finding.subject),
        place: report.spot(finding).map_or_else(String::new, |place| {
            shown(&format!("{} in {}", report.at(place), place.function))
        }),
        stack: report.stack(finding).iter().map(|line| shown(line)).collect(),
        others: finding.others,
        help: meaning(finding.class).help,
        file: shown(&finding.rule.to_string_lossy()),
        rule: rule
            .filter(|text| text.len() <= RULE_FILE)
            .map(|text| legible(&text)),
        replay: shown(&replay(finding)),
    }
}

fn outcome(report: &Report<'_>, case: &Case<'_>) -> OutcomeRow {
    let outcome = case.outcome;
    OutcomeRow {
        class: outcome.class.name(),
        look: match case.is_known() {
            true => "soft",
            false => look(outcome.class),
        },
        function: shown(&outcome.function),
        caller: outcome.caller.as_ref().map_or_else(String::new, |caller| {
            shown(&format!("{} in {}", report.at(caller), caller.function))
        }),
        mode: outcome.mode.to_string(),
        test: shown(outcome.test.as_deref().unwrap_or_default()),
        subject: shown(&outcome.subject),
        words: shown(&outcome.words),
    }
}
