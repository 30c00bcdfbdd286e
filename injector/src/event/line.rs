//! The lines of a `--json` file, as types: what is written, and what the schema says of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use goinject_rules::diagnostic::{Diagnostic, Severity};
use goinject_rules::source::Source;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shown::Shown;

/// The version of this format. Fields may be added to a version; a reader must leave those alone that it
/// does not know.
pub const VERSION: u32 = 1;

/// goinject events: each line of the file that `goinject run --json FILE` writes is one of these. The first
/// is `armed`, or an `error` where rules could not be armed; the last is `end`, after one `rule` for each rule, unless the
/// run could not begin. A `process` comes before what fires in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schemars(title = "goinject event")]
pub enum Line {
    /// The rules are armed.
    Armed(Armed),
    /// Rules are armed in a process.
    Process(Process),
    /// A rule fired.
    Fired(Fired),
    /// A process executed another program, and its rules no longer act.
    Executed(Executed),
    /// The rule file was read again; `process` follows for each process with rules.
    Reloaded(Reloaded),
    /// What a rule has done until another one, or none, took its place.
    Replaced(RuleResult),
    /// A rule, or the whole run, could not be armed.
    Error(Error),
    /// A limit ended the faults; the target goes on.
    Limit {},
    /// Go programs that ran and have none of the functions.
    PassedOver(PassedOver),
    /// What fired in one process of a container, when the run is over.
    ProcessResult(ProcessResult),
    /// What a rule has done in the whole run.
    Rule(RuleResult),
    /// The run is over.
    End(End),
}

/// The rules are armed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Armed {
    /// The version of this format: 1.
    pub version: u32,
    /// The version of goinject.
    pub goinject: String,
    /// The rule file's `name`.
    pub name: Option<String>,
    /// The target's process id.
    pub pid: i32,
    /// The target's program.
    pub binary: PathBuf,
    /// The Go that built it, as `go1.27.3`.
    pub go: String,
    /// The engine.
    pub engine: EngineName,
    /// The writers in use; none where nothing is written.
    pub writers: Vec<String>,
    /// The choice of both in words.
    pub explanation: String,
    /// The seed of every chance decision; in a rule file, `seed` repeats it.
    pub seed: u64,
    /// The names of the rules, in file order.
    pub rules: Vec<String>,
    /// How many instructions are probed.
    pub sites: usize,
    /// When the run began, as in RFC 3339.
    pub time: String,
    /// The rule file.
    pub rule_file: RuleFile,
    /// The command that repeats this run, with its seed: program and arguments.
    pub command: Vec<String>,
    /// The folder that it was given in.
    pub folder: PathBuf,
}

/// A rule file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleFile {
    /// Its path, as it was given.
    pub path: PathBuf,
    /// All of its text.
    pub text: String,
}

/// Rules are armed in a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its id in its own PID namespace; null if that is the same.
    #[serde(default)]
    pub namespace_pid: Option<i32>,
    /// The container that it is in, where the run is about one.
    #[serde(default)]
    pub container: Option<Container>,
    /// The file name of its program.
    pub program: String,
    /// The path of its program.
    pub binary: PathBuf,
    /// The program's build ID; null if it has none.
    #[serde(default)]
    pub build_id: Option<String>,
    /// The Go that built it, as `go1.27.3`.
    pub go: String,
    /// How many instructions are probed.
    pub sites: usize,
    /// The names of the rules that are armed in it.
    pub rules: Vec<String>,
    /// Whether rules acted in it before, in this program: the rule file was read again.
    #[serde(default)]
    pub again: bool,
    /// Nanoseconds in which its calls had no rules, and were not counted, while these took the place of others; null: there was
    /// no such time.
    #[serde(default)]
    pub without_rules_ns: Option<u64>,
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Container {
    /// Its id.
    pub id: String,
    /// Its name, or `NAMESPACE/POD/CONTAINER`; its short id if it has neither.
    pub name: String,
    /// What made it, such as `Docker` or `containerd`.
    pub runtime: String,
}

/// What fired in one process of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessResult {
    /// Its id.
    pub pid: i32,
    /// Its id in its own PID namespace; null if that is the same.
    pub namespace_pid: Option<i32>,
    /// The file name of its program.
    pub program: String,
    /// The container.
    pub container: Option<Container>,
    /// How often each rule fired in it, as far as events tell: those that `dropped_events` of `end` counts are missing.
    pub fired: BTreeMap<String, u64>,
    /// How often each rule failed in it.
    pub failed: BTreeMap<String, u64>,
}

