//! Where calls come from: `within`, `callers` and `test`.

use super::function::{exact, pattern, refuse};
use crate::diagnostic::{Diagnostic, quoted};
use crate::document::{Kind, Node, Reader};
use crate::model::{CALLERS, FunctionSelector, Pattern};
use crate::source::Spanned;

const EXAMPLE: &str = "write names as in a stack trace, or globs: `[main.save, \"main.(*Shop).*\"]`";

type Selectors = Vec<Spanned<FunctionSelector>>;

/// Reads `within`: any of these functions.
pub(super) fn within(reader: &mut Reader<'_>, node: &Node) -> Option<Selectors> {
    one_or_more(reader, node, "`within`")
}

/// Reads `callers`: all of these functions, innermost first.
pub(super) fn callers(reader: &mut Reader<'_>, node: &Node) -> Option<Selectors> {
    let callers = one_or_more(reader, node, "`callers`")?;
    if callers.len() <= CALLERS {
        return Some(callers);
    }
    let finding = node.error(format!("`callers` has more than {CALLERS} functions"));
    reader.report(
        finding
            .label(format!("{} of them", callers.len()))
            .help("leave some out: others may stand between those that are named"),
    );
    None
}

/// Reads `test`: a glob over the names of Go tests.
pub(super) fn test(reader: &mut Reader<'_>, node: &Node) -> Option<Spanned<Pattern>> {
    const EXAMPLE: &str = "write a name or a glob, such as `TestCheckout`, `TestCheckout/*` or `Test*`";
    let text = reader.text(node, "`test`", EXAMPLE)?;
    let pattern = match Pattern::glob(&text.value, u32::MAX) {
        Ok(pattern) => pattern,
        Err(error) => {
            let span = reader.place_in(node, error.range.clone());
            reader.report(node.error(error.message).at(span).help(error.help));
            return None;
        }
    };
    let of_go = ["Test", "Fuzz", "Benchmark", "*", "?", "{", "["];
    if !of_go.iter().any(|start| text.value.starts_with(start)) {
        let finding = Diagnostic::error(format!("no Go test is called {}", quoted(&text.value)));
        let finding = finding
            .at(node.span)
            .label("names begin with `Test`, `Fuzz` or `Benchmark`");
        // What looks like a package is told to `go test`, and not to a rule.
        let name = text
            .value
            .rsplit_once('.')
            .filter(|(_, name)| name.starts_with("Test"));
        reader.report(match (text.value.contains('/'), name) {
            (true, Some((_, name))) => finding.help(format!(
                "write `{name}` without the package; which packages are tested is said on the command line: \
                 `goinject test FILE -- ./store`"
            )),
            (true, None) => finding.help(
                "a package is no test; which packages are tested is said on the command line: \
                 `goinject test FILE -- ./store`",
            ),
            (false, _) => finding.help(EXAMPLE),
        });
        return None;
    }
    Some(Spanned::new(pattern, text.span))
}

fn one_or_more(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<Selectors> {
    if !matches!(node.kind, Kind::List(_)) {
        return caller(reader, node, what).map(|one| vec![one]);
    }
    let items = reader.list(node, what, EXAMPLE)?;
    if items.is_empty() {
        let finding = node
            .error(format!("{what} names no function"))
            .label("an empty list");
        reader.report(finding.help(EXAMPLE));
        return None;
    }
    let item = format!("an item of {what}");
    let read: Vec<_> = items.iter().map(|node| caller(reader, node, &item)).collect();
    read.into_iter().collect()
}

/// One function: its name, a glob, or a pattern as `function` takes it.
fn caller(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<Spanned<FunctionSelector>> {
    let selector = match &node.kind {
        Kind::Mapping(_) => FunctionSelector::Pattern(pattern(reader, node)?),
        Kind::Scalar(scalar) if node.tag.is_none() && is_glob(&scalar.text) => {
            let text = reader.text(node, what, EXAMPLE)?;
            match Pattern::glob(&text.value, u32::MAX) {
                Ok(pattern) => FunctionSelector::Pattern(pattern),
                Err(error) => {
                    let span = reader.place_in(node, error.range.clone());
                    reader.report(node.error(error.message).at(span).help(error.help));
                    return None;
                }
            }
        }
        _ => FunctionSelector::Exact(exact(reader, node, what)?.value),
    };
    Some(Spanned::new(selector, node.span))
}

/// Whether a text is meant as a pattern: it has a star that is not a pointer's, and would be no name.
fn is_glob(text: &str) -> bool {
    let written_as_regex = text.len() > 1 && text.starts_with('/') && text.ends_with('/');
    let alternatives = text.contains('{') && text.contains(',') && !text.contains(' ');
    !written_as_regex && (alternatives || text.contains(['*', '?']) && refuse(text).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_are_told_from_names() {
        for glob in [
            "main.*",
            "main.(*Shop).Check*",
            "*",
            "main.{load,save}",
            "main.?un",
        ] {
            assert!(is_glob(glob), "{glob}");
        }
        for name in [
            "main.run",
            "main.(*Shop).Checkout",
            "main.Map[...]",
            "type..eq.struct { F int, G int }",
            "/main.*/",
        ] {
            assert!(!is_glob(name), "{name}");
        }
    }
}
