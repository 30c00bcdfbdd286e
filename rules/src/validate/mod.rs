//! From the file as written to rules that nothing can misread.
//!
//! Each function reads one part of the file. It gives nothing where it reported an error, so that
//! the parts around it can go on and report theirs.

mod callers;
mod clash;
mod expect;
mod function;
mod inject;
pub(crate) mod keys;
mod made;
mod name;
mod rule;
mod target;
mod trigger;
mod value;

use crate::diagnostic::{Diagnostic, inert};
use crate::document::{Fields, Node, Reader};
use crate::model::{ExitExpect, Limits, Mode, Rule, RuleSet, Target, TargetExpect};
use crate::source::Spanned;

const MODES: [(&str, Mode); 2] = [("inject", Mode::Inject), ("observe", Mode::Observe)];

/// Reads a whole rule file.
pub(crate) fn file(reader: &mut Reader<'_>, root: &Node) -> Option<RuleSet> {
    if root.is_null() {
        reader.report(
            Diagnostic::error("the rule file is empty")
                .help("begin with `version: 1`, then `rules:` with a list of rules"),
        );
        return None;
    }
    let fields = reader.fields(root, &keys::FILE)?;
    version(reader, &fields);
    let name = fields
        .get("name")
        .and_then(|node| reader.text(node, "`name`", "write what the file is about"));
    let seed = fields.get("seed").and_then(|node| reader.count(node, "`seed`"));
    let target = fields.get("target").map(|node| target::target(reader, node));
    let (target, follow) = target.unwrap_or_default();
    let limits = fields
        .get("limits")
        .and_then(|node| limits(reader, node))
        .unwrap_or_default();
    let expect = fields.get("expect").and_then(|node| target_expect(reader, node));
    let mode = fields
        .get("mode")
        .and_then(|node| reader.word(node, "`mode`", &MODES))
        .unwrap_or_default();
    let rules = rules(reader, &fields, mode);
    if let (
        Some(Target::Pid(_) | Target::Container(_)),
        Some(TargetExpect {
            exit: ExitExpect::Status(_),
            span: Some(span),
            ..
        }),
    ) = (&target, &expect)
    {
        reader.report(
            Diagnostic::warning("the exit status of a program that goinject did not start can't be seen")
                .at(*span)
                .help("remove `exit`, or start the program with `target.command`"),
        );
    }
    clash::with_limits(reader, &rules, &limits);
    Some(RuleSet {
        source: reader.source().clone(),
        name: name.map(|name| inert(&name.value).into_owned()),
        seed,
        target,
        follow,
        limits,
        expect: expect.unwrap_or(NOTHING_EXPECTED),
        rules,
    })
}

fn version(reader: &mut Reader<'_>, fields: &Fields<'_>) {
    if fields.lacks("version") {
        let finding = Diagnostic::error("`version` is missing").at(fields.head());
        reader.report(
            finding
                .label("the file begins here")
                .help("add `version: 1` at the top"),
        );
    }
    let Some(node) = fields.get("version") else { return };
    if let Some(version) = reader.whole(node, "`version`", 0..=i128::from(u64::MAX))
        && version != 1
    {
        let finding = node.error(format!("version {version} of rule files is not known"));
        reader.report(
            finding
                .label("not known")
                .help("this goinject reads `version: 1`"),
        );
    }
}

fn limits(reader: &mut Reader<'_>, node: &Node) -> Option<Limits> {
    let fields = reader.fields(node, &keys::LIMITS)?;
    let duration = fields.get("duration").and_then(|node| {
        let duration = trigger::duration(reader, node, "`duration`")?;
        if duration.is_zero() {
            reader.report(no_limit_of_zero(node));
        }
        Some(duration)
    });
    let faults = fields.get("faults").and_then(|node| {
        let faults = reader.count(node, "`faults`")?;
        if faults == 0 {
            reader.report(no_limit_of_zero(node));
        }
        Some(faults)
    });
    Some(Limits { duration, faults })
}

fn no_limit_of_zero(node: &Node) -> Diagnostic {
    node.error("a limit of 0 would end the faults before they begin")
        .label("nothing could fire")
        .help("write `mode: observe` at the top to inject nothing, or remove the limit")
}

/// What is expected of the target where the file says nothing.
const NOTHING_EXPECTED: TargetExpect = TargetExpect {
    exit: ExitExpect::Status(0),
    panics: None,
    span: None,
};

fn target_expect(reader: &mut Reader<'_>, node: &Node) -> Option<TargetExpect> {
    let fields = reader.fields(node, &keys::FILE_EXPECT)?;
    let panics = fields.get("panics").and_then(|node| {
        let range = expect::count_range(reader, node, "`panics`")?;
        Some(Spanned::new(range, node.span))
    });
    let Some(node) = fields.get("exit") else {
        return Some(TargetExpect {
            panics,
            ..NOTHING_EXPECTED
        });
    };
    let exit = match node.scalar() {
        Some(scalar) if scalar.text == "any" && node.tag.is_none() => ExitExpect::Any,
        Some(scalar) if scalar.meaning == crate::document::Meaning::Text && node.tag.is_none() => {
            reader.word(node, "`exit`", &[("any", ExitExpect::Any)])?
        }
        _ => {
            let status = reader.whole(node, "`exit`", 0..=255)?;
            ExitExpect::Status(i32::try_from(status).ok()?)
        }
    };
    Some(TargetExpect {
        exit,
        panics,
        span: Some(node.span),
    })
}

fn rules(reader: &mut Reader<'_>, fields: &Fields<'_>, mode: Mode) -> Vec<Rule> {
    const EXAMPLE: &str = "write a list: `- function: main.parseMe`, and below it `inject:`";
    if fields.lacks("rules") {
        let finding = Diagnostic::error("`rules` is missing").at(fields.head());
        reader.report(finding.label("the file begins here").help(EXAMPLE));
    }
    let Some(node) = fields.get("rules") else {
        return Vec::new();
    };
    let Some(items) = reader.list(node, "`rules`", EXAMPLE) else {
        return Vec::new();
    };
    if items.is_empty() {
        reader.report(
            node.error("there are no rules")
                .label("an empty list")
                .help(EXAMPLE),
        );
    }
    let names = name::names(reader, items);
    let mut rules = Vec::with_capacity(items.len());
    for (node, name) in items.iter().zip(names) {
        reader.enter_rule(Some(name.clone()));
        rules.extend(rule::rule(reader, node, name, mode));
    }
    reader.enter_rule(None);
    rules
}
