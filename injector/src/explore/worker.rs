//! The process that makes a trial.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use goinject_rules::source::Source;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::files;
use super::rule_text::{FINALE, OPENS, REMOVES, TRAIL};
use super::trial::{Firings, Leftovers, Record, Request, Stopped};
use crate::engine::select::EngineChoice;
use crate::event::line::{Fired, Line};
use crate::event::seen::Seen;
use crate::event::{Notice, Sink};
use crate::run::target::{Given, Target};
use crate::run::{self, Failure, Numbering, Options};
use crate::signals::Signals;

/// How many openings of files are kept: the last one of a file descriptor counts.
pub(super) const OPENINGS: usize = 4096;
/// How long a process has to print its goroutines.
const DUMP: Duration = Duration::from_secs(2);

/// Makes a trial, whatever comes of it: why it could not be made is in the record, too.
pub fn work(request: &Request) -> Record {
    let begun = Instant::now();
    let mut tape = Tape::new(request);
    let watch = Arc::clone(&tape.watch);
    if let Err(failure) = carry_out(request, &mut tape) {
        tape.record.failure = Some(failure);
    }
    tape.look_into_files();
    let mut record = tape.record;
    let mut state = lock(&watch.state);
    state.is_over = true;
    watch.changed.notify_all();
    record.stopped = state.stopped;
    if let Some(leftovers) = state.leftovers.take() {
        record.status = Some(leftovers.status);
        record.signal = None;
        record.leftovers = Some(leftovers);
    }
    record.elapsed = begun.elapsed();
    record
}

fn carry_out(request: &Request, tape: &mut Tape) -> Result<(), String> {
    let source = Source::new(request.rule_file.clone(), request.rules.clone());
    let (rules, _) = goinject_rules::parse(&source).map_err(|findings| words(&findings))?;
    let command: Vec<_> = request.command.iter().map(Into::into).collect();
    let mut target = Target::choose(&rules, &Given::command(&command)).map_err(|error| error.to_string())?;
    // This process has them already, with what is a trial's own.
    if let Target::Command(command) = &mut target {
        command.dir = None;
        command.env.clear();
    }
    let mut signals = Signals::take_over().map_err(|error| error.to_string())?;
    let engine = <EngineChoice as clap::ValueEnum>::from_str(&request.engine, false)?;
    tape.watch.begin(request);
    let options = Options {
        engine,
        writer: None,
        debug: None,
        seed: request.seed,
        numbering: Numbering::Off,
        lease: None,
        reloads: false,
        rule_file: &request.rule_file,
        command: &[],
    };
    let finished = run::run(&rules, &target, &options, &mut signals, tape);
    finished.map(drop).map_err(|failure| match failure {
        Failure::Findings(_) => tape.findings.join("; "),
        Failure::Because(_, error) => error.to_string(),
    })
}

fn words(findings: &[goinject_rules::diagnostic::Diagnostic]) -> String {
    let messages: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
    messages.join("; ")
}

/// Writes down what happens.
struct Tape {
    record: Record,
    findings: Vec<String>,
    kept: usize,
    seen: BTreeMap<String, usize>,
    most_faults: u64,
    error_marks: Vec<String>,
    watch: Arc<Watch>,
}

impl Tape {
    fn new(request: &Request) -> Tape {
        Tape {
            record: Record::default(),
            findings: Vec::new(),
            kept: request.kept_events,
            seen: BTreeMap::new(),
            most_faults: request.most_faults,
            error_marks: request.error_marks.clone(),
            watch: Arc::default(),
        }
    }

    /// Looks for the error in temporary files, until it is found.
    fn look_into_files(&mut self) {
        if self.record.told_in.is_none() && !self.error_marks.is_empty() {
            self.record.told_in = files::with_any_of(&std::env::temp_dir(), &self.error_marks);
        }
    }

    fn fired(&mut self, fired: &Fired) {
        let firings = self.record.firings.entry(fired.rule.clone()).or_default();
        if firings.count == 0 {
            firings.first_ns = fired.elapsed_ns;
        }
        firings.count += 1;
        firings.last_ns = fired.elapsed_ns;
        let Firings { count, .. } = *firings;
        if fired.rule == FINALE {
            self.look_into_files();
            self.watch.exits(fired);
        } else if fired.rule == REMOVES {
            self.look_into_files();
        } else if count == self.most_faults && !fired.rule.starts_with(TRAIL) {
            self.watch.stop(Stopped::Runaway);
        }
        let seen = self.seen.entry(fired.rule.clone()).or_default();
        let kept = match fired.rule == OPENS {
            true => OPENINGS,
            false => self.kept,
        };
        if *seen < kept {
            *seen += 1;
            self.record.fired.push(fired.clone());
        }
    }
}

