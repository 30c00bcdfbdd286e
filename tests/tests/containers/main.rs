//! Real containers, by name: of runc and crun as the tests make them, of Podman, containerd and Docker as those do.

mod managers;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use goinject_tests::bundle::{self, Container, Runtime};
use goinject_tests::goinject::Running;
use goinject_tests::patience::wait_for;
use goinject_tests::{Build, Outcome, Tally, Writer, busy, goinject};

/// The jumps of the inline engine are refused where system calls are filtered.
const WRITERS: [Writer; 2] = [Writer::Tracer, Writer::Breakpoints];

const NEWEST: Build = Build::plain("1.27");

/// Runs rules on the leaf of `busy` against a container. `head` are keys of the file, `more` those of its rule.
struct Injection {
    running: Running,
    folder: tempfile::TempDir,
}

impl Injection {
    fn start(arguments: &[&str], head: &str, more: &str) -> Injection {
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!("{}{head}", busy::rules(&["leaf"], more));
        fs::write(folder.path().join("rules.yaml"), text).expect("rules are written");
        let mut command = goinject::command(["run", "--quiet", "--json", "events", "rules.yaml"]);
        command.args(arguments).current_dir(folder.path());
        Injection {
            running: Running::start(&mut command),
            folder,
        }
    }

    /// Waits until so many of its events have a text.
    fn wait_for(&self, text: &str, number: usize) {
        let events = self.folder.path().join("events");
        let seen = || {
            fs::read_to_string(&events)
                .unwrap_or_default()
                .matches(text)
                .count()
                >= number
        };
        assert!(wait_for(|| seen().then_some(())).is_some(), "no {text}");
    }

    fn end(self) -> Outcome {
        let mut outcome = self.running.end();
        let json = fs::read_to_string(self.folder.path().join("events"));
        outcome.json = Outcome::lines(&json.unwrap_or_default());
        outcome
    }
}

fn inject(arguments: &[&str], head: &str, more: &str) -> Outcome {
    Injection::start(arguments, head, more).end()
}

/// Whether containers can be had; a skip says why not.
fn have_containers() -> bool {
    let refused = bundle::refused();
    if let Some(reason) = &refused {
        Tally::skip("containers", reason);
    }
    refused.is_none()
}

/// Runs against a container to its end, and compares what goinject counted with what the program counted.
fn compare(container: &Container, writer: Writer, more: &[&str]) {
    let mut arguments = vec!["--writer", writer.name(), "--container", &container.id];
    arguments.extend(more);
    let outcome = inject(&arguments, "", "");
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    let leaf = busy::counted(&container.end())["leaf"];
    assert_eq!((leaf.halfway, leaf.wrong), (0, 0), "{leaf:?}");
    let counts = &outcome.counts()[0];
    assert!(counts.applied > 0, "{}", outcome.describe());
    assert_eq!(counts.applied, leaf.replaced, "{}", outcome.describe());
    let process = outcome.of_type("process").next().expect("it is told of");
    assert_eq!(process["namespace_pid"], 1, "{}", outcome.describe());
    assert_ne!(process["pid"], 1, "{}", outcome.describe());
    assert_eq!(process["container"]["name"], container.id.as_str());
    let words = format!("(1 in {}, /bin/app", container.id);
    assert!(outcome.stderr.contains(&words), "{}", outcome.describe());
}

#[test]
fn programs_with_namespaces_of_their_own_are_changed() {
    if !have_containers() {
        return;
    }
    for (runtime, writer) in Runtime::ALL.into_iter().zip(WRITERS) {
        for confined in [false, true] {
            let container = Container::start(
                runtime,
                &NEWEST.of("busy"),
                &["-for", "2s", "-only", "leaf"],
                |config, _| {
                    if confined {
                        bundle::with_user_namespace(config);
                        bundle::with_seccomp(config);
                    }
                },
            );
            compare(&container, writer, &[]);
        }
    }
}

/// A program without debug information, and a file that has it.
fn separated(folder: &Path) -> (PathBuf, PathBuf) {
    let (program, debug) = (folder.join("stripped"), folder.join("elsewhere/app.debug"));
    fs::create_dir(folder.join("elsewhere")).expect("a folder");
    let busy = NEWEST.of("busy");
    let link = format!("--add-gnu-debuglink={}", debug.display());
    for arguments in [
        vec!["--only-keep-debug".as_ref(), busy.as_os_str(), debug.as_os_str()],
        vec![
            "--strip-all".as_ref(),
            link.as_ref(),
            busy.as_os_str(),
            program.as_os_str(),
        ],
    ] {
        let status = Command::new("objcopy").args(&arguments).status();
        assert!(status.is_ok_and(|status| status.success()), "{arguments:?}");
    }
    (program, debug)
}

