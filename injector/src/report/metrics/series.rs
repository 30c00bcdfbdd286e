//! What is counted, in the form that Prometheus reads.
//!
//! Counters of rules are those of the engine, complete and never less than before. What each process adds to them is counted from events;
//! so that no number of processes makes too many series, those beyond some are counted together, and what has ended goes some time
//! later, when it was read.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::event::line::{Armed, Fired, Line, OutcomeName, Process, Reloaded, RuleResult};
use crate::event::{Progress, Standing};
use crate::words::inert;

/// Processes with series of their own.
const PROCESSES: usize = 64;
/// How long those of one that has ended can still be read.
const REMEMBERED: Duration = Duration::from_secs(600);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRule {
    rule: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfReload {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfProcess {
    rule: String,
    outcome: &'static str,
    pid: String,
    program: String,
    container: String,
}

type Counters<L> = Family<L, Counter>;
type Time = Gauge<f64, AtomicU64>;

/// How metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// As OpenMetrics 1.0 has it, which Prometheus asks for.
    OpenMetrics,
    /// Prometheus' own text format, version 0.0.4: what node_exporter reads, and everybody else.
    Prometheus,
}

/// All that is counted of a run.
#[derive(Debug)]
pub(super) struct Series {
    registry: Registry,
    armed: Gauge,
    processes: Gauge,
    processes_armed: Counter,
    limit_reached: Gauge,
    calls: Counters<OfRule>,
    matched: Counters<OfRule>,
    fired: Counters<OfRule>,
    applied: Counters<OfRule>,
    failed: Counters<OfRule>,
    faults: Counters<OfProcess>,
    dropped_events: Counter,
    lost_calls: Counter,
    updated: Time,
    generation: Gauge,
    reloads: Counters<OfReload>,
    /// What rules of this name had counted that were replaced.
    before: HashMap<String, [u64; 5]>,
    /// By process id.
    known: HashMap<i32, Known>,
    /// Those that have ended, and when.
    ended: Vec<(Instant, Known)>,
}

/// A process with series of its own, or one of those that are counted together.
#[derive(Debug)]
struct Known {
    pid: String,
    program: String,
    container: String,
    series: Vec<OfProcess>,
}

/// What processes without series of their own are called.
const OTHER: &str = "other";

impl Known {
    fn other() -> Known {
        Known {
            pid: OTHER.to_owned(),
            program: String::new(),
            container: String::new(),
            series: Vec::new(),
        }
    }

    fn is_called_as(&self, other: &Known) -> bool {
        (&self.pid, &self.program, &self.container) == (&other.pid, &other.program, &other.container)
    }
}

impl Series {
    /// Nothing is counted yet.
    pub(super) fn new() -> Series {
        let mut registry = <Registry>::with_prefix("goinject");
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version of goinject", build);
        let started: Time = Gauge::default();
        started.set(now());
        registry.register("start_time_seconds", "When goinject began", started);
        let mut series = Series {
            armed: Gauge::default(),
            processes: Gauge::default(),
            processes_armed: Counter::default(),
            limit_reached: Gauge::default(),
            calls: Family::default(),
            matched: Family::default(),
            fired: Family::default(),
            applied: Family::default(),
            failed: Family::default(),
            faults: Family::default(),
            dropped_events: Counter::default(),
            lost_calls: Counter::default(),
            updated: Gauge::default(),
            generation: Gauge::default(),
            reloads: Family::default(),
            before: HashMap::new(),
            known: HashMap::new(),
            ended: Vec::new(),
            registry,
        };
        series.register();
        series
    }

    fn register(&mut self) {
        let of_rules = [
            ("rule_calls", "Calls of the rule's functions", &self.calls),
            (
                "rule_matched",
                "Calls for which its conditions held",
                &self.matched,
            ),
            ("rule_fired", "Calls of those that fired", &self.fired),
            ("rule_applied", "Faults that were injected", &self.applied),
            ("rule_failed", "Faults that could not be injected", &self.failed),
        ];
        let registry = &mut self.registry;
        for (name, help, counters) in of_rules {
            registry.register(name, help, counters.clone());
        }
        let help =
            "Faults by process, as events tell of them; the process id `other` is all beyond the first";
        registry.register("process_faults", help, self.faults.clone());
        let help = "1 while rules act in a process and no limit has ended the faults";
        registry.register("armed", help, self.armed.clone());
        registry.register(
            "processes",
            "Processes in which rules act",
            self.processes.clone(),
        );
        let help = "Processes in which rules act or acted, each once";
        registry.register("processes_armed", help, self.processes_armed.clone());
        let help = "1 once a limit has ended the faults";
        registry.register("limit_reached", help, self.limit_reached.clone());
        let help = "Events that are missing because they came too fast; counters of rules are complete";
        registry.register("events_dropped", help, self.dropped_events.clone());
        let help = "Calls that could not be looked at, because of too many threads, and are in no counter";
        registry.register("calls_lost", help, self.lost_calls.clone());
        let help = "When goinject last looked at the run";
        registry.register("last_update_timestamp_seconds", help, self.updated.clone());
        self.generation.set(1);
        let help =
            "The generation of rules that acts: 1, and 1 more for each time that others took their place";
        registry.register("rules_generation", help, self.generation.clone());
        let help = "Times that the rule file was read again";
        registry.register("reloads", help, self.reloads.clone());
    }

    /// Takes in what has happened.
    pub(super) fn line(&mut self, line: &Line) {
        match line {
            Line::Armed(armed) => self.begun(armed),
            Line::Process(process) => self.process(process),
            Line::Fired(fired) => self.fired(fired),
            Line::Limit {} => {
                self.limit_reached.set(1);
                self.armed.set(0);
            }
            Line::Rule(rule) => self.result(rule),
            Line::Replaced(rule) => self.replaced(rule),
            Line::Reloaded(reloaded) => self.reloaded(reloaded),
            Line::End(end) => {
                raise(&self.dropped_events, end.dropped_events);
                raise(&self.lost_calls, end.lost_calls);
                self.armed.set(0);
                self.processes.set(0);
            }
            _ => {}
        }
    }

    fn begun(&mut self, armed: &Armed) {
        let engine = serde_json::to_value(armed.engine).unwrap_or_default();
        let run = Info::new(vec![
            ("name", armed.name.clone().unwrap_or_default()),
            ("engine", engine.as_str().unwrap_or_default().to_owned()),
            ("writers", armed.writers.join(",")),
            ("seed", armed.seed.to_string()),
            (
                "rule_file",
                inert(&armed.rule_file.path.to_string_lossy()).into_owned(),
            ),
        ]);
        self.registry.register("run", "The run", run);
        for rule in &armed.rules {
            self.progress_of(rule, [0; 5]);
        }
    }

    fn process(&mut self, process: &Process) {
        // Other rules act in it: its series go on.
        if process.again && self.known.contains_key(&process.pid) {
            return;
        }
        self.end(process.pid);
        let container = process.container.as_ref();
        let mut new = Known {
            pid: process.pid.to_string(),
            program: inert(&process.program).into_owned(),
            container: container.map_or_else(String::new, |container| inert(&container.name).into_owned()),
            series: Vec::new(),
        };
        // An earlier process of this number has the same series.
        if let Some(same) = self.ended.iter().position(|(_, known)| known.is_called_as(&new)) {
            new.series = self.ended.swap_remove(same).1.series;
        }
        let has_own = self.known.values().filter(|known| known.pid != OTHER).count() + self.ended.len();
        if has_own >= PROCESSES {
            new = Known::other();
        }
        self.known.insert(process.pid, new);
    }

    fn fired(&mut self, fired: &Fired) {
        let Some(known) = self.known.get_mut(&fired.pid) else {
            return;
        };
        let labels = OfProcess {
            rule: fired.rule.clone(),
            outcome: match fired.outcome {
                OutcomeName::Applied => "applied",
                OutcomeName::Observed => "observed",
                OutcomeName::Failed => "failed",
            },
            pid: known.pid.clone(),
            program: known.program.clone(),
            container: known.container.clone(),
        };
        self.faults.get_or_create(&labels).inc();
        if !known.series.contains(&labels) {
            known.series.push(labels);
        }
    }

    fn result(&mut self, rule: &RuleResult) {
        let counters = [rule.calls, rule.matched, rule.fired, rule.applied, rule.failed];
        self.progress_of(&rule.rule, counters);
    }

    /// One that comes later under its name is counted from nothing, and the counter goes on.
    fn replaced(&mut self, rule: &RuleResult) {
        self.result(rule);
        let before = self.before.entry(rule.rule.clone()).or_default();
        let counters = [rule.calls, rule.matched, rule.fired, rule.applied, rule.failed];
        for (before, counter) in before.iter_mut().zip(counters) {
            *before += counter;
        }
    }

    fn reloaded(&mut self, reloaded: &Reloaded) {
        self.generation.set(reloaded.generation.into());
        let outcome = match reloaded.refused {
            Some(_) => "refused",
            None => "applied",
        };
        self.reloads.get_or_create(&OfReload { outcome }).inc();
        for rule in &reloaded.rules {
            self.progress_of(rule, [0; 5]);
        }
    }

    /// Takes in how far the rules are.
    pub(super) fn progress(&mut self, progress: &[Progress]) {
        for rule in progress {
            let counters = [rule.calls, rule.matched, rule.fired, rule.applied, rule.failed];
            self.progress_of(&rule.rule, counters);
        }
        self.updated.set(now());
    }

    fn progress_of(&self, rule: &str, counters: [u64; 5]) {
        let labels = OfRule {
            rule: rule.to_owned(),
        };
        let families = [
            &self.calls,
            &self.matched,
            &self.fired,
            &self.applied,
            &self.failed,
        ];
        let before = self.before.get(rule).copied().unwrap_or_default();
        for ((family, value), before) in families.into_iter().zip(counters).zip(before) {
            raise(&family.get_or_create(&labels), value + before);
        }
    }

    /// Takes in how the run stands.
    pub(super) fn standing(&mut self, standing: &Standing) {
        raise(&self.dropped_events, standing.dropped_events);
        raise(&self.lost_calls, standing.lost_calls);
        self.processes
            .set(i64::try_from(standing.armed.len()).unwrap_or(i64::MAX));
        raise(&self.processes_armed, standing.ever_armed);
        self.limit_reached.set(standing.limit_reached.into());
        let acts = !standing.armed.is_empty() && !standing.limit_reached;
        self.armed.set(acts.into());
        let gone = |pid: &&i32| !standing.armed.contains(pid);
        let gone: Vec<i32> = self.known.keys().filter(gone).copied().collect();
        for pid in gone {
            self.end(pid);
        }
        self.forget();
    }

    /// A process's rules act no longer.
    fn end(&mut self, pid: i32) {
        if let Some(known) = self.known.remove(&pid)
            && known.pid != OTHER
        {
            self.ended.push((Instant::now(), known));
        }
    }

    /// Drops the series of what ended long ago.
    fn forget(&mut self) {
        let faults = &self.faults;
        self.ended.retain(|(when, known)| {
            let stays = when.elapsed() < REMEMBERED;
            if !stays {
                for labels in &known.series {
                    faults.remove(labels);
                }
            }
            stays
        });
    }

    /// All of it.
    pub(super) fn text(&self, format: Format) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a text takes all that is written");
        match format {
            Format::OpenMetrics => text,
            Format::Prometheus => as_prometheus(&text),
        }
    }
}

/// The older format: a family is called as its samples are, there are no units, and information is a gauge, since a type that
/// is not known makes a reader refuse the whole text.
fn as_prometheus(text: &str) -> String {
    let mut converted = String::new();
    // The name of a family depends on its type, which comes behind the words for it.
    let mut help = None;
    for line in text.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "EOF" | "UNIT", ..] => {}
            ["#", "HELP", _, words] => help = Some(words),
            ["#", "TYPE", family, kind] => {
                let (suffix, kind) = match kind {
                    "counter" => ("_total", kind),
                    "info" => ("_info", "gauge"),
                    "unknown" => ("", "untyped"),
                    _ => ("", kind),
                };
                if let Some(help) = help.take() {
                    converted.push_str(&format!("# HELP {family}{suffix} {help}\n"));
                }
                converted.push_str(&format!("# TYPE {family}{suffix} {kind}\n"));
            }
            _ => {
                converted.push_str(line);
                converted.push('\n');
            }
        }
    }
    converted
}

/// Has a counter stand where it is known to be.
fn raise(counter: &Counter, value: u64) {
    counter.inc_by(value.saturating_sub(counter.get()));
}

fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests;
