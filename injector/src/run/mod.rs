//! A run: rules, a target, and everything that the target starts. It can be made any number of times in one program;
//! what happens in it goes to a [`Sink`].
//!
//! ```text
//! process --exec--> program (Image) --resolve, compile--> Plan --Engine::arm--> Session --> events, counters
//! ```

mod arm;
mod container;
mod image;
mod process;
mod react;
mod reload;
mod results;
pub mod target;
mod toolchain;
mod verdict;
pub mod watchdog;
mod whereabouts;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use goinject_rules::diagnostic::Diagnostic;
use goinject_rules::model::RuleSet;

pub use crate::plan::encode::{Forced, Numbering};

use self::container::Watched;
use self::image::Images;
use self::process::{EverArmed, Process};
use self::results::Results;
use self::target::Target;
use self::watchdog::Watchdog;
use crate::engine::select::{EngineChoice, WriterChoice};
use crate::engine::{Engine, Session, SessionError, Untold};
use crate::error::ExitCode;
use crate::event::line::{Executed, Line};
use crate::event::{Clock, DynamicTypes, Notice, Origin, Sink, fired};
use crate::host::Host;
use crate::signals::Signals;
use crate::tracee::{End, Family, Follow, News, Stop, Why, is_ending};

/// Stops that are handled before signals, limits and events have their turn.
const TURN: usize = 256;
/// As many events are told before processes are looked at for memory again.
const SUPPLY: usize = 64;

/// How a run is made.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// The engine asked for.
    pub engine: EngineChoice,
    /// The writer asked for.
    pub writer: Option<WriterChoice>,
    /// Where the target's debug information is, if not in the binary.
    pub debug: Option<&'a Path>,
    /// Of every chance decision.
    pub seed: u64,
    /// Whether SIGHUP has the rule file read again. Else it asks for the end.
    pub reloads: bool,
    /// Whether calls are numbered, and which are to fire.
    pub numbering: Numbering,
    /// How long faults go on when goinject does not.
    pub lease: Option<Duration>,
    /// The rule file's path, as it was given.
    pub rule_file: &'a Path,
    /// The command that repeats the run.
    pub command: &'a [String],
}

/// How a run came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The verdict.
    pub code: ExitCode,
    /// The exit status of a command that goinject started.
    pub status: Option<i32>,
}

/// Why there was no run.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What is wrong has been told by [`Notice::Findings`].
    #[error("the rules do not fit the target")]
    Findings(ExitCode),
    /// This is wrong.
    #[error("{1}")]
    Because(ExitCode, Box<dyn std::error::Error>),
}

impl Failure {
    fn because(code: ExitCode, error: impl Into<Box<dyn std::error::Error>>) -> Failure {
        Failure::Because(code, error.into())
    }

    fn lost(error: io::Error) -> Failure {
        Failure::because(ExitCode::Lost, format!("lost the target: {error}"))
    }

    /// The exit code that goes with it.
    pub fn code(&self) -> ExitCode {
        match self {
            Failure::Findings(code) | Failure::Because(code, _) => *code,
        }
    }
}

/// How a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Outcome {
    /// The target's end; none if it was let go.
    end: Option<End>,
    /// Whether goinject started the target.
    started: bool,
    /// Whether somebody interrupted goinject.
    interrupted: bool,
    /// Whether a limit ended the faults.
    limit_reached: bool,
}

