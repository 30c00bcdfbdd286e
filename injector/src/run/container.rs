//! Runs in containers: the processes of one are looked for by its name, and those that appear later are taken in.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use super::image::{Image, Role, failure, told_once};
use super::process::Process;
use super::{Failure, Run};
use crate::container::{Found, Member, Name, View};
use crate::engine::Start;
use crate::error::ExitCode;
use crate::event::line;
use crate::resolve::Finding;
use crate::tracee::{End, is_ending};

/// How often the processes of a container are looked at.
pub(super) const LOOK: Duration = Duration::from_millis(200);
/// How often the name is looked up again: a container that was started anew has another id, or another first process.
const LOOK_UP: Duration = Duration::from_secs(2);
/// How long a container may have no process, as while it is started anew, before the run is over; and how long the runtime
/// may take to run its program.
const GRACE: Duration = Duration::from_secs(2);
/// How often a container is looked at whose program is about to run.
const STARTING: Duration = Duration::from_millis(10);

/// A process at one time: what it runs is part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    start: u64,
    program: Option<(u64, u64)>,
}

/// A container that the run is about.
pub(super) struct Watched {
    view: View,
    name: Name,
    all: bool,
    found: Vec<Found>,
    seen: HashMap<i32, Seen>,
    looked: Instant,
    looked_up: Instant,
    /// Since when it has no process.
    empty: Option<Instant>,
}

/// A process that can be armed, and the program it runs.
struct Candidate {
    member: Member,
    image: Rc<Image>,
}

impl Watched {
    fn new(view: View, name: &Name, all: bool, found: Vec<Found>) -> Watched {
        Watched {
            view,
            name: name.clone(),
            all,
            found,
            seen: HashMap::new(),
            looked: Instant::now(),
            looked_up: Instant::now(),
            empty: None,
        }
    }

    /// Looks at the processes again.
    fn look(&mut self) {
        self.looked = Instant::now();
        for found in &mut self.found {
            found.members = self.view.members(&found.container);
        }
        let is_empty = |found: &Found| found.members.is_empty();
        if self.looked_up.elapsed() >= LOOK_UP || self.found.iter().all(is_empty) {
            self.looked_up = Instant::now();
            // Where it does not run just now, it may run again; several of one name are no business of a run under way.
            if let Ok(found) = self.view.find(&self.name) {
                self.found = found;
            }
        }
        match self.found.iter().all(is_empty) {
            true => drop(self.empty.get_or_insert_with(Instant::now)),
            false => self.empty = None,
        }
        let members: Vec<i32> = self.members().map(|member| member.pid).collect();
        self.seen.retain(|pid, _| members.contains(pid));
    }

    fn members(&self) -> impl Iterator<Item = Member> {
        self.found.iter().flat_map(|found| found.members.iter().copied())
    }

    /// Whether its program is about to run in one of its processes.
    fn is_starting(&self) -> bool {
        self.members().any(|member| member.is_runtime)
    }

    /// Whether a process, with what it runs now, has not been looked into yet.
    fn is_new(&mut self, member: &Member) -> bool {
        let program = std::fs::metadata(format!("/proc/{}/exe", member.pid));
        let seen = Seen {
            start: member.start,
            program: program.ok().map(|program| (program.dev(), program.ino())),
        };
        self.seen.insert(member.pid, seen) != Some(seen)
    }

    /// The container of a process, for reports.
    pub(super) fn container_of(&self, pid: i32) -> Option<line::Container> {
        let has = |found: &&Found| found.members.iter().any(|member| member.pid == pid);
        // One that a process of it has just started is not among its members yet.
        let found = self.found.iter().find(has).or(self.found.first())?;
        Some(line::Container {
            id: found.container.id.clone(),
            name: found.container.label(),
            runtime: found.container.runtime.to_string(),
        })
    }

    /// Has every process looked into again: the rules are others.
    pub(super) fn look_anew(&mut self) {
        self.seen.clear();
    }

    /// When its processes are looked at next; never where only one is meant.
    pub(super) fn pause(&self) -> Option<Duration> {
        self.all.then(|| LOOK.saturating_sub(self.looked.elapsed()))
    }
}

fn unarmable(error: impl Into<Box<dyn std::error::Error>>) -> Failure {
    Failure::because(ExitCode::Unarmable, error)
}

