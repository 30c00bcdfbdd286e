//! runc and crun, which keep a folder for each container: `state.json` or `status` in it has the first process and the cgroups.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::json::{entries, pid, read as read_json, text};
use super::{Container, Runtime, View};

pub(super) fn read(view: &View) -> Vec<Container> {
    let folders = roots(view).into_iter().flat_map(|root| entries(&root));
    folders.filter_map(|(id, folder)| state(&id, &folder)).collect()
}

fn roots(view: &View) -> Vec<PathBuf> {
    let mut roots = vec![view.path("/run/runc"), view.path("/run/crun")];
    // Those of runtimes on top have a folder for each of their namespaces.
    for above in [
        "/run/containerd/runc",
        "/run/docker/runtime-runc",
        "/run/k3s/containerd/runc",
    ] {
        roots.extend(entries(&view.path(above)).into_iter().map(|(_, folder)| folder));
    }
    roots
}

fn state(id: &str, folder: &Path) -> Option<Container> {
    if let Some(state) = read_json(&folder.join("state.json")) {
        let mut container = Container::new(id, Runtime::Runc);
        let start = state.get("init_process_start").and_then(Value::as_u64);
        container.init = pid(state.get("init_process_pid")).map(|pid| (pid, start));
        let mounts = state.get("cgroup_paths").and_then(Value::as_object);
        container.cgroups = mounts
            .into_iter()
            .flatten()
            .filter_map(|(controller, path)| under_mount(controller, path.as_str()?))
            .collect();
        return Some(container);
    }
    let status = read_json(&folder.join("status"))?;
    let mut container = Container::new(id, Runtime::Crun);
    let start = status.get("process-start-time").and_then(Value::as_u64);
    container.init = pid(status.get("pid")).map(|pid| (pid, start));
    container
        .cgroups
        .extend(text(&status, &["cgroup-path"]).map(|path| format!("/{}", path.trim_start_matches('/'))));
    Some(container)
}

/// A cgroup's path within its hierarchy, of one that runc names by its folder.
fn under_mount(controller: &str, path: &str) -> Option<String> {
    let rest = path.strip_prefix("/sys/fs/cgroup/")?;
    // Of several hierarchies each has a folder; of one alone there is none.
    let rest = match controller {
        "" => rest.strip_prefix("unified/").unwrap_or(rest),
        _ => rest.split_once('/')?.1,
    };
    Some(format!("/{rest}"))
}

#[cfg(test)]
mod tests {
    use super::under_mount;

    #[test]
    fn cgroups_are_named_as_processes_have_them() {
        assert_eq!(
            under_mount("pids", "/sys/fs/cgroup/pids/default/web").as_deref(),
            Some("/default/web")
        );
        assert_eq!(
            under_mount("name=systemd", "/sys/fs/cgroup/systemd/web").as_deref(),
            Some("/web")
        );
        assert_eq!(
            under_mount("", "/sys/fs/cgroup/unified/web").as_deref(),
            Some("/web")
        );
        assert_eq!(
            under_mount("", "/sys/fs/cgroup/system.slice/web.scope").as_deref(),
            Some("/system.slice/web.scope")
        );
        assert_eq!(under_mount("", "/elsewhere"), None);
    }
}
