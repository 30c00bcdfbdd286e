//! One rule against a binary.

use std::cell::RefCell;

use goinject_probes::table::{EDITS, TERMS};
use goinject_rules::diagnostic::Diagnostic;
use goinject_rules::model::{Assignment as Written, FunctionSelector, Rule, RuleSet, Value};
use goinject_rules::source::{Span, Spanned};

use super::condition::{self, Condition};
use super::fault;
use super::function::{self, traced_name};
use super::path::{Scope, Side, Target};
use super::place::{Located, NoSuchPlace};
use super::policy;
use super::signature;
use super::until;
use super::value::{self, Context, Misfit};
use super::wrapper::{Selected, with_wrappers};
use super::{Finding, ResolvedFunction};
use crate::go::abi::{self, Layout, Placement, Register};
use crate::go::sites::{Sites, sites};
use crate::go::types::{Signature, Types, Variable};
use crate::go::{Binary, Function};
use crate::plan::scratch::ScratchBuilder;
use crate::plan::{Assignment, Fault, Shape};

/// Resolves a rule in all its functions. Errors go to `findings`; then the result is not to be used.
pub(super) fn resolve(
    rules: &RuleSet,
    rule: &Rule,
    binary: &Binary,
    scratch: &RefCell<ScratchBuilder>,
    findings: &mut Vec<Finding>,
) -> Vec<ResolvedFunction> {
    let functions = match function::select(rule, binary) {
        Ok(functions) => functions,
        Err(finding) => {
            findings.push(finding);
            return Vec::new();
        }
    };
    let (is_pattern, name) = match &rule.function.value {
        FunctionSelector::Exact(name) => (false, Some(name.as_str())),
        FunctionSelector::Pattern(_) => (true, None),
    };
    let functions = with_wrappers(functions, name, binary);
    let instances = functions
        .iter()
        .filter(|selected| selected.method.is_none())
        .count();
    let before = findings.len();
    let mut resolved = Vec::new();
    let mut misfits = Vec::new();
    let mut wrappers = Vec::new();
    for selected in functions {
        let mut own = Vec::new();
        let fit = in_function(rules, rule, binary, scratch, &selected, &mut own);
        if let Some(method) = &selected.method {
            // What is wrong with the rule was said of the method.
            if resolved
                .iter()
                .any(|of: &ResolvedFunction| of.function.entry == method.entry)
            {
                match fit {
                    Some(fit) => wrappers.push(fit),
                    None => findings.push(selected.left_out(rule, &own)),
                }
            }
            continue;
        }
        match fit {
            Some(fit) => {
                findings.append(&mut own);
                resolved.push(fit);
            }
            None if is_pattern => misfits.push((selected.function.name, own)),
            None => findings.append(&mut own),
        }
    }
    if !is_pattern && (1..instances).contains(&resolved.len()) {
        note_instances(resolved.len(), instances, &mut findings[before..]);
    }
    report_misfits(rule, resolved.is_empty(), misfits, findings);
    resolved.append(&mut wrappers);
    resolved
}

/// A generic function is one for each shape of its type parameters, and a rule is for all of them.
fn note_instances(fitting: usize, instances: usize, findings: &mut [Finding]) {
    for finding in findings.iter_mut().filter(|finding| finding.is_error()) {
        let note = format!(
            "it fits {fitting} of {instances} instances of the function: a glob such as `{{glob: \"main.Map*\"}}` \
             leaves the others out"
        );
        finding.diagnostic.notes.push(note);
    }
}

/// Of the functions that a pattern matches, those where the rule makes no sense are left out; if none
/// is left, the first one's errors say why.
fn report_misfits(
    rule: &Rule,
    none_fits: bool,
    misfits: Vec<(String, Vec<Finding>)>,
    findings: &mut Vec<Finding>,
) {
    if none_fits {
        findings.extend(misfits.into_iter().next().map(|(_, own)| own).unwrap_or_default());
        return;
    }
    for (name, own) in misfits {
        let why = own
            .first()
            .map_or_else(String::new, |finding| format!(": {}", finding.diagnostic.message));
        let diagnostic = Diagnostic::warning(format!("`{name}` matches and is left out{why}"))
            .at(rule.function.span)
            .rule(&rule.name);
        findings.push(Finding::invalid(diagnostic));
    }
}

/// A function of the runtime or of package testing that is observed only.
pub(super) fn watched(binary: &Binary, name: &str) -> Option<ResolvedFunction> {
    let function = binary
        .functions()
        .find(name)
        .into_iter()
        .find(|function| !function.is_wrapper)?;
    Some(ResolvedFunction {
        sites: sites(binary, &function).ok()?,
        declaration: format!("func {}", traced_name(&function.name)),
        function,
        float_parameters: 0,
        at_entry: Vec::new(),
        at_return: Vec::new(),
        fault: Fault::default(),
        until: None,
        slot: None,
        condition: None,
    })
}

