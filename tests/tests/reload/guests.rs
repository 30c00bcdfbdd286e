//! The same within guests, whose kernels let BPF write: rules swapped, and leases that end, without goinject between a call and its
//! fault.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use goinject_tests::{Build, Outcome, Writer, busy, guest};

use super::{check_exact, under_way};

/// Runs of goinject in a folder each. What they print is handed out by `told`.
const FUNCTIONS: &str = r#"
mkdir -p /tmp/run && cd /tmp/run
# Until a file has lines with a text; its newest part is enough, and busybox's grep is slow.
until_in() {
	tries=0
	until tail -c 60000 "$1" 2>/dev/null | grep -q "$2"; do
		tries=$((tries+1))
		[ $tries -lt 600 ] || { echo "@@ $2 does not come"; cat err out; exit 9; }
		sleep 0.1
	done
}
swap() {
	cp $1 rules.yaml
	kill -HUP $injector
	until grep -q "read again: generation $2," err; do
		grep -q "rules stay as they were" err && break
		sleep 0.1
	done
}
told() {
	echo "@@ $1"
	cat out
	echo "@code $code"
	grep -v '"type":"fired"' events
	sed 's/^/said: /' err
	rm -f *
}
program() { # WRITER OPTIONS...: what calls its functions until its input ends
	writer=$1; shift
	mkfifo input
	goinject run --quiet --writer $writer --json events "$@" rules.yaml -- $busy -input <input >out 2>err &
	injector=$!
	exec 9>input
}
attached() {
	writer=$1; shift
	mkfifo input
	$busy -input <input >out 2>&1 &
	target=$!
	exec 9>input
	sleep 0.5
	goinject run --quiet --writer $writer --json events --pid $target "$@" rules.yaml 2>err &
	injector=$!
}
"#;

/// Other rules twice, in a program that goinject starts, in one that nobody traces, and in one that runs already.
const SWAPS: &str = r#"
swaps() { # HOW WRITER RULES
	cp /srv/rules/$3.1 rules.yaml
	$1 $2
	for rule in FIRST; do until_in events "\"rule\":\"$rule\""; done
	swap /srv/rules/$3.2 2
	for rule in SECOND; do until_in events "\"generation\":2.*\"rule\":\"$rule\""; done
	swap /srv/rules/$3.3 3
	for rule in THIRD; do until_in events "\"generation\":3.*\"rule\":\"$rule\""; done
	if [ $1 = attached ]; then
		kill -INT $injector; wait $injector; code=$?
		exec 9>&-; wait $target
	else
		exec 9>&-; wait $injector; code=$?
	fi
	told "$1 $2 $3"
}
"#;

/// Calls that wait while rules are swapped.
const UNDER_WAY: &str = r#"
under_way() { # WRITER
	cp /srv/rules/former rules.yaml
	goinject run --quiet --writer $1 --json events rules.yaml -- /srv/waiting go. >out 2>err &
	injector=$!
	until_in out 'inside 1'
	until [ $(grep -c '"function":"main.slow"' events) -ge 2 ]; do sleep 0.1; done
	sleep 0.5
	swap /srv/rules/later 2
	touch go.1 go.2
	wait $injector; code=$?
	told "under_way $1"
}
"#;

/// A goinject that was stopped, alone and together with its watchdog.
const LEASES: &str = r#"
leases() { # WRITER RULES WHO
	sed 's/^rules:/target: {follow: false}\nrules:/' /srv/rules/$2.all >rules.yaml
	program $1 --lease 2s
	until_in events '"type":"fired"'
	sleep 2.5
	# Its own command line is among those that grep reads, and may come first.
	watchdog=$(grep -l '[_]_watchdog' /proc/[0-9]*/cmdline | cut -d / -f 3)
	[ "$watchdog" ] || echo '@@ no watchdog'
	[ $3 = both ] && kill -STOP $watchdog
	kill -STOP $injector
	sleep 5
	exec 9>&-
	until_in out '^deep calls '
	[ $3 = both ] && kill -CONT $watchdog
	[ $3 = both ] && kill -CONT $injector
	wait $injector; code=$?
	told "leases $1 $2 $3"
}
"#;

/// A writer with the program that it can change all the functions of which these rules name.
#[derive(Clone, Copy)]
struct Way {
    writer: Writer,
    version: &'static str,
}

/// The rules of each generation.
const GENERATIONS: [&[&str]; 3] = [
    &["leaf", "number"],
    &["leaf", "result"],
    &["deep", "leaf", "behind"],
];

const USER_MEMORY: Way = Way {
    writer: Writer::UserMemory,
    version: "1.15",
};
const SIGNAL_FRAME: Way = Way {
    writer: Writer::SignalFrame,
    version: "1.27",
};
const CONTEXT: Way = Way {
    writer: Writer::Context,
    version: "1.27",
};

