//! Versions of the Go toolchain that built a binary.

use std::fmt;

/// The oldest minor version of Go 1 that is understood.
pub const OLDEST_MINOR: u32 = 15;
/// The newest minor version of Go 1 that this release was tested with.
pub const NEWEST_MINOR: u32 = 27;

/// The version of Go that built a binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoVersion {
    /// 1.
    pub major: u32,
    /// 27 for Go 1.27.3.
    pub minor: u32,
    /// 3 for Go 1.27.3; absent for development versions and release candidates.
    pub patch: Option<u32>,
    /// As the binary has it: `go1.27.3`, `devel go1.28-b7a5…`, `go1.26.1 X:simd`.
    pub text: String,
}

impl GoVersion {
    /// A release, for tests and tables.
    pub fn release(minor: u32) -> GoVersion {
        GoVersion {
            major: 1,
            minor,
            patch: None,
            text: format!("go1.{minor}"),
        }
    }

    /// Parses a version as binaries have it. `None` if there is no `go1.N` in it.
    pub fn parse(text: &str) -> Option<GoVersion> {
        // A development version says which release it leads to: "devel go1.28-0123abcd Mon Jan …".
        let start = text.find("go1.")?;
        let mut numbers = text[start + 2..].split('.').map(|part| {
            let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            (
                part[..end].parse::<u32>().ok(),
                end == part.len() || part[end..].starts_with(' '),
            )
        });
        let major = numbers.next()?.0?;
        let (minor, plain) = numbers.next()?;
        let minor = minor?;
        let patch = if plain && start == 0 {
            numbers.next().and_then(|(n, _)| n)
        } else {
            None
        };
        Some(GoVersion {
            major,
            minor,
            patch,
            text: text.to_owned(),
        })
    }

    /// Whether it is at least Go 1.`minor`.
    pub fn at_least(&self, minor: u32) -> bool {
        self.major > 1 || self.minor >= minor
    }

    /// Whether it is newer than what this release was tested with: worth a warning.
    pub fn is_untested(&self) -> bool {
        self.at_least(NEWEST_MINOR + 1)
    }

    /// Whether an experiment was switched on when the toolchain or the program was built.
    pub fn has_experiment(&self, name: &str) -> bool {
        self.text
            .split_once("X:")
            .is_some_and(|(_, list)| list.split([',', ' ']).any(|experiment| experiment == name))
    }
}

impl fmt::Display for GoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (u32, u32, Option<u32>) {
        let v = GoVersion::parse(text).unwrap();
        assert_eq!(v.text, text);
        (v.major, v.minor, v.patch)
    }

    #[test]
    fn releases_candidates_and_development_versions() {
        assert_eq!(parsed("go1.27.3"), (1, 27, Some(3)));
        assert_eq!(parsed("go1.19"), (1, 19, None));
        assert_eq!(parsed("go1.22rc1"), (1, 22, None));
        assert_eq!(parsed("go1.26.6 X:simd"), (1, 26, Some(6)));
        assert_eq!(
            parsed("devel go1.28-0123abcd Mon Jan 5 12:00:00 2026 +0000"),
            (1, 28, None)
        );
        assert_eq!(GoVersion::parse("devel +8ef0123"), None);
        assert_eq!(GoVersion::parse(""), None);
        assert_eq!(GoVersion::parse("go1."), None);
    }

    #[test]
    fn comparisons_and_experiments() {
        let v = GoVersion::parse("go1.26.1 X:simd,jsonv2").unwrap();
        assert!(v.at_least(17) && v.at_least(26) && !v.at_least(27));
        assert!(v.has_experiment("simd") && v.has_experiment("jsonv2") && !v.has_experiment("arenas"));
        assert!(!GoVersion::release(27).is_untested());
        assert!(GoVersion::release(28).is_untested());
    }
}
