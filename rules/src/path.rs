//! Paths to parameters, results and what is reached through them.

use std::fmt;
use std::ops::Range;

use crate::diagnostic::quoted;
use crate::model::{Path, Root, Step};

/// Text that is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PathError {
    /// What is wrong with it.
    pub message: String,
    /// What to write instead.
    pub help: String,
    /// The bytes of the text that are wrong.
    pub range: Range<usize>,
}

const FORM: &str =
    "write a name and a path from it: `a1`, `args[0]`, `results[1].len`, `recv.cfg.limits[2].max`";

const KEYWORDS: [&str; 25] = [
    "break",
    "case",
    "chan",
    "const",
    "continue",
    "default",
    "defer",
    "else",
    "fallthrough",
    "for",
    "func",
    "go",
    "goto",
    "if",
    "import",
    "interface",
    "map",
    "package",
    "range",
    "return",
    "select",
    "struct",
    "switch",
    "type",
    "var",
];

/// Reads a path such as `a1`, `args[0]`, `results[1].len` or `recv.cfg.limits[2].max`.
///
/// # Errors
///
/// When it is none; the error says where, and what to write instead.
pub fn parse(text: &str) -> Result<Path, PathError> {
    refuse_go_expressions(text)?;
    if text.is_empty() {
        return Err(error("a name is missing", FORM, 0..0));
    }
    let root_end = identifier_end(text, 0);
    if root_end == 0 {
        return Err(error(
            format!("{} does not begin with a name", quoted(text)),
            FORM,
            0..text.len(),
        ));
    }
    let mut steps = Vec::new();
    let mut at = root_end;
    while let Some(next) = text[at..].chars().next() {
        let (step, end) = match next {
            '.' => field(text, at)?,
            '[' if text[at + 1..].starts_with('"') => key(text, at)?,
            '[' => index(text, at)?,
            other => {
                let message = format!("{} can't stand in a path", quoted(&other.to_string()));
                return Err(error(message, FORM, at..at + other.len_utf8()));
            }
        };
        steps.push(step);
        at = end;
    }
    build(&text[..root_end], steps).map_err(|BuildError { message, help }| error(message, help, 0..root_end))
}

/// A name that can't begin a path.
pub(crate) struct BuildError {
    pub(crate) message: String,
    pub(crate) help: String,
}

/// Puts a path together from its first name and the steps behind it.
pub(crate) fn build(name: &str, mut steps: Vec<Step>) -> Result<Path, BuildError> {
    check_name(name)?;
    let position = match (name, steps.first()) {
        ("args" | "results", Some(Step::Index(index))) => match u32::try_from(*index) {
            Ok(position) => Some(position),
            Err(_) => {
                return Err(BuildError {
                    message: format!(
                        "no function has so many {}",
                        if name == "args" { "parameters" } else { "results" }
                    ),
                    help: "count from 0".to_owned(),
                });
            }
        },
        _ => None,
    };
    let root = match (name, position) {
        ("args", Some(position)) => Root::Argument(position),
        ("results", Some(position)) => Root::Result(position),
        ("recv", _) => Root::Receiver,
        _ => Root::Name(name.to_owned()),
    };
    if position.is_some() {
        steps.remove(0);
    }
    Ok(Path { root, steps })
}

fn check_name(name: &str) -> Result<(), BuildError> {
    if name == "_" {
        return Err(BuildError {
            message: "`_` names nothing: a function may have several".to_owned(),
            help: "write it by its position: `args[n]` or `results[n]`, counted from 0".to_owned(),
        });
    }
    if KEYWORDS.contains(&name) {
        return Err(BuildError {
            message: format!("`{name}` is a keyword of Go, so nothing has this name"),
            help: FORM.to_owned(),
        });
    }
    Ok(())
}

/// Whether this is a Go identifier.
pub(crate) fn is_identifier(text: &str) -> bool {
    !text.is_empty() && identifier_end(text, 0) == text.len()
}

