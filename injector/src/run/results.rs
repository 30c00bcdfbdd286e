//! What a run has added up to, and the lines that tell it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use goinject_probes::inline::Faults;
use goinject_probes::table::{Counters, Held, Reason, TermCounters};
use goinject_rules::diagnostic::{Diagnostic, Severity};
use goinject_rules::model::{CountRange, Mode, Rule, RuleSet};

use super::image::{Images, failure, told_once};
use super::verdict::{self, RuleVerdict};
use super::whereabouts::{Called, explanation};
use super::{Failure, Finished, Run};
use crate::engine::Tally;
use crate::engine::generation::Generation;
use crate::error::ExitCode;
use crate::event::Notice;
use crate::event::line::{
    self, Fired, Line, OutcomeName, ProcessResult, RuleResult, TargetEnd, TestResult, UnmetExpectation,
};
use crate::plan::{Plan, Term};
use crate::resolve::Finding;
use crate::tracee::{End, signal_name};

/// What a run has added up to, beside the counters of the engine.
#[derive(Debug)]
pub(super) struct Results {
    /// How the tests of each rule's condition came out.
    tests: Vec<Vec<TestResult>>,
    /// The functions of each rule, in all programs in which it was armed.
    functions: Vec<BTreeSet<String>>,
    /// Calls of each rule that may be missing, in words.
    unseen: Vec<BTreeSet<String>>,
    /// How many instructions were probed for each rule.
    sites: Vec<usize>,
    /// The programs in which rules were armed.
    armed_in: Vec<PathBuf>,
    /// A process that should have been armed could not be.
    pub(super) not_armed: bool,
    /// Some process was armed.
    has_begun: bool,
    /// A rule that was replaced had done more than it was to.
    pub(super) replaced_unmet: bool,
    /// Events that were none when they came: a target has written into them.
    pub(super) damaged_events: u64,
    /// What fired in each process, where it is told of each.
    processes: Vec<ProcessResult>,
}

impl Results {
    pub(super) fn new(rules: &RuleSet) -> Results {
        let count = rules.rules.len();
        Results {
            tests: vec![Vec::new(); count],
            functions: vec![BTreeSet::new(); count],
            unseen: vec![BTreeSet::new(); count],
            sites: vec![0; count],
            armed_in: Vec::new(),
            not_armed: false,
            has_begun: false,
            replaced_unmet: false,
            damaged_events: 0,
            processes: Vec::new(),
        }
    }

    /// Notes a process that is told of in the end.
    pub(super) fn add_process(&mut self, process: &line::Process) {
        self.processes.push(ProcessResult {
            pid: process.pid,
            namespace_pid: process.namespace_pid,
            program: process.program.clone(),
            container: process.container.clone(),
            fired: BTreeMap::new(),
            failed: BTreeMap::new(),
        });
    }

    /// Notes an event.
    pub(super) fn add_fired(&mut self, fired: &Fired) {
        let faults = Faults {
            fired: 1,
            failed: u64::from(fired.outcome == OutcomeName::Failed),
        };
        self.add_faults(fired.pid, &fired.rule, faults);
    }

    /// Notes what fired in a process: in the last one of its number.
    pub(super) fn add_faults(&mut self, pid: i32, rule: &str, faults: Faults) {
        let mut processes = self.processes.iter_mut().rev();
        let Some(process) = processes.find(|process| process.pid == pid) else {
            return;
        };
        for (counts, count) in [
            (&mut process.fired, faults.fired),
            (&mut process.failed, faults.failed),
        ] {
            if count > 0 {
                *counts.entry(rule.to_owned()).or_default() += count;
            }
        }
    }

    /// Whether no process was armed so far.
    pub(super) fn armed_nowhere(&self) -> bool {
        !self.has_begun
    }

    /// Other rules take the place of the former: `kept` says where each was before. Their sites are counted anew.
    pub(super) fn turn(&mut self, kept: &[Option<usize>], count: usize) {
        let rules = || kept.iter().take(count);
        let tests = rules().map(|kept| kept.map(|rule| self.tests[rule].clone()).unwrap_or_default());
        let functions = rules().map(|kept| kept.map(|rule| self.functions[rule].clone()).unwrap_or_default());
        let unseen = rules().map(|kept| kept.map(|rule| self.unseen[rule].clone()).unwrap_or_default());
        let (tests, functions, unseen) = (tests.collect(), functions.collect(), unseen.collect());
        (self.tests, self.functions, self.unseen) = (tests, functions, unseen);
        self.sites = vec![0; count];
        self.armed_in.clear();
    }

    /// Notes that rules were armed in a program.
    pub(super) fn add_image(&mut self, plan: &Plan, path: &Path) {
        self.has_begun = true;
        if self.armed_in.iter().any(|armed| armed == path) {
            return;
        }
        self.armed_in.push(path.to_owned());
        for (n, rule) in plan.rules.iter().enumerate().take(self.functions.len()) {
            let names = rule
                .functions
                .iter()
                .map(|function| plan.functions[*function].name.clone());
            self.functions[n].extend(names);
            self.unseen[n].extend(rule.unseen.iter().cloned());
            let of_rule = |site: &&crate::plan::Site| site.bindings.iter().any(|binding| binding.rule == n);
            self.sites[n] += plan.sites.iter().filter(of_rule).count();
        }
    }

