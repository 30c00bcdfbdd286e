//! Where a part of a scalar's text stands in the file.
//!
//! A condition or a path is parsed from the scalar's text, from which quotes, escapes, line breaks
//! and indentation are gone. This walks text and file side by side to find the way back.

use std::ops::Range;

use crate::source::Span;

/// The place of `part` of `text`, a scalar written at `span` of `file`; the whole scalar where the
/// two can't be brought together (only odd uses of YAML, such as text with a tag that changes it).
pub(super) fn place(file: &str, span: Span, text: &str, part: Range<usize>) -> Span {
    locate(file, span, text, part).unwrap_or(span)
}

fn locate(file: &str, span: Span, text: &str, part: Range<usize>) -> Option<Span> {
    let written = file.get(span.start..span.end)?;
    let style = match written.as_bytes().first()? {
        b'"' => Style::Double,
        b'\'' => Style::Single,
        _ => Style::Bare,
    };
    let mut walk = Walk {
        written,
        at: if style == Style::Bare { 0 } else { 1 },
        style,
    };
    let (mut start, mut end) = (None, None);
    for (offset, c) in text.char_indices() {
        let char_span = walk.step(c)?;
        if offset <= part.start {
            start = Some(char_span.start);
        }
        if offset < part.end {
            end = Some(char_span.end);
        }
    }
    // A place behind the last character, such as that of a missing operand.
    let start = if part.start >= text.len() { walk.at } else { start? };
    let end = end.unwrap_or(start).max(start);
    Some(Span {
        start: span.start + start,
        end: span.start + end,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Unquoted, or a block: line breaks and indentation may differ.
    Bare,
    Single,
    Double,
}

struct Walk<'w> {
    written: &'w str,
    at: usize,
    style: Style,
}

impl Walk<'_> {
    /// The place of the next character of the text.
    fn step(&mut self, c: char) -> Option<Range<usize>> {
        loop {
            let rest = &self.written[self.at..];
            let Some(next) = rest.chars().next() else {
                // The place of a block ends before its last line break.
                return c.is_ascii_whitespace().then_some(self.at..self.at);
            };
            let length = match (self.style, next) {
                (Style::Double, '\\') => match escape_length(rest)? {
                    // An escaped line break stands for nothing.
                    0 => {
                        self.at += 1;
                        self.skip_whitespace();
                        continue;
                    }
                    length => length,
                },
                (Style::Single, '\'') if rest.starts_with("''") => 2,
                _ if next == c => next.len_utf8(),
                // Folding: a run of breaks and indentation for a space or break, or for nothing at all.
                _ if next.is_ascii_whitespace() => {
                    let start = self.at;
                    self.skip_whitespace();
                    if c.is_ascii_whitespace() && !self.written[self.at..].starts_with(c) {
                        return Some(start..self.at);
                    }
                    continue;
                }
                _ => return None,
            };
            let start = self.at;
            self.at += length;
            return Some(start..self.at);
        }
    }

    fn skip_whitespace(&mut self) {
        let rest = &self.written[self.at..];
        self.at += rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_whitespace()).len();
    }
}

/// How long an escape in a double-quoted scalar is; 0 for an escaped line break.
fn escape_length(rest: &str) -> Option<usize> {
    let digits = match rest[1..].chars().next()? {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        '\n' | '\r' => return Some(0),
        other => return Some(1 + other.len_utf8()),
    };
    rest.is_char_boundary(2 + digits).then_some(2 + digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of the place of `word` of a scalar that is the whole file.
    fn found<'f>(file: &'f str, text: &str, word: &str) -> &'f str {
        let start = text.find(word).expect("a word of the text");
        let span = place(
            file,
            Span {
                start: 0,
                end: file.len(),
            },
            text,
            start..start + word.len(),
        );
        &file[span.start..span.end]
    }

    #[test]
    fn unquoted_and_quoted_text() {
        assert_eq!(found("a == größe", "a == größe", "größe"), "größe");
        assert_eq!(found("'a == b'", "a == b", "b"), "b");
        assert_eq!(found("\"a == b\"", "a == b", "b"), "b");
    }

    #[test]
    fn escapes_are_longer_than_what_they_mean() {
        assert_eq!(found(r#""\x61 \u00e4 \"q\" == b""#, "a ä \"q\" == b", "b"), "b");
        assert_eq!(found(r#""\u00e4x""#, "äx", "ä"), r"\u00e4");
        assert_eq!(found("'it''s == b'", "it's == b", "b"), "b");
    }

    #[test]
    fn lines_that_yaml_joins() {
        assert_eq!(found("a &&\n    b && c", "a && b && c", "b"), "b");
        assert_eq!(found("a &&\n    b && c", "a && b && c", "c"), "c");
        assert_eq!(found("a &&\n    b\n    && c", "a &&\nb\n&& c", "c"), "c");
        assert_eq!(found("\"a &&\\\n    b\"", "a &&b", "b"), "b");
        assert_eq!(found("\"a\n\n   b\"", "a\nb", "b"), "b");
    }

    #[test]
    fn a_block_whose_last_line_break_is_not_in_its_place() {
        assert_eq!(found("a &&\n    b", "a &&\n  b\n", "b"), "b");
    }

    #[test]
    fn a_place_behind_the_end() {
        let span = place("'a =='", Span { start: 0, end: 6 }, "a ==", 4..4);
        assert_eq!(span, Span { start: 5, end: 5 });
    }

    #[test]
    fn text_that_is_not_there_is_the_whole_scalar() {
        assert_eq!(found("abc", "xyz", "y"), "abc");
    }
}
