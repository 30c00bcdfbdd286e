//! The programs of a run: each is read, resolved and planned once, however many processes run it.

use std::collections::HashMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use goinject_rules::model::{ProgramPattern, Rule, RuleSet};

use super::toolchain;
use crate::compile::compile;
use crate::error::ExitCode;
use crate::event::Stacks;
use crate::go::{Binary, GoError};
use crate::plan::Plan;
use crate::resolve::{Finding, Resolution, resolve_some};

/// What tells a file from all others, and from itself before a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct FileIdentity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl FileIdentity {
    fn of(metadata: &Metadata) -> FileIdentity {
        FileIdentity {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// A program of the run, seen from the rules.
#[derive(Debug)]
pub(super) struct Image {
    /// Where it was found.
    pub(super) path: PathBuf,
    /// What is to be armed in it, if anything is.
    pub(super) armable: Option<Armable>,
    /// What is wrong with rules in this program.
    pub(super) findings: Vec<Finding>,
    /// Why nothing is armed in it.
    reason: Option<String>,
    /// It is a Go program, and none of the toolchain's.
    is_candidate: bool,
    /// It could have had one of the functions.
    is_passed_over: bool,
}

impl Image {
    /// Its file name.
    pub(super) fn program(&self) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        name.to_string_lossy().into_owned()
    }

    /// Why nothing is armed in it.
    pub(super) fn why_not(&self) -> String {
        self.reason.clone().unwrap_or_default()
    }
}

/// A program that has functions of the rules.
#[derive(Debug)]
pub(super) struct Armable {
    /// The program.
    pub(super) binary: Binary,
    /// What is armed in it.
    pub(super) plan: Rc<Plan>,
    /// Tells the call stacks of its processes.
    pub(super) stacks: Stacks,
}

impl Armable {
    /// The rules that have functions in it, in file order.
    pub(super) fn rules(&self) -> impl Iterator<Item = usize> {
        let rules = self.plan.rules.iter().enumerate();
        rules
            .filter(|(_, rule)| !rule.functions.is_empty() && !rule.counts_panics)
            .map(|(n, _)| n)
    }
}

/// Which program of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The one that the run is for.
    Target,
    /// One that it starts, or that it is started by: `go test` is no target of faults.
    Follower,
}

/// The programs of a run.
pub(super) struct Images<'a> {
    rules: Rc<RuleSet>,
    debug: Option<&'a Path>,
    images: HashMap<FileIdentity, Rc<Image>>,
    /// In the order in which they were first seen.
    seen: Vec<Rc<Image>>,
}

