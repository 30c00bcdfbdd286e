use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Report;
use super::github::annotations;
use super::html::html;
use super::junit::junit;
use super::markdown::markdown;
use super::sarif::sarif;
use crate::explore::class::Class;
use crate::explore::point::Place;
use crate::explore::results::{
    Ended, ErrorPaths, Exploration, Finding, Result as Outcome, SourceLine, VERSION,
};
use crate::explore::rule_text::Mode;

/// A name as a target may have it that means harm.
const HOSTILE: &str = "shop.<script>alert(1)</script>\u{1b}[31m|]]>&\"'`*\n::error::x\u{202e}";

fn place(function: &str, file: &str, line: u32) -> Place {
    Place {
        function: function.to_owned(),
        file: file.to_owned(),
        line,
    }
}

fn finding(class: Class, function: &str, words: &str, known: bool) -> Finding {
    let caller = place("shop.Save", "/home/you/shop/store/a file.go", 12);
    let outer = place("shop.Run", "/home/you/shop/run.go", 7);
    Finding {
        id: Finding::make_id(class, function, std::slice::from_ref(&caller), None),
        fault: format!("{function}-1"),
        lost: None,
        class,
        mode: Mode::Once,
        function: function.to_owned(),
        error: "{errno: ENOSPC}".to_owned(),
        stack: vec![caller, outer],
        frame: Some(place("runtime.gopark", "/usr/lib/go/src/runtime/proc.go", 0)),
        words: words.to_owned(),
        test: Some("TestSave".to_owned()),
        subject: "example.com/shop".to_owned(),
        rule: PathBuf::from(format!(".goinject/rules/{class} $1.yaml")),
        others: 1,
        also: Vec::new(),
        known,
    }
}

fn outcome(class: Class, of: Option<&Finding>, function: &str, line: u32, mode: Mode) -> Outcome {
    Outcome {
        fault: format!("{function}-{line}-{mode}"),
        function: function.to_owned(),
        caller: Some(place("shop.Save", "/home/you/shop/store/a file.go", line)),
        mode,
        test: Some("TestSave".to_owned()),
        subject: "example.com/shop".to_owned(),
        class,
        runs: 3,
        words: of.map_or("told by the test".to_owned(), |finding| finding.words.clone()),
        finding_id: None,
        finding: None,
    }
}

fn exploration() -> Exploration {
    let new = finding(
        Class::Swallowed,
        HOSTILE,
        "lost in [shop](https://example.com)",
        false,
    );
    let known = finding(Class::Hang, "os.(*File).Sync", "it does not end", true);
    let outcomes = vec![
        outcome(Class::Swallowed, Some(&new), HOSTILE, 12, Mode::Once),
        outcome(Class::Swallowed, Some(&new), HOSTILE, 14, Mode::Once),
        outcome(Class::Hang, Some(&known), "os.(*File).Sync", 12, Mode::Once),
        outcome(Class::Reported, None, "os.(*File).Write", 9, Mode::Always),
        Outcome {
            subject: "example.com/other.v2".to_owned(),
            test: None,
            caller: None,
            ..outcome(Class::NotFired, None, "os.Open", 1, Mode::Once)
        },
    ];
    let counts = outcomes.iter().map(|outcome| (outcome.class, 1)).collect();
    Exploration {
        version: VERSION,
        goinject: "0.1.0".to_owned(),
        command: ["go", "test", "./..."].map(str::to_owned).to_vec(),
        folder: "/home/you/shop".into(),
        time: "2026-01-02T03:04:05Z".to_owned(),
        elapsed_ms: 61_000,
        points: 4,
        runs: 15,
        counts,
        findings: vec![known, new],
        outcomes,
        unstable: vec![format!("example.com/shop: {HOSTILE}")],
        alone: [(HOSTILE.to_owned(), HOSTILE.to_owned())].into(),
        error_paths: Some(ErrorPaths {
            blocks: 40,
            before: 10,
            after: 30,
            never: vec![SourceLine {
                file: HOSTILE.to_owned(),
                line: 7,
            }],
        }),
        ended: Ended::Budget,
        left: 2,
        passed_over: [(HOSTILE.to_owned(), HOSTILE.to_owned())].into(),
    }
}

