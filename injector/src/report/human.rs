//! What people read on standard error.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use goinject_rules::diagnostic::{Style, inert, render};
use goinject_rules::source::Source;
use goinject_rules::units::format_duration;

use super::place::Workspace;
use crate::console;
use crate::error::ExitCode;
use crate::event::line::{
    Armed, Container, End, Fired, Line, OutcomeName, Process, ProcessResult, Reloaded, RuleResult, TargetEnd,
};
use crate::event::{Notice, Sink};
use crate::words::{self, aligned, count, in_shell};

/// Events that are printed for each rule; the rest is only counted.
const SHOWN: u64 = 10;
/// Processes that are named for each program; the rest is only counted.
const NAMED: u64 = 10;

/// The terminal of whoever watches the run.
pub struct Terminal<'a> {
    source: &'a Source,
    style: Style,
    quiet: bool,
    /// Events of each rule so far.
    shown: HashMap<String, u64>,
    /// Processes of each program so far.
    named: HashMap<PathBuf, u64>,
    armed: Option<Armed>,
    results: Vec<RuleResult>,
    processes: Vec<ProcessResult>,
    /// Whose code calls are told to come from.
    workspace: Workspace,
}

impl<'a> Terminal<'a> {
    /// Standard error, for a run of this rule file.
    pub fn new(source: &'a Source, style: Style, quiet: bool) -> Terminal<'a> {
        Terminal {
            source,
            style,
            quiet,
            shown: HashMap::new(),
            named: HashMap::new(),
            armed: None,
            results: Vec::new(),
            processes: Vec::new(),
            workspace: Workspace::of_environment(&std::env::current_dir().unwrap_or_default()),
        }
    }

    fn process(&mut self, process: &Process) {
        let named = self.named.entry(process.binary.clone()).or_default();
        *named += u64::from(!process.again);
        if *named > NAMED {
            return;
        }
        say(format!(
            "armed {} at {} in process {} ({}{}, {})",
            count(process.rules.len(), "rule"),
            count(process.sites, "site"),
            process.pid,
            inside(process.namespace_pid, process.container.as_ref()),
            words::path(&process.binary),
            process.go,
        ));
        // The rule file was read again, and the rest is known.
        if process.again {
            return;
        }
        if *named == NAMED {
            say(format!(
                "{}: further processes are armed without being named",
                words::path(&process.binary)
            ));
        }
        if let Some(armed) = self.armed.as_ref().filter(|armed| armed.pid == process.pid)
            && self.named.values().sum::<u64>() == 1
        {
            say(format!("{}; seed {}", armed.explanation, armed.seed));
        }
    }

    fn fired(&mut self, fired: &Fired) {
        let shown = self.shown.entry(fired.rule.clone()).or_default();
        *shown += 1;
        if self.quiet || *shown > SHOWN {
            return;
        }
        let several = self.named.values().sum::<u64>() > 1;
        say(fired_line(fired, several, &self.workspace));
        if *shown == SHOWN {
            say(format!(
                "{}: further events are counted, not shown (all of them go to --json FILE)",
                fired.rule
            ));
        }
    }

    fn end(&self, end: &End) {
        for line in summary(&self.results).lines() {
            say(line);
        }
        for process in self.processes.iter().filter(|_| self.processes.len() > 1) {
            say(process_words(process));
        }
        if end.dropped_events > 0 {
            say(format!(
                "{} were lost because they came too fast; the counts above are complete",
                count_of(end.dropped_events, "event")
            ));
        }
        if end.lost_calls > 0 {
            say(format!(
                "{} could not be handled and are not counted: too many threads",
                count_of(end.lost_calls, "call")
            ));
        }
        if let Some(panics) = &end.panics {
            say(format!(
                "the target panicked {}, expected {}",
                count_of(panics.actual, "time"),
                panics.expected
            ));
        }
        let expected = end
            .expected_status
            .map_or_else(String::new, |status| format!(", expected {status}"));
        say(format!("{}{expected}", end_words(end)));
        if let Some(why) = ExitCode::words_of(end.exit_code) {
            say(format!("exit code {}: {why}", end.exit_code));
        }
        if let Some(armed) = &self.armed {
            say(format!("to repeat: {}", in_shell(&armed.command)));
        }
    }
}

impl Sink for Terminal<'_> {
    fn line(&mut self, line: &Line) {
        match line {
            Line::Armed(armed) => {
                if let Some(name) = &armed.name {
                    say(name);
                }
                self.armed = Some(armed.clone());
            }
            Line::Process(process) => self.process(process),
            Line::Fired(fired) => self.fired(fired),
            Line::Executed(executed) => say(format!(
                "process {} executed another program: the rules no longer act in it",
                executed.pid
            )),
            Line::Reloaded(reloaded) if reloaded.refused.is_some() => {}
            Line::Reloaded(reloaded) => say(reloaded_words(reloaded)),
            Line::Replaced(result) => say(format!(
                "{} is no more: {}, {} matched, {} fired, {} applied, {} failed",
                inert(&result.rule),
                count_of(result.calls, "call"),
                result.matched,
                result.fired,
                result.applied,
                result.failed
            )),
            // Told as a notice, with its place in the file.
            Line::Error(_) => {}
            Line::Limit {} => say("limit reached: no more faults; the target keeps running"),
            Line::PassedOver(passed_over) => say(format!(
                "no rule was armed in {}",
                passed_over.programs.join(", ")
            )),
            Line::ProcessResult(result) => self.processes.push(result.clone()),
            Line::Rule(result) => self.results.push(result.clone()),
            Line::End(end) => self.end(end),
        }
    }

