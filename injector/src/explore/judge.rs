//! Judges what came of a fault.

use super::class::Class;
use super::code::Side;
use super::point::{Place, Point, Reach};
use super::program::Program;
use super::results::Lost;
use super::rule_text::Mode;
use super::traceback::{self, Goroutine, goroutines};
use super::trail::{self, Fate};
use super::trial::{Outcome, Stopped};
use crate::event::line::{Fired, Frame, OutcomeName};
use crate::event::seen::Seen;

/// More firings than a caller makes who means to stop.
const MANY: u64 = 20;
/// Retries with less than this between them do not wait.
const NO_PAUSE_NS: u64 = 500_000;
/// What `fmt.Errorf` makes of a `%w` whose error is nil or none.
const WRAPS_NOTHING: &str = "%!w(";
/// What is said of a test that waits for itself.
const WAITS_FOR_ITSELF: &str =
    "does not end: the test gave up, and its clean-up waits for what the test had begun";
/// A hang is a retry if a fault fired in this last part of the time.
const RECENTLY: f64 = 0.75;

/// What is known of a trial.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The program that failed.
    pub program: &'a Program,
    /// The rule that injects the fault.
    pub rule: &'a str,
    /// Where it is to be; none: wherever the rule fires.
    pub point: Option<&'a Point>,
    /// What is in the text of the error, so that it is found in the output. None: the fault is no error.
    pub marks: &'a [String],
    /// How often.
    pub mode: Mode,
    /// What came of it.
    pub outcome: &'a Outcome,
    /// How often the call is made without a fault.
    pub reach: &'a Reach,
    /// Standard output without a fault, where that is always the same.
    pub plain_output: Option<&'a str>,
    /// Whether the program is a test binary.
    pub is_test: bool,
    /// Whether the caller writes to what it closes, as far as the plain run showed.
    pub caller_writes: bool,
}

/// What an outcome is, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What.
    pub class: Class,
    /// Where: where it panicked, waits, or where the error became nil.
    pub frame: Option<Place>,
    /// How the error was lost there, in a function that could have returned it.
    pub lost: Option<Lost>,
    /// In words.
    pub words: String,
    /// Looked at closely: that it differs from an earlier one is not by chance.
    pub is_certain: bool,
}

impl Verdict {
    /// One that names no loss, and may be by chance.
    pub(super) fn new(class: Class, frame: Option<Place>, words: impl Into<String>) -> Verdict {
        Verdict {
            class,
            frame,
            lost: None,
            words: words.into(),
            is_certain: false,
        }
    }
}

