//! What a program leaves when it exits: goroutines and open files, against what it leaves without a fault.

use std::collections::BTreeMap;
use std::time::Duration;

use super::class::Class;
use super::code::{Code, Side};
use super::explorer::Trials;
use super::judge::{Evidence, Verdict};
use super::point::Place;
use super::program::Program;
use super::rule_text::{self, OPENS};
use super::subject::Subject;
use super::traceback::goroutines;
use super::trail;
use super::trial::{Outcome, Request};
use super::worker::OPENINGS;
use crate::event::line::Fired;
use crate::event::seen::Seen;

/// How long goroutines have to end at exit: the first time, and when it matters.
pub(super) const GRACE: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(500)];
/// How long a test binary waits to be looked at where it exits.
pub(super) const FINALE_SECONDS: u64 = 5;

/// What is left: goroutines by where they were started, files by what they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    goroutines: BTreeMap<Place, usize>,
    files: BTreeMap<String, usize>,
}

impl Left {
    fn of(outcome: &Outcome, program: &Program) -> Left {
        Left {
            goroutines: left_goroutines(outcome, program),
            files: left_files(outcome),
        }
    }
}

/// Whether a leak is worth more than this.
fn may_be(class: Class) -> bool {
    matches!(
        class,
        Class::Reported | Class::Recovered | Class::Unasserted | Class::Swallowed
    )
}

/// What an outcome is: what the evidence says, or a leak where that leaves room for one.
pub(super) fn judge(
    evidence: &Evidence<'_>,
    subject: &Subject,
    trials: &Trials<'_>,
    request: (&Request, usize),
    opens: bool,
) -> Verdict {
    let judged = evidence.judge();
    if !may_be(judged.class) {
        return judged;
    }
    let fault = (&evidence.reach.stack[..], opens, evidence.went_on());
    find(subject, trials, evidence.outcome, request, fault).unwrap_or(judged)
}

/// What is left at exit that is not left without the fault. A test that gives up leaves things, too: only what the
/// functions on the fault's stack started or opened counts; of sockets and pipes it is only known whether they open any.
fn find(
    subject: &Subject,
    trials: &Trials<'_>,
    outcome: &Outcome,
    (request, n): (&Request, usize),
    (stack, opens, went_on): (&[Place], bool, Option<u64>),
) -> Option<Verdict> {
    let leftovers = outcome.record.leftovers.as_ref()?;
    let left = Left::of(outcome, &subject.program);
    let started = |place: &Place| {
        let creator = enclosing(&place.function);
        stack.iter().any(|frame| enclosing(&frame.function) == creator)
    };
    let code = &subject.program.code;
    let gave_up = outcome.record.status != Some(0);
    let opened_there = |event: &&Fired| {
        // A test that opens it forgets it itself.
        let opener = event
            .stack
            .iter()
            .find(|frame| code.side_of(frame) != Side::Foreign);
        let mut ours = event
            .stack
            .iter()
            .filter(|frame| code.side_of(frame) == Side::Own);
        opener.is_some_and(|frame| code.side_of(frame) == Side::Own)
            && ours.any(|frame| started(&Place::from(frame)))
            // What a test has from an earlier call is its own to close, which it may not come to.
            && !(gave_up && is_of_another_call(code, event, stack))
            // So is what it gets where the program goes on after the fault.
            && !(gave_up && went_on.is_some_and(|fault| event.time_ns > fault))
    };
    let opener = |kind: &str| {
        leftovers
            .files
            .iter()
            .filter(|(_, target)| kind_of(target).as_deref() == Some(kind))
            .filter_map(|(descriptor, _)| opening(outcome, *descriptor))
            .find(opened_there)
    };
    let opened = |kind: &str| match kind {
        // Who has opened it is not known, and a test that gives up leaves its own.
        "socket" | "pipe" => opens && !gave_up,
        _ => opener(kind).is_some(),
    };
    let suspicious = left.goroutines.keys().any(started) || left.files.keys().any(|file| opened(file));
    if !suspicious {
        return None;
    }
    let before = without_fault(subject, trials, request, n)?;
    let more = |now: usize, before: Option<&usize>| now > before.copied().unwrap_or_default();
    let goroutine = left
        .goroutines
        .iter()
        .find(|(place, count)| started(place) && more(**count, before.goroutines.get(*place)));
    if let Some((place, _)) = goroutine {
        return Some(Verdict::new(
            Class::Leak,
            Some(place.clone()),
            format!("a goroutine that {} started is left", place.function),
        ));
    }
    let file = left
        .files
        .iter()
        .find(|(file, count)| opened(file) && more(**count, before.files.get(*file)));
    let (file, _) = file?;
    let is_own = |place: &&Place| code.side(&place.function, &place.file) == Side::Own;
    let place = match opener(file) {
        Some(event) => event
            .stack
            .iter()
            .find(|frame| code.side_of(frame) == Side::Own)
            .map(Place::from),
        None => stack.iter().find(is_own).cloned(),
    };
    let words = match &place {
        Some(place) => format!("a file that {} opened is left open: {file}", place.function),
        None => format!("a file is left open: {file}"),
    };
    Some(Verdict::new(Class::Leak, place, words))
}

