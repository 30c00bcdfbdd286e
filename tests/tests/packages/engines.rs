//! The recipes of `examples/chaos-engines`: goinject's verdict reaches each engine. Their clusters are left out: a stand-in
//! for kubectl says what goinject would.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::output;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples/chaos-engines")
        .join(name)
}

fn yaml(name: &str) -> Value {
    let text = fs::read_to_string(example(name)).expect("committed");
    serde_saphyr::from_str(&text).expect("YAML")
}

/// Runs a command with a kubectl that knows one pod on one node, and whose `exec` takes rules and ends with a status.
fn with_kubectl(mut command: Command, status: i32) -> Option<i32> {
    let folder = tempfile::tempdir().expect("a folder");
    let script = format!(
        "#!/bin/sh\n\
         case \"$*\" in\n\
         \"get pod --namespace shop shop-0 \"*) printf node-1 ;;\n\
         \"get pods --namespace goinject --selector app=goinject --field-selector spec.nodeName=node-1 \"*) echo pod/agent ;;\n\
         \"exec --stdin --namespace goinject pod/agent -- /goinject run --container shop/shop-0 \"*)\n\
         grep -q '^version: 1' || exit 99; exit {status} ;;\n\
         *) exit 98 ;;\n\
         esac\n"
    );
    let kubectl = folder.path().join("kubectl");
    fs::write(&kubectl, script).expect("written");
    fs::set_permissions(&kubectl, fs::Permissions::from_mode(0o755)).expect("executable");
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", folder.path().display()));
    output(&mut command).status.code()
}

/// What goinject ends with, and what engines are told.
const VERDICTS: [(i32, i32); 5] = [(0, 0), (5, 0), (1, 1), (4, 4), (130, 130)];

#[test]
fn krkns_step_fails_unless_expectations_are_met() {
    assert_eq!(yaml("krkn.yml")[0]["config"]["filename"], "krkn.py");
    for (status, told) in VERDICTS {
        let mut step = Command::new("python3");
        step.arg(example("krkn.py"));
        assert_eq!(with_kubectl(step, status), Some(told), "{status}");
    }
}

/// The commands of the two others, with the files where their volumes would have them.
#[test]
fn the_commands_of_chaos_mesh_and_litmus_give_the_verdict() {
    let here = example("").display().to_string();
    let place = |command: &str| command.replace("/goinject/", &here);
    let task = yaml("chaos-mesh.yml")["spec"]["templates"][0]["task"]["container"]["command"][2].clone();
    let engine = yaml("litmus.yml");
    let probe = &engine["spec"]["experiments"][0]["spec"]["probe"][0]["cmdProbe/inputs"];
    for (status, told) in VERDICTS {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(place(task.as_str().expect("text")));
        assert_eq!(with_kubectl(shell, status), Some(told), "{status}");
        let mut shell = Command::new("sh");
        let command = place(probe["command"].as_str().expect("text"));
        let compared = format!(
            "test \"$({command})\" = {}",
            probe["comparator"]["value"].as_str().expect("text")
        );
        shell.arg("-c").arg(compared);
        assert_eq!(
            with_kubectl(shell, status),
            Some(i32::from(told != 0)),
            "{status}"
        );
    }
}

#[test]
fn the_rules_are_right() {
    for folder in ["chaos-engines", "chaos-toolkit"] {
        let path = example("..").join(folder).join("chaos.yaml");
        let source = goinject_rules::read(&path).expect("committed");
        assert!(goinject_rules::parse(&source).is_ok(), "{folder}");
    }
}
