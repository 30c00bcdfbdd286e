//! Packages that are there for tests: below an `internal` folder, so that nobody else can use them, and nothing that may
//! use them does but tests.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use super::listing::Listed;

/// What everybody who may use an internal package has at the beginning of its path; none where anybody may.
fn scope(import_path: &str) -> Option<&str> {
    let at = match import_path.starts_with("internal/") {
        true => 0,
        false => import_path.rfind("/internal/")?,
    };
    Some(&import_path[..at]).filter(|scope| !scope.is_empty())
}

/// Those of these packages that only tests use, and that have none themselves.
pub(super) fn for_tests_alone(go: &OsStr, dir: Option<&Path>, packages: &[Listed]) -> BTreeSet<String> {
    let used: BTreeSet<&String> = packages.iter().flat_map(|package| &package.imports).collect();
    packages
        .iter()
        .filter(|package| !package.standard && !used.contains(&package.import_path))
        .filter(|package| package.test_go_files.is_empty() && package.x_test_go_files.is_empty())
        .filter(|package| {
            let scope = scope(&package.import_path);
            scope.is_some_and(|scope| is_unused_within(go, dir, scope, &package.import_path))
        })
        .map(|package| package.import_path.clone())
        .collect()
}

/// Whether no package below a path uses another one, tests left out. Where that cannot be told it may be used.
fn is_unused_within(go: &OsStr, dir: Option<&Path>, scope: &str, import_path: &str) -> bool {
    let mut command = Command::new(go);
    command
        .args(["list", "-e", "-f", "{{range .Imports}}{{println .}}{{end}}"])
        .arg(format!("{scope}/..."))
        .stdin(Stdio::null());
    if let Some(dir) = dir {
        command.current_dir(dir);
    }
    command.output().is_ok_and(|listed| {
        let imports = String::from_utf8_lossy(&listed.stdout);
        listed.status.success() && !imports.lines().any(|import| import == import_path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_use_an_internal_package() {
        assert_eq!(scope("example.com/shop/internal/lab"), Some("example.com/shop"));
        assert_eq!(scope("example.com/shop/lab"), None);
        assert_eq!(scope("example.com/internals/lab"), None);
        assert_eq!(scope("a/internal/b/internal/c"), Some("a/internal/b"));
        assert_eq!(scope("internal/lab"), None);
    }
}
