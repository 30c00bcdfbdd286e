//! Rules against a binary: functions found, paths followed, values fitted to their types.
//!
//! Everything that can be wrong is found here, all at once, with its place in the rule file. What comes
//! out needs no further checks: the compiler of plans only lays it out.

pub mod condition;
pub mod facts;
mod fault;
mod function;
mod go_test;
mod inlined;
mod map;
mod missing;
mod near;
pub mod path;
pub(crate) mod place;
mod policy;
mod rule;
mod signature;
mod spelling;
mod until;
mod value;
mod within;
mod wrapper;

use std::cell::RefCell;
use std::collections::HashMap;

use goinject_probes::table::BINDINGS;
use goinject_rules::diagnostic::{Diagnostic, Severity};
use goinject_rules::model::{Rule, RuleSet};

use crate::error::ExitCode;
use crate::go::address::Address;
use crate::go::sites::Sites;
use crate::go::{Binary, Function};
use crate::plan::scratch::{Scratch, ScratchBuilder};
use crate::plan::{Assignment, Fault, Slot, Until, Walk};

use self::condition::Condition;

pub use self::go_test::GoTests;

pub(crate) use self::facts::type_access;
pub(crate) use self::function::without_wrappers as functions_without_wrappers;
pub(crate) use self::policy::refusal as refused_by_policy;
pub(crate) use self::spelling::unescaped;

/// A rule that fits the binary.
#[derive(Clone, Debug)]
pub struct ResolvedRule {
    /// Index into the rule set.
    pub rule: usize,
    /// What it does in each of its functions. Never empty.
    pub functions: Vec<ResolvedFunction>,
    /// Code that calls must come from; none: anywhere.
    pub within: Option<Walk>,
    /// Code that must stand on the stack of calls.
    pub callers: Option<Walk>,
    /// Calls that it does not see, in words.
    pub unseen: Vec<String>,
    /// The pattern, from 0, that the name of a call's Go test must match.
    pub test: Option<usize>,
}

/// What a rule does in one function.
#[derive(Clone, Debug)]
pub struct ResolvedFunction {
    /// The function.
    pub function: Function,
    /// Where it can be probed.
    pub sites: Sites,
    /// How Go would declare it.
    pub declaration: String,
    /// Bit n: the n-th floating-point register carries a parameter.
    pub float_parameters: u16,
    /// What is set at entry; with an early return also the results.
    pub at_entry: Vec<Assignment>,
    /// What is set at return.
    pub at_return: Vec<Assignment>,
    /// What is done at entry beside setting.
    pub fault: Fault,
    /// The context that ends the delay. What is set at entry are the results then.
    pub until: Option<Until>,
    /// How calls are delayed, if the fault does that.
    pub slot: Option<Slot>,
    /// Which calls, by their values.
    pub condition: Option<Condition>,
}

impl ResolvedFunction {
    /// Whether anything is done at entry.
    pub fn acts_at_entry(&self) -> bool {
        !self.at_entry.is_empty() || self.fault != Fault::default()
    }
}

/// What is wrong with a rule file, seen from a binary.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What and where.
    pub diagnostic: Box<Diagnostic>,
    /// [`ExitCode::Invalid`] where the rule is wrong, [`ExitCode::Unarmable`] where the binary does not allow it.
    pub code: ExitCode,
    /// The rule that it is about, as an index into the rule set; none: the file.
    pub rule: Option<usize>,
    /// The binary has no such function, or none that can be reached: another program of the run may have it.
    pub absence: Option<Absence>,
}

/// Why a program has no function that a rule could act in. What tells more of the rule is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Absence {
    /// Nothing in it is called anything like that.
    Unknown,
    /// The rule is about Go tests, and it is not a test binary.
    NoTests,
    /// It has functions that may have been meant.
    Similar,
    /// It has the function, and every call of it is inlined.
    Inlined,
}

impl Finding {
    fn invalid(diagnostic: Diagnostic) -> Finding {
        Finding {
            diagnostic: Box::new(diagnostic),
            code: ExitCode::Invalid,
            rule: None,
            absence: None,
        }
    }

    fn unarmable(diagnostic: Diagnostic) -> Finding {
        Finding {
            diagnostic: Box::new(diagnostic),
            code: ExitCode::Unarmable,
            rule: None,
            absence: None,
        }
    }

