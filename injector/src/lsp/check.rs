//! What `check` finds, as diagnostics of the protocol.

use goinject_rules::diagnostic::{self, Diagnostic};
use goinject_rules::model::RuleSet;
use goinject_rules::source::Source;
use lsp_types::{
    Diagnostic as Published, DiagnosticRelatedInformation, DiagnosticSeverity, Location, Range, Uri,
};

use super::programs::{Named, Programs, named};
use super::text;
use crate::resolve::resolve;

/// Whether a YAML file is a rule file: editors ask about all of them.
pub(super) fn is_rule_file(source: &Source) -> bool {
    let has = |key: &str| source.text().lines().any(|line| line.starts_with(key));
    let comments = || {
        source
            .text()
            .lines()
            .filter(|line| line.trim_start().starts_with('#'))
    };
    let says_so = || comments().any(|line| line.contains("goinject:") || line.contains("rules.schema.json"));
    let name = source
        .path()
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    (has("version:") && has("rules:")) || says_so() || name.contains("goinject") || name.contains("chaos")
}

/// All that is wrong with a file, and with a program also what of it does not fit that.
pub(super) fn findings(source: &Source, uri: &Uri, programs: &mut Programs) -> Vec<Published> {
    if !is_rule_file(source) {
        return Vec::new();
    }
    let (rules, mut findings) = goinject_rules::parse_in_part(source);
    let mut published = Vec::new();
    if let Some(named) = named(source, rules.as_ref()) {
        match in_program(&named, rules.as_ref(), programs) {
            Ok(more) => findings.extend(more),
            Err(why) => published.extend(unread(&named, &why, source)),
        }
    }
    findings.sort_by_key(|finding| finding.span.map_or(0, |span| span.start));
    published.extend(findings.iter().map(|finding| publish(finding, source, uri)));
    published
}

fn in_program(
    named: &Named,
    rules: Option<&RuleSet>,
    programs: &mut Programs,
) -> Result<Vec<Diagnostic>, String> {
    let program = programs.open(&named.path)?;
    let Some(rules) = rules else {
        return Ok(Vec::new());
    };
    let resolution = resolve(rules, &program.binary);
    if program.binary.has_changed() {
        return Err("it is incomplete: it is checked again after the next change here".to_owned());
    }
    let found = resolution.findings.into_iter();
    Ok(found.map(|finding| *finding.diagnostic).collect())
}

/// That the program can't be looked into. A target may be a shell script, or `go test`: no more than a hint.
fn unread(named: &Named, why: &str, source: &Source) -> Option<Published> {
    let severity = match named.is_asked {
        true => DiagnosticSeverity::WARNING,
        false => DiagnosticSeverity::INFORMATION,
    };
    Some(Published {
        range: text::range(source.text(), named.span),
        severity: Some(severity),
        source: Some("goinject".to_owned()),
        message: format!(
            "functions, names and types are not checked: {}: {why}",
            named.path.display()
        ),
        ..Published::default()
    })
}

fn publish(finding: &Diagnostic, source: &Source, uri: &Uri) -> Published {
    let mut message = finding.message.clone();
    let mut add = |kind: &str, words: &str| message.push_str(&format!("\n{kind}{words}"));
    finding.notes.iter().for_each(|note| add("", note));
    if let Some(help) = &finding.help {
        add("help: ", help);
    }
    let related = finding
        .secondary
        .iter()
        .map(|(span, words)| DiagnosticRelatedInformation {
            location: Location {
                uri: uri.clone(),
                range: text::range(source.text(), *span),
            },
            message: words.clone(),
        });
    Published {
        range: finding
            .span
            .map_or_else(Range::default, |span| text::range(source.text(), span)),
        severity: Some(match finding.severity {
            diagnostic::Severity::Error => DiagnosticSeverity::ERROR,
            diagnostic::Severity::Warning => DiagnosticSeverity::WARNING,
        }),
        source: Some("goinject".to_owned()),
        message,
        related_information: Some(related.collect()),
        ..Published::default()
    }
}
