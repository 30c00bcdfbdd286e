//! AppArmor and SELinux in guests, whose kernels are booted with them: what each refuses, goinject says so.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use goinject_lab::{Cache, Published};
use goinject_tests::{Outcome, Tally, Verdict, Writer, guest};

use super::NEWEST;
use super::guests::told;
use super::ways::{rule_files, unrefused, unsuccessful};

/// goinject under a label, on a process under another one or on a command of its own.
struct Trial {
    label: &'static str,
    target: Option<&'static str>,
    options: &'static str,
    /// What it says of a refusal, or of the engine that it takes instead; none where it just works.
    says: Expected,
}

enum Expected {
    Works,
    TakesAnother(&'static str),
    Refused(&'static [&'static str]),
}

use Expected::{Refused, TakesAnother, Works};

const fn on_process(
    label: &'static str,
    target: &'static str,
    options: &'static str,
    says: Expected,
) -> Trial {
    Trial {
        label,
        target: Some(target),
        options,
        says,
    }
}

const fn on_command(label: &'static str, options: &'static str, says: Expected) -> Trial {
    Trial {
        label,
        target: None,
        options,
        says,
    }
}

const TRACER: &str = "--writer tracer";
const PTRACE: &str = "--engine ptrace";
/// So many sites that jumps are preferred to every writer.
const MANY: &str = "/srv/many.yaml";
/// The next engine has some reason for it.
const NO_CODE: &str =
    " (cannot put the inline engine's code into the target: SELinux (context `u:r:hard_t`) lets process";

const APPARMOR: [Trial; 7] = [
    on_process("unconfined", "like-docker", TRACER, Works),
    on_process("like-docker", "like-docker", PTRACE, Works),
    on_process(
        "like-docker",
        "other",
        TRACER,
        Refused(&[
            "AppArmor (profile `like-docker`) keeps goinject from process",
            "which is under AppArmor (profile `other`)",
            "docker: `--security-opt apparmor=unconfined`",
        ]),
    ),
    on_process(
        "like-docker",
        "unconfined",
        PTRACE,
        Refused(&["AppArmor (profile `like-docker`) keeps goinject from process"]),
    ),
    on_command(
        "no-ptrace",
        PTRACE,
        Refused(&[
            "AppArmor (profile `no-ptrace`) refuses ptrace",
            "have profile `no-ptrace` allow `ptrace (read, trace)`",
        ]),
    ),
    on_command(
        "no-bpf",
        TRACER,
        Refused(&[
            "AppArmor (profile `no-bpf`) refuses BPF",
            "allow `capability bpf, capability perfmon`",
        ]),
    ),
    on_command(
        "no-bpf",
        "",
        TakesAnother("engine inline, writer trampoline (AppArmor (profile `no-bpf`) refuses BPF)"),
    ),
];

const SELINUX: [Trial; 10] = [
    on_process("u:r:free_t", "u:r:hard_t", TRACER, Works),
    on_process(
        "u:r:free_t",
        "u:r:hard_t",
        PTRACE,
        Refused(&[
            "SELinux (context `u:r:hard_t`) lets process",
            "no code but that of its file",
            "allow `process execmem` to `u:r:hard_t`, or use --engine bpf",
        ]),
    ),
    on_process("u:r:free_t", "u:r:hard_t", MANY, TakesAnother(NO_CODE)),
    on_command("u:r:hard_t", MANY, TakesAnother(NO_CODE)),
    on_command(
        "u:r:hard_t",
        "--engine inline",
        Refused(&["SELinux (context `u:r:hard_t`) lets process"]),
    ),
    on_process(
        "u:r:still_t",
        "u:r:free_t",
        PTRACE,
        Refused(&[
            "SELinux (context `u:r:still_t`) refuses ptrace",
            "in containers `spc_t`",
            "allow `process ptrace`",
        ]),
    ),
    // Its writer needs no tracing, but starting does: the command must not run as if there were no rules.
    on_command(
        "u:r:still_t",
        "--writer signal-frame",
        Refused(&[
            "SELinux (context `u:r:still_t`) refuses ptrace",
            "allow `process ptrace` to `u:r:still_t`",
        ]),
    ),
    on_process("u:r:nobpf_t", "u:r:free_t", PTRACE, Works),
    on_command(
        "u:r:nobpf_t",
        TRACER,
        Refused(&["SELinux (context `u:r:nobpf_t`) refuses BPF", "allow `bpf`"]),
    ),
    on_command(
        "u:r:nobpf_t",
        "",
        TakesAnother("engine inline, writer trampoline (SELinux (context `u:r:nobpf_t`) refuses BPF)"),
    ),
];

impl Trial {
    fn script(&self) -> String {
        let label = self.label;
        let rules = match self.options {
            MANY => "",
            _ => "/srv/number.yaml",
        };
        let goinject = format!("under {label} goinject run --quiet {} {rules}", self.options);
        match self.target {
            None => format!("({goinject} -- /srv/busy -only number -calls 3000)"),
            Some(target) => format!(
                "(under {target} /srv/busy -only number -for 100s) >/dev/null 2>&1 &\n\
                 p=$!\n\
                 until grep -q busy /proc/$p/comm; do sleep 0.05; done\n\
                 ({goinject} --pid $p)\n\
                 code=$?\n\
                 kill -KILL $p\n\
                 (exit $code)"
            ),
        }
    }

