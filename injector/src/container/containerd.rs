//! containerd: a folder for each task, `/run/containerd/io.containerd.runtime.v2.task/NAMESPACE/ID`, with the bundle's
//! `config.json` and `init.pid`.

use std::path::Path;

use serde_json::Value;

use super::json::{entries, first, pid_file, read as read_json, text};
use super::{Container, Pod, Runtime, View};

const STATES: [&str; 4] = [
    "/run/containerd",
    "/run/k3s/containerd",
    "/run/docker/containerd/daemon",
    "/var/snap/microk8s/common/run/containerd",
];

pub(super) fn read(view: &View) -> Vec<Container> {
    let mut containers = Vec::new();
    for state in STATES {
        let tasks = view.path(state).join("io.containerd.runtime.v2.task");
        for (_, namespace) in entries(&tasks) {
            containers.extend(entries(&namespace).iter().map(|(id, folder)| task(id, folder)));
        }
    }
    containers
}

/// The container of a task's folder.
pub(super) fn task(id: &str, folder: &Path) -> Container {
    let mut container = Container::new(id, Runtime::Containerd);
    container.init = pid_file(&folder.join("init.pid")).map(|pid| (pid, None));
    let Some(config) = read_json(&folder.join("config.json")) else {
        return container;
    };
    let cgroup = text(&config, &["linux", "cgroupsPath"]).filter(|path| path.starts_with('/'));
    container.cgroups.extend(cgroup.map(str::to_owned));
    if let Some(annotations) = config.get("annotations") {
        container.pod = pod(annotations);
        // nerdctl's containers have names, too.
        container
            .names
            .extend(first(annotations, &["nerdctl/name"]).map(str::to_owned));
    }
    container
}

fn pod(annotations: &Value) -> Option<Pod> {
    let text = |name: &str| first(annotations, &[name]).map(str::to_owned);
    let is_sandbox = text("io.kubernetes.cri.container-type").as_deref() == Some("sandbox");
    Some(Pod {
        namespace: text("io.kubernetes.cri.sandbox-namespace")?,
        name: text("io.kubernetes.cri.sandbox-name")?,
        container: text("io.kubernetes.cri.container-name").filter(|_| !is_sandbox),
    })
}
