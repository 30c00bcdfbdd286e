//! The rule file read again: other rules take the place of those that act, while the target goes on.
//!
//! All processes lose the former rules before any has the new ones, so at no time do two generations act. Threads that goinject traces are
//! stopped from the one to the other.

use std::io;
use std::rc::Rc;

use goinject_rules::diagnostic::{Diagnostic, Severity};
use goinject_rules::model::{RuleSet, mean_the_same};

use super::image::{Image, Images, Role, told_once};
use super::verdict;
use super::{Failure, Run};
use crate::engine::generation::Generation;
use crate::engine::{Retired, Start};
use crate::event::Notice;
use crate::event::line::{Line, Reloaded, RuleFile};
use crate::tracee::Stop;

/// What the next generation is to be.
struct Next<'a> {
    rules: Rc<RuleSet>,
    images: Images<'a>,
    /// Where each rule was before.
    kept: Vec<Option<usize>>,
    /// Each process that has a program of its own, with what that is to the rules.
    processes: Vec<(i32, Rc<Image>)>,
}

impl<'a> Run<'a> {
    /// Reads the rule file again. A file that can't take the place of the former one is told of, and nothing changes.
    pub(super) fn reload(&mut self) -> Result<(), Failure> {
        match self.prepare_next() {
            Ok(next) => self.turn(next),
            Err(reason) => {
                self.say(format!("SIGHUP: {reason}; the rules stay as they were"));
                let generation = self.generation().number;
                self.tell_reloaded(generation, Some(reason), &[]);
                Ok(())
            }
        }
    }

    /// The generation of rules that acts.
    pub(super) fn generation(&self) -> Generation {
        let engine = self.engine.as_ref();
        engine.map_or_else(Generation::first, |(_, engine)| engine.generation().clone())
    }

