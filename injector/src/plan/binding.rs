//! What a rule does at a site.

use serde::Serialize;

use super::{Assignment, Global, Place, Term};

/// What a rule does at a site.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Binding {
    /// Index into [`Plan::rules`].
    pub rule: usize,
    /// Its part in the rule's decision.
    pub role: Role,
    /// Whether the rule has done all it does in a call when it is done here.
    pub completes: bool,
    /// Rows of the rule's condition, or of what is recorded for it.
    pub condition: Vec<Term>,
    /// What is done beside overwriting.
    pub fault: Fault,
    /// The context that ends the delay, and then the call: the assignments are its results.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
    /// Values to overwrite.
    pub assignments: Vec<Assignment>,
}

/// A binding's part in its rule's decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Counts calls and decides, once per call.
    Decides {
        /// The decision is kept for the return of the same call.
        pairs: bool,
        /// The condition uses what was recorded at the entry of the same call.
        recalls: bool,
    },
    /// Records at entry what the decision at return wants to know.
    Records,
    /// Fires at return if the entry of the same call did.
    Follows,
}

/// What is done beside overwriting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The body is skipped; the assignments are results.
    pub early_return: bool,
    /// The call becomes a call of nil.
    pub panic: bool,
    /// Or a panic with a value, which is the last assignment.
    pub panic_value: bool,
    /// The goroutine sleeps first.
    pub delay: Option<Delay>,
}

/// How long a goroutine sleeps, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Delay {
    /// At least.
    pub fixed: u64,
    /// Up to this much more.
    pub jitter: u64,
}

/// What ends a delay.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Until {
    /// The context, as the rule file names it.
    pub path: String,
    /// Where its first word is; its second follows.
    pub context: Place,
    /// The interface table of `context.Canceled`.
    pub canceled: Option<Global>,
    /// That of `context.DeadlineExceeded`.
    pub exceeded: Option<Global>,
    /// The types of contexts that are looked into.
    pub types: Vec<ContextType>,
}

/// A type of contexts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContextType {
    /// Its description.
    pub ty: Global,
    /// How it tells that it is done.
    pub kind: ContextKind,
}

/// How a context tells that it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ContextKind {
    /// By an error, so many bytes into it.
    Error(u32),
    /// By an `atomic.Value` that holds one.
    Value(u32),
    /// As another context does, so many bytes into it.
    Inner(u32),
    /// Never.
    Endless,
}
