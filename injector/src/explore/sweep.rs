//! One rule, its first, second, … n-th call: a run each.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use goinject_rules::model::{self, CountRange, Mode as RuleMode, RuleSet, Value};
use goinject_rules::source::Span;

use super::at_point::{KEPT_EVENTS, MOST_FAULTS};
use super::class::Class;
use super::code::Side;
use super::experiment::{Experiment, Tried, make, watching};
use super::explorer::Trials;
use super::judge::{Evidence, Verdict};
use super::leak::{self, GRACE};
use super::point::{DEPTH, Place, Reach, hash};
use super::replay::{self, Injected};
use super::results::{Finding, Result as Outcome};
use super::rule_text::Mode;
use super::subject::Subject;
use super::trail;
use super::trial::Request;
use crate::event::line::Fired;

/// Calls whose stacks are remembered.
const STACKS: usize = 4096;

/// A rule file with one rule, into which a sweep writes which calls fire.
#[derive(Clone, Debug)]
pub struct Template {
    /// The file.
    pub file: PathBuf,
    /// Its text, but that the rule expects no more firings than one call alone can meet.
    text: String,
    /// The rule's name.
    pub rule: String,
    /// What is in the texts of the errors that it injects.
    marks: Vec<String>,
    /// Whether the rule expects something.
    expects: bool,
    /// Where the rule's first key stands, whether in braces, and where the rule ends.
    key: usize,
    is_flow: bool,
    end: usize,
}

/// Why a rule file can't be swept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It has several rules.
    #[error("a sweep is of one rule, and the file has {0}: leave one in it")]
    Several(usize),
    /// The rule says when it fires.
    #[error("rule `{0}` has `when`, which a sweep decides itself: remove it")]
    Decides(String),
    /// The rule does nothing.
    #[error("rule `{0}` has `mode: observe`, and so no faults: remove that")]
    Observes(String),
}

impl Template {
    /// A template of a rule file.
    ///
    /// # Errors
    /// When it has no rule, or several, or one that says when it fires.
    pub fn new(rules: &RuleSet) -> Result<Template, Unfit> {
        let [rule] = &rules.rules[..] else {
            return Err(Unfit::Several(rules.rules.len()));
        };
        if rule.when != model::Trigger::default() {
            return Err(Unfit::Decides(rule.name.clone()));
        }
        if rule.mode == RuleMode::Observe {
            return Err(Unfit::Observes(rule.name.clone()));
        }
        let mut text = rules.source.text().to_owned();
        let is_flow = text[rule.span.start..].starts_with('{');
        let mut end = rule.span.end.min(text.len());
        if let Some((place, range)) = unmet(rule) {
            end = end - place.len() + range.len();
            text.replace_range(place, &range);
        }
        Ok(Template {
            // Trials run in other folders.
            file: std::path::absolute(rules.source.path()).unwrap_or_else(|_| rules.source.path().to_owned()),
            key: rule.span.start + usize::from(is_flow),
            is_flow,
            end,
            expects: expects(rule),
            rule: rule.name.clone(),
            marks: marks(&rule.inject),
            text,
        })
    }

    /// The file with a further key in the rule, and further rules beside it.
    fn with(&self, key: Option<String>, rules: &[String]) -> String {
        let (before, after) = self.text.split_at(self.key);
        let line = before.rfind('\n').map_or(0, |at| at + 1);
        let end = match self.is_flow {
            true => ", ".to_owned(),
            false => format!("\n{}", " ".repeat(before[line..].chars().count())),
        };
        let added = key.map_or_else(String::new, |key| key + &end);
        let text = format!("{before}{added}{after}");
        if rules.is_empty() {
            return text;
        }
        // Items of the same list, where that is a block.
        let Some(dash) = before
            .rfind("- ")
            .filter(|dash| before[dash + 2..].trim_matches([' ', '{']).is_empty())
        else {
            return text;
        };
        let indent = " ".repeat(dash - line.min(dash));
        let items: String = rules
            .iter()
            .map(|rule| format!("{}\n{indent}", rule.trim()))
            .collect();
        format!("{}{items}{}", &text[..dash], &text[dash..])
    }

