//! What the inline engine refuses, and builds that the table of cases does not have.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use goinject_tests::{Build, Flags, Outcome, attaching, busy, fixture, goinject};

/// Rules that replace what all functions of the program get or give.
fn rules(version: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rules.yaml");
    let functions = busy::functions(goinject_tests::Writer::Trampoline, version);
    fs::write(&file, busy::rules(&functions, "")).expect("rules are written");
    (folder, file)
}

/// Attached to and let go again and again, under a collection each millisecond: each call is wholly the program's or wholly
/// the rules', goinject's counts are the program's, and nothing of goinject stays mapped.
#[test]
fn a_running_program_is_changed_and_left_as_it_was() {
    const TIMES: u64 = 5;
    for build in [Build::plain("1.15"), Build::plain("1.19"), Build::plain("1.27")] {
        let (_folder, rules) = rules(build.version);
        let mut command = Command::new(build.of("busy"));
        command.arg("-input").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut program = goinject::Running::start(command.stderr(Stdio::piped()));
        thread::sleep(Duration::from_millis(200));
        let change = |_| attaching::change_for(Duration::from_millis(100), program.pid(), &rules);
        let applied: u64 = (0..TIMES).map(change).sum();
        drop(program.stdin());
        let outcome = program.end();
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        let total = busy::total(&outcome.stdout).unwrap_or_else(|error| panic!("{error}"));
        let counted = (total.replaced, total.halfway);
        assert_eq!(counted, (applied, 0), "{}", outcome.describe());
        assert!(total.kept > 0 && applied > 0, "{}", outcome.describe());
    }
}

#[test]
fn unoptimised_race_and_position_independent_builds_are_changed_in_each_call() {
    const CALLS: &str = "20000";
    for flags in [
        Flags {
            unoptimised: true,
            ..Flags::default()
        },
        Flags {
            race: true,
            ..Flags::default()
        },
        Flags {
            pie: true,
            external: true,
            ..Flags::default()
        },
    ] {
        let (_folder, rules) = rules("1.27");
        let mut command = goinject::command(["run", "--quiet", "--engine", "inline"]);
        command.arg(&rules).arg("--");
        command
            .arg(fixture("busy", "1.27", flags))
            .args(["-calls", CALLS]);
        let outcome = goinject::Running::start(&mut command).end();
        assert_eq!(outcome.code, Some(0), "{flags:?}: {}", outcome.describe());
        let total = busy::total(&outcome.stdout).unwrap_or_else(|error| panic!("{flags:?}: {error}"));
        assert!(
            total.calls > 10_000 && total.replaced == total.calls,
            "{flags:?}: {total:?}"
        );
    }
}

/// A terminal has no use for more than the first events of each rule: others are not told, and are not lost either.
#[test]
fn events_that_nobody_takes_are_only_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rules.yaml");
    fs::write(&file, busy::rules(&["leaf"], "")).expect("rules are written");
    let program = Build::plain("1.27").of("busy");
    let outcome = goinject::Running::start(
        goinject::command(["run", "--engine", "inline"])
            .arg(&file)
            .arg("--")
            .arg(&program)
            .args(["-calls", "20000"]),
    )
    .end();
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    let lines = |beginning: &str| {
        let lines = outcome.stderr.lines();
        lines.filter(|line| line.starts_with(beginning)).count()
    };
    let said = || outcome.describe();
    assert_eq!(lines("goinject: leaf main.leaf"), 10, "{}", said());
    assert_eq!(
        lines("goinject: leaf: further events are counted"),
        1,
        "{}",
        said()
    );
    assert!(!outcome.stderr.contains("were lost"), "{}", said());
    let fired = busy::counted(&outcome.stdout)["leaf"].replaced.to_string();
    assert_eq!(outcome.row("leaf")[1..5], [fired.as_str(); 4], "{}", said());
}

#[test]
fn plan_says_which_sites_get_a_jump_and_why_others_do_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("rules.yaml");
    let plan = |function: &str, set: &str| {
        let text = format!("version: 1\nrules:\n- {{function: main.{function}, inject: {{set: {set}}}}}\n");
        fs::write(&rules, text).expect("rules are written");
        let mut command = goinject::command(["plan", "--binary"]);
        command.arg(Build::plain("1.27").of("cases")).arg(&rules);
        let outcome = goinject::Running::start(&mut command).end();
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        outcome.stdout
    };
    let fits = plan("slow", "{n: 1}");
    assert!(fits.contains("(engine inline), no trap\n"), "{fits}");
    assert!(
        fits.ends_with("\nengine inline: a jump at each site, no traps\n"),
        "{fits}"
    );
    let hindered = plan("leafMax", "{\"results[0]\": 1}");
    assert!(
        hindered.contains("a trap (engine inline), some microseconds: what comes before"),
        "{hindered}"
    );
    assert!(
        hindered.ends_with("\nengine inline: a trap at 1 of 2 sites, jumps at the others\n"),
        "{hindered}"
    );
}