/// Whether a test made another call when this happened than when the fault of this stack came up.
fn is_of_another_call(code: &Code, event: &Fired, stack: &[Place]) -> bool {
    let of_test = |place: &Place| code.side(&place.function, &place.file) == Side::Test;
    let then = event.stack.iter().map(Place::from).find(of_test);
    let now = stack.iter().find(|place| of_test(place));
    // Goroutines of the program have no test on their stacks.
    matches!((then, now), (Some(then), Some(now)) if then != *now)
}

/// The opening of what a file descriptor leads to in the end; none where it is not known.
fn opening(outcome: &Outcome, descriptor: i32) -> Option<&Fired> {
    let record = &outcome.record;
    let count = record.firings.get(OPENS)?.count;
    let is_of = |event: &&Fired| {
        let number = event.values.first().and_then(|value| value.before.as_ref());
        event.rule == OPENS && matches!(number, Some(Seen::Int(number)) if *number == i128::from(descriptor))
    };
    match usize::try_from(count) {
        Ok(count) if count <= OPENINGS => record.fired.iter().rev().find(is_of),
        _ => None,
    }
}

/// What the same command leaves without a fault; looked at once.
fn without_fault(subject: &Subject, trials: &Trials<'_>, request: &Request, n: usize) -> Option<Left> {
    let key = (request.command.clone(), n.min(1));
    if let Some(known) = subject.leaves(&key) {
        return known;
    }
    let mut plain = request.clone();
    plain.rules = rule_text::head() + &rule_text::finale(&subject.file_name(), FINALE_SECONDS).concat();
    let made = trials.make(plain).ok();
    let left = made
        .filter(|made| made.record.leftovers.is_some())
        .map(|made| Left::of(&made, &subject.program));
    subject.note_leaves(key, left.clone());
    left
}

/// Goroutines by where they were started, of those that are left.
fn left_goroutines(outcome: &Outcome, program: &Program) -> BTreeMap<Place, usize> {
    let mut count = BTreeMap::new();
    let all = outcome.dump.as_deref().map(goroutines).unwrap_or_default();
    for goroutine in &all {
        if let Some(creator) = &goroutine.created_by
            && program.code.side_of(creator) == Side::Own
        {
            *count.entry(Place::from(creator)).or_default() += 1;
        }
    }
    count
}

/// Open files by what they are, of those that are left.
fn left_files(outcome: &Outcome) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    let leftovers = outcome.record.leftovers.iter();
    for kind in leftovers
        .flat_map(|leftovers| leftovers.files.values())
        .filter_map(|file| kind_of(file))
    {
        *count.entry(kind).or_default() += 1;
    }
    count
}

/// What a file descriptor leads to, where names that differ from run to run are alike; none if it is the runtime's own.
fn kind_of(target: &str) -> Option<String> {
    match target.split_once(':') {
        Some(("anon_inode", _)) => None,
        Some((kind @ ("socket" | "pipe"), _)) => Some(kind.to_owned()),
        _ if target.starts_with("/dev/") => None,
        _ => Some(without_numbers(target)),
    }
}

/// A name in which numbers, which differ from run to run, are all the same.
fn without_numbers(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        match c.is_ascii_digit() {
            true if text.ends_with('#') => {}
            true => text.push('#'),
            false => text.push(c),
        }
    }
    text
}

/// The function around a literal.
fn enclosing(name: &str) -> &str {
    let mut name = name;
    while trail::is_closure(name) {
        name = name.rsplit_once('.').map_or(name, |(around, _)| around);
    }
    name
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
