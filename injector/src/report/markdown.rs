//! A run in Markdown, short enough for a comment on a pull request.

use std::fmt::Write;

use super::call_sites::call_sites;
use super::html::is_hidden;
use super::place::Workspace;
use super::record::Record;
use crate::event::line::RuleResult;
use crate::words::in_shell;

/// Rows of each table; a comment may have 65,536 characters.
const ROWS: usize = 30;
/// Characters of a text that came from elsewhere.
const LENGTH: usize = 200;

/// A run as GitHub, GitLab and others show it.
pub fn markdown(record: &Record) -> String {
    let mark = if record.passed() { "✅" } else { "❌" };
    let mut text = format!("## {mark} goinject: {}\n\n", plain(&record.name()));
    let _ = writeln!(text, "{}.", plain(&sentence(record)));
    errors(&mut text, record);
    if !record.rules.is_empty() {
        rules(&mut text, record);
    }
    if let Some(armed) = &record.armed {
        let workspace = Workspace::of_environment(&armed.folder);
        places(&mut text, record, &workspace);
        tests(&mut text, record);
        programs(&mut text, record);
        text.push_str("\nTo repeat it:\n\n");
        fenced(&mut text, &in_shell(&armed.command));
    }
    text
}

/// How the run ended and how much happened.
pub fn sentence(record: &Record) -> String {
    let count = |number: u64, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    let mut end = record.end_words();
    if let Some(first) = end.get(..1) {
        end = first.to_uppercase() + &end[1..];
    }
    let mut words = format!("{end}. {}", count(record.fired, "fault"));
    if !record.processes.is_empty() {
        let _ = write!(
            words,
            " in {}",
            count_of(record.processes.len(), "process", "processes")
        );
    }
    if !record.tests.is_empty() {
        let _ = write!(
            words,
            " and {}",
            count_of(record.tests.len(), "Go test", "Go tests")
        );
    }
    if let Some(armed) = &record.armed {
        let _ = write!(words, ", seed {}", armed.seed);
    }
    if record.limit {
        words.push_str("; a limit ended the faults");
    }
    words
}

