//! What a program records of its methods for itself against its debug information, and signatures against its record
//! of pointers.

use goinject::go::Binary;
use goinject::go::types::{Signature, Variable};
use goinject::resolve::resolve;
use goinject_rules::diagnostic::render_short;
use goinject_rules::source::Source;
use goinject_tests::{Flags, Strip, VERSIONS, fixture};

fn type_names(binary: &Binary, signature: &Signature) -> Vec<String> {
    let of = |v: &Variable| binary.types().get(v.ty).name.replace("interface {}", "any");
    let all = signature
        .receiver
        .iter()
        .chain(&signature.parameters)
        .chain(&signature.results);
    all.map(of).collect()
}

/// Compares all functions; gives how many methods both know.
fn compare(binary: &Binary) -> usize {
    let mut compared = 0;
    let table = binary.functions();
    let functions = table.names().filter_map(|(index, _)| table.get(index));
    for function in functions.filter(|function| !function.is_wrapper) {
        let Ok(Some(known)) = binary.signature(&function) else {
            continue;
        };
        let path = binary.path().display();
        assert_eq!(
            binary.check_signature(&function, &known),
            Ok(()),
            "{path} {}",
            function.name
        );
        let Some(recorded) = binary.recorded_signature(&function) else {
            continue;
        };
        // What Go before 1.22 does not list stands in for the receiver.
        if known.positions_uncertain.is_some() || recorded.parameters.len() < known.parameters.len() {
            assert!(!binary.version().at_least(22), "{path} {}", function.name);
            continue;
        }
        // Nor are results listed that do not matter to the code, such as a constant one.
        if known.results.is_empty() && !recorded.results.is_empty() {
            continue;
        }
        let (found, expected) = (
            binary.layout(&function, &recorded),
            binary.layout(&function, &known),
        );
        assert_eq!(found, expected, "{path} {}", function.name);
        let (found, expected) = (type_names(binary, &recorded), type_names(binary, &known));
        assert_eq!(found.len(), expected.len(), "{path} {}", function.name);
        compared += 1;
    }
    compared
}

#[test]
fn method_tables_agree_with_debug_information() {
    for version in VERSIONS {
        let compared = compare(&Binary::open(&fixture("shapes", version, Flags::default())).unwrap());
        assert!(compared > 30, "{version}: {compared}");
    }
}

/// What `check` says of a rule of a stripped program: short lines.
fn said(version: &'static str, rule: &str) -> String {
    let flags = Flags {
        strip: Strip::All,
        ..Flags::default()
    };
    let binary = Binary::open(&fixture("shapes", version, flags)).unwrap();
    let source = Source::new("rules.yaml", format!("version: 1\nrules:\n- {rule}\n"));
    let (rules, _) = goinject_rules::parse(&source).unwrap();
    let findings = resolve(&rules, &binary).findings;
    let diagnostics: Vec<_> = findings
        .iter()
        .map(|finding| (*finding.diagnostic).clone())
        .collect();
    render_short(&diagnostics, &source)
}

#[test]
fn methods_of_stripped_programs_need_no_signature() {
    for version in VERSIONS {
        let fields = "{function: os.(*File).Write, if: \"recv.file.name == 'x' && size(args[0]) > 3\", \
                      inject: {return: {\"results[1]\": {errno: ENOSPC}}}}";
        assert_eq!(said(version, fields), "", "{version}");
    }
}

#[test]
fn types_of_stripped_programs_have_their_names() {
    for version in VERSIONS {
        let rule = "{function: os.(*File).Write, signature: \"func(f *os.File, b []byte) (n int, err error)\", \
                    if: f.file.nonblock, inject: {return: {err: {errno: ENOSPC}}}}";
        assert_eq!(said(version, rule), "", "{version}");
        let function = "{function: main.texts, \
                        signature: \"func(a string, b []int, c any, d error, e main.Shape) (string, []int, error)\", \
                        inject: {set: {a: other}}}";
        assert_eq!(said(version, function), "", "{version}");
    }
}

#[test]
fn signatures_of_the_same_size_with_other_types_are_refused() {
    for version in VERSIONS {
        for (signature, why) in [
            (
                "func(f *os.File, b []byte) (err error, n int)",
                "result 0 is a `int`, not a `error`",
            ),
            (
                "func(f *os.File, b []byte) (n int, err string)",
                "result 1 is a `error`, not a `string`",
            ),
            (
                "func(f *os.File, b []byte) (n uint, err error)",
                "result 0 is a `int`, not a `uint`",
            ),
        ] {
            let rule = format!(
                "{{function: os.(*File).Write, signature: \"{signature}\", inject: {{return: {{err: null}}}}}}"
            );
            let said = said(version, &rule);
            assert!(said.contains(why), "{version} {signature}: {said}");
        }
        // Functions are in no table: what the garbage collector knows of their parameters tells.
        let rule = "{function: main.texts, \
                    signature: \"func(a error, b []int, c any, d, e error) (string, []int, error)\", \
                    inject: {set: {a: null}}}";
        let said = said(version, rule);
        assert!(said.contains("recorded a pointer where"), "{version}: {said}");
    }
}

#[test]
fn results_that_nothing_tells_of_are_warned_of() {
    let rule = "{function: main.texts, \
                signature: \"func(a string, b []int, c any, d, e error) (x string, y []int, z error)\", \
                inject: {return: {z: null}}}";
    let said = said("1.27", rule);
    assert!(
        said.contains("warning: the results in `signature` could not be checked"),
        "{said}"
    );
}