fn with<T>(read: impl FnOnce(&Report<'_>) -> T) -> T {
    let exploration = exploration();
    read(&Report::within(&exploration, true, Path::new("/home/you")))
}

#[test]
fn every_outcome_is_a_junit_test_case_of_its_package() {
    let text = with(junit);
    for words in [
        "tests=\"1\" skipped=\"0\" errors=\"0\" failures=\"0\"",
        "tests=\"4\" skipped=\"1\" errors=\"0\" failures=\"2\"",
        "classname=\"example_com/other_v2.explore\"",
        "name=\"os.Open, once\"",
        "name=\"os.(*File).Write in shop.Save, always [TestSave]\"",
        ", once [TestSave] #2\"",
        "type=\"swallowed\"",
        "is in the baseline: it does not end",
        "file=\"shop/store/a file.go\" line=\"12\"",
        "to repeat: goinject run &apos;.goinject/rules/swallowed $1.yaml&apos;",
        "called by shop.Run (shop/run.go:7)",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(
        !text.contains("<script") && !text.contains(['\u{1b}', '\u{202e}']),
        "{text}"
    );
    // Neither lines nor the order of trials change the names.
    let mut moved = exploration();
    moved.outcomes.reverse();
    for outcome in &mut moved.outcomes {
        outcome.caller.iter_mut().for_each(|caller| caller.line += 3);
    }
    let moved = junit(&Report::within(&moved, true, Path::new("/home/you")));
    let names = |text: &str| {
        let parts = text.split("<testcase name=\"").skip(1);
        let names = parts.map(|part| part.split('"').next().unwrap_or_default().to_owned());
        names.collect::<Vec<String>>()
    };
    assert_eq!(names(&text), names(&moved));
    let mut unique = names(&text);
    unique.dedup();
    assert_eq!(unique.len(), 5);
}

#[test]
fn findings_are_results_of_sarif_in_files_of_the_repository() {
    let log: Value = serde_json::from_str(&with(sarif)).expect("JSON");
    let run = &log["runs"][0];
    assert_eq!(run["originalUriBaseIds"]["%SRCROOT%"]["uri"], "file:///home/you/");
    assert_eq!(run["invocations"][0]["endTimeUtc"], "2026-01-02T03:05:06Z");
    let results = run["results"].as_array().expect("results");
    assert_eq!(results.len(), 2);
    let [hang, swallowed] = [&results[0], &results[1]];
    assert_eq!(
        (&hang["level"], &hang["baselineState"]),
        (&json!("error"), &json!("unchanged"))
    );
    assert_eq!(
        (&swallowed["level"], &swallowed["baselineState"]),
        (&json!("warning"), &json!("new"))
    );
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().expect("a number")).expect("small");
        assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
        // The frame is the runtime's: shown is the innermost place that is the user's.
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(
            place["artifactLocation"],
            json!({"uri": "shop/store/a%20file.go", "uriBaseId": "%SRCROOT%"})
        );
        assert_eq!(place["region"]["startLine"], 12);
        let flow = result["codeFlows"][0]["threadFlows"][0]["locations"].as_array();
        let flow = flow.expect("a flow");
        let uri = |n: usize| &flow[n]["location"]["physicalLocation"];
        assert_eq!(uri(0)["artifactLocation"]["uri"], "shop/run.go");
        assert_eq!(
            uri(2),
            &json!({"artifactLocation": {"uri": "file:///usr/lib/go/src/runtime/proc.go"}})
        );
        assert_eq!(result["stacks"][0]["frames"].as_array().map(Vec::len), Some(2));
    }
    let id = &exploration().findings[1].id;
    assert_eq!(
        swallowed["partialFingerprints"]["goinjectFinding/v1"],
        id.as_str()
    );
    let message = swallowed["message"]["text"].as_str().expect("a text");
    assert!(message.contains("\\[shop\\](https"), "{message}");
    assert!(!message.contains(['\u{1b}', '\u{202e}']), "{message}");
    // A root that is set to nothing is none.
    let alone = exploration();
    let log = sarif(&Report::within(&alone, true, Path::new("")));
    assert!(log.contains("\"uri\": \"store/a%20file.go\""), "{log}");
    let log = sarif(&Report::within(&alone, false, Path::new("/home/you")));
    assert!(!log.contains("baselineState"), "{log}");
}

