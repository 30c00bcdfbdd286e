//! Names of rules: as given, or derived from the function.

use std::collections::{HashMap, HashSet};

use crate::diagnostic::{inert, quoted};
use crate::document::{Kind, Meaning, Node, Reader};
use crate::source::Span;

/// A name for every rule, unique in the file, known before the rules are read so that findings can
/// say which rule they are about. Names given twice are reported.
pub(super) fn names(reader: &mut Reader<'_>, rules: &[Node]) -> Vec<String> {
    let mut given: HashMap<&str, Span> = HashMap::new();
    for node in rules.iter().filter_map(given_name) {
        let Some(name) = text(node) else { continue };
        match given.get(name) {
            Some(first) => {
                let finding = node.error(format!("two rules are named {}", quoted(name)));
                reader.report(
                    finding
                        .label("the second one")
                        .also(*first, "the first one")
                        .help("give each rule its own name"),
                );
            }
            None => {
                given.insert(name, node.span);
            }
        }
    }
    let mut taken: HashSet<String> = given.into_keys().map(str::to_owned).collect();
    let mut names = Vec::with_capacity(rules.len());
    for (position, rule) in rules.iter().enumerate() {
        if let Some(name) = given_name(rule).and_then(text) {
            // Names head lines of reports.
            names.push(inert(name).into_owned());
            continue;
        }
        let base = get(rule, "function").and_then(derived).map_or_else(
            || format!("rule-{}", position + 1),
            |name| inert(&name).into_owned(),
        );
        let mut name = base.clone();
        let mut number = 2;
        while !taken.insert(name.clone()) {
            name = format!("{base}-{number}");
            number += 1;
        }
        names.push(name);
    }
    names
}

fn given_name(rule: &Node) -> Option<&Node> {
    get(rule, "name")
}

fn get<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    let Kind::Mapping(entries) = &node.kind else {
        return None;
    };
    let (_, value) = entries
        .iter()
        .find(|(name, _)| name.scalar().is_some_and(|name| name.text == key))?;
    Some(value)
}

fn text(node: &Node) -> Option<&str> {
    node.scalar()
        .filter(|scalar| scalar.meaning == Meaning::Text && !scalar.text.trim().is_empty())
        .map(|scalar| scalar.text.as_str())
}

fn derived(function: &Node) -> Option<String> {
    if let Some(function) = text(function) {
        return Some(last_part(function));
    }
    if let Some(glob) = get(function, "glob").and_then(text) {
        return Some(last_part(glob));
    }
    get(function, "regex").and_then(text).map(str::to_owned)
}

/// `parseMe` of `main.parseMe`, `Reader.Next` of `github.com/acme/blob.(*Reader).Next`, `Map` of `main.Map[...]`.
fn last_part(function: &str) -> String {
    let function = function.trim();
    let in_package = function.rsplit('/').next().unwrap_or(function);
    let name = in_package.split_once('.').map_or(in_package, |(_, name)| name);
    let name = name.strip_suffix("[...]").unwrap_or(name);
    match name.strip_prefix("(*").and_then(|method| method.split_once(')')) {
        Some((receiver, method)) if !receiver.is_empty() => format!("{receiver}{method}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_from_the_last_part_of_the_function() {
        for (function, name) in [
            ("main.parseMe", "parseMe"),
            ("github.com/acme/blob.(*Reader).Next", "Reader.Next"),
            ("main.Reader.Next", "Reader.Next"),
            ("gopkg.in/yaml%2ev3.Unmarshal", "Unmarshal"),
            ("main.run.func1", "run.func1"),
            ("main.Map[...]", "Map"),
            ("main.*", "*"),
            ("*.Next", "Next"),
            ("parseMe", "parseMe"),
        ] {
            assert_eq!(last_part(function), name, "{function}");
        }
    }
}
