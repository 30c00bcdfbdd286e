//! Judges trials whose program did not come to its end: it hangs, tries again for ever, or died.

use super::class::Class;
use super::code::Side;
use super::intent;
use super::judge::{Evidence, Verdict};
use super::meant::Passage;
use super::point::Place;
use super::traceback::{self, Goroutine, goroutines};
use super::trail::Fate;
use super::trial::Stopped;
use crate::event::line::{Fired, Frame};

/// More firings than a caller makes who means to stop.
const MANY: u64 = 20;
/// Retries with less than this between them do not wait.
const NO_PAUSE_NS: u64 = 500_000;
/// What is said of a test that waits for itself.
const WAITS_FOR_ITSELF: &str =
    "does not end: the test gave up, and its clean-up waits for what the test had begun";
/// What is said where only tests wait.
const WAITS_FOR_A_TEST: &str = "does not end: the test itself waits, and nothing of the program does";
/// A hang is a retry if a fault fired in this last part of the time.
const RECENTLY: f64 = 0.75;

/// How panics begin that nobody wrote: those of the runtime and of `sync`.
const NOT_MEANT: [&str; 5] = [
    "runtime error: ",
    "close of ",
    "send on closed channel",
    "assignment to entry in nil map",
    "sync: ",
];

impl Evidence<'_> {
    /// It did not end by itself.
    pub(super) fn endless(&self, fault: &Fired) -> Verdict {
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
        let is_culprit = |goroutine: &&Goroutine| {
            self.own(&goroutine.frames).is_some() && !self.waits_in_a_test(goroutine)
        };
        let culprit = all
            .iter()
            .find(|goroutine| Some(goroutine.id) == fault.goroutine)
            .filter(is_culprit)
            .or_else(|| all.iter().find(is_culprit));
        if culprit.is_none() && !all.is_empty() {
            return Verdict::new(Class::Reported, None, WAITS_FOR_A_TEST);
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

    /// Whether a goroutine waits in code of a test, which the program has called.
    fn waits_in_a_test(&self, goroutine: &Goroutine) -> bool {
        let sides = goroutine
            .frames
            .iter()
            .map(|frame| self.program.code.side_of(frame));
        is_blocked(goroutine) && sides.into_iter().find(|side| *side != Side::Foreign) == Some(Side::Test)
    }

    /// It died, rather than failing.
    pub(super) fn died(&self, fault: &Fired, fate: &Fate) -> Option<Verdict> {
        let verdict = self.death()?;
        // A test that does not look at an error goes on with what does not work.
        match fate {
            Fate::ReachedTest(place)
                if verdict.class != Class::Reported
                    && intent::looks_at_it(self.program, fault, place) == Some(false) =>
            {
                let words = format!(
                    "the test does not look at the error, and goes on; {}",
                    verdict.words
                );
                Some(Verdict::new(Class::Unasserted, Some(place.clone()), words))
            }
            Fate::ReachedTest(place) if verdict.class == Class::Panic && self.is_told() => {
                let words = format!("the test tells of the error and goes on; {}", verdict.words);
                Some(Verdict::new(Class::Reported, Some(place.clone()), words))
            }
            _ => Some(verdict),
        }
    }

    fn death(&self) -> Option<Verdict> {
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
            let mut at_work = all
                .iter()
                .filter(|goroutine| self.own(&goroutine.frames).is_some())
                .peekable();
            if class == Class::Deadlock
                && at_work.peek().is_some()
                && at_work.all(|goroutine| self.waits_in_a_test(goroutine))
            {
                return Some(Verdict::new(Class::Reported, None, WAITS_FOR_A_TEST));
            }
            let place = all.iter().find_map(|goroutine| self.own(&goroutine.frames));
            return Some(Verdict::new(class, place, format!("fatal error: {why}")));
        }
        let (message, frames) = traceback::panic(&output)?;
        let own = frames
            .iter()
            .find(|frame| self.program.code.side_of(frame) != Side::Foreign);
        let is_of_test = own.is_none_or(|frame| self.program.code.side_of(frame) == Side::Test);
        let own = own.map(Place::from);
        // One that panics with the error, or logs it and panics, tells of it, as far as a library can know.
        let has_error = self.marks.iter().any(|mark| message.contains(mark.as_str()))
            || (self.is_told() && !NOT_MEANT.iter().any(|words| message.contains(words)));
        let is_asked = |place: &Place| Passage::at(place).is_some_and(|source| source.panics_on_error());
        let means_to = has_error
            || own
                .as_ref()
                .is_some_and(|place| is_must(&place.function) || is_asked(place));
        Some(match is_of_test || means_to {
            true => Verdict::new(Class::Reported, own, format!("panic: {message}")),
            false => Verdict::new(Class::Panic, own, format!("panic: {message}")),
        })
    }
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
