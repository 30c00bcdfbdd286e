//! What probes and faults cost: figures and ratios, each from one run. Nothing here asserts a time: how long something
//! takes is the machine's business, and these are for people (`cargo xtask bench`).

mod faults;
mod files;
mod hits;
mod target;

use std::path::PathBuf;
use std::time::Duration;

use goinject_lab::guest::refused;
use goinject_tests::{Flags, fixture, goinject, guest};

/// Where the Go program is, in a guest: there is no Go to build it with.
const PROGRAM: &str = "GOINJECT_BENCH_PROGRAM";

/// The program that is measured.
fn program() -> PathBuf {
    std::env::var_os(PROGRAM).map_or_else(|| fixture("bench", "1.27", Flags::default()), PathBuf::from)
}

#[test]
#[ignore = "long: `cargo xtask bench`"]
fn a_hit_that_does_not_fire() {
    hits::measure(5, 1_000_000);
}

#[test]
#[ignore = "long: `cargo xtask bench`"]
fn an_applied_edit_on_this_host() {
    for writer in ["tracer", "breakpoints"] {
        let mut run = faults::native(writer);
        faults::edits(writer, &mut run);
        faults::hits(writer, &mut run);
    }
}

#[test]
#[ignore = "long: `cargo xtask bench`"]
fn a_delay_on_this_host() {
    for writer in ["tracer", "breakpoints"] {
        faults::delays(writer, &mut faults::native(writer));
    }
}

#[test]
#[ignore = "long: `cargo xtask bench`"]
fn planning() {
    files::plan();
}

#[test]
#[ignore = "long: `cargo xtask bench`"]
fn arming() {
    files::arm();
}

/// All writers, and the hits as well, where nothing is locked down. An emulated processor is slow, so only the ratios
/// mean something.
#[test]
#[ignore = "long: `cargo xtask bench`"]
fn guests() {
    if let Some(reason) = refused() {
        println!("guests: skipped: {reason}");
        return;
    }
    let this = std::env::current_exe().expect("a test has a file");
    let folder = tempfile::tempdir().expect("a folder for rule files");
    faults::write_rules(folder.path());
    for kernel in ["6.1", "6.12", "newest"] {
        let files = [
            (program(), PathBuf::from("/bin/bench")),
            (folder.path().to_owned(), PathBuf::from("/srv/rules")),
            (this.clone(), PathBuf::from("/bin/figures")),
            (goinject::program(), PathBuf::from("/bin/goinject")),
        ];
        let mut guest = guest::boot(kernel, &files).expect("guests are wanted");
        println!("\nLinux {}", guest.release);
        let script = format!(
            "{PROGRAM}=/bin/bench /bin/figures --ignored --exact --nocapture a_hit_that_does_not_fire_in_a_guest"
        );
        let outcome = guest
            .run(&script, Duration::from_secs(500))
            .unwrap_or_else(|error| panic!("{error}"));
        print_figures(&outcome.stdout());
        for writer in ["context", "user-memory", "signal-frame", "tracer", "breakpoints"] {
            let mut run = |rules: &str, commands: &str| {
                let script = format!(
                    "echo '{commands}' | goinject run --quiet --writer {writer} /srv/rules/{rules}.yaml -- /bin/bench \
                     2>/tmp/said || [ $? = 3 ] || cat /tmp/said"
                );
                let outcome = guest.run(&script, Duration::from_secs(300));
                outcome.map(|outcome| outcome.stdout()).unwrap_or_default()
            };
            faults::edits(writer, &mut run);
        }
    }
}

/// Run in a guest, by [`guests`].
#[test]
#[ignore = "part of another"]
fn a_hit_that_does_not_fire_in_a_guest() {
    if std::env::var_os(PROGRAM).is_some() {
        hits::measure(3, 50_000);
    }
}

/// What a test in a guest printed, without the test harness.
fn print_figures(output: &str) {
    let lines = output.lines().filter(|line| line.starts_with("  "));
    for line in lines {
        println!("{line}");
    }
}
