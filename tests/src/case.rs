//! One row of the table.

use crate::fixture::Build;

/// What the counters of a rule must be in the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the counters of the report, by its names")]
pub struct Counts {
    pub calls: u64,
    pub matched: u64,
    pub fired: u64,
    pub applied: u64,
    pub failed: u64,
}

/// Counters of a rule: what it does not fail at, it applies.
#[must_use]
pub fn counts(calls: u64, matched: u64, fired: u64, failed: u64) -> Counts {
    Counts {
        calls,
        matched,
        fired,
        applied: fired - failed,
        failed,
    }
}

/// Rules for a section of a program, and what must come out. Made by [`case`].
#[derive(Clone, Debug)]
pub struct Case {
    /// The section, with its scenario where several cases have the same one.
    pub name: String,
    /// A folder of `fixtures/go` whose program takes names of sections.
    pub program: &'static str,
    /// The section.
    pub section: &'static str,
    /// YAML of one rule each.
    pub rules: Vec<String>,
    /// Keys of the file beside the rules. A case that has some runs by itself.
    pub head: &'static str,
    /// The lines that the section prints.
    pub lines: Vec<String>,
    /// One per rule.
    pub counts: Vec<Counts>,
    /// goinject's exit status. A case that expects another than 0 runs by itself.
    pub exit: i32,
    /// Whether it is for this build.
    pub builds: fn(&Build) -> bool,
}

/// A case with one rule, as YAML, which acts on the section's only call.
#[must_use]
pub fn case(section: &'static str, rule: impl Into<String>) -> Case {
    Case {
        name: section.to_owned(),
        program: "cases",
        section,
        rules: vec![rule.into()],
        head: "",
        lines: Vec::new(),
        counts: vec![counts(1, 1, 1, 0)],
        exit: 0,
        builds: |_| true,
    }
}

/// The rule that overwrites values in every call of a function.
#[must_use]
pub fn set(function: &str, values: &str) -> String {
    format!("{{function: \"main.{function}\", inject: {{set: {values}}}}}")
}

impl Case {
    /// One more rule, which acts once, too.
    #[must_use]
    pub fn and(mut self, rule: impl Into<String>) -> Case {
        self.rules.push(rule.into());
        self.counts.push(counts(1, 1, 1, 0));
        self
    }

    /// Its scenario, to tell cases of one section apart.
    #[must_use]
    pub fn when(mut self, scenario: &str) -> Case {
        self.name = format!("{}: {scenario}", self.section);
        self
    }

    /// What the section prints.
    #[must_use]
    pub fn prints<const N: usize>(mut self, lines: [&str; N]) -> Case {
        self.lines = lines.map(str::to_owned).to_vec();
        self
    }

    /// Every rule fires in each of so many calls.
    #[must_use]
    pub fn calls(mut self, calls: u64) -> Case {
        self.counts.fill(counts(calls, calls, calls, 0));
        self
    }

    /// The counters of each rule.
    #[must_use]
    pub fn counted<const N: usize>(mut self, counts: [Counts; N]) -> Case {
        self.counts = counts.to_vec();
        self
    }

    /// Nothing is written.
    #[must_use]
    pub fn observed(mut self) -> Case {
        self.counts.iter_mut().for_each(|counts| counts.applied = 0);
        self
    }

    /// Keys of the file beside the rules.
    #[must_use]
    pub fn head(mut self, keys: &'static str) -> Case {
        self.head = keys;
        self
    }

    /// goinject's exit status.
    #[must_use]
    pub fn exits(mut self, status: i32) -> Case {
        self.exit = status;
        self
    }

    /// Only for some builds.
    #[must_use]
    pub fn only(mut self, builds: fn(&Build) -> bool) -> Case {
        self.builds = builds;
        self
    }

    /// Whether other cases may run with it.
    #[must_use]
    pub fn sociable(&self) -> bool {
        self.head.is_empty() && self.exit == 0
    }
}
