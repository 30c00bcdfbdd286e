//! What an exploration finds, for people: findings as they come, how far it is, and a summary.

use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::console;
use crate::explore::class::{Class, Worth};
use crate::explore::explorer::Watcher;
use crate::explore::point::Place;
use crate::explore::results::{Ended, Exploration, Finding, Result as Outcome};
use crate::words::{count, inert};

/// Time between two drawings.
const FRAME: Duration = Duration::from_millis(200);
/// Time between two lines where there is no terminal.
const PAUSE: Duration = Duration::from_secs(30);

/// Shows an exploration while it goes on.
#[derive(Debug)]
pub struct Exploring {
    is_terminal: bool,
    quiet: bool,
    began: Instant,
    next: Instant,
    here: usize,
    found: usize,
    told: Vec<String>,
    known: Vec<String>,
    is_drawn: bool,
}

impl Exploring {
    /// On standard error. Findings of the baseline are not told.
    pub fn new(quiet: bool, baseline: Option<&Exploration>) -> Exploring {
        let is_terminal = io::stderr().is_terminal();
        let now = Instant::now();
        let known = baseline.iter().flat_map(|baseline| &baseline.findings);
        Exploring {
            is_terminal,
            quiet,
            began: now,
            next: now + if is_terminal { FRAME } else { PAUSE },
            here: 0,
            found: 0,
            told: Vec::new(),
            known: known.flat_map(Finding::names).cloned().collect(),
            is_drawn: false,
        }
    }

    /// Nothing more comes.
    pub fn end(&mut self) {
        self.erase();
    }

    fn erase(&mut self) {
        if std::mem::take(&mut self.is_drawn) {
            console::write("\r\x1b[K");
        }
    }

    fn progress(&mut self, done: usize, all: usize) {
        let now = Instant::now();
        if self.quiet || now < self.next {
            return;
        }
        self.next = now + if self.is_terminal { FRAME } else { PAUSE };
        let minutes = self.began.elapsed().as_secs_f64() / 60.0;
        let rate = self.here as f64 / minutes.max(1e-6);
        let left = (all - done) as f64 / rate.max(1e-6);
        let text = format!(
            "{done} of {}, {}, {rate:.0} faults a minute, about {} left",
            count(all, "fault"),
            count(self.found, "finding"),
            duration(left * 60.0)
        );
        if self.is_terminal {
            self.is_drawn = true;
            console::write(&format!("\r\x1b[Kgoinject: {text}"));
        } else {
            console::write(&format!("goinject: {text}\n"));
        }
    }
}

impl Watcher for Exploring {
    fn tried(&mut self, outcome: &Outcome, done: usize, all: usize) {
        self.here += 1;
        if let Some(finding) = &outcome.finding {
            self.found += 1;
            if !self.told.contains(&finding.id) && !self.known.contains(&finding.id) {
                self.told.push(finding.id.clone());
                self.erase();
                console::write(&format!("goinject: {}\n", inert(&line(finding))));
            }
        }
        self.progress(done, all);
    }
}

fn duration(seconds: f64) -> String {
    let seconds = seconds.round().clamp(0.0, 1e6) as u64;
    match seconds {
        0..=99 => format!("{seconds} s"),
        _ => format!("{} min", seconds.div_ceil(60)),
    }
}

fn place(place: &Place) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let file = Path::new(&place.file);
    format!(
        "{}:{}",
        file.strip_prefix(&here).unwrap_or(file).display(),
        place.line
    )
}

/// A finding in one line.
fn line(finding: &Finding) -> String {
    let mut text = format!("{}: {} fails", finding.class, finding.function);
    if finding.mode == crate::explore::rule_text::Mode::Always {
        text.push_str(" again and again");
    }
    if let Some(caller) = finding.stack.first() {
        let _ = write!(text, " in {} ({})", caller.function, place(caller));
    }
    let _ = write!(text, ": {}", finding.words);
    if let Some(frame) = &finding.frame
        && Some(frame) != finding.stack.first()
    {
        let _ = write!(text, " ({})", place(frame));
    }
    if let Some(test) = &finding.test {
        let _ = write!(text, " [{test}]");
    }
    text
}