/// What a rule sets.
struct Assignments {
    at_entry: Vec<Assignment>,
    at_return: Vec<Assignment>,
    /// Nothing at entry.
    only_at_return: bool,
}

/// A rule with the file it stands in.
#[derive(Clone, Copy)]
pub(super) struct Resolver<'a> {
    pub(super) rules: &'a RuleSet,
    pub(super) rule: &'a Rule,
}

fn in_function(
    rules: &RuleSet,
    rule: &Rule,
    binary: &Binary,
    scratch: &RefCell<ScratchBuilder>,
    selected: &Selected,
    findings: &mut Vec<Finding>,
) -> Option<ResolvedFunction> {
    let function = &selected.function;
    let resolver = Resolver { rules, rule };
    let at_function = |diagnostic: Diagnostic| diagnostic.at(rule.function.span).rule(&rule.name);
    if let Some(why) = policy::refusal(function) {
        let message = format!("`{}` cannot be probed: {why}", function.name);
        findings.push(Finding::unarmable(at_function(Diagnostic::error(message))));
        return None;
    }
    let sites = match sites(binary, function) {
        Ok(sites) => sites,
        Err(error) => {
            let message = format!("`{}` cannot be probed: {error}", function.name);
            findings.push(Finding::unarmable(at_function(Diagnostic::error(message))));
            return None;
        }
    };
    let signature = selected
        .signature(&rules.source, rule, binary)
        .map_err(|finding| findings.push(finding))
        .ok()?;
    let declaration = signature.as_ref().map_or_else(
        || "of unknown types".to_owned(),
        |signature| declaration(function, signature, binary.types()),
    );
    let is_known = signature.is_some();
    let signature = signature.unwrap_or_default();
    findings.extend(signature::unchecked(rule, binary, function, &signature));
    let layout = abi::layout(
        binary.architecture(),
        binary.types(),
        &signature,
        function.convention(),
        binary.version(),
    );
    let scope = Scope {
        signature: &signature,
        layout: &layout,
        types: binary.types(),
        binary,
        scratch,
        receiver_behind: selected.is_wrapper(),
    };
    let mut wrongs = Vec::new();
    let Assignments {
        mut at_entry,
        at_return,
        only_at_return,
    } = resolver.assignments(&scope, &mut wrongs);
    match fault::panic_value(&resolver, &scope) {
        // It comes last of all edits: the core takes it from there.
        Some(Ok(value)) => at_entry.extend(value),
        Some(Err(wrong)) => wrongs.push(wrong),
        None => {}
    }
    match fault::early_return(&resolver, &scope) {
        Ok(results) => at_entry.extend(results),
        Err(more) => wrongs.extend(more),
    }
    let until = match until::until(&resolver, &scope) {
        Some(Ok((until, results))) => {
            at_entry.extend(results);
            Some(until)
        }
        Some(Err(wrong)) => {
            wrongs.push(wrong);
            None
        }
        None => None,
    };
    let condition = resolver.condition(&scope, only_at_return, &mut wrongs);
    let before = findings.len();
    for wrong in wrongs {
        let message = format!("{} (in `{}`)", wrong.message, traced_name(&function.name));
        let mut diagnostic = Diagnostic::error(message).at(wrong.span).rule(&rule.name);
        diagnostic.help = wrong.help;
        findings.push(match wrong.unarmable {
            true => Finding::unarmable(diagnostic),
            false => Finding::invalid(diagnostic),
        });
    }
    for assignments in [&at_entry, &at_return] {
        let words: usize = assignments.iter().map(|assignment| assignment.edits.len()).sum();
        if words > EDITS {
            let name = traced_name(&function.name);
            let message = format!("the rule writes {words} words at once in `{name}`");
            let help =
                format!("at most {EDITS} are possible: write fewer fields, or divide them among rules");
            findings.push(Finding::invalid(
                at_function(Diagnostic::error(message)).help(help),
            ));
        }
    }
    findings.extend(fault::refusal(rule, function, binary));
    let slot = fault::slot(rule, function, &sites, binary).unwrap_or_else(|finding| {
        findings.push(finding);
        None
    });
    let reachable = at_return.is_empty() || results_reachable(rule, function, &sites, findings);
    let fits = reachable && !findings[before..].iter().any(Finding::is_error);
    fits.then(|| ResolvedFunction {
        function: function.clone(),
        declaration,
        // Any may carry one.
        float_parameters: if is_known {
            float_parameters(&layout)
        } else {
            u16::MAX
        },
        sites,
        at_entry,
        at_return,
        fault: fault::fault(rule),
        until,
        slot,
        condition,
    })
}

