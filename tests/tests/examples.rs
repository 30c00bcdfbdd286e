//! The examples and the README say what goinject prints, and it prints that: each `console` block is typed in again, on
//! each engine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use goinject_tests::{Flags, fixture, goinject};
use regex::Regex;

/// Every folder of `examples`.
const EXAMPLES: [&str; 6] = [
    "parse-me",
    "shop",
    "retry",
    "timeout",
    "circuit-breaker",
    "fuzzed-price",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A command of a document, with what it prints there.
#[derive(Debug, PartialEq, Eq)]
struct Typed {
    command: String,
    prints: Vec<String>,
}

/// The commands of a document's `console` blocks.
fn typed(document: &str) -> Vec<Typed> {
    let mut commands: Vec<Typed> = Vec::new();
    let mut inside = false;
    for line in document.lines() {
        match (inside, line.trim_end()) {
            (false, "```console") => inside = true,
            (true, "```") => inside = false,
            (true, line) => match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(command), _) => commands.push(Typed {
                    command: command.to_owned(),
                    prints: Vec::new(),
                }),
                (None, Some(last)) => last.prints.push(line.to_owned()),
                (None, None) => panic!("output before the first command: {line}"),
            },
            (false, _) => {}
        }
    }
    commands
}

/// A folder with the examples in it, built, as after following the README.
struct Place {
    root: tempfile::TempDir,
    now: PathBuf,
    status: i32,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        for name in EXAMPLES {
            let example = folder.path().join("examples").join(name);
            fs::create_dir_all(&example).expect("a folder for an example");
            let source = root().join("examples").join(name);
            for file in ["chaos.yaml", "main.go"] {
                fs::copy(source.join(file), example.join(file)).expect("copied");
            }
            let flags = Flags {
                trimpath: true,
                ..Flags::default()
            };
            let built = fixture(&format!("examples/{name}"), "1.27", flags);
            fs::copy(built, example.join(name)).expect("copied");
        }
        Place {
            now: folder.path().to_owned(),
            root: folder,
            status: 0,
        }
    }

    fn enter(&mut self, folder: &str) {
        self.now = self.root.path().join(folder);
    }

    /// Types a command in and compares what comes out; true if it was one of goinject.
    fn repeat(&mut self, typed: &Typed, engine: &str) -> bool {
        let words: Vec<&str> = typed.command.split_whitespace().collect();
        let mut command = match words.as_slice() {
            ["cd", folder] => {
                self.now = self.now.join(folder);
                return false;
            }
            ["cat", file] => {
                // A rule file that the reader is to write.
                fs::write(self.now.join(file), typed.prints.join("\n") + "\n").expect("written");
                return false;
            }
            ["go", "build"] => {
                assert!(typed.prints.is_empty(), "go build says nothing");
                return false;
            }
            ["echo", "$?"] => {
                assert_eq!(typed.prints, [self.status.to_string()]);
                self.status = 0;
                return false;
            }
            ["goinject", "run", arguments @ ..] => {
                let mut command = goinject::command(["run", "--engine", engine]);
                command.args(arguments);
                command
            }
            ["goinject", arguments @ ..] => goinject::command(arguments),
            [program, arguments @ ..] => {
                let mut command = Command::new(self.now.join(program));
                command.args(arguments);
                command
            }
            [] => panic!("a prompt without a command"),
        };
        assert_eq!(self.status, 0, "before `{}`", typed.command);
        command
            .current_dir(&self.now)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let outcome = goinject::Running::start(&mut command).end();
        self.status = outcome.code.unwrap_or(-1);
        let actual: Vec<&str> = outcome.stdout.lines().chain(outcome.stderr.lines()).collect();
        let expected: Vec<&str> = typed.prints.iter().map(String::as_str).collect();
        assert_eq!(
            told(&actual),
            told(&expected),
            "`{}` on {engine}:\n{}",
            typed.command,
            outcome.describe()
        );
        words.starts_with(&["goinject", "run"])
    }
}

/// What the target printed, and what goinject did, each in order; which comes first differs from run to run, as do
/// numbers that the kernel and the Go runtime hand out, and which engine and writer it was.
fn told(lines: &[&str]) -> (Vec<String>, Vec<String>) {
    let numbers = Regex::new(r"(process|goroutine|--seed) \d+").expect("a pattern");
    // It is this test that names an engine.
    let asked = Regex::new(r" --engine \w+").expect("a pattern");
    // Where the source was when it was compiled.
    let sources = Regex::new(r"\S*/(\w+\.go:)").expect("a pattern");
    let addresses = Regex::new(r"0x[0-9a-f]{5,}").expect("a pattern");
    let lines = lines
        .iter()
        .filter(|line| !line.starts_with("goinject: engine ") && !line.is_empty());
    let masked = lines.map(|line| {
        let line = numbers.replace_all(line.trim_end(), "$1 N");
        let line = asked.replace(&line, "");
        let line = sources.replace_all(&line, "$1");
        addresses.replace_all(&line, "0x…").into_owned()
    });
    masked.partition(|line| !line.starts_with("goinject: "))
}

