//! Runs of many processes: what a command starts has the rules, too, and one count for all.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use goinject_tests::{Build, Outcome, Writer, busy, goinject};

const NEWEST: Build = Build::plain("1.27");
const OLDEST: Build = Build::plain("1.15");

/// Runs a script of the shell under rules on the leaf of `busy`. `head` are keys of the file, `more` those of its rule.
fn script(writer: Writer, head: &str, more: &str, script: &str) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let (rules, json) = (folder.path().join("rules.yaml"), folder.path().join("events"));
    let text = format!("{}{head}", busy::rules(&["leaf"], more));
    fs::write(&rules, text).expect("rules are written");
    let place = |build: Build, name: &str| {
        fs::copy(build.of("busy"), folder.path().join(name)).expect("a copy");
    };
    place(NEWEST, "newest");
    place(OLDEST, "oldest");
    let mut command = goinject::command(["run", "--quiet", "--writer", writer.name(), "--json"]);
    command.arg(&json).arg(&rules).args(["--", "sh", "-c", script]);
    command.current_dir(folder.path());
    let mut outcome = goinject::Running::start(&mut command).end();
    outcome.json = Outcome::lines(&fs::read_to_string(json).unwrap_or_default());
    outcome
}

/// The calls that the programs themselves counted, all and replaced ones.
fn counted(outcome: &Outcome) -> (u64, u64) {
    let of_leaf = |line: &str| {
        let words: Vec<&str> = line.strip_prefix("leaf calls ")?.split(' ').collect();
        Some((words[0].parse::<u64>().ok()?, words[2].parse::<u64>().ok()?))
    };
    let all = outcome.stdout.lines().filter_map(of_leaf);
    all.fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1))
}

/// That every call is counted once, and that rules replaced what each of them gets.
fn all_were_replaced(outcome: &Outcome) {
    let (calls, replaced) = counted(outcome);
    let counts = &outcome.counts()[0];
    assert_eq!(
        (counts.calls, counts.applied, counts.failed),
        (calls, replaced, 0),
        "{}",
        outcome.describe()
    );
    assert!(calls > 0 && calls == replaced, "{}", outcome.describe());
}

