//! Places of the protocol: lines and UTF-16 columns, and files by their URIs.

use std::path::PathBuf;

use goinject_rules::source::Span;
use lsp_types::{Position, Range, Uri};

/// The byte offset of a position; the nearest one where there is none.
pub(super) fn offset(text: &str, position: Position) -> usize {
    let lines = text.split_inclusive('\n').take(position.line as usize);
    let start: usize = lines.map(str::len).sum();
    let line = text[start..].split('\n').next().unwrap_or_default();
    let mut column = 0;
    for (at, c) in line.char_indices() {
        if column >= position.character {
            return start + at;
        }
        column += c.len_utf16() as u32;
    }
    start + line.len()
}

pub(super) fn position(text: &str, offset: usize) -> Position {
    let before = &text[..text.floor_char_boundary(offset)];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Position {
        line: before.matches('\n').count() as u32,
        character: before[start..].encode_utf16().count() as u32,
    }
}

pub(super) fn range(text: &str, span: Span) -> Range {
    Range {
        start: position(text, span.start),
        end: position(text, span.end.max(span.start)),
    }
}

/// The path of a file; none for what is not one.
pub(super) fn path(uri: &Uri) -> Option<PathBuf> {
    let rest = uri.as_str().strip_prefix("file://")?;
    let encoded = &rest[rest.find('/')?..];
    let mut bytes = Vec::new();
    let mut left = encoded.bytes();
    while let Some(byte) = left.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [left.next()?, left.next()?];
        let digits = std::str::from_utf8(&digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
    }
    String::from_utf8(bytes).ok().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_utf_16() {
        let text = "a: 1\n# ä😀x: 2\n";
        for (place, at) in [
            ((0, 0), 0),
            ((1, 3), 9),
            ((1, 5), 13),
            ((1, 99), 17),
            ((9, 9), 18),
        ] {
            let position = Position::new(place.0, place.1);
            assert_eq!(offset(text, position), at, "{place:?}");
        }
        assert_eq!(position(text, 13), Position::new(1, 5));
    }

    #[test]
    fn paths_of_uris() {
        let of = |uri: &str| path(&uri.parse().unwrap());
        assert_eq!(of("file:///tmp/a%20b.yaml"), Some(PathBuf::from("/tmp/a b.yaml")));
        assert_eq!(of("untitled:Untitled-1"), None);
    }
}