    /// The rule alone, as an item of a list, in which the n-th call fires, or that and all that follow.
    fn item(&self, nth: u64, mode: Mode) -> String {
        let (before, _) = self.text.split_at(self.key);
        let line = before.rfind('\n').map_or(0, |at| at + 1);
        let indent = before[line..].chars().count() - usize::from(self.is_flow);
        let start = self.key - usize::from(self.is_flow);
        let mut rule = self.text[start..self.end].trim_end().to_owned();
        if let Some(key) = when(nth, mode) {
            match self.is_flow {
                true => rule.insert_str(1, &format!("{key}, ")),
                false => rule.insert_str(0, &format!("{key}\n{}", " ".repeat(indent))),
            }
        }
        let mut lines = rule.lines();
        let mut item = format!("  - {}\n", lines.next().unwrap_or_default());
        for line in lines {
            let own = line.len() - line.trim_start_matches(' ').len();
            let rest = &line[own.min(indent)..];
            let padding = if rest.is_empty() { "" } else { "    " };
            item.push_str(&format!("{padding}{rest}\n"));
        }
        item
    }

    /// The file in which the n-th call fires, or that and all that follow.
    fn firing(&self, nth: u64, mode: Mode, rules: &[String]) -> String {
        self.with(when(nth, mode), rules)
    }

    /// The file in which nothing fires.
    fn observing(&self) -> String {
        self.with(Some("mode: observe".to_owned()), &[])
    }
}

/// Whether a rule expects something.
fn expects(rule: &model::Rule) -> bool {
    let expect = &rule.expect;
    let others = [&expect.calls, &expect.matched];
    let written = |span: &Span| span.start > rule.span.start;
    [&expect.fired, &expect.failed]
        .into_iter()
        .chain(others.into_iter().flatten())
        .any(|range| written(&range.span))
}

/// Where a rule expects that it fires so often as a single call can't, and what of that a single call can.
fn unmet(rule: &model::Rule) -> Option<(Range<usize>, String)> {
    let fired = &rule.expect.fired;
    let CountRange { min, max } = fired.value;
    let meets = min <= 1 && max >= 1;
    if meets || fired.span.start <= rule.span.start {
        return None;
    }
    let range = match max {
        0 | u64::MAX => "\">=1\"".to_owned(),
        max => format!("\"1..{max}\""),
    };
    Some((fired.span.start..fired.span.end, range))
}

/// The key by which a call fires, or that and all that follow.
fn when(nth: u64, mode: Mode) -> Option<String> {
    match (mode, nth) {
        (Mode::Once, nth) => Some(format!("when: {{nth: {nth}}}")),
        (Mode::Always, 1) => None,
        (Mode::Always, nth) => Some(format!("when: {{after: {}}}", nth - 1)),
    }
}

/// What is in the texts of the errors that a rule injects, as far as the file tells.
fn marks(inject: &model::Inject) -> Vec<String> {
    let mut found = Vec::new();
    let returned = inject.early_return.iter().flat_map(|values| &values.value);
    for assignment in inject.set.iter().chain(returned) {
        collect(&assignment.value.value, &mut found);
    }
    found
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Message(text) => found.push(text.clone()),
        Value::Errno(name) => found.extend(
            goinject_rules::errno::ERRNOS
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, number)| {
                    let text = std::io::Error::from_raw_os_error(*number).to_string();
                    // Go writes them in small letters.
                    let text = text.split(" (os error").next().unwrap_or_default();
                    text.to_lowercase()
                }),
        ),
        Value::Wrap { of, message } => {
            found.push(message.clone());
            collect(&of.value, found);
        }
        Value::Join(all) => collect(&all.value, found),
        Value::List(all) => all.iter().for_each(|value| collect(&value.value, found)),
        Value::Typed {
            content: Some(content),
            ..
        } => collect(&content.value, found),
        Value::Fields(fields) => {
            for (_, value) in fields {
                match &value.value {
                    // A text in an error is in what it says.
                    Value::Text(text) if text.len() > 3 => found.push(text.clone()),
                    value => collect(value, found),
                }
            }
        }
        Value::Text(name) => found.extend(known_text(name).map(str::to_owned)),
        _ => {}
    }
}

