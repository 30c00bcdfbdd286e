//! An exploration as JUnit XML, for GitLab, Jenkins and whatever else shows test results.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use chrono::DateTime;
use quick_junit::{NonSuccessKind, Report as File, TestCase, TestCaseStatus, TestSuite};

use super::Report;
use super::case::{Case, replay};
use crate::explore::results::Finding;
use crate::report::html::legible;
use crate::words::{in_shell, inert};

/// A suite for each package or command, a test case for each outcome.
pub fn junit(report: &Report<'_>) -> String {
    let elapsed = Duration::from_millis(report.of.elapsed_ms);
    let mut file = File::new("goinject explore");
    file.set_time(elapsed);
    for (subject, cases) in report.subjects() {
        let mut suite = TestSuite::new(legible(subject));
        if let Ok(time) = DateTime::parse_from_rfc3339(&report.of.time) {
            suite.set_timestamp(time);
        }
        // Trials of all packages run side by side: a suite's time is its share of the runs.
        let own: usize = cases.iter().map(|case| case.outcome.runs).sum();
        suite.set_time(elapsed.mul_f64(own as f64 / report.of.runs.max(own).max(1) as f64));
        suite.add_property(("goinject", report.of.goinject.as_str()));
        suite.add_property(("command", in_shell(&report.of.command).as_str()));
        // Calls of one function by another differ in nothing that lasts but their order.
        let mut named: BTreeMap<String, usize> = BTreeMap::new();
        for case in cases {
            let mut name = case.name();
            let before = named.entry(name.clone()).or_default();
            *before += 1;
            if *before > 1 {
                let _ = write!(name, " #{before}");
            }
            suite.add_test_case(test_case(report, subject, &name, &case));
        }
        file.add_test_suite(suite);
    }
    file.to_string().expect("XML can be written into memory")
}

fn test_case(report: &Report<'_>, subject: &str, name: &str, case: &Case<'_>) -> TestCase {
    let outcome = case.outcome;
    let status = match case.finding {
        Some(finding) if case.is_known() => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(format!("{} is in the baseline: {}", finding.id, outcome.words));
            status
        }
        finding if case.is_new() => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type(outcome.class.name());
            status.set_message(legible(&outcome.words));
            status.set_description(description(report, &outcome.words, finding));
            status
        }
        _ => TestCaseStatus::success(),
    };
    let mut test = TestCase::new(name, status);
    // Jenkins takes what is before the last dot for the package.
    test.set_classname(format!("{}.explore", subject.replace('.', "_")));
    test.set_time(Duration::ZERO);
    let place = case.finding.and_then(|finding| report.spot(finding));
    if let Some(place) = place.or(outcome.caller.as_ref()) {
        let own = report.own(place);
        let file = own.map_or_else(|| place.file.clone(), |own| own.file);
        test.extra.insert("file".into(), inert(&file).as_ref().into());
        // Code that the compiler made has no line.
        if place.line > 0 {
            let line = place.line.to_string();
            test.extra.insert("line".into(), line.as_str().into());
        }
    }
    test.set_system_out(legible(&format!("{}: {}", outcome.class, outcome.words)));
    test
}

/// GitLab shows the text, and the message only where there is none.
fn description(report: &Report<'_>, words: &str, finding: Option<&Finding>) -> String {
    let mut text = format!("{words}\n");
    let Some(finding) = finding else { return text };
    let _ = writeln!(text, "{} fails {}", finding.function, finding.mode);
    let _ = writeln!(text, "error: {}", finding.error);
    if let Some(frame) = &finding.frame {
        let _ = writeln!(text, "where: {} ({})", frame.function, report.at(frame));
    }
    for line in report.stack(finding) {
        let _ = writeln!(text, "  called by {line}");
    }
    let _ = writeln!(text, "rule file: {}", finding.rule.display());
    let _ = writeln!(text, "to repeat: {}", replay(finding));
    legible(&text)
}