/// The host has other files under the same names, or none.
#[test]
fn debug_files_are_those_of_the_container() {
    if !have_containers() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (program, debug) = separated(folder.path());
    let rules = folder.path().join("rules.yaml");
    fs::write(&rules, busy::rules(&["leaf"], "")).expect("rules are written");
    let mut check = goinject::command([
        "check".as_ref(),
        rules.as_os_str(),
        "--binary".as_ref(),
        program.as_ref(),
    ]);
    let alone = Running::start(&mut check).end();
    assert_eq!(
        alone.code,
        Some(3),
        "without the file, nothing names the parameter: {}",
        alone.describe()
    );
    let places = ["bin", "usr/lib/debug/bin"];
    for ((runtime, writer), place) in Runtime::ALL.into_iter().zip(WRITERS).zip(places) {
        let arguments = ["-for", "2s", "-only", "leaf"];
        let container = Container::start(runtime, &program, &arguments, |_, root| {
            fs::create_dir_all(root.join(place)).expect("a folder");
            fs::copy(&debug, root.join(place).join("app.debug")).expect("a copy");
        });
        compare(&container, writer, &[]);
    }
}

#[test]
fn processes_that_appear_later_are_taken_in() {
    if !have_containers() {
        return;
    }
    for (runtime, writer) in Runtime::ALL.into_iter().zip(WRITERS) {
        let arguments = ["-for", "5s", "-only", "leaf"];
        let container = Container::start(runtime, &NEWEST.of("busy"), &arguments, |_, _| {});
        let injection = Injection::start(
            &["--writer", writer.name(), "--container", &container.id, "--all"],
            "",
            "when: {every: 100}, ",
        );
        container.exec(&["-for", "4s", "-only", "leaf"]);
        // Rules that are read again act in the same two.
        injection.wait_for("\"type\":\"process\"", 2);
        injection.running.signal(libc::SIGHUP);
        injection.wait_for("\"type\":\"reloaded\"", 1);
        let outcome = injection.end();
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        let results: Vec<_> = outcome.of_type("process_result").collect();
        assert_eq!(results.len(), 2, "{}", outcome.describe());
        for result in &results {
            assert!(result["fired"]["leaf"].as_u64() > Some(0), "{result}");
            assert!(result["namespace_pid"].as_u64().is_some(), "{result}");
        }
        assert_ne!(results[0]["pid"], results[1]["pid"]);
        assert_eq!(outcome.of_type("rule").count(), 1, "one verdict for all");
        assert!(outcome.stderr.contains("leaf fired"), "{}", outcome.describe());
    }
}

/// A terminal takes the first events of a rule only; what each process did is still told.
#[test]
fn processes_whose_events_nobody_takes_are_told_of_in_full() {
    if !have_containers() {
        return;
    }
    let arguments = ["-for", "5s", "-only", "leaf"];
    let container = Container::start(Runtime::Runc, &NEWEST.of("busy"), &arguments, |_, _| {});
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("rules.yaml");
    fs::write(&rules, busy::rules(&["leaf"], "")).expect("rules are written");
    let mut command = goinject::command(["run", "--engine", "inline", "--all", "--container", &container.id]);
    let running = Running::start(command.arg(&rules));
    container.exec(&["-for", "3s", "-only", "leaf"]);
    let outcome = running.end();
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    let lines = outcome.stderr.lines();
    let counts: Vec<u64> = lines
        .filter_map(|line| {
            line.strip_prefix("goinject: process ")?
                .split_once("leaf fired ")?
                .1
                .parse()
                .ok()
        })
        .collect();
    assert_eq!(counts.len(), 2, "{}", outcome.describe());
    assert!(counts.iter().all(|count| *count > 1000), "{}", outcome.describe());
    let sum = counts.iter().sum::<u64>().to_string();
    assert_eq!(outcome.row("leaf")[3], sum, "{}", outcome.describe());
}

/// Whoever started it is back before the runtime has made way for its program; runc has some of the functions of any Go program.
#[test]
fn containers_whose_program_is_about_to_run() {
    if !have_containers() {
        return;
    }
    for runtime in Runtime::ALL {
        let arguments = ["-for", "2s", "-only", "leaf"];
        let container = Container::create(runtime, &NEWEST.of("busy"), &arguments, |_, _| {});
        let id = ["--container", &container.id];
        let injection = Injection::start(&id, "", "");
        thread::sleep(Duration::from_millis(500));
        container.tell("start", &[]);
        let outcome = injection.end();
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        let leaf = busy::counted(&container.end())["leaf"];
        assert!(leaf.replaced > 0, "{leaf:?}: {}", outcome.describe());
        assert_eq!(
            outcome.counts()[0].applied,
            leaf.replaced,
            "{}",
            outcome.describe()
        );
        drop(container);

        let container = Container::create(runtime, &NEWEST.of("busy"), &arguments, |_, _| {});
        let id = ["--container", &container.id];
        let everywhere = "- {name: write, function: \"os.(*File).Write\", inject: {delay: 1ms}}\n";
        let outcome = inject(&id, everywhere, "");
        assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
        let words = "does not run its program yet: start it first";
        assert!(outcome.stderr.contains(words), "{}", outcome.describe());
    }
}