#[test]
fn what_tests_do_not_look_at_is_a_note_of_sarif() {
    let mut exploration = exploration();
    for mode in [Mode::Once, Mode::Always] {
        let told = outcome(Class::Unasserted, None, "os.Remove", 15, mode);
        exploration.outcomes.push(told);
    }
    let log = sarif(&Report::within(&exploration, true, Path::new("/home/you")));
    let log: Value = serde_json::from_str(&log).expect("JSON");
    let run = &log["runs"][0];
    let results = run["results"].as_array().expect("results");
    // Once, whichever calls failed.
    assert_eq!(results.len(), 3);
    let note = &results[2];
    assert_eq!(
        (&note["level"], &note["ruleId"]),
        (&json!("note"), &json!("unasserted"))
    );
    let index = usize::try_from(note["ruleIndex"].as_u64().expect("a number")).expect("small");
    let rule = &run["tool"]["driver"]["rules"][index];
    assert_eq!(
        (&rule["id"], &rule["defaultConfiguration"]["level"]),
        (&json!("unasserted"), &json!("note"))
    );
    let place = &note["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "shop/store/a%20file.go");
    assert_eq!(place["region"]["startLine"], 15);
}

#[test]
fn the_page_shows_findings_and_nothing_in_it_is_markup() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut of = exploration();
    of.folder = folder.path().to_owned();
    let rule = folder.path().join(&of.findings[1].rule);
    std::fs::create_dir_all(rule.parent().expect("a folder")).expect("made");
    std::fs::write(&rule, "version: 1 # </pre><b>\u{202e}\n").expect("written");
    let text = html(&Report::within(&of, true, folder.path()));
    for words in [
        "✗ Findings",
        "1 new finding, 1 of the baseline. 5 faults at 4 points; of 40 blocks for errors, 10 ran without faults (25 %), 30 with them (75 %); \
         the budget ended before 2 faults",
        "fails once (in the baseline)",
        "version: 1 # &#60;/pre&#62;&#60;b&#62;\u{fffd}",
        "<th scope=\"row\"><code>example.com/shop</code></th><td class=\"number\">4</td><td class=\"number\">4</td><td class=\"number\">4</td><td class=\"number\">100 %</td><td class=\"number\">1</td><td class=\"number\">0</td><td class=\"number\">3</td>",
        "An error is lost",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    for word in [
        "<script",
        "src=",
        "url(",
        "<link",
        "<img",
        "\u{1b}",
        "\u{202e}",
        "</pre><b>",
    ] {
        assert!(!text.contains(word), "{word}");
    }
}

#[test]
fn markdown_fits_a_comment_whatever_names_are() {
    let text = with(markdown);
    assert!(
        text.starts_with("## ❌ goinject explore: go test ./...\n"),
        "{text}"
    );
    assert!(
        text.contains("| ❌ | <code>swallowed</code> | 1 | An error is lost |"),
        "{text}"
    );
    assert!(
        text.contains("```sh\ngoinject run '.goinject/rules/swallowed $1.yaml'\n```"),
        "{text}"
    );
    assert!(
        !text.contains("<script") && !text.contains(['\u{1b}', '\u{202e}']),
        "{text}"
    );
    let mut many = exploration();
    let mut long = finding(Class::Panic, &"*".repeat(3000), &"|".repeat(3000), false);
    long.test = Some("_".repeat(3000));
    long.stack = vec![place(&"`".repeat(3000), "x.go", 1); 4];
    many.findings = vec![long; 100];
    let text = markdown(&Report::within(&many, false, Path::new("/home/you")));
    assert!(
        text.contains(" more findings") && text.contains("100 findings. "),
        "{text}"
    );
    assert!(text.len() < 65_536, "{}", text.len());
    many.findings.clear();
    many.outcomes.clear();
    let text = markdown(&Report::within(&many, false, Path::new("/home/you")));
    assert!(
        text.starts_with("## ✅") && text.contains("No findings"),
        "{text}"
    );
}

#[test]
fn github_shows_the_worst_ten_where_the_users_code_calls() {
    let lines = with(annotations);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].starts_with("::warning file=shop/store/a file.go,line=12,title=goinject%3A swallowed::"),
        "{lines:?}"
    );
    assert!(!lines[0].contains(['\n', '\u{1b}']), "{lines:?}");
    let mut many = exploration();
    many.findings = vec![many.findings[1].clone(); 12];
    many.findings
        .push(finding(Class::Crash, "os.Open", "killed", false));
    let lines = annotations(&Report::within(&many, false, Path::new("/home/you")));
    assert_eq!(lines.len(), 11);
    assert!(
        lines[0].starts_with("::error file=") && lines[10].contains("3 more findings"),
        "{lines:?}"
    );
}
