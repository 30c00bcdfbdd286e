//! Cases that run together: one program, one rule file, one run of goinject.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::path::PathBuf;

use goinject::compile::compile;
use goinject::go::Binary;
use goinject::plan::Needs;
use goinject::resolve::resolve;
use goinject_rules::source::Source;

use crate::fixture::Build;
use crate::tally::{Tally, Verdict};
use crate::{Case, Outcome, Writer};

/// Cases for one run of goinject.
#[derive(Clone, Debug)]
pub struct Batch<'a> {
    /// The program's build.
    pub build: Build,
    /// The program, where it is another one than the build gives, and options of goinject that go with it.
    pub stand_in: Option<StandIn>,
    /// How goinject writes.
    pub writer: Writer,
    /// All of one program.
    pub cases: Vec<&'a Case>,
}

/// A program that was made from a build, such as one without its debug information.
#[derive(Clone, Debug)]
pub struct StandIn {
    /// Where it is.
    pub program: PathBuf,
    /// Options of goinject.
    pub options: Vec<OsString>,
}

/// Every case by itself, with each writer: a failure is easy to read.
#[must_use]
pub fn alone<'a>(cases: &'a [Case], build: Build, writers: &[Writer]) -> Vec<Batch<'a>> {
    let chosen = cases.iter().filter(|case| (case.builds)(&build));
    let batches = chosen.flat_map(|case| {
        writers.iter().map(move |writer| Batch {
            build,
            stand_in: None,
            writer: *writer,
            cases: vec![case],
        })
    });
    batches.collect()
}

/// As few runs as possible, where each of them takes seconds. What one case needs of a writer must not have another
/// refused, so only cases that a writer treats alike share a run; and no function may be in two of them.
#[must_use]
pub fn together<'a>(cases: &'a [Case], build: Build, writers: &[Writer]) -> Vec<Batch<'a>> {
    let mut binaries: BTreeMap<&str, Binary> = BTreeMap::new();
    let mut shapes: Vec<(&Case, Option<Shape>)> = Vec::new();
    for case in cases.iter().filter(|case| (case.builds)(&build)) {
        let binary = binaries
            .entry(case.program)
            .or_insert_with(|| Binary::open(&build.of(case.program)).expect("a fixture is a Go binary"));
        let shape = case.sociable().then(|| Shape::of(case, binary)).flatten();
        shapes.push((case, shape));
    }
    let mut batches = Vec::new();
    for writer in writers {
        let mut groups: Vec<Group<'a>> = Vec::new();
        for (case, shape) in &shapes {
            let shape = shape.as_ref();
            match groups.iter_mut().find(|group| group.takes(case, shape, *writer)) {
                Some(group) => group.add(case, shape),
                None => groups.push(Group::new(case, shape, *writer)),
            }
        }
        batches.extend(groups.into_iter().map(|group| Batch {
            build,
            stand_in: None,
            writer: *writer,
            cases: group.cases,
        }));
    }
    batches
}

/// What a case touches, and what that needs.
struct Shape {
    functions: HashSet<String>,
    needs: Needs,
    jumps_fit: bool,
}

impl Shape {
    fn of(case: &Case, binary: &Binary) -> Option<Shape> {
        let source = Source::new("case.yaml", rule_file(&[case]));
        let (rules, _) = goinject_rules::parse(&source).ok()?;
        let resolution = resolve(&rules, binary);
        if resolution.failure().is_some() {
            return None;
        }
        let plan = compile(&rules, &resolution, binary);
        let needs = plan
            .sites
            .iter()
            .map(|site| site.needs(&plan))
            .fold(Needs::default(), Needs::and);
        Some(Shape {
            jumps_fit: goinject::engine::inline::fits(&plan).is_ok(),
            functions: plan.functions.into_iter().map(|function| function.name).collect(),
            needs,
        })
    }

    /// Whether the writer may refuse it, for what it needs.
    fn may_be_refused(&self, writer: Writer) -> bool {
        match writer {
            Writer::UserMemory => self.needs.general || self.needs.floats || self.needs.redirect,
            Writer::Context => self.needs.floats,
            Writer::SignalFrame | Writer::Tracer => self.needs.before,
            Writer::Breakpoints | Writer::Mixed => false,
            Writer::Trampoline => !self.jumps_fit,
        }
    }
}

struct Group<'a> {
    cases: Vec<&'a Case>,
    functions: HashSet<String>,
    /// None: it takes no more.
    may_be_refused: Option<bool>,
}

