//! Text that somebody else wrote, made safe to print.

use std::borrow::Cow;

/// Text without what a terminal would obey and without line breaks, all of which is written out (`\\n`, `\\u{1b}`): a name
/// from a file must not move the cursor, colour the screen or pass for a line of the program that prints it.
pub fn inert(text: &str) -> Cow<'_, str> {
    without(text, is_harmful)
}

/// The same for text of several lines, whose breaks stay.
pub fn inert_lines(text: &str) -> Cow<'_, str> {
    without(text, |c| c != '\n' && is_harmful(c))
}

fn without(text: &str, harmful: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&harmful) {
        return text.into();
    }
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' if harmful(c) => safe.extend(c.escape_default()),
            _ if harmful(c) => safe.extend(c.escape_unicode()),
            _ => safe.push(c),
        }
    }
    safe.into()
}

/// Control characters, and those that are not seen themselves but break lines or turn the direction of text.
fn is_harmful(c: char) -> bool {
    let unseen =
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    c.is_control() || unseen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_that_a_terminal_obeys() {
        assert_eq!(inert("größe 3 → 4"), "größe 3 → 4");
        assert_eq!(
            inert("a\nb\r\t\u{1b}[2J\u{7f}\u{9b}1m"),
            r"a\nb\r\t\u{1b}[2J\u{7f}\u{9b}1m"
        );
        assert_eq!(inert("x\u{202e}y\u{2028}"), r"x\u{202e}y\u{2028}");
        assert_eq!(inert_lines("a\nb\u{7}"), "a\nb\\u{7}");
    }
}