    /// Adds how the rows of the conditions came out in a process.
    pub(super) fn add_tests(&mut self, plan: &Plan, counters: &[TermCounters]) {
        let bindings = plan.sites.iter().flat_map(|site| &site.bindings);
        let rows = bindings.flat_map(|binding| binding.condition.iter().map(|term| (binding.rule, term)));
        for ((rule, term), counters) in rows.zip(counters) {
            let (Term::Test(test) | Term::Record(_, test)) = term else {
                continue;
            };
            let Some(found) = self.tests.get_mut(rule) else {
                continue;
            };
            let at = found.iter().position(|result| result.text == test.text);
            let at = at.unwrap_or_else(|| {
                found.push(TestResult {
                    text: test.text.clone(),
                    tested: 0,
                    held: 0,
                    unreadable: 0,
                });
                found.len() - 1
            });
            found[at].tested += counters.tested();
            found[at].held += counters.held;
            found[at].unreadable += counters.unreadable;
        }
    }

    /// What a rule has done.
    pub(super) fn rule(
        &self,
        n: usize,
        rules: &RuleSet,
        counters: &Counters,
        verdict: &RuleVerdict,
    ) -> RuleResult {
        let rule = &rules.rules[n];
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
        let mut unseen = self.unseen[n].clone();
        unseen.extend(self.ended_before(n, rules));
        let called = Called {
            functions: &self.functions[n],
            tests: &self.tests[n],
            unseen: &unseen,
        };
        RuleResult {
            rule: rule.name.clone(),
            observes: rule.mode == Mode::Observe,
            sites: self.sites[n],
            calls: counters.calls,
            matched: counters.matched,
            fired: counters.fired,
            applied: counters.applied,
            failed: counters.failures(),
            failures: failures.collect(),
            held_back: held_back.collect(),
            tests: self.tests[n].clone(),
            unmet: unmet.collect(),
            explanation: verdict
                .fired_too_seldom
                .then(|| explanation(rule, counters, &called)),
        }
    }
}

impl Results {
    /// What the rules before this one keep from it: calls of its functions that they end are not among its own.
    fn ended_before(&self, n: usize, rules: &RuleSet) -> Option<String> {
        let ends = |rule: &Rule| {
            rule.mode != Mode::Observe && (rule.inject.early_return.is_some() || rule.inject.panic.is_some())
        };
        let before = rules.rules[..n].iter().enumerate();
        let mut enders =
            before.filter(|(m, rule)| ends(rule) && !self.functions[*m].is_disjoint(&self.functions[n]));
        let (_, ender) = enders.next()?;
        Some(format!(
            "calls that rule `{}` ended before it are not counted",
            ender.name
        ))
    }
}