fn count_of(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// What could not be armed.
fn errors(text: &mut String, record: &Record) {
    if record.errors.is_empty() {
        return;
    }
    text.push('\n');
    for error in record.errors.iter().take(ROWS) {
        let place = error.place().map(|place| format!("{}: ", code(&place)));
        let place = place.unwrap_or_default();
        let help = error.help.as_ref().map(|help| format!(" — {}", plain(help)));
        let _ = writeln!(
            text,
            "- {place}{}{}",
            plain(&error.message),
            help.unwrap_or_default()
        );
    }
    more(text, record.errors.len(), "errors");
}

fn rules(text: &mut String, record: &Record) {
    text.push_str("\n| | rule | calls | matched | fired | applied | failed | |\n");
    text.push_str("|---|---|--:|--:|--:|--:|--:|---|\n");
    let mut bad_first: Vec<&RuleResult> = record.rules.iter().collect();
    bad_first.sort_by_key(|rule| rule.unmet.is_empty());
    for rule in bad_first.iter().take(ROWS) {
        let unmet: Vec<String> = rule.unmet.iter().map(|unmet| plain(&unmet.to_string())).collect();
        let failures = rule
            .failures
            .iter()
            .map(|(reason, count)| plain(&format!("{count} failed: {reason}")));
        let words: Vec<String> = unmet.iter().cloned().chain(failures).collect();
        let mark = if unmet.is_empty() { "✅" } else { "❌" };
        let RuleResult {
            calls,
            matched,
            fired,
            applied,
            failed,
            ..
        } = rule;
        let _ = writeln!(
            text,
            "| {mark} | {} | {calls} | {matched} | {fired} | {applied} | {failed} | {} |",
            code(&rule.rule),
            words.join("; "),
        );
    }
    more(text, record.rules.len(), "rules");
}

fn places(text: &mut String, record: &Record, workspace: &Workspace) {
    let sites = call_sites(record, workspace);
    let placed: Vec<_> = sites
        .iter()
        .filter_map(|site| Some((site.place.as_ref()?, site)))
        .collect();
    if placed.is_empty() {
        return;
    }
    text.push_str("\n| called from | rule | faults | failed |\n|---|---|--:|--:|\n");
    for (place, site) in placed.iter().take(ROWS) {
        let at = code(&format!("{}:{}", place.file, place.line));
        let _ = writeln!(
            text,
            "| {at} | {} | {} | {} |",
            code(&site.rule),
            site.fired,
            site.failed
        );
    }
    more(text, placed.len(), "places");
}

fn tests(text: &mut String, record: &Record) {
    if record.tests.is_empty() {
        return;
    }
    let hit = count_of(record.tests.len(), "Go test was hit", "Go tests were hit");
    let _ = writeln!(text, "\n<details><summary>{hit}</summary>\n");
    text.push_str("| test | faults | by rule |\n|---|--:|---|\n");
    for (test, hits) in record.tests.iter().take(ROWS) {
        let by: Vec<String> = hits
            .rules
            .iter()
            .map(|(rule, count)| format!("{} {count}", code(rule)))
            .collect();
        let _ = writeln!(
            text,
            "| {} | {} | {} |",
            code(&test.to_string()),
            hits.count(),
            by.join(", ")
        );
    }
    more(text, record.tests.len(), "tests");
    text.push_str("\n</details>\n");
}

fn programs(text: &mut String, record: &Record) {
    let list = |names: &mut dyn Iterator<Item = &String>| {
        let names: std::collections::BTreeSet<&String> = names.collect();
        let mut words: Vec<String> = names.iter().take(ROWS).map(|name| code(name)).collect();
        if names.len() > ROWS {
            words.push(format!("{} more", names.len() - ROWS));
        }
        words.join(", ")
    };
    let armed = list(&mut record.processes.iter().map(|process| &process.program));
    let passed = list(&mut record.passed_over.iter());
    if !armed.is_empty() {
        let _ = writeln!(text, "\nArmed in {armed}.");
    }
    if !passed.is_empty() {
        let _ = writeln!(text, "\nPassed over, without any of the functions: {passed}.");
    }
}

fn more(text: &mut String, all: usize, what: &str) {
    if all > ROWS {
        let _ = writeln!(text, "\n{} more {what}.", all - ROWS);
    }
}

/// A text as code, whatever is in it.
pub(super) fn code(text: &str) -> String {
    format!("<code>{}</code>", plain(text))
}

/// A text that means itself: nothing in it is Markdown or HTML, or ends the cell of a table.
pub(super) fn plain(text: &str) -> String {
    let mut escaped = String::new();
    for (n, char) in text.chars().enumerate() {
        if n == LENGTH {
            escaped.push('…');
            break;
        }
        match char {
            '\n' | '\r' | '\t' => escaped.push(' '),
            char if is_hidden(char) => escaped.push('\u{fffd}'),
            char if "<>&|`*_~[]\\\"'#@!$:".contains(char) => {
                let _ = write!(escaped, "&#{};", u32::from(char));
            }
            char => escaped.push(char),
        }
    }
    escaped
}

/// A block of code with a fence that is longer than any in it.
pub(super) fn fenced(text: &mut String, code: &str) {
    let longest = code.split(|char| char != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(3.max(longest + 1));
    let _ = writeln!(text, "{fence}sh\n{code}\n{fence}");
}

#[cfg(test)]
mod tests_of_text {
    use super::*;

    #[test]
    fn texts_from_elsewhere_mean_themselves() {
        assert_eq!(plain("a|b\n<i>*x*"), "a&#124;b &#60;i&#62;&#42;x&#42;");
        assert_eq!(plain("\u{1b}[31m"), "\u{fffd}&#91;31m");
        assert_eq!(plain("\u{202e}x"), "\u{fffd}x");
        assert_eq!(plain(&"x".repeat(300)).chars().count(), LENGTH + 1);
        let mut text = String::new();
        fenced(&mut text, "echo '````'");
        assert_eq!(text, "`````sh\necho '````'\n`````\n");
    }
}
