//! A rule file that passed validation.
//!
//! Nothing here refers to a binary: names, paths and values are as the user meant them, and the
//! types they must fit are found later. Spans stay, so that a mistake that only a binary reveals is
//! still shown at its place in the file.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Serialize, Serializer};

pub use crate::program::ProgramPattern;
use crate::source::{Source, Span, Spanned};

/// A whole rule file.
#[derive(Clone, Debug)]
pub struct RuleSet {
    /// The file it came from.
    pub source: Source,
    /// Its name in reports.
    pub name: Option<String>,
    /// Seed of every chance decision; random where absent.
    pub seed: Option<u64>,
    /// What to run or attach to; absent where the command line says it.
    pub target: Option<Target>,
    /// Whether the rules hold for the processes that the target starts, too; where absent, for those of a command.
    pub follow: Option<bool>,
    /// When to stop injecting.
    pub limits: Limits,
    /// What the target's end must look like.
    pub expect: TargetExpect,
    /// The rules, in file order. Never empty.
    pub rules: Vec<Rule>,
}

/// The program under test, as the rule file names it.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// Start a command. Paths are already relative to the current folder, not to the rule file.
    Command(Command),
    /// Attach to a running process.
    Pid(Spanned<i32>),
    /// Attach to processes of a running container.
    Container(Container),
}

/// Processes of a running container.
#[derive(Clone, Debug, PartialEq)]
pub struct Container {
    /// Its name or the beginning of its id, or `NAMESPACE/POD` with or without `/CONTAINER`.
    pub name: Spanned<String>,
    /// Whether every process is meant, those that appear later included; else there must be one only.
    pub all: bool,
}

/// A command to start.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// The program: a path if it has a slash (resolved against the rule file's folder), else looked up in `PATH`.
    pub program: Spanned<PathBuf>,
    /// Its arguments, as written.
    pub arguments: Vec<String>,
    /// The folder it runs in (resolved against the rule file's folder); the current one where absent.
    pub dir: Option<Spanned<PathBuf>>,
    /// Environment variables set on top of goinject's own.
    pub env: Vec<(String, String)>,
}

/// Safety net: reaching one of these ends the faults, not the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Time since arming.
    #[serde(serialize_with = "nanoseconds_if_any")]
    pub duration: Option<Duration>,
    /// Faults of all rules together.
    pub faults: Option<u64>,
}

/// Expectations on the target as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetExpect {
    /// Its exit status, if goinject started it.
    pub exit: ExitExpect,
    /// How often it panics while it is armed, recovered or not, injected or not.
    pub panics: Option<Spanned<CountRange>>,
    /// Where the expectation of its exit was written, if it was.
    pub span: Option<Span>,
}

/// The exit status a command should end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitExpect {
    /// Exactly this status.
    Status(i32),
    /// Any status; a death by signal is still exit code 6.
    Any,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Unique in the file; derived from the function where the file gives none.
    pub name: String,
    /// The whole rule in the file.
    pub span: Span,
    /// Which functions.
    pub function: Spanned<FunctionSelector>,
    /// Only in these programs.
    pub program: Option<Spanned<ProgramPattern>>,
    /// Parameter types for a binary that has none.
    pub signature: Option<Spanned<String>>,
    /// Which calls, by their values.
    pub condition: Option<Spanned<Condition>>,
    /// Which calls, by their number, time and chance.
    pub when: Trigger,
    /// Only inside a call of one of these functions, on this goroutine; none: anywhere.
    pub within: Vec<Spanned<FunctionSelector>>,
    /// Only where these stand on the call stack in this order, innermost first, gaps allowed.
    pub callers: Vec<Spanned<FunctionSelector>>,
    /// Only in calls made during a Go test of such a name, or one below it.
    pub test: Option<Spanned<Pattern>>,
    /// What is done.
    pub inject: Inject,
    /// What the counters must show in the end.
    pub expect: Expect,
    /// Whether anything is written.
    pub mode: Mode,
}

/// Whether a rule writes or only counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Faults are injected.
    #[default]
    Inject,
    /// Nothing is written; what would have fired is counted and reported.
    Observe,
}

/// Functions that `callers` may name.
pub const CALLERS: usize = 15;

/// The functions of a rule.
#[derive(Clone, Debug)]
pub enum FunctionSelector {
    /// The exact name, as in a stack trace.
    Exact(String),
    /// Every name that a pattern matches.
    Pattern(Pattern),
}

impl FunctionSelector {
    /// The name or pattern as written.
    pub fn text(&self) -> &str {
        match self {
            FunctionSelector::Exact(name) => name,
            FunctionSelector::Pattern(pattern) => &pattern.text,
        }
    }
}

/// A pattern over function names.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// As written.
    pub text: String,
    /// Glob or regex.
    pub kind: PatternKind,
    /// Compiled; a glob is compiled to the same form. Matches the whole name for a glob, any part for a regex.
    pub regex: regex::Regex,
    /// More matches than this are an error.
    pub max_matches: u32,
}

