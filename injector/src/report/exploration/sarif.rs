//! Findings as SARIF 2.1.0, the format that code scanning takes.

use std::collections::HashSet;
use std::path::Path;

use chrono::{DateTime, SecondsFormat, TimeDelta};
use serde::Serialize;

use super::Report;
use super::case::{replay, what};
use super::classes::meaning;
use super::github::level;
use crate::explore::class::{Class, Worth};
use crate::explore::point::Place;
use crate::explore::results::{Ended, Finding, Result as Outcome};
use crate::report::html::shown;
use crate::words::in_shell;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// The root of the repository, as GitHub calls it.
const ROOT: &str = "%SRCROOT%";

#[derive(Serialize)]
struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    automation_details: Automation,
    invocations: [Invocation; 1],
    original_uri_base_ids: std::collections::BTreeMap<&'static str, Artifact>,
    column_kind: &'static str,
    results: Vec<SarifResult>,
}

#[derive(Serialize)]
struct Automation {
    id: &'static str,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    semantic_version: String,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: &'static str,
    name: String,
    short_description: Message,
    full_description: Message,
    help: Message,
    default_configuration: Configuration,
    properties: RuleProperties,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
struct RuleProperties {
    tags: [&'static str; 2],
}

#[derive(Serialize)]
struct Message {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    command_line: String,
    execution_successful: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time_utc: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time_utc: Option<String>,
    working_directory: Artifact,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri_base_id: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult {
    rule_id: &'static str,
    rule_index: usize,
    level: &'static str,
    message: Message,
    locations: Vec<Location>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    code_flows: Vec<CodeFlow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stacks: Vec<Stack>,
    partial_fingerprints: Fingerprints,
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline_state: Option<&'static str>,
    properties: Properties,
}

#[derive(Serialize)]
struct Fingerprints {
    #[serde(rename = "goinjectFinding/v1")]
    finding: String,
}

/// What SARIF has no name for.
#[derive(Serialize)]
struct Properties {
    function: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    mode: String,
    subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replay: Option<String>,
    others: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
    logical_locations: [LogicalLocation; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: Artifact,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation {
    fully_qualified_name: String,
    kind: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CodeFlow {
    thread_flows: [ThreadFlow; 1],
}

#[derive(Serialize)]
struct ThreadFlow {
    locations: Vec<Framed>,
}

#[derive(Serialize)]
struct Stack {
    message: Message,
    frames: Vec<Framed>,
}

/// A frame of a stack, or a step of a flow.
#[derive(Serialize)]
struct Framed {
    location: Location,
}

/// All findings, and notes on tests; findings of the baseline are marked as unchanged.
pub fn sarif(report: &Report<'_>) -> String {
    let classes: Vec<Class> = Class::ALL
        .into_iter()
        .filter(|class| matches!(class.worth(), Worth::Finding | Worth::Note))
        .collect();
    let index = |class: Class| classes.iter().position(|of| *of == class).unwrap_or_default();
    let folder = |folder: &Path| Artifact {
        uri: format!(
            "file://{}/",
            encoded(&folder.to_string_lossy()).trim_end_matches('/')
        ),
        uri_base_id: None,
    };
    let findings = report.of.findings.iter();
    let mut results: Vec<SarifResult> = findings
        .map(|finding| result(report, finding, index(finding.class)))
        .collect();
    let mut noted = HashSet::new();
    for outcome in &report.of.outcomes {
        let name = (outcome.class, &outcome.function, &outcome.caller);
        if outcome.class.worth() == Worth::Note && noted.insert(name) {
            results.push(note(report, outcome, index(outcome.class)));
        }
    }
    let begun = DateTime::parse_from_rfc3339(&report.of.time).ok();
    let elapsed = TimeDelta::milliseconds(i64::try_from(report.of.elapsed_ms).unwrap_or(i64::MAX / 2));
    let ended = begun.and_then(|begun| begun.checked_add_signed(elapsed));
    let utc = |time: DateTime<_>| time.to_utc().to_rfc3339_opts(SecondsFormat::Secs, true);
    let run = Run {
        results,
        tool: Tool {
            driver: Driver {
                name: "goinject",
                semantic_version: report.of.goinject.clone(),
                rules: classes.iter().copied().map(rule).collect(),
            },
        },
        automation_details: Automation {
            id: "goinject/explore/",
        },
        invocations: [Invocation {
            command_line: shown(&in_shell(&report.of.command)),
            execution_successful: report.of.ended != Ended::Interrupted,
            start_time_utc: begun.map(utc),
            end_time_utc: ended.map(utc),
            working_directory: folder(&report.of.folder),
        }],
        original_uri_base_ids: [(ROOT, folder(&report.root))].into(),
        column_kind: "unicodeCodePoints",
    };
    let log = Log {
        schema: SCHEMA,
        version: "2.1.0",
        runs: [run],
    };
    let mut text = serde_json::to_string_pretty(&log).expect("it is JSON");
    text.push('\n');
    text
}

fn rule(class: Class) -> Rule {
    let meaning = meaning(class);
    let text = |text: &str| Message {
        text: text.to_owned(),
    };
    // Names of rules are written like names of classes in other tools.
    let words = class
        .name()
        .split('-')
        .map(|word| word[..1].to_uppercase() + &word[1..]);
    Rule {
        id: class.name(),
        name: words.collect(),
        short_description: text(meaning.short),
        full_description: text(meaning.full),
        help: text(meaning.help),
        default_configuration: Configuration { level: level(class) },
        properties: RuleProperties {
            tags: ["error-handling", "fault-injection"],
        },
    }
}

fn result(report: &Report<'_>, finding: &Finding, rule_index: usize) -> SarifResult {
    let frames = || finding.stack.iter().map(|place| framed(report, place, None));
    // From the outermost caller to the call that fails, and on to where it ends.
    let mut flow: Vec<Framed> = frames().rev().collect();
    if let Some(last) = flow.last_mut() {
        last.location.message = Some(message(&format!("{} fails here", finding.function)));
    }
    flow.extend(
        finding
            .frame
            .iter()
            .map(|frame| framed(report, frame, Some(&finding.words))),
    );
    let stack = Stack {
        message: message(&format!("Calls that led to {}", finding.function)),
        frames: frames().collect(),
    };
    SarifResult {
        rule_id: finding.class.name(),
        rule_index,
        level: level(finding.class),
        message: message(&format!("{}. To repeat it: {}", what(finding), replay(finding))),
        locations: report
            .spot(finding)
            .map(|place| location(report, place, None))
            .into_iter()
            .collect(),
        code_flows: match flow.is_empty() {
            true => Vec::new(),
            false => vec![CodeFlow {
                thread_flows: [ThreadFlow { locations: flow }],
            }],
        },
        stacks: match stack.frames.is_empty() {
            true => Vec::new(),
            false => vec![stack],
        },
        partial_fingerprints: Fingerprints {
            finding: finding.id.clone(),
        },
        baseline_state: report.has_baseline.then_some(match finding.known {
            true => "unchanged",
            false => "new",
        }),
        properties: Properties {
            function: shown(&finding.function),
            error: Some(shown(&finding.error)),
            mode: finding.mode.to_string(),
            subject: shown(&finding.subject),
            test: finding.test.as_deref().map(shown),
            rule: Some(shown(&finding.rule.to_string_lossy())),
            replay: Some(shown(&replay(finding))),
            others: finding.others,
        },
    }
}

/// An outcome that is no finding and worth a look: at the call that failed.
fn note(report: &Report<'_>, outcome: &Outcome, rule_index: usize) -> SarifResult {
    let caller = outcome.caller.iter();
    let id = Finding::make_id(outcome.class, &outcome.function, outcome.caller.as_slice(), None);
    SarifResult {
        rule_id: outcome.class.name(),
        rule_index,
        level: level(outcome.class),
        message: message(&format!("{} fails: {}", outcome.function, outcome.words)),
        locations: caller.map(|place| location(report, place, None)).collect(),
        code_flows: Vec::new(),
        stacks: Vec::new(),
        partial_fingerprints: Fingerprints { finding: id },
        // They never count: with a baseline, all of them pass for known.
        baseline_state: report.has_baseline.then_some("unchanged"),
        properties: Properties {
            function: shown(&outcome.function),
            error: None,
            mode: outcome.mode.to_string(),
            subject: shown(&outcome.subject),
            test: outcome.test.as_deref().map(shown),
            rule: None,
            replay: None,
            others: 0,
        },
    }
}

fn framed(report: &Report<'_>, place: &Place, words: Option<&str>) -> Framed {
    Framed {
        location: location(report, place, words),
    }
}

fn location(report: &Report<'_>, place: &Place, words: Option<&str>) -> Location {
    let artifact = match report.own(place) {
        Some(own) => Artifact {
            uri: encoded(&own.file),
            uri_base_id: Some(ROOT),
        },
        None if place.file.starts_with('/') => Artifact {
            uri: format!("file://{}", encoded(&place.file)),
            uri_base_id: None,
        },
        None => Artifact {
            uri: encoded(&place.file),
            uri_base_id: None,
        },
    };
    Location {
        physical_location: PhysicalLocation {
            artifact_location: artifact,
            // Lines begin at 1; code that the compiler made has none.
            region: (place.line > 0).then_some(Region {
                start_line: place.line,
            }),
        },
        logical_locations: [LogicalLocation {
            fully_qualified_name: shown(&place.function),
            kind: "function",
        }],
        message: words.map(message),
    }
}

/// A text in which nothing is a link.
fn message(text: &str) -> Message {
    let text = shown(text);
    Message {
        text: match text.contains("](") {
            true => text.replace('[', "\\[").replace(']', "\\]"),
            false => text,
        },
    }
}

/// A path as a URI.
fn encoded(path: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' | b'+' | b'@' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    path.bytes().map(byte).collect()
}
