//! What is explored: test binaries, or a command that ends by itself.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::code::Code;
use super::explorer::Settings;
use super::leak::Left;
use super::program::Program;
use super::trial::{self, Folder, MARK};
use crate::gotest::listing::{Arguments, Listed, Listing};
use crate::words::in_shell;

/// Something that is run again and again.
#[derive(Debug)]
pub struct Subject {
    /// Its name for people: an import path, or the command.
    pub name: String,
    /// Its program.
    pub program: Program,
    /// How it is run.
    pub how: How,
    /// What in.
    pub surroundings: Surroundings,
    leaves: Mutex<HashMap<Leaving, Option<Left>>>,
}

/// A command, and whether it was looked at closely.
type Leaving = (Vec<String>, usize);

/// What a command runs in, where a rule file says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The folder; the current one where absent.
    pub dir: Option<PathBuf>,
    /// Variables on top of the environment.
    pub env: Vec<(String, String)>,
}

/// How a subject is run.
#[derive(Clone, Debug)]
pub enum How {
    /// A test binary.
    Tests(Tests),
    /// A command.
    Command(Vec<String>),
}

/// A test binary, and how its user runs it.
#[derive(Clone, Debug)]
pub struct Tests {
    /// The binary.
    pub binary: PathBuf,
    /// The folder that its tests run in.
    pub dir: PathBuf,
    /// The package.
    pub package: String,
    /// The module that it belongs to: its path and folder.
    pub module: Option<(String, PathBuf)>,
    /// As `go test` was called.
    pub arguments: Arguments,
}

/// What a plain run showed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plain {
    /// Its exit status; none if it did not end.
    pub status: Option<i32>,
    /// How long it took.
    pub elapsed: Duration,
    /// Standard output.
    pub stdout: String,
    /// Standard output and error.
    pub output: String,
    /// Top-level tests: whether each passed, and how long it took.
    pub tests: BTreeMap<String, (bool, Duration)>,
}

impl Tests {
    /// The tests of a package.
    pub fn new(package: &Listed, binary: PathBuf, arguments: &Arguments) -> Tests {
        Tests {
            binary,
            dir: package.dir.clone(),
            package: package.import_path.clone(),
            module: package
                .module
                .as_ref()
                .filter(|module| !module.dir.as_os_str().is_empty())
                .map(|module| (module.path.clone(), module.dir.clone())),
            arguments: arguments.clone(),
        }
    }

    /// Whether the binary writes coverage profiles.
    fn covers(&self) -> bool {
        let flags = self
            .arguments
            .build
            .iter()
            .map(|flag| flag.trim_start_matches('-'));
        let mut names = flags.map(|flag| flag.split_once('=').unwrap_or((flag, "true")));
        names.any(|(name, value)| name.starts_with("cover") && value != "false")
    }

    /// A source file that is named by import path, as coverage profiles do.
    fn source(&self, name: &str) -> Option<PathBuf> {
        let (package, file) = name.rsplit_once('/')?;
        if package == self.package {
            return Some(self.dir.join(file));
        }
        let (path, dir) = self.module.as_ref()?;
        Some(dir.join(name.strip_prefix(path.as_str())?.strip_prefix('/')?))
    }

    /// What `-run` is given: everything, or one test with the user's choice of its subtests.
    fn pattern(&self, test: Option<&str>) -> Option<String> {
        let users = self.arguments.test_flag("run");
        let Some(test) = test else {
            return users.map(str::to_owned);
        };
        let below = users.and_then(|run| run.split_once('/')).map(|(_, below)| below);
        Some(match below {
            Some(below) => format!("^{test}$/{below}"),
            None => format!("^{test}$"),
        })
    }

    fn command(&self, test: Option<&str>) -> Vec<String> {
        let mut command = vec![self.binary.display().to_string(), "-test.timeout=0".to_owned()];
        command.extend(self.pattern(test).map(|run| format!("-test.run={run}")));
        for (name, value) in &self.arguments.test {
            match (name.as_str(), value) {
                ("short" | "failfast", None) => command.push(format!("-test.{name}")),
                ("short" | "failfast" | "parallel" | "cpu" | "skip", Some(value)) => {
                    command.push(format!("-test.{name}={value}"));
                }
                _ => {}
            }
        }
        command.extend(self.arguments.rest.iter().cloned());
        command
    }

