//! What `goinject inspect` prints, word by word, and its exit codes.

use std::path::{Path, PathBuf};

use goinject::cli::{DebugInformation, Format, Inspect};
use goinject::command;
use goinject::error::ExitCode;
use goinject::go::Binary;
use goinject::inspect::find;
use goinject_tests::{Flags, Strip, fixture};

fn catalog(strip: Strip) -> PathBuf {
    // Source paths are then those of the module, wherever the repository is.
    let flags = Flags {
        trimpath: true,
        strip,
        ..Flags::default()
    };
    fixture("catalog", "1.27", flags)
}

/// What is printed, without what differs from place to place.
fn printed(binary: &Path, asked: Option<&str>) -> String {
    let opened = Binary::open(binary).expect("a Go program");
    let text = match find(&opened, asked) {
        Ok(found) => found.to_string(),
        Err(error) => format!("error: {error}\n"),
    };
    let text = text.replace(&binary.display().to_string(), "catalog");
    let addresses = regex::Regex::new(r"0x[0-9a-f]{5,}").expect("a pattern");
    let ids = regex::Regex::new(r"build id \S+").expect("a pattern");
    let counts =
        regex::Regex::new(r"\d+( functions:|( of the (standard library|runtime)))").expect("a pattern");
    let text = addresses.replace_all(&text, "0x…");
    let text = ids.replace_all(&text, "build id …");
    counts.replace_all(&text, "…$1").into_owned()
}

#[test]
fn functions_types_and_lists() {
    let binary = catalog(Strip::Nothing);
    for (name, asked) in [
        ("overview", None),
        ("method", Some("main.(*Store).Get")),
        ("structs", Some("main.scale")),
        ("stack", Some("main.many")),
        ("inlined-everywhere", Some("main.clamp")),
        ("inlined-in-part", Some("main.half")),
        ("generic", Some("main.first[...]")),
        ("never-returns", Some("main.fail")),
        ("runtime", Some("runtime.gopanic")),
        ("type", Some("main.Config")),
        ("type-of-one-word", Some("time.Duration")),
        ("package", Some("errors")),
        ("glob", Some("main.{scale,many}")),
        ("glob-without-match", Some("main.zzz*")),
        ("near-miss", Some("main.scael")),
        ("no-package", Some("Get")),
        ("nothing-near", Some("qqqqqqqqqqqqq")),
    ] {
        insta::assert_snapshot!(name, printed(&binary, asked));
    }
}

#[test]
fn every_kind_of_value_has_its_place_and_what_may_be_done_with_it() {
    let flags = Flags {
        trimpath: true,
        ..Flags::default()
    };
    let lines = regex::Regex::new(r"(\.(?:go|s)):\d+").expect("a pattern");
    for (version, asked) in [
        ("1.27", "main.config"),
        ("1.27", "main.behind"),
        ("1.27", "main.straddle"),
        ("1.27", "main.references"),
        ("1.27", "main.arrays"),
        ("1.27", "main.complexes"),
        ("1.27", "main.anything"),
        ("1.27", "main.blank"),
        ("1.27", "main.variadic"),
        ("1.27", "main.embedded"),
        ("1.27", "main.large"),
        ("1.27", "main.sum"),
        ("1.27", "main.closures.func1"),
        ("1.27", "main.(*Pair).Grow-fm"),
        ("1.27", "main.(*Inner).Rename"),
        ("1.27", "main.Largest[...]"),
        ("1.27", "main.(*List[...]).Add"),
        ("1.27", "main.Outer"),
        ("1.27", "main.Labels"),
        ("1.19", "main.blank"),
        ("1.19", "main.Largest[...]"),
        ("1.19", "main.(*List[...]).Add"),
        ("1.15", "main.straddle"),
        ("1.15", "main.closures.func1"),
        ("1.15", "main.unnamed"),
    ] {
        let name = format!(
            "values-{version}-{}",
            asked.replace(['(', ')', '*', '[', ']'], "")
        );
        let text = printed(&fixture("values", version, flags), Some(asked));
        // The program grows with the tests.
        insta::assert_snapshot!(name, lines.replace_all(&text, "$1:…"));
    }
}

#[test]
fn a_stripped_program_has_names_and_places() {
    let binary = catalog(Strip::All);
    insta::assert_snapshot!("stripped-overview", printed(&binary, None));
    insta::assert_snapshot!("stripped-method", printed(&binary, Some("main.(*Store).Get")));
}

#[test]
fn exit_codes() {
    let run = |binary: PathBuf, function: Option<&str>| {
        command::inspect::run(&Inspect {
            binary: Some(binary),
            package: None,
            flags: Vec::new(),
            function: function.map(str::to_owned),
            debug: DebugInformation::default(),
            format: Format::Json,
        })
    };
    let binary = catalog(Strip::Nothing);
    assert_eq!(run(binary.clone(), Some("main.scale")), ExitCode::Met);
    assert_eq!(run(binary.clone(), Some("main.missing")), ExitCode::Unarmable);
    assert_eq!(run(binary.clone(), Some("main.zzz*")), ExitCode::Unarmable);
    assert_eq!(run(binary, Some("main.{")), ExitCode::Invalid);
    assert_eq!(run("/proc/self/exe".into(), None), ExitCode::Unarmable);
    assert_eq!(run("/nonexistent".into(), None), ExitCode::Unarmable);
}
