//! What a run has come to, put together from its lines: the one source of every report that is written at its end.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use goinject_rules::source::Source;

use crate::error::ExitCode;
use crate::event::line::{
    Armed, End, Error, Fired, Frame, Line, OutcomeName, Process, RuleResult, TargetEnd,
};

/// Events that are kept one by one; the rest is only counted, so that no run is too long.
const KEPT: usize = 2000;
/// Stacks that are told apart. Beyond them, events have no call site.
const STACKS: usize = 10_000;

/// A run, as its lines tell it.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The rule file, where it is known before the run begins.
    pub rule_file: PathBuf,
    /// How it began; absent if it never did.
    pub armed: Option<Armed>,
    /// What could not be armed.
    pub errors: Vec<Error>,
    /// The processes that had rules armed.
    pub processes: Vec<Process>,
    /// Programs that had none of the functions.
    pub passed_over: Vec<String>,
    /// Whether a limit ended the faults.
    pub limit: bool,
    /// Whether the target became another program.
    pub executed: bool,
    /// The results, one for each rule; none before the end.
    pub rules: Vec<RuleResult>,
    /// How it ended; absent if its lines break off.
    pub end: Option<End>,
    /// The first events.
    pub events: Vec<Fired>,
    /// How many events there were.
    pub fired: u64,
    /// The Go tests that were hit, by package and name.
    pub tests: BTreeMap<TestName, Hits>,
    /// The faults by rule and call stack.
    pub stacks: HashMap<(String, Vec<Frame>), Hits>,
}

/// A Go test: names are unique only within their package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TestName {
    /// The import path of its package, or else the file name of the program.
    pub package: String,
    /// Its full name, as `TestCheckout/small`.
    pub test: String,
}

/// Faults that hit something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// How many, by rule.
    pub rules: BTreeMap<String, u64>,
    /// Those that could not be injected, by reason.
    pub failures: BTreeMap<String, u64>,
    /// When the first was, in nanoseconds since the run began.
    pub first_ns: u64,
    /// And the last.
    pub last_ns: u64,
}

impl Hits {
    /// How many in all.
    pub fn count(&self) -> u64 {
        self.rules.values().sum()
    }

    /// How many could not be injected.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    fn add(&mut self, fired: &Fired) {
        if self.rules.is_empty() {
            self.first_ns = fired.elapsed_ns;
        }
        *self.rules.entry(fired.rule.clone()).or_default() += 1;
        if fired.outcome == OutcomeName::Failed {
            let reason = fired.reason.clone().unwrap_or_default();
            *self.failures.entry(reason).or_default() += 1;
        }
        self.first_ns = self.first_ns.min(fired.elapsed_ns);
        self.last_ns = self.last_ns.max(fired.elapsed_ns);
    }
}

impl Record {
    /// Takes in the next line of the run.
    pub fn line(&mut self, line: &Line) {
        match line {
            Line::Armed(armed) => self.armed = Some(armed.clone()),
            Line::Process(process) if process.again => {}
            Line::Process(process) => self.processes.push(process.clone()),
            Line::Fired(fired) => self.event(fired),
            Line::Executed(_) => self.executed = true,
            // Its events have told the same.
            Line::ProcessResult(_) => {}
            // A report has the rules that the run ended with.
            Line::Reloaded(_) | Line::Replaced(_) => {}
            Line::Error(error) => self.errors.push(error.clone()),
            Line::Limit {} => self.limit = true,
            Line::PassedOver(passed) => self.passed_over.extend(passed.programs.iter().cloned()),
            Line::Rule(result) => self.rules.push(result.clone()),
            Line::End(end) => self.end = Some(end.clone()),
        }
    }

    fn event(&mut self, fired: &Fired) {
        self.fired += 1;
        if self.events.len() < KEPT {
            self.events.push(fired.clone());
        }
        if let Some(test) = TestName::of(fired) {
            self.tests.entry(test).or_default().add(fired);
        }
        let key = (fired.rule.clone(), fired.stack.clone());
        if self.stacks.len() < STACKS || self.stacks.contains_key(&key) {
            self.stacks.entry(key).or_default().add(fired);
        }
    }

    /// What the run is called: the rule file's `name`, or its path.
    pub fn name(&self) -> String {
        let name = self.armed.as_ref().and_then(|armed| armed.name.clone());
        name.unwrap_or_else(|| self.path().display().to_string())
    }