/// Where memory is missing in each call, in many threads, nothing can be read, and nothing else comes of it.
#[test]
fn faults_of_the_core_harm_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("rules.yaml");
    for version in ["1.15", "1.27"] {
        let text = busy::rules(&["larger"], "") + busy::NOWHERE;
        fs::write(&rules, text).expect("rules are written");
        let json = folder.path().join("json");
        let mut command = goinject::command(["run", "--quiet", "--engine", "inline", "--json"]);
        command.args([&json, &rules]).arg("--");
        command.arg(Build::plain(version).of("busy"));
        command.args(["-calls", "20000", "-only", "larger"]);
        let mut outcome = goinject::Running::start(&mut command).end();
        outcome.json = Outcome::lines(&fs::read_to_string(&json).expect("it is written"));
        let described = format!("Go {version}: {}", outcome.describe());
        let total = busy::total(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {described}"));
        assert_eq!((total.kept, total.replaced), (0, total.calls), "{described}");
        let counts = outcome.counts();
        let nowhere = (counts[1].calls, counts[1].fired, counts[1].failed);
        assert_eq!(nowhere, (total.calls, 0, 0), "{described}");
        assert!(
            outcome.stderr.contains("`c.value == 1` could never be read"),
            "{described}"
        );
        assert!(total.calls >= 20_000, "{described}");
    }
}

#[test]
fn another_engines_writer_is_refused() {
    let (_folder, rules) = rules("1.27");
    let mut command = goinject::command(["run", "--engine", "inline", "--writer", "breakpoints"]);
    command.arg(&rules).arg("--").arg(Build::plain("1.27").of("busy"));
    let outcome = goinject::Running::start(&mut command).end();
    assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
    let expected = "writer breakpoints does not belong to engine inline";
    assert!(outcome.stderr.contains(expected), "{}", outcome.describe());
}

/// Profiles at 1 kHz, traces, dumps of all stacks, commands, signals that debuggers use with handlers of its own, and nil
/// pointers, while every call is changed: each comes to what it would, and no call goes wrong.
#[test]
fn what_watches_or_interrupts_a_program_works_while_calls_are_changed() {
    const ALL: [&str; 6] = ["profile", "trace", "stacks", "exec", "signals", "faults"];
    for version in ["1.15", "1.22", "1.27"] {
        let (_folder, rules) = rules(version);
        for watch in [ALL[0], ALL[1], "stacks,exec", "signals,faults", &ALL.join(",")] {
            let mut command = goinject::command(["run", "--quiet", "--engine", "inline"]);
            command
                .arg(&rules)
                .arg("--")
                .arg(Build::plain(version).of("busy"));
            command.args(["-for", "1500ms", "-watch", watch]);
            let outcome = goinject::Running::start(&mut command).end();
            let described = format!("Go {version}, {watch}: {}", outcome.describe());
            assert_eq!(outcome.code, Some(0), "{described}");
            let total = busy::total(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {described}"));
            assert!(
                total.calls > 10_000 && total.replaced == total.calls,
                "{described}"
            );
            for name in watch.split(',') {
                assert!(
                    outcome.stdout.contains(&format!("watched {name} ")),
                    "{described}"
                );
            }
        }
    }
}

/// A dump that ends the program tells all goroutines, wherever they are.
#[test]
fn sigquit_dumps_goroutines_whose_calls_are_changed() {
    for version in ["1.15", "1.27"] {
        let (_folder, rules) = rules(version);
        let mut command = goinject::command(["run", "--quiet", "--engine", "inline"]);
        command
            .arg(&rules)
            .arg("--")
            .arg(Build::plain(version).of("busy"));
        command.args(["-for", "60s"]).env("GOTRACEBACK", "all");
        let injector = goinject::Running::start(&mut command);
        thread::sleep(Duration::from_secs(2));
        let target = fs::read_dir("/proc").expect("it is there").find_map(|entry| {
            let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let status = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let parent = status
                .rsplit_once(')')?
                .1
                .split_whitespace()
                .nth(1)?
                .parse::<i32>()
                .ok()?;
            (parent == injector.pid() && status.contains("(busy-")).then_some(pid)
        });
        // SAFETY: a process that goinject has started and not waited for yet.
        unsafe { libc::kill(target.expect("goinject has a child"), libc::SIGQUIT) };
        let outcome = injector.end();
        let described = format!("Go {version}: {}", outcome.describe());
        assert!(outcome.stderr.contains("SIGQUIT: quit"), "{described}");
        // Go does not walk those that run in other threads, but tells where they were made.
        let dumped = outcome.stderr.matches("created by main.main").count();
        assert!(
            dumped >= 8 && outcome.stderr.contains("main.main()"),
            "{dumped} {described}"
        );
        for wrong in [
            "fatal error",
            "unexpected return pc",
            "unknown pc",
            "panic during",
        ] {
            assert!(!outcome.stderr.contains(wrong), "{described}");
        }
    }
}

/// C code that calls back, in threads of Go and in its own, and has handlers for signals that debuggers use.
#[test]
fn calls_from_c_are_changed_in_threads_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("rules.yaml");
    let text = "version: 1\nrules:\n- {name: work, function: main.work, inject: {set: {n: 1000}}}\n";
    fs::write(&rules, text).expect("rules are written");
    for version in ["1.15", "1.19", "1.27"] {
        let mut command = goinject::command(["run", "--quiet", "--engine", "inline"]);
        command
            .arg(&rules)
            .arg("--")
            .arg(Build::plain(version).of("callbacks"));
        let outcome = goinject::Running::start(&mut command).end();
        assert_eq!(outcome.code, Some(0), "Go {version}: {}", outcome.describe());
        let expected = "wrong: 0 of 40000\n";
        assert!(
            outcome.stdout.contains(expected),
            "Go {version}: {}",
            outcome.describe()
        );
    }
}

