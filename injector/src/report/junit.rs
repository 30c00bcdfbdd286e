//! JUnit XML, for GitLab, Jenkins and whatever else shows test results.

use std::collections::HashMap;
use std::fmt::Write;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::call_sites::{CallSite, call_sites};
use super::place::Workspace;
use super::record::{Hits, Record, TestName};
use crate::event::line::{self, Armed, RuleResult};

/// A run as JUnit XML: a suite for the rule file; a test case for each rule, for each Go test that was hit, and one
/// for the run itself if that went wrong in a way no rule tells of.
pub fn junit(record: &Record) -> String {
    let mut suite = TestSuite::new(record.name());
    let elapsed = record.end.as_ref().map_or(0, |end| end.elapsed_ns);
    suite.set_time(Duration::from_nanos(elapsed));
    let cases = Cases::new(record);
    properties(&mut suite, record.armed.as_ref());
    let began = record.armed.as_ref().map(|armed| armed.time.as_str());
    let began = began.and_then(|time| DateTime::parse_from_rfc3339(time).ok());
    // The schema asks for one, and for properties, also of a run that did not begin.
    suite.set_timestamp(began.unwrap_or_else(|| DateTime::<Utc>::from(SystemTime::now()).fixed_offset()));
    for name in record.rule_names() {
        suite.add_test_case(cases.rule(name));
    }
    for (test, hits) in &record.tests {
        suite.add_test_case(cases.test(test, hits));
    }
    if !record.is_told_by_rules() {
        suite.add_test_case(cases.run());
    }
    let mut report = Report::new("goinject");
    report.set_time(Duration::from_nanos(elapsed));
    report.add_test_suite(suite);
    report.to_string().expect("XML can be written into memory")
}

fn properties(suite: &mut TestSuite, armed: Option<&Armed>) {
    let version = armed.map_or(env!("CARGO_PKG_VERSION"), |armed| armed.goinject.as_str());
    suite.add_property(("goinject", version));
    let Some(armed) = armed else { return };
    let seed = armed.seed.to_string();
    let command = crate::words::in_shell(&armed.command);
    for (name, value) in [
        ("engine", armed.engine_words()),
        ("seed", seed.as_str()),
        ("command", command.as_str()),
    ] {
        suite.add_property((name, value));
    }
}

/// Makes test cases.
struct Cases<'a> {
    record: &'a Record,
    sites: Vec<CallSite>,
    /// The rule file: its path, and its name without the ending, which begins the names of classes.
    file: String,
    stem: String,
    lines: HashMap<String, usize>,
}

impl<'a> Cases<'a> {
    fn new(record: &'a Record) -> Cases<'a> {
        let path = record.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        Cases {
            record,
            sites: call_sites(record, &Workspace::of_environment(&record.folder())),
            // Jenkins takes what is before the last dot for the package.
            stem: stem.replace('.', "_"),
            file: path.to_string_lossy().into_owned(),
            lines: record.rule_lines(),
        }
    }

    fn case(&self, class: &str, name: &str, status: TestCaseStatus) -> TestCase {
        let mut case = TestCase::new(name, status);
        case.set_classname(format!("{}.{class}", self.stem));
        case.set_time(Duration::ZERO);
        case.extra
            .insert("file".into(), crate::words::inert(&self.file).as_ref().into());
        case
    }

    fn rule(&self, name: &str) -> TestCase {
        let result = self.record.rules.iter().find(|result| result.rule == name);
        let error = self.record.error_of(name);
        let status = match result {
            // Counts of what was not armed are no news.
            _ if let Some(error) = error => failure(
                NonSuccessKind::Error,
                "not-armed",
                &error.message,
                &error_words(error),
            ),
            None => failure(NonSuccessKind::Error, "no-result", "the run broke off", ""),
            Some(result) if result.unmet.is_empty() => TestCaseStatus::success(),
            Some(result) => {
                let unmet = result.unmet.iter();
                let words: Vec<String> = unmet.map(ToString::to_string).collect();
                let kind = match result.fired {
                    0 => "never-fired",
                    _ => "expectation",
                };
                failure(
                    NonSuccessKind::Failure,
                    kind,
                    &words.join("; "),
                    &result_words(result),
                )
            }
        };
        let mut case = self.case("rules", name, status);
        let line = self.lines.get(name).copied();
        if let Some(line) = line.or_else(|| error.and_then(|error| error.line)) {
            case.extra.insert("line".into(), line.to_string().into());
        }
        let mut text = result.map(result_words).unwrap_or_default();
        let own = self.sites.iter().filter(|site| site.rule == name);
        for (place, site) in own
            .filter_map(|site| Some((site.place.as_ref()?, site)))
            .take(PLACES)
        {
            let _ = writeln!(
                text,
                "{} at {}:{} ({})",
                site.fired, place.file, place.line, place.function
            );
        }
        case.set_system_out(text);
        case
    }

    fn test(&self, test: &TestName, hits: &Hits) -> TestCase {
        let status = match hits.failures.iter().next() {
            None => TestCaseStatus::success(),
            Some((reason, _)) => {
                let message = format!(
                    "{} of {} faults could not be injected: {reason}",
                    hits.failed(),
                    hits.count()
                );
                failure(NonSuccessKind::Failure, "fault-failed", &message, "")
            }
        };
        let mut case = self.case("tests", &test.to_string(), status);
        case.set_time(Duration::from_nanos(hits.last_ns - hits.first_ns));
        let mut text = String::new();
        for (rule, count) in &hits.rules {
            let _ = writeln!(text, "{rule}: fired {count}");
        }
        case.set_system_out(text);
        case
    }

    fn run(&self) -> TestCase {
        let words = self.record.end_words();
        let errors = self.record.errors.iter().filter(|error| error.rule.is_none());
        let details: Vec<String> = errors
            .map(|error| format!("{}\n{}", error.message, error_words(error)))
            .collect();
        let status = failure(NonSuccessKind::Error, "run", &words, &details.join("\n"));
        self.case("run", "run", status)
    }
}

/// Call sites that are listed for a rule.
const PLACES: usize = 20;

fn failure(kind: NonSuccessKind, type_name: &str, message: &str, description: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(type_name).set_message(message);
    // GitLab shows the text, and the message only where there is none.
    let text = if description.is_empty() {
        String::new()
    } else {
        format!("{message}\n{description}")
    };
    status.set_description(if text.is_empty() { message } else { &text });
    status
}

/// Where a mistake is, and what to write instead.
fn error_words(error: &line::Error) -> String {
    let mut text = String::new();
    if let Some(place) = error.place() {
        let _ = writeln!(text, "at {place}:{}", error.column.unwrap_or(1));
    }
    for note in &error.notes {
        let _ = writeln!(text, "note: {note}");
    }
    if let Some(help) = &error.help {
        let _ = writeln!(text, "help: {help}");
    }
    text
}

/// A rule's counts, and what held it back.
fn result_words(result: &RuleResult) -> String {
    let mut text = format!(
        "{} calls, {} matched, {} fired, {} applied, {} failed\n",
        result.calls, result.matched, result.fired, result.applied, result.failed
    );
    for (reason, count) in &result.failures {
        let _ = writeln!(text, "{count} failed: {reason}");
    }
    for (why, count) in &result.held_back {
        let _ = writeln!(text, "{count} held back by {why}");
    }
    for test in &result.tests {
        let _ = writeln!(
            text,
            "`{}` held {} of {} times ({} unreadable)",
            test.text, test.held, test.tested, test.unreadable
        );
    }
    text
}