/// The engines of this host.
fn engines() -> Vec<&'static str> {
    let doctor = goinject::run(["doctor"]).stdout;
    let has = |engine: &str| {
        let line = doctor
            .lines()
            .find(|line| line.starts_with(&format!("engine {engine}")));
        line.expect("doctor tells of each engine").contains("yes")
    };
    let engines: Vec<&str> = ["bpf", "ptrace"]
        .into_iter()
        .filter(|engine| has(engine))
        .collect();
    println!("engines: {}", engines.join(", "));
    assert!(!engines.is_empty(), "{doctor}");
    engines
}

/// Types in all commands of a document, once for each engine.
fn repeat(document: &Path, folder: &str) {
    let text = fs::read_to_string(document).unwrap_or_else(|error| panic!("{}: {error}", document.display()));
    let commands = typed(&text);
    let mut place = Place::new();
    for engine in engines() {
        place.enter(folder);
        let runs = commands.iter().filter(|typed| place.repeat(typed, engine));
        let runs = runs.count();
        println!("{}: {runs} runs on {engine}", document.display());
        assert!(runs > 0, "{} shows no run", document.display());
    }
}

#[test]
fn every_example_prints_what_its_readme_says() {
    for name in EXAMPLES {
        let folder = format!("examples/{name}");
        repeat(&root().join(&folder).join("README.md"), &folder);
    }
}

#[test]
fn the_readme_is_true() {
    repeat(&root().join("README.md"), "");
}

#[test]
fn every_example_is_here_and_good_before_it_is_built() {
    let entries = fs::read_dir(root().join("examples")).expect("there are examples");
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        // Others are about programs that are not built here.
        .filter(|name| root().join("examples").join(name).join("main.go").is_file())
        .collect();
    names.sort();
    let mut known = EXAMPLES.map(str::to_owned);
    known.sort();
    assert_eq!(names, known);
    for name in EXAMPLES {
        let rules = root().join("examples").join(name).join("chaos.yaml");
        let text = fs::read_to_string(&rules).expect("rules");
        let first = text.lines().next();
        assert_eq!(
            first,
            Some("# yaml-language-server: $schema=../../schema/rules.schema.json"),
            "{name}"
        );
        let outcome = goinject::run(["check".as_ref(), rules.as_os_str()]);
        assert_eq!(outcome.code, Some(0), "{name}: {}", outcome.describe());
    }
}

#[test]
fn the_reference_shows_rules_that_are_right() {
    let text = fs::read_to_string(root().join("rules/README.md")).expect("a reference");
    let folder = tempfile::tempdir().expect("a folder");
    let mut count = 0;
    for block in text.split("```yaml\n").skip(1) {
        let (block, _) = block.split_once("```").expect("a block ends");
        let whole = match block.starts_with("- ") {
            true => format!("version: 1\nrules:\n{block}"),
            false => block.to_owned(),
        };
        let file = folder.path().join("rules.yaml");
        fs::write(&file, &whole).expect("written");
        let outcome = goinject::run(["check".as_ref(), file.as_os_str()]);
        assert_eq!(outcome.code, Some(0), "{whole}\n{}", outcome.describe());
        count += 1;
    }
    assert!(count >= 9, "{count} blocks");
}

#[test]
fn documents_are_taken_apart() {
    let document =
        "text\n```console\n$ ./a b\none\ntwo\n$ echo $?\n1\n```\n$ not this\n```sh\n$ nor that\n```\n";
    let commands = typed(document);
    assert_eq!(commands.len(), 2);
    assert_eq!(commands[0].command, "./a b");
    assert_eq!(commands[0].prints, ["one", "two"]);
    assert_eq!(commands[1].prints, ["1"]);
    let (target, goinject) = told(&[
        "b",
        "goinject: armed in process 7",
        "goinject: engine bpf, seed 1",
    ]);
    assert_eq!(
        (target.len(), goinject.as_slice()),
        (1, &["goinject: armed in process N".to_owned()][..])
    );
}
