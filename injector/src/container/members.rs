//! Which processes are in a container.

use std::collections::BTreeSet;
use std::fs;

use super::process::{self, Process};
use super::{Container, View};

/// A process in a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Its number here.
    pub pid: i32,
    /// Its number in its own PID namespace, if that is another.
    pub namespace_pid: Option<i32>,
    /// When it started, which tells it from a later one of the same number.
    pub start: u64,
    /// It is the runtime still, which is about to run the container's program in it.
    pub is_runtime: bool,
}

/// A container that runs, and its processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// It.
    pub container: Container,
    /// Never empty.
    pub members: Vec<Member>,
}

impl View {
    /// The processes of a container as they are now.
    pub fn members(&self, container: &Container) -> Vec<Member> {
        self.members_among(container, &process::read_all(&self.proc))
    }

    pub(super) fn members_among(&self, container: &Container, processes: &[Process]) -> Vec<Member> {
        let mut members = by_cgroup(container, processes);
        if members.is_empty()
            && let Some(init) = self.init(container, processes)
        {
            members = self.by_init(init, processes);
        }
        let own = std::process::id().cast_signed();
        let members = members.into_iter().filter(|member| member.pid != own);
        members
            .map(|member| Member {
                pid: member.pid,
                namespace_pid: process::namespace_pid_in(&self.proc, member.pid),
                start: member.start,
                is_runtime: member.is_runtime(),
            })
            .collect()
    }

    /// Whether its processes are stopped by the freezer.
    pub fn is_paused(&self, members: &[Member]) -> bool {
        let Some(first) = members.first() else {
            return false;
        };
        let cgroups = fs::read_to_string(self.proc.join(first.pid.to_string()).join("cgroup"));
        let says = |path: &str, word: &str| {
            fs::read_to_string(self.path(path)).is_ok_and(|state| state.trim() == word)
        };
        cgroups.unwrap_or_default().lines().any(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (Some(controller), Some(path)) = (parts.next(), parts.next()) else {
                return false;
            };
            match controller {
                "freezer" => says(&format!("/sys/fs/cgroup/freezer{path}/freezer.state"), "FROZEN"),
                "" => ["", "/unified"]
                    .iter()
                    .any(|mount| says(&format!("/sys/fs/cgroup{mount}{path}/cgroup.freeze"), "1")),
                _ => false,
            }
        })
    }

    /// The first process, if it is still the one that the runtime noted. A number alone may be another's by now: then only a
    /// runtime's own child counts.
    fn init<'p>(&self, container: &Container, processes: &'p [Process]) -> Option<&'p Process> {
        let (pid, start) = container.init?;
        let found = processes.iter().find(|process| process.pid == pid)?;
        let is_same = match start {
            Some(start) => found.start == start,
            None => processes
                .iter()
                .any(|process| process.pid == found.parent && process.is_supervisor()),
        };
        is_same.then_some(found)
    }

    /// Without a cgroup of its own, a container is a PID namespace; without that, what its first process has started.
    fn by_init<'p>(&self, init: &'p Process, processes: &'p [Process]) -> Vec<&'p Process> {
        let here = process::pid_namespace(&self.proc.join("self"));
        if init.pid_namespace.is_some() && init.pid_namespace != here {
            // Containers may share one, as in a pod; those that have a cgroup are told apart by that.
            let of_another = |process: &Process| process.container_id() != init.container_id();
            let same =
                |process: &&Process| process.pid_namespace == init.pid_namespace && !of_another(process);
            return processes.iter().filter(same).collect();
        }
        let mut family = BTreeSet::from([init.pid]);
        loop {
            let more = processes
                .iter()
                .filter(|process| family.contains(&process.parent) && !family.contains(&process.pid));
            let more: Vec<i32> = more.map(|process| process.pid).collect();
            if more.is_empty() {
                break;
            }
            family.extend(more);
        }
        processes
            .iter()
            .filter(|process| family.contains(&process.pid))
            .collect()
    }
}

fn by_cgroup<'p>(container: &Container, processes: &'p [Process]) -> Vec<&'p Process> {
    let own = std::process::id().cast_signed();
    let ours = processes.iter().find(|process| process.pid == own);
    // One that goinject is in as well is none of the container's.
    let wide = |cgroup: &str| ours.is_some_and(|ours| ours.is_within(cgroup));
    let cgroups: Vec<&String> = container.cgroups.iter().filter(|cgroup| !wide(cgroup)).collect();
    let is_member = |process: &&Process| {
        process.container_id().is_some_and(|(id, _)| id == container.id)
            || cgroups.iter().any(|cgroup| process.is_within(cgroup))
    };
    processes.iter().filter(is_member).collect()
}