impl Run<'_> {
    /// Finds the container, and arms the process that is meant, or all of them.
    pub(super) fn begin_container(&mut self, name: &Name, all: bool) -> Result<(), Failure> {
        let view = View::of_host();
        let found = view.find(name).map_err(unarmable)?;
        self.watched = Some(Watched::new(view, name, all, found));
        let begun = Instant::now();
        let mut candidates = self.candidates();
        while let Some(watched) = self.watched.as_mut().filter(|watched| watched.is_starting())
            && !all
            && candidates.is_empty()
            && begun.elapsed() < GRACE
        {
            thread::sleep(STARTING);
            watched.look();
            candidates = self.candidates();
        }
        self.tell_misfits()?;
        match (all, &candidates[..]) {
            (false, [only]) => {
                self.target = only.member.pid;
                self.warn(&only.image);
                self.arm_member(only).map_err(unarmable)
            }
            (false, []) => Err(self.nothing_to_arm(name)),
            (false, several) => Err(unarmable(several_words(name, several))),
            (true, _) => {
                self.begin_limits();
                self.take_in(candidates)?;
                if self.results.armed_nowhere() {
                    self.say(format!(
                        "no process of container {name} runs a program with functions of the rules yet: waiting for one"
                    ));
                }
                Ok(())
            }
        }
    }

    /// Processes that have not been looked into yet and run a program with functions of the rules.
    fn candidates(&mut self) -> Vec<Candidate> {
        let Some(watched) = &mut self.watched else {
            return Vec::new();
        };
        let members: Vec<Member> = watched.members().collect();
        let mut candidates = Vec::new();
        for member in members {
            // It may have the functions, too, but is none of the container's programs.
            if member.is_runtime {
                continue;
            }
            // What a process of the run has started is taken care of from its first instruction on.
            let is_ours = self.family.traces(member.pid)
                || self.processes.get(&member.pid).is_some_and(Process::matters);
            if !watched.is_new(&member) || is_ours {
                continue;
            }
            // One that is gone, or that must not be looked at, has no program.
            if let Ok(image) = self.images.of_process(member.pid, Role::Target)
                && image.armable.is_some()
            {
                candidates.push(Candidate { member, image });
            }
        }
        candidates
    }

    /// Tells what is wrong with rules in programs that have their functions: that would be so in any container.
    fn tell_misfits(&mut self) -> Result<(), Failure> {
        let misfits = self.images.findings().filter(|(_, finding)| finding.is_misfit());
        match self.tell_failing(told_once(misfits)) {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    /// Tells findings if one of them is an error.
    fn tell_failing(&mut self, findings: Vec<Finding>) -> Option<Failure> {
        let code = failure(findings.iter())?;
        self.tell(findings.into_iter().map(|finding| *finding.diagnostic).collect());
        Some(Failure::Findings(code))
    }

    /// Why no process of a container can be armed.
    fn nothing_to_arm(&mut self, name: &Name) -> Failure {
        if self.watched.as_ref().is_some_and(Watched::is_starting) {
            return unarmable(format!(
                "container `{name}` does not run its program yet: start it first, or wait for it with `--all`"
            ));
        }
        if let Some(failure) = self.tell_failing(told_once(self.images.findings())) {
            return failure;
        }
        let images = self.images.seen().iter();
        let programs: Vec<String> = images
            .map(|image| format!("\n  {}: {}", image.path.display(), image.why_not()))
            .collect();
        unarmable(format!(
            "no process in container `{name}` can be armed{} (`--all` waits for one):{}",
            match self.images.programs().is_empty() {
                true => ": no Go program runs in it",
                false => "",
            },
            programs.concat()
        ))
    }

    fn arm_member(&mut self, candidate: &Candidate) -> Result<(), Box<dyn std::error::Error>> {
        let pid = candidate.member.pid;
        self.processes.insert(pid, Process::new(false));
        self.arm(pid, &candidate.image, Start::Running(pid))?;
        self.tell_of_arming(pid);
        Ok(())
    }

    /// Arms processes that have appeared. One that can't be armed goes on without rules, and the verdict says so.
    fn take_in(&mut self, candidates: Vec<Candidate>) -> Result<(), Failure> {
        for candidate in candidates {
            let pid = candidate.member.pid;
            match self.arm_member(&candidate) {
                Ok(()) => self.warn(&candidate.image),
                // It was gone before it could be armed.
                Err(_) if is_ending(pid) => {
                    self.processes.remove(&pid);
                }
                Err(error) => {
                    self.not_armed(pid, error)?;
                    self.processes.remove(&pid);
                }
            }
        }
        Ok(())
    }

    /// Looks at a container of which all processes are meant, if it is time again.
    pub(super) fn look_into_container(&mut self) -> Result<(), Failure> {
        let Some(watched) = self.watched.as_mut().filter(|watched| watched.all) else {
            return Ok(());
        };
        if watched.looked.elapsed() < LOOK || self.outcome.limit_reached {
            return Ok(());
        }
        watched.look();
        let is_gone = watched.empty.is_some_and(|since| since.elapsed() >= GRACE);
        if is_gone && !self.processes.values().any(Process::matters) {
            self.outcome.end = Some(End::Gone);
            return Ok(());
        }
        let candidates = self.candidates();
        self.take_in(candidates)
    }
}

fn several_words(name: &Name, several: &[Candidate]) -> String {
    let lines = several.iter().map(|candidate| {
        let inside = candidate.member.namespace_pid;
        let inside = inside.map_or_else(String::new, |pid| format!(", {pid} in the container"));
        format!(
            "\n  process {}{inside}: {}",
            candidate.member.pid,
            candidate.image.path.display()
        )
    });
    format!(
        "{} processes in container `{name}` have functions of the rules: take all with `--all`, one program with `program` in the rules, or one process with `--pid`:{}",
        several.len(),
        lines.collect::<String>()
    )
}
