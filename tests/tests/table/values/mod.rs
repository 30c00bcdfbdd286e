//! Values of every kind but plain scalars, on the program `fixtures/go/values`.

mod clocks;
mod composites;
mod errors;
mod functions;
mod judging;
mod numbers;
mod pointers;
mod references;
mod texts;
mod wrapping;

use goinject_tests::{Build, Case, case, set};

/// A case of the program `values` that sets values in the only call of the function that its section is named after.
fn sets(section: &'static str, values: &str) -> Case {
    sets_of(section, section, values)
}

/// The same for another function.
fn sets_of(section: &'static str, function: &str, values: &str) -> Case {
    rule(section, set(function, values))
}

/// A case of the program `values` with a rule of its own.
fn rule(section: &'static str, rule: impl Into<String>) -> Case {
    Case {
        program: "values",
        ..case(section, rule)
    }
}

pub(crate) fn rows() -> Vec<Case> {
    [
        texts::rows(),
        errors::rows(),
        references::rows(),
        composites::rows(),
        functions::rows(),
        numbers::rows(),
        clocks::rows(),
        pointers::rows(),
        wrapping::rows(),
        judging::rows(),
    ]
    .concat()
}

/// The first row of each section, which is the one that tells most: rows of one section need runs of their own, and
/// those take seconds in guests.
pub(crate) fn selection() -> Vec<Case> {
    let mut rows = rows();
    let mut sections = Vec::new();
    rows.retain(|row| {
        let is_first = row.sociable() && !sections.contains(&row.section);
        sections.push(row.section);
        is_first
    });
    rows
}

fn since_1_19(build: &Build) -> bool {
    build.version != "1.15"
}
