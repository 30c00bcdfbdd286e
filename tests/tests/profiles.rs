//! A program's own CPU profiles while its calls are changed.

use std::collections::BTreeMap;
use std::fs;

use goinject_tests::profile::{self, Sample};
use goinject_tests::{Build, Writer, busy, goinject};

/// A sample without callers: of code that the program does not know.
fn is_unknown(sample: &Sample) -> bool {
    let unknown = ["", "runtime._ExternalCode", "runtime._System"];
    sample
        .functions
        .iter()
        .any(|name| unknown.contains(&name.as_str()))
}

/// Most of the time goes by while threads are stopped at breakpoints, and most samples are taken there: each shows the
/// function that is called, and who calls it. Calls are counted as without.
#[test]
fn samples_show_who_calls_where_calls_are_changed() {
    for version in ["1.15", "1.22", "1.27"] {
        let folder = tempfile::tempdir().expect("a folder");
        let (rules, json, sampled) = (
            folder.path().join("rules.yaml"),
            folder.path().join("json"),
            folder.path().join("profile"),
        );
        let functions = busy::functions(Writer::Breakpoints, version);
        fs::write(&rules, busy::rules(&functions, "")).expect("written");
        let mut command = goinject::command(["run", "--quiet", "--engine", "ptrace", "--json"]);
        command.arg(&json).arg(&rules).arg("--");
        command.arg(Build::plain(version).of("busy"));
        command.args(["-for", "2s", "-profile"]).arg(&sampled);
        let outcome = goinject::Running::start(&mut command).end();
        let described = format!("Go {version}: {}", outcome.describe());
        assert_eq!(outcome.code, Some(0), "{described}");
        let total = busy::total(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {described}"));
        assert!(total.calls > 1000 && total.replaced == total.calls, "{described}");
        let text = fs::read_to_string(&json).unwrap_or_default();
        let results = text.lines().filter(|line| line.contains("\"type\":\"rule\""));
        let counted = goinject_tests::Outcome::lines(&results.collect::<Vec<_>>().join("\n"));
        let calls: u64 = counted.iter().filter_map(|rule| rule["calls"].as_u64()).sum();
        assert_eq!(
            calls, total.calls,
            "a call was counted twice, or not at all: {described}"
        );

        let samples = profile::read(&sampled).unwrap_or_else(|error| panic!("{error}: {described}"));
        let count = |is: &dyn Fn(&Sample) -> bool| -> u64 {
            let chosen = samples.iter().filter(|sample| is(sample));
            chosen.map(|sample| sample.count).sum()
        };
        let (all, unknown) = (count(&|_| true), count(&is_unknown));
        let mut innermost: BTreeMap<&str, u64> = BTreeMap::new();
        for sample in &samples {
            let name = sample.functions.first().map_or("none", String::as_str);
            *innermost.entry(name).or_default() += sample.count;
        }
        println!("Go {version}: {unknown} of {all} samples are of unknown code; {innermost:?}");
        assert!(all >= 15, "{described}");
        assert!(unknown * 10 <= all, "{unknown} of {all}: {innermost:?}");
        // Those at breakpoints are most.
        let is_called = |sample: &Sample| {
            let is_ruled = |name: &String| functions.iter().any(|of| *name == format!("main.{of}"));
            let mut functions = sample.functions.iter();
            functions.any(is_ruled) && functions.any(|name| name.starts_with("main."))
        };
        let called = count(&is_called);
        assert!(called * 3 > all, "{called} of {all}: {innermost:?}");
    }
}
