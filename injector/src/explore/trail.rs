//! Where an injected error went: followed up the call stack by what each function on it returned.

use super::code::Side;
use super::point::Place;
use super::program::Program;
use super::rule_text::TRAIL;
use crate::event::line::{Fired, Frame, SiteName};
use crate::event::seen::{Content, Seen};

/// What became of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// This function returned no error: it became nil there.
    BecameNil(Place),
    /// This function has no error result.
    Dropped(Place),
    /// A test got it.
    ReachedTest(Place),
    /// Nobody knows.
    Unknown,
}

impl Fate {
    /// Where it ended.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Fate::BecameNil(place) | Fate::Dropped(place) | Fate::ReachedTest(place) => Some(place),
            Fate::Unknown => None,
        }
    }
}

/// The functions on a fault's stack that may return its error, outwards up to the test.
pub fn functions(program: &Program, stack: &[Place]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for place in stack {
        if !names.contains(&place.function) && program.error_result(&place.function).is_some() {
            names.push(place.function.clone());
        }
    }
    names
}

/// What became of the error of a fault.
pub fn follow(program: &Program, fault: &Fired, events: &[Fired]) -> Fate {
    let returns: Vec<&Fired> = events
        .iter()
        .filter(|event| event.rule.starts_with(TRAIL) && event.site == SiteName::Return)
        .filter(|event| event.goroutine == fault.goroutine && event.pid == fault.pid)
        .filter(|event| event.time_ns >= fault.time_ns)
        .collect();
    // Whether a function stood on the way of which nobody saw what it returned.
    let mut is_unseen = false;
    for (n, frame) in fault.stack.iter().enumerate().skip(1) {
        let side = program.code.side_of(frame);
        let place = Place::from(frame);
        if side == Side::Test {
            return match is_unseen {
                true => Fate::Unknown,
                false => Fate::ReachedTest(place),
            };
        }
        // A closure may leave it in a variable of the function around it.
        let is_plain = side == Side::Own && !is_closure(&frame.function);
        let event = returns
            .iter()
            .find(|event| !frame.inlined && is_return_of(event, &fault.stack[n..]));
        match event {
            Some(event) if returned_nil(event) => return Fate::BecameNil(place),
            Some(_) => is_unseen = false,
            None if is_plain && program.has_no_error(&frame.function) => return dropped(program, place),
            None => is_unseen |= is_plain,
        }
    }
    Fate::Unknown
}

fn dropped(program: &Program, place: Place) -> Fate {
    match program.answers_otherwise(&place.function) {
        true => Fate::Unknown,
        false => Fate::Dropped(place),
    }
}

/// Whether an event is the return of the call at the head of a stack.
fn is_return_of(event: &Fired, stack: &[Frame]) -> bool {
    let same = |a: &Frame, b: &Frame| a.function == b.function && a.line == b.line;
    event.function == stack[0].function
        && event
            .stack
            .iter()
            .skip(1)
            .zip(&stack[1..])
            .all(|(a, b)| same(a, b))
}

fn returned_nil(event: &Fired) -> bool {
    let before = event.values.first().and_then(|shown| shown.before.as_ref());
    matches!(before, Some(Seen::Nil))
}

/// The function that returned an injected error after it seemed to be gone.
pub fn returned_later(events: &[Fired], rule: &str, marks: &[String]) -> Option<String> {
    let fault = events.iter().find(|event| event.rule == rule)?;
    let injected = fault.values.iter().find_map(|value| address(&value.after));
    let mut later = events
        .iter()
        .filter(|event| event.rule.starts_with(TRAIL) && event.time_ns > fault.time_ns);
    later.find(|event| returned_nil(event))?;
    let is_it = |before: &Seen| match before {
        Seen::Interface { type_name, content } => {
            let told = match content {
                Content::Message(text) => {
                    let text = text.to_string();
                    marks.iter().any(|mark| text.contains(mark.as_str()))
                }
                _ => false,
            };
            told || type_name.as_deref() == Some("*fmt.wrapError")
        }
        _ => false,
    };
    later
        .find(|event| {
            let before = event.values.first().and_then(|value| value.before.as_ref());
            before.is_some_and(|before| is_it(before) || (injected.is_some() && address(before) == injected))
        })
        .map(|event| event.function.clone())
}

fn address(seen: &Seen) -> Option<u64> {
    match seen {
        Seen::Interface {
            content: Content::Address(address),
            ..
        } => Some(*address),
        _ => None,
    }
}

/// Whether a function is a literal inside of another.
pub fn is_closure(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let literal = last.strip_prefix("func").or_else(|| last.strip_prefix("gowrap"));
    literal.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        || last.starts_with(|c: char| c.is_ascii_digit())
}