/// A target that writes events itself, which are none: they are counted as dropped, it is told of once, and the rest of the
/// run is as ever.
#[test]
fn what_a_target_writes_among_its_events_is_no_harm() {
    // Of the rings of events: bytes from one to the next, how many there is room for, and how many rings there are.
    const STRIDE: usize = 256;
    const ENTRIES: usize = 1024;
    const RINGS: usize = 16;
    let folder = tempfile::tempdir().expect("a folder");
    let (rules, json) = (folder.path().join("rules.yaml"), folder.path().join("json"));
    let text = "version: 1\nrules:\n- {name: work, function: main.work, inject: {set: {m: 3, err: {message: broken}}}}\n";
    fs::write(&rules, text).expect("rules are written");
    let mut command = goinject::command(["run", "--engine", "inline", "--json"]);
    command.args([&json, &rules]).arg("--");
    command.arg(Build::plain("1.27").of("scribbler"));
    command.args(["-stride", &STRIDE.to_string(), "-entries", &ENTRIES.to_string()]);
    command.args(["-rings", &RINGS.to_string()]);
    let mut outcome = goinject::Running::start(&mut command).end();
    outcome.json = Outcome::lines(&fs::read_to_string(&json).expect("it is written"));
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    assert!(outcome.stdout.contains("written "), "{}", outcome.describe());
    let told = outcome.stderr.matches("has damaged events of its own").count();
    assert_eq!(told, 1, "{}", outcome.describe());
    let end = outcome.of_type("end").next().expect("it ends");
    assert!(end["dropped_events"].as_u64() > Some(0), "{end}");
    let counts = outcome.counts();
    assert!(
        counts[0].applied > 0 && counts[0].applied == counts[0].fired,
        "{end}"
    );
}

/// Nobody is left to switch the rules off, so the lease ends. What is in the program serves traps, and faults of the core.
#[test]
fn faults_end_by_themselves_when_goinject_and_its_guard_are_killed() {
    let (_folder, rules) = rules("1.27");
    let text = fs::read_to_string(&rules).expect("it was written") + busy::NOWHERE;
    fs::write(&rules, text).expect("rules are written");
    let mut command = goinject::command(["run", "--quiet", "--engine", "inline"]);
    command.arg(&rules).arg("--").arg(Build::plain("1.27").of("busy"));
    command.args(["-for", "8s"]).process_group(0);
    let injector = goinject::Running::start(&mut command);
    thread::sleep(Duration::from_secs(1));
    let outcome = injector.kill_with_guard();
    let total = busy::total(&outcome.stdout);
    let total = total.unwrap_or_else(|error| panic!("{error}: {}", outcome.describe()));
    assert!(total.replaced > 0 && total.kept > 0, "{total:?}");
}

