//! The table `program × version × build × rule`: the rows in every build of every Go version, with the writers that work
//! on any host.
//!
//! Programs without types get theirs from the rules' `signature`, which is written from the types of the same program
//! with them; so what runs is what somebody would write who has the source and not the build.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use goinject::compile::compile;
use goinject::go::Binary;
use goinject::resolve::resolve;
use goinject_rules::source::Source;
use goinject_tests::{Build, Case, Flags, StandIn, Strip, Tally, Writer, native, together, written};

use crate::{rows, value_rows};

const NEWEST: &str = "1.27";

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Made {
    /// As the go command makes it.
    Built(&'static str, Flags),
    /// Debug information in a file of its own, which is named.
    DebugNamed,
    /// … which is found by the build id.
    DebugFound,
}

const COLUMNS: [Made; 10] = [
    Made::Built("default", Flags::NONE),
    Made::Built(
        "-N -l",
        Flags {
            unoptimised: true,
            ..Flags::NONE
        },
    ),
    Made::Built(
        "trimpath",
        Flags {
            trimpath: true,
            ..Flags::NONE
        },
    ),
    Made::Built(
        "pie",
        Flags {
            pie: true,
            ..Flags::NONE
        },
    ),
    Made::Built(
        "cgo, external",
        Flags {
            external: true,
            ..Flags::NONE
        },
    ),
    Made::Built(
        "race",
        Flags {
            race: true,
            ..Flags::NONE
        },
    ),
    Made::Built(
        "-s -w",
        Flags {
            strip: Strip::All,
            ..Flags::NONE
        },
    ),
    Made::Built(
        "-s -w, pie",
        Flags {
            strip: Strip::All,
            pie: true,
            ..Flags::NONE
        },
    ),
    Made::DebugNamed,
    Made::DebugFound,
];

/// A field promoted from an embedded struct. Where the struct's type has no name that is known, it is a field in a signature, and
/// what is in it is reached through its name.
const PROMOTED: [&str; 2] = ["s.x", "s.point.x"];
/// Package variables are found by their symbols.
const VARIABLES: [&str; 2] = ["io.EOF", "main.errOwn"];
/// Functions of other signatures match this, too; types tell them apart.
const LOOSE: &str = "main.called*";

impl Made {
    fn name(self) -> &'static str {
        match self {
            Made::Built(name, _) => name,
            Made::DebugNamed => "--debug FILE",
            Made::DebugFound => "by build id",
        }
    }

    /// Whether it is made of a version: what combines two others is made of the newest only.
    fn is_for(self, version: &str) -> bool {
        let combines = self == Made::DebugNamed || (self.flags().pie && self.flags().strip == Strip::All);
        version == NEWEST || !combines
    }

    fn flags(self) -> Flags {
        match self {
            Made::Built(_, flags) => flags,
            Made::DebugNamed | Made::DebugFound => Flags {
                gnu_build_id: true,
                ..Flags::NONE
            },
        }
    }
}

/// A row for a program without types or symbols. Types are the same in every version: the newest one's are taken,
/// which lists all of them.
fn with_signatures(mut case: Case, binaries: &mut BTreeMap<&str, Binary>) -> Option<Case> {
    let typed = Build::plain(NEWEST);
    let needs_more = |rule: &String| {
        let [one, other] = VARIABLES;
        [LOOSE, one, other]
            .iter()
            .any(|part| rule.contains(part))
            // Positions are refused where what a closure captures can't be told from its parameters.
            || rule.contains("calledHere.func1") && rule.contains("args[")
    };
    if !(case.builds)(&typed) || case.rules.iter().any(needs_more) {
        return None;
    }
    let binary = binaries
        .entry(case.program)
        .or_insert_with(|| Binary::open(&typed.of(case.program)).expect("a fixture is a Go binary"));
    for rule in &mut case.rules {
        *rule = rule.replace(PROMOTED[0], PROMOTED[1]);
        let signature = signature_for(rule, binary)?;
        let rest = rule.strip_prefix('{').expect("rules are written in braces");
        *rule = format!("{{signature: {signature:?}, {rest}");
    }
    case.builds = |_| true;
    Some(case)
}

