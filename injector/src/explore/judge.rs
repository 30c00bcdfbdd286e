//! Judges what came of a fault.

use super::class::Class;
use super::code::Side;
use super::intent;
use super::meant::{Instead, Passage};
use super::point::{Place, Point, Reach};
use super::program::Program;
use super::results::Lost;
use super::rule_text::Mode;
use super::trail::{self, Fate};
use super::trial::Outcome;
use crate::event::line::{Fired, Frame, OutcomeName};
use crate::event::seen::Seen;

/// What `fmt.Errorf` makes of a `%w` whose error is nil or none.
const WRAPS_NOTHING: &str = "%!w(";
/// Types of bodies, which are read only.
const BODIES: [&str; 6] = [
    "net/http.(*body",
    "net/http.(*cancelTimerBody)",
    "net/http.(*gzipReader)",
    "net/http.(*http2",
    "net/http.(*noBody)",
    "net/http.noBody",
];

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
    /// The error, as a value of a rule file; empty where that is not known.
    pub error: &'a str,
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
    /// Whether it was watched what functions return.
    pub is_watched: bool,
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
        let fate = self.fate(fault);
        if let Some(verdict) = self.died(fault, &fate) {
            return verdict;
        }
        let mut verdict = match record.status {
            Some(0) => self.passed(fault, &fate),
            _ => self.failed(fault, &fate),
        };
        let is_lost = matches!(verdict.class, Class::Swallowed | Class::Corrupt) && verdict.lost.is_none();
        let no_loss = || {
            self.kept(fault)
                .or_else(|| self.was_a_question(fault, &fate))
                .or_else(|| self.was_given_up(fault))
                .or_else(|| self.is_meant(fault, &fate))
                .or_else(|| self.was_answered(fault, &fate))
        };
        if is_lost && let Some(words) = no_loss() {
            let class = match record.status {
                Some(0) => Class::Recovered,
                _ => Class::Reported,
            };
            return Verdict {
                is_certain: true,
                ..Verdict::new(class, None, words)
            };
        }
        if is_lost && matches!(fate, Fate::BecameNil(_)) {
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

    /// Why an error that was lost was an answer: something that only reads a text was asked for its form, and the caller
    /// looked at the answer. It has no error of its own to return, or it went on to the next text.
    fn was_a_question(&self, fault: &Fired, fate: &Fate) -> Option<String> {
        if !intent::reads_text(fault) {
            return None;
        }
        let place = fate.place()?;
        let source = Passage::at(place);
        let goes_on = || {
            let does = |source: &Passage| source.asks_if_it_worked() || source.does(Instead::GoOn);
            source.as_ref().is_some_and(does)
        };
        match fate {
            Fate::Dropped(_) => {}
            Fate::BecameNil(_) if self.calls() > self.reach.nth || goes_on() => {}
            _ => return None,
        }
        let looks = |source: &Passage| source.looks_at_it() || source.asks_for_value();
        let looked = intent::looks_at_it(self.program, fault, place) == Some(true)
            || source.as_ref().is_some_and(looks);
        (looked || intent::reads_on(&fault.function)).then(|| {
            format!(
                "{} goes on where {} says that a text has another form",
                place.function, fault.function
            )
        })
    }

    /// Why it does not matter that something was not closed: the caller gave it up, and says why, or removes it.
    fn was_given_up(&self, fault: &Fired) -> Option<String> {
        if !is_close(&fault.function) {
            return None;
        }
        if let Some(function) = trail::gave_up(self.program, fault, &self.outcome.record.fired, self.marks) {
            return Some(format!(
                "what was closed had been given up: {function} returned another error"
            ));
        }
        if BODIES.iter().any(|of| fault.function.starts_with(of)) {
            return Some("what was closed is read only, the body of an answer".to_owned());
        }
        let caller = self.own(fault.stack.get(1..).unwrap_or_default())?;
        let source = Passage::at(&caller)?;
        if source.removes_what_it_closes() {
            return Some(format!("{} removes what it closes", caller.function));
        }
        let reads = source.opened_what_it_closes_for_reading();
        reads.then(|| format!("{} has opened what it closes for reading only", caller.function))
    }

    /// Why an error is lost on purpose, as far as the source says so where it ended, or in a literal within that function.
    fn is_meant(&self, fault: &Fired, fate: &Fate) -> Option<String> {
        let place = match fate {
            Fate::BecameNil(place) | Fate::Dropped(place) => place,
            _ => return None,
        };
        let source = Passage::at(place);
        if matches!(fate, Fate::Dropped(_))
            && source.as_ref().is_some_and(|source| source.does(Instead::Panic))
        {
            return Some(format!("{} panics where it gets the error", place.function));
        }
        let literal = self
            .own(fault.stack.get(1..).unwrap_or_default())
            .filter(|caller| trail::is_closure(&caller.function));
        let within = literal.as_ref().and_then(Passage::at);
        // What is documented of a function holds for what it calls.
        let around = fault
            .stack
            .iter()
            .map(Place::from)
            .skip_while(|frame| frame != place);
        let own = |place: &Place| self.program.code.side(&place.function, &place.file) == Side::Own;
        let documented = || {
            let mut around = around.take_while(own);
            around.find_map(|place| Passage::at(&place)?.documented())
        };
        let said = [source, within].iter().flatten().find_map(Passage::says_so);
        let words = said.or_else(documented)?;
        Some(format!("the source says that this error may be lost: {words}"))
    }

    /// Why an error that was lost was dealt with where it ended, as far as the source tells: it is looked at there, and there is
    /// another way to go on, or somebody else is given the error.
    fn was_answered(&self, fault: &Fired, fate: &Fate) -> Option<String> {
        let (place, has_error) = match fate {
            Fate::BecameNil(place) => (place, true),
            Fate::Dropped(place) => (place, false),
            _ => return None,
        };
        let source = Passage::at(place)?;
        let passes = self.outcome.record.status == Some(0);
        let name = &place.function;
        if source.hands_on() {
            return Some(format!("{name} gives the error to another function"));
        }
        if is_absence(self.error) && source.expects_absence() {
            return Some(format!("{name} goes on where something does not exist"));
        }
        let only_looks = intent::only_looks(&fault.function);
        if only_looks && source.asks_for_value() {
            return Some(format!("{name} looks at the other result instead"));
        }
        if !has_error && only_looks && source.does(Instead::Return) {
            return Some(format!("{name}, which has no error to return, does without it"));
        }
        if intent::writes(&fault.function) && source.writes_to_memory() {
            return Some(format!("{name} writes to memory, which does not fail"));
        }
        if intent::writes(&fault.function) && source.discards() {
            return Some(format!("{name} throws away what it gets"));
        }
        if passes && only_looks && source.asks_if_it_worked() {
            return Some(format!("{name} goes on in another way where that does not work"));
        }
        if !has_error && source.does(Instead::ReturnNothing) {
            return Some(format!("{name}, which has no error to return, returns nothing"));
        }
        let looked = !has_error && passes && source.looks_at_it();
        looked.then(|| format!("{name} looks at the error, has none to return, and goes on"))
    }

    /// When the fault came up, if the program went on as if nothing had been.
    pub fn went_on(&self) -> Option<u64> {
        let fault = self.fault()?;
        let went_on = matches!(
            self.fate(fault),
            Fate::BecameNil(_) | Fate::Dropped(_) | Fate::SaidNo(_)
        );
        went_on.then_some(fault.time_ns)
    }

    /// Whether the program told of the error.
    pub(super) fn is_told(&self) -> bool {
        let output = self.output();
        self.marks.iter().any(|mark| output.contains(mark.as_str()))
    }

    /// All that the program wrote.
    pub(super) fn output(&self) -> String {
        format!("{}\n{}", self.outcome.stdout, self.outcome.stderr)
    }

    pub(super) fn own(&self, frames: &[Frame]) -> Option<Place> {
        frames
            .iter()
            .find(|frame| self.program.code.side_of(frame) == Side::Own)
            .map(Place::from)
    }

    fn fate(&self, fault: &Fired) -> Fate {
        match self.is_watched {
            true => trail::follow(self.program, fault, &self.outcome.record.fired, self.marks),
            false => Fate::Unknown,
        }
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

    fn failed(&self, fault: &Fired, fate: &Fate) -> Verdict {
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
        match fate {
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
            Fate::Kept(place) => Verdict::new(
                Class::Reported,
                Some(place.clone()),
                format!(
                    "exit status {status}, without the error's text; {} may keep it in a field",
                    place.function
                ),
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

    fn passed(&self, fault: &Fired, fate: &Fate) -> Verdict {
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
        match fate {
            Fate::ReachedTest(place) => Verdict::new(
                Class::Unasserted,
                Some(place.clone()),
                "passes, though the error came to the test",
            ),
            Fate::BecameNil(place) => {
                let words = format!("passes: the error became nil in {}", place.function);
                Verdict::new(Class::Swallowed, Some(place.clone()), words)
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
                Verdict::new(Class::Swallowed, Some(place.clone()), words)
            }
            Fate::Kept(place) => Verdict::new(
                Class::Recovered,
                Some(place.clone()),
                format!(
                    "passes; {} may keep the error in a field: who looks at that is not known",
                    place.function
                ),
            ),
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
        // The last is what is called where the one before it is inlined.
        if matches!(function, "os.Remove" | "os.RemoveAll" | "os.removeAll") {
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
        if is_close(function) && !self.caller_writes {
            return Some("passes: what was closed had only been read, or was synced");
        }
        if function.starts_with("net/http.(*ResponseController).") {
            return Some("passes: an answer was not sent at once");
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

/// Whether an error says that something does not exist.
fn is_absence(error: &str) -> bool {
    error.contains("ErrNotExist") || error.contains("ENOENT")
}

fn is_close(function: &str) -> bool {
    let method = function.rsplit('.').next().unwrap_or(function);
    method.eq_ignore_ascii_case("close")
}

/// Whether a function looks whether something is there.
fn asks_for(function: &str) -> bool {
    let method = function.rsplit('.').next().unwrap_or(function);
    [
        "stat",
        "statnolog",
        "lstat",
        "lstatnolog",
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
