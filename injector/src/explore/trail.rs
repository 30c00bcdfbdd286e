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
    /// This function, which returns no error, said that it had not worked.
    SaidNo(Place),
    /// This function keeps errors in a field; who looks at that is not known.
    Kept(Place),
    /// A test got it.
    ReachedTest(Place),
    /// Nobody knows.
    Unknown,
}

impl Fate {
    /// Where it ended.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Fate::BecameNil(place)
            | Fate::Dropped(place)
            | Fate::SaidNo(place)
            | Fate::Kept(place)
            | Fate::ReachedTest(place) => Some(place),
            Fate::Unknown => None,
        }
    }
}

/// The functions on a fault's stack that may return its error, or say that they have not worked, outwards up to the test.
pub fn functions(program: &Program, stack: &[Place]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for place in stack {
        if !names.contains(&place.function) && program.answer(&place.function).is_some() {
            names.push(place.function.clone());
        }
    }
    names
}

/// What became of the error of a fault, which has one of these marks in its text.
pub fn follow(program: &Program, fault: &Fired, events: &[Fired], marks: &[String]) -> Fate {
    let returns = Returns::after(fault, events, marks);
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
        match returns.of(&fault.stack[n..]) {
            // It came out by another way: a variable, or a field.
            _ if returns.carried_out_of(&fault.stack[n + 1..]) => is_unseen = false,
            Some(event) => match returned(event) {
                Some(Seen::Nil) if program.keeps_errors(&place.function) => return Fate::Kept(place),
                Some(Seen::Nil) => return Fate::BecameNil(place),
                Some(Seen::Bool(false)) => return Fate::SaidNo(place),
                Some(Seen::Bool(true)) => return dropped(program, place),
                _ => is_unseen = false,
            },
            // Nobody saw what it said.
            None if is_plain && program.says_whether(&frame.function) => return Fate::Unknown,
            None if is_plain && program.has_no_error(&frame.function) => return dropped(program, place),
            None => is_unseen |= is_plain,
        }
    }
    Fate::Unknown
}

/// What functions returned after a fault.
struct Returns<'a> {
    events: Vec<&'a Fired>,
    goroutine: Option<u64>,
    injected: Option<u64>,
    marks: &'a [String],
}

impl<'a> Returns<'a> {
    fn after(fault: &Fired, events: &'a [Fired], marks: &'a [String]) -> Returns<'a> {
        let events = events
            .iter()
            .filter(|event| event.rule.starts_with(TRAIL) && event.site == SiteName::Return)
            .filter(|event| event.pid == fault.pid && event.time_ns >= fault.time_ns)
            .collect();
        let is_watched = fault.rule.starts_with(TRAIL);
        let injected = fault.values.first().and_then(|value| match is_watched {
            true => address(value.before.as_ref()?),
            false => address(&value.after),
        });
        Returns {
            events,
            goroutine: fault.goroutine,
            injected,
            marks,
        }
    }

    /// The return of the call at the head of a stack.
    fn of(&self, stack: &[Frame]) -> Option<&&'a Fired> {
        let seen = !stack[0].inlined;
        self.events
            .iter()
            .find(|event| seen && event.goroutine == self.goroutine && is_return_of(event, stack))
    }

    /// Whether one of these calls returned the error.
    fn carried_out_of(&self, stack: &[Frame]) -> bool {
        (0..stack.len())
            .filter_map(|n| self.of(&stack[n..]))
            .any(|event| self.carries(event))
    }

    /// Whether what was returned is the error, or wraps it as far as can be told.
    fn carries(&self, event: &Fired) -> bool {
        let Some(Seen::Interface { type_name, content }) = returned(event) else {
            return false;
        };
        match content {
            Content::Message(text) => {
                let text = text.to_string();
                self.marks.iter().any(|mark| text.contains(mark.as_str()))
            }
            Content::Address(address) if Some(*address) == self.injected => true,
            _ => type_name.as_deref() == Some("*fmt.wrapError"),
        }
    }
}

fn dropped(program: &Program, place: Place) -> Fate {
    if program.answers_otherwise(&place.function) {
        Fate::Unknown
    } else if program.keeps_errors(&place.function) {
        Fate::Kept(place)
    } else {
        Fate::Dropped(place)
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

/// What a watched function returned.
fn returned(event: &Fired) -> Option<&Seen> {
    event.values.first()?.before.as_ref()
}

/// The function that returned the error of a fault after it seemed to be gone, to somebody who did not lose it again.
pub fn returned_later(
    program: &Program,
    fault: &Fired,
    events: &[Fired],
    marks: &[String],
) -> Option<String> {
    let returns = Returns::after(fault, events, marks);
    let on_its_way = |event: &Fired| {
        let stack = &fault.stack;
        (1..stack.len()).any(|n| is_return_of(event, &stack[n..]))
    };
    let kept = |event: &&&Fired| {
        returns.carries(event)
            && !on_its_way(event)
            && !matches!(
                follow(program, event, events, marks),
                Fate::BecameNil(_) | Fate::Dropped(_)
            )
    };
    returns
        .events
        .iter()
        .find(kept)
        .map(|event| event.function.clone())
}

/// The function that called what failed, where it returned another error than that: it had failed before.
pub fn gave_up(program: &Program, fault: &Fired, events: &[Fired], marks: &[String]) -> Option<String> {
    let returns = Returns::after(fault, events, marks);
    let is_plain = |frame: &Frame| program.code.side_of(frame) == Side::Own && !is_closure(&frame.function);
    let n = (1..fault.stack.len()).find(|n| is_plain(&fault.stack[*n]))?;
    let event = returns.of(&fault.stack[n..])?;
    let is_error = matches!(returned(event), Some(Seen::Interface { .. }));
    (is_error && !returns.carries(event)).then(|| event.function.clone())
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
