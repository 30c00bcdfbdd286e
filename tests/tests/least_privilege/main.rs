//! The least privileges that each engine and writer works with: with what is documented and nothing else it works; with one
//! of that taken away it is refused, or the next engine is taken, with a reason that names what is missing.

mod filters;
mod guests;
mod modules;
mod namespaces;
mod ways;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use goinject_tests::goinject::{self, Running};
use goinject_tests::{Build, Outcome, Tally, Verdict, Writer};

use ways::{ANYWHERE, IN_KERNEL, Way, Whose, rule_files, unrefused, unsuccessful};

const NEWEST: Build = Build::plain("1.27");

/// A folder for all, with goinject, a target and rules.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a folder for all");
        for (name, program) in [("goinject", goinject::program()), ("busy", NEWEST.of("busy"))] {
            fs::copy(program, folder.path().join(name)).expect("a copy");
        }
        for (name, text) in rule_files() {
            fs::write(folder.path().join(name), text).expect("rules");
        }
        Place(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .current_dir(self.path())
            .env("NO_COLOR", "1")
            .env_remove("GITHUB_ACTIONS")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, script: &str) -> Outcome {
        Running::start(&mut self.shell(script)).end()
    }
}

/// Why nothing can be taken away here: only root has it.
fn refused() -> Option<String> {
    // SAFETY: geteuid has no preconditions.
    (unsafe { libc::geteuid() } != 0).then(|| "only root has capabilities to take away".to_owned())
}

/// `kernel.yama.ptrace_scope`, where there is Yama.
fn yama() -> Option<u8> {
    let text = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").ok()?;
    text.trim().parse().ok()
}

/// Notes how a script came out; `wrong` says what is wrong with that.
fn note(tally: &mut Tally, writer: Writer, script: &str, wrong: Option<String>) {
    let verdict = match wrong {
        Some(why) => Verdict::Failed(format!("{script}\n{why}")),
        None => Verdict::Passed,
    };
    tally.add(writer, verdict);
}

fn with_and_without(place: &Place, way: &Way, tally: &mut Tally) {
    let script = way.by_name(way.needs);
    let outcome = place.run(&script);
    note(tally, way.writer, &script, unsuccessful(&outcome));
    for (left, missing) in way.without_each() {
        let script = way.by_name(&left);
        let wrong = unrefused(&place.run(&script), &[&missing, "goinject as root"]);
        note(tally, way.writer, &script, wrong);
    }
}

#[test]
fn each_capability_that_is_taken_away_is_named() {
    let title = "capabilities taken away";
    if let Some(reason) = refused() {
        return Tally::skip(title, &reason);
    }
    let mut tally = Tally::new(title);
    let place = Place::new();
    for way in ANYWHERE {
        match yama().filter(|scope| way.whose == Whose::Own && *scope > 0) {
            Some(scope) => {
                let reason = format!("kernel.yama.ptrace_scope is {scope}");
                tally.add(way.writer, Verdict::Skipped(reason));
            }
            None => with_and_without(&place, &way, &mut tally),
        }
    }
    for way in IN_KERNEL {
        let words = "kernel lockdown refuses BPF writes";
        let locked_down = place.run(&way.by_name(way.needs)).stderr.contains(words);
        match locked_down {
            true => tally.add(way.writer, Verdict::Skipped(words.to_owned())),
            false => with_and_without(&place, &way, &mut tally),
        }
    }
    tally.finish();
}

/// Where nobody asks for an engine, the next one is taken, and says why.
#[test]
fn the_next_engine_is_taken_without_a_capability_and_says_why() {
    if let Some(reason) = refused() {
        return Tally::skip("engines taken in the place of others", &reason);
    }
    let place = Place::new();
    let way = ANYWHERE[4];
    assert_eq!((way.writer, way.whose), (Writer::Tracer, Whose::Started));
    for (left, missing) in way.without_each() {
        let outcome = place.run(&way.script("", &left));
        assert_eq!(unsuccessful(&outcome), None, "{left:?}");
        let words = format!("engine inline, writer trampoline (BPF needs {missing})");
        assert!(
            outcome.stderr.contains(&words),
            "{left:?}: {}",
            outcome.describe()
        );
    }
}

/// Root of a container that has only some of root's capabilities: what its images ask for.
#[test]
fn root_with_few_capabilities_reaches_processes_of_others() {
    if let Some(reason) = refused() {
        return Tally::skip("root with few capabilities", &reason);
    }
    let place = Place::new();
    let as_root = |way: &Way, capabilities: &[&str]| {
        let few: String = capabilities.iter().map(|name| format!(",+{name}")).collect();
        let own = "setpriv --reuid 65534 --regid 65534 --clear-groups ";
        let script = way.script("--engine ptrace", &[]);
        let (before, goinject) = script.split_once(" ./goinject").expect("it is started");
        let before = before.rsplit_once(own).expect("as nobody").0;
        place.run(&format!(
            "{before}setpriv --bounding-set=-all{few} ./goinject{goinject}"
        ))
    };
    let way = ANYWHERE[2];
    assert_eq!(way.whose, Whose::Foreign);
    assert_eq!(unsuccessful(&as_root(&way, way.needs)), None);
    for (left, missing) in way.without_each() {
        assert_eq!(unrefused(&as_root(&way, &left), &[&missing]), None, "{left:?}");
    }
}

/// What `doctor` says agrees with what was tried.
#[test]
fn doctor_lists_what_is_there() {
    if let Some(reason) = refused() {
        return Tally::skip("what doctor lists", &reason);
    }
    let place = Place::new();
    let needs = |held: &str| {
        let outcome = place.run(&format!(
            "setpriv --reuid 65534 --regid 65534 --clear-groups {held} ./goinject doctor --format json"
        ));
        let told: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("JSON");
        let rows = told["needs"].as_array().expect("rows").clone();
        move |of: &str, need: &str| {
            let is_it = |row: &&serde_json::Value| {
                row["of"] == of && row["need"].as_str().is_some_and(|text| text.starts_with(need))
            };
            rows.iter().find(is_it).expect("such a row")["here"].clone()
        }
    };
    let none = needs("");
    for (of, need) in [
        ("bpf", "CAP_BPF"),
        ("bpf", "CAP_PERFMON"),
        ("bpf, user-memory", "CAP_SYS_ADMIN"),
        ("bpf, signal-frame", "CAP_SYS_ADMIN"),
        ("process of another user", "CAP_SYS_PTRACE"),
        ("process of another user", "CAP_DAC_OVERRIDE"),
    ] {
        assert_eq!(none(of, need), "no", "{of}: {need}");
        let name = need.trim_start_matches("CAP_").to_lowercase();
        let one = needs(&format!("--inh-caps +{name} --ambient-caps +{name}"));
        assert_eq!(one(of, need), "yes", "{of}: {need}");
    }
    assert_eq!(none("inline", "ptrace"), "yes");
    assert_eq!(none("inline", "memfd_create"), "yes");
}
