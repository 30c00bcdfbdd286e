//! The same in guests, where BPF may write and Yama can be set.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use goinject_tests::{Outcome, Tally, Writer, guest};

use super::ways::{ANYWHERE, CONTEXT, IN_KERNEL, Way, Whose, rule_files, unrefused, unsuccessful};
use super::{NEWEST, note};

/// A script, and what is to come of it.
struct Trial {
    writer: Writer,
    script: String,
    /// The words of the refusal; none where it works.
    words: Vec<String>,
}

impl Trial {
    fn judge(&self, outcome: &Outcome, tally: &mut Tally) {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let wrong = match words.is_empty() {
            true => unsuccessful(outcome),
            false => unrefused(outcome, &words),
        };
        note(tally, self.writer, &self.script, wrong);
    }
}

/// A way with all that it needs, and with each of that taken away.
fn taken_away(way: &Way) -> Vec<Trial> {
    let trial = |script, words| Trial {
        writer: way.writer,
        script,
        words,
    };
    let with = trial(way.by_name(way.needs), Vec::new());
    let without = way.without_each().into_iter();
    let without = without
        .map(|(left, missing)| trial(way.by_name(&left), vec![missing, "goinject as root".to_owned()]));
    std::iter::once(with).chain(without).collect()
}

/// What goinject says of a run with every capability of BPF where it may not trace.
fn promise(arguments: &str, words: &str) -> Trial {
    let held = "+sys_admin,+dac_override";
    Trial {
        writer: Writer::SignalFrame,
        script: format!(
            "set -o pipefail\n\
             setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps {held} --ambient-caps {held} ./goinject {arguments}"
        ),
        words: vec![words.to_owned(), "give goinject CAP_SYS_PTRACE".to_owned()],
    }
}

/// The stages of Yama, in the order in which they can be set: the last one stays.
fn yama() -> Vec<Trial> {
    let way = |whose| {
        *ANYWHERE
            .iter()
            .find(|way| way.whose == whose)
            .expect("such a way")
    };
    let (started, own) = (way(Whose::Started), way(Whose::Own));
    let stage = |scope: u8, way: Way, capabilities: &[&str], words: &[&str]| Trial {
        writer: way.writer,
        script: format!(
            "echo {scope} >/proc/sys/kernel/yama/ptrace_scope\n{}",
            way.by_name(capabilities)
        ),
        words: words.iter().map(|words| (*words).to_owned()).collect(),
    };
    let ptrace = &["sys_ptrace"];
    vec![
        stage(0, own, &[], &[]),
        stage(1, started, &[], &[]),
        stage(
            1,
            own,
            &[],
            &[
                "kernel.yama.ptrace_scope is 1",
                "start the program through goinject",
            ],
        ),
        stage(1, own, ptrace, &[]),
        stage(
            2,
            started,
            &[],
            &["kernel.yama.ptrace_scope is 2", "give goinject CAP_SYS_PTRACE"],
        ),
        stage(2, started, ptrace, &[]),
        stage(
            2,
            own,
            &[],
            &["kernel.yama.ptrace_scope is 2", "give goinject CAP_SYS_PTRACE"],
        ),
        stage(2, own, ptrace, &[]),
        // BPF could write everything, if anything could be started.
        promise(
            "run number.yaml -- ./busy -only number -calls 3000",
            "\n  bpf: kernel.yama.ptrace_scope is 2\n",
        ),
        promise(
            "check number.yaml --binary ./busy",
            "\n  bpf: kernel.yama.ptrace_scope is 2\n",
        ),
        promise(
            "doctor | tr -s ' '",
            "\n that set floating-point registers nothing: kernel.yama.ptrace_scope is 2\n",
        ),
        promise(
            "doctor | tr -s ' '",
            "\nengine bpf no: kernel.yama.ptrace_scope is 2\n",
        ),
        stage(3, started, ptrace, &["nobody may trace", "ptrace"]),
    ]
}

fn in_a_guest(kernel: &str, trials: &[Trial]) {
    let title = format!("capabilities taken away, Linux {kernel}");
    let folder = tempfile::tempdir().expect("a folder");
    let mut script = String::from("cd /srv\nmount -t securityfs none /sys/kernel/security 2>/dev/null\n");
    for (number, trial) in trials.iter().enumerate() {
        let name = format!("{number}.sh");
        // busybox has a setpriv of its own, which can do less.
        let text = trial.script.replace("setpriv", "/srv/setpriv");
        fs::write(folder.path().join(&name), text).expect("written");
        let _ = writeln!(
            script,
            "timeout -s KILL 60 sh /srv/trials/{name} >/tmp/said 2>&1; echo \"@@ {number} $?\"; cat /tmp/said"
        );
    }
    let mut files: Vec<(PathBuf, PathBuf)> = vec![
        (NEWEST.of("busy"), PathBuf::from("/srv/busy")),
        (
            goinject_tests::goinject::program(),
            PathBuf::from("/srv/goinject"),
        ),
        (PathBuf::from("/usr/bin/setpriv"), PathBuf::from("/srv/setpriv")),
        (folder.path().to_owned(), PathBuf::from("/srv/trials")),
    ];
    let rules = tempfile::tempdir().expect("a folder");
    for (name, text) in rule_files() {
        fs::write(rules.path().join(&name), text).expect("rules");
        files.push((rules.path().join(&name), PathBuf::from("/srv").join(name)));
    }
    let Some(mut booted) = guest::boot(kernel, &files) else {
        return;
    };
    let mut tally = Tally::new(title);
    let limit = Duration::from_secs(60 + 20 * trials.len() as u64);
    let outcome = booted
        .run(&script, limit)
        .unwrap_or_else(|error| panic!("{error}"));
    println!("{} trials took {:.0} s", trials.len(), outcome.took.as_secs_f64());
    let said = outcome.stdout();
    let mut parts = said.split("@@ ").skip(1);
    for trial in trials {
        let outcome = told(parts.next().unwrap_or_default());
        trial.judge(&outcome, &mut tally);
    }
    tally.finish();
}

/// What a trial's part of the output tells: its number and exit status in the first line, then what goinject said.
pub(crate) fn told(part: &str) -> Outcome {
    let (head, text) = part.split_once('\n').unwrap_or_default();
    let code = head
        .split_once(' ')
        .and_then(|(_, code)| code.trim().parse().ok());
    Outcome {
        code,
        stderr: text.to_owned(),
        ..Outcome::default()
    }
}

#[test]
fn guest_6_1_takes_capabilities_away() {
    in_a_guest("6.1", &IN_KERNEL.iter().flat_map(taken_away).collect::<Vec<_>>());
}

#[test]
fn guest_6_12_takes_capabilities_and_tracing_away() {
    let tracer = ANYWHERE.iter().filter(|way| way.writer == Writer::Tracer);
    let ways = IN_KERNEL.iter().chain(tracer);
    let trials: Vec<Trial> = ways.flat_map(taken_away).chain(yama()).collect();
    in_a_guest("6.12", &trials);
}

#[test]
fn guest_newest_takes_capabilities_away() {
    let ways = IN_KERNEL.iter().chain(&CONTEXT);
    in_a_guest("newest", &ways.flat_map(taken_away).collect::<Vec<_>>());
}
