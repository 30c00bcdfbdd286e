//! Processes that runtimes leave beside a container: their command lines tell where its files are, wherever a runtime was
//! configured to keep them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::process::Process;
use super::{Container, Runtime, View, containerd, docker, json, storage};

pub(super) fn read(view: &View, processes: &[Process]) -> Vec<Container> {
    let mut containers = Vec::new();
    let mut stores = BTreeSet::new();
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
            _ => {
                for (id, folder) in tasks(view, process.pid, &words) {
                    containers.push(containerd::task(&id, &folder));
                    let store = json::read(&folder.join("config.json")).and_then(|task| docker::store(&task));
                    stores.extend(store.map(|store| seen(&root, &store)));
                }
            }
        }
    }
    containers.extend(stores.iter().flat_map(|store| docker::within(store)));
    containers
}

/// A file that a process names.
fn seen(root: &Path, path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// `conmon -c ID -n NAME -b BUNDLE -p PIDFILE …`, of Podman and CRI-O.
fn conmon(root: &Path, words: &[String], is_child: impl Fn(&i32) -> bool) -> Vec<Container> {
    let Some(id) = value(words, &["-c", "--cid"]) else {
        return Vec::new();
    };
    let mut container = Container::new(id, Runtime::Podman);
    container
        .names
        .extend(value(words, &["-n", "--name"]).map(str::to_owned));
    if let Some(file) = value(words, &["-p", "--container-pidfile"]) {
        container.init = json::pid_file(&seen(root, file))
            .filter(is_child)
            .map(|pid| (pid, None));
    }
    let mut containers = vec![container];
    if let Some(bundle) = value(words, &["-b", "--bundle"]) {
        let told = storage::bundle(id, &seen(root, bundle));
        containers[0].runtime = told.runtime;
        containers.push(told);
    }
    containers
}

/// The tasks of `containerd-shim-runc-v2 -namespace NS -id ID …`, whose folder is that of one. One shim may serve a whole pod, whose
/// tasks lie beside each other.
fn tasks(view: &View, pid: i32, words: &[String]) -> Vec<(String, PathBuf)> {
    if value(words, &["-id", "--id"]).is_none() {
        return Vec::new();
    }
    let task = view.proc.join(pid.to_string()).join("cwd");
    let mut tasks = json::entries(&task.join(".."));
    tasks.retain(|(_, folder)| folder.join("config.json").exists());
    tasks
}

/// The word behind one of these.
fn value<'w>(words: &'w [String], names: &[&str]) -> Option<&'w str> {
    let at = words.iter().position(|word| names.contains(&word.as_str()))?;
    words.get(at + 1).map(String::as_str)
}
