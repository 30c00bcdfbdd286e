//! Which functions a rule is about.

use crate::diagnostic::quoted;
use crate::document::{Kind, Node, Reader};
use crate::model::{FunctionSelector, Pattern, PatternKind};
use crate::pattern::DEFAULT_MAX_MATCHES;
use crate::source::Spanned;
use crate::validate::keys;

const EXAMPLE: &str =
    "write a name as in a stack trace, such as `main.parseMe`, or `{glob: \"main.parse*\"}`";

/// Reads `function`: an exact name, or a pattern.
pub(super) fn selector(reader: &mut Reader<'_>, node: &Node) -> Option<Spanned<FunctionSelector>> {
    let selector = match &node.kind {
        Kind::Mapping(_) => FunctionSelector::Pattern(pattern(reader, node)?),
        _ => FunctionSelector::Exact(exact(reader, node, "`function`")?.value),
    };
    Some(Spanned::new(selector, node.span))
}

/// Reads the exact name of a function.
pub(super) fn exact(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<Spanned<String>> {
    let name = reader.text(node, what, EXAMPLE)?;
    match refuse(&name) {
        None => Some(name),
        Some((message, help)) => {
            reader.report(node.error(message).label("not a function's name").help(help));
            None
        }
    }
}

/// What can't be a function's name in a Go binary, and what was probably meant.
pub(super) fn refuse(name: &str) -> Option<(String, String)> {
    let shown = quoted(name);
    if let Some(pattern) = name.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
        return Some((
            format!("{shown} is not a name"),
            format!("write `{{regex: \"{pattern}\"}}` for a pattern"),
        ));
    }
    let star = name.match_indices('*').any(|(at, _)| !name[..at].ends_with('('));
    if star || name.contains('?') {
        let help = format!("write `{{glob: \"{name}\"}}` for a pattern");
        return Some((
            format!("{shown} is not a name: names have a `*` in `(*T)` only"),
            help,
        ));
    }
    if name.chars().any(char::is_whitespace) && !name.contains(['{', '[']) {
        let help = if name.starts_with("func ") {
            "write the name alone, without `func`"
        } else {
            EXAMPLE
        };
        return Some((format!("{shown} is not a name: it has a space"), help.to_owned()));
    }
    if name.ends_with(')')
        && let Some((called, _)) = name.rsplit_once('(')
        && !called.is_empty()
    {
        return Some((
            format!("{shown} has arguments"),
            format!("write `{called}` alone"),
        ));
    }
    if !name.contains('.') {
        return Some((
            format!("{shown} has no package"),
            format!("write it as in a stack trace, such as `main.{name}`"),
        ));
    }
    None
}

pub(super) fn pattern(reader: &mut Reader<'_>, node: &Node) -> Option<Pattern> {
    let fields = reader.fields(node, &keys::PATTERN)?;
    let most = fields
        .get("max_matches")
        .and_then(|node| reader.whole(node, "`max_matches`", 1..=i128::from(u32::MAX)))
        .and_then(|most| u32::try_from(most).ok())
        .unwrap_or(DEFAULT_MAX_MATCHES);
    let (node, kind) = match (fields.get("glob"), fields.get("regex")) {
        (Some(glob), None) => (glob, PatternKind::Glob),
        (None, Some(regex)) => (regex, PatternKind::Regex),
        (Some(_), Some(regex)) => {
            let finding = regex.error("`function` has both `glob` and `regex`");
            reader.report(finding.label("the second pattern").help("keep one of them"));
            return None;
        }
        (None, None) => {
            if fields.is_complete() {
                reader.report(
                    node.error("`function` has neither `glob` nor `regex`")
                        .help(EXAMPLE),
                );
            }
            return None;
        }
    };
    let (what, example) = match kind {
        PatternKind::Glob => ("`glob`", "write a pattern, such as `\"main.parse*\"`"),
        PatternKind::Regex => ("`regex`", "write a pattern, such as `'^main\\.parse'`"),
    };
    let text = reader.text(node, what, example)?;
    let pattern = match kind {
        PatternKind::Glob => Pattern::glob(&text, most),
        PatternKind::Regex => Pattern::regex(&text, most),
    };
    match pattern {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            let span = reader.place_in(node, error.range.clone());
            reader.report(node.error(error.message).at(span).help(error.help));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_go_functions_pass() {
        for name in [
            "main.parseMe",
            "github.com/acme/blob.(*Reader).Next",
            "main.run.func1",
            "main.Map[...]",
            "main.Map[go.shape.int]",
            "main.(*Tree[...]).Walk",
            "gopkg.in/yaml%2ev3.Unmarshal",
            "main.Größe",
            "type..eq.struct { F int }",
            "main.T.Close-fm",
        ] {
            assert_eq!(refuse(name), None, "{name}");
        }
    }

    #[test]
    fn what_else_is_written_gets_advice() {
        for (name, help) in [
            ("parseMe", "main.parseMe"),
            ("main.parse*", "glob"),
            ("main.?un", "glob"),
            ("/main\\..*/", "regex"),
            ("main.parseMe(...)", "write `main.parseMe` alone"),
            ("main.parseMe(0x1, 0x2)", "main.parseMe"),
            ("func main.x", "without `func`"),
        ] {
            let (_, advice) = refuse(name).expect(name);
            assert!(advice.contains(help), "{name}: {advice}");
        }
    }
}
