//! What stands under the cursor.

use goinject_rules::source::{Source, Span};
use lsp_types::{Hover, HoverContents, MarkupContent, MarkupKind};

use super::complete::role_words;
use super::cursor::{Cursor, function_of_rule};
use super::keys::Keys;
use super::programs::Program;
use super::text;
use crate::resolve::facts::{self, NamedFunction, Value};

/// Calls that are named where some are inlined.
const SHOWN: usize = 3;

/// What is told of the place at an offset: of a function its declaration and its line, of a parameter or result its type,
/// of a key what it is for.
pub(super) fn told(source: &Source, offset: usize, keys: &Keys, program: Option<&Program>) -> Option<Hover> {
    let text = source.text();
    let cursor = Cursor::at(text, offset);
    let word = text.get(cursor.word.start..cursor.word.end)?;
    let path: Vec<&str> = cursor.path.iter().map(String::as_str).collect();
    let named = |name: &str| program.and_then(|program| facts::named(&program.binary, name));
    let (words, span) = match (path.as_slice(), cursor.key.as_deref()) {
        (["rules"], Some("function" | "within" | "callers")) => (function(&named(word)?), cursor.word),
        (["rules"], Some("if")) => {
            let span = path_around(text, offset)?;
            let facts = named(&function_of_rule(text, offset)?)?;
            (value(&facts, &text[span.start..span.end])?, span)
        }
        (["rules", "inject", "set" | "return"], None) => {
            let facts = named(&function_of_rule(text, offset)?)?;
            (value(&facts, word)?, cursor.word)
        }
        (_, None) => (keys.description(&cursor.path, word)?, cursor.word),
        _ => return None,
    };
    Some(Hover {
        contents: HoverContents::Markup(MarkupContent {
            kind: MarkupKind::Markdown,
            value: words,
        }),
        range: Some(text::range(text, span)),
    })
}

/// The name or path that an offset lies in.
fn path_around(text: &str, offset: usize) -> Option<Span> {
    let is_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '[' | ']');
    let before = &text[..offset];
    let start = before.len()
        - before
            .chars()
            .rev()
            .take_while(|c| is_path(*c))
            .map(char::len_utf8)
            .sum::<usize>();
    let end = offset
        + text[offset..]
            .chars()
            .take_while(|c| is_path(*c))
            .map(char::len_utf8)
            .sum::<usize>();
    (start < end).then_some(Span { start, end })
}

fn function(named: &NamedFunction) -> String {
    let mut words = String::new();
    for facts in named.functions.iter().take(SHOWN) {
        let declaration = facts.declaration.as_ref().unwrap_or(&named.name);
        words.push_str(&format!("```go\n{declaration}\n```\n"));
        if let (Some(file), Some(line)) = (&facts.file, facts.line) {
            words.push_str(&format!("{file}:{line}\n\n"));
        }
        for why in facts.refused.iter().chain(&facts.untyped) {
            words.push_str(&format!("{why}\n\n"));
        }
    }
    if named.functions.len() > SHOWN {
        words.push_str(&format!(
            "and {} more of this name\n\n",
            named.functions.len() - SHOWN
        ));
    }
    match (named.functions.is_empty(), named.inlined.len()) {
        (_, 0) => {}
        (true, _) => words.push_str(&format!(
            "`{}`: every call is inlined, so that none can be reached\n\n",
            named.name
        )),
        (false, 1) => words.push_str("1 call is inlined and not seen:\n\n"),
        (false, count) => words.push_str(&format!("{count} calls are inlined and not seen, among them\n\n")),
    }
    for call in named.inlined.iter().take(SHOWN) {
        words.push_str(&format!(
            "- in `{}` at {}:{}\n",
            call.within, call.file, call.line
        ));
    }
    words
}

fn value(named: &NamedFunction, path: &str) -> Option<String> {
    let values = || {
        named
            .functions
            .first()
            .into_iter()
            .flat_map(|facts| &facts.values)
    };
    let all = values().chain(values().flat_map(|value| &value.fields));
    let found: &Value = all.into_iter().find(|value| value.path == path)?;
    let mut words = format!(
        "```go\n{path} {}\n```\n{}",
        found.type_name,
        role_words(found.role)
    );
    if let Some(why) = &found.why {
        words.push_str(&format!("\n\n{why}"));
    }
    Some(words)
}