    fn event_limit(&self) -> u64 {
        if self.quiet { 0 } else { SHOWN }
    }

    fn notice(&mut self, notice: &Notice) {
        match notice {
            Notice::Words(words) => say(words),
            Notice::Standing(_) => {}
            Notice::Findings(findings) => {
                console::write(&render(findings, self.source, self.style));
            }
            Notice::FindingsOf(source, findings) => {
                console::write(&render(findings, source, self.style));
            }
        }
    }
}

/// The number of a process where it lives, and its container: `1 in shop/cart/app, `.
fn inside(namespace_pid: Option<i32>, container: Option<&Container>) -> String {
    let pid = namespace_pid.map(|pid| pid.to_string());
    let name = container.map(|container| inert(&container.name).into_owned());
    match (pid, name) {
        (Some(pid), Some(name)) => format!("{pid} in {name}, "),
        (None, Some(name)) => format!("in {name}, "),
        (Some(pid), None) => format!("{pid} in its PID namespace, "),
        (None, None) => String::new(),
    }
}

fn reloaded_words(reloaded: &Reloaded) -> String {
    let count_on = match reloaded.kept.as_slice() {
        [] => String::new(),
        kept => format!("; as before, and counting on: {}", kept.join(", ")),
    };
    format!(
        "the rule file was read again: generation {}, {}{}",
        reloaded.generation,
        count(reloaded.rules.len(), "rule"),
        inert(&count_on)
    )
}

/// What fired in a process of a container.
fn process_words(process: &ProcessResult) -> String {
    let rules = process.fired.iter().map(|(rule, fired)| {
        let failed = process.failed.get(rule);
        let failed = failed.map_or_else(String::new, |failed| format!(" ({failed} failed)"));
        format!("{rule} fired {fired}{failed}")
    });
    let rules: Vec<String> = rules.collect();
    format!(
        "process {} ({}{}): {}",
        process.pid,
        inside(process.namespace_pid, process.container.as_ref()),
        inert(&process.program),
        match rules.is_empty() {
            true => "nothing fired".to_owned(),
            false => rules.join(", "),
        }
    )
}

/// Prints a line of goinject's own to standard error.
fn say(line: impl std::fmt::Display) {
    console::write(&format!("goinject: {}\n", inert(&line.to_string())));
}

