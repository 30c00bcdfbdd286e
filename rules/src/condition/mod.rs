//! `if`: conditions, a subset of CEL (Common Expression Language).
//!
//! A CEL library parses them, so what is accepted is CEL and reads as CEL does. Two things stand
//! between the library and Go. CEL knows ASCII names only and reserves words (`in`, `as`, `loop`) that Go uses as
//! names, so names and numbers are masked before parsing ([`mask`]) and read from the original text.
//! And CEL has no limits where the tables have: what they can't express is refused by name ([`convert`]).

mod convert;
mod mask;
mod operand;
mod paths;

use std::ops::Range;
use std::thread;

use cel::parser::{ParseError, Parser};

use crate::document::{Meaning, Node, Reader};
use crate::model::Condition;
use crate::source::Spanned;
use mask::Masked;

/// Longer conditions are refused: the parser recurses, and the tables are far smaller.
const LONGEST: usize = 2000;

/// What the deepest condition needs, with room to spare.
const STACK: usize = 32 << 20;

const EXAMPLE: &str = "write a condition, such as `a1 == 1 && a2`";

/// Reads `if`.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Spanned<Condition>> {
    let text = match node.scalar() {
        Some(scalar) if node.tag.is_none() && matches!(scalar.meaning, Meaning::Text | Meaning::Bool(_)) => {
            &scalar.text
        }
        Some(scalar)
            if node.tag.is_none() && matches!(scalar.meaning, Meaning::Integer(_) | Meaning::Float(_)) =>
        {
            let finding = node.error(format!("`{}` is a number, not a condition", scalar.text));
            reader.report(finding.label("neither true nor false").help(EXAMPLE));
            return None;
        }
        _ => {
            reader.mismatch(node, "`if`", "a condition", EXAMPLE);
            return None;
        }
    };
    match parse(text) {
        Ok(condition) => Some(place(reader, node, condition)),
        Err(problems) => {
            for problem in problems {
                let span = reader.place_in(node, problem.range);
                let mut finding = node.error(problem.message).at(span).help(problem.help);
                finding.label = problem.label.map(str::to_owned);
                reader.report(finding);
            }
            None
        }
    }
}

/// What is wrong with a condition, at a place in its text.
#[derive(Clone, Debug, PartialEq)]
struct Problem {
    message: String,
    label: Option<&'static str>,
    help: String,
    range: Range<usize>,
}

impl Problem {
    fn new(range: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Problem {
            message: message.into(),
            label: None,
            help: help.into(),
            range,
        }
    }

    fn label(mut self, label: &'static str) -> Self {
        self.label = Some(label);
        self
    }
}

/// Parses a condition; spans are places in its text.
fn parse(text: &str) -> Result<Spanned<Condition>, Vec<Problem>> {
    if text.trim().is_empty() {
        return Err(vec![Problem::new(
            0..text.len(),
            "the condition is empty",
            EXAMPLE,
        )]);
    }
    if text.len() > LONGEST {
        let message = format!(
            "the condition is too long: {} bytes, at most {LONGEST}",
            text.len()
        );
        return Err(vec![Problem::new(0..text.len(), message, "write several rules")]);
    }
    let masked = Masked::new(text).map_err(|problem| vec![problem])?;
    let parse = || {
        let parser = Parser::new().max_recursion_depth(64).error_recovery_limit(1);
        match parser.parse_with_source_info(masked.text()) {
            Ok((expression, places)) => convert::convert(&masked, &places, &expression),
            Err(errors) => Err(vec![syntax_error(&masked, errors.errors.first())]),
        }
    };
    // Unoptimised, the parser takes a fifth of a megabyte per bracket: more than a thread has by default.
    let parsed = thread::scope(|scope| {
        let builder = thread::Builder::new().stack_size(STACK);
        builder
            .spawn_scoped(scope, parse)
            .ok()
            .and_then(|parser| parser.join().ok())
    });
    parsed.unwrap_or_else(|| {
        let message = "the condition could not be parsed here";
        Err(vec![Problem::new(
            0..text.len(),
            message,
            "write it in a simpler way",
        )])
    })
}

