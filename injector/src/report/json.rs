//! The lines of a run, for programs and for reports. The schema is `schema/events.schema.json`.

use std::path::Path;

use goinject_probes::table::{Counters, EVENT_OBSERVED, Event, Held, Reason};
use goinject_rules::model::RuleSet;

use super::Totals;
use super::clock::Clock;
use super::dynamic::DynamicTypes;
use super::human::{binding, range_words};
use super::line::{
    self, Armed, EngineName, Fired, Line, OutcomeName, Process, RuleResult, SiteName, TargetEnd,
    UnmetExpectation, VERSION,
};
use super::outputs::Outputs;
use super::repeat::Origin;
use super::shown::shown;
use super::verdict::{Outcome, RuleVerdict};
use super::whereabouts::tests;
use crate::engine::End;
use crate::engine::select::{Engine, Selection, writer_names};
use crate::error::ExitCode;
use crate::plan::{Fault, Plan, SiteKind};
use crate::tracee::signal_name;

/// Makes the lines of a run, for whatever takes them.
#[derive(Debug)]
pub struct JsonLines {
    outputs: Outputs,
    origin: Origin,
    clock: Clock,
    process: Option<Process>,
}

impl JsonLines {
    /// For these outputs.
    pub fn new(outputs: Outputs, origin: Origin) -> JsonLines {
        JsonLines {
            outputs,
            origin,
            clock: Clock::start(),
            process: None,
        }
    }

    /// The rules are armed.
    pub fn armed(&mut self, rules: &RuleSet, plan: &Plan, pid: i32, selection: &Selection, seed: u64) {
        let (engine, writers) = match &selection.engine {
            Engine::Bpf { writers, .. } => (EngineName::Bpf, writer_names(writers)),
            Engine::Ptrace => (EngineName::Ptrace, vec!["breakpoints"]),
        };
        self.line(&Line::Armed(Armed {
            version: VERSION,
            goinject: env!("CARGO_PKG_VERSION").to_owned(),
            name: rules.name.clone(),
            pid,
            binary: plan.binary.path.clone(),
            go: plan.binary.go_version.clone(),
            engine,
            writers: writers.into_iter().map(str::to_owned).collect(),
            explanation: selection.explanation.clone(),
            seed,
            rules: rules.rules.iter().map(|rule| rule.name.clone()).collect(),
            sites: plan.sites.len(),
            time: self.clock.began(),
            rule_file: self.origin.rule_file.clone(),
            command: self.origin.command(seed),
            folder: std::env::current_dir().unwrap_or_default(),
        }));
        let process = Process {
            pid,
            program: program_name(&plan.binary.path),
            binary: plan.binary.path.clone(),
            go: plan.binary.go_version.clone(),
            sites: plan.sites.len(),
            rules: rules.rules.iter().map(|rule| rule.name.clone()).collect(),
        };
        self.line(&Line::Process(process.clone()));
        self.process = Some(process);
    }

    /// A rule fired.
    pub fn event(&mut self, plan: &Plan, types: &DynamicTypes<'_>, event: &Event) {
        let site = &plan.sites[event.site as usize];
        let reason = Reason::from_number(event.reason);
        let binding = binding(site, event).filter(|_| reason == Reason::Ok);
        let values = binding.map(|binding| shown(plan, types, binding, event));
        let does = |what: fn(&Fault) -> bool| binding.is_some_and(|binding| what(&binding.fault));
        let process = self.process.as_ref().expect("nothing fires before it is armed");
        self.line(&Line::Fired(Fired {
            time: self.clock.time(event.time),
            time_ns: event.time,
            elapsed_ns: self.clock.elapsed(event.time),
            pid: process.pid,
            program: process.program.clone(),
            rule: plan.rules[event.rule as usize].name.clone(),
            function: plan.functions[site.function].name.clone(),
            site: match site.kind {
                SiteKind::Return => SiteName::Return,
                _ => SiteName::Entry,
            },
            call: Some(event.call).filter(|call| *call > 0),
            thread: event.tid,
            goroutine: Some(event.goid).filter(|goid| *goid > 0),
            test: None,
            stack: Vec::new(),
            outcome: match reason {
                Reason::Ok if event.flags & EVENT_OBSERVED != 0 => OutcomeName::Observed,
                Reason::Ok => OutcomeName::Applied,
                _ => OutcomeName::Failed,
            },
            reason: (reason != Reason::Ok).then(|| reason.words().to_owned()),
            delay_ns: Some(event.delay).filter(|delay| *delay > 0),
            returned_early: does(|fault| fault.early_return),
            panicked: does(|fault| fault.panic),
            values: values.unwrap_or_default(),
        }));
    }

    /// The target runs another program now.
    pub fn executed(&mut self) {
        self.line(&Line::Executed {});
    }

    /// A limit ended the faults.
    pub fn limit_reached(&mut self) {
        self.line(&Line::Limit {});
    }

    /// The run is over.
    pub fn finish(
        &mut self,
        plan: &Plan,
        totals: &Totals,
        verdicts: &[RuleVerdict],
        outcome: &Outcome,
        code: ExitCode,
    ) {
        for (n, (rule, verdict)) in plan.rules.iter().zip(verdicts).enumerate() {
            let mut result = rule_result(&rule.name, &totals.counters[n], verdict);
            result.tests = tests(n, plan, totals);
            self.line(&Line::Rule(result));
        }
        let (target, status, signal) = match outcome.end {
            Some(End::Exited(status)) => (TargetEnd::Exited, Some(status), None),
            Some(End::Killed(signal)) => (TargetEnd::Killed, None, Some(signal_name(signal))),
            Some(End::Gone) => (TargetEnd::Gone, None, None),
            None => (TargetEnd::Released, None, None),
        };
        self.line(&Line::End(line::End {
            target,
            status,
            signal,
            dropped_events: totals.dropped_events,
            lost_calls: totals.lost_hits,
            elapsed_ns: self.clock.now(),
            exit_code: code as u8,
        }));
    }

    /// Nothing happened for a while.
    pub fn tick(&mut self) {
        self.outputs.tick();
    }

    /// Writes everything out. What could not be written is told in words.
    pub fn close(self) -> Vec<String> {
        self.outputs.close()
    }

    fn line(&mut self, line: &Line) {
        self.outputs.line(line);
    }
}

/// The file name of a program, also of one that is known as `/proc/PID/exe`.
fn program_name(path: &Path) -> String {
    let linked = path
        .starts_with("/proc")
        .then(|| std::fs::read_link(path).ok())
        .flatten();
    let name = linked.as_deref().unwrap_or(path).file_name();
    name.map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn rule_result(name: &str, counters: &Counters, verdict: &RuleVerdict) -> RuleResult {
    let failures = Reason::FAILURES
        .into_iter()
        .map(|reason| (reason.words().to_owned(), counters.failed[reason as usize]))
        .filter(|(_, count)| *count > 0);
    let held_back = Held::ALL
        .into_iter()
        .map(|held| (held.name().to_owned(), counters.held[held as usize]))
        .filter(|(_, count)| *count > 0);
    let unmet = verdict.unmet.iter().map(|unmet| UnmetExpectation {
        counter: unmet.what.to_owned(),
        expected: range_words(unmet.expected),
        actual: unmet.actual,
    });
    RuleResult {
        rule: name.to_owned(),
        calls: counters.calls,
        matched: counters.matched,
        fired: counters.fired,
        applied: counters.applied,
        failed: counters.failures(),
        failures: failures.collect(),
        held_back: held_back.collect(),
        tests: Vec::new(),
        unmet: unmet.collect(),
    }
}
