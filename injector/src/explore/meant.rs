//! What source text says of an error that is lost in it: that this is meant, or what is done where it is there.

use std::ops::Range;

use super::error_paths::{self, Position};
use super::point::Place;

/// What is said of errors that do no harm.
const HARMLESS: [&str; 22] = [
    "best effort",
    "best-effort",
    "don't care",
    "do not care",
    "doesn't matter",
    "does not matter",
    "not fatal",
    "non-fatal",
    "nonfatal",
    "can't fail",
    "cannot fail",
    "can not fail",
    "never fails",
    "won't fail",
    "will not fail",
    "never returns an error",
    "nolint",
    "errcheck",
    "keep err",
    "keeps err",
    "zero if",
    "or invalid",
];
/// What is said of calls whose error is not taken at all: said of others, it may be a demand.
const SUCCEEDS: [&str; 2] = ["must succeed", "always succeeds"];
/// What is said of errors that should not be lost.
const REGRETTED: [&str; 7] = [
    "todo",
    "fixme",
    "xxx",
    "bug",
    "not ignore",
    "n't ignore",
    "never ignore",
];
/// So many lines of a comment above a statement belong to it.
const ABOVE: usize = 6;
/// So many lines below a call its error may be looked at.
const BELOW: u32 = 5;
/// A comment of so few words beside a statement is about all of it.
const FEW: usize = 4;
/// A file that is removed is closed in so many lines around.
const AROUND: usize = 3;

/// A source file, and a line in it.
#[derive(Clone, Debug)]
pub(super) struct Passage {
    text: String,
    line: u32,
}

impl Passage {
    /// The source of a call; none where that cannot be read.
    pub(super) fn at(place: &Place) -> Option<Passage> {
        let text = std::fs::read_to_string(&place.file).ok()?;
        Some(Passage {
            text,
            line: place.line,
        })
    }

    /// How the source says that the error of the call is not wanted: a blank name, or a comment.
    pub(super) fn says_so(&self) -> Option<String> {
        let (code, beside) = split(self.nth(self.line)?);
        if takes_nothing(code) {
            return Some(format!("`{}`", code.trim()));
        }
        let names = code
            .split_once('=')
            .map_or("", |(names, _)| names.trim_end_matches(':'));
        let is_blank = names.split(',').any(|name| name.trim() == "_");
        let is_short = beside.split_whitespace().count() <= FEW;
        let above = self.above();
        let below = self.body(self.line..=self.line + 1).map(|body| {
            let lines = body.start.0..=body.end.0;
            let comments = lines.filter_map(|line| Some(split(self.nth(line)?).1));
            comments.collect::<Vec<_>>().join(" ")
        });
        let said = [
            (beside.to_owned(), is_short),
            (above, false),
            (below.unwrap_or_default(), true),
        ];
        said.into_iter()
            .find(|(comment, is_about_it)| is_harmless(comment, *is_about_it, is_blank))
            .map(|(comment, _)| format!("\"{}\"", comment.trim()))
    }

    /// A sentence of the function's documentation that says what becomes of errors: they are ignored, or something else is
    /// returned.
    pub(super) fn documented(&self) -> Option<String> {
        let before: Vec<&str> = self.text.lines().take(self.line as usize).collect();
        let begin = before.iter().rposition(|line| line.starts_with("func "))?;
        let comments = before[..begin]
            .iter()
            .rev()
            .map_while(|line| line.strip_prefix("//"));
        let mut comments: Vec<&str> = comments.map(str::trim).collect();
        comments.reverse();
        let text = comments.join(" ");
        let says = |sentence: &&str| {
            let sentence = sentence.to_lowercase();
            let has = |words: &[&str]| words.iter().any(|words| sentence.contains(words));
            let ignores = has(&[
                "ignores ",
                "ignored",
                "swallows ",
                "swallowed",
                "discarded",
                "best effort",
                "best-effort",
            ]) && has(&["err", "fail"]);
            // What it leaves to others, or tells of.
            let others = has(&[" can ", " may ", " should ", " must ", "report", "if not "]);
            let returns = has(&["cannot ", "can not ", "can't ", "could not ", "fails"])
                && has(&["returns ", "return "])
                && !has(&["err", "panic"]);
            ((ignores && !others) || returns) && !has(&REGRETTED)
        };
        text.split(". ")
            .find(says)
            .map(|sentence| format!("\"{}\"", sentence.trim()))
    }