/// A run under way.
struct Run<'a> {
    rules: Rc<RuleSet>,
    options: &'a Options<'a>,
    signals: &'a mut Signals,
    sink: &'a mut dyn Sink,
    images: Images<'a>,
    /// Looked at when the first program is to be armed.
    host: Option<Host>,
    /// Chosen for the first program that is armed, and kept for the others.
    engine: Option<(EngineChoice, Box<dyn Engine>)>,
    /// The choice in words.
    chosen: Option<String>,
    /// Why the first process turned out not to take jumps, where that is why there is another engine.
    no_jumps: Option<String>,
    family: Family,
    processes: BTreeMap<i32, Process>,
    ever_armed: EverArmed,
    results: Results,
    outcome: Outcome,
    follow: bool,
    /// The target's process.
    target: i32,
    /// When limits began to count.
    limits_from: Option<Instant>,
    /// When faults end.
    deadline: Option<Instant>,
    clock: Clock,
    /// When it was last told how far the rules are.
    ticked: Instant,
    /// Whether processes that outlive the command are watched to their end. What a test leaves running is not.
    watches_rest: bool,
    /// Findings that were told.
    told: Vec<Diagnostic>,
    /// Programs of which it was told that they have breakpoints instead of jumps.
    told_of_breakpoints: BTreeSet<PathBuf>,
    /// Whether it was told that the run goes on without the command.
    told_of_rest: bool,
    /// Whether it was told that events came damaged.
    told_of_damage: bool,
    /// The container that the run is about, if it is about one.
    watched: Option<Watched>,
    /// Ends goinject if it does not go on.
    watchdog: Option<Watchdog>,
    /// It could not be started.
    has_no_watchdog: bool,
    /// When the run began.
    began: Instant,
}

/// Makes a run. Signals to goinject go on to a command that it started.
///
/// # Errors
/// When the target can't be started, found, or armed.
pub fn run(
    rules: &RuleSet,
    target: &Target,
    options: &Options<'_>,
    signals: &mut Signals,
    sink: &mut dyn Sink,
) -> Result<Finished, Failure> {
    let started = matches!(target, Target::Command(_));
    let results = Results::new(rules);
    let rules = Rc::new(rules.clone());
    let run = Run {
        options,
        signals,
        sink,
        images: Images::new(Rc::clone(&rules), options.debug),
        host: None,
        engine: None,
        chosen: None,
        no_jumps: None,
        family: Family::default(),
        processes: BTreeMap::new(),
        ever_armed: EverArmed::default(),
        results,
        outcome: Outcome {
            started,
            ..Outcome::default()
        },
        follow: rules
            .follow
            .unwrap_or(started || matches!(target, Target::Container { all: true, .. })),
        target: 0,
        limits_from: None,
        deadline: None,
        clock: Clock::start(),
        ticked: Instant::now(),
        watches_rest: true,
        told: Vec::new(),
        told_of_breakpoints: BTreeSet::new(),
        told_of_rest: false,
        told_of_damage: false,
        watched: None,
        watchdog: None,
        has_no_watchdog: false,
        began: Instant::now(),
        rules,
    };
    run.carry_out(target)
}