impl Evidence<'_> {
    /// The verdict.
    pub fn judge(&self) -> Verdict {
        let record = &self.outcome.record;
        if let Some(failure) = &record.failure {
            return Verdict::new(Class::NotFired, None, failure);
        }
        let Some(fault) = self.fault() else {
            return Verdict::new(Class::NotFired, None, self.why_not());
        };
        if record.stopped.is_some() {
            return self.endless(fault);
        }
        if let Some(verdict) = self.died() {
            return verdict;
        }
        let mut verdict = match record.status {
            Some(0) => self.passed(fault),
            _ => self.failed(fault),
        };
        let is_lost = matches!(verdict.class, Class::Swallowed | Class::Corrupt) && verdict.lost.is_none();
        if is_lost && let Some(words) = self.kept(fault) {
            let class = match record.status {
                Some(0) => Class::Recovered,
                _ => Class::Reported,
            };
            return Verdict {
                is_certain: true,
                ..Verdict::new(class, None, words)
            };
        }
        if is_lost && matches!(self.fate(fault), Fate::BecameNil(_)) {
            verdict.lost = Some(Lost::BecameNil);
        }
        verdict
    }

    /// The first call that failed.
    fn fault(&self) -> Option<&Fired> {
        self.outcome.record.fired.iter().find(|fired| {
            let is_there = |point: &Point| {
                let found = Point::of(
                    &point.function,
                    &fired.stack,
                    &self.program.code,
                    &|name, callee| self.program.may_pass_on(name, callee),
                );
                found.as_ref() == Some(point)
            };
            fired.rule == self.rule
                && fired.outcome == OutcomeName::Applied
                && self.point.is_none_or(is_there)
        })
    }

    fn why_not(&self) -> String {
        let failed = self
            .outcome
            .record
            .fired
            .iter()
            .find(|fired| fired.outcome == OutcomeName::Failed);
        let elsewhere = self.outcome.record.firings.contains_key(self.rule);
        match failed {
            Some(fired) => fired.reason.clone().unwrap_or_default(),
            None if elsewhere => "calls came in another order, and another one was hit".to_owned(),
            None => "the call was not made".to_owned(),
        }
    }

    /// Whether the program told of the error.
    fn is_told(&self) -> bool {
        let output = self.output();
        self.marks.iter().any(|mark| output.contains(mark.as_str()))
    }

    /// All that the program wrote.
    fn output(&self) -> String {
        format!("{}\n{}", self.outcome.stdout, self.outcome.stderr)
    }

    fn own(&self, frames: &[Frame]) -> Option<Place> {
        frames
            .iter()
            .find(|frame| self.program.code.side_of(frame) == Side::Own)
            .map(Place::from)
    }

    /// It did not end by itself.
    fn endless(&self, fault: &Fired) -> Verdict {
        let record = &self.outcome.record;
        let firings = record.firings.get(self.rule).copied().unwrap_or_default();
        let stack = self.own(fault.stack.get(1..).unwrap_or_default());
        let last = firings.last_ns as f64 / record.elapsed.as_nanos().max(1) as f64;
        let runaway = record.stopped == Some(Stopped::Runaway);
        if firings.count >= MANY && (runaway || last > RECENTLY) {
            let between = (firings.last_ns - firings.first_ns) / (firings.count - 1);
            let words = format!(
                "failed {} times, {} apart, and would have gone on",
                firings.count,
                goinject_rules::units::format_duration(std::time::Duration::from_nanos(between))
            );
            let class = if between < NO_PAUSE_NS {
                Class::HotRetry
            } else {
                Class::UnboundedRetry
            };
            return Verdict::new(class, stack, words);
        }
        let all = self.outcome.dump.as_deref().map(goroutines).unwrap_or_default();
        let culprit = all
            .iter()
            .find(|goroutine| Some(goroutine.id) == fault.goroutine)
            .filter(|goroutine| self.own(&goroutine.frames).is_some())
            .or_else(|| all.iter().find(|goroutine| self.own(&goroutine.frames).is_some()));
        if culprit.is_none() && !all.is_empty() {
            let words = "does not end: the test itself waits, and nothing of the program does";
            return Verdict::new(Class::Reported, None, words);
        }
        if culprit.is_some_and(|goroutine| self.waits_for_the_tests_own(goroutine, &all)) {
            return Verdict::new(Class::Reported, None, WAITS_FOR_ITSELF);
        }
        let place = culprit.and_then(|goroutine| self.own(&goroutine.frames));
        let state = culprit.map_or("somewhere", |goroutine| goroutine.state.as_str());
        let id = culprit.map_or(0, |goroutine| goroutine.id);
        let got = if Some(id) == fault.goroutine {
            ", which got the error,"
        } else {
            ""
        };
        let words = match &place {
            Some(place) => format!("goroutine {id}{got} waits in {} ({state})", place.function),
            None => "does not end, and prints no goroutines".to_owned(),
        };
        let alive: Vec<&Goroutine> = all
            .iter()
            .filter(|goroutine| !is_of_framework(goroutine))
            .collect();
        let class = match !alive.is_empty() && alive.iter().all(|goroutine| is_blocked(goroutine)) {
            true => Class::Deadlock,
            false => Class::Hang,
        };
        Verdict::new(class, place.or(stack), words)
    }

    /// Whether a goroutine is that of a test which gave up, and others are still at work that it had begun: a lock that the
    /// fault left locked has nobody at work behind it.
    fn waits_for_the_tests_own(&self, goroutine: &Goroutine, all: &[Goroutine]) -> bool {
        let gave_up = |frame: &Frame| frame.function == "runtime.Goexit";
        goroutine.frames.iter().any(gave_up)
            && all
                .iter()
                .any(|other| other.id != goroutine.id && self.own(&other.frames).is_some())
    }

    /// It died, rather than failing.
    fn died(&self) -> Option<Verdict> {
        let output = self.output();
        let all = goroutines(&output);
        if let Some(signal) = &self.outcome.record.signal {
            let words = format!("killed by {signal}");
            return Some(Verdict::new(Class::Crash, None, words));
        }
        let fatal = output.lines().find_map(|line| line.strip_prefix("fatal error: "));
        if let Some(why) = fatal {
            if all
                .iter()
                .any(|goroutine| self.waits_for_the_tests_own(goroutine, &all))
            {
                return Some(Verdict::new(Class::Reported, None, WAITS_FOR_ITSELF));
            }
            let class = match why.starts_with("all goroutines are asleep") {
                true => Class::Deadlock,
                false => Class::Crash,
            };
            let place = all.iter().find_map(|goroutine| self.own(&goroutine.frames));
            return Some(Verdict::new(class, place, format!("fatal error: {why}")));
        }
        let (message, frames) = traceback::panic(&output)?;
        let own = frames
            .iter()
            .find(|frame| self.program.code.side_of(frame) != Side::Foreign);
        let is_of_test = own.is_none_or(|frame| self.program.code.side_of(frame) == Side::Test);
        let own = own.map(Place::from);
        // One that panics with the error tells of it, as far as a library can know.
        let has_error = self.marks.iter().any(|mark| message.contains(mark.as_str()));
        let means_to = has_error || own.as_ref().is_some_and(|place| is_must(&place.function));
        Some(match is_of_test || means_to {
            true => Verdict::new(Class::Reported, own, format!("panic: {message}")),
            false => Verdict::new(Class::Panic, own, format!("panic: {message}")),
        })
    }

    fn fate(&self, fault: &Fired) -> Fate {
        trail::follow(self.program, fault, &self.outcome.record.fired, self.marks)
    }

    /// Where an error that seemed to be lost came out again.
    fn kept(&self, fault: &Fired) -> Option<String> {
        let record = &self.outcome.record;
        if let Some(file) = &record.told_in {
            return Some(format!("the error is in the file {}", file.display()));
        }
        let function = trail::returned_later(self.program, fault, &record.fired, self.marks)?;
        Some(format!("the error was kept, and {function} returned it later"))
    }

    fn failed(&self, fault: &Fired) -> Verdict {
        let status = self.outcome.record.status.unwrap_or_default();
        if self.marks.is_empty() {
            return Verdict::new(Class::Reported, None, format!("exit status {status}"));
        }
        if self.is_told() {
            return Verdict::new(
                Class::Reported,
                None,
                format!("exit status {status}, with the error"),
            );
        }
        if self.output().contains(WRAPS_NOTHING) {
            let words = format!("exit status {status}, with an error that wraps nothing: {WRAPS_NOTHING}…");
            let caller = self.own(fault.stack.get(1..).unwrap_or_default());
            return Verdict {
                lost: Some(Lost::WrapsNothing),
                ..Verdict::new(Class::Corrupt, caller, words)
            };
        }
        let fate = self.fate(fault);
        match &fate {
            Fate::ReachedTest(place) => Verdict::new(
                Class::Reported,
                Some(place.clone()),
                format!("exit status {status}: the error came to the test"),
            ),
            Fate::Unknown => Verdict::new(
                Class::Reported,
                None,
                format!("exit status {status}, without the error's text; where it went is not known"),
            ),
            _ if self.only_asked(fault) => Verdict::new(
                Class::Reported,
                None,
                format!("exit status {status}: what was asked for counts as absent"),
            ),
            Fate::Dropped(place) if !self.is_test && place.function == "main.main" => Verdict::new(
                Class::Reported,
                Some(place.clone()),
                format!("exit status {status}: the error came to main"),
            ),
            Fate::SaidNo(place) => Verdict::new(
                Class::Reported,
                Some(place.clone()),
                format!(
                    "exit status {status}: {} said that it did not work",
                    place.function
                ),
            ),
            fate => Verdict::new(
                Class::Corrupt,
                fate.place().cloned().or_else(|| self.own(&fault.stack)),
                format!(
                    "exit status {status}, and the error is nowhere in the output{}",
                    lost(fate)
                ),
            ),
        }
    }

    fn passed(&self, fault: &Fired) -> Verdict {
        if self.is_told() {
            return Verdict::new(Class::Recovered, None, "passes, and the error is in the output");
        }
        if self.mode == Mode::Once && self.calls() > self.reach.calls {
            return Verdict::new(Class::Recovered, None, "passes: the call was made again");
        }
        if fault.function.starts_with("fmt.Fprint") {
            return Verdict::new(Class::Recovered, None, "passes: something was not printed");
        }
        if let Some(plain) = self.plain_output
            && plain != self.outcome.stdout
        {
            let fate = self.fate(fault);
            return Verdict::new(
                Class::Corrupt,
                fate.place().cloned().or_else(|| self.own(&fault.stack)),
                format!(
                    "exit status 0 with other output, and the error is nowhere in it{}",
                    lost(&fate)
                ),
            );
        }
        if self.marks.is_empty() {
            return Verdict::new(Class::Recovered, None, "passes");
        }
        if let Some(why) = self.is_nothing(fault) {
            return Verdict::new(Class::Recovered, None, why);
        }
        match self.fate(fault) {
            Fate::ReachedTest(place) => Verdict::new(
                Class::Unasserted,
                Some(place),
                "passes, though the error came to the test",
            ),
            Fate::BecameNil(place) => {
                let words = format!("passes: the error became nil in {}", place.function);
                Verdict::new(Class::Swallowed, Some(place), words)
            }
            Fate::SaidNo(place) => Verdict::new(
                Class::Recovered,
                None,
                format!("passes: {} said that it did not work", place.function),
            ),
            Fate::Dropped(place) => {
                let words = format!(
                    "passes: the error ended in {}, which returns none",
                    place.function
                );
                Verdict::new(Class::Swallowed, Some(place), words)
            }
            Fate::Unknown => Verdict::new(
                Class::Recovered,
                None,
                "passes; where the error went is not known",
            ),
        }
    }

    /// Calls that matched the fault's rule.
    fn calls(&self) -> u64 {
        let rules = &self.outcome.record.rules;
        let rule = rules.iter().find(|rule| rule.rule == self.rule);
        rule.map_or(0, |rule| rule.matched)
    }

    /// Whether a function that asks whether something is there, by its name, looked for that.
    fn only_asked(&self, fault: &Fired) -> bool {
        let caller = self.own(fault.stack.get(1..).unwrap_or_default());
        asks_for(&fault.function) && caller.is_some_and(|caller| asks(&caller.function))
    }

    /// Why an error that is ignored does no harm, if that is so.
    fn is_nothing(&self, fault: &Fired) -> Option<&'static str> {
        let function = fault.function.as_str();
        let method = function.rsplit('.').next().unwrap_or(function);
        if matches!(function, "os.Remove" | "os.RemoveAll") {
            return Some("passes: something was not cleaned up");
        }
        if method.eq_ignore_ascii_case("rollback") {
            return Some("passes: what was not committed could not be taken back");
        }
        if self.only_asked(fault) {
            return Some("passes: what was asked for counts as absent");
        }
        let before = fault.values.first().and_then(|value| value.before.as_ref());
        if before.is_some_and(|before| *before != Seen::Nil) {
            return Some("passes: the call had failed by itself");
        }
        if method.eq_ignore_ascii_case("close") && !self.caller_writes {
            return Some("passes: what was closed had only been read");
        }
        if function.starts_with("os/user.") {
            return Some("passes without the name of a user or group");
        }
        if method.starts_with("Set") && method.ends_with("Deadline") {
            return Some("passes without a deadline");
        }
        None
    }
}