    /// Whether another result is looked at where none is taken of the error: `if n, _ := f(); n < 4`, or a line later.
    pub(super) fn asks_for_value(&self) -> bool {
        let Some(code) = self.nth(self.line).map(|line| split(line).0.trim()) else {
            return false;
        };
        let (asked, code) = match code.strip_prefix("if ") {
            Some(code) => (code.split_once(';').map(|(_, condition)| condition), code),
            None => {
                let next = self.nth(self.line + 1).map(|line| split(line).0.trim());
                (next.and_then(|next| next.strip_prefix("if ")), code)
            }
        };
        let names = code.split_once('=').map(|(names, _)| names.trim_end_matches(':'));
        let names: Vec<&str> = names
            .iter()
            .flat_map(|names| names.split(','))
            .map(str::trim)
            .collect();
        let (Some(asked), [value, .., "_"]) = (asked, &names[..]) else {
            return false;
        };
        let mut words = asked.split(|c: char| !c.is_alphanumeric() && c != '_');
        *value != "_" && words.any(|word| word == *value)
    }

    /// Whether what is copied here is thrown away.
    pub(super) fn discards(&self) -> bool {
        let code = self.nth(self.line).map(|line| split(line).0);
        code.is_some_and(|code| code.contains("io.Discard") || code.contains("ioutil.Discard"))
    }

    /// Whether the function around has a buffer in memory, and no files or connections, as far as its text tells.
    pub(super) fn writes_to_memory(&self) -> bool {
        let lines: Vec<&str> = self.text.lines().collect();
        let at = (self.line as usize).min(lines.len());
        let begin = lines[..at].iter().rposition(|line| line.starts_with("func "));
        let end = lines[at..].iter().position(|line| line.starts_with('}'));
        let around = &lines[begin.unwrap_or_default()..end.map_or(lines.len(), |end| at + end)];
        let has = |words: &[&str]| {
            let mut code = around.iter().map(|line| split(line).0);
            code.any(|code| words.iter().any(|word| code.contains(word)))
        };
        has(&["bytes.Buffer", "strings.Builder"]) && !has(&["os.", "net.", "http.ResponseWriter"])
    }

    /// Whether the error is an argument of a call where there is one, and not only to make another of it.
    pub(super) fn hands_on(&self) -> bool {
        let Some(body) = self.body(self.line..=self.line + 1) else {
            return false;
        };
        let Some(condition) = self.nth(body.start.0) else {
            return false;
        };
        let in_name = |c: char| c.is_alphanumeric() || c == '_';
        let compared = split(condition)
            .0
            .rsplit_once("!=")
            .map_or("", |(before, _)| before.trim_end());
        let name = &compared[compared.trim_end_matches(in_name).len()..];
        let mut lines = (body.start.0 + 1..=body.end.0).filter_map(|line| self.nth(line));
        !name.is_empty() && lines.any(|line| gives(split(line).0, name))
    }

    /// Whether it is asked whether the error says that something does not exist, below the call.
    pub(super) fn expects_absence(&self) -> bool {
        let mut lines = (self.line..=self.line + BELOW).filter_map(|line| self.nth(line));
        lines.any(|line| {
            let code = split(line).0;
            ["IsNotExist(", "ErrNotExist", "ENOENT"]
                .iter()
                .any(|word| code.contains(word))
        })
    }