fn identifier_end(text: &str, start: usize) -> usize {
    let mut end = start;
    for c in text[start..].chars() {
        if c == '_' || c.is_alphabetic() || (end > start && c.is_numeric()) {
            end += c.len_utf8();
        } else {
            break;
        }
    }
    end
}

fn field(text: &str, dot: usize) -> Result<(Step, usize), PathError> {
    let end = identifier_end(text, dot + 1);
    let name = &text[dot + 1..end];
    if name.is_empty() && text[end..].starts_with('(') {
        let message = "what an interface holds cannot be set";
        let help = "ask for it in `if`, and set the whole: `{type: \"*os.PathError\", fields: {…}}`";
        return Err(error(message, help, dot..text.len()));
    }
    if name.is_empty() {
        let message = "a field name is missing behind the `.`";
        return Err(error(message, FORM, dot..dot + 1));
    }
    if name == "_" || KEYWORDS.contains(&name) {
        return Err(error(
            format!("`{name}` can't be the name of a field"),
            FORM,
            dot + 1..end,
        ));
    }
    Ok((Step::Field(name.to_owned()), end))
}

/// `["text"]`, with the escapes of JSON.
fn key(text: &str, bracket: usize) -> Result<(Step, usize), PathError> {
    let quoted = &text[bracket + 1..];
    let mut read = serde_json::Deserializer::from_str(quoted).into_iter::<String>();
    let Some(Ok(key)) = read.next() else {
        let message = "the key has no closing quote, or an escape that there is not";
        let help = "write it as in JSON: `[\"X-Trace\"]`";
        return Err(error(message, help, bracket + 1..text.len()));
    };
    let end = bracket + 1 + read.byte_offset();
    if !text[end..].starts_with(']') {
        return Err(error("a `]` is missing", FORM, bracket..end));
    }
    Ok((Step::Key(key), end + 1))
}

fn index(text: &str, bracket: usize) -> Result<(Step, usize), PathError> {
    let Some(length) = text[bracket..].find(']') else {
        return Err(error("a `]` is missing", FORM, bracket..text.len()));
    };
    let end = bracket + length + 1;
    let inner = &text[bracket + 1..end - 1];
    let refuse = |message: String, help: &str| Err(error(message, help, bracket + 1..end - 1));
    if !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_digit()) {
        return match inner.parse() {
            Ok(index) => Ok((Step::Index(index), end)),
            Err(_) => refuse(format!("`{inner}` is too large for an index"), "count from 0"),
        };
    }
    match inner.chars().next() {
        None => refuse(
            "an index is missing between `[` and `]`".to_owned(),
            "count from 0: `[0]`",
        ),
        Some('\'') => refuse(
            "the key of a map stands in double quotes".to_owned(),
            "write it as in Go: `[\"X-Trace\"]`",
        ),
        Some('-') => refuse(
            "an index can't be negative".to_owned(),
            "count from 0, from the front",
        ),
        _ if inner.contains(':') => refuse(
            "a part of a slice can't be reached as a whole".to_owned(),
            "write one path per element",
        ),
        _ => refuse(
            format!("{} is not an index", quoted(inner)),
            "write a number, counted from 0",
        ),
    }
}

/// What Go programmers may try first.
fn refuse_go_expressions(text: &str) -> Result<(), PathError> {
    let stripped: String = text
        .chars()
        .filter(|c| !matches!(c, '*' | '&' | '(' | ')'))
        .collect();
    if text.starts_with(['*', '&', '(']) {
        let help = format!("pointers are followed without a sign: write `{stripped}`");
        return Err(error("a path has no `*`, `&` or `(…)`", help, 0..text.len()));
    }
    if let Some(at) = text.find("->") {
        return Err(error(
            "`->` is not Go",
            format!("write `{}`", text.replace("->", ".")),
            at..at + 2,
        ));
    }
    if text.starts_with('~') {
        let help = "write it by its position: `results[n]`, counted from 0";
        return Err(error(
            "`~…` is a name that only debuggers know",
            help,
            0..text.len(),
        ));
    }
    Ok(())
}

