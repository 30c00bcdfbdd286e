//! Functions by their names: as Go code has them, and as stack traces print them.

use std::fs;

use goinject_tests::Build;
use goinject_tests::goinject::{self, Running};

/// The linker escapes the dot of `store.v2`.
#[test]
fn a_package_with_a_dot_is_named_in_both_ways() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("rules.yaml");
    // The function is there as long as errors are made when a program starts.
    let program = Build::plain("1.19").of("values");
    let observe = "mode: observe, inject: {return: {}}";
    for rule in [
        format!("{{function: example.com/values/store.v2.init, {observe}}}"),
        format!("{{function: example.com/values/store%2ev2.init, {observe}}}"),
        format!("{{function: {{glob: \"*/store.v2.*\"}}, {observe}}}"),
        format!("{{function: main.text, within: example.com/values/store.v2.init, {observe}}}"),
    ] {
        fs::write(&rules, format!("version: 1\nrules:\n- {rule}\n")).expect("written");
        let mut check = goinject::command(["check"]);
        check.arg(&rules).arg("--binary").arg(&program);
        let outcome = Running::start(&mut check).end();
        assert_eq!(outcome.code, Some(0), "{rule}: {}", outcome.describe());
    }
    for asked in [
        "example.com/values/store.v2",
        "example.com/values/store.v2.init",
        "*/store.v2.i*",
    ] {
        let mut inspect = goinject::command(["inspect"]);
        let outcome = Running::start(inspect.arg(&program).arg(asked)).end();
        assert_eq!(outcome.code, Some(0), "{asked}: {}", outcome.describe());
        assert!(
            outcome.stdout.contains("store%2ev2.init"),
            "{asked}: {}",
            outcome.describe()
        );
    }
}
