//! What several files say of one container, put together.

use std::collections::BTreeMap;

use super::Container;

/// Containers by their ids.
#[derive(Debug, Default)]
pub(super) struct Merged(BTreeMap<String, Container>);

impl Merged {
    /// Adds what another reader found. What was known before counts more.
    pub(super) fn add(&mut self, containers: Vec<Container>) {
        for container in containers {
            match self.0.get_mut(&container.id) {
                Some(known) => unite(known, container),
                None => {
                    self.0.insert(container.id.clone(), container);
                }
            }
        }
    }

    pub(super) fn into_containers(self) -> Vec<Container> {
        self.0.into_values().collect()
    }
}

fn unite(known: &mut Container, other: Container) {
    for name in other.names {
        if !known.names.contains(&name) {
            known.names.push(name);
        }
    }
    for cgroup in other.cgroups {
        if !known.cgroups.contains(&cgroup) {
            known.cgroups.push(cgroup);
        }
    }
    // The lower number is the one that people command.
    known.runtime = known.runtime.min(other.runtime);
    known.pod = known.pod.take().or(other.pod);
    known.init = match (known.init, other.init) {
        // One with its time can be checked.
        (Some((_, None)), Some(other @ (_, Some(_)))) => Some(other),
        (known, other) => known.or(other),
    };
}