/// What errors of the standard library say.
fn known_text(variable: &str) -> Option<&'static str> {
    Some(match variable {
        "io.EOF" => "EOF",
        "io.ErrUnexpectedEOF" => "unexpected EOF",
        "io.ErrClosedPipe" => "closed pipe",
        "io.ErrShortWrite" => "short write",
        "os.ErrNotExist" | "io/fs.ErrNotExist" => "does not exist",
        "os.ErrExist" | "io/fs.ErrExist" => "already exists",
        "os.ErrPermission" | "io/fs.ErrPermission" => "permission denied",
        "os.ErrClosed" | "io/fs.ErrClosed" => "already closed",
        "context.Canceled" => "context canceled",
        "net.ErrClosed" => "use of closed network connection",
        "database/sql/driver.ErrBadConn" => "bad connection",
        _ => return None,
    })
}

/// The calls that a subject makes without faults.
#[derive(Clone, Debug, Default)]
pub struct Count {
    /// How many fire where all do.
    pub calls: u64,
    /// The first of them.
    pub events: Vec<Fired>,
    /// Whether rules held in further processes.
    pub starts_itself: bool,
}

/// Counts the calls of a rule.
///
/// # Errors
/// Why the rule could not be armed, or what failed.
pub fn count(template: &Template, subject: &Subject, trials: &Trials<'_>) -> Result<Count, String> {
    let request = Request {
        kept_events: STACKS,
        ..trials.request(subject, None, (template.observing(), &template.file), 0)
    };
    let outcome = trials.make(request).map_err(|error| error.to_string())?;
    if let Some(failure) = outcome.record.failure {
        return Err(failure);
    }
    trials.begin_faults();
    let rule = outcome
        .record
        .rules
        .iter()
        .find(|rule| rule.rule == template.rule);
    let events = outcome
        .record
        .fired
        .into_iter()
        .filter(|fired| fired.rule == template.rule);
    Ok(Count {
        calls: rule.map_or(0, |rule| rule.fired),
        events: events.collect(),
        starts_itself: outcome.record.processes > 1,
    })
}

/// A call of a sweep.
#[derive(Clone, Debug)]
pub struct AtCall {
    /// In which subject.
    pub subject: usize,
    /// The rule.
    pub template: Template,
    /// Which call.
    pub nth: u64,
    /// Whether those after it fire, too.
    pub mode: Mode,
    /// All calls without faults.
    pub calls: u64,
    /// The call as it was seen without faults.
    pub seen: Option<Fired>,
    /// How long a trial may take.
    pub patience: Duration,
    /// Standard output without a fault, where that is always the same.
    pub plain_output: Option<String>,
    /// Whether the program may start itself: then its exit is not waited at, where each of its children would wait, too.
    pub starts_itself: bool,
}

impl AtCall {
    /// The stack of the call, inlined functions left out.
    fn stack(&self) -> Vec<Place> {
        let frames = self.seen.iter().flat_map(|fired| fired.stack.iter().skip(1));
        frames.filter(|frame| !frame.inlined).map(Place::from).collect()
    }

    /// The user's frames.
    fn own(&self, subject: &Subject) -> Vec<Place> {
        let frames = self.seen.iter().flat_map(|fired| fired.stack.iter().skip(1));
        let own = frames.filter(|frame| subject.program.code.side_of(frame) == Side::Own);
        own.take(DEPTH).map(Place::from).collect()
    }

    fn function(&self) -> String {
        self.seen
            .as_ref()
            .map_or_else(|| self.template.rule.clone(), |fired| fired.function.clone())
    }

    fn test(&self) -> Option<String> {
        self.seen.as_ref()?.test.clone()
    }
}

impl Experiment for AtCall {
    fn id(&self) -> String {
        // Another rule's calls are others.
        let rule = hash(self.template.text.as_bytes()) as u32;
        format!("{rule:08x}-{}-{}-{}", self.subject, self.nth, self.mode)
    }

    fn words(&self) -> String {
        let calls = match self.mode {
            Mode::Once => format!("call {}", self.nth),
            Mode::Always => format!("call {} and all that follow", self.nth),
        };
        let caller = self.seen.as_ref().and_then(|fired| fired.stack.get(1));
        let caller = caller.map_or_else(String::new, |frame| {
            format!(" in {} ({}:{})", frame.function, frame.file, frame.line)
        });
        format!("{calls} of {}{caller}", self.function())
    }

