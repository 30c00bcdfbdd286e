//! Go tests: where they begin, and what rules ask of them.

use goinject_probes::table::TEST_GLOBS;
use goinject_rules::diagnostic::Diagnostic;
use goinject_rules::model::{Rule, RuleSet, Scope};
use goinject_rules::source::Span;

use super::rule::watched;
use super::{Absence, Finding, Resolution, ResolvedFunction, within};
use crate::go::Binary;
use crate::plan::{Automata, Walk};

/// What each test and subtest, fuzz target and benchmark begins with, on a goroutine of its own.
const RUNNERS: [&str; 3] = ["testing.tRunner", "testing.fRunner", "testing.(*B).runN"];
/// What every goroutine is started by.
const SPAWNER: &str = "runtime.newproc1";
/// Only the main function that `go test` makes runs it.
const RUN: &str = "testing.(*M).Run";
/// What of package testing prints on the goroutine of a test: what came of it, and what it logs.
const PRINTERS: [&str; 13] = [
    "testing.(*F).report",
    "testing.(*T).report",
    "testing.(*chattyPrinter).Printf",
    "testing.(*chattyPrinter).Updatef",
    "testing.(*common).flushPartial",
    "testing.(*common).flushToParent",
    "testing.(*common).log",
    "testing.(*common).logDepth",
    "testing.(*indenter).Write",
    "testing.(*outputWriter).Write",
    "testing.(*outputWriter).writeLine",
    "testing.escapeWriter.Write",
    "testing.indenter.Write",
];
/// Packages whose functions the test framework itself uses to print.
const PRINTING: [&str; 5] = ["fmt", "internal/poll", "io", "os", "syscall"];

/// How the tests of a test binary are told apart.
#[derive(Clone, Debug)]
pub struct GoTests {
    /// The functions that tests begin with.
    pub runners: Vec<ResolvedFunction>,
    /// The function that starts goroutines, where these know who started them.
    pub spawner: Option<ResolvedFunction>,
    /// Of the name, in `testing.T`.
    pub name_offset: u64,
    /// The patterns of all rules.
    pub automata: Automata,
    /// The code with which package testing prints on the goroutines of tests; none where no rule asks for a test.
    pub printing: Option<Walk>,
}

/// Finds the tests of a test binary, and which pattern each rule has.
pub(super) fn resolve(rules: &RuleSet, binary: &Binary, resolution: &mut Resolution) {
    let is_test_binary = !binary.functions().find(RUN).is_empty();
    let asks = |rule: &Rule| rule.test.is_some() || rule.when.scope == Scope::Test;
    let refuse = |resolution: &mut Resolution, finding: fn(Diagnostic) -> Finding, why: &str, help: &str| {
        for n in resolution.rules.iter().map(|resolved| resolved.rule) {
            let rule = &rules.rules[n];
            if asks(rule) {
                let diagnostic = Diagnostic::error(format!("its Go tests can't be told apart: {why}"));
                let diagnostic = diagnostic.at(place(rule)).rule(&rule.name).help(help);
                resolution.findings.push(of_rule(n, finding(diagnostic)));
            }
        }
    };
    if !is_test_binary {
        let why = format!("{} is not a test binary", binary.path().display());
        let help = "`test` and `scope: test` are for what `go test` builds; `within` and `callers` are for any program";
        // Another program of the run may be one.
        refuse(
            resolution,
            |diagnostic| Finding::absence(Absence::NoTests, diagnostic),
            &why,
            help,
        );
        return;
    }
    warn_of_printing(rules, resolution);
    let runners: Vec<_> = RUNNERS.iter().filter_map(|name| watched(binary, name)).collect();
    let (Some(name_offset), false) = (binary.test_name_offset(), runners.is_empty()) else {
        let why = format!("`testing` of {} is not known", binary.version().text);
        let help = "build the test with debug information: `go test -ldflags='-s=false -w=false'`";
        refuse(resolution, Finding::unarmable, &why, help);
        return;
    };
    let knows_parents = binary.goroutine_layout().parent.is_some();
    let mut automata = Automata::default();
    for resolved in &mut resolution.rules {
        let rule = &rules.rules[resolved.rule];
        if !knows_parents && asks(rule) {
            let diagnostic = Diagnostic::warning(format!(
                "goroutines of {} do not record which goroutine started them: only calls on a test's own goroutine count as its calls",
                binary.version().text
            ));
            let diagnostic = diagnostic
                .at(place(rule))
                .rule(&rule.name)
                .help("Go 1.21 and later do");
            resolution
                .findings
                .push(of_rule(resolved.rule, Finding::invalid(diagnostic)));
        }
        let Some(test) = &rule.test else { continue };
        match automata.add(&test.value) {
            Ok(number) => resolved.test = Some(number),
            Err(why) => {
                let diagnostic = Diagnostic::error(format!("`test`: {why}"))
                    .at(test.span)
                    .rule(&rule.name);
                let help = format!("use fewer or simpler patterns; a run has room for {TEST_GLOBS}");
                resolution
                    .findings
                    .push(of_rule(resolved.rule, Finding::invalid(diagnostic.help(help))));
            }
        }
    }
    resolution.tests = Some(GoTests {
        runners,
        spawner: watched(binary, SPAWNER).filter(|_| knows_parents),
        name_offset: name_offset.0,
        printing: (!automata.patterns.is_empty())
            .then(|| within::any_of(&PRINTERS, binary))
            .flatten(),
        automata,
    });
}

/// Where a rule asks for a test.
fn place(rule: &Rule) -> Span {
    rule.test.as_ref().map_or(rule.function.span, |test| test.span)
}

fn of_rule(rule: usize, finding: Finding) -> Finding {
    Finding {
        rule: Some(rule),
        ..finding
    }
}

/// Rules on what the test framework itself calls may hit its own output.
fn warn_of_printing(rules: &RuleSet, resolution: &mut Resolution) {
    for resolved in &resolution.rules {
        let rule = &rules.rules[resolved.rule];
        if rule.test.is_some() || !rule.callers.is_empty() || !rule.within.is_empty() {
            continue;
        }
        let mut functions = resolved.functions.iter().map(|of| &of.function);
        if let Some(function) = functions.find(|function| PRINTING.contains(&function.package())) {
            let diagnostic = Diagnostic::warning(format!(
                "package testing itself may call `{}`: what it prints can count as a call, and can be hit",
                function.name
            ));
            let diagnostic = diagnostic.at(rule.function.span).rule(&rule.name);
            let help = "select the calls: `test: \"*\"` for those of tests, or `callers: [\"mypackage.*\"]`";
            resolution
                .findings
                .push(of_rule(resolved.rule, Finding::invalid(diagnostic.help(help))));
        }
    }
}
