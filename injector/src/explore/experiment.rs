//! Faults to be tried.

use std::io;
use std::path::Path;

use super::class::Class;
use super::explorer::Trials;
use super::judge::Verdict;
use super::leak::FINALE_SECONDS;
use super::results::{Finding, Result as Judged};
use super::rule_text;
use super::subject::Subject;
use super::trial::{Outcome, Request, Stopped};

/// A fault to be tried.
pub trait Experiment: Sync {
    /// Its name: the same in every exploration.
    fn id(&self) -> String;

    /// What it is, in words.
    fn words(&self) -> String;

    /// In which subject, by its place in the list.
    fn subject(&self) -> usize;

    /// Tries it. The first time it is judged by what is cheap to see, later more closely.
    fn try_once(&self, subject: &Subject, trials: &Trials<'_>, n: usize) -> Tried;

    /// What came of it, other than a finding.
    fn outcome(&self, subject: &Subject, class: Class, runs: usize, words: String) -> Judged;

    /// What came of it: a finding.
    fn finding(&self, subject: &Subject, verdict: Verdict, runs: usize) -> Judged;

    /// The rule file that repeats a finding, with what is expected of the mended program. It will be in this folder.
    fn rule_file(&self, subject: &Subject, finding: &Finding, folder: &Path) -> String;
}

/// What came of trying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// This.
    Judged(Verdict),
    /// It could not be tried.
    Failed(String),
}

/// Makes a trial. One that did not end in time is made again with the fault alone, the first time: watching takes time, too,
/// and what ends without it does not hang. Tells whether it was watched.
pub(super) fn make(
    trials: &Trials<'_>,
    request: &Request,
    fault_alone: String,
    n: usize,
) -> io::Result<(Outcome, bool)> {
    let outcome = trials.make(request.clone())?;
    if n > 0 || outcome.record.stopped != Some(Stopped::Late) {
        return Ok((outcome, true));
    }
    let alone = trials.make(Request {
        rules: fault_alone,
        ..request.clone()
    })?;
    Ok(match alone.record.stopped {
        None => (alone, false),
        Some(_) => (outcome, true),
    })
}

/// The rules that watch a trial: what functions return, what is opened, and the exit of a test binary, if that can be
/// told from its like; when a finding is looked at again, what is removed, too.
pub(super) fn watching(subject: &Subject, (functions, exit): (&[String], bool), n: usize) -> Vec<String> {
    let mut rules = Vec::new();
    for (number, function) in functions.iter().enumerate() {
        if let Some(answer) = subject.program.answer(function) {
            rules.push(rule_text::trail(number, function, &answer));
        }
    }
    if subject.is_test() {
        if exit {
            rules.extend(rule_text::finale(&subject.file_name(), FINALE_SECONDS));
        }
        rules.push(rule_text::opens());
        if n > 0 {
            rules.push(rule_text::removes());
        }
    }
    rules
}
