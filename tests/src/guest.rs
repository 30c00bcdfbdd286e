//! Batches in a guest: one boot, one script, everything in and out in one go.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use goinject_lab::guest::{quote, refused};
use goinject_lab::{Booted, Cache, Guest};

use crate::goinject::program;
use crate::{Batch, Outcome, Tally};

/// How long one run of goinject may take in an emulated guest, in seconds.
const LIMIT: u64 = 120;

/// Runs a batch, unless it was run already: number, options and command follow. The events themselves stay in the guest,
/// as a serial line is slow. What a batch left behind is handed out in one piece.
const BATCH: &str = r#"
batch() {
	number=$1
	mkdir /tmp/taken.$number 2>/dev/null || return
	shift
	timeout -s KILL LIMIT goinject run --quiet --json /tmp/$number.json /srv/batches/$number.yaml "$@" \
		>/tmp/$number.out 2>/tmp/$number.err
	code=$?
	until mkdir /tmp/output 2>/dev/null; do sleep 0.1; done
	printf '@@ %s code %s\n' $number $code
	cat /tmp/$number.out
	printf '\n@@ %s error\n' $number
	cat /tmp/$number.err
	printf '\n@@ %s json\n' $number
	grep -v '"type":"fired"' /tmp/$number.json
	rmdir /tmp/output
	rm -f /tmp/$number.*
}
"#;

/// The lanes go through the same batches, and each takes what is not taken yet: one for each processor.
const LANES: &str = "lane & lane & wait\n";

/// How a guest's two processors are emulated, where they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Processors {
    /// For many short runs, in which the emulator's slips are too rare to be seen.
    AtOnce,
    /// For very many hits.
    InTurn,
}

/// A guest with a kernel, goinject and some files, for very many hits; or none where the user wants none (which is
/// said).
///
/// # Panics
/// If it does not boot.
#[must_use]
pub fn boot(kernel: &str, files: &[(PathBuf, PathBuf)]) -> Option<Booted> {
    start(kernel, files, &[], Processors::InTurn)
}

/// The same with more on the kernel's command line.
///
/// # Panics
/// If it does not boot.
#[must_use]
pub fn boot_with(kernel: &str, files: &[(PathBuf, PathBuf)], arguments: &[String]) -> Option<Booted> {
    start(kernel, files, arguments, Processors::InTurn)
}

fn start(
    kernel: &str,
    files: &[(PathBuf, PathBuf)],
    arguments: &[String],
    processors: Processors,
) -> Option<Booted> {
    if let Some(reason) = refused() {
        Tally::skip(&format!("Linux {kernel}"), reason);
        return None;
    }
    let build = || {
        let mut guest = Guest::new(&Cache::from_env(), kernel)?.program(program(), "/bin/goinject")?;
        for (host, place) in files {
            guest = match host.is_dir() {
                true => guest.file(host, place)?,
                false => guest.program(host, place)?,
            };
        }
        if processors == Processors::InTurn {
            guest = guest.in_turn();
        }
        for argument in arguments {
            guest = guest.kernel_argument(argument);
        }
        guest.env("NO_COLOR", "1").boot()
    };
    match build() {
        Ok(booted) => Some(booted),
        Err(error) => panic!("{error} (or set GOINJECT_NO_GUEST=1)"),
    }
}

/// Runs batches in a guest of their own and notes how they came out. False where no guest is wanted.
///
/// # Panics
/// If the guest does not boot, or crashes.
pub fn run(kernel: &str, batches: &[Batch<'_>], tally: &mut Tally) -> bool {
    let folder = tempfile::tempdir().expect("a folder for rule files");
    let mut files = vec![(folder.path().to_owned(), PathBuf::from("/srv/batches"))];
    let mut programs: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    let mut script = BATCH.replace("LIMIT", &LIMIT.to_string());
    script.push_str("lane() {\n");
    for (number, batch) in batches.iter().enumerate() {
        let rules = folder.path().join(format!("{number}.yaml"));
        fs::write(rules, batch.rules()).expect("rules are written");
        let host = batch.program();
        let name = host.file_name().expect("a fixture has a name");
        let place = PathBuf::from("/srv/programs").join(name);
        let writer = batch.writer.name();
        let _ = write!(
            script,
            "batch {number} --writer {writer} -- {}",
            quote(&place.to_string_lossy())
        );
        for argument in batch.arguments() {
            let _ = write!(script, " {}", quote(argument));
        }
        script.push('\n');
        programs.insert(host, place);
    }
    script.push_str("}\n");
    script.push_str(LANES);
    fs::write(folder.path().join("run.sh"), script).expect("the script is written");
    files.extend(programs);
    let Some(mut guest) = start(kernel, &files, &[], Processors::AtOnce) else {
        return false;
    };
    let limit = Duration::from_secs(30 + 20 * batches.len() as u64);
    let outcome = guest
        .run(". /srv/batches/run.sh", limit)
        .unwrap_or_else(|error| panic!("{error}"));
    println!(
        "Linux {} booted in {:.1} s; {} runs took {:.0} s",
        guest.release,
        guest.boot_time.as_secs_f64(),
        batches.len(),
        outcome.took.as_secs_f64()
    );
    let mut outcomes = outcomes(&outcome.stdout());
    for (number, batch) in batches.iter().enumerate() {
        batch.judge(&outcomes.remove(&number).unwrap_or_default(), tally);
    }
    true
}

/// Takes the script's output apart.
fn outcomes(output: &str) -> BTreeMap<usize, Outcome> {
    let mut outcomes: BTreeMap<usize, Outcome> = BTreeMap::new();
    for part in output.split("@@ ").skip(1) {
        let (head, text) = part.split_once('\n').unwrap_or((part, ""));
        let mut words = head.split(' ');
        let Some(number) = words.next().and_then(|word| word.parse().ok()) else {
            continue;
        };
        // The line break before the next mark is the script's.
        let text = text.strip_suffix('\n').unwrap_or(text).to_owned();
        let outcome = outcomes.entry(number).or_default();
        match words.next() {
            // 137: killed after its time.
            Some("code") => {
                outcome.code = words
                    .next()
                    .and_then(|word| word.parse().ok())
                    .filter(|code| *code != 137);
                outcome.stdout = text;
            }
            Some("error") => outcome.stderr = text,
            _ => outcome.json = Outcome::lines(&text),
        }
    }
    outcomes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_taken_apart() {
        let output = "@@ 0 code 3\n\n@@ 0 error\nno\n\n@@ 0 json\n@@ 11 code 0\none\ntwo\n\n@@ 11 error\n\n@@ 11 json\n{\"a\":1}\n";
        let outcomes = outcomes(output);
        assert_eq!(outcomes[&0].code, Some(3));
        assert_eq!(outcomes[&0].stderr, "no\n");
        assert_eq!(outcomes[&11].stdout, "one\ntwo\n");
        assert_eq!(outcomes[&11].json[0]["a"], 1);
    }
}