/// What a script printed for each run, by its name.
fn told(text: &str, name: &str) -> Outcome {
    let part = text
        .split("@@ ")
        .find_map(|part| part.strip_prefix(&format!("{name}\n")));
    let part = part.unwrap_or_else(|| panic!("{name} is missing in\n{text}"));
    let (said, part): (Vec<&str>, Vec<&str>) = part.lines().partition(|line| line.starts_with("said: "));
    Outcome {
        stderr: said.join("\n"),
        ..Outcome::of_a_script(&format!("{}\n", part.join("\n")))
    }
}

fn in_a_guest(kernel: &str, ways: &[Way]) {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    write("former", under_way::FORMER);
    write("later", under_way::LATER);
    let mut files = vec![
        (folder.path().to_owned(), PathBuf::from("/srv/rules")),
        (Build::plain("1.27").of("waiting"), PathBuf::from("/srv/waiting")),
    ];
    let mut script = [FUNCTIONS, SWAPS, UNDER_WAY, LEASES].concat();
    for (functions, word) in GENERATIONS.iter().zip(["FIRST", "SECOND", "THIRD"]) {
        script = script.replace(word, &functions.join(" "));
    }
    for way in ways {
        let (writer, version) = (way.writer.name(), way.version);
        for (functions, number) in GENERATIONS.iter().zip(1..) {
            write(
                &format!("{writer}.{number}"),
                &busy::rules(functions, "when: {every: 20}, "),
            );
        }
        write(&format!("{writer}.all"), &busy::rules(&["leaf"], ""));
        let place = PathBuf::from(format!("/srv/busy-{version}"));
        let _ = writeln!(script, "busy={}", place.display());
        if !files.iter().any(|(_, other)| *other == place) {
            files.push((Build::plain(version).of("busy"), place));
        }
        for how in ["program", "attached"] {
            let _ = writeln!(script, "swaps {how} {writer} {writer}");
        }
        if way.writer != Writer::UserMemory {
            let _ = writeln!(script, "under_way {writer}");
        }
        for who in ["one", "both"] {
            let _ = writeln!(script, "leases {writer} {writer} {who}");
        }
    }
    write("script", &script);
    let Some(mut booted) = guest::boot(kernel, &files) else {
        return;
    };
    let limit = Duration::from_secs(120 + 120 * ways.len() as u64);
    let outcome = booted.run(". /srv/rules/script", limit);
    let outcome = outcome.unwrap_or_else(|error| panic!("{error}"));
    println!("Linux {}: {:.0} s", booted.release, outcome.took.as_secs_f64());
    let text = outcome.stdout();
    for way in ways {
        judge(&text, way);
    }
}

fn judge(text: &str, way: &Way) {
    let writer = way.writer.name();
    for (how, code) in [("program", 0), ("attached", 130)] {
        let outcome = told(text, &format!("{how} {writer} {writer}"));
        let said = || format!("{how} {writer}: {}", outcome.describe());
        assert_eq!(outcome.code, Some(code), "{}", said());
        busy::total(&outcome.stdout).unwrap_or_else(|error| panic!("{error}\n{}", said()));
        let counted = busy::counted(&outcome.stdout);
        let last = GENERATIONS[2];
        for rule in GENERATIONS.iter().copied().flatten() {
            let kind = if last.contains(rule) { "rule" } else { "replaced" };
            let calls = counted[*rule];
            check_exact(&outcome, (kind, rule), calls, &said);
        }
        let failed = |line: &serde_json::Value| line["failed"].as_u64() > Some(0);
        assert!(!outcome.json.iter().any(failed), "{}", said());
    }
    if way.writer != Writer::UserMemory {
        under_way::judge(writer, &told(text, &format!("under_way {writer}")));
    }
    for (who, code) in [("one", 128 + libc::SIGKILL), ("both", 0)] {
        let outcome = told(text, &format!("leases {writer} {writer} {who}"));
        let said = || format!("{who}, {writer}: {}", outcome.describe());
        let total = busy::total(&outcome.stdout).unwrap_or_else(|error| panic!("{error}\n{}", said()));
        assert!(total.replaced > 0 && total.kept > 100, "{total:?}: {}", said());
        assert_eq!(total.halfway, 0, "{}", said());
        assert_eq!(outcome.code, Some(code), "{}", said());
    }
}

#[test]
fn guest_6_1_swaps_rules() {
    in_a_guest("6.1", &[USER_MEMORY, SIGNAL_FRAME]);
}

#[test]
fn guest_newest_swaps_rules() {
    in_a_guest("newest", &[CONTEXT, SIGNAL_FRAME]);
}
