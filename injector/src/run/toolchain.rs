//! The Go toolchain's own programs, which `go test` and `go build` start and which are no target of faults.

use std::ffi::OsString;
use std::path::Path;

use crate::go::Binary;

/// Subcommands of `go` that build, and perhaps run, other programs.
const BUILDING: [&str; 8] = [
    "build", "generate", "get", "install", "run", "test", "tool", "vet",
];

/// Whether a program is the go command, or one that it runs to build others.
pub(super) fn is_part(binary: &Binary, path: &Path) -> bool {
    match binary.build().main_package.as_deref() {
        Some(package) => package.starts_with("cmd/"),
        // Before Go 1.18 these programs do not say what they are.
        None => {
            let parent = path.parent();
            let is_tool = parent
                .is_some_and(|folder| folder.parent().is_some_and(|folder| folder.ends_with("pkg/tool")));
            is_tool || path.ends_with("bin/go") || path.ends_with("bin/gofmt")
        }
    }
}

/// Whether a command has the go command build something.
pub(super) fn builds(program: &Path, arguments: &[OsString]) -> bool {
    let subcommand = arguments
        .iter()
        .filter_map(|word| word.to_str())
        .find(|word| !word.starts_with('-'));
    program.file_name().is_some_and(|name| name == "go")
        && subcommand.is_some_and(|word| BUILDING.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_test_builds_and_go_version_does_not() {
        let builds = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            builds(Path::new("/usr/lib/go/bin/go"), &words)
        };
        assert!(builds(&["test", "./..."]));
        assert!(builds(&["-C", "run"]) || builds(&["run", "."]));
        assert!(!builds(&["version"]));
        assert!(!builds(&[]));
    }
}
