//! What `/proc` tells of processes: which container each is in.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{Container, Runtime};

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) parent: i32,
    /// When it started, in ticks since the host did: with the id it means one process only.
    pub(super) start: u64,
    /// The file name of its program, cut off.
    pub(super) command: String,
    /// Its cgroup in each hierarchy.
    pub(super) cgroups: Vec<String>,
    /// Its PID namespace, as the link in `/proc` names it.
    pub(super) pid_namespace: Option<String>,
}

/// Every process that has not ended. One that ends while it is looked at is left out.
pub(super) fn read_all(proc: &Path) -> Vec<Process> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let mut pids: Vec<i32> = pids.collect();
    pids.sort_unstable();
    let mut processes: Vec<Process> = pids.into_iter().filter_map(|pid| read(proc, pid)).collect();
    begin_at_root(&mut processes);
    processes
}

/// In a cgroup namespace, paths begin at one's own cgroup: `/../../docker/ID`. Those that lead up the furthest do so to the root, where
/// kernel threads are, and are known as from there.
fn begin_at_root(processes: &mut [Process]) {
    let ups = |path: &str| path.split('/').skip(1).take_while(|part| *part == "..").count();
    let all = processes.iter().flat_map(|process| &process.cgroups);
    let depth = all.map(|path| ups(path)).max().unwrap_or(0);
    for path in processes.iter_mut().flat_map(|process| &mut process.cgroups) {
        if depth > 0 && ups(path) == depth {
            let rest = &path[depth * "/..".len()..];
            *path = if rest.is_empty() { "/" } else { rest }.to_owned();
        }
    }
}

fn read(proc: &Path, pid: i32) -> Option<Process> {
    let folder = proc.join(pid.to_string());
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    // The name may have parentheses and spaces.
    let (before, rest) = stat.rsplit_once(") ")?;
    let command = before.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    if matches!(fields.first().copied(), Some("Z" | "X") | None) {
        return None;
    }
    let cgroups = fs::read_to_string(folder.join("cgroup")).ok()?;
    let path = |line: &str| line.splitn(3, ':').nth(2).map(str::to_owned);
    Some(Process {
        pid,
        parent: fields.get(1)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
        command,
        cgroups: cgroups.lines().filter_map(path).collect(),
        pid_namespace: pid_namespace(&folder),
    })
}

/// The PID namespace of a process's folder.
pub(super) fn pid_namespace(folder: &Path) -> Option<String> {
    let link = fs::read_link(folder.join("ns/pid")).ok()?;
    Some(link.to_string_lossy().into_owned())
}

/// The number of a process in its own PID namespace, if that is another than here.
pub fn namespace_pid(pid: i32) -> Option<i32> {
    namespace_pid_in(Path::new("/proc"), pid)
}

