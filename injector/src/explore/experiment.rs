//! A fault at a point, to be tried.

use std::time::Duration;

use super::class::Class;
use super::errors::MARK;
use super::explorer::Trials;
use super::judge::{Evidence, Verdict, left_files, left_goroutines};
use super::point::{Place, Point, Reach};
use super::results::{Finding, Result as Outcome};
use super::rule_text::{self, FAULT, Failing, Fault, Mode};
use super::subject::{How, Subject};
use super::trail;
use super::trial::{self, Request};
use crate::event::seen::{Content, Seen};

/// Firings after which a trial is ended.
const MOST_FAULTS: u64 = 1000;
/// Events of each rule that are kept.
const KEPT_EVENTS: usize = 64;
/// How long goroutines have to end at exit: the first time, and when it matters.
const GRACE: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(500)];
/// How long a test binary waits to be looked at where it exits.
const FINALE_SECONDS: u64 = 5;
/// Functions whose returns are watched when an error seems to have been swallowed.
const WATCHED: usize = 200;

/// A fault to be tried.
#[derive(Clone, Debug)]
pub struct Experiment {
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
    /// In words.
    pub words: String,
    /// Looked at closely: another verdict than the first one is not by chance.
    pub is_certain: bool,
}

impl Judged {
    fn new(verdict: Verdict) -> Judged {
        Judged {
            class: verdict.class,
            frame: verdict.frame,
            words: verdict.words,
            is_certain: false,
        }
    }
}

impl Experiment {
    /// Its name: the same in every exploration.
    pub fn id(&self) -> String {
        format!("{}-{}-{}", self.point.id(), self.number, self.mode)
    }