impl Resolver<'_> {
    /// What the rule sets, at entry and at return.
    fn assignments(&self, scope: &Scope<'_>, wrongs: &mut Vec<Wrong>) -> Assignments {
        let mut at_entry = Vec::new();
        let mut at_return = Vec::new();
        for written in &self.rule.inject.set {
            match self.assignment(written, scope) {
                Ok((Side::Entry, assignments)) => at_entry.extend(assignments),
                Ok((Side::Return, assignments)) => at_return.extend(assignments),
                Err(wrong) => wrongs.push(wrong),
            }
        }
        // Also of what is wrong otherwise: a value that cannot be made does not make its result a parameter.
        let only_at_return = !self.rule.inject.set.iter().any(|written| {
            let reached = scope.reach(&written.path.value);
            reached.is_ok_and(|reached| matches!(reached.side, Side::Entry))
        });
        Assignments {
            at_entry,
            at_return,
            only_at_return,
        }
    }

    pub(super) fn assignment(
        &self,
        written: &Written,
        scope: &Scope<'_>,
    ) -> Result<(Side, Vec<Assignment>), Wrong> {
        if scope.receiver_behind && scope.is_receiver(&written.path.value) {
            return Err(Wrong::new(
                written.path.span,
                "the receiver is a copy in the method only, and setting it here would change what the interface holds",
                "set it where the value is made",
            ));
        }
        let reached = scope
            .reach(&written.path.value)
            .map_err(|error| Wrong::place(written.path.span, error))?;
        let text = self.written(written.value.span);
        let path = written.path.value.to_string();
        let assignments = match reached.target {
            Target::Value(located) => fitted(path, &text, &written.value, &located, scope)?,
            Target::Count { word, settable: true } if word.element.is_none() => {
                let length = value::length(&written.value.value, word);
                let length = length.map_err(|misfit| Wrong::value(written.value.span, misfit))?;
                vec![Assignment {
                    path,
                    type_name: "int".to_owned(),
                    shape: length.shape,
                    value: text,
                    edits: length.edits,
                }]
            }
            Target::Count { settable: true, .. } => {
                return Err(Wrong::new(
                    written.path.span,
                    "a length in an element of a map cannot be set by itself",
                    "set the whole string or slice: `{len: 3}`",
                ));
            }
            Target::Count { .. } | Target::Fixed(_) => {
                return Err(Wrong {
                    span: written.path.span,
                    message: "this length cannot be set: it is not part of the value itself".to_owned(),
                    help: Some("only strings and slices have a length of their own".to_owned()),
                    unarmable: false,
                });
            }
        };
        Ok((reached.side, assignments))
    }

    /// What stands at a place of the rule file.
    pub(super) fn written(&self, span: Span) -> String {
        let text = self.rules.source.text();
        text.get(span.start..span.end).unwrap_or_default().to_owned()
    }

    /// The rule's condition. One on results can't decide about what is done before there are any.
    fn condition(
        &self,
        scope: &Scope<'_>,
        only_at_return: bool,
        wrongs: &mut Vec<Wrong>,
    ) -> Option<Condition> {
        let written = self.rule.condition.as_ref()?;
        match condition::resolve(written, self.rules.source.text(), scope) {
            Ok(condition) => {
                let rows = condition.rows();
                if rows > TERMS {
                    wrongs.push(Wrong::new(
                        written.span,
                        format!("the condition takes {rows} rows, and there are at most {TERMS}"),
                        "write several rules with a part of it each",
                    ));
                }
                let only_at_return = only_at_return && fault::fault(self.rule) == Fault::default();
                if !condition.is_of_entry() && !only_at_return {
                    wrongs.push(Wrong::new(
                        written.span,
                        "the condition is on results, which are not known yet when the rule acts at entry",
                        "let one rule act at entry on parameters, and another at return",
                    ));
                }
                Some(condition)
            }
            Err(more) => {
                wrongs.extend(more);
                None
            }
        }
    }
}

/// What is wrong with one path, value or condition.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) help: Option<String>,
    /// Another build of the program would do.
    pub(super) unarmable: bool,
}

impl Wrong {
    pub(super) fn new(span: Span, message: impl Into<String>, help: impl Into<String>) -> Wrong {
        Wrong {
            span,
            message: message.into(),
            help: Some(help.into()),
            unarmable: false,
        }
    }

    pub(super) fn place(span: Span, error: NoSuchPlace) -> Wrong {
        Wrong {
            span,
            message: error.message,
            help: error.help,
            unarmable: false,
        }
    }

    fn value(span: Span, misfit: Misfit) -> Wrong {
        Wrong {
            span: misfit.span.unwrap_or(span),
            message: misfit.message,
            help: Some(misfit.help),
            unarmable: misfit.unarmable,
        }
    }
}

