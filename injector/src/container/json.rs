//! What is common to readers of files.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A file as JSON. One that is not there, or is being written, says nothing.
pub(super) fn read(path: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// A text at a path of keys.
pub(super) fn text<'v>(value: &'v Value, keys: &[&str]) -> Option<&'v str> {
    let found = keys.iter().try_fold(value, |value, key| value.get(key))?;
    found.as_str().filter(|text| !text.is_empty())
}

/// The first of some annotations or labels.
pub(super) fn first<'v>(annotations: &'v Value, names: &[&str]) -> Option<&'v str> {
    names.iter().find_map(|name| text(annotations, &[name]))
}

/// A process id, if it stands for a process.
pub(super) fn pid(value: Option<&Value>) -> Option<i32> {
    i32::try_from(value?.as_i64()?).ok().filter(|pid| *pid > 0)
}

/// The process id in a file of its own.
pub(super) fn pid_file(path: &Path) -> Option<i32> {
    fs::read_to_string(path)
        .ok()?
        .trim()
        .parse()
        .ok()
        .filter(|pid| *pid > 0)
}

/// The entries of a folder, with their names; none where it can't be read.
pub(super) fn entries(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())));
    let mut named: Vec<_> = named.collect();
    named.sort();
    named
}
