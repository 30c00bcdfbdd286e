//! What the kubelet leaves on a node: `/var/log/containers/POD_NAMESPACE_CONTAINER-ID.log`, `/var/log/pods/NAMESPACE_POD_UID`, and in
//! each container a mount of `/var/lib/kubelet/pods/UID/containers/NAME/…`.

use std::collections::BTreeMap;
use std::fs;

use super::json::entries;
use super::process::{Process, is_long_id};
use super::{Container, Pod, Runtime, View};

/// The containers that have a log. It may outlive them.
pub(super) fn read(view: &View) -> Vec<Container> {
    let logs = entries(&view.path("/var/log/containers"));
    logs.iter().filter_map(|(name, _)| of_log(name)).collect()
}

/// Neither a pod's nor a namespace's nor a container's name may have an underscore.
fn of_log(name: &str) -> Option<Container> {
    let (rest, id) = name.strip_suffix(".log")?.rsplit_once('-')?;
    let mut parts = rest.split('_');
    let (pod, namespace, container) = (parts.next()?, parts.next()?, parts.next()?);
    if !is_long_id(id) || parts.next().is_some() {
        return None;
    }
    let mut found = Container::new(id, Runtime::Unknown);
    found.pod = Some(Pod {
        namespace: namespace.to_owned(),
        name: pod.to_owned(),
        container: Some(container.to_owned()),
    });
    Some(found)
}

/// Finds the pods of containers that are known by their cgroups only: the kubelet mounts a file into each.
pub(super) fn fill_in(view: &View, processes: &[Process], containers: &mut [Container]) {
    let without = |container: &&mut Container| {
        container.pod.is_none() && container.names.is_empty() && is_long_id(&container.id)
    };
    let mut pods = None;
    for container in containers.iter_mut().filter(without) {
        let of_container =
            |process: &&Process| process.container_id().is_some_and(|(id, _)| id == container.id);
        let Some(process) = processes.iter().find(of_container) else {
            continue;
        };
        let mounts = fs::read_to_string(view.proc.join(process.pid.to_string()).join("mountinfo"));
        let mounts = mounts.unwrap_or_default();
        let of_pod = |(uid, _): &(String, String)| process.cgroups.iter().any(|path| is_of_pod(path, uid));
        let Some((uid, name)) = mounts.lines().filter_map(of_mount).find(of_pod) else {
            continue;
        };
        let pods = pods.get_or_insert_with(|| pods_by_uid(view));
        container.pod = pods.get(&uid).map(|(namespace, pod)| Pod {
            namespace: namespace.clone(),
            name: pod.clone(),
            container: Some(name),
        });
    }
}

/// Whether a cgroup is below that of a pod: `…/podUID/…`, or `…-podUID.slice/…` where systemd makes them, which takes no dashes. What
/// is above may be missing: in a cgroup namespace paths begin at one's own.
fn is_of_pod(cgroup: &str, uid: &str) -> bool {
    cgroup.split('/').any(|part| {
        let name = part.strip_suffix(".slice").unwrap_or(part);
        let of = name.rsplit_once("pod").map(|(_, of)| of.replace('_', "-"));
        of.is_some_and(|of| of == uid)
    })
}

/// The pod's UID and the container's name in a line such as `… /var/lib/kubelet/pods/UID/containers/NAME/HASH /dev/termination-log …`.
fn of_mount(line: &str) -> Option<(String, String)> {
    let mut fields = line.split(' ').skip(3);
    let source = fields.next()?;
    let (_, rest) = source.split_once("/pods/")?;
    let mut parts = rest.split('/');
    let (uid, kind, name) = (parts.next()?, parts.next()?, parts.next()?);
    (kind == "containers").then(|| (uid.to_owned(), name.to_owned()))
}

/// Namespace and name of each pod that has a folder of logs.
fn pods_by_uid(view: &View) -> BTreeMap<String, (String, String)> {
    let folders = entries(&view.path("/var/log/pods"));
    let parts = folders.iter().filter_map(|(name, _)| {
        let mut parts = name.split('_');
        let (namespace, pod, uid) = (parts.next()?, parts.next()?, parts.next()?);
        Some((uid.to_owned(), (namespace.to_owned(), pod.to_owned())))
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_logs() {
        let id = "0b8301f9ab37364393af5dff68340c10b060002d0c0e9510293ae2bf0a208691";
        let found = of_log(&format!("cart-7d4b9-x2x_shop_app-server-{id}.log")).expect("a container");
        assert_eq!(found.id, id);
        assert_eq!(found.label(), "shop/cart-7d4b9-x2x/app-server");
        assert_eq!(of_log("cart_shop_app-0b83.log"), None);
        assert_eq!(of_log("notes.txt"), None);
    }

    #[test]
    fn cgroups_of_pods() {
        let uid = "5c1e7788-0000-4000-8000-000000000001";
        for (path, is) in [
            (
                "/kubepods/burstable/pod5c1e7788-0000-4000-8000-000000000001/0b83",
                true,
            ),
            (
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod5c1e7788_0000_4000_8000_000000000001.slice/crio-0b83.scope",
                true,
            ),
            ("/../../pod5c1e7788-0000-4000-8000-000000000001/0b83", true),
            (
                "/../../kubepods-pod5c1e7788_0000_4000_8000_000000000001.slice/cri-containerd-0b83.scope",
                true,
            ),
            ("/kubepods/pod5c1e7788-0000-4000-8000-000000000002/0b83", false),
            ("/docker/0b83", false),
        ] {
            assert_eq!(is_of_pod(path, uid), is, "{path}");
        }
    }

    #[test]
    fn mounts_of_the_kubelet() {
        let line = "812 790 8:1 /var/lib/kubelet/pods/5c1e-77/containers/app/0d12 /dev/termination-log rw,relatime - ext4 /dev/sda1 rw";
        assert_eq!(of_mount(line), Some(("5c1e-77".to_owned(), "app".to_owned())));
        let line =
            "811 790 8:1 /var/lib/kubelet/pods/5c1e-77/etc-hosts /etc/hosts rw,relatime - ext4 /dev/sda1 rw";
        assert_eq!(of_mount(line), None);
    }
}
