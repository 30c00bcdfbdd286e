//! Looks for texts in files: where else a program tells of an error, if not in its output.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// More files than this are not looked at.
const FILES: usize = 4096;
/// The beginning of a file that is read: logs of tests are short.
const BYTES: u64 = 4 << 20;

/// A file in a folder, at whatever depth, that has one of these texts in it; its path begins at the folder.
pub(super) fn with_any_of(folder: &Path, texts: &[String]) -> Option<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    let mut left = FILES;
    while let Some(next) = folders.pop() {
        // What is removed meanwhile has nothing to tell.
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            let path = entry.path();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                left = left.checked_sub(1)?;
                if has_any_of(&path, texts) {
                    return Some(path.strip_prefix(folder).unwrap_or(&path).to_owned());
                }
            }
        }
    }
    None
}

fn has_any_of(path: &Path, texts: &[String]) -> bool {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(BYTES).read_to_end(&mut bytes));
    read.is_ok()
        && texts
            .iter()
            .any(|text| !text.is_empty() && bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_at_any_depth() {
        let folder = tempfile::tempdir().expect("a folder");
        let texts = ["mark".to_owned()];
        fs::create_dir_all(folder.path().join("a/b")).expect("folders");
        fs::write(folder.path().join("a/other"), "mar").expect("written");
        assert_eq!(with_any_of(folder.path(), &texts), None);
        fs::write(folder.path().join("a/b/log"), "x: mark\n").expect("written");
        assert_eq!(with_any_of(folder.path(), &texts), Some("a/b/log".into()));
        assert_eq!(with_any_of(&folder.path().join("none"), &texts), None);
    }
}
