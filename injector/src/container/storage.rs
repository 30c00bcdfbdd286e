//! Podman and CRI-O, which share a store: `…/containers/storage/DRIVER-containers`, with lists of all in `containers.json` and
//! `volatile-containers.json`, and for each a folder with the bundle's `config.json` (and CRI-O's with its annotations) and, where it
//! runs, a `pidfile`.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::json::{entries, first, pid_file, read as read_json, text};
use super::{Container, Pod, Runtime, View};

pub(super) fn read(view: &View) -> Vec<Container> {
    let mut containers: Vec<Container> = Vec::new();
    for store in stores(view) {
        for (driver, folder) in entries(&store) {
            if driver.ends_with("-containers") {
                containers.extend(listed(&folder));
                containers.extend(
                    entries(&folder)
                        .iter()
                        .map(|(id, folder)| bundle(id, &folder.join("userdata")))
                        .filter(|container| container.init.is_some() || container.pod.is_some()),
                );
            }
        }
    }
    containers
}

/// Where containers are stored: the system's, and those of users.
fn stores(view: &View) -> Vec<PathBuf> {
    let mut stores = vec![
        view.path("/var/lib/containers/storage"),
        view.path("/run/containers/storage"),
    ];
    let homes = entries(&view.path("/home")).into_iter().map(|(_, home)| home);
    for home in homes.chain([view.path("/root")]) {
        stores.push(home.join(".local/share/containers/storage"));
    }
    for (_, folder) in entries(&view.path("/run/user")) {
        stores.push(folder.join("containers"));
    }
    stores
}

/// Containers that do not outlive the machine, as all of CRI-O and those of `podman run --rm`, are in a list of their own.
const LISTS: [&str; 2] = ["containers.json", "volatile-containers.json"];

/// The containers of the lists, with their names.
pub(super) fn listed(folder: &Path) -> Vec<Container> {
    let lists = LISTS.map(|list| read_json(&folder.join(list)));
    let entries = lists.iter().flatten().filter_map(Value::as_array).flatten();
    let containers = entries.filter_map(|entry| {
        let mut container = Container::new(text(entry, &["id"])?, Runtime::Podman);
        // CRI-O notes the pod in here.
        let metadata: Option<Value> =
            text(entry, &["metadata"]).and_then(|metadata| serde_json::from_str(metadata).ok());
        if metadata.is_some_and(|metadata| metadata.get("pod-id").is_some()) {
            container.runtime = Runtime::CriO;
        }
        let names = entry.get("names").and_then(Value::as_array).into_iter().flatten();
        container.names = names
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect();
        Some(container)
    });
    containers.collect()
}

/// What the folder of one container tells.
pub(super) fn bundle(id: &str, folder: &Path) -> Container {
    let mut container = Container::new(id, Runtime::Podman);
    container.init = pid_file(&folder.join("pidfile")).map(|pid| (pid, None));
    if let Some(config) = read_json(&folder.join("config.json"))
        && let Some(annotations) = config.get("annotations")
        && let Some(pod) = pod(annotations)
    {
        container.runtime = Runtime::CriO;
        container.pod = Some(pod);
    }
    container
}

fn pod(annotations: &Value) -> Option<Pod> {
    let text = |names: &[&str]| first(annotations, names).map(str::to_owned);
    let is_sandbox = text(&["io.kubernetes.cri-o.ContainerType"])? == "sandbox";
    Some(Pod {
        namespace: text(&["io.kubernetes.pod.namespace", "io.kubernetes.cri-o.Namespace"])?,
        name: text(&["io.kubernetes.pod.name", "io.kubernetes.cri-o.KubeName"])?,
        container: text(&["io.kubernetes.container.name"]).filter(|_| !is_sandbox),
    })
}