fn error(message: impl Into<String>, help: impl Into<String>, range: Range<usize>) -> PathError {
    PathError {
        message: message.into(),
        help: help.into(),
        range,
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.root {
            Root::Name(name) => f.write_str(name)?,
            Root::Argument(position) => write!(f, "args[{position}]")?,
            Root::Result(position) => write!(f, "results[{position}]")?,
            Root::Receiver => f.write_str("recv")?,
        }
        for step in &self.steps {
            match step {
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => write!(f, "[{}]", serde_json::Value::from(key.as_str()))?,
                Step::Assert(name) => write!(f, ".({name})")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field(name: &str) -> Step {
        Step::Field(name.to_owned())
    }

    #[test]
    fn paths_by_name_and_by_position() {
        for (text, root, steps) in [
            ("a1", Root::Name("a1".to_owned()), vec![]),
            ("größe", Root::Name("größe".to_owned()), vec![]),
            ("_x", Root::Name("_x".to_owned()), vec![]),
            ("args[0]", Root::Argument(0), vec![]),
            ("args[2][1]", Root::Argument(2), vec![Step::Index(1)]),
            ("args.len", Root::Name("args".to_owned()), vec![field("len")]),
            ("results[1].len", Root::Result(1), vec![field("len")]),
            ("recv", Root::Receiver, vec![]),
            (
                "recv.cfg.limits[2].max",
                Root::Receiver,
                vec![field("cfg"), field("limits"), Step::Index(2), field("max")],
            ),
            (
                r#"h["a]\"b"][0]"#,
                Root::Name("h".to_owned()),
                vec![Step::Key("a]\"b".to_owned()), Step::Index(0)],
            ),
        ] {
            assert_eq!(parse(text), Ok(Path { root, steps }), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_at_its_place() {
        for (text, message, place) in [
            ("", "a name is missing", ""),
            ("1a", "does not begin", "1a"),
            ("_", "names nothing", "_"),
            ("_.x", "names nothing", "_"),
            ("~r0", "debuggers", "~r0"),
            ("*p", "no `*`", "*p"),
            ("&p", "no `*`", "&p"),
            ("(*p).x", "no `*`", "(*p).x"),
            ("p->x", "not Go", "->"),
            ("a.", "missing behind", "."),
            ("a..b", "missing behind", "."),
            ("a b", "` ` can't stand", " "),
            ("a[", "`]` is missing", "["),
            ("a[]", "missing between", ""),
            ("a[-1]", "negative", "-1"),
            ("a[*]", "not an index", "*"),
            ("a[x]", "not an index", "x"),
            ("a[1:2]", "as a whole", "1:2"),
            ("a['k']", "double quotes", "'k'"),
            ("a[\"k]", "closing quote", "\"k]"),
            ("a[\"k\"", "`]` is missing", "[\"k\""),
            ("a[\"k\"x]", "`]` is missing", "[\"k\""),
            ("a[99999999999999999999]", "too large", "99999999999999999999"),
            ("args[4294967296]", "so many parameters", "args"),
            ("type", "keyword of Go", "type"),
            ("a.func", "can't be the name", "func"),
            ("a._", "can't be the name", "_"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.message.contains(message), "{text}: {}", error.message);
            assert_eq!(&text[error.range], place, "{text}");
        }
    }

    #[test]
    fn pointers_are_rewritten() {
        assert!(parse("(*p).x").expect_err("no").help.contains("`p.x`"));
        assert!(parse("p->x").expect_err("no").help.contains("`p.x`"));
    }

    proptest! {
        #[test]
        fn paths_are_read_back(text in r#"(a1|größe|recv|args\[[0-9]{1,3}\]|results\[0\])(\.[a-zä]{1,3}x|\[[0-9]{1,4}\]|\["[a-zä\]\.]{0,4}"\]){0,5}"#) {
            let path = parse(&text).expect("a path");
            prop_assert_eq!(parse(&path.to_string()), Ok(path));
        }

        #[test]
        fn no_text_panics_and_places_are_in_it(text in "\\PC*") {
            if let Err(error) = parse(&text) {
                prop_assert!(text.get(error.range).is_some());
            }
        }
    }
}