    /// Whether all that is needed for another generation is there; else why not.
    fn prepare_next(&mut self) -> Result<Next<'a>, String> {
        let source = goinject_rules::read(self.options.rule_file).map_err(|error| error.to_string())?;
        let (rules, warnings) = match goinject_rules::parse(&source) {
            Ok(read) => read,
            Err(mistakes) => {
                let count = crate::words::count(mistakes.len(), "mistake");
                self.sink.notice(&Notice::FindingsOf(source, mistakes));
                return Err(format!("{} has {count}", self.options.rule_file.display()));
            }
        };
        if !warnings.is_empty() {
            self.sink.notice(&Notice::FindingsOf(source, warnings));
        }
        self.warn_of_what_stays(&rules);
        let rules = Rc::new(rules);
        let mut images = Images::new(Rc::clone(&rules), self.options.debug);
        let mut processes = Vec::new();
        for (pid, process) in &self.processes {
            let role = match *pid == self.target && self.watches_rest {
                true => Role::Target,
                false => Role::Follower,
            };
            // One that is gone, or may not be read, has no rules.
            if !process.is_copy()
                && let Ok(image) = images.of_process(*pid, role)
            {
                processes.push((*pid, image));
            }
        }
        let kept = kept(&self.rules, &rules);
        self.check_next(&rules, &images, &kept)?;
        for (_, image) in &processes {
            if image.armable.is_some() {
                self.selection(image).map_err(|error| error.to_string())?;
            }
        }
        Ok(Next {
            kept,
            rules,
            images,
            processes,
        })
    }

    /// What a run has once and for all.
    fn warn_of_what_stays(&mut self, rules: &RuleSet) {
        let mut stays = Vec::new();
        if !mean_the_same(&rules.target, &self.rules.target) || rules.follow != self.rules.follow {
            stays.push("target");
        }
        if rules.seed != self.rules.seed {
            stays.push("seed");
        }
        for key in stays {
            self.say(format!(
                "warning: `{key}` of the file that was read again is not used: the run keeps the one that it began with"
            ));
        }
    }

    /// Whether the rules fit the programs that run.
    fn check_next(
        &mut self,
        rules: &RuleSet,
        images: &Images<'_>,
        kept: &[Option<usize>],
    ) -> Result<(), String> {
        let has = |image: &Image, rule: usize| {
            let armable = image.armable.as_ref();
            armable.is_some_and(|armable| armable.rules().any(|armed| armed == rule))
        };
        // What was armed before may have ended; what nobody runs is a mistake, most of all in a name.
        let is_elsewhere = |rule: Option<usize>| {
            let is_live = |rule| images.seen().iter().any(|image| has(image, rule));
            rule.is_some_and(|rule| kept.get(rule).is_some_and(Option::is_some) || is_live(rule))
        };
        let mut wrong = false;
        let mut told: Vec<Diagnostic> = Vec::new();
        for finding in told_once(images.findings()) {
            let mut diagnostic = *finding.diagnostic;
            let is_error = diagnostic.severity == Severity::Error;
            if is_error && finding.absence.is_some() && is_elsewhere(finding.rule) {
                diagnostic.severity = Severity::Warning;
            }
            wrong |= diagnostic.severity == Severity::Error;
            told.push(diagnostic);
        }
        if !told.is_empty() {
            self.sink.notice(&Notice::FindingsOf(rules.source.clone(), told));
        }
        match wrong {
            true => Err("the rules do not fit the target".to_owned()),
            false => Ok(()),
        }
    }

    /// Puts the next generation in the place of the present one.
    fn turn(&mut self, next: Next<'a>) -> Result<(), Failure> {
        self.tell_events();
        let former = self.generation();
        if let Some((_, engine)) = &mut self.engine
            && let Err(error) = engine.turn(&next.kept, &next.rules.limits)
        {
            self.say(format!("SIGHUP: {error}; the rules stay as they were"));
            self.tell_reloaded(former.number, Some(error.to_string()), &[]);
            return Ok(());
        }
        let retired = self.retire_all(former.number, &next.processes);
        self.tell_events();
        self.tell_replaced(&former, &next);
        let kept: Vec<String> = next
            .rules
            .rules
            .iter()
            .zip(&next.kept)
            .filter(|(_, kept)| kept.is_some())
            .map(|(rule, _)| rule.name.clone())
            .collect();
        self.results.turn(&next.kept, next.rules.rules.len());
        self.rules = next.rules;
        self.images = next.images;
        self.deadline = self
            .limits_from
            .zip(self.rules.limits.duration)
            .map(|(from, duration)| from + duration);
        self.outcome.limit_reached = self.outcome.limit_reached && self.is_beyond_limits();
        if let Some(watched) = &mut self.watched {
            watched.look_anew();
        }
        let generation = self.generation().number;
        self.tell_reloaded(generation, None, &kept);
        self.arm_all(retired, &next.processes)
    }

    /// Has the rules of all processes act no longer.
    fn retire_all(&mut self, generation: u32, next: &[(i32, Rc<Image>)]) -> Vec<(i32, io::Result<Retired>)> {
        let mut all = Vec::new();
        for (pid, process) in &mut self.processes {
            let Some(mut session) = process.session.take() else {
                continue;
            };
            let next = next.iter().find(|(other, _)| other == pid);
            let next = next.and_then(|(_, image)| image.armable.as_ref());
            let retired = session.retire(next.map(|armable| &*armable.plan), &mut self.family);
            if let (Ok(retired), Some(armable)) = (&retired, process.armable()) {
                self.results.add_tests(&armable.plan, &retired.term_counters);
            }
            if let Some(image) = process.image.take() {
                // Events of generations before that were told when it began.
                process.former = vec![(generation, image)];
            }
            process.is_told = false;
            all.push((*pid, retired));
        }
        all
    }

    /// Arms every process whose program has functions of the rules, and lets all go on.
    fn arm_all(
        &mut self,
        retired: Vec<(i32, io::Result<Retired>)>,
        processes: &[(i32, Rc<Image>)],
    ) -> Result<(), Failure> {
        let mut retired: std::collections::BTreeMap<i32, io::Result<Retired>> = retired.into_iter().collect();
        for (pid, image) in processes {
            let was_armed = retired.contains_key(pid);
            let is_ours = self.family.traces(*pid) || was_armed;
            if image.armable.is_none() || !is_ours {
                continue;
            }
            let left = match retired.remove(pid).unwrap_or_else(|| Ok(Retired::default())) {
                Ok(left) => left,
                Err(error) => {
                    self.not_armed(*pid, error.into())?;
                    continue;
                }
            };
            let without = left.without;
            let start = Start::Retired {
                pid: *pid,
                retired: Box::new(left),
            };
            match self.arm(*pid, image, start) {
                Ok(()) => {
                    if let Some(process) = self.processes.get_mut(pid) {
                        process.without_rules = without.map(|since| since.elapsed());
                    }
                    self.tell_of_arming(*pid);
                }
                // Its end, or what it executes, is told by itself.
                Err(_) if !std::path::Path::new(&format!("/proc/{pid}/exe")).exists() => {}
                Err(error) => self.not_armed(*pid, error)?,
            }
        }
        for (_, left) in retired {
            let stops = left.map(|left| left.stops).unwrap_or_default();
            stops
                .into_iter()
                .try_for_each(Stop::resume)
                .map_err(Failure::lost)?;
        }
        Ok(())
    }

    /// Tells what rules have done that are no more.
    fn tell_replaced(&mut self, former: &Generation, next: &Next<'_>) {
        let counters = self.counters_of(former);
        let verdicts = verdict::judge_rules(&self.rules, &counters);
        for (n, mut verdict) in verdicts.into_iter().enumerate() {
            if next.kept.contains(&Some(n)) {
                continue;
            }
            // It had less time than it was to have: what it did too seldom says nothing.
            verdict.unmet.retain(|unmet| unmet.actual > unmet.expected.max);
            verdict.fired_too_seldom = false;
            self.results.replaced_unmet |= !verdict.unmet.is_empty();
            let result = self.results.rule(n, &self.rules, &counters[n], &verdict);
            self.sink.line(&Line::Replaced(result));
        }
    }

    fn tell_reloaded(&mut self, generation: u32, refused: Option<String>, kept: &[String]) {
        let elapsed_ns = self.clock.now();
        let rule_file = refused.is_none().then(|| RuleFile {
            path: self.options.rule_file.to_owned(),
            text: self.rules.source.text().to_owned(),
        });
        self.sink.line(&Line::Reloaded(Reloaded {
            time: self.clock.time_of(elapsed_ns),
            elapsed_ns,
            generation,
            refused,
            rules: self.rules.rules.iter().map(|rule| rule.name.clone()).collect(),
            kept: kept.to_vec(),
            rule_file,
        }));
    }
}

/// Where each rule of a file was in the former one, if it is the same. Behind them is what counts panics.
fn kept(former: &RuleSet, rules: &RuleSet) -> Vec<Option<usize>> {
    let place = |rule| former.rules.iter().position(|other| mean_the_same(other, rule));
    let mut kept: Vec<Option<usize>> = rules.rules.iter().map(place).collect();
    if rules.expect.panics.is_some() {
        kept.push(former.expect.panics.is_some().then_some(former.rules.len()));
    }
    kept
}
