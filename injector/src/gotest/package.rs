//! The test binary of a package, built for those who ask what is in it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A built test binary, removed when it is dropped.
#[derive(Debug)]
pub struct TestBinary {
    folder: tempfile::TempDir,
    file: PathBuf,
}

/// Why there is no test binary.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// There is no go command.
    #[error("`--package` builds a test binary with the go command, and there is no `go` on PATH")]
    NoGo,
    /// The go command could not be run.
    #[error("cannot run the go command: {0}")]
    Run(#[source] std::io::Error),
    /// It failed; its own output says why.
    #[error("the go command cannot build the tests of {package}: {said}")]
    Build {
        /// The package.
        package: String,
        /// What it printed.
        said: String,
    },
    /// The package has no tests.
    #[error(
        "{package} has no tests, so there is no test binary to look into: name a package with `_test.go` files"
    )]
    NoTests {
        /// The package.
        package: String,
    },
    /// A pattern of packages.
    #[error("`--package` takes one package, and {0} may be several: name one, such as `./store`")]
    Several(String),
}

impl TestBinary {
    /// Builds the test binary of a package with `go test -c` and these build flags.
    pub fn build(package: &str, flags: &[OsString]) -> Result<TestBinary, PackageError> {
        if package.contains("...") {
            return Err(PackageError::Several(package.to_owned()));
        }
        let folder = tempfile::Builder::new()
            .prefix("goinject-")
            .tempdir()
            .map_err(PackageError::Run)?;
        let file = folder.path().join(name_of(package));
        let built = build_command(("go".as_ref(), &[]), flags, package, &file)
            .output()
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => PackageError::NoGo,
                _ => PackageError::Run(error),
            })?;
        if !built.status.success() {
            let mut said = String::from_utf8_lossy(&built.stderr).into_owned();
            said.push_str(&String::from_utf8_lossy(&built.stdout));
            // A line of an error that has several is indented.
            let said = said
                .trim_end()
                .lines()
                .map(|line| format!("\n  {line}"))
                .collect();
            let package = package.to_owned();
            return Err(PackageError::Build { package, said });
        }
        if !file.is_file() {
            return Err(PackageError::NoTests {
                package: package.to_owned(),
            });
        }
        Ok(TestBinary { folder, file })
    }

    /// The binary.
    pub fn path(&self) -> &Path {
        debug_assert!(
            self.file.starts_with(self.folder.path()),
            "removed with its folder"
        );
        &self.file
    }
}

/// The command that builds the test binary of a package.
pub(super) fn build_command(
    (go, env): (&OsStr, &[(String, String)]),
    flags: &[impl AsRef<OsStr>],
    package: &str,
    file: &Path,
) -> Command {
    let mut arguments: Vec<OsString> = vec!["test".into(), "-c".into(), "-o".into(), file.into()];
    arguments.extend(flags.iter().map(OsString::from));
    arguments.push(package.into());
    let given = |name: &str| {
        env.iter()
            .rev()
            .find(|(of, _)| of == name)
            .map(|(_, value)| value.into())
    };
    let prepared = super::prepare(go, &arguments, |name| {
        given(name).or_else(|| std::env::var_os(name))
    });
    let mut command = Command::new(go);
    command
        .args(prepared.arguments)
        .envs(env.iter().cloned())
        .envs(prepared.env)
        .stdin(Stdio::null());
    command
}

/// What go would call the test binary of a package, as far as its name on the command line tells.
fn name_of(package: &str) -> String {
    let last = package.rsplit('/').find(|part| !matches!(*part, "" | "." | ".."));
    format!("{}.test", last.unwrap_or("package"))
}