/// How a pattern is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternKind {
    /// `*` any run of characters (`/` and `.` included), `?` one, `[…]` a class, `{a,b}` alternatives.
    Glob,
    /// A regular expression of the `regex` crate, unanchored.
    Regex,
}

/// The faults of a rule. At least one is present.
#[derive(Clone, Debug, Default)]
pub struct Inject {
    /// Parameters and results to overwrite, in file order.
    pub set: Vec<Assignment>,
    /// Skip the body and return these results; empty for zero results.
    pub early_return: Option<Spanned<Vec<Assignment>>>,
    /// Panic: as if a nil func had been called, or with a value.
    pub panic: Option<Span>,
    /// What the panic's value is; none: that of a nil func's call.
    pub panic_value: Option<Spanned<Value>>,
    /// Put the goroutine to sleep.
    pub delay: Option<Spanned<Delay>>,
}

/// How long a goroutine sleeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Delay {
    /// At least this long.
    pub fixed: Duration,
    /// Up to this much more, uniformly distributed.
    pub jitter: Duration,
    /// A context, which ends the delay and then the call, with its error.
    pub until: Option<Spanned<Path>>,
}

/// One value and where it goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// A parameter, a result, or something reached through one.
    pub path: Spanned<Path>,
    /// What is put there.
    pub value: Spanned<Value>,
}

/// A parameter or result and the way on from there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// Where it starts.
    pub root: Root,
    /// Fields, elements and lengths; pointers are followed.
    pub steps: Vec<Step>,
}

/// The start of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Root {
    /// A receiver, parameter or result by its Go name.
    Name(String),
    /// `args[n]`: the n-th parameter, receiver and hidden dictionary not counted.
    Argument(u32),
    /// `results[n]`.
    Result(u32),
    /// `recv`.
    Receiver,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// `.name`: a field. `.len` and `.cap` are fields where the type has such a field, else the length and capacity.
    Field(String),
    /// `[n]`: an element of an array or slice, or that of a map with this key.
    Index(u64),
    /// `["text"]`: the element of a map with this key.
    Key(String),
    /// `.(*os.PathError)`: what an interface holds, if it is of this type. In conditions only.
    Assert(String),
}

/// A replacement value as written, before the type it must fit is known.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number, decimal or `0x`.
    Integer(i128),
    /// A number with a point or exponent, `.nan`, `.inf`.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A text: a string, a duration, or the name of a package variable, as the type will tell.
    Text(String),
    /// `null`: nil.
    Null,
    /// `{message: …}`: an error with this text.
    Message(String),
    /// `{errno: ENOSPC}`: a system error, by its name.
    Errno(String),
    /// `{add: n}`: the present value plus n. Integer, Float or Text (a duration).
    Add(Box<Value>),
    /// `{xor: n}`: the present value with these bits flipped; for strings and slices every byte.
    Xor(u64),
    /// `{random: [low, high]}`: evenly distributed, both ends included. Integer, Float or Text (a duration).
    Random(Box<Value>, Box<Value>),
    /// `{len: n}`: a string or slice cut to at most n.
    Len(u64),
    /// `{bytes: "6869ff"}` or `{bytes: [1, 2]}`: a string or byte slice by its bytes.
    Bytes(Vec<u8>),
    /// A mapping of field names: a struct, field by field.
    Fields(Vec<(Spanned<String>, Spanned<Value>)>),
    /// A list: an array or slice, element by element.
    List(Vec<Spanned<Value>>),
    /// `{new: …}`: a pointer to a new value. A mapping of it may be empty.
    New(Box<Spanned<Value>>),
    /// `{type: "*client.StatusError", fields: {…}}`: what an interface is to hold, by its type.
    Typed {
        /// The type as Go names it, with a `*` for a pointer.
        name: Spanned<String>,
        /// The value, or what is behind the pointer; zero where absent.
        content: Option<Box<Spanned<Value>>>,
    },
    /// `{wrap: io.EOF, message: "reading header"}`: an error around another.
    Wrap {
        /// The other one.
        of: Box<Spanned<Value>>,
        /// What stands before its text, and `: `.
        message: String,
    },
    /// `{join: [io.EOF, …]}`: several errors as one.
    Join(Box<Spanned<Value>>),
}

/// Which of the matching calls fire. Absent parts mean always.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Trigger {
    /// Only the n-th call, counted from 1.
    pub nth: Option<u64>,
    /// Each n-th call; 0 never.
    pub every: Option<u64>,
    /// The first n calls.
    pub first: Option<u64>,
    /// Only after this many calls, or this long after arming.
    pub after: Option<Point>,
    /// Only until this many calls, or this long after arming.
    pub until: Option<Point>,
    /// Chance in [0, 1].
    pub probability: Option<f64>,
    /// At most this many times.
    pub times: Option<u64>,
    /// At most this often.
    pub rate: Option<Rate>,
    /// Whose calls are counted.
    pub scope: Scope,
}