impl Run<'_> {
    fn carry_out(mut self, target: &Target) -> Result<Finished, Failure> {
        self.begin(target)?;
        let watched = self.watch();
        // Whatever has gone wrong, the processes are let go. That may take a while, and is not to be cut short.
        drop(self.watchdog.take());
        let let_go = self.let_all_go();
        self.tell_events();
        self.tell_standing();
        watched?;
        let_go.map_err(Failure::lost)?;
        self.finish()
    }

    /// Watches the processes until the run is over.
    fn watch(&mut self) -> Result<(), Failure> {
        loop {
            self.show_life();
            // Signals first: a SIGCHLD taken here belongs to a stop that the next look finds.
            if self.react_to_signals()? {
                return Ok(());
            }
            let busy = self.take_turn()?;
            self.tell_events();
            self.look_into_container()?;
            if self.reach_limits() || self.is_over() {
                return Ok(());
            }
            self.tick();
            if !busy {
                self.wait().map_err(Failure::lost)?;
            }
        }
    }

    /// Handles what is due; whether more may be.
    fn take_turn(&mut self) -> Result<bool, Failure> {
        for _ in 0..TURN {
            match self.family.next_ready().map_err(Failure::lost)? {
                Some(news) => self.take(news)?,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    fn take(&mut self, news: News) -> Result<(), Failure> {
        match news {
            News::Stopped { pid, stop } if matches!(stop.why(), Why::Exec(_)) => self.executed(pid, stop),
            News::Stopped { pid, stop } => self.stopped(pid, stop),
            News::Forked {
                parent,
                child,
                stop,
                shares_memory,
            } => self
                .forked(parent, child, stop, shares_memory)
                .map_err(Failure::lost),
            News::ThreadGone { pid, tid } => {
                if let Some(session) = self.session(pid) {
                    session.thread_gone(tid);
                }
                Ok(())
            }
            News::Ended { pid, end } => {
                self.ended(pid, end);
                Ok(())
            }
        }
    }

    fn session(&mut self, pid: i32) -> Option<&mut Box<dyn Session>> {
        self.processes.get_mut(&pid)?.session.as_mut()
    }

    fn stopped(&mut self, pid: i32, stop: Stop) -> Result<(), Failure> {
        let pid = self.family.host_of(pid).unwrap_or(pid);
        let session = self
            .processes
            .get_mut(&pid)
            .and_then(|process| process.session.as_mut());
        let tid = stop.tid();
        let taken = match session {
            Some(session) => session.stopped(stop, &mut self.family),
            None => stop.resume().map_err(SessionError::Lost),
        };
        match taken {
            Ok(()) => self.tell_of_arming(pid),
            Err(SessionError::Arm(error)) => self.arm_otherwise(pid, Stop::again(tid), error)?,
            // Its end is told by itself.
            Err(SessionError::Lost(_)) if is_ending(pid) => {}
            Err(SessionError::Lost(error)) => return Err(Failure::lost(error)),
        }
        Ok(())
    }

    fn forked(&mut self, parent: i32, child: i32, stop: Option<Stop>, shares_memory: bool) -> io::Result<()> {
        if !shares_memory
            && let Some(session) = self.session(parent)
            && let Err(error) = session.forked(child)
            && Path::new(&format!("/proc/{child}/exe")).exists()
        {
            self.say(format!(
                "process {child} keeps breakpoints of process {parent}, which forked it: {error}"
            ));
        }
        // In its parent's memory it may still run into what is in there.
        if self.follow || shares_memory {
            self.processes.insert(child, Process::new(true));
            stop.map_or(Ok(()), Stop::resume)
        } else {
            self.family.let_go(child, stop.into_iter().collect())
        }
    }

    fn ended(&mut self, pid: i32, end: End) {
        self.close(pid);
        self.processes.remove(&pid);
        self.ever_armed.end(pid);
        if pid == self.target {
            self.outcome.end = Some(end);
        }
    }

    /// A process executes a program.
    fn executed(&mut self, pid: i32, stop: Stop) -> Result<(), Failure> {
        let was_armed = self.close(pid);
        if was_armed {
            self.sink.line(&Line::Executed(Executed { pid }));
        }
        self.processes.insert(pid, Process::new(false));
        if self.follow {
            return self.arm_executed(pid, stop);
        }
        let Some(stop) = self.give_back_privileges(pid, stop)? else {
            return Ok(());
        };
        match pid == self.target {
            true => stop.resume().map_err(Failure::lost),
            false => {
                self.processes.remove(&pid);
                self.family.let_go(pid, vec![stop]).map_err(Failure::lost)
            }
        }
    }

    /// The program that a process ran is gone. Whether it was armed. Its events are read back with what is known of it.
    fn close(&mut self, pid: i32) -> bool {
        self.tell_events();
        let Some(process) = self.processes.get_mut(&pid) else {
            return false;
        };
        let Some(mut session) = process.session.take() else {
            return false;
        };
        if let Some(armable) = process.armable() {
            self.results.add_tests(&armable.plan, &session.term_counters());
        }
        session.gone();
        // Some may have waited for one that a thread was writing, and now nobody is.
        self.tell_events();
        true
    }

    /// Tells the events that have come.
    fn tell_events(&mut self) {
        let Some((_, engine)) = &mut self.engine else {
            return;
        };
        let mut damaged_in = None;
        let events = engine.take_events();
        let untold = engine.take_untold();
        self.supply();
        for (n, event) in events.into_iter().enumerate() {
            // While many are told, many more calls are changed.
            if n % SUPPLY == SUPPLY - 1 {
                self.supply();
            }
            let Some(process) = self.processes.get(&event.pid) else {
                continue;
            };
            let Some(armable) = process.armable_of(event.generation) else {
                continue;
            };
            let origin = Origin {
                plan: &armable.plan,
                types: DynamicTypes::new(&armable.binary, process.bias),
                binary: &armable.binary,
                bias: process.bias,
                stacks: &armable.stacks,
                pid: event.pid,
                program: &process.program,
                clock: &self.clock,
                generation: event.generation,
            };
            let Some(fired) = fired(&origin, &event.row) else {
                self.results.damaged_events += 1;
                damaged_in = Some(event.pid);
                continue;
            };
            self.results.add_fired(&fired);
            self.sink.line(&Line::Fired(fired));
        }
        for Untold {
            pid,
            generation,
            rule,
            faults,
        } in untold
        {
            let armable = self
                .processes
                .get(&pid)
                .and_then(|process| process.armable_of(generation));
            if let Some(rule) = armable.and_then(|armable| armable.plan.rules.get(rule)) {
                self.results.add_faults(pid, &rule.name, faults);
            }
        }
        if let Some(pid) = damaged_in
            && !mem::replace(&mut self.told_of_damage, true)
        {
            self.say(format!(
                "warning: process {pid} has damaged events of its own, in the memory that it shares with goinject; such events count as dropped"
            ));
        }
    }

    /// Has memory ready in each process for what its rules are about to make.
    fn supply(&mut self) {
        for process in self.processes.values_mut() {
            process.session.iter_mut().for_each(|session| session.supply());
        }
    }

    /// Whether nothing is left to watch: the target has ended, and so has every process with rules in it. Others are
    /// let go where the run was to end anyway.
    fn is_over(&mut self) -> bool {
        if self.outcome.end.is_none() || self.family.is_expecting() {
            return false;
        }
        let rest = self
            .processes
            .values()
            .filter(|process| process.matters())
            .count();
        if rest == 0 {
            return true;
        }
        let goes = if rest == 1 { "goes" } else { "go" };
        let rest = format!(
            "{} that it started {goes} on",
            crate::words::count(rest, "process")
        );
        if self.outcome.interrupted || self.outcome.limit_reached || !self.watches_rest {
            self.say(format!("the command has ended; {rest} without rules"));
            return true;
        }
        if !self.told_of_rest {
            self.told_of_rest = true;
            self.say(format!("the command has ended; {rest} (Ctrl-C lets them go)"));
        }
        false
    }

    /// Lets every process go as it was found.
    fn let_all_go(&mut self) -> io::Result<()> {
        let (mut first, mut kept) = (Ok(()), Vec::new());
        for (pid, process) in &mut self.processes {
            if let (Some(session), Some(armable)) = (&process.session, process.armable()) {
                self.results.add_tests(&armable.plan, &session.term_counters());
            }
            let gone = match &mut process.session {
                Some(session) => session
                    .let_go(&mut self.family)
                    .map(|left| kept.extend(left.map(|left| (*pid, left)))),
                None if self.family.traces(*pid) => {
                    let stops = self.family.stop_all(*pid, &mut Stop::resume);
                    stops.and_then(|stops| self.family.let_go(*pid, stops))
                }
                None => Ok(()),
            };
            first = first.and(gone);
        }
        for (pid, left) in kept {
            self.say(format!("process {pid} keeps {left}"));
        }
        // The target may have ended meanwhile.
        while let Some(news) = self.family.next_ready()? {
            if let News::Ended { pid, end } = news
                && pid == self.target
            {
                self.outcome.end = Some(end);
            }
        }
        first
    }

    fn say(&mut self, words: impl Into<String>) {
        self.sink.notice(&Notice::Words(words.into()));
    }

    fn followed(&self) -> Follow {
        match self.follow {
            true => Follow::Processes,
            false => Follow::Threads,
        }
    }
}

/// How long a look at the run waits at most when nothing wakes goinject up.
const IDLE: Duration = Duration::from_millis(500);