    fn judge(&self, outcome: &Outcome) -> Verdict {
        let wrong = match &self.says {
            Works => unsuccessful(outcome),
            TakesAnother(words) if outcome.stderr.contains(words) => unsuccessful(outcome),
            TakesAnother(words) => Some(format!("it should say `{words}`: {}", outcome.describe())),
            Refused(_) if outcome.stderr.contains("started ") => {
                Some(format!("it ran without rules: {}", outcome.describe()))
            }
            Refused(words) => unrefused(outcome, words),
        };
        wrong.map_or(Verdict::Passed, |why| {
            Verdict::Failed(format!("{}\n{why}", self.script()))
        })
    }

    fn writer(&self) -> Writer {
        match self.options {
            TRACER => Writer::Tracer,
            "--engine inline" => Writer::Trampoline,
            "--writer signal-frame" => Writer::SignalFrame,
            _ => Writer::Breakpoints,
        }
    }
}

/// A rule file with more rules, whose functions have more than a hundred sites.
fn many(rules: &str) -> String {
    let more = ["fmt", "reflect"].map(|package| {
        format!(
            "- {{name: {package}, function: {{glob: '{package}.*', max_matches: 1000}}, when: {{after: 1h}}, inject: {{delay: 1us}}, expect: {{fired: 0}}}}\n"
        )
    });
    rules.replacen("limits:", &format!("{}limits:", more.concat()), 1)
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/security")
        .join(name)
}

fn program(name: &str) -> PathBuf {
    let published = Published::find(name).expect("it is in the table");
    published
        .program(&Cache::from_env())
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Tries all in a guest under a module, which `prepare` sets up; then `doctor` under a label that may not use BPF. `label` is what
/// is written for the label of the next program.
fn in_a_guest(
    module: &str,
    files: &[(PathBuf, PathBuf)],
    prepare: &str,
    label: &str,
    trials: &[Trial],
    without_bpf: &str,
) {
    let mut script = format!(
        "{prepare}\nunder() {{ exec sh -c 'printf \"{label}\" \"$0\" >/proc/self/attr/exec || exit 9; exec \"$@\"' \"$@\"; }}\n"
    );
    for (number, trial) in trials.iter().enumerate() {
        let trial = trial.script();
        let _ = writeln!(
            script,
            "{{ {trial}; }} >/tmp/said 2>&1; echo \"@@ {number} $?\"; cat /tmp/said"
        );
    }
    let _ = writeln!(
        script,
        "echo '@@ doctor 0'; (under {without_bpf} goinject doctor)"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let [_, (_, number)] = rule_files();
    let mut all = vec![(NEWEST.of("busy"), PathBuf::from("/srv/busy"))];
    for (name, text) in [("number.yaml", number.clone()), ("many.yaml", many(&number))] {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("rules");
        all.push((path, Path::new("/srv").join(name)));
    }
    all.extend_from_slice(files);
    let arguments = [format!("{module}=1"), format!("security={module}")];
    let Some(mut booted) = guest::boot_with("6.12", &all, &arguments) else {
        return;
    };
    let outcome = booted.run(&script, Duration::from_secs(60 + 20 * trials.len() as u64));
    let outcome = outcome.unwrap_or_else(|error| panic!("{error}"));
    println!("{} trials took {:.0} s", trials.len(), outcome.took.as_secs_f64());
    let said = outcome.stdout();
    let (said, doctor) = said
        .split_once("@@ doctor 0\n")
        .unwrap_or_else(|| panic!("{said}\n{}", outcome.stderr()));
    let mut tally = Tally::new(format!("{module}, Linux 6.12"));
    let mut parts = said.split("@@ ").skip(1);
    for trial in trials {
        let outcome = told(parts.next().unwrap_or_default());
        tally.add(trial.writer(), trial.judge(&outcome));
    }
    let words = format!("`{without_bpf}`) refuses BPF");
    assert!(
        doctor.contains(&words) && doctor.contains("\ninside "),
        "{words}: {doctor}"
    );
    tally.finish();
}

#[test]
fn guest_6_12_with_apparmor_names_the_profile() {
    let files = [
        (program("apparmor_parser"), PathBuf::from("/bin/apparmor_parser")),
        (fixture("apparmor.profiles"), PathBuf::from("/srv/profiles")),
    ];
    let prepare = "mount -t securityfs none /sys/kernel/security 2>/dev/null\napparmor_parser -K -r /srv/profiles || exit 8";
    in_a_guest("apparmor", &files, prepare, "exec %s", &APPARMOR, "no-bpf");
}

#[test]
fn guest_6_12_with_selinux_names_the_context() {
    let folder = tempfile::tempdir().expect("a folder");
    let policy = folder.path().join("policy");
    // The version is one that all kernels of the guests know.
    let mut command = Command::new(program("checkpolicy"));
    command
        .args(["-U", "allow", "-c", "33", "-o"])
        .arg(&policy)
        .arg(fixture("selinux.conf"));
    let output = command.output().expect("checkpolicy starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // It is loaded by one system call.
    let prepare = "mount -t selinuxfs none /sys/fs/selinux || exit 8\n\
                   dd if=/srv/policy of=/sys/fs/selinux/load bs=1M count=1 2>/dev/null || exit 8\n\
                   echo 1 >/sys/fs/selinux/enforce";
    in_a_guest(
        "selinux",
        &[(policy, PathBuf::from("/srv/policy"))],
        prepare,
        "%s",
        &SELINUX,
        "u:r:nobpf_t",
    );
}
