//! The loop: faults are tried side by side, judged, and those that are findings tried again.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::class::{Class, Worth};
use super::coverage::Coverage;
use super::experiment::{Experiment, Tried};
use super::results::Result as Outcome;
use super::store::Store;
use super::subject::Subject;
use super::survey::PATIENCE;
use super::trial::{self, Folder, Request};
use crate::signals::Signals;

/// How long a trial may take beyond its patience before it is killed from outside.
const SLACK: Duration = Duration::from_secs(20);
/// How often the loop looks whether it is to end.
const LOOK: Duration = Duration::from_millis(100);

/// How an exploration is made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Trials at a time.
    pub jobs: usize,
    /// Times that a finding must come up again.
    pub repetitions: usize,
    /// Whether each trial has a copy of the module.
    pub copy: bool,
    /// By which engine trials are made, as the command line names it.
    pub engine: String,
    /// The seed of chance.
    pub seed: u64,
    /// How long a trial may take; by the test's own time where absent.
    pub patience: Option<Duration>,
    /// Where trials have their folders.
    pub work: PathBuf,
}

/// Makes trials.
#[derive(Debug)]
pub struct Trials<'a> {
    /// How.
    pub settings: &'a Settings,
    /// Whether all are to end.
    pub abandoned: AtomicBool,
    /// What trials covered so far.
    pub coverage: Mutex<Coverage>,
    /// Held by each trial, and by one that runs alone for itself.
    gate: RwLock<()>,
    /// Programs that disturb themselves where they run twice at a time, and the reason; none where it is not that.
    disturbed: Mutex<BTreeMap<String, Option<String>>>,
}

/// What programs say which find a port taken.
const IN_USE: [&str; 2] = ["address already in use", "EADDRINUSE"];

/// A mark that no other process has.
pub fn new_mark() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("{}-{number}", std::process::id())
}

impl<'a> Trials<'a> {
    /// None so far.
    pub fn new(settings: &'a Settings) -> Trials<'a> {
        Trials {
            settings,
            abandoned: AtomicBool::new(false),
            coverage: Mutex::default(),
            gate: RwLock::default(),
            disturbed: Mutex::default(),
        }
    }

    /// Has a subject's trials made one by one from now on: it disturbs itself.
    pub fn set_alone(&self, subject: &Subject, why: String) {
        let mut disturbed = self.disturbed.lock().unwrap_or_else(PoisonError::into_inner);
        disturbed.insert(subject.file(), Some(why));
    }

    /// Why the trials of a subject are made one by one, if they are.
    pub fn why_alone(&self, subject: &Subject) -> Option<String> {
        self.is_disturbed(&subject.file()).flatten()
    }

    fn is_disturbed(&self, program: &str) -> Option<Option<String>> {
        let disturbed = self.disturbed.lock().unwrap_or_else(PoisonError::into_inner);
        disturbed.get(program).cloned()
    }

    /// Whether all are to end.
    pub fn are_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }

    /// What was covered until now was covered without faults.
    pub fn begin_faults(&self) {
        let mut coverage = self.coverage.lock().unwrap_or_else(PoisonError::into_inner);
        coverage.begin_faults();
    }

    /// How much of the code for errors of these subjects was run; none where nothing was covered.
    pub fn error_paths(&self, subjects: &[Subject]) -> Option<super::results::ErrorPaths> {
        let coverage = self.coverage.lock().unwrap_or_else(PoisonError::into_inner);
        coverage.error_paths(&|name| {
            let file = subjects
                .iter()
                .filter_map(|subject| subject.source(name))
                .find(|file| file.is_file())?;
            let text = std::fs::read_to_string(&file).ok()?;
            Some((file.to_string_lossy().into_owned(), text))
        })
    }