/// The rule file was read again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reloaded {
    /// When, as in RFC 3339.
    pub time: String,
    /// Nanoseconds since the run began.
    pub elapsed_ns: u64,
    /// The generation of rules that acts from now on.
    pub generation: u32,
    /// Why it acts still, and not the one that was read; null if it was taken.
    pub refused: Option<String>,
    /// The names of its rules.
    pub rules: Vec<String>,
    /// Those of them that were there before, and count on.
    pub kept: Vec<String>,
    /// The rule file, as it was read; null if it was refused.
    pub rule_file: Option<RuleFile>,
}

/// Why a rule, or the whole run, could not be armed: a mistake in the rule file, or what the program or the host does not
/// allow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Error {
    /// What is wrong.
    pub message: String,
    /// The rule that it is about; null: the file as a whole, or the run.
    pub rule: Option<String>,
    /// The rule file; null where it is not about that.
    pub file: Option<PathBuf>,
    /// Where in the file, counted from 1; null: the file as a whole.
    pub line: Option<usize>,
    /// In characters, counted from 1.
    pub column: Option<usize>,
    /// Further facts.
    pub notes: Vec<String>,
    /// What to write instead, or what to do.
    pub help: Option<String>,
}

/// Go programs that ran and have none of the functions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PassedOver {
    /// Their file names, each once.
    pub programs: Vec<String>,
}

/// A process executed another program, and its rules no longer act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Executed {
    /// The process.
    #[serde(default)]
    pub pid: i32,
}

/// An engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EngineName {
    /// BPF uprobes.
    Bpf,
    /// Breakpoints.
    Ptrace,
    /// Jumps.
    Inline,
}

/// A rule fired.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fired {
    /// When, as in RFC 3339.
    pub time: String,
    /// Nanoseconds of the monotonic clock (`CLOCK_MONOTONIC`).
    pub time_ns: u64,
    /// Nanoseconds since the run began.
    pub elapsed_ns: u64,
    /// The generation of rules that it is of: 1, and one more each time the rule file was read again.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub generation: u32,
    /// The process.
    pub pid: i32,
    /// The file name of its program.
    pub program: String,
    /// The rule's name.
    pub rule: String,
    /// The function's full name.
    pub function: String,
    /// Which end of the call.
    pub site: SiteName,
    /// Number of the call among those that matched the rule, from 1; null where the rule had decided
    /// earlier in the call.
    pub call: Option<u64>,
    /// Thread id, as goinject sees it.
    pub thread: u32,
    /// Goroutine id, as in stack traces; null if it could not be read.
    pub goroutine: Option<u64>,
    /// The full name of the Go test during which the call was made; null outside of tests.
    pub test: Option<String>,
    /// The call stack, the function itself first; none if it could not be read.
    pub stack: Vec<Frame>,
    /// Which call it was, as another run of the same program tells it; null where the rule had decided earlier in the
    /// call, and in events of goinject before that.
    #[serde(default)]
    pub occurrence: Option<Occurrence>,
    /// What came of it.
    pub outcome: OutcomeName,
    /// Why it failed; null if it did not.
    pub reason: Option<String>,
    /// How long the call was delayed; null if it was not.
    pub delay_ns: Option<u64>,
    /// Whether the call was delayed, or would have been.
    #[serde(default)]
    pub delayed: bool,
    /// Whether the function returned without running its body.
    pub returned_early: bool,
    /// Whether the call panicked.
    pub panicked: bool,
    /// The values it set, in the rule's order; none if it failed, and as many as an event has room for.
    pub values: Vec<Shown>,
}

fn first() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_first(generation: &u32) -> bool {
    *generation == 1
}

/// A call among those that match a rule in the same Go test and with the same call stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Occurrence {
    /// Test and call stack, as 16 hexadecimal digits that mean the same in every run of the same build.
    pub place: String,
    /// Its number, from 1.
    pub number: u64,
}

/// A function on a call stack, and where it was.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Frame {
    /// Its full name.
    pub function: String,
    /// The source file, as the binary has it.
    pub file: String,
    /// The line.
    pub line: u32,
    /// Whether the next frame's function has this one's code in it: the call between them is none of the machine's.
    #[serde(default, skip_serializing_if = "is_false")]
    pub inlined: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// An end of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SiteName {
    /// Where parameters are in place.
    Entry,
    /// Where results are in place.
    Return,
}

/// What came of a rule that fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeName {
    /// The fault was injected.
    Applied,
    /// Nothing was written, as `mode: observe` asks.
    Observed,
    /// It could not be injected.
    Failed,
}

