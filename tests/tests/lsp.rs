//! The language server, as an editor sees it: driven over the protocol by a client library that is not ours.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use goinject_lab::Cache;
use goinject_tests::goinject::program;
use goinject_tests::{Flags, fixture};
use serde_json::{Value, json};

/// Takes the steps in the rule file of a folder, and gives what the server said to each.
fn session(folder: &Path, steps: &Value) -> Vec<Value> {
    session_of(&folder.join("chaos.yaml"), steps)
}

fn session_of(file: &Path, steps: &Value) -> Vec<Value> {
    let readers = Cache::from_env().readers();
    assert!(
        readers.join("pygls").is_dir(),
        "run `cargo xtask setup --only readers`"
    );
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/lsp/client.py");
    let mut child = Command::new("python3")
        .arg(client)
        .arg(program())
        .arg(file)
        .env("PYTHONPATH", readers)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3");
    let mut input = child.stdin.take().expect("a pipe");
    input
        .write_all(steps.to_string().as_bytes())
        .expect("steps are taken");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let mut answers: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(answers.remove(0)["server"], "goinject");
    assert_eq!(answers.pop(), Some(json!({"exit": 0})), "{told}");
    answers
}

/// A folder with the program beside the rule file.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let flags = Flags {
        trimpath: true,
        ..Flags::default()
    };
    std::fs::copy(fixture("catalog", "1.27", flags), folder.path().join("catalog")).expect("a copy");
    folder
}

fn labels(offers: &Value) -> Vec<&str> {
    let offers = offers.as_array().expect("a list");
    offers
        .iter()
        .map(|offer| offer["label"].as_str().expect("a label"))
        .collect()
}

const HEAD: &str = "version: 1\ntarget: {command: [./catalog]}\nrules:\n";

#[test]
fn mistakes_are_published_as_one_types() {
    let folder = folder();
    let rule = |text: &str| json!({"text": format!("{HEAD}{text}")});
    let answers = session(
        folder.path(),
        &json!([
            rule("- function: main.(*Store).Gett\n  inject: {delay: 5ms}\n"),
            rule(
                "- function: main.(*Store).Get\n  if: kee == \"größe\" && fallback > 3\n  inject: {set: {value: text}}\n"
            ),
            rule("- function: main.(*Store).Get\n  inject: {set: {value: 7}}\n"),
            rule("- function: main.(*Store).Get\n  inject: {set: {value: 7\n"),
        ]),
    );
    let [near, wrong, good, broken] = answers.as_slice() else {
        panic!("{answers:?}");
    };
    assert_eq!(near[0]["at"], json!([3, 12, 30]));
    assert_eq!(near[0]["severity"], 1);
    assert!(
        near[0]["message"]
            .as_str()
            .unwrap()
            .contains("did you mean `main.(*Store).Get`?"),
        "{near}"
    );
    assert_eq!(wrong.as_array().unwrap().len(), 2, "{wrong}");
    assert_eq!(wrong[0]["at"], json!([4, 6, 9]), "{wrong}");
    assert!(
        wrong[0]["message"]
            .as_str()
            .unwrap()
            .contains("did you mean `key`?"),
        "{wrong}"
    );
    assert!(
        wrong[1]["message"]
            .as_str()
            .unwrap()
            .contains("does not fit `int`"),
        "{wrong}"
    );
    assert_eq!(*good, json!([]));
    assert!(
        broken[0]["message"].as_str().unwrap().contains("not valid YAML"),
        "{broken}"
    );
}

#[test]
fn other_files_are_left_alone() {
    let folder = folder();
    let text = "kind: Pod\nspec: [1\n";
    let answers = session_of(
        &folder.path().join("pod.yaml"),
        &json!([{"text": text}, {"complete": [0, 2]}, {"hover": [0, 2]}]),
    );
    assert_eq!(answers, [json!([]), json!([]), Value::Null]);
}

