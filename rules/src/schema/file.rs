//! The top level of a rule file.

#![expect(dead_code, reason = "the types are described, never filled")]

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::rule::Rule;
use super::scalar::{CountRange, Duration, Exit, Word};

/// Faults to inject into a Go program: where, when, and what is expected to come of it.
#[derive(JsonSchema)]
#[schemars(title = "goinject rule file", deny_unknown_fields)]
pub(super) struct RuleFile {
    /// The version of this format: 1.
    #[schemars(extend("const" = 1))]
    version: u64,
    /// What the file is about; goes into reports.
    #[schemars(length(min = 1))]
    name: Option<String>,
    /// Seed of every chance decision, so that a run can be repeated. Random where absent, and always printed.
    seed: Option<u64>,
    /// The program under test. The command line may name another.
    target: Option<Target>,
    /// A safety net: reaching one of these ends the faults, not the program, and is exit code 5.
    limits: Option<Limits>,
    /// What the end of the program must look like.
    expect: Option<FileExpect>,
    /// For all rules that say nothing else: `inject` faults, or only `observe` what would have fired.
    mode: Option<Mode>,
    /// The rules, each deciding for itself. Where several fire at one call, all are applied in this order.
    #[schemars(length(min = 1))]
    rules: Vec<Rule>,
}

/// The program under test: a command to start, a process that runs already, or a container that does.
#[derive(JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend("oneOf" = [
        {"required": ["command"], "not": {"anyOf": [{"required": ["pid"]}, {"required": ["container"]}, {"required": ["all"]}]}},
        {"required": ["pid"], "not": {"anyOf": [{"required": ["command"]}, {"required": ["container"]}, {"required": ["all"]}, {"required": ["dir"]}, {"required": ["env"]}]}},
        {"required": ["container"], "not": {"anyOf": [{"required": ["command"]}, {"required": ["pid"]}, {"required": ["dir"]}, {"required": ["env"]}]}},
    ])
)]
pub(super) struct Target {
    /// The program and its arguments, as a list: no shell splits them. A path with a slash starts from
    /// the folder of this file.
    #[schemars(length(min = 1), extend("examples" = [["./shop", "-addr", "127.0.0.1:8080"]]))]
    command: Option<Vec<Word>>,
    /// The folder it runs in, from the folder of this file. The current one where absent.
    #[schemars(length(min = 1))]
    dir: Option<String>,
    /// Environment variables on top of goinject's own.
    #[schemars(extend("propertyNames" = {"pattern": "^[^=]+$"}))]
    env: Option<BTreeMap<String, Word>>,
    /// The process to attach to.
    #[schemars(range(min = 1))]
    pid: Option<i32>,
    /// The container to attach to: its name or the beginning of its id, or a pod on this node as `NAMESPACE/POD` or
    /// `NAMESPACE/POD/CONTAINER`.
    #[schemars(length(min = 1), extend("examples" = ["web", "shop/cart-7d4b9-x2x/app"]))]
    container: Option<String>,
    /// Whether every process of the container that has the functions is meant, those that appear later included. Where
    /// absent there must be one only.
    all: Option<bool>,
    /// Whether the rules hold for every process that the target starts, directly or not. `true` where absent for a
    /// command and for all of a container, `false` for a `pid`.
    follow: Option<bool>,
}

/// When to stop injecting.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Limits {
    /// Time since the faults were armed.
    #[schemars(extend("not" = {"pattern": r"^\+?([0.]+[a-zµμ]+)+$"}))]
    duration: Option<Duration>,
    /// Faults of all rules together.
    #[schemars(range(min = 1))]
    faults: Option<u64>,
}

/// What the end of the program must look like.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct FileExpect {
    /// The exit status of the command; 0 where absent.
    exit: Option<Exit>,
    /// How often the program panics while it is armed, recovered or not, injected or not.
    panics: Option<CountRange>,
}

/// Whether anything is written.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub(super) enum Mode {
    /// Faults are injected.
    Inject,
    /// Nothing is written: it is counted and reported what would have happened.
    Observe,
}
