//! Names and numbers of a condition, hidden from the CEL parser.
//!
//! Every name becomes as many `x`, every number zeros and a one, so that all offsets stay the same
//! while Go's names (`größe`, `in`, `loop`) and numbers (`1_000`, `18446744073709551615`) pass. So does a type
//! assertion (`.(*os.PathError)`), which is a field to CEL.

use std::collections::HashMap;
use std::ops::Range;

use super::Problem;

/// More brackets within each other are refused: the parser's stack grows with them.
const DEEPEST: usize = 24;

/// A condition before and after masking, with the places of its tokens.
pub(super) struct Masked<'t> {
    original: &'t str,
    masked: String,
    tokens: Vec<Token>,
    /// From an opening bracket to the closing one.
    closers: HashMap<usize, usize>,
}

struct Token {
    kind: Kind,
    range: Range<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Number,
    Text,
    Sign,
}

impl<'t> Masked<'t> {
    pub(super) fn new(original: &'t str) -> Result<Self, Problem> {
        let mut masked = Masked {
            original,
            masked: String::with_capacity(original.len()),
            tokens: Vec::new(),
            closers: HashMap::new(),
        };
        let mut open = Vec::new();
        let mut at = 0;
        while let Some(c) = original[at..].chars().next() {
            let range = at..at + masked.length(at, c)?;
            at = range.end;
            masked.take(range.clone(), c, &mut open);
            if open.len() > DEEPEST {
                return Err(Problem::new(
                    range,
                    "the condition is nested too deeply",
                    "write several rules",
                ));
            }
        }
        Ok(masked)
    }

    pub(super) fn text(&self) -> &str {
        &self.masked
    }

    pub(super) fn original(&self) -> &'t str {
        self.original
    }

    /// The name that begins at or after a place.
    pub(super) fn word_from(&self, at: usize) -> Option<Range<usize>> {
        let token = self.tokens.iter().find(|token| token.range.start >= at)?;
        (token.kind == Kind::Word).then(|| token.range.clone())
    }

    /// The name that ends at or before a place, with nothing between.
    pub(super) fn word_before(&self, at: usize) -> Option<Range<usize>> {
        let token = self.tokens.iter().rfind(|token| token.range.end <= at)?;
        (token.kind == Kind::Word).then(|| token.range.clone())
    }

    /// Where the sign before a place begins, if there is one.
    pub(super) fn sign_before(&self, at: usize) -> Option<usize> {
        let token = self.tokens.iter().rfind(|token| token.range.end <= at)?;
        (token.kind == Kind::Sign).then_some(token.range.start)
    }

    /// The token at a place.
    pub(super) fn token_at(&self, at: usize) -> Range<usize> {
        match self.tokens.iter().find(|token| token.range.contains(&at)) {
            Some(token) => token.range.clone(),
            None => at..at + self.original[at..].chars().next().map_or(0, char::len_utf8),
        }
    }

    /// The same range with the parentheses that group it.
    pub(super) fn grouped(&self, mut range: Range<usize>) -> Range<usize> {
        loop {
            let before = self
                .tokens
                .iter()
                .rposition(|token| token.range.end <= range.start);
            let after = self.tokens.iter().find(|token| token.range.start >= range.end);
            let (Some(before), Some(after)) = (before, after) else {
                return range;
            };
            let open = &self.tokens[before].range;
            let called = before > 0 && self.tokens[before - 1].kind == Kind::Word;
            let closed_here = self.closers.get(&open.start) == Some(&after.range.start);
            if called || !closed_here || &self.original[open.clone()] != "(" {
                return range;
            }
            range = open.start..after.range.end;
        }
    }

    /// The place behind the bracket that closes the one opened here.
    pub(super) fn close_of(&self, open: usize) -> usize {
        self.closers
            .get(&open)
            .map_or(self.original.len(), |close| close + 1)
    }

    fn length(&self, at: usize, c: char) -> Result<usize, Problem> {
        let rest = &self.original[at..];
        if let Some(quote) = text_quote(rest) {
            return text_length(rest, quote).ok_or_else(|| {
                Problem::new(
                    at..self.original.len(),
                    "this text has no closing quote",
                    "close it with the quote it began with",
                )
            });
        }
        if c == '`' {
            let help = "write text in `\"…\"` or `'…'`";
            return Err(Problem::new(at..at + 1, "CEL has no text in backticks", help));
        }
        let run_of = |member: fn(char) -> bool| rest.find(|c| !member(c)).unwrap_or(rest.len());
        if c == '('
            && self.behind_dot()
            && let Some(close) = rest.find(')')
        {
            return Ok(close + 1);
        }
        let is_digit = |c: char| c.is_ascii_digit();
        let fraction = c == '.' && !self.after_operand() && rest[1..].starts_with(is_digit);
        Ok(if is_word(c) {
            run_of(|c| is_word(c) || c.is_numeric())
        } else if is_digit(c) || fraction {
            number_length(rest)
        } else if rest.starts_with("//") {
            run_of(|c| c != '\n')
        } else {
            operator_length(rest).unwrap_or(c.len_utf8())
        })
    }

    fn take(&mut self, range: Range<usize>, c: char, open: &mut Vec<usize>) {
        let written = &self.original[range.clone()];
        let length = range.len();
        let (kind, masked) = if text_quote(written).is_some() {
            (Kind::Text, written.to_owned())
        } else if is_word(c) && self.means_itself(written) {
            (Kind::Word, written.to_owned())
        } else if is_word(c) || (c == '(' && length > 1) {
            (Kind::Word, "x".repeat(length))
        } else if c.is_ascii_digit() || (c == '.' && length > 1) {
            (Kind::Number, format!("{:0>length$}", 1))
        } else {
            match c {
                '(' | '[' | '{' => open.push(range.start),
                ')' | ']' | '}' => {
                    if let Some(start) = open.pop() {
                        self.closers.insert(start, range.start);
                    }
                }
                _ => {}
            }
            (Kind::Sign, written.to_owned())
        };
        self.masked.push_str(&masked);
        if !c.is_whitespace() && !written.starts_with("//") {
            self.tokens.push(Token { kind, range });
        }
    }

    /// Words of CEL; `in` is one only between two operands, and the usual name of a request elsewhere.
    fn means_itself(&self, word: &str) -> bool {
        !self.behind_dot()
            && (matches!(word, "true" | "false" | "null") || (word == "in" && self.after_operand()))
    }

    /// A name here is a field's, and `(…)` a type assertion.
    fn behind_dot(&self) -> bool {
        self.tokens
            .last()
            .is_some_and(|token| &self.original[token.range.clone()] == ".")
    }

    fn after_operand(&self) -> bool {
        self.tokens.last().is_some_and(|token| match token.kind {
            Kind::Word | Kind::Number | Kind::Text => true,
            Kind::Sign => matches!(&self.original[token.range.clone()], ")" | "]" | "}"),
        })
    }
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphabetic()
}

