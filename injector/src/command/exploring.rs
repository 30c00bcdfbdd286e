//! What `goinject explore` and `goinject sweep` share: the folder of results, the loop, what is told in the end.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use super::{Told, fail, say};
use crate::cli::Exploring;
use crate::error::ExitCode;
use crate::explore::class::{Class, Worth};
use crate::explore::experiment::Experiment;
use crate::explore::explorer::{End, Settings, Trials, try_all};
use crate::explore::point::{Place, hash};
use crate::explore::results::{Ended, Exploration, Finding, Result as Outcome, VERSION};
use crate::explore::rule_text::Mode;
use crate::explore::store::{Store, read_baseline};
use crate::explore::subject::Subject;
use crate::explore::survey::{Stability, run_plainly};
use crate::report::exploration::outputs::Outputs;
use crate::report::exploration::terminal::{self, Exploring as Shown};
use crate::signals::{self, Signals};
use crate::words::count;

/// Everything that is about to be tried.
pub(super) struct Planned {
    /// What is run.
    pub(super) subjects: Vec<Subject>,
    /// Faults, in their order.
    pub(super) experiments: Vec<Box<dyn Experiment>>,
    /// Fault points, or calls.
    pub(super) points: usize,
    /// What those are called.
    pub(super) points_are: &'static str,
    /// Tests that are set aside.
    pub(super) unstable: Vec<String>,
    /// Functions that are, with the reason.
    pub(super) passed_over: BTreeMap<String, String>,
}

/// An exploration under way.
pub(super) struct Session<'a> {
    common: &'a Exploring,
    command: Vec<String>,
    begun: Instant,
    baseline: Option<Exploration>,
    /// Where results go.
    pub(super) store: Store,
    before: BTreeMap<String, Outcome>,
    signals: Signals,
    /// Reports to be written; none of a dry run.
    outputs: Option<Outputs>,
}

impl<'a> Session<'a> {
    /// Begins one.
    pub(super) fn open(common: &'a Exploring, command: &[String]) -> Told<(Session<'a>, Settings)> {
        let baseline = common.baseline.as_deref().map(read_baseline).transpose();
        let baseline = baseline.map_err(|error| fail(ExitCode::Invalid, error))?;
        let outputs = (!common.dry_run)
            .then(|| Outputs::open(&common.reports))
            .transpose();
        let outputs = outputs.map_err(|error| fail(ExitCode::Invalid, error))?;
        let opened = Store::open(&common.out, command, common.resume);
        let (store, before) = opened.map_err(|error| fail(ExitCode::Invalid, error))?;
        let signals = Signals::take_over().map_err(|error| fail(ExitCode::Defect, error))?;
        let settings = settings(common, &store)?;
        let session = Session {
            common,
            command: command.to_vec(),
            begun: Instant::now(),
            baseline,
            store,
            before,
            signals,
            outputs,
        };
        Ok((session, settings))
    }

    /// Tells how far it is, where that is wanted.
    pub(super) fn progress(&self, line: impl std::fmt::Display) {
        if !self.common.quiet {
            say(line);
        }
    }

    /// Tries everything, and tells what came of it.
    pub(super) fn carry_out(mut self, planned: Planned, trials: &Trials<'_>) -> Told<ExitCode> {
        let common = self.common;
        let experiments: Vec<&dyn Experiment> = planned
            .experiments
            .iter()
            .map(AsRef::as_ref)
            .filter(|experiment| {
                common
                    .shard
                    .is_none_or(|shard| hash(experiment.id().as_bytes()) % shard.of == shard.number - 1)
            })
            .collect();
        let all = format!(
            "{}, {}{}",
            count(planned.points, planned.points_are),
            count(experiments.len(), "fault"),
            of_all(experiments.len(), planned.experiments.len())
        );
        if common.dry_run {
            say(all);
            super::print(&listed(&experiments));
            self.store.clean();
            return Ok(ExitCode::Met);
        }
        self.progress(all);
        let deadline = common.budget.map(|budget| self.begun + budget);
        let mut watcher = Shown::new(common.quiet, self.baseline.as_ref());
        let tried = try_all(
            &planned.subjects,
            &experiments,
            trials,
            (&mut self.store, &self.before),
            (&mut self.signals, deadline),
            &mut watcher,
        );
        watcher.end();
        let (outcomes, end) = tried.map_err(|error| fail(ExitCode::Defect, error))?;
        let mut exploration = self.summary(&planned, &outcomes, end);
        exploration.error_paths = trials.error_paths(&planned.subjects);
        let alone = planned
            .subjects
            .iter()
            .filter_map(|subject| Some((subject.name.clone(), trials.why_alone(subject)?)));
        exploration.alone = alone.collect();
        exploration.left = experiments.len() - outcomes.len();
        for finding in &mut exploration.findings {
            let known = self.baseline.iter().flat_map(|baseline| &baseline.findings);
            finding.known = known.into_iter().any(|known| known.is_same(finding));
            let of = experiments
                .iter()
                .find(|experiment| experiment.id() == finding.fault);
            if let Some(experiment) = of {
                let subject = &planned.subjects[experiment.subject()];
                let text = experiment.rule_file(subject, finding, &self.store.rules());
                let written = self.store.write_rule(&finding.id, &text);
                finding.rule = written.map_err(|error| fail(ExitCode::Defect, error))?;
            }
        }
        let written = self.store.write_results(&exploration);
        let file = written.map_err(|error| fail(ExitCode::Defect, error))?;
        self.store.clean();
        terminal::exploration(&exploration, &file, &common.out, &common.fail_on);
        let code = exit_code(&exploration, &common.fail_on);
        let outputs = self.outputs.take();
        let failures = outputs.map(|outputs| outputs.write(&exploration, self.baseline.is_some()));
        let failures = failures.unwrap_or_default();
        for failure in &failures {
            say(format!("error: {failure}"));
        }
        // Reports that are lost are no success.
        let lost = (!failures.is_empty()).then_some(ExitCode::Unmet);
        Ok(ExitCode::first(lost.into_iter().chain([code])))
    }