/// A point in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Point {
    /// A number of calls.
    Calls(u64),
    /// A time since arming.
    Time(#[serde(serialize_with = "nanoseconds")] Duration),
}

fn nanoseconds_if_any<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => nanoseconds(duration, serializer),
        None => serializer.serialize_none(),
    }
}

fn nanoseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

/// A number of times per duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// How many; 0 never.
    pub count: u64,
    /// Per this long.
    #[serde(serialize_with = "nanoseconds")]
    pub per: Duration,
}

/// Whose calls `nth`, `every`, `first`, `after` and `until` count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Those of the whole run.
    #[default]
    Run,
    /// Those of each process for itself.
    Process,
    /// Those of each Go test for itself.
    Test,
    /// Those of each goroutine for itself.
    Goroutine,
}

/// What a rule's counters must show at the end.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    /// Calls that fired; at least 1 where the file says nothing.
    pub fired: Spanned<CountRange>,
    /// Calls seen.
    pub calls: Option<Spanned<CountRange>>,
    /// Calls whose condition held.
    pub matched: Option<Spanned<CountRange>>,
    /// Edits that could not be made; 0 where the file says nothing.
    pub failed: Spanned<CountRange>,
}

/// `N`, `">=N"`, `"<=N"`, `"A..B"`: both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountRange {
    /// The least.
    pub min: u64,
    /// The most; `u64::MAX` for no upper end.
    pub max: u64,
}

/// A condition: the subset of CEL that the tables can express.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Both hold.
    And(Box<Spanned<Condition>>, Box<Spanned<Condition>>),
    /// At least one holds.
    Or(Box<Spanned<Condition>>, Box<Spanned<Condition>>),
    /// It does not hold.
    Not(Box<Spanned<Condition>>),
    /// A boolean parameter, result, field or literal by itself.
    Truth(Spanned<Operand>),
    /// Two operands compared.
    Compare(Spanned<Operand>, Comparison, Spanned<Operand>),
    /// `s.startsWith("…")`, `s.endsWith("…")`, `s.contains("…")`.
    Text(TextTest, Spanned<Operand>, Spanned<String>),
    /// `errors.Is(err, io.EOF)`: an error is another, or wraps it.
    Is(Spanned<Operand>, Spanned<Operand>),
    /// `"k" in m`: a map has an element with this key. The path leads to it.
    Has(Spanned<Path>),
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the six comparison operators say themselves")]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A test of a string against a fixed text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextTest {
    /// `startsWith`.
    StartsWith,
    /// `endsWith`.
    EndsWith,
    /// `contains`.
    Contains,
}

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A parameter, result or something reached through one.
    Path(Path),
    /// `size(path)`: the length of a string, slice or map.
    Size(Path),
    /// `type(path)`: the name of the type that an interface holds.
    Type(Path),
    /// A whole number.
    Integer(i128),
    /// A number with a point or exponent.
    Float(f64),
    /// A text.
    Text(String),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
}

/// Whether two parts of rule files mean the same, wherever they are written.
pub fn mean_the_same<T: std::fmt::Debug>(one: &T, other: &T) -> bool {
    without_places(&format!("{one:?}")) == without_places(&format!("{other:?}"))
}

/// What a part's fields hold, without the spans among them.
fn without_places(text: &str) -> String {
    let mut rest = text;
    let mut left = String::new();
    while let Some((before, after)) = rest.split_once("Span { start: ") {
        left.push_str(before);
        rest = after.split_once(" }").map_or("", |(_, rest)| rest);
    }
    left + rest
}

#[cfg(test)]
mod same {
    use super::*;

    #[test]
    fn places_do_not_matter() {
        let rules = |text: &str| {
            let source = Source::new("rules.yaml", text);
            crate::parse(&source).expect("right").0.rules
        };
        let head = "version: 1\nrules:\n";
        let rule = "- {name: a, function: main.f, if: n > 3, when: {every: 2}, inject: {delay: 1ms}}\n";
        let one = rules(&format!("{head}{rule}"));
        let other = rules(&format!(
            "# moved\n\n{head}- {{function: main.g, inject: {{delay: 1s}}}}\n{rule}"
        ));
        assert!(mean_the_same(&one[0], &other[1]));
        assert!(!mean_the_same(&one[0], &other[0]));
        for changed in [
            rule.replace("n > 3", "n > 4"),
            rule.replace("every: 2", "every: 3"),
            rule.replace("1ms", "2ms"),
        ] {
            assert!(
                !mean_the_same(&one[0], &rules(&format!("{head}{changed}"))[0]),
                "{changed}"
            );
        }
    }
}