    /// What came of it, other than a finding.
    pub fn outcome(&self, subject: &Subject, class: Class, runs: usize, words: String) -> Outcome {
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
            finding: None,
        }
    }

    /// What came of it: a finding.
    pub fn finding(&self, subject: &Subject, verdict: Judged, runs: usize) -> Outcome {
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
                class: verdict.class,
                mode: self.mode,
                function: self.point.function.clone(),
                error: self.failing.error.clone(),
                stack: self.point.stack.clone(),
                frame: verdict.frame,
                words: verdict.words,
                test: self.test.clone(),
                subject: subject.name.clone(),
                rule: std::path::PathBuf::new(),
                others: 0,
                known: false,
            }),
            ..self.outcome(subject, verdict.class, runs, words)
        }
    }

    /// Tries it. The first time it is judged by what is cheap to see, later more closely.
    pub fn try_once(&self, subject: &Subject, trials: &Trials<'_>, n: usize) -> Tried {
        let mut request = self.request(subject, trials, n);
        let callers = self.point.callers();
        let fault = Fault {
            failing: &self.failing,
            callers: &callers,
            test: None,
            nth: self.reach.nth,
            mode: self.mode,
        };
        let mut rules = vec![rule_text::fault(&fault, "{fired: \">=0\", failed: \">=0\"}")];
        let mut followed = trail::functions(&subject.program, &self.reach.stack);
        if n > 0 {
            let own = subject.program.candidates(super::program::Scope::Own);
            followed.extend(own.into_iter().take(WATCHED));
            followed.sort();
            followed.dedup();
        }
        for (number, function) in followed.iter().enumerate() {
            if let Some(result) = subject.program.error_result(function) {
                rules.push(rule_text::trail(number, function, &result));
            }
        }
        if subject.is_test() {
            rules.extend(rule_text::finale(FINALE_SECONDS));
        }
        let fitting = subject.program.fitting(&rules);
        request.rules = rule_text::head() + &fitting.concat();
        let outcome = match trials.make(request.clone()) {
            Ok(outcome) => outcome,
            Err(error) => return Tried::Failed(error.to_string()),
        };
        let evidence = Evidence {
            program: &subject.program,
            point: &self.point,
            mode: self.mode,
            outcome: &outcome,
            reach: &self.reach,
            plain_output: self.plain_output.as_deref(),
            is_test: subject.is_test(),
            caller_writes: self.caller_writes,
        };
        let mut judged = Judged::new(evidence.judge());
        if judged.class == Class::Swallowed
            && n > 0
            && let Some(function) = self.returned_later(&outcome)
        {
            judged = Judged {
                class: Class::Recovered,
                frame: None,
                words: format!("passes: the error was kept, and {function} returned it later"),
                is_certain: true,
            };
        }
        if may_leak(judged.class)
            && let Some(leak) = self.leak(subject, trials, &outcome, (&request, n))
        {
            judged = leak;
        }
        Tried::Judged(judged)
    }

    fn request(&self, subject: &Subject, trials: &Trials<'_>, n: usize) -> Request {
        Request {
            rules: String::new(),
            command: subject.command(self.test.as_deref()),
            dir: subject.dir(),
            engine: trials.settings.engine.clone(),
            seed: trials.settings.seed,
            patience: trials.settings.patience.unwrap_or(self.patience),
            most_faults: MOST_FAULTS,
            kept_events: KEPT_EVENTS,
            grace: GRACE[n.min(1)],
            mark: String::new(),
        }
    }

    /// The function that returned the error after it seemed to be gone.
    fn returned_later(&self, outcome: &trial::Outcome) -> Option<String> {
        let events = &outcome.record.fired;
        let fault = events.iter().find(|event| event.rule == FAULT)?;
        let address = |seen: &Seen| match seen {
            Seen::Interface {
                content: Content::Address(address),
                ..
            } => Some(*address),
            _ => None,
        };
        let injected = fault.values.iter().find_map(|value| address(&value.after));
        let later = events
            .iter()
            .filter(|event| event.rule.starts_with(rule_text::TRAIL) && event.time_ns > fault.time_ns);
        let ended = events
            .iter()
            .filter(|event| event.rule.starts_with(rule_text::TRAIL) && event.time_ns > fault.time_ns)
            .find(|event| {
                matches!(
                    event.values.first().and_then(|value| value.before.as_ref()),
                    Some(Seen::Nil)
                )
            })?
            .time_ns;
        for event in later.filter(|event| event.time_ns > ended) {
            let Some(before) = event.values.first().and_then(|value| value.before.as_ref()) else {
                continue;
            };
            let same = injected.is_some() && address(before) == injected;
            let told = matches!(before, Seen::Interface { content: Content::Message(text), .. } if format!("{text:?}").contains(MARK));
            let wrapped =
                matches!(before, Seen::Interface { type_name: Some(name), .. } if name == "*fmt.wrapError");
            if same || told || wrapped {
                return Some(event.function.clone());
            }
        }
        None
    }

    /// What is left at exit that is not left without the fault.
    fn leak(
        &self,
        subject: &Subject,
        trials: &Trials<'_>,
        outcome: &trial::Outcome,
        (request, n): (&Request, usize),
    ) -> Option<Judged> {
        outcome.record.leftovers.as_ref()?;
        let goroutines = left_goroutines(outcome, &subject.program);
        let files = left_files(outcome);
        // What the functions on the stack started: a test that gives up leaves other things, too.
        let started = |place: &Place| {
            let creator = enclosing(&place.function);
            self.reach
                .stack
                .iter()
                .any(|frame| enclosing(&frame.function) == creator)
        };
        let suspicious = goroutines.keys().any(started) || self.caller_opens;
        if !suspicious {
            return None;
        }
        let mut plain = request.clone();
        plain.rules = rule_text::head() + &rule_text::finale(FINALE_SECONDS).concat();
        plain.grace = GRACE[n.min(1)];
        let plain = trials.make(plain).ok()?;
        plain.record.leftovers.as_ref()?;
        let before = left_goroutines(&plain, &subject.program);
        let left = goroutines.iter().find(|(place, count)| {
            started(place) && **count > before.get(*place).copied().unwrap_or_default()
        });
        if let Some((place, _)) = left {
            return Some(Judged {
                class: Class::Leak,
                frame: Some(place.clone()),
                words: format!("a goroutine that {} started is left", place.function),
                is_certain: false,
            });
        }
        let before = left_files(&plain);
        let left = files
            .iter()
            .find(|(file, count)| **count > before.get(*file).copied().unwrap_or_default());
        let (file, _) = left.filter(|_| self.caller_opens)?;
        Some(Judged {
            class: Class::Leak,
            frame: self.point.stack.first().cloned(),
            words: format!("a file is left open: {file}"),
            is_certain: false,
        })
    }

    /// The rule file that repeats a finding, with what is expected of the mended program.
    pub fn rule_file(&self, subject: &Subject, finding: &Finding) -> String {
        let callers = self.point.callers();
        let timeout = trials_timeout(self.patience);
        let (command, note) = match &subject.how {
            How::Tests(tests) => (tests.go_test(self.test.as_deref(), timeout), ""),
            How::Command(command) => (command.clone(), ""),
        };
        let mut fired = ">=1".to_owned();
        let mut expect = "{exit: any}".to_owned();
        let mut watch = String::new();
        match finding.class {
            Class::Panic | Class::Hang | Class::Deadlock => expect = "{exit: any, panics: 0}".to_owned(),
            Class::UnboundedRetry | Class::HotRetry => fired = "1..100".to_owned(),
            Class::Swallowed | Class::Corrupt => {
                let place = finding.frame.as_ref();
                let result = place.and_then(|place| subject.program.error_result(&place.function));
                match (place, result) {
                    (Some(place), Some(result)) => watch = reports(&place.function, &result),
                    _ => expect = "{exit: 1}".to_owned(),
                }
            }
            _ => {}
        }
        let fault = Fault {
            failing: &self.failing,
            callers: &callers,
            test: None,
            nth: self.reach.nth,
            mode: self.mode,
        };
        let dir = std::env::current_dir().unwrap_or_default();
        let title = format!(
            "{}: {} fails in {}",
            finding.class,
            self.point.function,
            callers.first().map_or("", |name| name)
        );
        format!(
            "# {title}\n# {}\n# It passes once the program is mended.{note}\nversion: 1\nname: {}\ntarget:\n  command: {}\n  dir: {}\nexpect: {expect}\nrules:\n{}{watch}",
            finding.words,
            rule_text::quoted(&title),
            rule_text::list(&command),
            rule_text::quoted(&dir.to_string_lossy()),
            rule_text::fault(&fault, &format!("{{fired: \"{fired}\"}}")),
        )
    }
}

