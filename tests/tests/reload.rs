//! SIGHUP has goinject read its rule file again, and the rules are swapped while the program goes on.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use goinject_tests::goinject::Running;
use goinject_tests::{Build, Outcome, Writer, busy, goinject};
use serde_json::Value;

const NEWEST: Build = Build::plain("1.27");

/// Those whose engines can swap rules.
const WRITERS: [Writer; 2] = [Writer::Tracer, Writer::Breakpoints];

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn wait_for<T>(mut found: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(found) = found() {
            return Some(found);
        }
        thread::sleep(Duration::from_millis(10));
    }
    None
}

struct Run {
    running: Running,
    folder: tempfile::TempDir,
}

impl Run {
    /// goinject with rules, in a folder that has the program as `busy`. `target` is the rest of the command line.
    fn start(writer: Writer, rules: &str, target: &[&str]) -> Run {
        let folder = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink(NEWEST.of("busy"), folder.path().join("busy")).expect("a link");
        fs::write(folder.path().join("rules.yaml"), rules).expect("written");
        let create = |name: &str| fs::File::create(folder.path().join(name)).expect("a file");
        let mut command = goinject::command(["run", "--quiet", "--writer", writer.name(), "--json"]);
        command.args(["events", "rules.yaml"]).args(target);
        command.current_dir(folder.path()).stdin(Stdio::piped());
        command.stdout(create("out")).stderr(create("err"));
        let running = Running::start(&mut command);
        Run { running, folder }
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// Lines of events from an offset on that have all of these texts.
    fn lines(&self, from: usize, texts: &[&str]) -> Vec<String> {
        let text = self.text("events");
        let new = text.get(from..).unwrap_or_default();
        let whole = new.rfind('\n').map_or("", |end| &new[..end]);
        let has_all = |line: &&str| texts.iter().all(|text| line.contains(text));
        whole.lines().filter(has_all).map(str::to_owned).collect()
    }

    /// Waits until a rule of a generation fires from now on.
    fn has_fired(&self, rule: &str, generation: u64) {
        let from = self.text("events").rfind('\n').map_or(0, |end| end + 1);
        let rule = format!("\"rule\":\"{rule}\"");
        let generation = match generation {
            1 => "\"type\":\"fired\"".to_owned(),
            number => format!("\"generation\":{number},"),
        };
        let fired = wait_for(|| (self.lines(from, &[&rule, &generation]).len() > 5).then_some(()));
        assert!(fired.is_some(), "{rule} does not fire: {}", self.text("err"));
    }

    /// Has it read other rules, and waits until it tells what came of that.
    fn reload(&self, rules: &str) -> Value {
        let from = self.text("events").rfind('\n').map_or(0, |end| end + 1);
        fs::write(self.folder.path().join("rules.yaml"), rules).expect("written");
        self.running.signal(libc::SIGHUP);
        let told = wait_for(|| self.lines(from, &["\"type\":\"reloaded\""]).pop());
        let told = told.unwrap_or_else(|| panic!("{}", self.text("err")));
        serde_json::from_str(&told).expect("a line")
    }

    fn end(mut self) -> Outcome {
        drop(self.running.stdin());
        let mut outcome = self.running.end();
        let text = |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        (outcome.stdout, outcome.stderr) = (text("out"), text("err"));
        outcome.json = Outcome::lines(&text("events"));
        outcome
    }
}

fn rules(names: &[&str]) -> String {
    busy::rules(names, "when: {every: 5}, ")
}

/// How often a rule was applied, by the lines of a type.
fn applied(outcome: &Outcome, kind: &str, rule: &str) -> u64 {
    let lines = outcome.of_type(kind).filter(|line| line["rule"] == rule);
    lines.filter_map(|line| line["applied"].as_u64()).sum()
}

/// Rules come, stay and go under a program that looks at each of its calls: as many were replaced as the rules say.
#[test]
fn rules_are_swapped_while_the_program_goes_on() {
    for writer in WRITERS {
        for attached in [false, true] {
            let target = attached.then(|| {
                let mut command = Command::new(NEWEST.of("busy"));
                command.arg("-input").stdin(Stdio::piped());
                let running = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
                let tasks = format!("/proc/{}/task", running.pid());
                wait_for(|| (fs::read_dir(&tasks).ok()?.count() > 3).then_some(()));
                running
            });
            let pid = target.as_ref().map(|target| target.pid().to_string());
            let command = match &pid {
                Some(pid) => vec!["--pid", pid],
                None => vec!["--", "./busy", "-input"],
            };
            let run = Run::start(writer, &rules(&["leaf", "number"]), &command);
            run.has_fired("leaf", 1);
            let told = run.reload(&rules(&["leaf", "result"]));
            assert_eq!(told["generation"], 2, "{told}");
            assert_eq!(told["kept"], serde_json::json!(["leaf"]), "{told}");
            run.has_fired("leaf", 2);
            run.has_fired("result", 2);
            // Nothing of it can be used, and all stays.
            let told = run.reload("version: 1\nrules:\n- {function: main.leaf, injct: {}}\n");
            assert!(told["refused"].as_str().is_some(), "{told}");
            let told = run.reload(&rules(&["leaf"]).replace("main.leaf", "main.laef"));
            assert!(told["refused"].as_str().is_some(), "{told}");
            assert!(
                run.text("err").contains("did you mean `main.leaf`?"),
                "{}",
                run.text("err")
            );
            let told = run.reload(&rules(&["deep", "leaf", "mixed"]));
            assert_eq!(told["generation"], 3, "{told}");
            run.has_fired("mixed", 3);
            run.has_fired("leaf", 3);
            let (code, stdout, outcome) = match target {
                Some(mut target) => {
                    run.running.signal(libc::SIGINT);
                    let outcome = run.end();
                    drop(target.stdin());
                    (130, target.end().stdout, outcome)
                }
                None => {
                    let outcome = run.end();
                    (0, outcome.stdout.clone(), outcome)
                }
            };
            let said = || format!("{} {attached}: {}", writer.name(), outcome.describe());
            assert_eq!(outcome.code, Some(code), "{}", said());
            busy::total(&stdout).unwrap_or_else(|error| panic!("{error}\n{}", said()));
            let counted = busy::counted(&stdout);
            for (rule, kind) in [
                ("leaf", "rule"),
                ("deep", "rule"),
                ("mixed", "rule"),
                ("number", "replaced"),
                ("result", "replaced"),
            ] {
                let calls = counted[rule];
                assert_eq!(
                    applied(&outcome, kind, rule),
                    calls.replaced,
                    "{rule}: {}",
                    said()
                );
                assert!(calls.replaced > 0, "{rule}: {}", said());
                assert_eq!(calls.halfway, 0, "{rule}: {}", said());
            }
            let failed = |line: &Value| line["failed"].as_u64() > Some(0);
            assert!(!outcome.of_type("rule").any(failed), "{}", said());
        }
    }
}

/// `times` of a rule that stays, and limits, count from the start; a new rule counts its own calls.
#[test]
fn counts_and_limits_go_on() {
    for writer in WRITERS {
        let leaf = "- {name: leaf, function: main.leaf, when: {times: 30}, inject: {set: {a: 1000003}}}\n";
        let number = "- {name: number, function: main.number, when: {times: 10}, inject: {set: {n: 1000003, on: false}}}\n";
        let head = "version: 1\nlimits: {faults: 45}\nrules:\n";
        let run = Run::start(writer, &format!("{head}{leaf}"), &["--", "./busy", "-input"]);
        run.has_fired("leaf", 1);
        run.reload(&format!("{head}{number}{leaf}"));
        let number_fired = wait_for(|| (run.lines(0, &["\"rule\":\"number\""]).len() >= 10).then_some(()));
        assert!(number_fired.is_some(), "{}", run.text("err"));
        run.reload(&format!(
            "{head}{}{leaf}",
            number.replace("times: 10", "times: 20")
        ));
        let limit = wait_for(|| run.lines(0, &["\"type\":\"limit\""]).pop());
        assert!(limit.is_some(), "{}", run.text("err"));
        let outcome = run.end();
        assert_eq!(outcome.code, Some(5), "{}", outcome.describe());
        assert_eq!(applied(&outcome, "rule", "leaf"), 30, "{}", outcome.describe());
        assert_eq!(
            applied(&outcome, "replaced", "number"),
            10,
            "{}",
            outcome.describe()
        );
        assert_eq!(applied(&outcome, "rule", "number"), 5, "{}", outcome.describe());
    }
}

/// What a command starts has the rules of its time, and so has what runs already.
#[test]
fn processes_of_a_followed_tree_have_the_new_rules() {
    for writer in WRITERS {
        let script =
            "./busy -for 4s -only leaf,number & read line; ./busy -calls 200 -only leaf,number; wait";
        let run = Run::start(writer, &rules(&["leaf"]), &["--", "sh", "-c", script]);
        run.has_fired("leaf", 1);
        let told = run.reload(&format!(
            "{}target: {{command: [nothing]}}\nseed: 5\n",
            rules(&["number"])
        ));
        assert_eq!(told["generation"], 2, "{told}");
        run.has_fired("number", 2);
        let outcome = run.end();
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        for key in ["target", "seed"] {
            let words = format!("`{key}` of the file that was read again is not used");
            assert!(outcome.stderr.contains(&words), "{}", outcome.describe());
        }
        let lines: Vec<&str> = outcome.stdout.lines().collect();
        let of = |name: &str| -> Vec<u64> {
            let counted = lines
                .iter()
                .filter(|line| line.starts_with(&format!("{name} calls ")));
            counted.map(|line| busy::counted(line)[name].replaced).collect()
        };
        let (leaf, number) = (of("leaf"), of("number"));
        assert_eq!((leaf.len(), number.len()), (2, 2), "{}", outcome.describe());
        // The one that came later never had the former rules.
        assert!(leaf.contains(&0) && leaf.iter().sum::<u64>() > 0, "{leaf:?}");
        assert!(number.iter().all(|replaced| *replaced > 0), "{number:?}");
        assert_eq!(applied(&outcome, "rule", "number"), number.iter().sum::<u64>());
        let kinds = ["error", "wrong 1"];
        assert!(
            kinds.iter().all(|word| !outcome.stdout.contains(word)),
            "{}",
            outcome.describe()
        );
    }
}

#[test]
fn jumps_are_not_swapped() {
    let run = Run::start(Writer::Trampoline, &rules(&["leaf"]), &["--", "./busy", "-input"]);
    run.has_fired("leaf", 1);
    let told = run.reload(&rules(&["number"]));
    assert!(
        told["refused"]
            .as_str()
            .is_some_and(|why| why.contains("--engine bpf")),
        "{told}"
    );
    let outcome = run.end();
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    assert_eq!(
        applied(&outcome, "rule", "leaf"),
        busy::counted(&outcome.stdout)["leaf"].replaced
    );
}
