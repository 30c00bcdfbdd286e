//! The text of a rule file and places in it.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Bytes of the longest rule file that is read.
const LONGEST: u64 = 16 << 20;

/// What programs begin with.
const ELF: &[u8] = b"\x7fELF";

/// A range of bytes in a rule file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset just past the last byte.
    pub end: usize,
}

/// A value with the place it was written at.
#[derive(Clone, Debug, PartialEq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands in the rule file.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A value at a place.
    pub fn new(value: T, span: Span) -> Self {
        Spanned { value, span }
    }

    /// The same place with another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned {
            value: f(self.value),
            span: self.span,
        }
    }
}

impl<T> std::ops::Deref for Spanned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// A rule file as read: its name for messages, its folder for relative paths, its text.
#[derive(Clone, Debug)]
pub struct Source {
    path: PathBuf,
    text: String,
}

/// A rule file that can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is none, or it may not be read.
    #[error("can't read {}: {error}", path.display())]
    Io {
        /// The path as the user gave it.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// It is what rules are for.
    #[error(
        "{} is a program, not a rule file: rule files come first, a program with `--binary` or after `--`",
        path.display()
    )]
    Program {
        /// The path as the user gave it.
        path: PathBuf,
    },
    /// It is no text.
    #[error("{}:{line}: not UTF-8 text", path.display())]
    NotText {
        /// The path as the user gave it.
        path: PathBuf,
        /// The line with the first byte that is no UTF-8, counted from 1.
        line: usize,
    },
}

impl Source {
    /// Reads a rule file from disk.
    ///
    /// # Errors
    ///
    /// When there is no such file, or it is not text.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let unreadable = |error| ReadError::Io {
            path: path.to_owned(),
            error,
        };
        // It may be a pipe, as a shell's `<(…)` is, or a device that has no end.
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        file.take(LONGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        if bytes.starts_with(ELF) {
            return Err(ReadError::Program {
                path: path.to_owned(),
            });
        }
        if bytes.len() as u64 > LONGEST {
            let error = io::Error::other("it is longer than 16 MB, so it is not a rule file");
            return Err(unreadable(error));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            ReadError::NotText {
                path: path.to_owned(),
                line,
            }
        })?;
        Ok(Source::new(path, text))
    }

    /// A rule file's text, known in messages by `path`.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Source {
            path: path.into(),
            text: text.into(),
        }
    }

    /// The path as the user gave it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that relative paths in the file start from.
    pub fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The byte offset of a line and column, both counted from 1; the nearest place where there is none.
    pub(crate) fn offset(&self, line: usize, column: usize) -> usize {
        let lines = self.text.split_inclusive('\n');
        let start: usize = lines.take(line.saturating_sub(1)).map(str::len).sum();
        let content = self.text[start..].split('\n').next().unwrap_or_default();
        start
            + content
                .char_indices()
                .nth(column.saturating_sub(1))
                .map_or(content.len(), |(offset, _)| offset)
    }

    /// Line and column of a byte offset, both counted from 1, columns in characters.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (
            before.matches('\n').count() + 1,
            before[line_start..].chars().count() + 1,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_and_in_characters() {
        let source = Source::new("a.yaml", "x: 1\nähm: 2\n");
        assert_eq!(source.line_column(0), (1, 1));
        assert_eq!(source.line_column("x: 1\nähm".len()), (2, 4));
        assert_eq!(source.line_column(1000), (3, 1));
    }

    #[test]
    fn offsets_of_lines_and_columns_are_the_way_back() {
        let source = Source::new("a.yaml", "x: 1\nähm: 2\n");
        assert_eq!(source.offset(1, 1), 0);
        assert_eq!(source.offset(2, 4), "x: 1\nähm".len());
        assert_eq!(source.offset(1, 99), 4);
        assert_eq!(source.offset(99, 1), source.text().len());
    }
}