impl<'a> Images<'a> {
    /// None yet. `debug` is where the target's debug information is, if not in the binary.
    pub(super) fn new(rules: Rc<RuleSet>, debug: Option<&'a Path>) -> Images<'a> {
        Images {
            rules,
            debug,
            images: HashMap::new(),
            seen: Vec::new(),
        }
    }

    /// The program that a process runs.
    pub(super) fn of_process(&mut self, pid: i32, role: Role) -> io::Result<Rc<Image>> {
        let exe = PathBuf::from(format!("/proc/{pid}/exe"));
        let path = std::fs::read_link(&exe)?;
        self.of_file(&exe, &path, role)
    }

    /// A program by its file. `path` is what it is called, `file` where it can be read.
    pub(super) fn of_file(&mut self, file: &Path, path: &Path, role: Role) -> io::Result<Rc<Image>> {
        let identity = FileIdentity::of(&std::fs::metadata(file)?);
        if let Some(image) = self.images.get(&identity) {
            return Ok(Rc::clone(image));
        }
        let image = Rc::new(self.read(file, path, role));
        self.images.insert(identity, Rc::clone(&image));
        self.seen.push(Rc::clone(&image));
        Ok(image)
    }

    fn read(&self, file: &Path, path: &Path, role: Role) -> Image {
        let debug = self.debug.filter(|_| role == Role::Target);
        let nothing = |reason: String| Image {
            path: path.to_owned(),
            armable: None,
            findings: Vec::new(),
            reason: Some(reason),
            is_candidate: false,
            is_passed_over: false,
        };
        let binary = match Binary::open_with_debug(file, debug) {
            Ok(binary) => binary.called(path),
            Err(error) => return nothing(reason_of(&error)),
        };
        let is_tool = role == Role::Follower && toolchain::is_part(&binary, path);
        let wants = |rule: &Rule| match &rule.program {
            Some(program) => program.value.matches(path),
            None => !is_tool,
        };
        if !self.rules.rules.iter().any(wants) {
            let reason = match is_tool {
                true => "it belongs to the Go toolchain",
                false => "no rule is for a program of this name",
            };
            return Image {
                is_candidate: !is_tool,
                ..nothing(reason.to_owned())
            };
        }
        let mut resolution = resolve_some(&self.rules, &binary, wants);
        drop_wrong_rules(&mut resolution);
        let findings = std::mem::take(&mut resolution.findings);
        if binary.has_changed() {
            return nothing("its file was changed while it was read".to_owned());
        }
        let armable = !resolution.rules.is_empty();
        Image {
            path: path.to_owned(),
            reason: (!armable).then(|| reason_of_findings(&findings)),
            is_candidate: true,
            is_passed_over: !armable,
            armable: armable.then(|| Armable {
                stacks: Stacks::default(),
                plan: Rc::new(compile(&self.rules, &resolution, &binary)),
                binary,
            }),
            findings,
        }
    }

    /// Every program that was seen.
    pub(super) fn seen(&self) -> &[Rc<Image>] {
        &self.seen
    }

    /// The file names of Go programs in which no rule was armed, each once.
    pub(super) fn passed_over(&self) -> Vec<String> {
        self.names(|image| image.is_passed_over)
    }

    /// Whether a program has functions of a rule. It may still have run without it, which was told then.
    pub(super) fn can_arm(&self, rule: usize) -> bool {
        let armable = self.seen.iter().filter_map(|image| image.armable.as_ref());
        armable.flat_map(Armable::rules).any(|of| of == rule)
    }

    /// What is wrong with rules, and in which program.
    pub(super) fn findings(&self) -> impl Iterator<Item = (&Image, &Finding)> + Clone {
        self.seen
            .iter()
            .flat_map(|image| image.findings.iter().map(move |finding| (&**image, finding)))
    }

    /// What is wrong with rules in programs that have their functions, and the file names of these.
    pub(super) fn unfit(&self) -> impl Iterator<Item = (&Finding, String)> {
        let unfit = self.findings().filter(|(_, finding)| finding.is_misfit());
        unfit.map(|(image, finding)| (finding, image.program()))
    }

    /// Whether a program that a rule is for was seen.
    pub(super) fn have(&self, program: &ProgramPattern) -> bool {
        self.seen
            .iter()
            .any(|image| image.is_candidate && program.matches(&image.path))
    }

    /// The file names of Go programs, each once, without the toolchain's.
    pub(super) fn programs(&self) -> Vec<String> {
        self.names(|image| image.is_candidate)
    }

    fn names(&self, wanted: impl Fn(&Image) -> bool) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for image in self.seen.iter().filter(|image| wanted(image)) {
            let name = image.program();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

/// Leaves out rules that something is wrong with in this program.
fn drop_wrong_rules(resolution: &mut Resolution) {
    let errors = resolution.findings.iter().filter(|finding| finding.is_error());
    let wrong: Vec<Option<usize>> = errors.map(|finding| finding.rule).collect();
    if wrong.contains(&None) {
        resolution.rules.clear();
    }
    resolution.rules.retain(|rule| !wrong.contains(&Some(rule.rule)));
}

fn reason_of(error: &GoError) -> String {
    error.to_string()
}

fn reason_of_findings(findings: &[Finding]) -> String {
    match findings.iter().find(|finding| finding.is_misfit()) {
        Some(finding) => finding.diagnostic.message.clone(),
        None => "it has none of the functions".to_owned(),
    }
}

/// What is wrong with rules in several programs, each thing once. A function that is in none of them is told with what
/// tells most about it; and where it was found and something else is wrong, not being in others is no matter.
pub(super) fn told_once<'a>(
    findings: impl Iterator<Item = (&'a Image, &'a Finding)> + Clone,
) -> Vec<Finding> {
    let mut told: Vec<(Finding, Vec<String>)> = Vec::new();
    for (image, finding) in findings.clone() {
        let of_same_rule = |other: &Finding| other.rule == finding.rule;
        if finding.absence.is_none() {
            if !told.iter().any(|(of, _)| of.diagnostic == finding.diagnostic) {
                told.push((finding.clone(), Vec::new()));
            }
            continue;
        }
        if findings
            .clone()
            .any(|(_, other)| other.is_misfit() && of_same_rule(other))
        {
            continue;
        }
        let program = image.program();
        let same = told
            .iter_mut()
            .find(|(of, _)| of.absence.is_some() && of_same_rule(of));
        match same {
            Some((best, programs)) => {
                if finding.absence > best.absence {
                    *best = finding.clone();
                }
                if !programs.contains(&program) {
                    programs.push(program);
                }
            }
            None => told.push((finding.clone(), vec![program])),
        }
    }
    told.into_iter()
        .map(|(mut finding, programs)| {
            if programs.len() > 1 {
                let looked_for = format!("looked for in {}", listed(&programs));
                *finding.diagnostic = finding.diagnostic.note(looked_for);
            }
            finding
        })
        .collect()
}

/// Names in a sentence, the first of many.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 12;
    match names.len() {
        0..=SHOWN => names.join(", "),
        many => format!("{} and {} more", names[..SHOWN].join(", "), many - SHOWN),
    }
}

/// The exit code of the errors in a program: the first of 2 and 3. None if there are only warnings.
pub(super) fn failure<'a>(findings: impl Iterator<Item = &'a Finding> + Clone) -> Option<ExitCode> {
    let errors = || findings.clone().filter(|finding| finding.is_error());
    let invalid = errors().find(|finding| finding.code == ExitCode::Invalid);
    invalid.or_else(|| errors().next()).map(|finding| finding.code)
}
