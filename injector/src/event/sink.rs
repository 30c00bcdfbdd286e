//! Where a run tells what happens: the seam between runs and reports.

use goinject_rules::diagnostic::Diagnostic;
use goinject_rules::source::Source;

use super::line::Line;

/// What a run tells beside its lines.
#[derive(Clone, Debug)]
pub enum Notice {
    /// Mistakes and warnings about the rule file, seen from a program of the run.
    Findings(Vec<Diagnostic>),
    /// The same of a rule file that was read while the run went on: later findings are of it.
    FindingsOf(Source, Vec<Diagnostic>),
    /// Something that a person watching the run wants to know now.
    Words(String),
    /// How far the rules are, for somebody who has just asked for it.
    Standing(Vec<Progress>),
}

/// Takes what happens in a run.
pub trait Sink {
    /// Takes a line of the record of the run, in order.
    fn line(&mut self, line: &Line);

    /// How many events of each rule it has a use for. Others need not be told to it.
    fn event_limit(&self) -> u64 {
        u64::MAX
    }

    /// Takes what is for people only.
    fn notice(&mut self, notice: &Notice) {
        let _ = notice;
    }

    /// Takes how far the rules are, about twice a second.
    fn tick(&mut self, progress: &[Progress]) {
        let _ = progress;
    }

    /// Takes how the run stands, with each [`Sink::tick`].
    fn standing(&mut self, standing: &Standing) {
        let _ = standing;
    }
}

/// How a run stands, beside its rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The processes in which rules act.
    pub armed: Vec<i32>,
    /// How many processes there were so far in which rules act or acted.
    pub ever_armed: u64,
    /// Whether a limit has ended the faults.
    pub limit_reached: bool,
    /// Events that are missing because they came too fast.
    pub dropped_events: u64,
    /// Calls that could not even be looked at.
    pub lost_calls: u64,
}

/// How far a rule is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Its name.
    pub rule: String,
    /// Calls seen.
    pub calls: u64,
    /// Those that matched.
    pub matched: u64,
    /// Those that fired.
    pub fired: u64,
    /// Faults injected.
    pub applied: u64,
    /// Faults that could not be injected.
    pub failed: u64,
}