    fn summary(&self, planned: &Planned, outcomes: &[Outcome], end: End) -> Exploration {
        let elapsed = self.begun.elapsed();
        Exploration {
            version: VERSION,
            goinject: env!("CARGO_PKG_VERSION").to_owned(),
            command: self.command.clone(),
            folder: std::env::current_dir().unwrap_or_default(),
            time: chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now() - elapsed)
                .to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            points: planned.points,
            runs: outcomes.iter().map(|outcome| outcome.runs).sum(),
            counts: counts(outcomes, planned.unstable.len()),
            findings: cluster(outcomes),
            outcomes: outcomes
                .iter()
                .map(|outcome| Outcome {
                    finding_id: outcome.finding.as_ref().map(|finding| finding.id.clone()),
                    finding: None,
                    ..outcome.clone()
                })
                .collect(),
            unstable: planned.unstable.clone(),
            alone: BTreeMap::new(),
            error_paths: None,
            ended: match end {
                End::Complete => Ended::Complete,
                End::Budget => Ended::Budget,
                End::Interrupted => Ended::Interrupted,
            },
            left: 0,
            passed_over: planned.passed_over.clone(),
        }
    }
}

/// What a subject does without faults; one that fails by itself can't be explored.
pub(super) fn stability(subject: &Subject, trials: &Trials<'_>) -> Told<Stability> {
    let asked = signals::end_is_asked_for;
    let plain = run_plainly(subject, trials.settings, &asked);
    let plain = plain.map_err(|error| fail(ExitCode::Unarmable, format!("{}: {error}", subject.name)))?;
    if asked() {
        return Err(ExitCode::Interrupted);
    }
    if let Some(why) = &plain.disturbed {
        say(format!(
            "warning: {} fails where it runs twice at a time: its trials are made one by one: {}",
            subject.name,
            indented(why)
        ));
        trials.set_alone(subject, why.clone());
    }
    match &plain.failure {
        Some(failure) => Err(fail(
            ExitCode::NeverFired,
            format!("{} fails without a fault: {}", subject.name, indented(failure)),
        )),
        None => Ok(plain),
    }
}

/// A text whose lines after the first are indented.
pub(super) fn indented(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join("\n  ")
}

fn settings(common: &Exploring, store: &Store) -> Told<Settings> {
    let jobs = common.jobs.map_or_else(
        || std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        usize::from,
    );
    let work = std::path::absolute(store.work()).map_err(|error| fail(ExitCode::Defect, error))?;
    Ok(Settings {
        jobs,
        repetitions: usize::from(common.repeat),
        copy: common.copy,
        engine: common.engine.to_string(),
        seed: common.seed,
        patience: common.timeout,
        work,
    })
}

fn of_all(chosen: usize, all: usize) -> String {
    match chosen == all {
        true => String::new(),
        false => format!(" of {all}"),
    }
}

fn listed(experiments: &[&dyn Experiment]) -> String {
    experiments
        .iter()
        .map(|experiment| format!("{}\n", experiment.words()))
        .collect()
}

fn counts(outcomes: &[Outcome], unstable: usize) -> BTreeMap<Class, usize> {
    let mut counts = BTreeMap::new();
    for outcome in outcomes {
        *counts.entry(outcome.class).or_default() += 1;
    }
    if unstable > 0 {
        counts.insert(Class::Unstable, unstable);
    }
    counts
}

/// One finding for all outcomes of a class at a frame: the first of them, by whichever call failed.
fn cluster(outcomes: &[Outcome]) -> Vec<Finding> {
    let mut all: Vec<&Finding> = outcomes
        .iter()
        .filter_map(|outcome| outcome.finding.as_ref())
        .collect();
    all.sort_by_key(|finding| (finding.mode == Mode::Always, &finding.id, &finding.stack));
    let mut findings: Vec<Finding> = Vec::new();
    let mut places: HashMap<(Class, &Place), usize> = HashMap::new();
    let mut names: HashMap<&str, usize> = HashMap::new();
    for finding in all {
        let place = finding.frame.as_ref().map(|place| (finding.class, place));
        let there = place.and_then(|place| places.get(&place));
        // Those that have one name share a rule file.
        let at = names.get(finding.id.as_str()).or(there).copied();
        let at = at.unwrap_or(findings.len());
        names.entry(&finding.id).or_insert(at);
        if let Some(place) = place {
            places.entry(place).or_insert(at);
        }
        let Some(first) = findings.get_mut(at) else {
            findings.push(finding.clone());
            continue;
        };
        first.others += 1;
        if first.id != finding.id && !first.also.contains(&finding.id) {
            first.also.push(finding.id.clone());
        }
    }
    findings.sort_by(|a, b| (a.class, &a.function, &a.stack).cmp(&(b.class, &b.function, &b.stack)));
    findings
}

fn exit_code(exploration: &Exploration, fail_on: &[Class]) -> ExitCode {
    let counts = |finding: &&Finding| fail_on.is_empty() || fail_on.contains(&finding.class);
    let noted = fail_on.iter().any(|class| {
        class.worth() != Worth::Finding && exploration.counts.get(class).is_some_and(|n| *n > 0)
    });
    if exploration.ended == Ended::Interrupted {
        ExitCode::Interrupted
    } else if noted || exploration.new_findings().any(|finding| counts(&finding)) {
        ExitCode::Unmet
    } else if exploration.ended == Ended::Budget {
        ExitCode::Limit
    } else {
        ExitCode::Met
    }
}