#[test]
fn a_name_in_the_file_and_one_that_is_not_meant() {
    if !have_containers() {
        return;
    }
    let arguments = ["-for", "20s", "-only", "leaf"];
    let container = Container::start(Runtime::Runc, &NEWEST.of("busy"), &arguments, |_, _| {});
    let limits = "limits: {faults: 3}\n";
    let target = |more: &str| format!("{limits}target: {{container: {}{more}}}\n", container.id);
    let outcome = inject(&[], &target(""), "");
    assert_eq!(outcome.code, Some(5), "{}", outcome.describe());
    let refused = |arguments: &[&str], head: &str, more: &str, words: &[&str]| {
        let outcome = inject(arguments, head, more);
        assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
        for words in words {
            assert!(outcome.stderr.contains(words), "{words}: {}", outcome.describe());
        }
    };
    let typo = format!("{}x", container.id);
    // Other tests have containers at the same time, with names that are as near.
    let meant = format!("`{}`", container.id);
    refused(
        &["--container", &typo],
        "",
        "",
        &[&format!("no container `{typo}`"), "did you mean", &meant],
    );
    container.exec(&["-for", "20s", "-only", "leaf"]);
    refused(
        &["--container", &container.id],
        "",
        "",
        &[
            "2 processes in container",
            "`--all`",
            ", 1 in the container: /bin/app",
        ],
    );
    // All of them, as the file asks.
    let outcome = inject(&[], &target(", all: true"), "");
    assert_eq!(outcome.code, Some(5), "{}", outcome.describe());
    assert_eq!(outcome.of_type("process").count(), 2, "{}", outcome.describe());
    refused(
        &["--container", &container.id],
        "",
        "program: shop, ",
        &["no process in container", "no rule is for a program of this name"],
    );
    container.tell("pause", &[]);
    refused(&["--container", &container.id], "", "", &["is paused"]);
    container.tell("resume", &[]);
    let outcome = inject(&["--pid", "1", "--container", "x"], "", "");
    assert_eq!(outcome.code, Some(2), "{}", outcome.describe());
    let outcome = inject(&["--all"], "", "");
    assert_eq!(outcome.code, Some(2), "{}", outcome.describe());
    assert!(
        outcome.stderr.contains("--container NAME"),
        "{}",
        outcome.describe()
    );
}

#[test]
fn containers_that_stop_or_have_no_go_program() {
    if !have_containers() {
        return;
    }
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from);
    let busybox = busybox
        .into_iter()
        .find(|path| path.exists())
        .expect("`cargo xtask setup` installs it");
    let arguments = ["sh", "-c", "echo started; exec /bin/app sleep 60"];
    let container = Container::start(Runtime::Runc, &busybox, &arguments, |config, rootfs| {
        fs::rename(rootfs.join("bin/app"), rootfs.join("bin/busybox")).expect("renamed");
        std::os::unix::fs::symlink("busybox", rootfs.join("bin/app")).expect("a link");
        config["process"]["args"][0] = "/bin/busybox".into();
        config["process"]["args"][3] = "echo started; exec /bin/busybox sleep 60".into();
    });
    let outcome = inject(&["--container", &container.id], "", "");
    assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
    assert!(
        outcome.stderr.contains("no Go program runs in it"),
        "{}",
        outcome.describe()
    );
    // Until one runs, all are waited for, but not beyond the limit.
    let outcome = inject(
        &["--container", &container.id, "--all"],
        "limits: {duration: 1s}\n",
        "",
    );
    assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
    assert!(
        outcome.stderr.contains("waiting for one"),
        "{}",
        outcome.describe()
    );
    container.tell("kill", &["KILL"]);
    let stopped = || inject(&["--container", &container.id], "", "");
    let mut outcome = stopped();
    for _ in 0..20 {
        if outcome.stderr.contains("does not run") {
            break;
        }
        outcome = stopped();
    }
    assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
    assert!(
        outcome.stderr.contains("does not run: start it first"),
        "{}",
        outcome.describe()
    );
}

/// What several programs of a container lack is told once, as in a run of a command.
#[test]
fn a_function_that_no_program_has_is_told_once() {
    if !have_containers() {
        return;
    }
    let arguments = ["-for", "20s", "-only", "leaf"];
    let container = Container::start(Runtime::Runc, &NEWEST.of("busy"), &arguments, |_, rootfs| {
        fs::copy(NEWEST.of("waiting"), rootfs.join("bin/other")).expect("a copy");
    });
    container.exec_program("/bin/other", &["/nowhere"]);
    let folder = tempfile::tempdir().expect("a folder");
    let rules = "version: 1\nrules:\n- {function: main.leav, inject: {set: {a: 1}}}\n";
    fs::write(folder.path().join("rules.yaml"), rules).expect("rules are written");
    let mut command = goinject::command(["run", "rules.yaml", "--container", &container.id]);
    let outcome = Running::start(command.current_dir(folder.path())).end();
    assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
    assert_eq!(
        outcome.stderr.matches("error: ").count(),
        1,
        "{}",
        outcome.describe()
    );
    let words = [
        "there is no function `main.leav`",
        "looked for in app, other",
        "did you mean `main.leaf`?",
    ];
    for words in words {
        assert!(outcome.stderr.contains(words), "{words}: {}", outcome.describe());
    }
}