/// The parser says what it expected in terms of its grammar; what was found says more.
fn syntax_error(masked: &Masked<'_>, error: Option<&ParseError>) -> Problem {
    let text = masked.original();
    let at = error.map_or(0, |error| offset(masked.text(), error.pos));
    if error.is_some_and(|error| error.msg.contains("Recursion")) {
        return Problem::new(
            0..text.len(),
            "the condition is nested too deeply",
            "write several rules",
        );
    }
    let range = masked.token_at(at);
    if text[range.clone()].contains('\\') {
        let help = "escapes are those of Go: `\\n`, `\\\"`, `\\x41`, `\\u00e4`";
        return Problem::new(range, "an escape in this text is not known", help);
    }
    let rest = &text[at..];
    if rest.trim().is_empty() {
        let end = text.trim_end().len();
        return Problem::new(
            end..end,
            "the condition ends too early",
            "a name, a value or a closing bracket is missing here",
        );
    }
    let found = &text[range.clone()];
    let instead = match found {
        "=" | ":=" => "write `==` to compare",
        "===" => "write `==`",
        "!==" | "<>" => "write `!=`",
        "&" | "and" | "AND" => "write `&&`",
        "|" | "or" | "OR" => "write `||`",
        "not" | "NOT" => "write `!`",
        "is" => "write `==`",
        ")" | "]" | "}" => "there is no opening bracket for this, or something is missing before it",
        _ => "a condition is made of names, values, `== != < <= > >= && || !` and parentheses",
    };
    // `not a` stumbles over the `a`.
    if let Some(word) = masked.word_before(at)
        && &text[word.clone()] == "not"
    {
        return Problem::new(word, "`not` is not CEL", "write `!`").label("unexpected");
    }
    let message = format!("{} is unexpected here", crate::diagnostic::quoted(found));
    Problem::new(range, message, instead).label("unexpected")
}

/// The byte of a line (from 1) and column (from 1, in characters).
fn offset(text: &str, (line, column): (isize, isize)) -> usize {
    let line = usize::try_from(line).unwrap_or(1).max(1);
    let column = usize::try_from(column).unwrap_or(1).max(1);
    let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    text[start..]
        .char_indices()
        .nth(column - 1)
        .map_or(text.len(), |(at, _)| start + at)
}

/// Exchanges places in the condition's text for places in the file.
fn place(reader: &Reader<'_>, node: &Node, condition: Spanned<Condition>) -> Spanned<Condition> {
    let boxed = |inner: Box<Spanned<Condition>>| Box::new(place(reader, node, *inner));
    let in_file = |span: crate::source::Span| reader.place_in(node, span.start..span.end);
    let span = in_file(condition.span);
    let value = match condition.value {
        Condition::And(left, right) => Condition::And(boxed(left), boxed(right)),
        Condition::Or(left, right) => Condition::Or(boxed(left), boxed(right)),
        Condition::Not(inner) => Condition::Not(boxed(inner)),
        Condition::Truth(operand) => Condition::Truth(Spanned::new(operand.value, in_file(operand.span))),
        Condition::Compare(left, comparison, right) => Condition::Compare(
            Spanned::new(left.value, in_file(left.span)),
            comparison,
            Spanned::new(right.value, in_file(right.span)),
        ),
        Condition::Is(error, other) => Condition::Is(
            Spanned::new(error.value, in_file(error.span)),
            Spanned::new(other.value, in_file(other.span)),
        ),
        Condition::Has(path) => Condition::Has(Spanned::new(path.value, in_file(path.span))),
        Condition::Text(test, operand, text) => Condition::Text(
            test,
            Spanned::new(operand.value, in_file(operand.span)),
            Spanned::new(text.value, in_file(text.span)),
        ),
    };
    Spanned::new(value, span)
}

#[cfg(test)]
mod tests;
