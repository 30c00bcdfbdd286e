//! The code below a condition that an error is there, found in source text.

use std::ops::Range;

/// A line and a column in bytes, from 1.
pub(super) type Position = (u32, u32);

/// The bodies of `if` statements whose condition says that there is an error (`err != nil`, `errors.Is`, `errors.As`), from
/// brace to brace.
pub(super) fn bodies(source: &str) -> Vec<Range<Position>> {
    let tokens = tokens(source);
    let mut found = Vec::new();
    for (n, token) in tokens.iter().enumerate() {
        if token.text != "if" {
            continue;
        }
        if let Some(body) = body_of_if(&tokens, n) {
            found.push(tokens[body.start].at..tokens[body.end].at);
        }
    }
    found
}

/// The tokens of the braces of an `if` statement that asks for an error.
fn body_of_if(tokens: &[Token<'_>], start: usize) -> Option<Range<usize>> {
    let mut depth = 0;
    let mut condition = start + 1;
    let mut at = start + 1;
    let open = loop {
        match tokens.get(at)?.text {
            "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            ";" if depth == 0 => condition = at + 1,
            "{" => {
                let end = closing(tokens, at)?;
                // A function literal or a value in parentheses, after which the condition goes on.
                match tokens.get(end + 1).map(|next| next.text) {
                    Some("(" | ";" | "," | ")" | ".") => at = end,
                    _ if depth > 0 => at = end,
                    _ => break at,
                }
            }
            _ => {}
        }
        at += 1;
    };
    let close = closing(tokens, open)?;
    asks_for_error(&tokens[condition..open]).then_some(open..close)
}

fn asks_for_error(condition: &[Token<'_>]) -> bool {
    let words: Vec<&str> = condition.iter().map(|token| token.text).collect();
    let compared = words
        .windows(4)
        .any(|words| is_error(words[0]) && words[1..] == ["!", "=", "nil"]);
    let asked = words.windows(3).enumerate().any(|(n, words)| {
        let is_denied = n > 0 && condition[n - 1].text == "!";
        words[..2] == ["errors", "."] && ["Is", "As", "AsType"].contains(&words[2]) && !is_denied
    });
    compared || asked
}

/// Whether a variable is one of an error, by its name.
fn is_error(name: &str) -> bool {
    name == "e" || name.contains("err") || name.contains("Err")
}

fn closing(tokens: &[Token<'_>], open: usize) -> Option<usize> {
    let mut depth = 0;
    for (n, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(n);
        }
    }
    None
}

struct Token<'s> {
    text: &'s str,
    at: Position,
}

/// Words and single signs; comments and literals are left out.
fn tokens(source: &str) -> Vec<Token<'_>> {
    let bytes = source.as_bytes();
    let mut tokens = Vec::new();
    let (mut line, mut begin, mut at) = (1, 0, 0);
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => find(bytes, at, b"\n"),
            b'/' if bytes.get(at + 1) == Some(&b'*') => find(bytes, at + 2, b"*/") + 2,
            quote @ (b'"' | b'\'') => end_of_literal(bytes, at, quote),
            b'`' => find(bytes, at + 1, b"`") + 1,
            byte if is_word(byte) => {
                let length = bytes[at..].iter().take_while(|byte| is_word(**byte)).count();
                at + length
            }
            _ => at + 1,
        };
        let end = end.min(bytes.len());
        let is_text = is_word(bytes[at]) || (bytes[at].is_ascii_punctuation() && end == at + 1);
        if is_text && let Some(text) = source.get(at..end) {
            let column = u32::try_from(at - begin + 1).unwrap_or(u32::MAX);
            tokens.push(Token {
                text,
                at: (line, column),
            });
        }
        for (n, _) in bytes[at..end]
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'\n')
        {
            line += 1;
            begin = at + n + 1;
        }
        at = end;
    }
    tokens
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let found = rest.windows(what.len()).position(|window| window == what);
    found.map_or(bytes.len(), |found| from + found)
}

fn end_of_literal(bytes: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            // It is not closed.
            b'\n' => return at,
            byte if *byte == quote => return at + 1,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_those_of_conditions_on_errors() {
        let of = |line: &str| bodies(&format!("package p\nfunc f() {{\n\t{line}\n}}\n")).len();
        for line in [
            "if err != nil { return }",
            "if err := g(); err != nil { return }",
            "if closeErr != nil && n > 0 { return }",
            "if n, err := g(\"{\", '{', `if err`); n > 0 || err != nil { return }",
            "if err := func() error { return nil }(); err != nil { return }",
            "if x := (T{1}); e != nil { return }",
            "if errors.Is(err, io.EOF) { return }",
            "if /* { */ s.err != // {\n nil { return }",
            "if n > 0 { return } else if err != nil { return }",
        ] {
            assert_eq!(of(line), 1, "{line}");
        }
        for line in [
            "if err == nil { return }",
            "if n != nil { return }",
            "// if err != nil { return }",
            "s := \"if err != nil { return }\"",
            "if !errors.Is(err, io.EOF) { return }",
            "if err := g(); n > 0 { return }",
        ] {
            assert_eq!(of(line), 0, "{line}");
        }
    }

    #[test]
    fn what_is_not_closed_has_no_body() {
        assert_eq!(bodies("package p\nfunc f() {\n\tif err != nil {\n"), []);
        assert_eq!(bodies("if"), []);
    }

    #[test]
    fn bodies_have_the_places_of_their_braces() {
        let source = "package p\n\nfunc f() {\n\tif err != nil {\n\t\tif n > 0 {\n\t\t}\n\t}\n}\n";
        assert_eq!(bodies(source), [(4, 16)..(7, 2)]);
    }
}
