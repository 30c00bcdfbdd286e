//! Processes that runtimes leave beside a container: their command lines tell where its files are, wherever a runtime was
//! configured to keep them.

use std::path::{Path, PathBuf};

use super::process::Process;
use super::{Container, Runtime, View, containerd, json, storage};

pub(super) fn read(view: &View, processes: &[Process]) -> Vec<Container> {
    let mut containers = Vec::new();
    for process in processes {
        let Some(words) = process.supervisor_words(&view.proc) else {
            continue;
        };
        let root = view.proc.join(process.pid.to_string()).join("root");
        let is_child = |pid: &i32| {
            processes
                .iter()
                .any(|child| child.pid == *pid && child.parent == process.pid)
        };
        match words[0].as_str() {
            "conmon" => containers.extend(conmon(&root, &words, is_child)),
            _ => containers.extend(shim(view, process.pid, &words)),
        }
    }
    containers
}

/// `conmon -c ID -n NAME -b BUNDLE -p PIDFILE …`, of Podman and CRI-O.
fn conmon(root: &Path, words: &[String], is_child: impl Fn(&i32) -> bool) -> Vec<Container> {
    let Some(id) = value(words, &["-c", "--cid"]) else {
        return Vec::new();
    };
    let seen = |path: &str| -> PathBuf { root.join(path.trim_start_matches('/')) };
    let mut container = Container::new(id, Runtime::Podman);
    container
        .names
        .extend(value(words, &["-n", "--name"]).map(str::to_owned));
    if let Some(file) = value(words, &["-p", "--container-pidfile"]) {
        container.init = json::pid_file(&seen(file))
            .filter(is_child)
            .map(|pid| (pid, None));
    }
    let mut containers = vec![container];
    if let Some(bundle) = value(words, &["-b", "--bundle"]) {
        let told = storage::bundle(id, &seen(bundle));
        containers[0].runtime = told.runtime;
        containers.push(told);
    }
    containers
}

/// `containerd-shim-runc-v2 -namespace NS -id ID …`, whose folder is that of its task. One shim may serve a whole pod, whose
/// tasks lie beside each other.
fn shim(view: &View, pid: i32, words: &[String]) -> Vec<Container> {
    if value(words, &["-id", "--id"]).is_none() {
        return Vec::new();
    }
    let task = view.proc.join(pid.to_string()).join("cwd");
    let namespace = task.join("..");
    json::entries(&namespace)
        .iter()
        .filter(|(_, folder)| folder.join("config.json").exists())
        .map(|(id, folder)| containerd::task(id, folder))
        .collect()
}

/// The word behind one of these.
fn value<'w>(words: &'w [String], names: &[&str]) -> Option<&'w str> {
    let at = words.iter().position(|word| names.contains(&word.as_str()))?;
    words.get(at + 1).map(String::as_str)
}