fn lost(fate: &Fate) -> String {
    match fate {
        Fate::BecameNil(place) => format!("; it became nil in {}", place.function),
        Fate::Dropped(place) => format!("; it ended in {}", place.function),
        _ => String::new(),
    }
}

/// Whether a function looks whether something is there.
fn asks_for(function: &str) -> bool {
    let method = function.rsplit('.').next().unwrap_or(function);
    [
        "stat",
        "lstat",
        "exists",
        "direxists",
        "isdir",
        "access",
        "lookpath",
    ]
    .iter()
    .any(|word| method.eq_ignore_ascii_case(word))
}

/// Whether a function's name asks whether something is so.
fn asks(function: &str) -> bool {
    let last = function
        .rsplit('.')
        .next()
        .unwrap_or(function)
        .to_ascii_lowercase();
    ["exist", "is", "has", "can", "find", "search", "look"]
        .iter()
        .any(|word| last.starts_with(word))
        || last.ends_with("exists")
}

fn is_must(function: &str) -> bool {
    let last = function.rsplit('.').next().unwrap_or(function);
    last.starts_with("Must") || last.starts_with("must")
}

/// Whether a goroutine waits for another one.
fn is_blocked(goroutine: &Goroutine) -> bool {
    let state = goroutine.state.as_str();
    state.starts_with("sync.")
        || state.starts_with("chan ")
        || matches!(state, "semacquire" | "select" | "select (no cases)")
}

/// Whether a goroutine belongs to the test framework or the runtime alone.
fn is_of_framework(goroutine: &Goroutine) -> bool {
    goroutine.frames.iter().all(|frame| {
        let package = crate::go::Function::package_of(&frame.function);
        ["testing", "runtime", "os/signal", "main", "flag", "os"].contains(&package)
            && (package != "main" || frame.file.ends_with("_testmain.go"))
    })
}