impl<'a> Group<'a> {
    fn new(case: &'a Case, shape: Option<&Shape>, writer: Writer) -> Group<'a> {
        let mut group = Group {
            cases: Vec::new(),
            functions: HashSet::new(),
            may_be_refused: shape.map(|shape| shape.may_be_refused(writer)),
        };
        group.add(case, shape);
        group
    }

    fn takes(&self, case: &Case, shape: Option<&Shape>, writer: Writer) -> bool {
        let Some(shape) = shape else { return false };
        self.may_be_refused == Some(shape.may_be_refused(writer))
            && self.functions.is_disjoint(&shape.functions)
            && self
                .cases
                .iter()
                .all(|other| other.program == case.program && other.section != case.section)
    }

    fn add(&mut self, case: &'a Case, shape: Option<&Shape>) {
        self.cases.push(case);
        self.functions
            .extend(shape.iter().flat_map(|shape| shape.functions.iter().cloned()));
    }
}

fn rule_file(cases: &[&Case]) -> String {
    let mut text = "version: 1\n".to_owned();
    for case in cases.iter().filter(|case| !case.head.is_empty()) {
        text.push_str(case.head);
        text.push('\n');
    }
    text.push_str("rules:\n");
    for rule in cases.iter().flat_map(|case| &case.rules) {
        text.push_str(&format!("- {}\n", rule.replace('\n', "\n  ")));
    }
    text
}

impl Batch<'_> {
    /// The rule file.
    #[must_use]
    pub fn rules(&self) -> String {
        rule_file(&self.cases)
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> PathBuf {
        match &self.stand_in {
            Some(stand_in) => stand_in.program.clone(),
            None => self.build.of(self.cases[0].program),
        }
    }

    /// Options of goinject that go with the program.
    #[must_use]
    pub fn options(&self) -> &[OsString] {
        self.stand_in.as_ref().map_or(&[], |stand_in| &stand_in.options)
    }

    /// The program's arguments.
    #[must_use]
    pub fn arguments(&self) -> Vec<&'static str> {
        self.cases.iter().map(|case| case.section).collect()
    }

    fn exit(&self) -> i32 {
        // Only a case that is by itself expects another status.
        self.cases.iter().map(|case| case.exit).max().unwrap_or(0)
    }

    /// Compares an outcome with what the cases expect, and notes it.
    pub fn judge(&self, outcome: &Outcome, tally: &mut Tally) {
        if self.exit() != 3
            && let Some(reason) = outcome.refusal()
            && let Some(known) = self.writer.known_refusal(&reason)
        {
            // With the places of jumps, no two would be the same.
            let reason = match self.writer {
                Writer::Trampoline => known.to_owned(),
                _ => reason,
            };
            for _ in &self.cases {
                tally.add(self.writer, Verdict::Skipped(reason.clone()));
            }
            return;
        }
        let mut failed = false;
        let sections = sections(&outcome.stdout);
        let counts = outcome.counts();
        let mut rules = 0;
        for case in &self.cases {
            let mut wrong = Vec::new();
            let printed = sections.get(case.section).cloned().unwrap_or_default();
            if printed != case.lines {
                wrong.push(format!(
                    "it printed\n  {}\nand not\n  {}",
                    printed.join("\n  "),
                    case.lines.join("\n  ")
                ));
            }
            let of_case = counts.get(rules..rules + case.rules.len()).unwrap_or_default();
            rules += case.rules.len();
            if of_case != case.counts {
                wrong.push(format!("counters are {of_case:?}\nand not {:?}", case.counts));
            }
            if wrong.is_empty() {
                tally.add(self.writer, Verdict::Passed);
                continue;
            }
            failed = true;
            tally.add(self.writer, Verdict::Failed(self.heading(&case.name, &wrong)));
        }
        if outcome.code != Some(self.exit()) || failed {
            let what = format!("goinject's exit status is to be {}", self.exit());
            let text = format!("{}\n--- rules\n{}", outcome.describe(), self.rules());
            let failure = self.heading(&what, &[text]);
            tally.add(self.writer, Verdict::Failed(failure));
        }
    }

    fn heading(&self, name: &str, wrong: &[String]) -> String {
        format!(
            "##### {name} ({}, {})\n{}",
            self.build.name(),
            self.writer.name(),
            wrong.join("\n")
        )
    }
}

/// What each section printed.
fn sections(stdout: &str) -> BTreeMap<&str, Vec<String>> {
    let mut sections: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut name = "";
    for line in stdout.lines() {
        match line.strip_prefix("== ") {
            Some(next) => name = next,
            None => sections.entry(name).or_default().push(line.to_owned()),
        }
    }
    sections
}