/// A value fitted into its place, and before it what is to be written into the objects that copies are made of.
pub(super) fn fitted(
    path: String,
    text: &str,
    value: &Spanned<Value>,
    at: &Located,
    scope: &Scope<'_>,
) -> Result<Vec<Assignment>, Wrong> {
    let found = found(&path, at, value.span)?;
    let mut context = Context::new(scope.binary, scope.scratch.borrow_mut());
    let fitted =
        value::fit(&value.value, at, &mut context).map_err(|misfit| Wrong::value(value.span, misfit))?;
    let behind = Assignment {
        path: path.clone(),
        type_name: String::new(),
        shape: Shape::Hidden,
        value: "what it leads to".to_owned(),
        edits: context.into_behind(),
    };
    let whole = Assignment {
        path,
        type_name: scope.types.get(at.ty).name.clone(),
        shape: fitted.shape,
        value: text.to_owned(),
        edits: fitted.edits,
    };
    let before = [found, behind]
        .into_iter()
        .filter(|before| !before.edits.is_empty());
    Ok(before.chain([whole]).collect())
}

/// The elements of maps that a path goes through.
fn found(path: &str, at: &Located, span: Span) -> Result<Assignment, Wrong> {
    Ok(Assignment {
        path: path.to_owned(),
        type_name: String::new(),
        shape: Shape::Hidden,
        value: "the elements on the way".to_owned(),
        edits: at.finds().map_err(|error| Wrong::place(span, error))?,
    })
}

/// Whether results can be changed: calls that end in a jump to another function return from there.
fn results_reachable(rule: &Rule, function: &Function, sites: &Sites, findings: &mut Vec<Finding>) -> bool {
    let callees: Vec<&str> = sites
        .tail_calls
        .iter()
        .filter_map(|call| call.callee.as_deref())
        .collect();
    let name = &function.name;
    if sites.returns.is_empty() {
        let diagnostic = match callees.first() {
            Some(callee) => Diagnostic::error(format!(
                "results of `{name}` cannot be reached: it ends in a jump to `{callee}`"
            ))
            .help(format!("name `{callee}` instead")),
            None => Diagnostic::error(format!("results of `{name}` cannot be reached: it never returns")),
        };
        findings.push(Finding::unarmable(
            diagnostic.at(rule.function.span).rule(&rule.name),
        ));
        return false;
    }
    if !sites.tail_calls.is_empty() {
        let to = callees
            .first()
            .map_or_else(|| "another function".to_owned(), |callee| format!("`{callee}`"));
        let diagnostic = Diagnostic::warning(format!(
            "calls of `{name}` that end in a jump to {to} keep their results"
        ))
        .at(rule.function.span)
        .rule(&rule.name);
        findings.push(Finding::unarmable(diagnostic));
    }
    true
}

/// The function as Go would declare it.
pub(super) fn declaration(function: &Function, signature: &Signature, types: &Types) -> String {
    let own = function
        .name
        .get(function.package().len() + 1..)
        .unwrap_or(&function.name);
    let receiver = signature
        .receiver
        .as_ref()
        .map(|receiver| format!("({}) ", list(std::slice::from_ref(receiver), types)))
        .unwrap_or_default();
    let own = own.rsplit_once(").").map_or(own, |(_, method)| method);
    let own = match &signature.receiver {
        Some(_) => own.rsplit('.').next().unwrap_or(own),
        None => own,
    };
    let results = match signature.results.as_slice() {
        [] => String::new(),
        [only] if only.name.is_none() => format!(" {}", list(std::slice::from_ref(only), types)),
        all => format!(" ({})", list(all, types)),
    };
    format!(
        "func {receiver}{}({}){results}",
        traced_name(own),
        list(signature.declared(), types)
    )
}

/// Variables as Go declares them: neighbours of one type share it, and if one has a name all have.
fn list(variables: &[Variable], types: &Types) -> String {
    let named = variables.iter().any(|variable| variable.name.is_some());
    let mut text = String::new();
    for (n, variable) in variables.iter().enumerate() {
        if n > 0 {
            text.push_str(", ");
        }
        if named {
            text.push_str(variable.name.as_deref().unwrap_or("_"));
            if variables.get(n + 1).is_some_and(|next| next.ty == variable.ty) {
                continue;
            }
            text.push(' ');
        }
        text.push_str(&types.get(variable.ty).name);
    }
    text
}

pub(super) fn float_parameters(layout: &Layout) -> u16 {
    let placements = layout.receiver.iter().chain(&layout.parameters);
    let mut used = 0;
    for placement in placements {
        if let Placement::Registers(parts) = placement {
            for part in parts {
                if let Register::Float(n) = part.register {
                    used |= 1 << n;
                }
            }
        }
    }
    used
}
