//! What a `go test` command line names: packages, and flags for building and for the tests.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::arguments::takes_a_word;
use super::package::build_command;
use super::support;

/// Flags of test binaries whose value may be the next word.
const TEST_WORDS: [&str; 24] = [
    "bench",
    "benchtime",
    "blockprofile",
    "blockprofilerate",
    "count",
    "coverprofile",
    "cpu",
    "cpuprofile",
    "fuzz",
    "fuzzminimizetime",
    "fuzztime",
    "list",
    "memprofile",
    "memprofilerate",
    "mutexprofile",
    "mutexprofilefraction",
    "o",
    "outputdir",
    "parallel",
    "run",
    "shuffle",
    "skip",
    "timeout",
    "trace",
];
/// Flags of test binaries that go without one.
const TEST_SWITCHES: [&str; 5] = ["short", "failfast", "v", "benchmem", "fullpath"];

/// The arguments of `go test`, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// Flags for building.
    pub build: Vec<String>,
    /// Flags of the test binary, without `test.`, with their values.
    pub test: Vec<(String, Option<String>)>,
    /// Packages as written.
    pub packages: Vec<String>,
    /// What follows `-args`.
    pub rest: Vec<String>,
}

impl Arguments {
    /// Takes them apart.
    pub fn parse(words: &[String]) -> Arguments {
        let mut parsed = Arguments::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if matches!(word.as_str(), "-args" | "--args") {
                parsed.rest.extend(words.by_ref().cloned());
                break;
            }
            let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
                parsed.packages.push(word.clone());
                continue;
            };
            let flag = flag.strip_prefix("test.").unwrap_or(flag);
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (flag, None),
            };
            if TEST_WORDS.contains(&name) || TEST_SWITCHES.contains(&name) {
                let value = match value {
                    None if TEST_WORDS.contains(&name) => words.next().cloned(),
                    value => value,
                };
                parsed.test.push((name.to_owned(), value));
            } else if name != "json" {
                parsed.build.push(word.clone());
                if value.is_none() && takes_a_word(word) {
                    parsed.build.extend(words.next().cloned());
                }
            }
        }
        parsed
    }

    /// The value of a flag of the test binary.
    pub fn test_flag(&self, name: &str) -> Option<&str> {
        let found = self.test.iter().rfind(|(flag, _)| flag == name)?;
        found.1.as_deref()
    }
}

/// A package, as `go list` tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Listed {
    /// Its import path.
    pub import_path: String,
    /// Its folder.
    pub dir: PathBuf,
    /// The module that it belongs to.
    pub module: Option<Module>,
    /// Whether it is only used by those that were named.
    pub dep_only: bool,
    /// Whether it belongs to Go.
    pub standard: bool,
    /// What it was built for the tests of, if that is another one.
    pub for_test: String,
    /// Packages that it uses.
    pub imports: Vec<String>,
    /// Its test files.
    pub test_go_files: Vec<String>,
    /// Its test files that are a package of their own.
    #[serde(rename = "XTestGoFiles")]
    pub x_test_go_files: Vec<String>,
}

impl Listed {
    /// A package that imports the one that is tested, and is compiled anew for its tests, under the name that it has in
    /// the program; none for the tested package and its tests.
    fn used_by_tests(mut self) -> Option<Listed> {
        let plain = |path: &str| path.split(' ').next().unwrap_or(path).to_owned();
        self.import_path = plain(&self.import_path);
        self.imports = self.imports.iter().map(|import| plain(import)).collect();
        let is_tested = self.import_path == self.for_test;
        let is_test = self.import_path.strip_suffix("_test") == Some(self.for_test.as_str());
        (!is_tested && !is_test).then_some(self)
    }
}

/// A module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Module {
    /// Its path.
    pub path: String,
    /// Its folder.
    pub dir: PathBuf,
}

/// The packages that a command line names, and what they use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Those with tests.
    pub packages: Vec<Listed>,
    /// Packages that are there for tests: those outside of test files that use `testing`, and internal ones that only tests
    /// use.
    pub for_tests: BTreeSet<String>,
}