    fn subject(&self) -> usize {
        self.subject
    }

    fn try_once(&self, subject: &Subject, trials: &Trials<'_>, n: usize) -> Tried {
        let stack = self.stack();
        let functions = trail::functions(&subject.program, &stack);
        let rules = watching(subject, (&functions, !self.starts_itself), n);
        let rules = subject.program.fitting(&rules);
        let fault_alone = self.template.firing(self.nth, self.mode, &[]);
        let rules = self.template.firing(self.nth, self.mode, &rules);
        let request = Request {
            patience: trials.settings.patience.unwrap_or(self.patience),
            most_faults: MOST_FAULTS.max(self.calls * 2),
            kept_events: KEPT_EVENTS
                .max(usize::try_from(self.nth).unwrap_or(KEPT_EVENTS))
                .min(STACKS),
            grace: GRACE[n.min(1)],
            error_marks: self.template.marks.clone(),
            ..trials.request(subject, None, (rules, &self.template.file), n)
        };
        let (outcome, is_watched) = match make(trials, &request, fault_alone, n) {
            Ok(made) => made,
            Err(error) => return Tried::Failed(error.to_string()),
        };
        let evidence = Evidence {
            program: &subject.program,
            rule: &self.template.rule,
            point: None,
            marks: &self.template.marks,
            error: "",
            mode: self.mode,
            outcome: &outcome,
            reach: &Reach {
                stack,
                nth: self.nth,
                calls: self.calls,
            },
            plain_output: self.plain_output.as_deref(),
            is_test: subject.is_test(),
            caller_writes: true,
            is_watched,
        };
        Tried::Judged(leak::judge(&evidence, subject, trials, (&request, n), false))
    }

    fn outcome(&self, subject: &Subject, class: Class, runs: usize, words: String) -> Outcome {
        Outcome {
            fault: self.id(),
            function: self.function(),
            caller: self.own(subject).into_iter().next(),
            mode: self.mode,
            test: self.test(),
            subject: subject.name.clone(),
            class,
            runs,
            words: format!("{}: {words}", self.words()),
            finding_id: None,
            finding: None,
        }
    }

    fn finding(&self, subject: &Subject, verdict: Verdict, runs: usize) -> Outcome {
        let stack = self.own(subject);
        let id = Finding::make_id(verdict.class, &self.function(), &stack, verdict.frame.as_ref());
        Outcome {
            finding: Some(Finding {
                id,
                fault: self.id(),
                class: verdict.class,
                mode: self.mode,
                function: self.function(),
                error: self.template.marks.first().cloned().unwrap_or_default(),
                stack,
                frame: verdict.frame,
                lost: verdict.lost,
                words: verdict.words.clone(),
                test: self.test(),
                subject: subject.name.clone(),
                rule: PathBuf::new(),
                others: 0,
                also: Vec::new(),
                known: false,
            }),
            ..self.outcome(subject, verdict.class, runs, verdict.words)
        }
    }

    fn rule_file(&self, subject: &Subject, finding: &Finding, folder: &Path) -> String {
        let injected = Injected::Written {
            rule: self.template.item(self.nth, self.mode),
            expects: self.template.expects,
        };
        // Calls are counted over all tests.
        replay::rule_file(subject, finding, (&injected, None), (self.patience, folder))
    }
}

/// The calls to try.
pub fn plan(
    index: usize,
    template: &Template,
    count: &Count,
    modes: &[Mode],
    (elapsed, plain_output): (Duration, Option<&String>),
) -> Vec<AtCall> {
    let mut by_number: BTreeMap<u64, &Fired> = BTreeMap::new();
    for (n, event) in count.events.iter().enumerate() {
        by_number.insert(event.call.unwrap_or(n as u64 + 1), event);
    }
    let mut all = Vec::new();
    for mode in modes {
        for nth in 1..=count.calls {
            all.push(AtCall {
                subject: index,
                template: template.clone(),
                nth,
                mode: *mode,
                calls: count.calls,
                seen: by_number.get(&nth).map(|event| (*event).clone()),
                patience: Duration::from_secs(3) + elapsed * 8,
                plain_output: plain_output.cloned(),
                starts_itself: count.starts_itself,
            });
        }
    }
    all
}

#[cfg(test)]
mod tests;
