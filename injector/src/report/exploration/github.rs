//! What GitHub shows of an exploration: annotations in the user's code.

use super::Report;
use super::case::what;
use crate::explore::class::{Class, Worth};
use crate::report::github::{MOST, annotation, data};

/// The worst of the new findings as commands to the runner, a line each.
pub(super) fn annotations(report: &Report<'_>) -> Vec<String> {
    let mut findings: Vec<_> = report.of.new_findings().collect();
    findings.sort_by_key(|finding| finding.class);
    let mut lines: Vec<String> = findings
        .iter()
        .take(MOST)
        .map(|finding| {
            let message = format!("{} ({})", what(finding), finding.id);
            let level = level(finding.class);
            match report.spot(finding) {
                Some(place) => {
                    let own = report.own(place);
                    let file = own.map_or_else(|| place.file.clone(), |own| own.file);
                    annotation(level, &file, place.line as usize, finding.class.name(), &message)
                }
                None => format!("::{level} title=goinject::{}", data(&message)),
            }
        })
        .collect();
    if let more @ 1.. = findings.len().saturating_sub(MOST) {
        lines.push(format!(
            "::notice title=goinject::{more} more findings are in the summary of the job and in the reports"
        ));
    }
    lines
}

/// How loud a finding is, in the words that GitHub and SARIF share.
pub(super) fn level(class: Class) -> &'static str {
    match class {
        Class::Crash | Class::Panic | Class::Deadlock | Class::Hang | Class::Corrupt => "error",
        _ if class.worth() == Worth::Finding => "warning",
        _ => "note",
    }
}
