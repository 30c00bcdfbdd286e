//! Faults to be tried.

use super::class::Class;
use super::explorer::Trials;
use super::judge::Verdict;
use super::point::Place;
use super::results::{Finding, Lost, Result as Outcome};
use super::subject::Subject;

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
    fn outcome(&self, subject: &Subject, class: Class, runs: usize, words: String) -> Outcome;

    /// What came of it: a finding.
    fn finding(&self, subject: &Subject, verdict: Judged, runs: usize) -> Outcome;

    /// The rule file that repeats a finding, with what is expected of the mended program.
    fn rule_file(&self, subject: &Subject, finding: &Finding) -> String;
}

/// What came of trying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// This.
    Judged(Judged),
    /// It could not be tried.
    Failed(String),
}

/// A verdict, and how sure it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What it is.
    pub class: Class,
    /// Where.
    pub frame: Option<Place>,
    /// How the error was lost there.
    pub lost: Option<Lost>,
    /// In words.
    pub words: String,
    /// Looked at closely: another verdict than the first one is not by chance.
    pub is_certain: bool,
}

impl Judged {
    /// A verdict as it came.
    pub fn new(verdict: Verdict) -> Judged {
        Judged {
            class: verdict.class,
            frame: verdict.frame,
            lost: verdict.lost,
            words: verdict.words,
            is_certain: false,
        }
    }
}
