//! One rule.

use crate::condition;
use crate::diagnostic::Diagnostic;
use crate::document::{Node, Reader};
use crate::model::{Condition, Mode, Operand, Rule, Trigger};
use crate::source::Spanned;
use crate::validate::{MODES, callers, clash, expect, function, inject, keys, target, trigger};

/// Reads one rule under the name it has in reports.
pub(super) fn rule(reader: &mut Reader<'_>, node: &Node, name: String, file_mode: Mode) -> Option<Rule> {
    let fields = reader.fields(node, &keys::RULE)?;
    if let Some(node) = fields.get("name") {
        reader.text(
            node,
            "`name`",
            "write a name, or remove the key: it is derived from the function then",
        );
    }
    let mut required = |key: &str, example: &str| {
        let node = fields.get(key);
        if fields.lacks(key) {
            let finding = Diagnostic::error(format!("a rule needs `{key}`")).at(fields.head());
            reader.report(
                finding
                    .label("the rule begins here")
                    .help(format!("add {example}")),
            );
        }
        node
    };
    let function = required("function", "`function: main.parseMe`");
    let inject = required("inject", "`inject:` with `set`, `return`, `panic` or `delay`");
    let function = function.and_then(|node| function::selector(reader, node));
    let program = fields
        .get("program")
        .and_then(|node| target::program(reader, node));
    let signature = fields.get("signature").and_then(|node| signature(reader, node));
    let condition = fields.get("if").and_then(|node| condition::read(reader, node));
    let when = fields
        .get("when")
        .map_or(Some(Trigger::default()), |node| trigger::trigger(reader, node));
    let within = fields
        .get("within")
        .map_or(Some(Vec::new()), |node| callers::within(reader, node));
    let callers = fields
        .get("callers")
        .map_or(Some(Vec::new()), |node| callers::callers(reader, node));
    let test = fields
        .get("test")
        .map_or(Some(None), |node| callers::test(reader, node).map(Some));
    let inject = inject.and_then(|node| inject::inject(reader, node));
    let mode = fields
        .get("mode")
        .map_or(Some(file_mode), |node| reader.word(node, "`mode`", &MODES));
    let switched_off = condition.as_ref().is_some_and(is_false);
    let most = match &when {
        Some(_) if switched_off => 0,
        Some(when) => when.most_fired(),
        None => u64::MAX,
    };
    let expect = expect::expect(reader, fields.get("expect"), most, fields.head());
    if let (Some(condition), Some(inject)) = (&condition, &inject) {
        clash::with_condition(reader, condition, inject);
    }
    Some(Rule {
        name,
        span: node.span,
        function: function?,
        program,
        signature,
        condition,
        when: when?,
        within: within?,
        callers: callers?,
        test: test?,
        inject: inject?,
        expect: expect?,
        mode: mode?,
    })
}

fn is_false(condition: &Spanned<Condition>) -> bool {
    matches!(
        &condition.value,
        Condition::Truth(Spanned {
            value: Operand::Bool(false),
            ..
        })
    )
}

/// Only its outline: the types are read where they are laid out in memory.
fn signature(reader: &mut Reader<'_>, node: &Node) -> Option<Spanned<String>> {
    const EXAMPLE: &str =
        "write it as in Go: `signature: \"func(key string, n int) (val []byte, err error)\"`";
    let signature = reader.text(node, "`signature`", EXAMPLE)?;
    let text = signature.value.trim();
    let balanced = |open: char, close: char| text.matches(open).count() == text.matches(close).count();
    let finding = if !text
        .strip_prefix("func")
        .is_some_and(|rest| rest.trim_start().starts_with('('))
    {
        let name = text
            .strip_prefix("func ")
            .and_then(|rest| rest.split('(').next())
            .unwrap_or_default();
        let finding = node.error("a signature begins with `func(`").label("no `func(`");
        if name.is_empty() {
            finding.help(EXAMPLE)
        } else {
            finding.help(format!(
                "leave out the name `{name}`; a receiver is the first parameter"
            ))
        }
    } else if !balanced('(', ')') || !balanced('[', ']') || !balanced('{', '}') {
        node.error("the brackets of this signature don't match")
            .help(EXAMPLE)
    } else {
        return Some(signature);
    };
    reader.report(finding);
    None
}