    /// The binary has no such function, or none that can be reached.
    fn absence(absence: Absence, diagnostic: Diagnostic) -> Finding {
        Finding {
            absence: Some(absence),
            ..Finding::unarmable(diagnostic)
        }
    }

    /// Whether something else is wrong than that the function is missing: it would be so in any program that has it.
    pub fn is_misfit(&self) -> bool {
        self.is_error() && self.absence.is_none()
    }

    /// Whether nothing may run because of it.
    pub fn is_error(&self) -> bool {
        self.diagnostic.severity == Severity::Error
    }
}

/// The rules that fit, and everything found on the way: errors, for which nothing may run, and warnings.
#[derive(Clone, Debug, Default)]
pub struct Resolution {
    /// One for each rule, where there is no error.
    pub rules: Vec<ResolvedRule>,
    /// `runtime.gopanic`, if the file expects anything of the target's panics.
    pub panics: Option<ResolvedFunction>,
    /// How the Go tests of a test binary are told apart.
    pub tests: Option<GoTests>,
    /// In file order.
    pub findings: Vec<Finding>,
    /// The texts and objects that the rules' values refer to.
    pub scratch: Scratch,
}

impl Resolution {
    /// The exit code of the errors: the first of 2 and 3. None if there are only warnings.
    pub fn failure(&self) -> Option<ExitCode> {
        let errors = || self.findings.iter().filter(|finding| finding.is_error());
        let invalid = errors().find(|finding| finding.code == ExitCode::Invalid);
        invalid.or_else(|| errors().next()).map(|finding| finding.code)
    }
}

/// A probe serves a limited number of rules.
fn too_many_rules(rules: &RuleSet, resolution: &mut Resolution) {
    let mut count: HashMap<Address, usize> = HashMap::new();
    for resolved in &resolution.rules {
        let rule = &rules.rules[resolved.rule];
        for of in &resolved.functions {
            let count = count.entry(of.function.entry).or_default();
            *count += 1;
            if *count == BINDINGS + 1 {
                let message = format!("`{}` has more than {BINDINGS} rules", of.function.name);
                let diagnostic = Diagnostic::error(message).at(rule.function.span).rule(&rule.name);
                resolution
                    .findings
                    .push(Finding::invalid(diagnostic.help("merge rules that do the same")));
            }
        }
    }
}

/// Resolves every rule.
pub fn resolve(rules: &RuleSet, binary: &Binary) -> Resolution {
    resolve_some(rules, binary, |_| true)
}

/// Resolves those rules that are wanted in a binary.
pub fn resolve_some(rules: &RuleSet, binary: &Binary, wants: impl Fn(&Rule) -> bool) -> Resolution {
    let mut resolution = Resolution::default();
    let scratch: RefCell<ScratchBuilder> = RefCell::default();
    for (n, rule) in rules.rules.iter().enumerate().filter(|(_, rule)| wants(rule)) {
        let before = resolution.findings.len();
        let functions = rule::resolve(rules, rule, binary, &scratch, &mut resolution.findings);
        let within = within::within(rule, binary, &mut resolution.findings);
        let callers = within::callers(rule, binary, &mut resolution.findings);
        for finding in &mut resolution.findings[before..] {
            finding.rule = Some(n);
        }
        if !functions.is_empty() {
            resolution.rules.push(ResolvedRule {
                rule: n,
                functions,
                within,
                callers,
                unseen: Vec::new(),
                test: None,
            });
        }
    }
    if let Some(expected) = &rules.expect.panics {
        match rule::watched(binary, "runtime.gopanic") {
            Some(function) => resolution.panics = Some(function),
            None => resolution.findings.push(Finding::unarmable(
                Diagnostic::error(
                    "panics cannot be counted: `runtime.gopanic` cannot be probed in this binary",
                )
                .at(expected.span),
            )),
        }
    }
    go_test::resolve(rules, binary, &mut resolution);
    too_many_rules(rules, &mut resolution);
    resolution.scratch = scratch.into_inner().finish();
    inlined::warn(rules, binary, &mut resolution);
    resolution
        .findings
        .sort_by_key(|finding| finding.diagnostic.span.map_or(0, |span| span.start));
    // Instances of a generic function are called the same, and may be wrong in the same way.
    resolution.findings.dedup();
    resolution
}
