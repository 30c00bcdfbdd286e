//! What an exploration found, as `explore.json` has it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::class::{Class, Worth};
use super::point::Place;
use super::rule_text::Mode;

/// The version of this format. Fields may be added to a version; a reader must leave those alone that it does not know.
pub const VERSION: u32 = 1;

/// What `goinject explore` or `goinject sweep` found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "goinject exploration")]
pub struct Exploration {
    /// The version of this format: 1.
    pub version: u32,
    /// The version of goinject.
    pub goinject: String,
    /// What was explored: program and arguments.
    pub command: Vec<String>,
    /// The folder that the command was given in.
    pub folder: PathBuf,
    /// When it began, as in RFC 3339.
    pub time: String,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// Fault points, or calls of a sweep.
    pub points: usize,
    /// Runs that were made, repetitions among them.
    pub runs: usize,
    /// Outcomes by class.
    pub counts: BTreeMap<Class, usize>,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
    /// What came of each fault.
    pub outcomes: Vec<Result>,
    /// Tests that were set aside, because they do not always pass without a fault.
    pub unstable: Vec<String>,
    /// What disturbs itself where it runs twice at a time, so that its trials were made one by one, with the reason.
    #[serde(default)]
    pub alone: BTreeMap<String, String>,
    /// How much of the code that handles errors was run; only of test binaries that were built with `-cover`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_paths: Option<ErrorPaths>,
    /// How it ended.
    pub ended: Ended,
    /// Faults that were not tried: the budget ended first, or somebody interrupted it.
    pub left: usize,
    /// Points at which no error could be made, with the reason.
    pub passed_over: BTreeMap<String, String>,
}

/// How much of the code below conditions such as `err != nil` was run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorPaths {
    /// Basic blocks, as Go's coverage has them.
    pub blocks: usize,
    /// Those that are run without faults.
    pub before: usize,
    /// Those that were run without faults or with one.
    pub after: usize,
    /// Where the first of those begin that were never run.
    pub never: Vec<SourceLine>,
}

/// A line of a source file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceLine {
    /// The file.
    pub file: String,
    /// The line.
    pub line: u32,
}

/// How an exploration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Everything was tried.
    Complete,
    /// The budget was used up.
    Budget,
    /// It was interrupted.
    Interrupted,
}

/// Something that is wrong with the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The same in every exploration, as long as the functions keep their names.
    pub id: String,
    /// The fault that shows it.
    pub fault: String,
    /// What it is.
    pub class: Class,
    /// Which calls failed.
    pub mode: Mode,
    /// The function that failed.
    pub function: String,
    /// Its error.
    pub error: String,
    /// The user's frames that led to the call, innermost first.
    pub stack: Vec<Place>,
    /// Where it panicked, waits, or where the error became nil; null where that is not known.
    pub frame: Option<Place>,
    /// How the error was lost there, in a function that could have returned it.
    #[serde(default)]
    pub lost: Option<Lost>,
    /// What happened, in words.
    pub words: String,
    /// The Go test; null outside of tests.
    pub test: Option<String>,
    /// The package of the test, or the command.
    pub subject: String,
    /// The rule file that repeats it.
    pub rule: PathBuf,
    /// Other calls with the same outcome at the same frame.
    pub others: usize,
    /// The names of those among them whose calls are others.
    #[serde(default)]
    pub also: Vec<String>,
    /// Whether the baseline has it.
    #[serde(default)]
    pub known: bool,
}

/// How an error was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lost {
    /// The function returned nil.
    BecameNil,
    /// The function returned an error that should wrap it, and does not.
    WrapsNothing,
}

/// What came of one fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Result {
    /// Which fault.
    pub fault: String,
    /// The function that failed.
    pub function: String,
    /// Where it was called.
    pub caller: Option<Place>,
    /// Which calls failed.
    pub mode: Mode,
    /// The Go test; null outside of tests.
    pub test: Option<String>,
    /// The package of the test, or the command.
    pub subject: String,
    /// What came of it.
    pub class: Class,
    /// Runs that it took.
    pub runs: usize,
    /// In words.
    pub words: String,
    /// The name of the finding, if it is one: among `id` and `also` of one of the findings.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub finding_id: Option<String>,
    /// The finding, if it is one; only in `state.jsonl`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(skip)]
    pub finding: Option<Finding>,
}

impl Exploration {
    /// Outcomes of a worth.
    pub fn count(&self, worth: Worth) -> usize {
        self.counts
            .iter()
            .filter(|(class, _)| class.worth() == worth)
            .map(|(_, count)| count)
            .sum()
    }

    /// Findings that the baseline does not have.
    pub fn new_findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| !finding.known)
    }
}

impl ErrorPaths {
    /// In words.
    pub fn words(&self) -> String {
        let share = |of: usize| 100.0 * of as f64 / self.blocks.max(1) as f64;
        format!(
            "of {} for errors, {} ran without faults ({:.0} %), {} with them ({:.0} %)",
            crate::words::count(self.blocks, "block"),
            self.before,
            share(self.before),
            self.after,
            share(self.after)
        )
    }
}

impl Finding {
    /// Its names, the first of which is its own.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.id).chain(&self.also)
    }

    /// Whether this is the other one: any of its calls is among the other's.
    pub fn is_same(&self, other: &Finding) -> bool {
        self.names().any(|name| other.names().any(|of| of == name))
    }

    /// A name that outlives lines: by class, function and frame.
    pub fn make_id(class: Class, function: &str, stack: &[Place], frame: Option<&Place>) -> String {
        let mut text = format!("{class}\n{function}");
        for place in frame.into_iter().chain(stack.first()) {
            text.push('\n');
            text.push_str(&place.function);
        }
        let hash = super::point::hash(text.as_bytes());
        format!("{class}-{:08x}", (hash ^ (hash >> 32)) as u32)
    }
}