    /// Ends those under way, and makes no more.
    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    /// What is to be tried the n-th time, for as long as it takes: a rule file's text, and the file that it is of. The last repetition
    /// is made alone: what comes of others at the same time is no finding.
    pub fn request(
        &self,
        subject: &Subject,
        test: Option<&str>,
        rules: (String, &Path),
        n: usize,
    ) -> Request {
        let (rules, file) = rules;
        Request {
            rules,
            rule_file: file.to_owned(),
            command: subject.command(test),
            dir: subject.dir(),
            env: subject.surroundings.env.clone(),
            engine: self.settings.engine.clone(),
            seed: self.settings.seed,
            patience: PATIENCE,
            most_faults: u64::MAX,
            kept_events: usize::MAX,
            grace: Duration::ZERO,
            error_marks: Vec::new(),
            mark: String::new(),
            alone: self.why_alone(subject).is_some() || (n > 0 && n == self.settings.repetitions),
            covers: subject.covers(),
        }
    }

    /// Makes one. Nothing of it is left behind. One that finds a port taken is made again, alone.
    pub fn make(&self, request: Request) -> io::Result<trial::Outcome> {
        let program = request.command.first().cloned().unwrap_or_default();
        let outcome = self.make_in_turn(request.clone())?;
        if request.alone || self.settings.jobs < 2 || self.is_disturbed(&program) == Some(None) {
            return Ok(outcome);
        }
        let Some(line) = in_use(&outcome, &request) else {
            return Ok(outcome);
        };
        let alone = self.make_in_turn(Request {
            alone: true,
            ..request.clone()
        })?;
        // It may say so whenever it runs.
        let why = in_use(&alone, &request).is_none().then_some(line);
        let mut disturbed = self.disturbed.lock().unwrap_or_else(PoisonError::into_inner);
        disturbed.insert(program, why);
        Ok(alone)
    }

    fn make_in_turn(&self, request: Request) -> io::Result<trial::Outcome> {
        if request.alone {
            let _all = self.gate.write().unwrap_or_else(PoisonError::into_inner);
            return self.make_now(request);
        }
        let _one = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        self.make_now(request)
    }

