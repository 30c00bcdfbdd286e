//! Fault points: a function that can fail, and on whose behalf it is called.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::code::{Code, Side};
use crate::event::line::{Fired, Frame};
use crate::event::seen::Seen;

/// Frames of the user's code that tell points apart.
pub const DEPTH: usize = 4;

/// A function that can fail, at a place of the user's code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// A function.
    pub function: String,
    /// Its source file.
    pub file: String,
    /// The line.
    pub line: u32,
}

impl From<&Frame> for Place {
    fn from(frame: &Frame) -> Place {
        Place {
            function: frame.function.clone(),
            file: frame.file.clone(),
            line: frame.line,
        }
    }
}

/// A fault point.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// The function.
    pub function: String,
    /// The innermost frames of the user's code that led to it, innermost first.
    pub stack: Vec<Place>,
}

/// How a test comes to a point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The whole stack of that call, inlined functions left out.
    pub stack: Vec<Place>,
    /// The first call at the point among the calls of its function by these callers, from 1.
    pub nth: u64,
    /// All of those.
    pub calls: u64,
}

/// A point, and the tests that come to it. Calls outside of all tests have no name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The point.
    pub point: Point,
    /// By the name of the top-level test.
    pub tests: BTreeMap<Option<String>, Reach>,
}

impl Point {
    /// The point of a call; none if it was not made by the user's code.
    pub fn of(
        function: &str,
        stack: &[Frame],
        code: &Code,
        passes_on: &dyn Fn(&str, &str) -> bool,
    ) -> Option<Point> {
        let frames = stack.get(1..)?;
        // Functions that are inlined into the calling code are not called themselves.
        let caller = frames.iter().position(|frame| !frame.inlined)?;
        // One that is inlined between makes the error its own affair, unless it returns errors itself.
        let between = frames[..caller]
            .iter()
            .find(|frame| code.side_of(frame) == Side::Foreign);
        if between.is_some_and(|frame| !passes_on(&frame.function, function)) {
            return None;
        }
        let caller = frames[..=caller]
            .iter()
            .map(|frame| code.side_of(frame))
            .find(|side| *side != Side::Foreign)?;
        if caller != Side::Own {
            return None;
        }
        let own = frames.iter().filter(|frame| code.side_of(frame) == Side::Own);
        Some(Point {
            function: function.to_owned(),
            stack: own.take(DEPTH).map(Place::from).collect(),
        })
    }

    /// The functions of its stack, as `callers` takes them.
    pub fn callers(&self) -> Vec<String> {
        self.stack.iter().map(|place| place.function.clone()).collect()
    }

    /// A name that stays the same where code only moves: a hash of the functions, and of which of the calls in the
    /// innermost one it is.
    pub fn id(&self) -> String {
        let names: Vec<&str> = std::iter::once(self.function.as_str())
            .chain(self.stack.iter().map(|place| place.function.as_str()))
            .collect();
        format!("{:08x}", hash(names.join("\n").as_bytes()) as u32)
    }
}

/// FNV-1a: the same in every release.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Whether these stand on a stack in this order, with gaps allowed.
pub fn stands(callers: &[String], stack: &[Frame]) -> bool {
    let mut rest = stack.iter().skip(1);
    callers
        .iter()
        .all(|caller| rest.any(|frame| frame.function == *caller))
}

/// What never fails when something is written to it, or does not forget that it did, and tells at the end.
const NEVER_LOST: [&str; 5] = [
    "*bytes.Buffer",
    "*strings.Builder",
    "*bufio.Writer",
    "*encoding/base64.encoder",
    "*text/tabwriter.Writer",
];

/// Whether a call writes where nothing is lost, as far as was looked at.
fn writes_to_memory(call: &Fired) -> bool {
    let to = call.values.first().and_then(|value| value.before.as_ref());
    matches!(to, Some(Seen::Interface { type_name: Some(name), .. }) if NEVER_LOST.contains(&name.as_str()))
}

