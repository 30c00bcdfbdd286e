//! Closures that are called where they stand: which parameters are theirs, and what is refused where that can't be told.

use goinject::go::Binary;
use goinject::go::types::Uncertain;
use goinject::resolve::resolve;
use goinject_rules::source::Source;
use goinject_tests::{Build, Flags, Strip};

/// The errors of a rule for `cases`.
fn errors(rule: &str, binary: &Binary) -> String {
    let source = Source::new("rules.yaml", format!("version: 1\nrules:\n- {rule}\n"));
    let (rules, _) = goinject_rules::parse(&source).expect("a rule");
    let findings = resolve(&rules, binary).findings;
    findings
        .iter()
        .map(|finding| format!("{}\n", finding.diagnostic.message))
        .collect()
}

#[test]
fn positions_count_what_is_declared() {
    for version in ["1.15", "1.19", "1.27"] {
        let binary = Binary::open(&Build::plain(version).of("cases")).expect("a Go program");
        let signature = |name: &str| {
            let function = binary.functions().find(name).remove(0);
            binary.signature(&function).expect("readable").expect("types")
        };
        let called = signature("main.calledHere.func1");
        assert_eq!((called.captured, called.parameters.len()), (2, 4), "{version}");
        assert_eq!(called.positions_uncertain, None, "{version}");
        // Its body may begin on the line of its parameters.
        let short = signature("main.onOneLine.func1");
        assert_eq!(short.positions_uncertain, Some(Uncertain::Captured), "{version}");
        // The program holds it as a value.
        let held = signature("main.useClosure.func1");
        assert_eq!((held.captured, held.positions_uncertain), (0, None), "{version}");
    }
}

#[test]
fn positions_that_cannot_be_told_are_refused() {
    let binary = Binary::open(&Build::plain("1.27").of("cases")).expect("a Go program");
    let by_position = r#"{function: main.onOneLine.func1, inject: {set: {"args[0]": 7}}}"#;
    let said = errors(by_position, &binary);
    assert!(
        said.starts_with("positions of parameters are not known for certain here"),
        "{said}"
    );
    assert_eq!(
        errors("{function: main.onOneLine.func1, inject: {set: {k: 7}}}", &binary),
        ""
    );

    let stripped = Build {
        flags: Flags {
            strip: Strip::All,
            ..Flags::NONE
        },
        ..Build::plain("1.27")
    };
    let binary = Binary::open(&stripped.of("cases")).expect("a Go program");
    let rule = |signature: &str, path: &str| {
        format!(
            "{{function: main.calledHere.func1, signature: \"func({signature})\", inject: {{set: {{\"{path}\": 7}}}}}}"
        )
    };
    let whole = "base int, text string, k int, s string";
    let said = errors(&rule(whole, "args[0]"), &binary);
    assert!(
        said.starts_with("positions of parameters are not known for certain here"),
        "{said}"
    );
    assert_eq!(errors(&rule(whole, "k"), &binary), "");
    let value = r#"{function: main.useClosure.func1, signature: "func(int, float64) (int, float64)", inject: {set: {"args[0]": 7}}}"#;
    assert_eq!(errors(value, &binary), "");
}
