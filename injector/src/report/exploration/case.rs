//! An exploration as reports see it: outcomes with their findings, and files as the repository names them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::html::legible;
use super::super::place::{self, Workspace};
use crate::event::line::Frame;
use crate::explore::class::Worth;
use crate::explore::point::Place;
use crate::explore::results::{Ended, Exploration, Finding, Result as Outcome, SourceLine};
use crate::explore::rule_text::Mode;
use crate::words::in_shell;
use crate::words::{count, inert};

/// An exploration, and what reports need to tell of it.
#[derive(Debug)]
pub struct Report<'a> {
    /// What was found.
    pub of: &'a Exploration,
    /// Whether findings were held against a baseline.
    pub has_baseline: bool,
    /// The folder that files are told relative to.
    pub root: PathBuf,
    workspace: Workspace,
}

impl<'a> Report<'a> {
    /// Files are told relative to the repository that the folder of the exploration is in: the one that a CI system
    /// names, or else the one that git would find.
    pub fn new(of: &'a Exploration, has_baseline: bool) -> Report<'a> {
        let named = std::env::var_os("GITHUB_WORKSPACE").map(PathBuf::from);
        let named = named.filter(|root| root.is_absolute() && of.folder.starts_with(root));
        let with_git = || of.folder.ancestors().find(|folder| folder.join(".git").exists());
        let root = named.or_else(|| with_git().map(Path::to_owned));
        Report::within(of, has_baseline, root.as_deref().unwrap_or(&of.folder))
    }

    /// Files are told relative to this folder.
    pub fn within(of: &'a Exploration, has_baseline: bool, root: &Path) -> Report<'a> {
        Report {
            of,
            has_baseline,
            root: root.to_owned(),
            workspace: Workspace::new(&of.folder, Some(root)),
        }
    }

    /// A place in a file of the repository; none if the file is another's.
    pub fn own(&self, place: &Place) -> Option<place::Place> {
        self.workspace.place(&Frame {
            function: place.function.clone(),
            file: place.file.clone(),
            line: place.line,
            inlined: false,
        })
    }

    /// `file:line`, relative to the repository where it is in there.
    pub fn at(&self, place: &Place) -> String {
        match self.own(place) {
            Some(own) => format!("{}:{}", own.file, own.line),
            None => format!("{}:{}", place.file, place.line),
        }
    }

    /// The same of a line.
    pub fn line(&self, of: &SourceLine) -> String {
        self.at(&Place {
            function: String::new(),
            file: of.file.clone(),
            line: of.line,
        })
    }

    /// Where people should look first: the frame of a finding, or else the innermost call in a file of theirs.
    pub fn spot(&self, finding: &'a Finding) -> Option<&'a Place> {
        let mut places = finding.frame.iter().chain(&finding.stack);
        let own = places.clone().find(|place| self.own(place).is_some());
        own.or_else(|| places.next())
    }

    /// The stack of a finding as lines, innermost first.
    pub fn stack(&self, finding: &Finding) -> Vec<String> {
        let line = |place: &Place| format!("{} ({})", place.function, self.at(place));
        finding.stack.iter().map(line).collect()
    }

    /// Outcomes by subject, each with its finding.
    pub fn subjects(&self) -> BTreeMap<&'a str, Vec<Case<'a>>> {
        let mut subjects: BTreeMap<&str, Vec<Case<'_>>> = BTreeMap::new();
        for outcome in &self.of.outcomes {
            let case = Case {
                outcome,
                finding: finding_of(self.of, outcome),
            };
            subjects.entry(&outcome.subject).or_default().push(case);
        }
        for cases in subjects.values_mut() {
            cases.sort_by_key(|case| (case.name(), line_of(case.outcome), &case.outcome.fault));
        }
        subjects
    }

    /// Whether nothing new was found.
    pub fn passed(&self) -> bool {
        self.of.new_findings().next().is_none()
    }

    /// What was found, in a sentence.
    pub fn sentence(&self) -> String {
        let new = self.of.new_findings().count();
        let known = self.of.findings.len() - new;
        let mut words = match (new, self.has_baseline) {
            (0, false) => "No findings".to_owned(),
            (0, true) => "No new findings".to_owned(),
            (new, false) => count(new, "finding"),
            (new, true) => count(new, "new finding"),
        };
        if known > 0 {
            words.push_str(&format!(", {known} of the baseline"));
        }
        let (tried, points) = (self.of.outcomes.len(), self.of.points);
        words.push_str(&format!(
            ". {} at {}",
            count(tried, "fault"),
            count(points, "point")
        ));
        if let Some(paths) = &self.of.error_paths {
            words.push_str(&format!("; {}", paths.words()));
        }
        let left = count(self.of.left, "fault");
        match self.of.ended {
            Ended::Complete => {}
            Ended::Budget => words.push_str(&format!("; the budget ended before {left}")),
            Ended::Interrupted => words.push_str(&format!("; interrupted before {left}")),
        }
        words
    }
}

/// What failed, in words.
pub fn what(finding: &Finding) -> String {
    let again = match finding.mode {
        Mode::Once => "fails",
        Mode::Always => "fails again and again",
    };
    format!("{} {again}: {}", finding.function, finding.words)
}

/// The command that repeats a finding.
pub fn replay(finding: &Finding) -> String {
    let file = finding.rule.to_string_lossy().into_owned();
    in_shell(&["goinject", "run", &file].map(str::to_owned))
}

/// An outcome, and the finding that it is a part of.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The outcome.
    pub outcome: &'a Outcome,
    /// The finding, if it is one.
    pub finding: Option<&'a Finding>,
}

impl Case<'_> {
    /// Its name, without numbers of lines: they change more often than what fails.
    pub fn name(&self) -> String {
        let outcome = self.outcome;
        let mut name = outcome.function.clone();
        if let Some(caller) = &outcome.caller {
            name.push_str(&format!(" in {}", caller.function));
        }
        name.push_str(&format!(", {}", outcome.mode));
        if let Some(test) = &outcome.test {
            name.push_str(&format!(" [{test}]"));
        }
        legible(&inert(&name))
    }

    /// Whether it is a finding that the baseline has.
    pub fn is_known(&self) -> bool {
        self.finding.is_some_and(|finding| finding.known)
    }

    /// Whether it is a finding that the baseline does not have.
    pub fn is_new(&self) -> bool {
        self.outcome.class.worth() == Worth::Finding && !self.is_known()
    }
}

fn line_of(outcome: &Outcome) -> u32 {
    outcome.caller.as_ref().map_or(0, |caller| caller.line)
}

/// A finding stands for all outcomes of its class at its frame: the one that was made of this outcome, or else the
/// one that is most like it.
fn finding_of<'a>(of: &'a Exploration, outcome: &Outcome) -> Option<&'a Finding> {
    let caller = outcome.caller.as_ref();
    let name = |place: Option<&Place>| place.map(|place| place.function.clone());
    let is_of = |finding: &&Finding| match &outcome.finding_id {
        Some(id) => finding.names().any(|name| name == id),
        // Written before outcomes had the names of their findings.
        None => {
            finding.class == outcome.class
                && finding.function == outcome.function
                && name(finding.stack.first()) == name(caller)
        }
    };
    of.findings.iter().filter(is_of).max_by_key(|finding| {
        (
            finding.words == outcome.words,
            finding.subject == outcome.subject && finding.test == outcome.test,
            finding.stack.first() == caller,
            finding.mode == outcome.mode,
        )
    })
}