/// The points of the calls that were seen, in the order of their first calls.
pub fn points(calls: &[Fired], code: &Code, passes_on: &dyn Fn(&str, &str) -> bool) -> Vec<Found> {
    let mut groups: BTreeMap<(&str, Option<&str>), Vec<&Fired>> = BTreeMap::new();
    for call in calls {
        let test = call.test.as_deref().map(top_level);
        groups.entry((&call.function, test)).or_default().push(call);
    }
    let of = |call: &Fired| Point::of(&call.function, &call.stack, code, passes_on);
    // What a call writes to may have been out of reach: it is taken to be what others there write to.
    let to_memory: BTreeSet<Point> = calls
        .iter()
        .filter(|call| writes_to_memory(call))
        .filter_map(of)
        .collect();
    let mut found: Vec<Found> = Vec::new();
    let mut index: BTreeMap<Point, usize> = BTreeMap::new();
    for ((_, test), calls) in groups {
        for (n, call) in calls.iter().enumerate() {
            if writes_to_memory(call) {
                continue;
            }
            let Some(point) = of(call) else {
                continue;
            };
            if call.values.is_empty() && to_memory.contains(&point) {
                continue;
            }
            let at = *index.entry(point.clone()).or_insert_with(|| {
                found.push(Found {
                    point: point.clone(),
                    tests: BTreeMap::new(),
                });
                found.len() - 1
            });
            let test = test.map(str::to_owned);
            if found[at].tests.contains_key(&test) {
                continue;
            }
            let callers = point.callers();
            let matching =
                |calls: &[&Fired]| calls.iter().filter(|call| stands(&callers, &call.stack)).count();
            let standing = call.stack.iter().skip(1).filter(|frame| !frame.inlined);
            let reach = Reach {
                stack: standing.map(Place::from).collect(),
                nth: matching(&calls[..=n]) as u64,
                calls: matching(&calls) as u64,
            };
            found[at].tests.insert(test, reach);
        }
    }
    found
}

/// The test that is asked for by `-run`, of one that may be a subtest.
pub fn top_level(test: &str) -> &str {
    test.split('/').next().unwrap_or(test)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, line: u32, inlined: bool) -> Frame {
        let file = if function.contains("Test") {
            "x_test.go"
        } else {
            "x.go"
        };
        Frame {
            function: function.to_owned(),
            file: file.to_owned(),
            line,
            inlined,
        }
    }

    fn code() -> Code {
        Code {
            roots: vec!["shop".to_owned()],
            ..Code::default()
        }
    }

    #[test]
    fn only_calls_by_the_users_code_are_points() {
        let of = |stack: &[Frame]| Point::of("os.OpenFile", stack, &code(), &|name, _| name == "os.Open");
        let open = frame("os.OpenFile", 1, false);
        let inlined = frame("os.Open", 2, true);
        let own = frame("shop.Load", 3, false);
        let test = frame("shop.TestLoad", 4, false);
        let point = of(&[open.clone(), inlined.clone(), own.clone(), test.clone()]).expect("a point");
        assert_eq!(point.callers(), ["shop.Load"]);
        // The standard library called it, on whosever behalf.
        let reader = frame("os.ReadFile", 2, false);
        assert_eq!(of(&[open.clone(), reader, own.clone()]), None);
        assert_eq!(of(&[open.clone(), test.clone()]), None);
        let quiet = frame("gzip.NewWriter", 2, true);
        assert_eq!(of(&[open.clone(), quiet, own.clone()]), None);
        // The user's function is inlined into a test.
        let folded = frame("shop.Load", 3, true);
        assert!(of(&[open, inlined, folded, test]).is_some());
    }

    #[test]
    fn callers_may_have_gaps_between_them() {
        let stack = [
            frame("a", 1, false),
            frame("b", 1, false),
            frame("c", 1, false),
            frame("d", 1, false),
        ];
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(stands(&names(&["b", "d"]), &stack));
        assert!(!stands(&names(&["d", "b"]), &stack));
        assert!(!stands(&names(&["a"]), &stack));
    }
}
