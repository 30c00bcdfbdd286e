//! A fault at a point.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::class::Class;
use super::errors::MARK;
use super::experiment::{Experiment, Tried, make, watching};
use super::explorer::Trials;
use super::judge::{Evidence, Verdict};
use super::leak::{self, GRACE};
use super::point::{Point, Reach};
use super::replay::{self, Injected};
use super::results::{Finding, Result as Outcome};
use super::rule_text::{self, FAULT, Failing, Fault, Mode};
use super::subject::Subject;
use super::trail;
use super::trial::Request;

/// Firings after which a trial is ended.
pub(super) const MOST_FAULTS: u64 = 1000;
/// Events of each rule that are kept.
pub(super) const KEPT_EVENTS: usize = 64;
/// Functions whose returns are watched when an error seems to have been swallowed.
const WATCHED: usize = 200;

/// A fault at a point.
#[derive(Clone, Debug)]
pub struct AtPoint {
    /// In which subject.
    pub subject: usize,
    /// Where.
    pub point: Point,
    /// Tells points apart whose functions are the same, by their lines' order.
    pub number: usize,
    /// How often.
    pub mode: Mode,
    /// In which test.
    pub test: Option<String>,
    /// How that comes to the point.
    pub reach: Reach,
    /// How the call fails.
    pub failing: Failing,
    /// How long a trial may take.
    pub patience: Duration,
    /// Standard output without a fault, where that is always the same.
    pub plain_output: Option<String>,
    /// Whether the caller writes to what it closes.
    pub caller_writes: bool,
    /// Functions that create files or connections are among those that the user's frames call.
    pub caller_opens: bool,
}

impl Experiment for AtPoint {
    fn id(&self) -> String {
        format!("{}-{}-{}", self.point.id(), self.number, self.mode)
    }

    fn words(&self) -> String {
        let place = self.point.stack.first();
        let place = place.map_or_else(String::new, |place| {
            format!("{} ({}:{})", place.function, place.file, place.line)
        });
        let test = self.test.as_deref().unwrap_or("-");
        format!(
            "{} {} in {place} by {test}: {}",
            self.mode, self.point.function, self.failing.error
        )
    }

    fn subject(&self) -> usize {
        self.subject
    }

    fn outcome(&self, subject: &Subject, class: Class, runs: usize, words: String) -> Outcome {
        Outcome {
            fault: self.id(),
            function: self.point.function.clone(),
            caller: self.point.stack.first().cloned(),
            mode: self.mode,
            test: self.test.clone(),
            subject: subject.name.clone(),
            class,
            runs,
            words,
            finding_id: None,
            finding: None,
        }
    }

    fn finding(&self, subject: &Subject, verdict: Verdict, runs: usize) -> Outcome {
        let id = Finding::make_id(
            verdict.class,
            &self.point.function,
            &self.point.stack,
            verdict.frame.as_ref(),
        );
        let words = verdict.words.clone();
        Outcome {
            finding: Some(Finding {
                id,
                fault: self.id(),
                class: verdict.class,
                mode: self.mode,
                function: self.point.function.clone(),
                error: self.failing.error.clone(),
                stack: self.point.stack.clone(),
                frame: verdict.frame,
                lost: verdict.lost,
                words: verdict.words,
                test: self.test.clone(),
                subject: subject.name.clone(),
                rule: PathBuf::new(),
                others: 0,
                also: Vec::new(),
                known: false,
            }),
            ..self.outcome(subject, verdict.class, runs, words)
        }
    }

    fn try_once(&self, subject: &Subject, trials: &Trials<'_>, n: usize) -> Tried {
        let callers = self.point.callers();
        let fault = self.fault(&callers);
        let mut followed = trail::functions(&subject.program, &self.reach.stack);
        if n > 0 {
            followed.extend(subject.program.own().iter().take(WATCHED).cloned());
            followed.sort();
            followed.dedup();
        }
        let mut rules = vec![rule_text::fault(&fault, "{fired: \">=0\", failed: \">=0\"}")];
        rules.extend(watching(subject, (&followed, true), n));
        let fitting = subject.program.fitting(&rules);
        let fault_alone = rule_text::head() + &rules[0];
        let text = rule_text::head() + &fitting.concat();
        let test = self.test.as_deref();
        let request = Request {
            patience: trials.settings.patience.unwrap_or(self.patience),
            most_faults: MOST_FAULTS,
            kept_events: KEPT_EVENTS,
            grace: GRACE[n.min(1)],
            error_marks: vec![MARK.to_owned()],
            ..trials.request(subject, test, (text, Path::new(rule_text::FILE)), n)
        };
        let (outcome, is_watched) = match make(trials, &request, fault_alone, n) {
            Ok(made) => made,
            Err(error) => return Tried::Failed(error.to_string()),
        };
        let evidence = Evidence {
            program: &subject.program,
            rule: FAULT,
            point: Some(&self.point),
            marks: &request.error_marks,
            error: &self.failing.error,
            mode: self.mode,
            outcome: &outcome,
            reach: &self.reach,
            plain_output: self.plain_output.as_deref(),
            is_test: subject.is_test(),
            caller_writes: self.caller_writes,
            is_watched,
        };
        Tried::Judged(leak::judge(
            &evidence,
            subject,
            trials,
            (&request, n),
            self.caller_opens,
        ))
    }

    fn rule_file(&self, subject: &Subject, finding: &Finding, folder: &Path) -> String {
        let callers = self.point.callers();
        let fault = self.fault(&callers);
        let injected = Injected::AtPoint(&fault);
        let test = finding.test.as_deref();
        replay::rule_file(subject, finding, (&injected, test), (self.patience, folder))
    }
}

impl AtPoint {
    fn fault<'a>(&'a self, callers: &'a [String]) -> Fault<'a> {
        Fault {
            failing: &self.failing,
            callers,
            test: None,
            nth: self.reach.nth,
            mode: self.mode,
        }
    }
}
