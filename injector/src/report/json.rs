//! Events as JSON Lines, for programs. The schema is `schema/events.schema.json`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use goinject_probes::table::{Counters, EVENT_OBSERVED, Event, Reason};
use goinject_rules::model::RuleSet;
use serde_json::{Value, json};

use super::dynamic::DynamicTypes;
use super::human::{binding, range_words};
use super::seen::Seen;
use super::shown::shown;
use super::verdict::{Outcome, RuleVerdict};
use crate::engine::End;
use crate::error::ExitCode;
use crate::plan::Plan;

/// A file of events. Errors of writing are kept until it is closed.
#[derive(Debug)]
pub struct JsonLines {
    file: BufWriter<File>,
    error: Option<io::Error>,
}

impl JsonLines {
    /// Creates the file, or empties it.
    pub fn create(path: &Path) -> io::Result<JsonLines> {
        let file = File::create(path)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        Ok(JsonLines {
            file: BufWriter::new(file),
            error: None,
        })
    }

    /// The rules are armed.
    pub fn armed(&mut self, rules: &RuleSet, plan: &Plan, pid: i32, engine: &str, seed: u64) {
        let names: Vec<&str> = plan.rules.iter().map(|rule| rule.name.as_str()).collect();
        self.line(&json!({
            "type": "armed",
            "name": rules.name,
            "pid": pid,
            "binary": plan.binary.path,
            "go": plan.binary.go_version,
            "engine": engine,
            "seed": seed,
            "rules": names,
            "sites": plan.sites.len(),
        }));
    }

    /// A rule fired.
    pub fn event(&mut self, plan: &Plan, types: &DynamicTypes<'_>, event: &Event) {
        let site = &plan.sites[event.site as usize];
        let values: Vec<Value> = binding(site, event)
            .filter(|_| event.reason == Reason::Ok as u32)
            .map(|binding| shown(plan, types, binding, event))
            .unwrap_or_default()
            .into_iter()
            .map(|value| {
                json!({
                    "path": value.path,
                    "type": value.type_name,
                    "before": value.before.as_ref().map(Seen::to_json),
                    "after": value.after.to_json(),
                })
            })
            .collect();
        let outcome = match Reason::from_number(event.reason) {
            Reason::Ok if event.flags & EVENT_OBSERVED != 0 => "observed",
            Reason::Ok => "applied",
            _ => "failed",
        };
        let reason = Reason::from_number(event.reason);
        self.line(&json!({
            "type": "fired",
            "time_ns": event.time,
            "rule": plan.rules[event.rule as usize].name,
            "function": plan.functions[site.function].name,
            "site": site.kind.name(),
            "call": if event.call == 0 { Value::Null } else { json!(event.call) },
            "thread": event.tid,
            "goroutine": if event.goid == 0 { Value::Null } else { json!(event.goid) },
            "outcome": outcome,
            "reason": if reason == Reason::Ok { Value::Null } else { json!(reason.words()) },
            "values": values,
        }));
    }

    /// The target runs another program now.
    pub fn executed(&mut self) {
        self.line(&json!({"type": "executed"}));
    }

    /// A limit ended the faults.
    pub fn limit_reached(&mut self) {
        self.line(&json!({"type": "limit"}));
    }

    /// The run is over.
    pub fn finish(
        &mut self,
        plan: &Plan,
        counters: &[Counters],
        verdicts: &[RuleVerdict],
        dropped: u64,
        outcome: &Outcome,
        code: ExitCode,
    ) {
        for ((rule, counters), verdict) in plan.rules.iter().zip(counters).zip(verdicts) {
            let reasons: serde_json::Map<String, Value> = Reason::FAILURES
                .into_iter()
                .filter(|reason| counters.failed[*reason as usize] > 0)
                .map(|reason| (reason.words().to_owned(), json!(counters.failed[reason as usize])))
                .collect();
            let unmet: Vec<Value> = verdict
                .unmet
                .iter()
                .map(|unmet| {
                    json!({
                        "counter": unmet.what,
                        "expected": range_words(unmet.expected),
                        "actual": unmet.actual,
                    })
                })
                .collect();
            self.line(&json!({
                "type": "rule",
                "rule": rule.name,
                "calls": counters.calls,
                "matched": counters.matched,
                "fired": counters.fired,
                "applied": counters.applied,
                "failed": counters.failures(),
                "failures": reasons,
                "unmet": unmet,
            }));
        }
        let (end, status) = match outcome.end {
            Some(End::Exited(status)) => ("exited", Some(status)),
            Some(End::Killed(signal)) => ("killed", Some(signal)),
            Some(End::Gone) => ("gone", None),
            None => ("released", None),
        };
        self.line(&json!({
            "type": "end",
            "target": end,
            "status": status,
            "dropped_events": dropped,
            "exit_code": code as u8,
        }));
    }

    /// Writes everything out.
    pub fn close(mut self) -> io::Result<()> {
        match self.error.take() {
            Some(error) => Err(error),
            None => self.file.flush(),
        }
    }

    fn line(&mut self, value: &Value) {
        if self.error.is_none() {
            self.error = writeln!(self.file, "{value}").err();
        }
    }
}
