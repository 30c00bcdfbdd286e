//! Containers by name: which there are, and which processes are in them.
//!
//! All of it is read from files: what runtimes and the kubelet keep ([`View::containers`] has a reader for each), and what the
//! kernel tells of processes in `/proc`. No runtime is asked, so no socket and no right to command one is needed. Readers
//! take a root folder, and work on a copy of such files as well.

mod containerd;
mod docker;
mod find;
mod json;
mod kubelet;
mod members;
mod merge;
mod name;
mod oci;
mod process;
mod storage;
mod supervisor;

use std::path::{Path, PathBuf};

pub use find::FindError;
pub use members::{Found, Member};
pub use name::{Name, NameError};
pub use process::namespace_pid;

/// What made a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Runtime {
    /// Docker.
    Docker,
    /// Podman.
    Podman,
    /// CRI-O.
    CriO,
    /// containerd, by itself or for Kubernetes.
    Containerd,
    /// runc alone.
    Runc,
    /// crun alone.
    Crun,
    /// Known by its cgroup or the kubelet's files only.
    Unknown,
}

impl std::fmt::Display for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Runtime::Docker => "Docker",
            Runtime::Podman => "Podman",
            Runtime::CriO => "CRI-O",
            Runtime::Containerd => "containerd",
            Runtime::Runc => "runc",
            Runtime::Crun => "crun",
            Runtime::Unknown => "runtime not known",
        })
    }
}

/// A container's place in Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// The namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// The container's name in the pod; none for the sandbox that holds the pod's namespaces.
    pub container: Option<String>,
}

/// A container, as far as files tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its id.
    pub id: String,
    /// Its names, without Docker's leading slash.
    pub names: Vec<String>,
    /// What made it.
    pub runtime: Runtime,
    /// Its pod.
    pub pod: Option<Pod>,
    /// Its first process, and when that started, in the units of `/proc/PID/stat`, where that is known.
    init: Option<(i32, Option<u64>)>,
    /// The cgroups that its runtime has put it into.
    cgroups: Vec<String>,
}

impl Container {
    fn new(id: impl Into<String>, runtime: Runtime) -> Container {
        Container {
            id: id.into(),
            names: Vec::new(),
            runtime,
            pod: None,
            init: None,
            cgroups: Vec::new(),
        }
    }

    /// What people call it.
    pub fn label(&self) -> String {
        match (&self.pod, self.names.first()) {
            (Some(pod), _) => match &pod.container {
                Some(container) => format!("{}/{}/{container}", pod.namespace, pod.name),
                None => format!("{}/{} (sandbox)", pod.namespace, pod.name),
            },
            (None, Some(name)) => name.clone(),
            (None, None) => self.short_id().to_owned(),
        }
    }

    /// The id, as short as runtimes print it.
    pub fn short_id(&self) -> &str {
        match process::is_long_id(&self.id) {
            true => &self.id[..12],
            false => &self.id,
        }
    }

    /// Whether it only holds the namespaces of a pod.
    fn is_sandbox(&self) -> bool {
        self.pod.as_ref().is_some_and(|pod| pod.container.is_none())
    }
}

/// A host's files, or a copy of them.
#[derive(Clone, Debug)]
pub struct View {
    root: PathBuf,
    proc: PathBuf,
}

impl View {
    /// This host. In a container that shares the host's processes, the host's files are those that its first process sees.
    pub fn of_host() -> View {
        let mount_namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
        let first = mount_namespace("1").filter(|first| mount_namespace("self").as_ref() != Some(first));
        let root = match first {
            Some(_) if std::fs::read_dir("/proc/1/root/").is_ok() => "/proc/1/root",
            _ => "/",
        };
        View {
            root: root.into(),
            proc: "/proc".into(),
        }
    }

    /// A copy of a host's files under a folder, with its `proc`.
    pub fn at(root: &Path) -> View {
        View {
            root: root.to_owned(),
            proc: root.join("proc"),
        }
    }

    /// A file of the host.
    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Every container that files or processes tell of, running or not, ordered by what it is called.
    pub fn containers(&self) -> Vec<Container> {
        let processes = process::read_all(&self.proc);
        self.containers_of(&processes)
    }

    fn containers_of(&self, processes: &[process::Process]) -> Vec<Container> {
        let mut merged = merge::Merged::default();
        merged.add(docker::read(self));
        merged.add(storage::read(self));
        merged.add(containerd::read(self));
        merged.add(supervisor::read(self, processes));
        merged.add(oci::read(self));
        merged.add(kubelet::read(self));
        merged.add(process::by_cgroup(processes));
        let mut containers = merged.into_containers();
        kubelet::fill_in(self, processes, &mut containers);
        containers.sort_by_key(|container| (container.label(), container.id.clone()));
        containers
    }
}