    fn make_now(&self, mut request: Request) -> io::Result<trial::Outcome> {
        request.mark = new_mark();
        let folder = Folder::new(&self.settings.work)?;
        if self.settings.copy {
            request.dir = folder.copy_of(&request.dir)?;
        }
        if request.covers {
            let profile = format!("-test.coverprofile={}", folder.profile().display());
            request.command.insert(1, profile);
        }
        let mut child = folder.start(&request)?;
        let deadline = Instant::now() + request.patience + SLACK;
        let ended = loop {
            if child.try_wait()?.is_some() {
                break true;
            }
            if self.are_abandoned() || Instant::now() >= deadline {
                child.kill()?;
                child.wait()?;
                break false;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        trial::kill_rest(&request.mark);
        // One that crashed has written none.
        if let (true, Ok(profile)) = (request.covers, std::fs::read_to_string(folder.profile())) {
            let mut coverage = self.coverage.lock().unwrap_or_else(PoisonError::into_inner);
            coverage.add(&profile);
        }
        match ended {
            true => folder.outcome(),
            false => Err(io::Error::new(io::ErrorKind::TimedOut, "the trial did not end")),
        }
    }
}

/// The line in which a program says that a port is taken, if no rule made it say so.
fn in_use(outcome: &trial::Outcome, request: &Request) -> Option<String> {
    let says = |text: &str| IN_USE.iter().any(|words| text.contains(words));
    if says(&request.rules) {
        return None;
    }
    let mut lines = outcome.stdout.lines().chain(outcome.stderr.lines());
    lines.find(|line| says(line)).map(|line| line.trim().to_owned())
}

/// What the loop tells while it runs.
pub trait Watcher {
    /// A fault was tried.
    fn tried(&mut self, outcome: &Outcome, done: usize, all: usize);
}

/// How the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All were tried.
    Complete,
    /// The time was up.
    Budget,
    /// Somebody interrupted it.
    Interrupted,
}

/// Tries all of these that are not among `before`.
pub fn try_all(
    subjects: &[Subject],
    experiments: &[&dyn Experiment],
    trials: &Trials<'_>,
    (store, before): (&mut Store, &BTreeMap<String, Outcome>),
    (signals, deadline): (&mut Signals, Option<Instant>),
    watcher: &mut dyn Watcher,
) -> io::Result<(Vec<Outcome>, End)> {
    let mut outcomes: Vec<Outcome> = Vec::new();
    let (done, open): (Vec<&dyn Experiment>, Vec<&dyn Experiment>) = experiments
        .iter()
        .partition(|experiment| before.contains_key(&experiment.id()));
    outcomes.extend(done.iter().map(|experiment| before[&experiment.id()].clone()));
    let queue = Mutex::new(VecDeque::from(open));
    let jobs = trials.settings.jobs.max(1);
    let mut end = End::Complete;
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..jobs {
            let (sender, queue) = (sender.clone(), &queue);
            scope.spawn(move || work(subjects, trials, queue, &sender));
        }
        drop(sender);
        loop {
            match receiver.recv_timeout(LOOK) {
                Ok(outcome) => {
                    if let Err(error) = store.add(&outcome) {
                        trials.abandon();
                        return Err(error);
                    }
                    outcomes.push(outcome);
                    let last = outcomes.last().expect("just added");
                    watcher.tried(last, outcomes.len(), experiments.len());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            let interrupted = signals
                .received()?
                .iter()
                .any(|signal| !signal.asks_for_standing());
            if interrupted {
                end = End::Interrupted;
                trials.abandon();
            } else if deadline.is_some_and(|deadline| Instant::now() >= deadline) && end == End::Complete {
                end = End::Budget;
                trials.abandon();
            }
        }
    })?;
    // The time may have been up when nothing was left to do.
    if end == End::Budget && outcomes.len() == experiments.len() {
        end = End::Complete;
    }
    Ok((outcomes, end))
}

fn work(
    subjects: &[Subject],
    trials: &Trials<'_>,
    queue: &Mutex<VecDeque<&dyn Experiment>>,
    sender: &Sender<Outcome>,
) {
    loop {
        if trials.are_abandoned() {
            return;
        }
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(experiment) = next else { return };
        let subject = &subjects[experiment.subject()];
        let Some(outcome) = examine(subject, experiment, trials) else {
            return;
        };
        if sender.send(outcome).is_err() {
            return;
        }
    }
}

/// Tries a fault, and what looks like a finding again. None if it was abandoned.
fn examine(subject: &Subject, experiment: &dyn Experiment, trials: &Trials<'_>) -> Option<Outcome> {
    let mut runs = 1;
    let first = experiment.try_once(subject, trials, 0);
    if trials.are_abandoned() {
        return None;
    }
    let mut verdict = match first {
        Tried::Judged(verdict) => verdict,
        Tried::Failed(why) => return Some(experiment.outcome(subject, Class::NotFired, runs, why)),
    };
    if verdict.class.worth() == Worth::Finding {
        for n in 1..=trials.settings.repetitions {
            runs += 1;
            let again = experiment.try_once(subject, trials, n);
            if trials.are_abandoned() {
                return None;
            }
            match again {
                Tried::Judged(again) if again.class == verdict.class => verdict = again,
                // Looked at more closely, it is none.
                Tried::Judged(again) if again.is_certain => {
                    return Some(experiment.outcome(subject, again.class, runs, again.words));
                }
                Tried::Judged(again) => {
                    let words = format!(
                        "{} at first, then {}: {}",
                        verdict.class, again.class, verdict.words
                    );
                    return Some(experiment.outcome(subject, Class::Flaky, runs, words));
                }
                Tried::Failed(why) => return Some(experiment.outcome(subject, Class::Flaky, runs, why)),
            }
        }
        return Some(experiment.finding(subject, verdict, runs));
    }
    Some(experiment.outcome(subject, verdict.class, runs, verdict.words))
}