fn programs(outcome: &Outcome) -> Vec<String> {
    let name = |binary: &serde_json::Value| {
        let path = Path::new(binary.as_str().unwrap_or_default());
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    outcome
        .of_type("process")
        .map(|line| name(&line["binary"]))
        .collect()
}

#[test]
fn programs_of_a_script_share_their_counts() {
    for writer in Writer::ANYWHERE {
        let outcome = script(
            writer,
            "",
            "",
            "./newest -for 60ms; true | cat; ./oldest -for 60ms & ./newest -for 60ms; wait",
        );
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        all_were_replaced(&outcome);
        let mut programs = programs(&outcome);
        programs.sort();
        assert_eq!(programs, ["newest", "newest", "oldest"], "{}", outcome.describe());
    }
}

#[test]
fn times_are_those_of_the_run() {
    for writer in Writer::ANYWHERE {
        let outcome = script(
            writer,
            "",
            "when: {times: 5}, ",
            "./newest -for 60ms & ./newest -for 60ms & ./oldest -for 60ms & wait",
        );
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        assert_eq!(counted(&outcome).1, 5, "{}", outcome.describe());
        assert_eq!(outcome.counts()[0].fired, 5, "{}", outcome.describe());
    }
}

#[test]
fn a_rule_may_be_for_some_programs_only() {
    for writer in Writer::ANYWHERE {
        let outcome = script(
            writer,
            "",
            "program: old*, ",
            "./newest -for 60ms; ./oldest -for 60ms",
        );
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        assert_eq!(programs(&outcome), ["oldest"], "{}", outcome.describe());
    }
}

#[test]
fn programs_that_become_others_are_armed_anew() {
    for writer in Writer::ANYWHERE {
        let outcome = script(
            writer,
            "",
            "",
            "exec ./newest -for 60ms -exec './oldest -for 60ms'",
        );
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        assert_eq!(programs(&outcome), ["newest", "oldest"], "{}", outcome.describe());
        let (calls, replaced) = counted(&outcome);
        assert!(calls > 0 && calls == replaced, "{}", outcome.describe());
    }
}

/// However a process comes to be: by fork, by the posix_spawn of make, as a daemon that forks twice in a session of its own.
#[test]
fn children_are_armed_however_they_are_made() {
    const SCRIPT: &str = r#"
        printf 'all:\n\t./newest -for 60ms\n' >makefile && make -s
        perl -e 'system "./newest", "-for", "60ms"'
        perl -MPOSIX -e 'exit if fork; POSIX::setsid(); exit if fork; exec "./oldest", "-for", "200ms"'
    "#;
    for writer in Writer::ANYWHERE {
        let outcome = script(writer, "", "", SCRIPT);
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        assert_eq!(
            programs(&outcome),
            ["newest", "newest", "oldest"],
            "{}",
            outcome.describe()
        );
        all_were_replaced(&outcome);
    }
}

#[test]
fn counts_are_exact_over_hundreds_of_short_processes() {
    const SCRIPT: &str = "n=0; while [ $n -lt 400 ]; do /bin/true; n=$((n+1)); done & \
                          m=0; while [ $m -lt 50 ]; do ./newest -for 1ms; m=$((m+1)); done; wait";
    for writer in Writer::ANYWHERE {
        let outcome = script(writer, "", "", SCRIPT);
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        assert_eq!(programs(&outcome).len(), 50, "{}", outcome.describe());
        all_were_replaced(&outcome);
    }
}

/// A process that is killed while it is being armed is no failure of the run, which counts the others on.
#[test]
fn processes_may_end_while_they_are_armed() {
    // The pauses grow from none to more than arming takes.
    const SCRIPT: &str = "n=0; while [ $n -lt 60 ]; do ./newest -for 5s & \
                          [ $n -lt 10 ] || perl -e 'select undef, undef, undef, shift() / 1000' $n; \
                          kill -9 $!; wait $!; n=$((n+1)); done 2>killed; ./newest -for 60ms";
    for writer in Writer::ANYWHERE {
        let outcome = script(writer, "", "", SCRIPT);
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        let (calls, replaced) = counted(&outcome);
        assert!(calls > 0 && calls == replaced, "{}", outcome.describe());
        assert!(outcome.counts()[0].calls >= calls, "{}", outcome.describe());
    }
}

#[test]
fn without_following_nothing_is_armed_but_the_command() {
    let outcome = script(
        Writer::Breakpoints,
        "target: {follow: false}\n",
        "",
        "./newest -for 60ms",
    );
    assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
    assert_eq!(outcome.stdout, "", "nothing of it runs");
}

#[test]
fn a_program_that_never_ran_is_told_in_the_end() {
    let script = |text: &str| script(Writer::Breakpoints, "", "program: missing, ", text);
    let outcome = script("./newest -for 20ms");
    assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
    assert_eq!(counted(&outcome).1, 0, "{}", outcome.describe());
    for words in ["no Go program of this name ran", "these did: newest"] {
        assert!(outcome.stderr.contains(words), "{}", outcome.describe());
    }
    // What an interrupted run would have started is not known.
    let outcome = script("kill -INT $PPID; sleep 5");
    assert_eq!(outcome.code, Some(130), "{}", outcome.describe());
    assert!(
        !outcome.stderr.contains("no Go program"),
        "{}",
        outcome.describe()
    );
}

#[test]
fn what_outlives_its_command_is_watched_to_its_end() {
    for writer in Writer::ANYWHERE {
        let outcome = script(writer, "", "", "(./newest -for 300ms) & exit 0");
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        let (calls, replaced) = counted(&outcome);
        assert!(calls > 0 && calls == replaced, "{}", outcome.describe());
        assert!(
            outcome.stderr.contains("the command has ended"),
            "{}",
            outcome.describe()
        );
    }
}

/// Every process has edits under way whenever it is let go, while threads of the others stop for theirs.
#[test]
fn processes_are_let_go_while_others_are_changed() {
    let start = |said: &str| format!("./newest -only leaf -for 3s | tee {said} & ");
    let both = "until grep -q started first && grep -q started second; do sleep 0.1; done";
    let text = [
        &start("first"),
        &start("second"),
        both,
        "; sleep 0.3; kill -INT $PPID; wait",
    ]
    .concat();
    for writer in Writer::ANYWHERE {
        let outcome = script(writer, "", "", &text);
        assert_eq!(outcome.code, Some(130), "{}", outcome.describe());
        let of_each = outcome
            .stdout
            .lines()
            .filter(|line| line.starts_with("leaf calls "));
        let totals: Vec<busy::Calls> = of_each
            .map(|said| busy::total(said).expect("no call is wrong"))
            .collect();
        let were_changed = |calls: &busy::Calls| calls.replaced > 0 && calls.halfway == 0;
        let were_let_go = totals.iter().any(|calls| calls.kept > 0);
        assert!(
            totals.len() == 2 && totals.iter().all(were_changed) && were_let_go,
            "{writer:?} {}",
            outcome.describe()
        );
    }
}

#[test]
fn what_outlives_an_interrupted_command_goes_on_without_rules() {
    for writer in Writer::ANYWHERE {
        let folder = tempfile::tempdir().expect("a folder");
        let said = folder.path().join("said");
        let text = format!(
            "setsid ./newest -for 4s >{} 2>&1 & sleep 1; kill -INT $PPID; wait",
            said.display()
        );
        let outcome = script(writer, "", "", &text);
        assert_eq!(outcome.code, Some(130), "{}", outcome.describe());
        assert!(
            outcome.stderr.contains("goes on without rules"),
            "{}",
            outcome.describe()
        );
        let started = Instant::now();
        let leaf = loop {
            let said = fs::read_to_string(&said).unwrap_or_default();
            if let Some(leaf) = busy::counted(&said).get("leaf") {
                break *leaf;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "{said}");
            thread::sleep(Duration::from_millis(20));
        };
        assert!(leaf.replaced > 0 && leaf.kept > 0, "{leaf:?}");
        assert_eq!((leaf.halfway, leaf.wrong), (0, 0), "{leaf:?}");
    }
}