/// How long `go test` waits in a rule file.
fn trials_timeout(patience: Duration) -> Duration {
    patience.max(Duration::from_secs(5))
}

/// The rule that a function is to report an error.
fn reports(function: &str, result: &str) -> String {
    format!(
        "  - name: reported\n    function: {}\n    if: {result} != null\n    mode: observe\n    inject: {{set: {{{}: null}}}}\n    expect: {{fired: \">=1\"}}\n",
        rule_text::quoted(function),
        rule_text::quoted(result)
    )
}

/// The function around a literal.
fn enclosing(name: &str) -> &str {
    let mut name = name;
    while trail::is_closure(name) {
        name = name.rsplit_once('.').map_or(name, |(around, _)| around);
    }
    name
}

/// Whether a leak is worth more than this.
fn may_leak(class: Class) -> bool {
    matches!(
        class,
        Class::Reported | Class::Recovered | Class::Unasserted | Class::Swallowed
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_belong_to_the_function_around_them() {
        assert_eq!(enclosing("shop.Start.func1"), "shop.Start");
        assert_eq!(enclosing("shop.(*S).Start.func1.2"), "shop.(*S).Start");
        assert_eq!(enclosing("shop.Start.gowrap1"), "shop.Start");
        assert_eq!(enclosing("shop.Start"), "shop.Start");
    }
}