    /// Whether what is done depends on the error being there, right below the call.
    pub(super) fn looks_at_it(&self) -> bool {
        self.asks_if_it_worked() || self.body(self.line..=self.line + 1).is_some()
    }

    /// Whether something is done only if there is no error, right below the call.
    pub(super) fn asks_if_it_worked(&self) -> bool {
        let asks = |line| {
            let code = self.nth(line).map(|line| split(line).0);
            code.is_some_and(|code| code.contains("err == nil {"))
        };
        asks(self.line) || asks(self.line + 1)
    }

    /// Whether the next thing is taken where there is an error, or the program panics.
    pub(super) fn does(&self, what: Instead) -> bool {
        let Some(body) = self.body(self.line..=self.line + BELOW) else {
            return false;
        };
        let does = |code: &str| match what {
            Instead::GoOn => code.starts_with("continue"),
            Instead::Panic => code.starts_with("panic("),
            Instead::Return => code == "return",
            Instead::ReturnNothing => returns_nothing(code),
        };
        let mut lines = (body.start.0..=body.end.0).filter_map(|line| self.nth(line));
        lines.any(|line| does(split(line).0.trim()))
    }

    /// Whether the line panics below a condition that there is an error.
    pub(super) fn panics_on_error(&self) -> bool {
        let says = |line: &str| split(line).0.contains("panic(");
        let is_in = |body: &Range<Position>| (body.start.0..=body.end.0).contains(&self.line);
        self.nth(self.line).is_some_and(says) && error_paths::bodies(&self.text).iter().any(is_in)
    }

    /// Whether the file that is closed here is removed, too.
    pub(super) fn removes_what_it_closes(&self) -> bool {
        let Some(closed) = self.nth(self.line).and_then(closed) else {
            return false;
        };
        let removes = format!("os.Remove({closed}.Name())");
        let line = self.line as usize;
        let lines = self.text.lines().skip(line.saturating_sub(AROUND + 1));
        lines
            .take(2 * AROUND + 1)
            .any(|line| split(line).0.contains(&removes))
    }

    /// Whether what is closed here was opened in the same function, for reading only. Where the call is not on the line, it is the
    /// one that was deferred.
    pub(super) fn opened_what_it_closes_for_reading(&self) -> bool {
        let lines: Vec<&str> = self.text.lines().take(self.line as usize).collect();
        let begin = lines.iter().rposition(|line| line.starts_with("func "));
        let within = &lines[begin.unwrap_or_default()..];
        let here = within.last().copied().and_then(closed);
        let deferred = || {
            let is_deferred = |line: &&&str| split(line).0.trim().starts_with("defer ");
            let mut all = within.iter().filter(is_deferred).filter_map(|line| closed(line));
            let first = all.next();
            first.filter(|_| all.next().is_none())
        };
        let Some(name) = here.or_else(deferred) else {
            return false;
        };
        let opens = |line: &&str| {
            let (before, _) = split(line).0.split_once("os.Open(")?;
            let names = before.trim().strip_suffix('=')?.trim_end_matches(':');
            let first = names.split(',').next()?.trim();
            Some(first.strip_prefix("if ").unwrap_or(first) == name)
        };
        let is_read = |line: &&str| {
            let code = split(line).0;
            let copied = code
                .split_once("io.Copy(")
                .and_then(|(_, rest)| rest.split_once(')'));
            let from = copied.and_then(|(both, _)| both.rsplit_once(", "));
            let made = code
                .split_once("os.Pipe(")
                .and_then(|(names, _)| names.split_once(','));
            from.is_some_and(|(_, from)| from == name) || made.is_some_and(|(first, _)| first.trim() == name)
        };
        within.iter().filter_map(opens).any(|is_it| is_it) || within.iter().any(is_read)
    }

    fn nth(&self, line: u32) -> Option<&str> {
        self.text.lines().nth((line as usize).checked_sub(1)?)
    }