/// The line of a rule that fired. In a run of several processes it names the process, in a Go test that and the place in
/// the user's code.
fn fired_line(fired: &Fired, several: bool, workspace: &Workspace) -> String {
    let mut line = format!("{} {}", fired.rule, fired.function);
    if several {
        let _ = write!(line, " [{} {}]", fired.program, fired.pid);
    }
    if let Some(goroutine) = fired.goroutine {
        let _ = write!(line, " [goroutine {goroutine}]");
    }
    if let Some(test) = &fired.test {
        let _ = write!(line, " in {}", inert(test));
        if let Some(place) = workspace.call_site(&fired.stack) {
            let _ = write!(line, " at {}:{}", inert(&place.file), place.line);
        }
    }
    line.push(':');
    if let Some(reason) = &fired.reason {
        let _ = write!(line, " failed: {reason}");
        return line;
    }
    let mut words = Vec::new();
    match fired.delay_ns {
        Some(delay) => words.push(format!(
            "{} {}",
            fired.words("delayed", "would have been delayed"),
            format_duration(Duration::from_nanos(delay))
        )),
        None if fired.delayed => words.push(fired.words("delayed", "would have been delayed").to_owned()),
        None => {}
    }
    if fired.returned_early {
        let results = fired
            .values
            .iter()
            .map(|value| format!("{} {}", value.path, value.after));
        let results: Vec<String> = results.collect();
        let with = if results.is_empty() { "" } else { " with " };
        let returned = fired.words("returned early", "would have returned early");
        words.push(format!("{returned}{with}{}", results.join(", ")));
    } else {
        words.extend(fired.values.iter().map(|value| {
            let before = value.before.as_ref();
            let before = before.map_or_else(|| "?".to_owned(), ToString::to_string);
            format!("{} {before} → {}", value.path, value.after)
        }));
    }
    if fired.panicked {
        words.push(fired.words("panicked", "would have panicked").to_owned());
    }
    let _ = write!(line, " {}", words.join(", "));
    if fired.outcome == OutcomeName::Observed {
        line.push_str(" (observed only)");
    }
    line
}

/// The table at the end of a run, one row per rule, and below it what went wrong.
fn summary(results: &[RuleResult]) -> String {
    let head = [
        "rule", "sites", "calls", "matched", "fired", "applied", "failed", "",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(results.iter().map(|result| {
        [
            result.rule.clone(),
            result.sites.to_string(),
            result.calls.to_string(),
            result.matched.to_string(),
            result.fired.to_string(),
            match result.observes {
                true => "-".to_owned(),
                false => result.applied.to_string(),
            },
            result.failed.to_string(),
            verdict_words(result),
        ]
    }));
    let mut text = aligned(&rows, "", [false, true, true, true, true, true, true, false]);
    for result in results {
        if let Some(explanation) = &result.explanation {
            let _ = writeln!(text, "{}: {explanation}", result.rule);
        }
        for (reason, count) in &result.failures {
            let _ = writeln!(text, "{}: {count} failed: {reason}", result.rule);
        }
        let begun = result.fired.saturating_sub(result.applied + result.failed);
        if begun > 0 && !result.observes {
            let words = "entered but never returned: ended by a panic, runtime.Goexit or another rule's `return`, or still running when the process or the run ended";
            let _ = writeln!(text, "{}: {begun} {words}", result.rule);
        }
    }
    text
}

fn verdict_words(result: &RuleResult) -> String {
    let unmet = result.unmet.iter();
    let words: Vec<String> = unmet
        .map(|unmet| format!("{} {}, expected {}", unmet.counter, unmet.actual, unmet.expected))
        .collect();
    match words.as_slice() {
        [] => "ok".to_owned(),
        words => words.join("; "),
    }
}

fn count_of(number: u64, noun: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), noun)
}

fn end_words(end: &End) -> String {
    match (end.target, end.status, &end.signal) {
        (TargetEnd::Exited, Some(status), _) => format!("the target exited with status {status}"),
        (TargetEnd::Killed, _, Some(signal)) => format!("the target was killed by {signal}"),
        (TargetEnd::Released, ..) => "the target keeps running, without faults".to_owned(),
        _ => "the target has ended".to_owned(),
    }
}