#[test]
fn functions_values_and_keys_are_offered() {
    let folder = folder();
    let begun = format!("{HEAD}- function: Get\n  in\n");
    let block = format!(
        "{HEAD}- function: main.(*Store).Get\n  if: fall\n  inject:\n    set:\n      \n    return: {{}}\n"
    );
    let flow = format!("{HEAD}- function: main.(*Store).Get\n  inject: {{return: {{");
    let answers = session(
        folder.path(),
        &json!([
            {"text": begun}, {"complete": [3, 15]}, {"complete": [4, 4]},
            {"text": block}, {"complete": [4, 10]}, {"complete": [7, 6]}, {"complete": [8, 13]},
            {"text": flow}, {"complete": [4, 20]},
            {"text": format!("{HEAD}- function: a.b\n  when: {{scope: t}}\n")}, {"complete": [4, 17]},
        ]),
    );
    let functions = &answers[1];
    assert_eq!(functions[0]["label"], "main.(*Store).Get", "{functions}");
    assert_eq!(
        functions[0]["detail"],
        "func (s *main.Store) Get(key string, fallback int) (value int, err error)"
    );
    assert_eq!(functions[0]["from"], 12);
    assert!(labels(functions).len() > 4, "{functions}");
    assert!(labels(&answers[2]).contains(&"inject"), "{}", answers[2]);
    assert_eq!(answers[2][0]["from"], 2);

    let operands = &answers[4];
    assert_eq!(
        labels(operands)[..5],
        ["s", "key", "fallback", "value", "err"],
        "{operands}"
    );
    let set = &answers[5];
    let fallback = set
        .as_array()
        .unwrap()
        .iter()
        .find(|offer| offer["label"] == "fallback")
        .unwrap();
    assert_eq!(
        (&fallback["detail"], &fallback["insert"]),
        (&json!("int"), &json!("fallback: "))
    );
    assert!(
        labels(set).contains(&"err") && labels(set).contains(&"s.items"),
        "{set}"
    );
    assert_eq!(labels(&answers[6]), ["value", "err"]);
    // Also in a file that is no YAML yet.
    assert_eq!(labels(&answers[8]), ["value", "err"]);
    assert!(labels(&answers[10]).contains(&"goroutine"), "{}", answers[10]);
}

#[test]
fn hover_tells_of_functions_values_and_keys() {
    let folder = folder();
    let text = format!(
        "{HEAD}- function: main.(*Store).Get\n  if: fallback > 3\n  when: {{nth: 3}}\n  inject:\n    set:\n      err: null\n"
    );
    let answers = session(
        folder.path(),
        &json!([{"text": text}, {"hover": [3, 20]}, {"hover": [4, 8]}, {"hover": [5, 10]}, {"hover": [8, 7]}, {"hover": [5, 15]}]),
    );
    let function = answers[1].as_str().unwrap();
    assert!(
        function.contains("func (s *main.Store) Get(key string, fallback int) (value int, err error)")
            && function.contains("example.com/catalog/main.go:40"),
        "{function}"
    );
    assert!(
        answers[2].as_str().unwrap().contains("fallback int"),
        "{}",
        answers[2]
    );
    assert_eq!(answers[3], "Only the n-th call, counted from 1.");
    let result = answers[4].as_str().unwrap();
    assert!(
        result.contains("err error") && result.contains("result"),
        "{result}"
    );
    assert_eq!(answers[5], Value::Null);
}

#[test]
fn a_program_that_is_built_anew_is_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "version: 1\n# goinject: binary=shop\nrules:\n- function: main.(*Store).Get\n  inject: {set: {key: x}}\n";
    let without = session(folder.path(), &json!([{"text": text}]));
    assert_eq!(without[0][0]["at"], json!([1, 19, 23]), "{}", without[0]);
    assert!(
        without[0][0]["message"].as_str().unwrap().contains("not checked"),
        "{}",
        without[0]
    );
    std::fs::copy(
        fixture("catalog", "1.27", Flags::default()),
        folder.path().join("shop"),
    )
    .expect("a copy");
    assert_eq!(session(folder.path(), &json!([{"text": text}]))[0], json!([]));
}