    /// A script that runs a test as `go test` does, and succeeds where the test passes, or fails as tests do.
    pub fn script(&self, test: Option<&str>, timeout: Duration, here: &Path) -> String {
        let mut build = vec!["go".to_owned(), "test".to_owned(), "-c".to_owned()];
        build.extend(self.arguments.build.iter().cloned());
        let mut run = vec![format!("-test.timeout={}s", timeout.as_secs().max(1))];
        run.extend(self.command(test).into_iter().skip(2));
        format!(
            "d=$(mktemp -d) && {} -o \"$d/x.test\" {} && cd {} && {{ \"$d/x.test\" {}; s=$?; rm -r \"$d\"; test $s -le 1; }}",
            in_shell(&build),
            in_shell(std::slice::from_ref(&self.package)),
            in_shell(&[from(here, &self.dir)]),
            in_shell(&run)
        )
    }

    /// The command line that repeats a test: what people would type.
    pub fn go_test(&self, test: Option<&str>, timeout: Duration) -> Vec<String> {
        let mut command = vec!["go".to_owned(), "test".to_owned()];
        command.extend(self.arguments.build.iter().cloned());
        command.extend(self.pattern(test).map(|run| format!("-run={run}")));
        command.push(format!("-timeout={}s", timeout.as_secs().max(1)));
        command.extend(
            self.arguments
                .test
                .iter()
                .filter(|(name, _)| name == "short")
                .map(|(name, _)| format!("-{name}")),
        );
        command.push(self.package.clone());
        if !self.arguments.rest.is_empty() {
            command.push("-args".to_owned());
            command.extend(self.arguments.rest.iter().cloned());
        }
        command
    }
}

impl Subject {
    /// A subject that nothing is known of.
    pub fn new(name: String, program: Program, how: How, surroundings: Surroundings) -> Subject {
        Subject {
            name,
            program,
            how,
            surroundings,
            leaves: Mutex::default(),
        }
    }

    /// What a command of it leaves without a fault, if that was looked at.
    pub(super) fn leaves(&self, key: &Leaving) -> Option<Option<Left>> {
        let leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        leaves.get(key).cloned()
    }

    /// Notes what a command of it leaves without a fault.
    pub(super) fn note_leaves(&self, key: Leaving, left: Option<Left>) {
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        leaves.insert(key, left);
    }

    /// Whether its runs write coverage profiles.
    pub fn covers(&self) -> bool {
        matches!(&self.how, How::Tests(tests) if tests.covers())
    }

    /// A source file that is named by import path, if it is of this subject's module.
    pub fn source(&self, name: &str) -> Option<PathBuf> {
        match &self.how {
            How::Tests(tests) => tests.source(name),
            How::Command(_) => None,
        }
    }

    /// The program that is started.
    pub fn file(&self) -> String {
        self.command(None).into_iter().next().unwrap_or_default()
    }