/// The signature of the rule's functions, if all have the same.
fn signature_for(rule: &str, binary: &Binary) -> Option<String> {
    let source = Source::new("row.yaml", format!("version: 1\nrules:\n- {rule}\n"));
    let (rules, _) = goinject_rules::parse(&source).expect("rows are rules");
    let resolution = resolve(&rules, binary);
    assert!(
        resolution.failure().is_none(),
        "rows fit the newest version: {rule}"
    );
    let plan = compile(&rules, &resolution, binary);
    let functions = plan
        .functions
        .iter()
        .flat_map(|function| binary.functions().find(&function.name));
    let written = |function| written(binary, &function).expect("the newest version tells all types");
    let mut signatures: Vec<String> = functions.map(written).collect();
    signatures.dedup();
    match signatures.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    }
}

/// A program whose debug information is in a file of its own.
fn separated(build: Build, how: Made, folder: &Path) -> StandIn {
    let whole = build.of("cases");
    let program = folder.join("cases");
    let root = folder.join("debug");
    let debug = root.join(".build-id/67/6f696e6a656374.debug");
    fs::create_dir_all(debug.parent().expect("it is in a folder")).expect("a folder for debug files");
    objcopy("--only-keep-debug", &whole, &debug);
    objcopy("--strip-all", &whole, &program);
    let option = match how {
        Made::DebugNamed => debug,
        _ => root,
    };
    StandIn {
        program,
        options: vec![OsString::from("--debug"), option.into_os_string()],
    }
}

fn objcopy(how: &str, from: &Path, to: &Path) {
    let status = Command::new("objcopy").arg(how).args([from, to]).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "objcopy {how} {}",
        from.display()
    );
}

fn every_build_of(version: &'static str) {
    let mut tally = Tally::new(format!("every build of Go {version}, on this host"));
    let mut table = format!("{:8}", format!("go{version}"));
    // Faults, policies and conditions do not care about versions as values do.
    let rows = if version == NEWEST { rows() } else { value_rows() };
    let typed: Vec<Case> = rows.into_iter().filter(Case::sociable).collect();
    let mut binaries = BTreeMap::new();
    let untyped: Vec<Case> = typed
        .iter()
        .filter_map(|case| with_signatures(case.clone(), &mut binaries))
        .collect();
    for column in COLUMNS.into_iter().filter(|column| column.is_for(version)) {
        let build = Build {
            version,
            flags: column.flags(),
        };
        let cases = match column.flags().strip {
            Strip::Nothing => &typed,
            _ => &untyped,
        };
        let folder = tempfile::tempdir().expect("a folder for programs");
        let stand_in = match column {
            Made::Built(..) => None,
            how => Some(separated(build, how, folder.path())),
        };
        let before: usize = Writer::ANYWHERE.map(|writer| tally.passed(writer)).iter().sum();
        let mut batches = together(cases, build, &Writer::ANYWHERE);
        batches
            .iter_mut()
            .for_each(|batch| batch.stand_in.clone_from(&stand_in));
        native::run(&batches, &mut tally);
        let after: usize = Writer::ANYWHERE.map(|writer| tally.passed(writer)).iter().sum();
        table.push_str(&format!(
            " | {} {} in {}",
            column.name(),
            after - before,
            batches.len()
        ));
    }
    println!("{table}");
    tally.finish();
}

#[test]
fn every_build_of_go_1_15() {
    every_build_of("1.15");
}

#[test]
fn every_build_of_go_1_19() {
    every_build_of("1.19");
}

#[test]
#[ignore = "the releases before and after it are tried: cargo xtask stress go_1_21"]
fn every_build_of_go_1_21() {
    every_build_of("1.21");
}

#[test]
fn every_build_of_go_1_22() {
    every_build_of("1.22");
}

#[test]
#[ignore = "the releases before and after it are tried: cargo xtask stress go_1_23"]
fn every_build_of_go_1_23() {
    every_build_of("1.23");
}

#[test]
fn every_build_of_go_1_24() {
    every_build_of("1.24");
}

#[test]
#[ignore = "the releases before and after it are tried: cargo xtask stress go_1_25"]
fn every_build_of_go_1_25() {
    every_build_of("1.25");
}

#[test]
fn every_build_of_go_1_26() {
    every_build_of("1.26");
}

#[test]
fn every_build_of_go_1_27() {
    every_build_of("1.27");
}
