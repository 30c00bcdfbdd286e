//! Skips of a whole run of tests: each test is a process of its own, so they are collected in a file.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// Names the file that skips are written to; where it is absent, they are only printed.
pub const VARIABLE: &str = "GOINJECT_SKIPS";

/// Notes that something was skipped so many times, with the reason.
pub fn note(what: &str, count: usize, reason: &str) {
    println!("{what}: {count} skipped: {reason}");
    if let Some(file) = std::env::var_os(VARIABLE) {
        // A count that can't be kept is on the test's output all the same.
        let _ = append(Path::new(&file), count, reason);
    }
}

fn append(file: &Path, count: usize, reason: &str) -> std::io::Result<()> {
    let line = format!("{count}\t{}\n", reason.replace(['\n', '\t'], " "));
    let mut file = OpenOptions::new().create(true).append(true).open(file)?;
    file.write_all(line.as_bytes())
}

/// What a run has skipped, as lines to be shown; the most frequent reasons first. None if nothing was.
#[must_use]
pub fn summary(text: &str) -> Option<String> {
    let mut reasons: Vec<(&str, usize)> = Vec::new();
    for line in text.lines() {
        let Some((count, reason)) = line.split_once('\t') else {
            continue;
        };
        let count: usize = count.parse().unwrap_or_default();
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, sum)) => *sum += count,
            None => reasons.push((reason, count)),
        }
    }
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let all: usize = reasons.iter().map(|(_, count)| count).sum();
    let lines = reasons
        .iter()
        .map(|(reason, count)| format!("\n  {count:>6}  {reason}"));
    (all > 0).then(|| format!("{all} cases skipped{}", lines.collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_add_up() {
        let file = std::env::temp_dir().join(format!("goinject-skips-test-{}", std::process::id()));
        for (count, reason) in [(1, "no runc"), (3, "no BPF\nhere"), (1, "no runc")] {
            append(&file, count, reason).expect("written");
        }
        let text = std::fs::read_to_string(&file).expect("readable");
        let _ = std::fs::remove_file(&file);
        assert_eq!(
            summary(&text).as_deref(),
            Some("5 cases skipped\n       3  no BPF here\n       2  no runc")
        );
        assert_eq!(summary(""), None);
    }
}