    /// The name of that file.
    pub fn file_name(&self) -> String {
        let file = PathBuf::from(self.file());
        let name = file.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Whether it is a test binary.
    pub fn is_test(&self) -> bool {
        matches!(self.how, How::Tests(_))
    }

    /// The command, for all of it or for one test.
    pub fn command(&self, test: Option<&str>) -> Vec<String> {
        match &self.how {
            How::Tests(tests) => tests.command(test),
            How::Command(command) => command.clone(),
        }
    }

    /// The folder that it runs in.
    pub fn dir(&self) -> PathBuf {
        match &self.how {
            How::Tests(tests) => tests.dir.clone(),
            How::Command(_) => self.surroundings.folder(),
        }
    }

    /// Runs it without a fault.
    pub fn run_plainly(
        &self,
        settings: &Settings,
        patience: Duration,
        asked: &dyn Fn() -> bool,
    ) -> io::Result<Plain> {
        let folder = Folder::new(&settings.work)?;
        let dir = match settings.copy {
            true => folder.copy_of(&self.dir())?,
            false => self.dir(),
        };
        let mark = super::explorer::new_mark();
        let (program, arguments) = {
            let mut command = self.command(None).into_iter();
            (command.next().unwrap_or_default(), command.collect::<Vec<_>>())
        };
        let mut command = Command::new(&program);
        command
            .args(&arguments)
            .current_dir(dir)
            .envs(self.surroundings.env.iter().cloned())
            .env("TMPDIR", folder.temporary())
            .env(MARK, &mark)
            .stdin(Stdio::null())
            .stdout(fs::File::create(folder.stdout())?)
            .stderr(fs::File::create(folder.stderr())?);
        if self.is_test() {
            command.arg("-test.v=true");
        }
        {
            use std::os::unix::process::CommandExt;
            command.process_group(0);
        }
        trial::end_with_us(&mut command, libc::SIGKILL);
        let begun = Instant::now();
        let mut child = command.spawn()?;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status.code();
            }
            if begun.elapsed() > patience || asked() {
                child.kill()?;
                child.wait()?;
                break None;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let elapsed = begun.elapsed();
        trial::kill_rest(&mark);
        let stdout = fs::read(folder.stdout())?;
        let stdout = String::from_utf8_lossy(&stdout).into_owned();
        let stderr = fs::read(folder.stderr())?;
        Ok(Plain {
            status,
            elapsed,
            tests: tests_in(&stdout),
            output: format!("{stdout}{}", String::from_utf8_lossy(&stderr)),
            stdout,
        })
    }
}

impl Surroundings {
    /// The folder that the command is given in.
    pub fn folder(&self) -> PathBuf {
        let here = || std::env::current_dir().unwrap_or_default();
        self.dir.clone().unwrap_or_else(here)
    }
}

/// A folder as it is named from another one, if it is below that.
fn from(here: &Path, folder: &Path) -> String {
    let below = folder.strip_prefix(here).unwrap_or(folder);
    match below.as_os_str().is_empty() {
        true => ".".to_owned(),
        false => below.display().to_string(),
    }
}

/// The packages' own code.
pub fn code_of(listing: &Listing) -> Code {
    let mut roots: Vec<String> = listing
        .packages
        .iter()
        .map(|package| match &package.module {
            Some(module) if !module.path.is_empty() && module.path != "std" => module.path.clone(),
            _ => package.import_path.clone(),
        })
        .collect();
    roots.sort();
    roots.dedup();
    Code {
        roots,
        test_packages: listing.for_tests.clone(),
    }
}

/// Top-level tests by what `-test.v` prints: `--- PASS: TestX (0.01s)`.
fn tests_in(output: &str) -> BTreeMap<String, (bool, Duration)> {
    let mut tests = BTreeMap::new();
    for line in output.lines() {
        let (passed, rest) = match (line.strip_prefix("--- PASS: "), line.strip_prefix("--- FAIL: ")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => continue,
        };
        let Some((name, took)) = rest.split_once(" (") else {
            continue;
        };
        let took: f64 = took
            .strip_suffix("s)")
            .and_then(|took| took.parse().ok())
            .unwrap_or_default();
        tests.insert(name.to_owned(), (passed, Duration::from_secs_f64(took.max(0.0))));
    }
    tests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn top_level_tests_by_their_lines() {
        let output = "=== RUN   TestA\n    --- PASS: TestA/b (0.00s)\n--- PASS: TestA (0.25s)\n--- FAIL: TestB (0.00s)\nPASS\n";
        let tests = tests_in(output);
        assert_eq!(tests.len(), 2);
        assert_eq!(tests["TestA"], (true, Duration::from_millis(250)));
        assert!(!tests["TestB"].0);
    }

    #[test]
    fn coverage_is_where_it_is_asked_for() {
        let tests = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            Tests {
                binary: "p.test".into(),
                dir: "/src/store".into(),
                package: "example.com/shop/store".to_owned(),
                module: Some(("example.com/shop".to_owned(), "/src".into())),
                arguments: Arguments::parse(&words),
            }
        };
        for words in [
            &["-cover"][..],
            &["-coverpkg=./..."],
            &["--covermode=atomic"],
            &["-race", "-cover=true"],
        ] {
            assert!(tests(words).covers(), "{words:?}");
        }
        assert!(!tests(&["-race", "./cover"]).covers());
        assert!(!tests(&["-cover=false"]).covers());
        let of = |name: &str| tests(&[]).source(name);
        assert_eq!(of("example.com/shop/store/s.go"), Some("/src/store/s.go".into()));
        assert_eq!(of("example.com/shop/cart/c.go"), Some("/src/cart/c.go".into()));
        assert_eq!(of("example.com/shopping/c.go"), None);
    }

    #[test]
    fn one_test_with_the_users_choice_of_subtests() {
        let words: Vec<String> = ["-race", "-run", "TestA/x", "./p"].map(str::to_owned).to_vec();
        let tests = Tests {
            binary: "p.test".into(),
            dir: "/p".into(),
            package: "example.com/p".to_owned(),
            module: Some(("example.com".to_owned(), "/".into())),
            arguments: Arguments::parse(&words),
        };
        assert_eq!(
            tests.go_test(Some("TestB"), Duration::from_secs(5)),
            [
                "go",
                "test",
                "-race",
                "-run=^TestB$/x",
                "-timeout=5s",
                "example.com/p"
            ]
        );
    }
}
