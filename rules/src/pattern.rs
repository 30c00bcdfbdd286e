//! Patterns over function names.
//!
//! Globs are translated here instead of by a file-glob library: those treat `/` and non-ASCII text
//! in ways of their own, and read `[...]`, the mark of a generic function, as a class of characters.

use std::ops::Range;

use regex::Regex;

use crate::model::{Pattern, PatternKind};

/// Text that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PatternError {
    /// What is wrong with it.
    pub message: String,
    /// What to write instead.
    pub help: String,
    /// The bytes of the pattern that are wrong.
    pub range: Range<usize>,
}

/// How many functions a pattern may match where the rule does not say.
pub const DEFAULT_MAX_MATCHES: u32 = 32;

impl Pattern {
    /// A glob: `*` any run of characters (`/` and `.` included), `?` one, `[a-z]` a class, `{a,b}`
    /// alternatives, `[...]` itself, `\` before a character that shall mean itself.
    ///
    /// # Errors
    ///
    /// When it is malformed.
    pub fn glob(text: &str, max_matches: u32) -> Result<Self, PatternError> {
        let regex = Translator {
            glob: text,
            regex: String::from("(?s)^"),
            open: Vec::new(),
        }
        .translate()?;
        compile(text, &regex, PatternKind::Glob, max_matches)
    }

    /// A regular expression of the `regex` crate; it may match any part of a name.
    ///
    /// # Errors
    ///
    /// When it is malformed.
    pub fn regex(text: &str, max_matches: u32) -> Result<Self, PatternError> {
        compile(text, text, PatternKind::Regex, max_matches)
    }
}

fn compile(text: &str, regex: &str, kind: PatternKind, max_matches: u32) -> Result<Pattern, PatternError> {
    match Regex::new(regex) {
        Ok(regex) => Ok(Pattern {
            text: text.to_owned(),
            kind,
            regex,
            max_matches,
        }),
        Err(error) => Err(refuse_regex(text, &error)),
    }
}

fn refuse_regex(text: &str, error: &regex::Error) -> PatternError {
    let message = match error {
        regex::Error::CompiledTooBig(_) => "the pattern is too large".to_owned(),
        // The library draws the pattern and an arrow first; the reason is the last line.
        other => {
            let drawn = other.to_string();
            let reason = drawn.lines().last().unwrap_or_default().trim();
            format!(
                "invalid regular expression: {}",
                reason.strip_prefix("error: ").unwrap_or(reason)
            )
        }
    };
    let help = if text.starts_with('*') {
        "`*` alone is a glob: write `glob:`, or `.*`"
    } else if message.contains("look-around") || message.contains("backreference") {
        "the syntax is that of Go's `regexp`: no look-around, no backreferences"
    } else {
        "the syntax is that of Go's `regexp`; escape literal `( ) [ ] . *` with `\\`"
    };
    PatternError {
        message,
        help: help.to_owned(),
        range: 0..text.len(),
    }
}

struct Translator<'g> {
    glob: &'g str,
    regex: String,
    /// Places of the `{` that are still open.
    open: Vec<usize>,
}

impl Translator<'_> {
    fn translate(mut self) -> Result<String, PatternError> {
        let mut at = 0;
        while let Some(c) = self.glob[at..].chars().next() {
            at += match c {
                '*' => self.push(".*", 1),
                '?' => self.push(".", 1),
                '[' if self.glob[at..].starts_with("[...]") => self.push(r"\[\.\.\.\]", 5),
                '[' => self.class(at)?,
                '\\' => self.escaped(at)?,
                '{' => {
                    self.open.push(at);
                    self.push("(?:", 1)
                }
                ',' if !self.open.is_empty() => self.push("|", 1),
                '}' if self.open.pop().is_some() => self.push(")", 1),
                other => self.literal(other),
            };
        }
        match self.open.pop() {
            Some(start) => Err(refuse(
                "a `}` is missing",
                "close the alternatives: `{a,b}`",
                start..start + 1,
            )),
            None => Ok(self.regex + "$"),
        }
    }

    fn push(&mut self, regex: &str, length: usize) -> usize {
        self.regex.push_str(regex);
        length
    }

    fn literal(&mut self, c: char) -> usize {
        let mut buffer = [0; 4];
        self.regex.push_str(&regex::escape(c.encode_utf8(&mut buffer)));
        c.len_utf8()
    }

    fn escaped(&mut self, at: usize) -> Result<usize, PatternError> {
        match self.glob[at + 1..].chars().next() {
            Some(c) => Ok(1 + self.literal(c)),
            None => Err(refuse(
                "nothing follows the `\\`",
                "write `\\\\` for a backslash",
                at..at + 1,
            )),
        }
    }

    /// `[a-z]`, `[!a-z]`, `[^a-z]`.
    fn class(&mut self, at: usize) -> Result<usize, PatternError> {
        let body = &self.glob[at + 1..];
        let negated = body.starts_with(['!', '^']);
        let members_at = usize::from(negated);
        // A `]` in first place is a member.
        let first = body[members_at..].chars().next().map_or(0, char::len_utf8);
        let Some(length) = body[members_at + first..].find(']').filter(|_| first > 0) else {
            return Err(refuse(
                "a `]` is missing",
                "write `\\[` for a bracket that means itself",
                at..at + 1,
            ));
        };
        let end = members_at + first + length;
        self.regex.push_str(if negated { "[^" } else { "[" });
        let members: Vec<char> = body[members_at..end].chars().collect();
        for (position, member) in members.iter().enumerate() {
            let range_sign = *member == '-' && position > 0 && position + 1 < members.len();
            if range_sign {
                if members[position - 1] > members[position + 1] {
                    let help = "put the lower character first";
                    return Err(refuse(
                        "a range of characters that is empty",
                        help,
                        at..at + end + 2,
                    ));
                }
                self.regex.push('-');
            } else {
                if !member.is_alphanumeric() {
                    self.regex.push('\\');
                }
                // Control and other odd characters can't stand behind a backslash.
                if member.is_alphanumeric() || member.is_ascii_punctuation() {
                    self.regex.push(*member);
                } else {
                    self.regex.push_str(&format!("x{{{:x}}}", u32::from(*member)));
                }
            }
        }
        self.regex.push(']');
        Ok(end + 2)
    }
}

