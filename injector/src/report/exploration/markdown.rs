//! An exploration in Markdown, short enough for a comment on a pull request.

use std::fmt::Write;

use super::Report;
use super::case::replay;
use super::classes::meaning;
use crate::explore::class::{Class, Worth};
use crate::explore::results::Finding;
use crate::report::markdown::{code, fenced, plain};
use crate::words::in_shell;

/// Findings that are told.
const ROWS: usize = 20;
/// Bytes after which the table ends, and after which no more details are told: a comment may have 65,536 characters, and
/// names may be long.
const LONG_TABLE: usize = 30_000;
const LONG: usize = 50_000;
/// Frames of a stack.
const FRAMES: usize = 4;

/// An exploration as GitHub, GitLab and others show it.
pub fn markdown(report: &Report<'_>) -> String {
    let mark = if report.passed() { "✅" } else { "❌" };
    let command = in_shell(&report.of.command);
    let mut text = format!("## {mark} goinject explore: {}\n\n", plain(&command));
    let _ = writeln!(text, "{}.", plain(&report.sentence()));
    text.push_str("\n| | class | outcomes | |\n|---|---|--:|---|\n");
    for class in Class::ALL {
        if let Some(number) = report.of.counts.get(&class) {
            let mark = mark_of(class);
            let short = plain(meaning(class).short);
            let _ = writeln!(text, "| {mark} | {} | {number} | {short} |", code(class.name()));
        }
    }
    let new: Vec<&Finding> = report.of.new_findings().collect();
    if !new.is_empty() {
        text.push_str("\n| class | what fails | where | what happens | Go test |\n|---|---|---|---|---|\n");
        let mut told = 0;
        for finding in new.iter().take(ROWS) {
            if text.len() > LONG_TABLE {
                break;
            }
            row(&mut text, report, finding);
            told += 1;
        }
        if let more @ 1.. = new.len() - told {
            let _ = writeln!(text, "\n{more} more findings.");
        }
        for finding in new.iter().take(told) {
            if text.len() > LONG {
                break;
            }
            details(&mut text, report, finding);
        }
    }
    text
}

fn mark_of(class: Class) -> &'static str {
    match class.worth() {
        Worth::Finding => "❌",
        Worth::Note => "📝",
        Worth::Good => "✅",
        Worth::Counted => "",
    }
}

fn row(text: &mut String, report: &Report<'_>, finding: &Finding) {
    let place = report.spot(finding);
    let place = place.map_or_else(String::new, |place| code(&report.at(place)));
    let _ = writeln!(
        text,
        "| {} | {} {} | {place} | {} | {} |",
        code(finding.class.name()),
        code(&finding.function),
        finding.mode,
        plain(&finding.words),
        finding.test.as_deref().map(code).unwrap_or_default(),
    );
}

fn details(text: &mut String, report: &Report<'_>, finding: &Finding) {
    let _ = writeln!(
        text,
        "\n<details><summary>{}: {}</summary>\n",
        code(&finding.id),
        code(&finding.function)
    );
    let _ = writeln!(text, "{}\n", meaning(finding.class).help);
    for line in report.stack(finding).iter().take(FRAMES) {
        let _ = writeln!(text, "- {}", code(line));
    }
    text.push_str("\nTo repeat it:\n\n");
    fenced(text, &replay(finding));
    text.push_str("\n</details>\n");
}
