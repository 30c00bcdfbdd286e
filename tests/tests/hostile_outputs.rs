//! A target whose name, path, values and errors are made to be obeyed by whoever shows them: every output of a run shows
//! them as text.

use std::fs;
use std::path::Path;

use goinject_tests::goinject::{self, Running};
use goinject_tests::module::Module;

/// Obeyed by a terminal, GitHub's runner, HTML, XML and Markdown, in that order, if they are let.
const HOSTILE: &str = "\u{1b}[31m\u{202e}\n::error::pwned\r\n##[error]pwned<script>alert(1)<script>]]>&\"'`|*pwned%0A::error::pwned";

const PROGRAM: &str = r#"package main

import (
	"errors"
	"os"
)

//go:noinline
func say(text string) error { return errors.New(text) }

func main() {
	for i := 0; i < 3; i++ {
		if say(os.Args[1]) == nil {
			os.Exit(1)
		}
	}
}
"#;

/// The rule is never met, so that every report has something to complain of.
const RULES: &str = "\
version: 1
name: NAME
rules:
- {name: NAME, function: main.say, inject: {set: {text: NAME}}, expect: {fired: 99}}
";

/// What is wrong with an output, by what would obey it.
fn obeyed(output: &str, text: &str) -> Option<&'static str> {
    let is_command = |line: &str| line.starts_with("::error::pwned") || line.starts_with("##[error]");
    if text.contains(['\u{1b}', '\u{202e}']) {
        return Some("a terminal");
    }
    // It reads what is printed, and no files.
    if output.starts_with("std") && text.split(['\n', '\r']).any(is_command) {
        return Some("GitHub's runner");
    }
    let is_markup = ["html", "markdown", "summary", "junit"].contains(&output);
    // Of Markdown, what stands between fences is text: every second part.
    let markup: String = text.split("\n```").step_by(2).collect();
    (is_markup && markup.contains("<script>alert")).then_some("a browser")
}

#[test]
fn nothing_of_the_target_is_obeyed_in_any_output() {
    let module = Module::new("1.27");
    module.write("go.mod", "module example.com/hostile\n\ngo 1.21\n");
    module.write("main.go", PROGRAM);
    let built = module.go(&["build", "-o", "hostile", "."]);
    assert_eq!(built.code, Some(0), "{}", built.describe());
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join(HOSTILE);
    fs::create_dir(&place).expect("a folder of that name");
    let program = place.join(HOSTILE);
    fs::copy(module.path("hostile"), &program).expect("a copy");
    let name = serde_json::to_string(HOSTILE).expect("JSON is YAML");
    fs::write(place.join("rules.yaml"), RULES.replace("NAME", &name)).expect("rules");
    let reports = ["junit", "html", "markdown", "metrics-file"];
    let file = |name: &str| folder.path().join(name);
    let mut run = goinject::command(["run"]);
    for report in reports {
        run.arg(format!("--{report}")).arg(file(report));
    }
    run.arg(place.join("rules.yaml"))
        .arg("--")
        .args([program.as_os_str(), HOSTILE.as_ref()]);
    run.env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", file("summary"))
        .env("GITHUB_WORKSPACE", folder.path());
    let outcome = Running::start(&mut run).end();
    assert_eq!(outcome.code, Some(1), "{}", outcome.describe());
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let mut outputs = vec![("stdout", outcome.stdout), ("stderr", outcome.stderr)];
    outputs.push(("summary", read(&file("summary"))));
    outputs.extend(reports.map(|report| (report, read(&file(report)))));
    for (output, text) in &outputs {
        // Where no source is in the workspace, nothing is annotated.
        let shows = text.contains("pwned") || *output == "stdout";
        assert!(shows, "{output} shows nothing of it: {text:?}");
        assert_eq!(obeyed(output, text), None, "{output}: {text:?}");
    }
    // The other commands, and errors.
    let (rules, program) = (place.join("rules.yaml"), program.as_os_str());
    let wrong = place.join("wrong.yaml");
    fs::write(
        &wrong,
        RULES.replace("NAME", &name).replace("main.say", "main.sya"),
    )
    .expect("rules");
    let commands = [
        vec!["check".as_ref(), rules.as_os_str(), "--binary".as_ref(), program],
        vec!["check".as_ref(), wrong.as_os_str(), "--binary".as_ref(), program],
        vec!["plan".as_ref(), rules.as_os_str(), "--binary".as_ref(), program],
        vec!["inspect".as_ref(), program],
        vec!["inspect".as_ref(), program, "main.say".as_ref()],
        vec!["run".as_ref(), wrong.as_os_str(), "--".as_ref(), program],
        vec!["run".as_ref(), HOSTILE.as_ref()],
    ];
    for command in commands {
        let outcome = goinject::run(&command);
        for text in [&outcome.stdout, &outcome.stderr] {
            assert_eq!(obeyed("std", text), None, "{command:?}: {text:?}");
        }
    }
}