/// The length of an operator of two signs or more, of CEL or what people write for one.
fn operator_length(rest: &str) -> Option<usize> {
    let operators = ["===", "!==", "==", "!=", "<=", ">=", "<>", "&&", "||", ":="];
    operators
        .iter()
        .find(|operator| rest.starts_with(**operator))
        .map(|operator| operator.len())
}

fn number_length(rest: &str) -> usize {
    let mut length = 0;
    let mut previous = ' ';
    for c in rest.chars() {
        let hexadecimal = rest.starts_with("0x") || rest.starts_with("0X");
        let sign_of_exponent = matches!(c, '+' | '-') && matches!(previous, 'e' | 'E') && !hexadecimal;
        if !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.') || sign_of_exponent) {
            break;
        }
        length += c.len_utf8();
        previous = c;
    }
    length
}

/// The opening quote of a text with what may stand before it: `r` for raw, `b` for bytes.
fn text_quote(rest: &str) -> Option<(&str, bool)> {
    let prefix = rest
        .find(|c: char| !matches!(c, 'r' | 'R' | 'b' | 'B'))
        .unwrap_or(rest.len());
    if prefix > 2 {
        return None;
    }
    let raw = rest[..prefix].contains(['r', 'R']);
    ["\"\"\"", "'''", "\"", "'"]
        .into_iter()
        .find(|quote| rest[prefix..].starts_with(quote))
        .map(|quote| (quote, raw))
}

fn text_length(rest: &str, (quote, raw): (&str, bool)) -> Option<usize> {
    let start = rest.find(quote)? + quote.len();
    let mut escaped = false;
    for (at, c) in rest[start..].char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' && !raw {
            escaped = true;
        } else if rest[start + at..].starts_with(quote) {
            return Some(start + at + quote.len());
        }
    }
    None
}