fn refuse(message: &str, help: &str, range: Range<usize>) -> PatternError {
    PatternError {
        message: message.to_owned(),
        help: help.to_owned(),
        range,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(glob: &str, name: &str) -> bool {
        Pattern::glob(glob, 1).expect(glob).regex.is_match(name)
    }

    #[test]
    fn globs_match_whole_names() {
        for (glob, name) in [
            ("main.parseMe", "main.parseMe"),
            ("main.*", "main.run.func1"),
            ("*", "github.com/acme/blob.(*Reader).Next"),
            ("github.com/*.Next", "github.com/acme/blob.(*Reader).Next"),
            ("*.(*Reader).Next", "github.com/acme/blob.(*Reader).Next"),
            ("main.{parse,read}*", "main.readAll"),
            ("main.{a,b{c,d}}", "main.bd"),
            ("main.?un", "main.run"),
            ("main.[p-r]un", "main.run"),
            ("main.[!a]un", "main.run"),
            ("main.[^a]un", "main.run"),
            ("main.[]x]", "main.]"),
            ("main.[a-]", "main.-"),
            ("main.Map[...]", "main.Map[...]"),
            ("main.Map\\[*", "main.Map[go.shape.int]"),
            ("größe.*", "größe.Lies"),
            ("main.[äö]x", "main.öx"),
            ("a,b", "a,b"),
            ("a}", "a}"),
        ] {
            assert!(matches(glob, name), "{glob} {name}");
        }
        for (glob, name) in [
            ("main.parse", "main.parseMe"),
            ("parseMe", "main.parseMe"),
            ("main.?", "main.ab"),
            ("main.[!a]un", "main.aun"),
            ("main.{a,b}", "main.c"),
            ("main.a.b", "main.axb"),
        ] {
            assert!(!matches(glob, name), "{glob} {name}");
        }
    }

    #[test]
    fn malformed_globs_are_refused_at_their_place() {
        for (glob, message, place) in [
            ("main.{a,b", "`}` is missing", "{"),
            ("main.[ab", "`]` is missing", "["),
            ("main.[", "`]` is missing", "["),
            ("main.[!", "`]` is missing", "["),
            ("main\\", "nothing follows", "\\"),
            ("main.[z-a]", "empty", "[z-a]"),
        ] {
            let error = Pattern::glob(glob, 1).expect_err(glob);
            assert!(error.message.contains(message), "{glob}: {}", error.message);
            assert_eq!(&glob[error.range], place, "{glob}");
        }
    }

    #[test]
    fn regexes_match_any_part() {
        let pattern = Pattern::regex(r"\.parse", 1).expect("a pattern");
        assert!(pattern.regex.is_match("main.parseMe"));
        for (regex, message) in [
            ("main.(", "unclosed group"),
            ("(?=a)", "look-around"),
            ("*.x", "repetition"),
            ("\\p{Odd}", "not found"),
        ] {
            let error = Pattern::regex(regex, 1).expect_err(regex);
            assert!(error.message.contains(message), "{regex}: {}", error.message);
        }
    }

    proptest! {
        #[test]
        fn no_glob_panics_or_makes_a_malformed_regex(glob in "[a-z\\[\\]{}!^*?,.\\\\-]{0,12}|\\PC{0,8}") {
            if let Err(error) = Pattern::glob(&glob, 1) {
                prop_assert!(!error.message.contains("regular expression"), "{}", error.message);
                prop_assert!(glob.get(error.range).is_some());
            }
        }
    }
}