    /// The comment right above the line.
    fn above(&self) -> String {
        let before = (self.line as usize).saturating_sub(1);
        let lines: Vec<&str> = self.text.lines().take(before).collect();
        let comments = lines.iter().rev().take(ABOVE).map_while(|line| {
            let (code, comment) = split(line);
            (code.trim().is_empty() && !comment.is_empty()).then_some(comment)
        });
        let mut comments: Vec<&str> = comments.collect();
        comments.reverse();
        comments.join(" ")
    }

    /// The body of the first condition on an error that begins in these lines.
    fn body(&self, lines: std::ops::RangeInclusive<u32>) -> Option<Range<Position>> {
        let bodies = error_paths::bodies(&self.text);
        bodies.into_iter().find(|body| lines.contains(&body.start.0))
    }
}

/// What is done instead where there is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Instead {
    /// The next one is taken.
    GoOn,
    /// It panics.
    Panic,
    /// It returns.
    Return,
    /// Values that are none are returned.
    ReturnNothing,
}

/// Whether a line of code returns, and nothing but values that are none.
fn returns_nothing(code: &str) -> bool {
    let is_none =
        |value: &str| matches!(value.trim(), "nil" | "\"\"" | "0" | "false") || value.trim().ends_with("{}");
    let values = code.strip_prefix("return ");
    values.is_some_and(|values| values.split(',').all(is_none))
}

/// Whether a line of code has a variable among the arguments of a call, of one that does not only look at an error or wrap it.
fn gives(code: &str, name: &str) -> bool {
    let in_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| {
        let (before, after) = (code[..at].trim_end(), code[at + name.len()..].trim_start());
        if !before.ends_with(['(', ',']) || !after.starts_with([')', ',']) {
            return false;
        }
        let mut depth = 0;
        let open = before.char_indices().rev().find(|(_, c)| {
            match c {
                ')' => depth += 1,
                '(' => depth -= 1,
                _ => {}
            }
            depth < 0
        });
        let Some((open, _)) = open else {
            return false;
        };
        let callee = &before[..open];
        let called = &callee[callee.trim_end_matches(in_name).len()..];
        let looks = [
            "Is", "is", "As", "Errorf", "Wrap", "New", "Cause", "Unwrap", "Join",
        ];
        let wraps = called.starts_with("wrap") && !code.trim_start().starts_with("return ");
        !called.is_empty() && !wraps && !looks.iter().any(|word| called.starts_with(word))
    })
}

fn is_harmless(comment: &str, is_about_it: bool, is_blank: bool) -> bool {
    let comment = comment.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|words| comment.contains(words));
    let is_of_error = is_about_it || says(&["err", "fail"]);
    !says(&REGRETTED)
        && (says(&HARMLESS) || (is_blank && says(&SUCCEEDS)) || (comment.contains("ignor") && is_of_error))
}

/// Whether a statement takes no result of its call, and says so: `_ = f()`, `_, _ = f()`.
fn takes_nothing(code: &str) -> bool {
    code.split(['{', ';']).any(|statement| {
        let names = statement.split_once('=').map(|(names, _)| names);
        names.is_some_and(|names| names.split(',').all(|name| name.trim() == "_"))
    })
}

/// What a line closes.
fn closed(line: &str) -> Option<&str> {
    let (before, _) = split(line).0.split_once(".Close()")?;
    let in_name = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let end = before.trim_end_matches(in_name).len();
    Some(&before[end..])
}

/// A line's code and its comment.
fn split(line: &str) -> (&str, &str) {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match quote {
            None if matches!(c, '"' | '\'' | '`') => quote = Some(c),
            None if c == '/' && before == '/' => return (&line[..at - 1], &line[at + 1..]),
            Some(open) if c == open && (before != '\\' || open == '`') => quote = None,
            _ => {}
        }
        before = if before == '\\' { ' ' } else { c };
    }
    (line, "")
}

#[cfg(test)]
mod tests;