/// What a rule has done in the whole run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleResult {
    /// The rule's name.
    pub rule: String,
    /// Whether it only counts: nothing of it is applied.
    #[serde(default)]
    pub observes: bool,
    /// How many instructions were probed for it, in all programs together.
    #[serde(default)]
    pub sites: usize,
    /// Calls seen.
    pub calls: u64,
    /// Those for which `if` and `within` held.
    pub matched: u64,
    /// Those of them that fired.
    pub fired: u64,
    /// Faults injected.
    pub applied: u64,
    /// Faults that could not be injected.
    pub failed: u64,
    /// Those by reason.
    pub failures: BTreeMap<String, u64>,
    /// Calls that did not fire, by what held them back: `unreadable` (a value of `if`) and `within` before they
    /// matched; then `calls` (`nth`, `every`, `first`, `after`, `until`), `window` (`after`, `until` as times),
    /// `probability`, `rate`, `times`, `limits`; and `marking`: a pointer in an object on the heap could not be
    /// written just then, and another call fires instead.
    pub held_back: BTreeMap<String, u64>,
    /// The tests of its `if`, and how they came out.
    pub tests: Vec<TestResult>,
    /// Expectations that were not met.
    pub unmet: Vec<UnmetExpectation>,
    /// Where its calls stopped, in words; null if it fired often enough.
    #[serde(default)]
    pub explanation: Option<String>,
}

/// How a test of a condition came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestResult {
    /// As the rule file has it.
    pub text: String,
    /// Calls for which it was looked at; `&&` and `||` leave tests out that decide nothing.
    pub tested: u64,
    /// Those for which it was true.
    pub held: u64,
    /// Those for which a value could not be read, such as one behind a nil pointer.
    pub unreadable: u64,
}

/// An expectation that was not met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnmetExpectation {
    /// Which counter: `calls`, `matched`, `fired` or `failed`.
    pub counter: String,
    /// What was expected, as rule files write it: `3`, `>=1`, `<=5`, `2..4`.
    pub expected: String,
    /// What it was.
    pub actual: u64,
}

impl Error {
    /// What is wrong with the run as a whole.
    pub fn of_run(message: String) -> Error {
        Error {
            message,
            ..Error::default()
        }
    }

    /// Its place in the rule file, as `chaos.yaml:3`; none where it has none.
    pub fn place(&self) -> Option<String> {
        Some(format!("{}:{}", self.file.as_ref()?.display(), self.line?))
    }

    /// A mistake in a rule file; none for a warning.
    pub fn of(diagnostic: &Diagnostic, source: &Source) -> Option<Error> {
        let place = diagnostic.span.map(|span| source.line_column(span.start));
        (diagnostic.severity == Severity::Error).then(|| Error {
            message: diagnostic.message.clone(),
            rule: diagnostic.rule.clone(),
            file: Some(source.path().to_owned()),
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
            notes: diagnostic.notes.clone(),
            help: diagnostic.help.clone(),
        })
    }
}

impl Fired {
    /// What happened, or what would have, where nothing was written.
    pub fn words<'a>(&self, happened: &'a str, would_have: &'a str) -> &'a str {
        match self.outcome {
            OutcomeName::Observed => would_have,
            _ => happened,
        }
    }
}

impl Armed {
    /// The choice of engine and writer, without the word `engine`.
    pub fn engine_words(&self) -> &str {
        let words = self.explanation.as_str();
        words.strip_prefix("engine ").unwrap_or(words)
    }
}

impl std::fmt::Display for UnmetExpectation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}, expected {}", self.counter, self.actual, self.expected)
    }
}

/// The run is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct End {
    /// What became of the target.
    pub target: TargetEnd,
    /// Its exit status, if it exited.
    pub status: Option<i32>,
    /// The name of the signal that killed it, if one did.
    pub signal: Option<String>,
    /// The exit status that was expected, if it had another.
    #[serde(default)]
    pub expected_status: Option<i32>,
    /// How often it panicked, if that is not as expected.
    #[serde(default)]
    pub panics: Option<UnmetExpectation>,
    /// Events that are missing above because they came too fast. The counts are complete.
    pub dropped_events: u64,
    /// Calls that are missing in all counts, because more threads made them at a time than there was room for.
    pub lost_calls: u64,
    /// Nanoseconds since the run began.
    pub elapsed_ns: u64,
    /// goinject's own exit code.
    pub exit_code: u8,
}

/// What became of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetEnd {
    /// It exited.
    Exited,
    /// A signal killed it.
    Killed,
    /// It ended; how is known only to its parent, which goinject is not.
    Gone,
    /// It goes on, without faults.
    Released,
}