/// Outcomes that are no findings, but of classes that count as such: a line for each.
fn noted(of: &Exploration, fail_on: &[Class]) -> Vec<String> {
    let wanted = |class: Class| class.worth() != Worth::Finding && fail_on.contains(&class);
    let mut lines: Vec<String> = Vec::new();
    for outcome in of.outcomes.iter().filter(|outcome| wanted(outcome.class)) {
        let mut text = format!("{}: {} fails", outcome.class, outcome.function);
        if let Some(caller) = &outcome.caller {
            let _ = write!(text, " in {} ({})", caller.function, place(caller));
        }
        let _ = write!(text, ": {}", outcome.words);
        if let Some(test) = &outcome.test {
            let _ = write!(text, " [{test}]");
        }
        // The same comes of the call once, and again and again.
        if !lines.contains(&text) {
            lines.push(text);
        }
    }
    if wanted(Class::Unstable) {
        let tests = of.unstable.iter();
        lines.extend(tests.map(|test| format!("{}: {test}", Class::Unstable)));
    }
    lines
}

/// Prints the end of an exploration, with the outcomes of classes that it fails on.
pub fn exploration(of: &Exploration, file: &Path, out: &Path, fail_on: &[Class]) {
    let mut text = String::new();
    let mut classes = String::new();
    for class in Class::ALL {
        if let Some(number) = of.counts.get(&class) {
            if !classes.is_empty() {
                classes.push_str(", ");
            }
            let _ = write!(classes, "{number} {class}");
        }
    }
    let minutes = of.elapsed_ms as f64 / 60_000.0;
    let tried: usize = of.counts.values().sum::<usize>() - of.unstable.len();
    let _ = writeln!(
        text,
        "{} at {} in {}, {}: {}",
        count(tried, "fault"),
        count(of.points, "point"),
        count(of.runs, "run"),
        duration(of.elapsed_ms as f64 / 1000.0),
        if classes.is_empty() { "nothing" } else { &classes }
    );
    let _ = writeln!(text, "{:.0} faults a minute", tried as f64 / minutes.max(1e-6));
    if let Some(paths) = &of.error_paths {
        let _ = writeln!(text, "{}", paths.words());
    }
    for (subject, why) in &of.alone {
        let why = why.lines().next().unwrap_or_default();
        let _ = writeln!(text, "{subject}: its trials were made one by one: {why}");
    }
    for finding in of.new_findings() {
        let _ = writeln!(text, "{}", line(finding));
        if finding.others > 0 {
            let _ = writeln!(text, "  and {}", count(finding.others, "other call"));
        }
        let _ = writeln!(
            text,
            "  goinject run {}",
            crate::words::in_shell(&[finding.rule.display().to_string()])
        );
    }
    for line in noted(of, fail_on) {
        let _ = writeln!(text, "{line}");
    }
    let known = of.findings.len() - of.new_findings().count();
    if known > 0 {
        let _ = writeln!(text, "{} of the baseline", count(known, "finding"));
    }
    if of.findings.is_empty() {
        let _ = writeln!(text, "no findings");
    }
    match of.ended {
        Ended::Complete => {}
        Ended::Budget => drop(writeln!(
            text,
            "the budget ended before {} (go on with --resume)",
            count(of.left, "fault")
        )),
        Ended::Interrupted => drop(writeln!(
            text,
            "interrupted before {} (go on with --resume)",
            count(of.left, "fault")
        )),
    }
    let _ = writeln!(
        text,
        "results: {}, rule files in {}",
        file.display(),
        out.join("rules").display()
    );
    debug_assert!(
        of.count(Worth::Finding) >= of.findings.len(),
        "each comes of an outcome"
    );
    for line in text.lines() {
        console::write(&format!("goinject: {}\n", inert(line)));
    }
}
