//! Files that take turns: `FILE`, which is written, and `FILE.1`, `FILE.2` and so on, the newest first.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// When the next file is begun, and how many are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    max_size: Option<u64>,
    keep: Option<usize>,
}

impl Rotation {
    /// At most so many bytes in a file, and so many files beside it; all of them where none is said.
    pub fn new(max_size: Option<u64>, keep: Option<usize>) -> Rotation {
        Rotation { max_size, keep }
    }

    /// Whether there is a next file at all.
    pub(super) fn is_on(self) -> bool {
        self.max_size.is_some()
    }

    /// Whether a file of this size has no room for more. One line has always room.
    pub(super) fn is_full(self, size: u64, more: usize) -> bool {
        self.max_size
            .is_some_and(|max| size > 0 && size.saturating_add(more as u64) > max)
    }

    /// Takes the name from the file that was written, and gives it the next one.
    pub(super) fn make_room(self, path: &Path) -> io::Result<()> {
        let mut last = 0;
        while numbered(path, last + 1).exists() {
            last += 1;
        }
        for number in (0..=last).rev() {
            let from = match number {
                0 => path.to_owned(),
                number => numbered(path, number),
            };
            match self.keep {
                Some(keep) if number >= keep => fs::remove_file(from)?,
                _ => fs::rename(from, numbered(path, number + 1))?,
            }
        }
        Ok(())
    }
}

fn numbered(path: &Path, number: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// Whether a path is still the name of an open file.
pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// A number of bytes: `100000`, `10M`, `1.5GiB`.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || "write bytes, such as `500K`, `10M` or `2G` (of 1024 each)".to_owned();
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = unit.trim().to_ascii_uppercase();
    let unit = match unit
        .strip_suffix("IB")
        .or(unit.strip_suffix('B'))
        .unwrap_or(&unit)
    {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1_u64 << 40,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let bytes = number * unit as f64;
    match (1.0..1e18).contains(&bytes) {
        true => Ok(bytes as u64),
        false => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("1000", 1000),
            ("500K", 512_000),
            ("10M", 10 << 20),
            ("10MB", 10 << 20),
            ("1.5GiB", 3 << 29),
            ("2g", 2 << 30),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "M", "10X", "-1", "0", "1e3", "10 0", "1.2.3K"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