/// Lists packages and what they and their tests use.
///
/// # Errors
/// What the go command said.
pub fn list(
    go: &OsStr,
    (dir, env): (Option<&Path>, &[(String, String)]),
    arguments: &Arguments,
) -> Result<Listing, String> {
    let mut command = Command::new(go);
    command
        .envs(env.iter().cloned())
        .args(["list", "-deps", "-test", "-json"])
        .args(listing_flags(&arguments.build))
        .args(&arguments.packages)
        .stdin(Stdio::null());
    if let Some(dir) = dir {
        command.current_dir(dir);
    }
    let listed = command.output().map_err(|error| error.to_string())?;
    if !listed.status.success() {
        return Err(String::from_utf8_lossy(&listed.stderr).trim_end().to_owned());
    }
    let mut listing = Listing::default();
    let (mut plain, mut recompiled) = (Vec::new(), Vec::new());
    for package in serde_json::Deserializer::from_slice(&listed.stdout).into_iter::<Listed>() {
        let package = package.map_err(|error| format!("`go list` is not understood: {error}"))?;
        if package.import_path.ends_with(".test") {
            continue;
        }
        if !package.for_test.is_empty() {
            recompiled.extend(package.used_by_tests());
            continue;
        }
        let has_tests = !(package.test_go_files.is_empty() && package.x_test_go_files.is_empty());
        if !package.dep_only && has_tests {
            listing.packages.push(package.clone());
        }
        plain.push(package);
    }
    // Each is compiled anew for every package whose tests use it.
    let mut known: BTreeSet<String> = plain.iter().map(|package| package.import_path.clone()).collect();
    recompiled.retain(|package: &Listed| known.insert(package.import_path.clone()));
    plain.append(&mut recompiled);
    let imports_testing = |package: &&Listed| package.imports.iter().any(|import| import == "testing");
    let own = plain.iter().filter(|package| !package.standard);
    let for_tests = own
        .filter(imports_testing)
        .map(|package| package.import_path.clone());
    listing.for_tests.extend(for_tests);
    listing
        .for_tests
        .extend(support::for_tests_alone(go, dir, &plain));
    Ok(listing)
}

/// Build flags without those that only `go test` has.
fn listing_flags(flags: &[String]) -> Vec<&String> {
    let mut kept = Vec::new();
    let mut flags = flags.iter();
    while let Some(flag) = flags.next() {
        let name = flag.trim_start_matches('-');
        let (name, value) = name
            .split_once('=')
            .map_or((name, None), |(name, value)| (name, Some(value)));
        if matches!(name, "vet" | "exec" | "cover" | "covermode" | "coverpkg" | "json") {
            if value.is_none() && takes_a_word(flag) {
                flags.next();
            }
        } else {
            kept.push(flag);
        }
    }
    kept
}

/// Builds the test binary of a package.
///
/// # Errors
/// What the go command said.
pub fn build(
    go: &OsStr,
    (dir, env): (Option<&Path>, &[(String, String)]),
    flags: &[String],
    package: &str,
    file: &Path,
) -> Result<(), String> {
    let mut command = build_command((go, env), flags, package, file);
    if let Some(dir) = dir {
        command.current_dir(dir);
    }
    let built = command.output().map_err(|error| error.to_string())?;
    match built.status.success() {
        true => Ok(()),
        false => {
            let said = [built.stderr, built.stdout].concat();
            Err(String::from_utf8_lossy(&said).trim_end().to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_list_does_not_get_what_it_does_not_know() {
        let flags = ["-race", "-vet=off", "-coverpkg", "./...", "-tags", "x"].map(str::to_owned);
        assert_eq!(listing_flags(&flags), ["-race", "-tags", "x"]);
    }

    #[test]
    fn flags_go_to_the_build_or_to_the_tests() {
        let words = "-race -tags x -run TestA/b -short --count=3 ./... -v -json ./b -args -x y";
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let parsed = Arguments::parse(&words);
        assert_eq!(parsed.build, ["-race", "-tags", "x"]);
        assert_eq!(parsed.packages, ["./...", "./b"]);
        assert_eq!(parsed.rest, ["-x", "y"]);
        assert_eq!(parsed.test_flag("run"), Some("TestA/b"));
        assert_eq!(parsed.test_flag("count"), Some("3"));
        assert!(parsed.test.contains(&("short".to_owned(), None)));
    }
}
