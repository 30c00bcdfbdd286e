//! What probes and faults cost: figures and ratios, each from one run. Nothing here asserts a time: how long something
//! takes is the machine's business, and these are for people (`cargo xtask bench`).

mod exploring;
mod faults;
mod files;
mod hits;
mod inside;
mod others;
mod processes;
mod rules;
mod target;

use std::path::PathBuf;
use std::time::Duration;

use goinject_lab::Booted;
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
    hits::measure(9);
}

#[test]
#[ignore = "long: `cargo xtask bench`"]
fn a_hit_that_does_not_fire_on_ptrace() {
    faults::hits(&mut faults::native("breakpoints"));
}

#[test]
#[ignore = "long: `cargo xtask bench`"]
fn a_hit_that_does_not_fire_inside() {
    faults::hits(&mut faults::native("trampoline"));
}

#[test]
#[ignore = "long: `cargo xtask bench`"]
fn calls_with_jumps() {
    inside::measure(
        &mut faults::native("trampoline"),
        &mut faults::native_told("trampoline"),
        3,
    );
}

#[test]
#[ignore = "long: `cargo xtask bench`"]
fn an_applied_edit_on_this_host() {
    for writer in ["tracer", "breakpoints", "trampoline"] {
        faults::edits(writer, &mut faults::native(writer));
    }
}

#[test]
#[ignore = "long: `cargo xtask bench`"]
fn a_delay_on_this_host() {
    for writer in ["tracer", "breakpoints", "trampoline"] {
        faults::delays(writer, &mut faults::native(writer));
    }
}

#[test]
#[ignore = "long: `cargo xtask bench`"]
fn other_tools() {
    others::measure();
}

#[test]
#[ignore = "long: `cargo xtask bench`"]
fn planning() {
    files::plan();
}

#[test]
#[ignore = "long: `cargo xtask bench`"]
fn starting() {
    files::start();
}

#[test]
#[ignore = "long: `cargo xtask bench`"]
fn tests_of_many_packages() {
    processes::tests();
}

#[test]
#[ignore = "long: `cargo xtask bench`"]
fn tests_of_many_observed_functions() {
    processes::observed();
}

#[test]
#[ignore = "long: `cargo xtask bench`"]
fn short_children() {
    processes::children();
}

#[test]
#[ignore = "long: `cargo xtask bench`"]
fn exploring_a_module() {
    exploring::measure();
}

#[test]
#[ignore = "long: `cargo xtask bench`"]
fn arming() {
    files::arm();
}

#[test]
#[ignore = "long: `cargo xtask bench`"]
fn arming_jumps() {
    files::arm_inside();
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
        println!("\nLinux {}, in a guest", guest.release);
        for writer in ["user-memory", "context", "signal-frame", "tracer", "breakpoints"] {
            faults::edits(writer, &mut in_guest(&mut guest, writer));
        }
        faults::delays("signal-frame", &mut in_guest(&mut guest, "signal-frame"));
        let script = format!(
            "{PROGRAM}=/bin/bench /bin/figures --ignored --exact --nocapture a_hit_that_does_not_fire_in_a_guest"
        );
        match guest.run(&script, Duration::from_secs(500)) {
            Ok(outcome) => print_figures(&outcome.stdout()),
            Err(error) => println!("  hits: FAILED: {error}"),
        }
    }
}

/// Runs the program in a guest.
fn in_guest<'a>(
    guest: &'a mut Booted,
    writer: &'a str,
) -> impl FnMut(&str, &str) -> Result<String, String> + 'a {
    move |rules, commands| {
        let script = format!(
            "echo '{commands}' | goinject run --quiet --writer {writer} /srv/rules/{rules}.yaml -- /bin/bench"
        );
        let outcome = guest
            .run(&script, Duration::from_secs(300))
            .map_err(|error| error.to_string())?;
        match outcome.status {
            0 | 3 => Ok(outcome.stdout()),
            status => Err(format!("exit status {status}: {}", outcome.stderr())),
        }
    }
}

/// Run in a guest, by [`guests`].
#[test]
#[ignore = "part of another"]
fn a_hit_that_does_not_fire_in_a_guest() {
    if std::env::var_os(PROGRAM).is_some() {
        hits::measure(3);
    }
}

/// What a test in a guest printed, without the test harness.
fn print_figures(output: &str) {
    let lines = output.lines().filter(|line| line.starts_with("  "));
    for line in lines {
        println!("{line}");
    }
}
