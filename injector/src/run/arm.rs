//! How a run begins, and how processes come to be armed.

use std::io;
use std::mem;
use std::rc::Rc;
use std::time::Instant;

use goinject_rules::diagnostic::{Diagnostic, Severity};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::image::{Image, Role, failure};
use super::process::Process;
use super::target::{StartCommand, Target, load_bias};
use super::{Failure, Run, toolchain};
use crate::container;
use crate::engine::bpf::BpfEngine;
use crate::engine::inline::InlineEngine;
use crate::engine::ptrace::PtraceEngine;
use crate::engine::select::{
    EngineChoice, Fit, Selection, instead_of_jumps, may_be_bpf, select, select_substitute, why_not_inline,
};
use crate::engine::substitute::{SubstituteEngine, why_no_jumps};
use crate::engine::{ArmError, Engine, Retired, Start, Subject, Tally};
use crate::error::ExitCode;
use crate::event::line::{self, EngineName, Line, VERSION};
use crate::go::GoError;
use crate::host;
use crate::resolve::Finding;
use crate::tracee::{Follow, Obstacle, Stop, is_ending, privileges};

type Error = Box<dyn std::error::Error>;

impl Run<'_> {
    /// Starts the target, or finds it, with its rules armed.
    pub(super) fn begin(&mut self, target: &Target) -> Result<(), Failure> {
        match target {
            Target::Command(command) => self.begin_command(command),
            Target::Process(pid) => self.begin_process(*pid),
            Target::Container { name, all } => self.begin_container(name, *all),
        }
    }

    fn begin_command(&mut self, command: &StartCommand) -> Result<(), Failure> {
        self.watches_rest = !toolchain::builds(&command.program, &command.arguments);
        let role = match self.watches_rest {
            true => Role::Target,
            false => Role::Follower,
        };
        // A program that isn't there, or can't be read, is told of by starting it.
        let image = self.images.of_file(&command.program, &command.program, role).ok();
        if image.is_none() && !self.follow {
            let path = command.program.clone();
            let missing = GoError::NotFound { path };
            return Err(Failure::because(ExitCode::Unarmable, missing));
        }
        let mut follow = self.followed();
        if let Some(image) = &image {
            self.check(image)?;
            if image.armable.is_some() && self.selection(image)?.fit.patches_code() {
                // Also where processes are not wanted: neither a breakpoint nor a jump must be left in one.
                follow = Follow::Processes;
            }
        }
        let spawned = command
            .start(follow, |command| self.signals.restore_in(command))
            .map_err(|error| Failure::because(ExitCode::Unarmable, error))?;
        self.target = spawned.stop.tid();
        self.family.adopt(&spawned.stop);
        self.processes.insert(self.target, Process::new(false));
        self.arm_executed(self.target, spawned.stop)
    }

    fn begin_process(&mut self, pid: i32) -> Result<(), Failure> {
        let unarmable = |error: Error| Failure::because(why_unarmed(&error), error);
        self.target = pid;
        let image = self.images.of_process(pid, Role::Target).map_err(|error| {
            unarmable(super::target::TargetError::NoProcess { pid, source: error }.into())
        })?;
        self.check(&image)?;
        self.processes.insert(pid, Process::new(false));
        match image.armable {
            Some(_) => self.arm(pid, &image, Start::Running(pid)).map_err(unarmable)?,
            None => self
                .family
                .attach(pid, Follow::Processes)
                .map_err(|error| unarmable(format!("cannot trace the target: {error}").into()))?,
        }
        self.tell_of_arming(pid);
        Ok(())
    }

    /// Tells what is wrong with the rules in the target's own program. Where its processes are followed, another one
    /// may have a function that it lacks.
    fn check(&mut self, image: &Image) -> Result<(), Failure> {
        let may_be_elsewhere = |finding: &Finding| self.follow && finding.absence.is_some();
        let wrong = image.findings.iter().filter(|finding| !may_be_elsewhere(finding));
        let code = failure(wrong);
        if !self.follow && image.armable.is_none() && code.is_none() {
            return Err(Failure::because(ExitCode::Unarmable, image.why_not()));
        }
        let softened = |finding: &Finding| {
            let diagnostic = (*finding.diagnostic).clone();
            match code.is_none() && finding.absence.is_some() {
                true => Diagnostic {
                    severity: Severity::Warning,
                    ..diagnostic
                },
                false => diagnostic,
            }
        };
        self.tell(image.findings.iter().map(softened).collect());
        code.map_or(Ok(()), |code| Err(Failure::Findings(code)))
    }

    /// Tells what the rules do not reach, or may hit by accident, in a program that the target has started.
    pub(super) fn warn(&mut self, image: &Image) {
        let warnings = image.findings.iter().filter(|finding| !finding.is_error());
        self.tell(warnings.map(|finding| (*finding.diagnostic).clone()).collect());
    }

    /// Tells findings, each once in a run.
    pub(super) fn tell(&mut self, mut findings: Vec<Diagnostic>) {
        findings.retain(|finding| !self.told.contains(finding));
        self.told.extend(findings.iter().cloned());
        self.tell_findings(findings);
    }

    /// Lets a process go that has just executed its program, if that is to have privileges that it does not get below
    /// goinject; else gives its stop back. Nothing that it starts is followed.
    pub(super) fn give_back_privileges(&mut self, pid: i32, stop: Stop) -> Result<Option<Stop>, Failure> {
        if !privileges::are_denied(pid) {
            return Ok(Some(stop));
        }
        let path = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        let is_target = pid == self.target;
        let is_child = is_target && self.outcome.started;
        let given = self
            .family
            .give_back_privileges(stop, is_target, is_child)
            .map_err(Failure::lost)?;
        self.processes.remove(&pid);
        let (program, then) = (path.display(), "it and what it starts run without rules");
        self.say(match given {
            Ok(()) => format!("process {pid} ({program}) has privileges of its own, and keeps them: {then}"),
            Err(error) => {
                format!(
                    "process {pid} ({program}) was denied its privileges below goinject ({error}): {then}"
                )
            }
        });
        Ok(None)
    }

    /// Arms a process that has just executed its program, if that has functions of the rules, and lets it go on.
    pub(super) fn arm_executed(&mut self, pid: i32, stop: Stop) -> Result<(), Failure> {
        let Some(stop) = self.give_back_privileges(pid, stop)? else {
            return Ok(());
        };
        let role = match pid == self.target && self.images.seen().len() <= 1 {
            true => Role::Target,
            false => Role::Follower,
        };
        let image = match self.images.of_process(pid, role) {
            Ok(image) if image.armable.is_some() => image,
            // Whoever may not read a program may not trace it with its privileges either.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                self.say(format!(
                    "process {pid} ({}) runs a program that goinject may not read: it has no rules, and no privileges of its own",
                    name.trim_end()
                ));
                return stop.resume().map_err(Failure::lost);
            }
            // One that was killed meanwhile is told of by its end.
            _ => return stop.resume().map_err(Failure::lost),
        };
        match self.arm(pid, &image, Start::Executed(stop)) {
            Ok(()) => {
                self.tell_of_arming(pid);
                self.warn(&image);
            }
            Err(error) => {
                self.not_armed(pid, error)?;
                Stop::again(pid).resume().map_err(Failure::lost)?;
            }
        }
        Ok(())
    }

    pub(super) fn arm(&mut self, pid: i32, image: &Rc<Image>, start: Start) -> Result<(), Error> {
        let armable = image.armable.as_ref().expect("asked before");
        let process = self.processes.entry(pid).or_insert_with(|| Process::new(false));
        // Also where it can't be armed, which is told with its name.
        process.program = image.program();
        let bias = load_bias(&armable.plan, pid)?;
        let selection = self.selection(image)?;
        let follow = self.followed();
        let is_running = matches!(start, Start::Running(_));
        self.chosen.get_or_insert_with(|| selection.explanation.clone());
        if self.engine.is_none() {
            let (seed, numbering) = (self.options.seed, self.options.numbering.clone());
            let taken = self.sink.event_limit();
            let engine: Box<dyn Engine> = match selection.fit {
                Fit::Bpf { .. } => Box::new(BpfEngine::new(seed, numbering)),
                Fit::Ptrace => Box::new(PtraceEngine::new(seed, numbering)),
                Fit::Inline if self.may_substitute() => {
                    Box::new(SubstituteEngine::new(seed, &numbering, taken)?)
                }
                Fit::Inline => Box::new(InlineEngine::new(seed, numbering, taken)?),
            };
            self.engine = Some((selection.fit.engine(), engine));
        }
        let (_, engine) = self.engine.as_mut().expect("it was made");
        let subject = Subject {
            plan: &armable.plan,
            fit: &selection.fit,
            bias,
            start,
            follow,
            is_child: self.outcome.started,
        };
        let process = self.processes.entry(pid).or_insert_with(|| Process::new(false));
        process.image = Some(Rc::clone(image));
        process.bias = bias;
        match engine.arm(subject, &mut self.family) {
            Ok(session) => {
                process.session = Some(session);
                Ok(())
            }
            Err(error) if is_running && self.takes_next_engine(&error) => {
                self.arm(pid, image, Start::Running(pid))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Rules could not be armed in a process when its runtime had been set up. It is armed by the next engine if it is the run's first
    /// and can't have jumps, and goes on.
    pub(super) fn arm_otherwise(&mut self, pid: i32, stop: Stop, error: ArmError) -> Result<(), Failure> {
        let process = self.processes.get_mut(&pid);
        let image = process.and_then(|process| process.image.clone());
        let tid = stop.tid();
        let Some(image) = image.filter(|_| self.takes_next_engine(&error)) else {
            self.not_armed(pid, error.into())?;
            return Stop::again(tid).resume().map_err(Failure::lost);
        };
        let retired = Box::new(Retired {
            stops: vec![stop],
            ..Retired::default()
        });
        match self.arm(pid, &image, Start::Retired { pid, retired }) {
            Ok(()) => self.tell_of_arming(pid),
            Err(error) => self.not_armed(pid, error)?,
        }
        Ok(())
    }

    /// Whether the run has another engine from now on, since its first process turned out not to take jumps. Nothing is armed yet.
    fn takes_next_engine(&mut self, error: &ArmError) -> bool {
        let is_inline = matches!(self.engine, Some((EngineChoice::Inline, _)));
        let Some(why) = why_no_jumps(error).filter(|_| is_inline && self.may_substitute()) else {
            return false;
        };
        self.no_jumps = Some(why);
        self.engine = None;
        self.chosen = None;
        true
    }

    /// The engine and writers for a program: an engine that was chosen once is kept.
    pub(super) fn selection(&mut self, image: &Image) -> Result<Selection, Failure> {
        let armable = image.armable.as_ref().expect("asked before");
        let (engine, writer) = (self.options.engine, self.options.writer);
        let engine = self.engine.as_ref().map_or(engine, |(chosen, _)| *chosen);
        let substitutes = self.may_substitute() && engine == EngineChoice::Inline;
        let host = self
            .host
            .get_or_insert_with(|| host::look(may_be_bpf(engine, writer)));
        let selection = match substitutes {
            true => select_substitute(&armable.plan, host),
            false => select(&armable.plan, host, engine, writer, self.no_jumps.as_deref()),
        };
        selection.map_err(|error| Failure::because(ExitCode::Unarmable, error))
    }

    /// Whether breakpoints may take the place of jumps: nobody asked for these.
    fn may_substitute(&self) -> bool {
        self.options.engine == EngineChoice::Auto && self.options.writer.is_none()
    }

    /// Why a process has breakpoints in a run whose engine is the inline one.
    fn why_breakpoints(&self, pid: i32, image: &Image) -> Option<String> {
        let is_inline = matches!(self.engine, Some((EngineChoice::Inline, _)));
        if !is_inline || !self.may_substitute() {
            return None;
        }
        let session = self.processes.get(&pid)?.session.as_ref()?;
        let (plan, host) = (&image.armable.as_ref()?.plan, self.host.as_ref()?);
        let why = session.why_breakpoints().map(str::to_owned);
        why.or_else(|| why_not_inline(plan, host))
    }

    /// A process can't be armed. The target is ended then: nothing of it is to run without the faults it was started
    /// for. Others go on without rules.
    pub(super) fn not_armed(&mut self, pid: i32, error: Error) -> Result<(), Failure> {
        let Some(process) = self.processes.get_mut(&pid) else {
            return Ok(());
        };
        process.session = None;
        let program = process.program.clone();
        if pid == self.target && self.outcome.started && self.results.armed_nowhere() {
            // It may have ended by itself, and then there is nothing left to end.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            return Err(Failure::because(ExitCode::Unarmable, error));
        }
        // Its end is told by itself, and no failure of the run.
        if is_ending(pid) {
            return Ok(());
        }
        self.results.not_armed = true;
        let error = error.to_string();
        let error: Vec<&str> = error.lines().map(str::trim).collect();
        let message = format!(
            "process {pid} ({program}) runs without rules: {}",
            error.join(" ")
        );
        self.say(format!("error: {message}"));
        self.sink.line(&Line::Error(line::Error::of_run(message)));
        Ok(())
    }

    /// Tells of a process whose rules act, once.
    pub(super) fn tell_of_arming(&mut self, pid: i32) {
        let Some(process) = self.processes.get_mut(&pid) else {
            return;
        };
        let acts = process.is_armed();
        let Some(image) = process.image.clone().filter(|_| acts && !process.is_told) else {
            return;
        };
        process.is_told = true;
        let again = mem::replace(&mut process.was_told, true);
        let without_rules = process.without_rules.take();
        self.ever_armed.add(pid);
        let armable = image.armable.as_ref().expect("it is armed");
        let why_breakpoints = self.why_breakpoints(pid, &image);
        if let Some(why) = &why_breakpoints
            && self.told_of_breakpoints.insert(image.path.clone())
        {
            self.say(format!(
                "process {pid} ({}) gets breakpoints: {why}",
                image.program()
            ));
        }
        if let Some(time) = without_rules {
            self.say(format!(
                "warning: the calls of process {pid} had no rules for {} ms, and were not counted: it did not come to a moment at \
                 which its rules could be swapped",
                time.as_millis()
            ));
        }
        if self.results.armed_nowhere() {
            self.begin_limits();
            let mut selection = self.selection(&image).expect("it was selected before");
            // By now it is kept to; what counts is why it was taken.
            selection.explanation = self.chosen.clone().unwrap_or_default();
            if let Some(why) = &why_breakpoints {
                selection = Selection {
                    fit: Fit::Ptrace,
                    explanation: instead_of_jumps(why),
                };
            }
            self.sink.line(&Line::Armed(self.armed(pid, &image, &selection)));
        }
        self.results.add_image(&armable.plan, &image.path);
        let process = line::Process {
            pid,
            namespace_pid: container::namespace_pid(pid),
            container: self
                .watched
                .as_ref()
                .and_then(|watched| watched.container_of(pid)),
            program: image.program(),
            binary: image.path.clone(),
            build_id: armable.plan.binary.build_id.clone(),
            go: armable.plan.binary.go_version.clone(),
            sites: armable.plan.sites_of_rules(),
            rules: armable
                .rules()
                .map(|rule| self.rules.rules[rule].name.clone())
                .collect(),
            again,
            without_rules_ns: without_rules.map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)),
        };
        if self.watched.is_some() && !again {
            self.results.add_process(&process);
        }
        self.sink.line(&Line::Process(process));
    }

    fn armed(&self, pid: i32, image: &Image, selection: &Selection) -> line::Armed {
        let armable = image.armable.as_ref().expect("it is armed");
        line::Armed {
            version: VERSION,
            goinject: env!("CARGO_PKG_VERSION").to_owned(),
            name: self.rules.name.clone(),
            pid,
            binary: image.path.clone(),
            go: armable.plan.binary.go_version.clone(),
            engine: match selection.fit.engine() {
                EngineChoice::Ptrace => EngineName::Ptrace,
                EngineChoice::Inline => EngineName::Inline,
                _ => EngineName::Bpf,
            },
            writers: selection
                .fit
                .writer_names()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            explanation: selection.explanation.clone(),
            seed: self.options.seed,
            rules: self.rules.rules.iter().map(|rule| rule.name.clone()).collect(),
            sites: armable.plan.sites_of_rules(),
            time: self.clock.began(),
            rule_file: line::RuleFile {
                path: self.options.rule_file.to_owned(),
                text: self.rules.source.text().to_owned(),
            },
            command: self.options.command.to_vec(),
            folder: std::env::current_dir().unwrap_or_default(),
        }
    }

    /// Has limits count from now on, if they do not yet.
    pub(super) fn begin_limits(&mut self) {
        let from = *self.limits_from.get_or_insert_with(Instant::now);
        self.deadline = self.rules.limits.duration.map(|duration| from + duration);
    }

    /// What all rules have done so far.
    pub(super) fn tally(&self) -> Tally {
        self.engine
            .as_ref()
            .map(|(_, engine)| engine.tally())
            .map(|tally| Tally {
                dropped_events: tally.dropped_events.saturating_add(self.results.damaged_events),
                ..tally
            })
            .unwrap_or_default()
    }
}

/// The exit code where a running target could not be armed. What keeps goinject from it comes up from the engines in words.
fn why_unarmed(error: &Error) -> ExitCode {
    let interrupted = Obstacle::Interrupted.to_string();
    match error.to_string().ends_with(&interrupted) {
        true => ExitCode::Interrupted,
        false => ExitCode::Unarmable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_interrupts_arming_is_told_so() {
        for (obstacle, code) in [
            (Obstacle::Interrupted, ExitCode::Interrupted),
            (Obstacle::Ended, ExitCode::Unarmable),
        ] {
            let error: Error = crate::engine::inline::ArmError::Trace(obstacle.into()).into();
            assert_eq!(why_unarmed(&error), code, "{error}");
        }
    }
}