pub(super) fn namespace_pid_in(proc: &Path, pid: i32) -> Option<i32> {
    let status = fs::read_to_string(proc.join(pid.to_string()).join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    let mut numbers = line.split_whitespace();
    let _here = numbers.next()?;
    numbers.next_back()?.parse().ok()
}

/// Whether runtimes make ids like this: 64 hexadecimal digits.
pub(super) fn is_long_id(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl Process {
    /// The id of the container that it is in, and the runtime, as its cgroup tells. The outermost counts: below that, the
    /// container itself may make cgroups of any name.
    pub(super) fn container_id(&self) -> Option<(&str, Runtime)> {
        self.cgroups.iter().find_map(|path| container_of(path))
    }

    /// Whether its cgroup is this one, or lies in it.
    pub(super) fn is_within(&self, cgroup: &str) -> bool {
        let below = |path: &String| {
            path.strip_prefix(cgroup)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        cgroup.len() > 1 && self.cgroups.iter().any(below)
    }

    /// Whether it is what a runtime leaves beside a container.
    pub(super) fn is_supervisor(&self) -> bool {
        self.container_id().is_none()
            && (self.command == "conmon" || self.command.starts_with("containerd-shim"))
    }

    /// Whether it is a runtime that has not made way for the container's program yet. Stages of one that is a Go program have
    /// names of their own, such as `runc:[2:INIT]`.
    pub(super) fn is_runtime(&self) -> bool {
        self.command == "crun"
            || ["runc:[", "youki:["]
                .iter()
                .any(|start| self.command.starts_with(start))
    }

    /// Its command line, if it is what a runtime leaves beside a container; the first word tells which kind. What is itself in
    /// a container, or in another PID namespace, could claim anything.
    pub(super) fn supervisor_words(&self, proc: &Path) -> Option<Vec<String>> {
        if !self.is_supervisor() || self.pid_namespace != pid_namespace(&proc.join("self")) {
            return None;
        }
        let line = fs::read(proc.join(self.pid.to_string()).join("cmdline")).ok()?;
        let words = line.split(|byte| *byte == 0);
        let mut words: Vec<String> = words
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect();
        *words.first_mut()? = match self.command == "conmon" {
            true => "conmon".to_owned(),
            false => "shim".to_owned(),
        };
        Some(words)
    }
}

/// The container that a cgroup is of: `/docker/ID`, `docker-ID.scope`, `/kubepods/…/podUID/ID`, `cri-containerd-ID.scope`, …
fn container_of(cgroup: &str) -> Option<(&str, Runtime)> {
    let mut above = "";
    for part in cgroup.split('/') {
        let name = part.strip_suffix(".scope").unwrap_or(part);
        let (kind, id) = match name.rsplit_once('-') {
            Some((kind, id)) if is_long_id(id) => (kind, id),
            // A pod of Podman's, with its containers and what watches them below it.
            _ if is_long_id(name) && above == "libpod_parent" => {
                above = "";
                continue;
            }
            _ if is_long_id(name) => (above, name),
            _ => {
                above = part;
                continue;
            }
        };
        let runtime = match kind {
            "docker" => Runtime::Docker,
            "libpod" => Runtime::Podman,
            "crio" => Runtime::CriO,
            "cri-containerd" => Runtime::Containerd,
            // What watches the container has a cgroup beside it.
            kind if kind.ends_with("conmon") => return None,
            _ => Runtime::Unknown,
        };
        return Some((id, runtime));
    }
    None
}

/// The containers whose ids are in cgroups.
pub(super) fn by_cgroup(processes: &[Process]) -> Vec<Container> {
    let found: BTreeMap<&str, Runtime> = processes.iter().filter_map(Process::container_id).collect();
    let containers = found.into_iter();
    containers
        .map(|(id, runtime)| Container::new(id, runtime))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroups_name_containers() {
        let id = "0b8301f9ab37364393af5dff68340c10b060002d0c0e9510293ae2bf0a208691";
        let other = "967fe9f54c8202765926d3edd7977590ae3e09de81ec3b780602d6bec3b460cb";
        let of = |path: &str| container_of(path).map(|(id, runtime)| (id.to_owned(), runtime));
        for (path, runtime) in [
            (format!("/docker/{id}"), Runtime::Docker),
            (format!("/system.slice/docker-{id}.scope"), Runtime::Docker),
            (
                format!("/machine.slice/libpod-{id}.scope/container"),
                Runtime::Podman,
            ),
            (format!("/libpod_parent/libpod-{id}"), Runtime::Podman),
            (format!("/libpod_parent/{other}/libpod-{id}"), Runtime::Podman),
            (
                format!("/machine.slice/machine-libpod_pod_{other}.slice/libpod-{id}.scope"),
                Runtime::Podman,
            ),
            // What a container makes below itself counts for nothing.
            (
                format!("/docker/{id}/libpod_parent/libpod-{other}"),
                Runtime::Docker,
            ),
            (
                format!(
                    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod5c_1.slice/crio-{id}.scope"
                ),
                Runtime::CriO,
            ),
            (
                format!("/kubepods.slice/kubepods-pod5c.slice/cri-containerd-{id}.scope"),
                Runtime::Containerd,
            ),
            (format!("/kubepods/besteffort/pod5c-1/{id}"), Runtime::Unknown),
            (format!("/docker/{id}/docker/{other}"), Runtime::Docker),
        ] {
            assert_eq!(of(&path), Some((id.to_owned(), runtime)), "{path}");
        }
        for none in [
            "/".to_owned(),
            "/user.slice/user-1000.slice/session-1.scope".to_owned(),
            format!("/machine.slice/libpod-conmon-{id}.scope"),
            format!("/libpod_parent/{id}/conmon"),
            format!("/kubepods.slice/crio-conmon-{id}.scope"),
        ] {
            assert_eq!(of(&none), None, "{none}");
        }
    }
}
