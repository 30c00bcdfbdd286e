//! SIGHUP has goinject read its rule file again, and the rules are swapped while the program goes on.

mod guests;
mod moments;
mod signals;
mod under_way;

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use goinject_tests::goinject::Running;
use goinject_tests::long_run::LongRun;
use goinject_tests::patience::wait_for;
use goinject_tests::{Build, Outcome, Writer, busy};
use serde_json::Value;

const NEWEST: Build = Build::plain("1.27");

/// One of each engine.
const WRITERS: [Writer; 3] = Writer::ANYWHERE;

/// Rules for `busy`, which ends with its standard input unless `target` is another.
fn start(writer: Writer, rules: &str, target: &[&str]) -> LongRun {
    LongRun::start(writer, "busy", rules, &["--json", "events"], target)
}

fn rules(names: &[&str]) -> String {
    busy::rules(names, "when: {every: 5}, ")
}

/// How often a rule was applied, by the lines of a type.
fn applied(outcome: &Outcome, kind: &str, rule: &str) -> u64 {
    let lines = outcome.of_type(kind).filter(|line| line["rule"] == rule);
    lines.filter_map(|line| line["applied"].as_u64()).sum()
}

/// Every call that a program saw changed by a rule is one that the rule was applied to, and some were.
fn check_exact(outcome: &Outcome, (kind, rule): (&str, &str), calls: busy::Calls, said: &dyn Fn() -> String) {
    assert_eq!(applied(outcome, kind, rule), calls.replaced, "{rule}: {}", said());
    assert!(calls.replaced > 0, "{rule}: {}", said());
    assert_eq!(calls.halfway, 0, "{rule}: {}", said());
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
            let run = start(writer, &rules(&["leaf", "number"]), &command);
            run.has_fired("leaf", 1);
            run.has_fired("number", 1);
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
            for rule in ["deep", "mixed", "leaf"] {
                run.has_fired(rule, 3);
            }
            let (code, stdout, outcome) = match target {
                Some(mut target) => {
                    run.running.signal(libc::SIGINT);
                    let outcome = run.end().0;
                    drop(target.stdin());
                    (130, target.end().stdout, outcome)
                }
                None => {
                    let outcome = run.end().0;
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
                check_exact(&outcome, (kind, rule), calls, &said);
            }
            // Nothing runs between two generations: no call of a program that goinject has started is missed.
            let leaf = outcome.of_type("rule").find(|line| line["rule"] == "leaf");
            let leaf = leaf.and_then(|line| line["calls"].as_u64());
            assert!(attached || leaf == Some(counted["leaf"].calls), "{}", said());
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
        let run = start(writer, &format!("{head}{leaf}"), &["--", "./busy", "-input"]);
        run.has_fired("leaf", 1);
        run.reload(&format!("{head}{number}{leaf}"));
        // Both to their ends, or what is left of the limit is not number's alone.
        for (rule, times) in [("number", 10), ("leaf", 30)] {
            let of_rule = format!("\"rule\":\"{rule}\"");
            let fired = wait_for(|| (run.lines(0, &[&of_rule]).len() >= times).then_some(()));
            assert!(fired.is_some(), "{rule}: {}", run.text("err"));
        }
        run.reload(&format!(
            "{head}{}{leaf}",
            number.replace("times: 10", "times: 20")
        ));
        let limit = wait_for(|| run.lines(0, &["\"type\":\"limit\""]).pop());
        assert!(limit.is_some(), "{}", run.text("err"));
        let outcome = run.end().0;
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

/// A new file may end the faults, and have them go on: its limits count from the start of the run, too.
#[test]
fn limits_are_those_of_the_new_file() {
    for writer in WRITERS {
        let leaf =
            "rules:\n- {name: leaf, function: main.leaf, when: {every: 2000}, inject: {set: {a: 1000003}}}\n";
        let file = |limits: &str| format!("version: 1\nlimits: {{{limits}}}\n{leaf}");
        let begun = Instant::now();
        let run = start(
            writer,
            &file("duration: 1h"),
            &["--", "./busy", "-only", "leaf", "-input"],
        );
        run.has_fired("leaf", 1);
        std::thread::sleep(Duration::from_secs(2).saturating_sub(begun.elapsed()));
        let is_over = |number: usize| {
            let lines = wait_for(|| (run.lines(0, &["\"type\":\"limit\""]).len() == number).then_some(()));
            assert!(lines.is_some(), "{}", run.text("err"));
            // What was on its way is told by then.
            std::thread::sleep(Duration::from_millis(200));
            let before = run.text("events").len();
            std::thread::sleep(Duration::from_millis(300));
            assert_eq!(run.text("events").len(), before, "faults go on");
        };
        assert_eq!(run.lines(0, &["\"type\":\"limit\""]).len(), 0);
        run.reload(&file("duration: 1s"));
        is_over(1);
        run.reload(&file("duration: 1h, faults: 1000000000"));
        run.has_fired("leaf", 3);
        run.reload(&file("faults: 5"));
        is_over(2);
        run.reload(&file("duration: 1h"));
        run.has_fired("leaf", 5);
        let (outcome, _) = run.end();
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        let replaced = busy::counted(&outcome.stdout)["leaf"].replaced;
        assert_eq!(
            applied(&outcome, "rule", "leaf"),
            replaced,
            "{}",
            outcome.describe()
        );
    }
}

/// What a command starts has the rules of its time, and so has what runs already.
#[test]
fn processes_of_a_followed_tree_have_the_new_rules() {
    // Seldom enough for as many calls as there are without traps.
    let rules = |names: &[&str]| busy::rules(names, "when: {every: 500}, ");
    for writer in WRITERS {
        let script =
            "./busy -for 4s -only leaf,number & read line; ./busy -calls 20000 -only leaf,number; wait";
        let run = start(writer, &rules(&["leaf"]), &["--", "sh", "-c", script]);
        run.has_fired("leaf", 1);
        let told = run.reload(&format!(
            "{}target: {{command: [nothing]}}\nseed: 5\n",
            rules(&["number"])
        ));
        assert_eq!(told["generation"], 2, "{told}");
        run.has_fired("number", 2);
        let outcome = run.end().0;
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
