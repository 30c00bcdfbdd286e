//! What has changed since a revision, by git.

use std::process::{Command, Stdio};

use super::point::{Place, Point};

/// Lines of files that have changed, widened to whole functions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The end of a file's path, and its lines.
    lines: Vec<(String, std::ops::Range<u32>)>,
}

impl Changes {
    /// Those of the current folder's repository since a revision, or since both have parted; files that git does not know
    /// yet are changed, too.
    ///
    /// # Errors
    /// What git said.
    pub fn since(revision: &str) -> Result<Changes, String> {
        let base = match git(&["merge-base", "--end-of-options", revision, "HEAD"]) {
            Ok(base) => base.trim_end().to_owned(),
            // Nothing may be known of where they parted, as in a clone without history.
            Err(_) => git(&[
                "rev-parse",
                "--verify",
                "--end-of-options",
                &format!("{revision}^{{commit}}"),
            ])
            .map(|commit| commit.trim_end().to_owned())
            .map_err(|error| {
                format!("{error}\n(a clone without history has no other revisions: fetch it first)")
            })?,
        };
        let mut words = vec![
            "diff",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
            "--no-relative",
        ];
        // Whatever the user's settings are.
        words.extend([
            "--src-prefix=a/",
            "--dst-prefix=b/",
            "--unified=0",
            "--function-context",
        ]);
        words.extend([base.as_str(), "--", ALL]);
        let mut changes = Changes::parse(&git(&words)?);
        let new = git(&[
            "ls-files",
            "--others",
            "--exclude-standard",
            "--full-name",
            "-z",
            "--",
            ALL,
        ])?;
        let new = new
            .split_terminator('\0')
            .map(|path| (format!("/{path}"), 0..u32::MAX));
        changes.lines.extend(new);
        Ok(changes)
    }

    fn parse(diff: &str) -> Changes {
        let mut changes = Changes::default();
        let mut file = None;
        for line in diff.lines() {
            if let Some(path) = line.strip_prefix("+++ b/") {
                // A name with a space has a tab at its end.
                file = Some(format!("/{}", path.trim_end_matches('\t')));
            } else if line.starts_with("+++ ") {
                // It is gone.
                file = None;
            } else if let Some(hunk) = line.strip_prefix("@@ ")
                && let Some(file) = &file
                && let Some(range) = new_lines(hunk)
            {
                changes.lines.push((file.clone(), range));
            }
        }
        changes
    }

    /// Whether a point is in what has changed.
    pub fn touch(&self, point: &Point) -> bool {
        point.stack.iter().any(|place| self.has(place))
    }

    fn has(&self, place: &Place) -> bool {
        self.lines.iter().any(|(file, lines)| {
            format!("/{}", place.file).ends_with(file.as_str()) && lines.contains(&place.line)
        })
    }
}

/// The Go files of the whole repository.
const ALL: &str = ":(top)*.go";

/// What git says.
fn git(words: &[&str]) -> Result<String, String> {
    let said = Command::new("git")
        .args(["-c", "core.quotePath=false"])
        .args(words)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run git: {error}"))?;
    match said.status.success() {
        true => Ok(String::from_utf8_lossy(&said.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&said.stderr).trim_end().to_owned()),
    }
}

/// The new lines of `-12,3 +14,5 @@ func …`.
fn new_lines(hunk: &str) -> Option<std::ops::Range<u32>> {
    let new = hunk.split(' ').find_map(|word| word.strip_prefix('+'))?;
    let (start, count) = new.split_once(',').unwrap_or((new, "1"));
    let (start, count): (u32, u32) = (start.parse().ok()?, count.parse().ok()?);
    Some(start..start + count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_in_changed_functions() {
        let diff = "diff --git a/store/s.go b/store/s.go\n--- a/store/s.go\n+++ b/store/s.go\n@@ -10,4 +10,6 @@ func x\n+a\n\
                    diff --git a/old.go b/old.go\n--- a/old.go\n+++ /dev/null\n@@ -1,4 +0,0 @@\n-a\n";
        let changes = Changes::parse(diff);
        let point = |file: &str, line| Point {
            function: "os.Open".to_owned(),
            stack: vec![Place {
                function: "store.Open".to_owned(),
                file: file.to_owned(),
                line,
            }],
        };
        assert!(changes.touch(&point("/home/me/shop/store/s.go", 15)));
        assert!(!changes.touch(&point("/home/me/shop/store/s.go", 16)));
        assert!(!changes.touch(&point("/home/me/shop/other/s.go", 12)));
        assert!(!changes.touch(&point("/home/me/shop/restore/s.go", 12)));
    }
}