impl Run<'_> {
    /// Tells the results, and gives the verdict.
    pub(super) fn finish(mut self) -> Result<Finished, Failure> {
        let absent = self.tell_absent();
        self.tell_unfit();
        let passed_over = self.images.passed_over();
        if self.follow && !passed_over.is_empty() {
            self.sink.line(&Line::PassedOver(line::PassedOver {
                programs: passed_over,
            }));
        }
        let Tally {
            dropped_events,
            lost_hits,
            ..
        } = self.tally();
        let counters = self.counters_of(&self.generation());
        let rules = std::rc::Rc::clone(&self.rules);
        let verdicts = verdict::judge_rules(&rules, &counters);
        let panics = verdict::unexpected_panics(&rules, &counters);
        let code = ExitCode::first(
            [
                absent,
                self.results.not_armed.then_some(ExitCode::Unarmable),
                self.results.replaced_unmet.then_some(ExitCode::Unmet),
                Some(verdict::exit_code(
                    &rules,
                    &verdicts,
                    panics.as_ref(),
                    &self.outcome,
                )),
            ]
            .into_iter()
            .flatten(),
        );
        for process in std::mem::take(&mut self.results.processes) {
            self.sink.line(&Line::ProcessResult(process));
        }
        for (n, verdict) in verdicts.iter().enumerate() {
            let result = self.results.rule(n, &rules, &counters[n], verdict);
            self.sink.line(&Line::Rule(result));
        }
        let (target, status, signal) = match self.outcome.end {
            Some(End::Exited(status)) => (TargetEnd::Exited, Some(status), None),
            Some(End::Killed(signal)) => (TargetEnd::Killed, None, Some(signal_name(signal))),
            Some(End::Gone) => (TargetEnd::Gone, None, None),
            None => (TargetEnd::Released, None, None),
        };
        self.sink.line(&Line::End(line::End {
            target,
            status,
            signal,
            expected_status: verdict::unexpected_exit(&rules, &self.outcome),
            panics: panics.map(|panics| UnmetExpectation {
                counter: panics.what.to_owned(),
                expected: range_words(panics.expected),
                actual: panics.actual,
            }),
            dropped_events,
            lost_calls: lost_hits,
            elapsed_ns: self.clock.now(),
            exit_code: code as u8,
        }));
        Ok(Finished {
            code,
            status: status.filter(|_| self.outcome.started),
        })
    }

    /// Tells of rules that no program of the run has the functions of; their exit code, if there are any. One that could have been armed
    /// and was not has been told of already.
    fn tell_absent(&mut self) -> Option<ExitCode> {
        // What would have run later is not known.
        if self.outcome.interrupted {
            return None;
        }
        let mut told = Vec::new();
        let mut codes = Vec::new();
        for (n, rule) in self.rules.rules.iter().enumerate() {
            if !self.results.functions[n].is_empty() {
                continue;
            }
            if self.images.can_arm(n) {
                codes.push(ExitCode::Unarmable);
                continue;
            }
            let (findings, code) = absence(&self.images, n);
            let missing = || match &rule.program {
                Some(program) if !self.images.have(&program.value) => {
                    Diagnostic::error("no Go program of this name ran")
                        .at(program.span)
                        .rule(&rule.name)
                        .help(match self.images.programs().as_slice() {
                            [] => "none did at all".to_owned(),
                            names => format!("these did: {}", names.join(", ")),
                        })
                }
                _ => Diagnostic::error("no program of this run has the function")
                    .at(rule.function.span)
                    .rule(&rule.name)
                    .help("it was looked for in every Go program that the target started"),
            };
            codes.push(code.unwrap_or(ExitCode::Unarmable));
            told.extend(if findings.is_empty() {
                vec![missing()]
            } else {
                findings
            });
        }
        self.tell_findings(told);
        (!codes.is_empty()).then(|| ExitCode::first(codes.into_iter()))
    }

    /// Tells why rules that were armed in some programs did not fit others that have their functions.
    fn tell_unfit(&mut self) {
        let mut told: Vec<(Diagnostic, Vec<String>)> = Vec::new();
        for (finding, program) in self.images.unfit() {
            let functions = finding.rule.and_then(|n| self.results.functions.get(n));
            if functions.is_none_or(BTreeSet::is_empty) {
                continue;
            }
            // The messages of two programs differ in their names.
            let same =
                |of: &Diagnostic| (of.span, &of.rule) == (finding.diagnostic.span, &finding.diagnostic.rule);
            match told.iter_mut().find(|(of, _)| same(of)) {
                Some((_, programs)) => programs.push(program),
                None => {
                    let severity = Severity::Warning;
                    let diagnostic = (*finding.diagnostic).clone();
                    told.push((
                        Diagnostic {
                            severity,
                            ..diagnostic
                        },
                        vec![program],
                    ));
                }
            }
        }
        let told: Vec<Diagnostic> = told
            .into_iter()
            .map(|(diagnostic, programs)| diagnostic.note(format!("not armed in {}", programs.join(", "))))
            .collect();
        self.tell_findings(told);
    }

    /// Tells findings about the rules as they are now.
    pub(super) fn tell_findings(&mut self, findings: Vec<Diagnostic>) {
        if findings.is_empty() {
            return;
        }
        for error in findings
            .iter()
            .filter_map(|finding| line::Error::of(finding, &self.rules.source))
        {
            self.sink.line(&Line::Error(error));
        }
        self.sink.notice(&match self.generation().number {
            1 => Notice::Findings(findings),
            _ => Notice::FindingsOf(self.rules.source.clone(), findings),
        });
    }

    /// What each rule of a generation has done so far.
    pub(super) fn counters_of(&self, generation: &Generation) -> Vec<Counters> {
        let all = self.tally().counters;
        let counted = self.rules.rules.len() + usize::from(self.rules.expect.panics.is_some());
        let of = |rule| all.get(generation.row(rule) as usize).copied();
        // Without a program to arm there is no engine that counts.
        (0..counted).map(|rule| of(rule).unwrap_or_default()).collect()
    }
}

/// What is wrong with a rule in every program that was seen.
fn absence(images: &Images<'_>, rule: usize) -> (Vec<Diagnostic>, Option<ExitCode>) {
    let is_of_rule = |finding: &Finding| finding.is_error() && finding.rule.is_none_or(|of| of == rule);
    let findings = told_once(images.findings().filter(|(_, finding)| is_of_rule(finding)));
    let code = failure(findings.iter());
    let messages = findings.into_iter().map(|finding| *finding.diagnostic);
    (messages.collect(), code)
}

/// A range of counts as rule files write it.
fn range_words(range: CountRange) -> String {
    match (range.min, range.max) {
        (min, max) if min == max => min.to_string(),
        (0, max) => format!("<={max}"),
        (min, u64::MAX) => format!(">={min}"),
        (min, max) => format!("{min}..{max}"),
    }
}
