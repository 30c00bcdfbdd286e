//! The containers that a name stands for.

use goinject_rules::diagnostic::near_misses;

use super::members::Found;
use super::process::{self, Process};
use super::{Container, Name, View};

/// Containers named in an error at the most.
const SHOWN: usize = 12;

/// Why no container is found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// There is none.
    #[error("there is no container `{name}`{}", hint(.near, .running))]
    None {
        /// As asked for.
        name: String,
        /// What may have been meant.
        near: Vec<String>,
        /// Those that run.
        running: Vec<String>,
    },
    /// There are several.
    #[error("`{name}` may be any of these containers, name one by its id:{}", list(.containers))]
    Several {
        /// As asked for.
        name: String,
        /// All of them.
        containers: Vec<String>,
    },
    /// It has no process.
    #[error("container `{name}` ({label}) does not run: start it first")]
    Stopped {
        /// As asked for.
        name: String,
        /// What it is.
        label: String,
    },
    /// It is frozen.
    #[error("container `{0}` is paused: nothing in it can be stopped or changed until it goes on")]
    Paused(String),
    /// The pod has no such container.
    #[error("pod `{pod}` has no container `{container}`: it has {}", .has.join(", "))]
    NotInPod {
        /// Namespace and name.
        pod: String,
        /// As asked for.
        container: String,
        /// The names of those that are in it.
        has: Vec<String>,
    },
}

fn hint(near: &[String], running: &[String]) -> String {
    let quoted: Vec<String> = near.iter().map(|name| format!("`{name}`")).collect();
    match (near, running) {
        ([], []) => {
            ": no container runs here that goinject can see (is it on this host, and is goinject root in the host's PID namespace?)"
                .to_owned()
        }
        ([], running) => format!("; these run:{}", list(running)),
        (near, _) if near.len() == 1 => format!(": did you mean {}?", quoted[0]),
        _ => format!(": did you mean one of {}?", quoted.join(", ")),
    }
}

fn list(lines: &[String]) -> String {
    let shown = lines.iter().take(SHOWN).map(|line| format!("\n  {line}"));
    let mut text: String = shown.collect();
    if lines.len() > SHOWN {
        text.push_str(&format!("\n  and {} more", lines.len() - SHOWN));
    }
    text
}

impl View {
    /// The running containers that a name stands for: one, or those of a pod.
    ///
    /// # Errors
    /// There is none, it does not run, or several are called so.
    pub fn find(&self, name: &Name) -> Result<Vec<Found>, FindError> {
        let processes = process::read_all(&self.proc);
        let containers = self.containers_of(&processes);
        let matching = matching(name, &containers);
        if matching.is_empty() {
            return Err(self.none(name, &containers, &processes));
        }
        let running: Vec<Found> = matching
            .iter()
            .map(|container| Found {
                container: (*container).clone(),
                members: self.members_among(container, &processes),
            })
            .filter(|found| !found.members.is_empty())
            .collect();
        match (name, running.len()) {
            (_, 0) => Err(FindError::Stopped {
                name: name.to_string(),
                label: words(matching[0]),
            }),
            (Name::Plain(_), 2..) => Err(FindError::Several {
                name: name.to_string(),
                containers: running.iter().map(|found| words(&found.container)).collect(),
            }),
            _ => match running.iter().find(|found| self.is_paused(&found.members)) {
                Some(paused) => Err(FindError::Paused(paused.container.label())),
                None => Ok(running),
            },
        }
    }

    fn none(&self, name: &Name, containers: &[Container], processes: &[Process]) -> FindError {
        if let Name::Pod {
            namespace,
            pod,
            container: Some(container),
        } = name
        {
            let mut has: Vec<String> = containers
                .iter()
                .filter_map(|other| other.pod.as_ref())
                .filter(|other| other.namespace == *namespace && other.name == *pod)
                .filter_map(|other| other.container.clone())
                .collect();
            // One that was started anew is there more than once.
            has.sort();
            has.dedup();
            if !has.is_empty() {
                return FindError::NotInPod {
                    pod: format!("{namespace}/{pod}"),
                    container: container.clone(),
                    has,
                };
            }
        }
        let others = containers.iter().filter(|container| !container.is_sandbox());
        let names: Vec<String> = others.clone().flat_map(|other| names_like(name, other)).collect();
        let near = near_misses(&name.to_string(), names.iter().map(String::as_str), 3);
        let runs = |container: &&Container| !self.members_among(container, processes).is_empty();
        FindError::None {
            name: name.to_string(),
            near: near.into_iter().map(str::to_owned).collect(),
            running: others.filter(runs).map(words).collect(),
        }
    }
}

/// Those called exactly so; else, those whose ids begin so.
fn matching<'c>(name: &Name, containers: &'c [Container]) -> Vec<&'c Container> {
    let exactly: Vec<&Container> = containers.iter().filter(|other| name.is(other)).collect();
    if !exactly.is_empty() {
        return exactly;
    }
    containers.iter().filter(|other| name.begins(other)).collect()
}

/// The names of a container that could have been meant.
fn names_like(name: &Name, container: &Container) -> Vec<String> {
    match (name, &container.pod) {
        (Name::Plain(_), _) => {
            let mut names = container.names.clone();
            if !process::is_long_id(&container.id) {
                names.push(container.id.clone());
            }
            names
        }
        (Name::Pod { container: None, .. }, Some(pod)) => vec![format!("{}/{}", pod.namespace, pod.name)],
        (Name::Pod { .. }, Some(_)) => vec![container.label()],
        (Name::Pod { .. }, None) => Vec::new(),
    }
}

/// A container for lists.
fn words(container: &Container) -> String {
    let label = container.label();
    match label == container.short_id() {
        true => format!("{label} ({})", container.runtime),
        false => format!("{label} ({}, {})", container.short_id(), container.runtime),
    }
}