    /// The path of the rule file.
    pub fn path(&self) -> &Path {
        let armed = self.armed.as_ref();
        armed.map_or(&self.rule_file, |armed| &armed.rule_file.path)
    }

    /// The folder in which the run was started.
    pub fn folder(&self) -> PathBuf {
        let armed = self.armed.as_ref().map(|armed| armed.folder.clone());
        armed.unwrap_or_else(|| std::env::current_dir().unwrap_or_default())
    }

    /// The rules, in file order as far as that is known.
    pub fn rule_names(&self) -> Vec<&str> {
        let armed = self.armed.iter().flat_map(|armed| &armed.rules);
        let results = self.rules.iter().map(|result| &result.rule);
        let wrong = self.errors.iter().filter_map(|error| error.rule.as_ref());
        let mut names: Vec<&str> = Vec::new();
        for name in armed.chain(results).chain(wrong) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }

    /// Why a rule could not be armed.
    pub fn error_of(&self, rule: &str) -> Option<&Error> {
        self.errors
            .iter()
            .find(|error| error.rule.as_deref() == Some(rule))
    }

    /// The line of each rule in the rule file, counted from 1, by its name.
    pub fn rule_lines(&self) -> HashMap<String, usize> {
        let Some(armed) = &self.armed else {
            return HashMap::new();
        };
        let source = Source::new(&armed.rule_file.path, &armed.rule_file.text);
        let Ok((rules, _)) = goinject_rules::parse(&source) else {
            return HashMap::new();
        };
        let line = |start| source.line_column(start).0;
        let lines = rules
            .rules
            .iter()
            .map(|rule| (rule.name.clone(), line(rule.span.start)));
        lines.collect()
    }

    /// How long the run took, in nanoseconds, as far as is known.
    pub fn length(&self) -> u64 {
        let last = self.events.iter().map(|event| event.elapsed_ns).max();
        let end = self.end.as_ref().map(|end| end.elapsed_ns);
        end.max(last).unwrap_or(0)
    }

    /// Events that are not among those kept.
    pub fn events_left_out(&self) -> u64 {
        self.fired - self.events.len() as u64
    }

    /// Whether all was as expected.
    pub fn passed(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.exit_code == 0)
    }

    /// Whether the rules alone tell why the run did not pass.
    pub fn is_told_by_rules(&self) -> bool {
        let code = self.end.as_ref().map(|end| end.exit_code);
        let unmet = self.rules.iter().any(|rule| !rule.unmet.is_empty());
        matches!(code, Some(0)) || (unmet && matches!(code, Some(1 | 4)) && !self.ended_badly())
    }

    fn ended_badly(&self) -> bool {
        let status = self.end.as_ref().and_then(|end| end.status);
        status.is_some_and(|status| status != 0)
    }

    /// What became of the target and of the run, in a sentence.
    pub fn end_words(&self) -> String {
        let Some(end) = &self.end else {
            if let Some(first) = self.errors.first() {
                return format!("the run did not begin: {}", first.message);
            }
            return "the run has no end: goinject was killed, or its events are not complete".to_owned();
        };
        let target = match (&end.signal, end.status) {
            (Some(signal), _) => format!("the target was killed by {signal}"),
            (None, Some(status)) => format!("the target exited with status {status}"),
            (None, None) if end.target == TargetEnd::Released => {
                "the target keeps running, without faults".to_owned()
            }
            (None, None) => "the target has ended".to_owned(),
        };
        let why = ExitCode::words_of(end.exit_code);
        match why {
            Some(why) => format!("{target}; exit code {}: {why}", end.exit_code),
            None => target,
        }
    }
}

impl TestName {
    /// The test that an event belongs to.
    pub fn of(fired: &Fired) -> Option<TestName> {
        let test = fired.test.clone()?;
        let root = test.split('/').next().unwrap_or(&test);
        let is_test =
            |name: &str| name == root || name.strip_prefix(root).is_some_and(|end| end.starts_with('.'));
        // The outermost: the test function itself is where the stack begins.
        let package = fired.stack.iter().rev().find_map(|frame| {
            let last = frame.function.rfind('/').map_or(0, |slash| slash + 1);
            let dot = last + frame.function[last..].find('.')?;
            is_test(&frame.function[dot + 1..]).then(|| frame.function[..dot].to_owned())
        });
        let package = package.unwrap_or_else(|| fired.program.clone());
        Some(TestName { package, test })
    }
}

impl std::fmt::Display for TestName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.package, self.test)
    }
}
