//! How the tests of a run have failed, in few lines each, for the end of what is printed.

use std::fmt::Write;

use quick_junit::{Report, TestCaseStatus};

/// Where cargo nextest writes its report, in the folder of builds, by `.config/nextest.toml`.
pub(super) const REPORT: &str = "nextest/default/junit.xml";

/// Lines of each failure that are shown, and characters of each.
const LINES: usize = 10;
const WIDTH: usize = 200;

/// The name of each failed test with what its panic says first, from a report. None if nothing has failed.
pub(super) fn summary(report: &str) -> Option<String> {
    let report = Report::deserialize_from_str(report).ok()?;
    let cases = report.test_suites.iter().flat_map(|suite| &suite.test_cases);
    let mut count = 0;
    let mut text = String::new();
    for case in cases {
        let TestCaseStatus::NonSuccess {
            message, description, ..
        } = &case.status
        else {
            continue;
        };
        count += 1;
        let _ = write!(text, "\n  {}", case.name.as_str());
        let said = description.as_ref().or(message.as_ref());
        for line in said.into_iter().flat_map(|said| said.lines()).take(LINES) {
            let _ = write!(text, "\n      {}", line.chars().take(WIDTH).collect::<String>());
        }
    }
    (count > 0).then(|| format!("{count} failed{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="nextest-run" tests="3" failures="2" errors="0">
    <testsuite name="one" tests="3" disabled="0" errors="0" failures="2">
        <testcase name="passes" classname="one"></testcase>
        <testcase name="panics" classname="one">
            <failure message="thread 'panics' (1) panicked at one.rs:1:2" type="test failure with exit code 101">thread 'panics' (1) panicked at one.rs:1:2:
left: 1
right: 2</failure>
            <system-out>running 1 test</system-out>
        </testcase>
        <testcase name="hangs" classname="one">
            <failure message="timed out" type="test timeout"/>
        </testcase>
    </testsuite>
</testsuites>"#;

    #[test]
    fn failures_are_told_in_few_lines() {
        assert_eq!(
            summary(REPORT).as_deref(),
            Some(
                "2 failed\n  panics\n      thread 'panics' (1) panicked at one.rs:1:2:\n      left: 1\n      right: 2\n  hangs\n      timed out"
            )
        );
        let start = REPORT
            .find("        <testcase name=\"panics")
            .expect("it is there");
        let passed = format!("{}</testsuite></testsuites>", &REPORT[..start]);
        assert!(Report::deserialize_from_str(&passed).is_ok());
        assert_eq!(summary(&passed), None);
        assert_eq!(summary(""), None, "there is no report without cargo nextest");
    }
}
