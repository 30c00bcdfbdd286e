//! Which go command a run will meet, and what its user set for it, found without running it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

/// The first version whose `GOFLAGS` take values with spaces in quotes, of those tried: 1.19 refuses them, 1.21 takes them.
const QUOTES_SINCE: u32 = 21;

/// A go command, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Toolchain {
    /// Its `GOROOT`.
    root: Option<PathBuf>,
    /// The minor version, 27 of `go1.27.3`.
    minor: Option<u32>,
}

/// Whether a program is the go command, by its name.
pub(super) fn is_go(program: &OsStr) -> bool {
    Path::new(program).file_name() == Some(OsStr::new("go"))
}

impl Toolchain {
    /// The program itself where it is the go command, else the one on the path.
    pub(super) fn find(program: &OsStr, variable: impl Fn(&str) -> Option<OsString>) -> Toolchain {
        let by_path = is_go(program) && Path::new(program).components().count() > 1;
        let file = if by_path {
            Some(PathBuf::from(program))
        } else {
            let path = variable("PATH").unwrap_or_default();
            std::env::split_paths(&path)
                .map(|dir| dir.join("go"))
                .find(|file| file.is_file())
        };
        let Some(file) = file.and_then(|file| file.canonicalize().ok()) else {
            return Toolchain::default();
        };
        let root = file.parent().and_then(Path::parent).map(Path::to_owned);
        let version = root
            .as_ref()
            .and_then(|root| fs::read_to_string(root.join("VERSION")).ok());
        let minor = match version.as_deref().and_then(minor) {
            Some(minor) => Some(minor),
            // A script in its place, or a build from a repository.
            None => ask(&file, "GOVERSION").as_deref().and_then(minor),
        };
        Toolchain { root, minor }
    }

    /// Whether `GOFLAGS` may have quotes. Unknown versions may not: others refuse to do anything with them.
    pub(super) fn takes_quotes(&self) -> bool {
        self.minor.is_some_and(|minor| minor >= QUOTES_SINCE)
    }

    /// The user's flags: of the environment, else of `go env -w`, else of the distribution.
    pub(super) fn goflags(&self, variable: impl Fn(&str) -> Option<OsString>) -> String {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        if let Some(flags) = set("GOFLAGS") {
            return flags.to_string_lossy().into_owned();
        }
        let users = match set("GOENV") {
            Some(off) if off == "off" => None,
            Some(file) => Some(PathBuf::from(file)),
            None => set("XDG_CONFIG_HOME")
                .map(PathBuf::from)
                .or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".config")))
                .map(|folder| folder.join("go/env")),
        };
        let distributions = self.root.as_ref().map(|root| root.join("go.env"));
        let files = [users, distributions];
        files
            .iter()
            .flatten()
            .find_map(|file| set_in(file, "GOFLAGS"))
            .unwrap_or_default()
    }
}

/// Asks a go command for one of its variables.
fn ask(go: &Path, name: &str) -> Option<String> {
    let asked = std::process::Command::new(go)
        .args(["env", name])
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .output();
    String::from_utf8(asked.ok()?.stdout).ok()
}

/// The minor version of a text such as `go1.27.3`.
fn minor(version: &str) -> Option<u32> {
    let rest = version.trim_start().strip_prefix("go1.")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

/// What a file of `NAME=VALUE` lines sets a variable to.
fn set_in(file: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let mut values = text
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let last = values.next_back()?;
    (!last.is_empty()).then(|| last.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_by_their_text() {
        assert_eq!(minor("go1.27.3\ntime 2026"), Some(27));
        assert_eq!(minor("go1.28rc1"), Some(28));
        assert_eq!(minor("devel go1.28-abc"), None);
    }

    #[test]
    fn flags_come_from_the_environment_or_from_the_file_of_go_env() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("env");
        fs::write(&file, "GOPROXY=off\nGOFLAGS=-mod=mod -tags=x\n").expect("written");
        let go = Toolchain::default();
        let by_file = |name: &str| (name == "GOENV").then(|| file.clone().into_os_string());
        assert_eq!(go.goflags(by_file), "-mod=mod -tags=x");
        let both = |name: &str| {
            (name == "GOFLAGS")
                .then(|| "-race".into())
                .or_else(|| by_file(name))
        };
        assert_eq!(go.goflags(both), "-race");
        assert_eq!(go.goflags(|name| (name == "GOENV").then(|| "off".into())), "");
        let home = |name: &str| (name == "XDG_CONFIG_HOME").then(|| folder.path().into());
        fs::create_dir(folder.path().join("go")).expect("a folder");
        fs::copy(&file, folder.path().join("go/env")).expect("copied");
        assert_eq!(go.goflags(home), "-mod=mod -tags=x");
    }
}
