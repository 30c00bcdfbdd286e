//! The table: rules against sections of a Go program, on every engine and with every writer.
//!
//! A row says which section of `fixtures/go/cases` runs with which rules, and what it prints then. To add one, add a
//! section there and a row in the module here that fits. Counters and exit status have defaults: every rule acts once,
//! and goinject ends with 0.

mod builds;
mod calls;
mod conditions;
mod delays;
mod faults;
mod files;
mod kinds;
mod leaves;
mod maps;
mod mixtures;
mod paths;
mod policies;
mod scalars;
mod values;

use std::collections::HashSet;

use goinject_tests::{Build, Case, Flags, Tally, VERSIONS, Writer, alone, guest, native, together};

const PLAIN: [Build; 3] = [Build::plain("1.15"), Build::plain("1.19"), Build::plain("1.27")];

/// Loaded elsewhere than linked, and linked by the system's linker, which rearranges the file.
const SPECIAL: [Build; 5] = [
    special("1.19", true, false),
    special("1.19", false, true),
    special("1.27", true, false),
    special("1.27", false, true),
    special("1.27", true, true),
];

const fn special(version: &'static str, pie: bool, external: bool) -> Build {
    Build {
        version,
        flags: Flags {
            pie,
            external,
            ..Flags::NONE
        },
    }
}

/// Whether debug information lists values that have no name. Where it does not, goinject asks for the signature.
fn lists_blanks(build: &Build) -> bool {
    !["1.15", "1.19", "1.21"].contains(&build.version)
}

/// Of these rows all, or those with the text of `GOINJECT_ROWS` in their names.
fn wanted(mut rows: Vec<Case>) -> Vec<Case> {
    let wanted = std::env::var("GOINJECT_ROWS").unwrap_or_default();
    rows.retain(|row| row.name.contains(&wanted));
    rows
}

fn rows() -> Vec<Case> {
    let rows = [
        value_rows(),
        files::rows(),
        faults::rows(),
        delays::rows(),
        conditions::rows(),
        maps::rows(),
        policies::rows(),
    ]
    .concat();
    wanted(rows)
}

/// What is written where, one way or another.
fn value_rows() -> Vec<Case> {
    [
        scalars::rows(),
        mixtures::rows(),
        paths::rows(),
        kinds::rows(),
        leaves::rows(),
        calls::rows(),
    ]
    .concat()
}

/// What runs in every build and every guest.
fn selection() -> Vec<Case> {
    [rows(), values::selection()].concat()
}

#[test]
fn every_row_by_itself_on_this_host() {
    let cases = rows();
    let mut tally = Tally::new("cases by themselves, on this host");
    for build in PLAIN {
        native::run(&alone(&cases, build, &Writer::ANYWHERE), &mut tally);
    }
    tally.finish();
}

/// What depends most on the code that each release compiles to, and on its runtime.
#[test]
fn early_returns_panics_delays_and_maps_in_other_releases() {
    let cases = wanted([faults::rows(), delays::rows(), maps::rows()].concat());
    let mut tally = Tally::new("faults in other releases, on this host");
    for version in VERSIONS {
        let build = Build::plain(version);
        if !PLAIN.contains(&build) {
            native::run(&together(&cases, build, &Writer::ANYWHERE), &mut tally);
        }
    }
    tally.finish();
}

#[test]
fn every_kind_of_value_on_this_host() {
    let cases = wanted(values::rows());
    let mut tally = Tally::new("values, on this host");
    for build in PLAIN {
        native::run(&together(&cases, build, &Writer::ANYWHERE), &mut tally);
    }
    tally.finish();
}

#[test]
fn position_independent_and_externally_linked_builds_on_this_host() {
    let cases = selection();
    let mut tally = Tally::new("special builds, on this host");
    for build in SPECIAL {
        native::run(&together(&cases, build, &Writer::ALL), &mut tally);
    }
    tally.finish();
}

#[test]
fn rows_have_names_of_their_own() {
    let cases = [rows(), values::rows()].concat();
    let mut names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    names.sort_unstable();
    for pair in names.windows(2) {
        assert_ne!(pair[0], pair[1], "say with `when` how they differ");
    }
}

#[test]
fn guest_6_1() {
    in_a_guest("6.1");
}

#[test]
fn guest_6_12() {
    in_a_guest("6.12");
}

#[test]
fn guest_newest() {
    in_a_guest("newest");
}

/// The writers inside the kernel are what guests are for, so each kernel runs the whole table with every one that it has
/// for the calling convention that it is for. One row of each section does for the rest: other builds, writers that run
/// natively too, rows about decisions, which are made by the same code everywhere, and rows of whole files, which are
/// about what happens outside of the kernel.
fn in_a_guest(kernel: &str) {
    let mut tally = Tally::new(format!("cases, Linux {kernel}"));
    let (sociable, whole_files): (Vec<Case>, Vec<Case>) = selection().into_iter().partition(Case::sociable);
    let decisions = [conditions::rows(), maps::conditions(), policies::rows()].concat();
    let decides = |case: &Case| decisions.iter().any(|row| row.name == case.name);
    let (decisions, faults): (Vec<Case>, Vec<Case>) = sociable.into_iter().partition(decides);
    let sample = one_of_each_section(&faults);
    let others = one_of_each_section(&[decisions, whole_files].concat());
    let [oldest, middle, newest] = PLAIN;
    let has_context = kernel == "newest";
    let mut batches = Vec::new();
    for (rows, build, writers) in [
        (&faults, oldest, &[Writer::UserMemory, Writer::SignalFrame][..]),
        (&faults, newest, &[Writer::Context, Writer::SignalFrame]),
        (
            &sample,
            newest,
            &[
                Writer::UserMemory,
                Writer::Tracer,
                Writer::Breakpoints,
                Writer::Trampoline,
            ],
        ),
        (&sample, middle, &[Writer::SignalFrame]),
        (&sample, SPECIAL[4], &[Writer::SignalFrame]),
        (&others, newest, &[Writer::SignalFrame]),
    ] {
        let mut writers = writers.to_vec();
        writers.retain(|writer| *writer != Writer::Context || has_context);
        batches.extend(together(rows, build, &writers));
    }
    if !has_context {
        // goinject says so, each time in the same words.
        batches.extend(together(&faults[..1], newest, &[Writer::Context]));
    }
    if guest::run(kernel, &batches, &mut tally) {
        for writer in Writer::ALL {
            let expected = writer != Writer::Context || has_context;
            assert_eq!(tally.passed(writer) > 0, expected, "{tally:?}");
        }
        tally.finish();
    }
}

fn one_of_each_section(rows: &[Case]) -> Vec<Case> {
    let mut seen = HashSet::new();
    let new = rows.iter().filter(|row| seen.insert((row.program, row.section)));
    new.cloned().collect()
}
