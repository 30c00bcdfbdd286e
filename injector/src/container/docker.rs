//! Docker: `/var/lib/docker/containers/ID/config.v2.json`, or that folder elsewhere if `/etc/docker/daemon.json` says so, or if a
//! container that runs has mounts of files there.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::json::{entries, first, pid, read as read_json, text};
use super::{Container, Pod, Runtime, View};

const DEFAULT: &str = "/var/lib/docker";

pub(super) fn read(view: &View) -> Vec<Container> {
    let configured = read_json(&view.path("/etc/docker/daemon.json"));
    let configured = configured
        .as_ref()
        .and_then(|daemon| text(daemon, &["data-root"]));
    within(&view.path(configured.unwrap_or(DEFAULT)).join("containers"))
}

/// The containers that have their files in a folder.
pub(super) fn within(folder: &Path) -> Vec<Container> {
    entries(folder)
        .iter()
        .filter_map(|(_, folder)| container(folder))
        .collect()
}

/// Where a daemon keeps the files of its containers, told by the configuration that it gave to one of them: it mounts
/// `…/containers/ID/hostname` and others beside it.
pub(super) fn store(task: &Value) -> Option<PathBuf> {
    let mounts = task.get("mounts")?.as_array()?;
    let of_container = |mount: &Value| {
        let destination = text(mount, &["destination"])?;
        if !["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"].contains(&destination) {
            return None;
        }
        let store = Path::new(text(mount, &["source"])?).parent()?.parent()?;
        store.ends_with("containers").then(|| store.to_owned())
    };
    mounts.iter().find_map(of_container)
}

fn container(folder: &Path) -> Option<Container> {
    let config = read_json(&folder.join("config.v2.json"))?;
    let mut container = Container::new(text(&config, &["ID"])?, Runtime::Docker);
    container.names = text(&config, &["Name"])
        .map(|name| name.trim_start_matches('/').to_owned())
        .into_iter()
        .collect();
    container.init = pid(config.get("State").and_then(|state| state.get("Pid"))).map(|pid| (pid, None));
    // The kubelet's labels, where Docker works for it.
    if let Some(labels) = config.get("Config").and_then(|config| config.get("Labels"))
        && let Some(namespace) = first(labels, &["io.kubernetes.pod.namespace"])
        && let Some(name) = first(labels, &["io.kubernetes.pod.name"])
    {
        let is_sandbox = first(labels, &["io.kubernetes.docker.type"]) == Some("podsandbox");
        let container_name = first(labels, &["io.kubernetes.container.name"]).filter(|_| !is_sandbox);
        container.pod = Some(Pod {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            container: container_name.map(str::to_owned),
        });
    }
    Some(container)
}