impl Sink for Tape {
    fn line(&mut self, line: &Line) {
        match line {
            Line::Process(process) => {
                self.watch.process(process.pid);
                self.record.processes += 1;
                if !self.record.programs.contains(&process.binary) {
                    self.record.programs.push(process.binary.clone());
                }
            }
            Line::Fired(fired) => self.fired(fired),
            Line::Rule(rule) => self.record.rules.push(rule.clone()),
            Line::End(end) => {
                self.record.status = end.status;
                self.record.signal.clone_from(&end.signal);
                self.record.dropped = end.dropped_events;
            }
            _ => {}
        }
    }

    fn notice(&mut self, notice: &Notice) {
        if let Notice::Findings(findings) = notice {
            self.findings
                .extend(findings.iter().map(|finding| finding.message.clone()));
        }
    }
}

/// Ends what does not end by itself, from a thread of its own.
#[derive(Debug, Default)]
struct Watch {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Processes that rules are armed in.
    pids: Vec<i32>,
    is_over: bool,
    stopped: Option<Stopped>,
    leftovers: Option<Leftovers>,
    /// A process that is about to exit.
    exiting: Option<i32>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    fn begin(self: &Arc<Watch>, request: &Request) {
        let watch = Arc::clone(self);
        let (patience, grace) = (request.patience, request.grace);
        std::thread::spawn(move || watch.keep(patience, grace));
    }

    fn process(&self, pid: i32) {
        lock(&self.state).pids.push(pid);
    }

    fn stop(&self, why: Stopped) {
        lock(&self.state).stopped.get_or_insert(why);
        self.changed.notify_all();
    }

    /// A process has called `os.Exit`, and sleeps there: what it has left can be looked at.
    fn exits(&self, fired: &Fired) {
        let status = fired.values.first().and_then(|shown| match shown.before {
            Some(Seen::Int(status)) => i32::try_from(status).ok(),
            _ => None,
        });
        let mut state = lock(&self.state);
        // Tests may run programs that exit, too: the last one is the test binary.
        if let (Some(status), true) = (status, state.pids.first() == Some(&fired.pid)) {
            state.leftovers = Some(Leftovers {
                status,
                files: BTreeMap::new(),
            });
            state.exiting = Some(fired.pid);
            self.changed.notify_all();
        }
    }

    fn keep(&self, patience: Duration, grace: Duration) {
        let deadline = Instant::now() + patience;
        let mut state = lock(&self.state);
        loop {
            if state.is_over {
                return;
            }
            if let Some(pid) = state.exiting.take() {
                drop(state);
                std::thread::sleep(grace);
                let files = files_of(pid);
                state = lock(&self.state);
                if let Some(leftovers) = &mut state.leftovers {
                    leftovers.files = files;
                }
                drop(state);
                send(pid, Signal::SIGQUIT);
                state = lock(&self.state);
                continue;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() && state.stopped.is_none() {
                state.stopped = Some(Stopped::Late);
            }
            if state.stopped.is_some() {
                break;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.map_or_else(|error| error.into_inner().0, |(state, _)| state);
        }
        let pids = state.pids.clone();
        drop(state);
        self.end(&pids);
    }

    /// Has processes print their goroutines and end.
    fn end(&self, pids: &[i32]) {
        for pid in pids {
            send(*pid, Signal::SIGQUIT);
        }
        let deadline = Instant::now() + DUMP;
        loop {
            let is_over = lock(&self.state).is_over;
            if is_over {
                return;
            }
            if Instant::now() >= deadline {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // Whatever the command has started, itself among them.
        let mark = std::env::var(super::trial::MARK).unwrap_or_default();
        super::trial::kill_rest(&mark);
    }
}

fn send(pid: i32, signal: Signal) {
    // It may have ended: its number is not given to another before goinject has seen that.
    let _ = kill(Pid::from_raw(pid), signal);
}

/// What the file descriptors of a process lead to, standard input and output left out. The trial's own folder for
/// temporary files has another name each time.
fn files_of(pid: i32) -> BTreeMap<i32, String> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return BTreeMap::new();
    };
    let temporary = std::env::var("TMPDIR").unwrap_or_default();
    entries
        .flatten()
        .filter_map(|entry| {
            let number: i32 = entry.file_name().to_str()?.parse().ok()?;
            let target = fs::read_link(entry.path()).ok()?;
            (number > 2).then(|| (number, target.to_string_lossy().replace(&temporary, "$TMPDIR")))
        })
        .collect()
}
