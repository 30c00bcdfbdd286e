//! The tokens of a signature.

use super::SignatureError;

/// A token of Go's type syntax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// A name or keyword; a qualified one may have an import path: `net/http.Request`.
    Name(&'t str),
    Number(&'t str),
    /// One of `( ) [ ] { } , ; * ... <- | ~` or the end of a line.
    Sign(&'t str),
    End,
}

/// Splits the text. Offsets are bytes from its start.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token<'_>)>, SignatureError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let token = if c == '\n' {
            Token::Sign(&rest[..1])
        } else if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        } else if c.is_alphabetic() || c == '_' {
            Token::Name(&rest[..name_length(rest)])
        } else if c.is_ascii_digit() {
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            Token::Number(&rest[..end])
        } else {
            let signs = ["...", "<-", "(", ")", "[", "]", "{", "}", ",", ";", "*", "|", "~"];
            match signs.iter().find(|sign| rest.starts_with(**sign)) {
                Some(sign) => Token::Sign(&rest[..sign.len()]),
                None => {
                    let message = format!("`{c}` is not allowed in a signature");
                    return Err(SignatureError { offset: at, message });
                }
            }
        };
        let length = match token {
            Token::Name(text) | Token::Number(text) => text.len(),
            Token::Sign(sign) => sign.len(),
            Token::End => 0,
        };
        tokens.push((at, token));
        at += length;
    }
    tokens.push((text.len(), Token::End));
    Ok(tokens)
}

/// Bytes of a name. A dot or slash belongs to it if a name goes on behind; so `a...int` ends after `a`.
fn name_length(text: &str) -> usize {
    let mut end = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let goes_on = chars
            .peek()
            .is_some_and(|(_, next)| next.is_alphanumeric() || *next == '_');
        if c.is_alphanumeric() || c == '_' || (matches!(c, '.' | '/' | '-' | '%' | '~') && goes_on) {
            end = at + c.len_utf8();
        } else {
            break;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        let show = |(_, token)| match token {
            Token::Name(t) | Token::Number(t) | Token::Sign(t) => t.to_owned(),
            Token::End => String::new(),
        };
        tokens(text).unwrap().into_iter().map(show).collect()
    }

    #[test]
    fn names_take_their_import_path_along() {
        assert_eq!(texts("r *net/http.Request"), ["r", "*", "net/http.Request", ""]);
        assert_eq!(texts("gopkg.in/yaml.v3.Node"), ["gopkg.in/yaml.v3.Node", ""]);
        assert_eq!(texts("rest ...int"), ["rest", "...", "int", ""]);
        assert_eq!(texts("a...int"), ["a", "...", "int", ""]);
        assert_eq!(texts("[0x10]int"), ["[", "0x10", "]", "int", ""]);
        assert_eq!(texts("größe int\n"), ["größe", "int", "\n", ""]);
    }

    #[test]
    fn what_is_no_go_is_refused_at_its_place() {
        assert_eq!(tokens("func(a = 1)").unwrap_err().offset, 7);
        assert_eq!(tokens("ä#").unwrap_err().offset, 2);
    }
}