/// What the program and goinject have counted of a rule on `larger`, with the numbers of the calls that fired.
fn counted_in_order(when: &str, script: &str) -> (Outcome, busy::Calls, Vec<u64>) {
    let folder = tempfile::tempdir().expect("a folder");
    let (rules, json) = (folder.path().join("rules.yaml"), folder.path().join("json"));
    fs::write(&rules, busy::rules(&["larger"], when)).expect("rules are written");
    let mut command = goinject::command(["run", "--quiet", "--engine", "inline", "--json"]);
    command
        .args([&json, &rules])
        .args(["--", "sh", "-c", script])
        .env("BUSY", Build::plain("1.27").of("busy"));
    let mut outcome = goinject::Running::start(&mut command).end();
    outcome.json = Outcome::lines(&fs::read_to_string(&json).expect("it is written"));
    let mut numbers: Vec<u64> = outcome
        .of_type("fired")
        .map(|event| event["call"].as_u64().expect("a number"))
        .collect();
    numbers.sort_unstable();
    // Lines of several processes, one each.
    let mut total = busy::Calls::default();
    for line in outcome.stdout.lines().filter(|line| line.starts_with("larger ")) {
        let calls = busy::total(line).unwrap_or_else(|error| panic!("{error}: {}", outcome.describe()));
        total.calls += calls.calls;
        total.replaced += calls.replaced;
    }
    (outcome, total, numbers)
}

/// Threads, and processes, that count together: each turn comes once, and no call is lost, also where calls pass in lanes.
#[test]
fn a_turn_by_the_number_of_the_call_comes_once_among_many_threads_and_processes() {
    const ONE: &str = "exec $BUSY -calls 120000 -only larger";
    const THREE: &str = "for n in 1 2 3; do $BUSY -calls 40000 -only larger & done; wait";
    for script in [ONE, THREE] {
        for (when, turns) in [
            ("nth: 100000", vec![100_000]),
            ("every: 1000", (1..=110).map(|n| n * 1000).collect()),
            ("every: 30000, after: 50000", vec![60_000, 90_000, 120_000]),
            ("after: 90000, until: 90003", vec![90_001, 90_002, 90_003]),
            ("every: 70, until: 280", vec![70, 140, 210, 280]),
        ] {
            let (outcome, total, numbers) = counted_in_order(&format!("when: {{{when}}}, "), script);
            let described = format!("{when}: {}", outcome.describe());
            assert_eq!(outcome.code, Some(0), "{described}");
            // They end at some more calls than they were to make.
            let mut turns: Vec<u64> = turns.into_iter().filter(|n| *n <= total.calls).collect();
            if when == "every: 1000" {
                turns.extend((111..).map(|n| n * 1000).take_while(|n| *n <= total.calls));
            }
            assert_eq!(numbers, turns, "{described}");
            let counts = outcome.counts()[0];
            let fired = numbers.len() as u64;
            assert_eq!(
                (counts.calls, counts.matched, counts.fired, counts.failed),
                (total.calls, total.calls, fired, 0),
                "{described}"
            );
            assert!(total.replaced == fired && total.calls >= 120_000, "{described}");
        }
    }
}

/// A process that is killed while its threads count leaves nothing behind that others would wait for or count twice.
#[test]
fn turns_come_once_where_processes_that_count_are_killed() {
    const SCRIPT: &str =
        "for n in 1 2 3 4; do $BUSY -for 60s -only larger & sleep 0.4; kill -9 $!; wait $!; done 2>/dev/null
                          $BUSY -calls 100000 -only larger";
    let (outcome, total, numbers) = counted_in_order("when: {every: 5000}, ", SCRIPT);
    let described = outcome.describe();
    assert_eq!(outcome.code, Some(0), "{described}");
    let counts = outcome.counts()[0];
    assert!(
        counts.matched > total.calls && total.calls >= 100_000,
        "{described}"
    );
    // The last ones are of the process that came to its end. One that was killed may not have told of its last.
    let turns: Vec<u64> = (1..=counts.matched / 5000).map(|n| n * 5000).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{described}");
    assert!(numbers.iter().all(|n| turns.contains(n)), "{described}");
    assert!(
        numbers.len() + 4 >= turns.len() && numbers.last() == turns.last(),
        "{described}"
    );
    assert!(total.replaced.abs_diff(total.calls / 5000) <= 1, "{described}");
}
