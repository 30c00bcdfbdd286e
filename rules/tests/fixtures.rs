//! Every file under `fixtures/`: valid ones are taken, invalid ones refused with the message in
//! their snapshot. An invalid file has one mistake, except `many-mistakes.yaml`.

use std::fs;
use std::path::{Path, PathBuf};

use goinject_rules::diagnostic::{Severity, Style, render};
use goinject_rules::source::Source;

fn fixtures(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(folder);
    let entries = fs::read_dir(folder).expect("a folder of fixtures");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// Read under its bare name, so that messages are the same on every machine.
fn source(path: &Path) -> (String, Source) {
    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
    let source = Source::new(&name, fs::read_to_string(path).expect("text"));
    (name.trim_end_matches(".yaml").to_owned(), source)
}

#[test]
fn valid_files_are_taken() {
    for path in fixtures("valid") {
        let (name, source) = source(&path);
        match goinject_rules::parse(&source) {
            Ok((_, warnings)) if warnings.is_empty() => {}
            Ok((_, warnings)) => insta::with_settings!({
                snapshot_path => "snapshots/warnings", prepend_module_to_snapshot => false, omit_expression => true
            }, {
                insta::assert_snapshot!(name, render(&warnings, &source, Style::Plain));
            }),
            Err(findings) => panic!("{}", render(&findings, &source, Style::Plain)),
        }
    }
}

#[test]
fn invalid_files_are_refused_with_advice() {
    let mut complaints = Vec::new();
    for path in fixtures("invalid") {
        let (name, source) = source(&path);
        let Err(findings) = goinject_rules::parse(&source) else {
            complaints.push(format!("{name} is taken"));
            continue;
        };
        let errors = findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .count();
        if errors != 1 && name != "many-mistakes" {
            complaints.push(format!("{name} has {errors} mistakes"));
        }
        for finding in &findings {
            if finding.span.is_none() && name != "empty" {
                complaints.push(format!("{name}: no place: {}", finding.message));
            }
            if finding.help.is_none() {
                complaints.push(format!("{name}: no help: {}", finding.message));
            }
        }
        insta::with_settings!({
            snapshot_path => "snapshots/invalid", prepend_module_to_snapshot => false, omit_expression => true
        }, {
            insta::assert_snapshot!(name, render(&findings, &source, Style::Plain));
        });
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_snapshot_has_its_fixture() {
    for (fixtures_folder, snapshots_folder) in [("invalid", "invalid"), ("valid", "warnings")] {
        let names: Vec<String> = fixtures(fixtures_folder)
            .iter()
            .map(|path| source(path).0)
            .collect();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/snapshots")
            .join(snapshots_folder);
        for entry in fs::read_dir(folder).expect("a folder of snapshots") {
            let name = entry.expect("a file").file_name().to_string_lossy().into_owned();
            let name = name.trim_end_matches(".snap");
            assert!(
                names.iter().any(|fixture| fixture == name),
                "{name} is a snapshot without a fixture"
            );
        }
    }
}
