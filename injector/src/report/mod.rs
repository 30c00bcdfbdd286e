//! Reports: what happened, for people and for programs, and the verdict.

pub mod call_sites;
pub mod clock;
pub mod dynamic;
pub mod github;
pub mod html;
pub mod human;
pub mod json;
pub mod junit;
pub mod line;
pub mod markdown;
pub mod outputs;
pub mod place;
pub mod record;
pub mod repeat;
pub mod seen;
pub mod shown;
pub mod stream;
mod timeline;
pub mod verdict;
mod whereabouts;

use goinject_probes::table::{Counters, Event, TermCounters};
use goinject_rules::model::{ExitExpect, RuleSet};

use self::dynamic::DynamicTypes;
use self::json::JsonLines;
use self::outputs::Outputs;
use self::repeat::Origin;
use self::verdict::Outcome;
use crate::command::say;
use crate::engine::End;
use crate::engine::select::Selection;
use crate::error::ExitCode;
use crate::go::Binary;
use crate::plan::Plan;
use crate::plan::encode::LoadBias;
use crate::tracee::signal_name;
use crate::words::{self, count};

/// Events that are printed for each rule; the rest is only counted.
const SHOWN: u64 = 10;

/// What a run has added up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// One for each rule.
    pub counters: Vec<Counters>,
    /// One for each row of the conditions, in the order of sites, bindings and rows.
    pub terms: Vec<TermCounters>,
    /// Events that nobody took fast enough.
    pub dropped_events: u64,
    /// Calls that could not even be looked at.
    pub lost_hits: u64,
}

/// The reporters of one run.
#[derive(Debug)]
pub struct Report<'a> {
    rules: &'a RuleSet,
    plan: &'a Plan,
    origin: Origin,
    seed: u64,
    types: DynamicTypes<'a>,
    json: Option<JsonLines>,
    quiet: bool,
    shown: Vec<u64>,
}

impl<'a> Report<'a> {
    /// Opens the reporters.
    pub fn new(
        rules: &'a RuleSet,
        plan: &'a Plan,
        binary: &'a Binary,
        origin: Origin,
        outputs: Outputs,
        quiet: bool,
    ) -> Report<'a> {
        let json = (!outputs.is_empty()).then(|| JsonLines::new(outputs, origin.clone()));
        Report {
            rules,
            plan,
            origin,
            seed: 0,
            types: DynamicTypes::new(binary, LoadBias::default()),
            json,
            quiet,
            shown: vec![0; plan.rules.len()],
        }
    }

    /// The rules are armed.
    pub fn armed(&mut self, pid: i32, bias: LoadBias, selection: &Selection, seed: u64) {
        self.types = self.types.at(bias);
        self.seed = seed;
        if let Some(name) = &self.rules.name {
            say(name);
        }
        say(format!(
            "armed {} at {} in process {pid} ({}, {})",
            count(self.rules.rules.len(), "rule"),
            count(self.plan.sites.len(), "site"),
            words::path(&self.plan.binary.path),
            self.plan.binary.go_version,
        ));
        say(format!("{}; seed {seed}", selection.explanation));
        if let Some(json) = &mut self.json {
            json.armed(self.rules, self.plan, pid, selection, seed);
        }
    }

    /// A moment of the run has passed.
    pub fn tick(&mut self) {
        if let Some(json) = &mut self.json {
            json.tick();
        }
    }

    /// A rule fired.
    pub fn event(&mut self, event: &Event) {
        if let Some(json) = &mut self.json {
            json.event(self.plan, &self.types, event);
        }
        let shown = &mut self.shown[event.rule as usize];
        *shown += 1;
        if self.quiet || *shown > SHOWN {
            return;
        }
        say(human::event_line(self.plan, &self.types, event));
        if *shown == SHOWN {
            let name = &self.plan.rules[event.rule as usize].name;
            say(format!(
                "{name}: further events are counted, not shown (all of them go to --json FILE)"
            ));
        }
    }

    /// The target runs another program now.
    pub fn executed(&mut self) {
        say("the target executed another program: the rules no longer act");
        if let Some(json) = &mut self.json {
            json.executed();
        }
    }

    /// A limit ended the faults.
    pub fn limit_reached(&mut self) {
        say("a limit is reached: no more faults; the target goes on");
        if let Some(json) = &mut self.json {
            json.limit_reached();
        }
    }

    /// The run is over: prints the result and gives its exit code.
    pub fn finish(mut self, totals: &Totals, outcome: &Outcome) -> ExitCode {
        let verdicts = verdict::judge_rules(self.rules, &totals.counters);
        let panics = verdict::unexpected_panics(self.rules, self.plan, &totals.counters);
        let code = verdict::exit_code(self.rules, &verdicts, panics.as_ref(), outcome);
        for line in human::summary(self.rules, self.plan, totals, &verdicts).lines() {
            say(line);
        }
        if totals.dropped_events > 0 {
            say(format!(
                "{} were lost because they came too fast; the counts above are complete",
                count_of(totals.dropped_events, "event")
            ));
        }
        if totals.lost_hits > 0 {
            say(format!(
                "{} could not be looked at and are not counted: more threads than there is room for",
                count_of(totals.lost_hits, "call")
            ));
        }
        if let Some(panics) = panics {
            say(format!(
                "the target panicked {}, expected {}",
                count_of(panics.actual, "time"),
                human::range_words(panics.expected)
            ));
        }
        let expected = match self.rules.expect.exit {
            ExitExpect::Status(status) if !verdict::exit_is_expected(self.rules, outcome) => {
                format!(", expected {status}")
            }
            _ => String::new(),
        };
        say(format!("{}{expected}", end_words(outcome)));
        if let Some(why) = verdict::exit_words(code) {
            say(format!("exit code {}: {why}", code as u8));
        }
        let command = self.origin.command(self.seed);
        say(format!("to repeat: {}", repeat::in_shell(&command)));
        if let Some(json) = &mut self.json {
            json.finish(self.plan, totals, &verdicts, outcome, code);
        }
        let failures = self.json.map(JsonLines::close).unwrap_or_default();
        for failure in &failures {
            say(format!("error: {failure}"));
        }
        match code {
            ExitCode::Met | ExitCode::NeverFired | ExitCode::Limit if !failures.is_empty() => {
                say("exit code 1: a report is not complete");
                ExitCode::Unmet
            }
            code => code,
        }
    }
}

fn count_of(number: u64, noun: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), noun)
}

fn end_words(outcome: &Outcome) -> String {
    match outcome.end {
        Some(End::Exited(status)) => format!("the target exited with status {status}"),
        Some(End::Killed(signal)) => format!("the target was killed by {}", signal_name(signal)),
        Some(End::Gone) => "the target has ended".to_owned(),
        None => "the target goes on, without faults".to_owned(),
    }
}
