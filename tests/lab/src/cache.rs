//! The folder that set-up fills.

use std::path::{Path, PathBuf};
use std::{env, fmt};

/// The folder that holds toolchains, kernels and the Go build cache.
///
/// `$GOINJECT_CACHE`, else `$XDG_CACHE_HOME/goinject`, else `~/.cache/goinject`. Layout:
///
/// ```text
/// go/<version>/go/bin/go      a GOROOT per Go version, with a stamp beside it
/// kernel/<major.minor>/       vmlinuz, config, version
/// programs/<name>/            packages of programs that other people built
/// readers/                    Python packages that read goinject's reports
/// gocache/, gopath/           build caches of every Go version
/// guest/kvm                   whether KVM worked, for this boot of the host
/// ```
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache that the environment names. It need not exist yet.
    #[must_use]
    pub fn from_env() -> Cache {
        let set = |name| {
            env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let root = set("GOINJECT_CACHE")
            .or_else(|| set("XDG_CACHE_HOME").map(|dir| dir.join("goinject")))
            .or_else(|| set("HOME").map(|dir| dir.join(".cache/goinject")))
            .unwrap_or_else(|| env::temp_dir().join("goinject-cache"));
        // Go refuses a relative GOCACHE, and tests run in other folders than the one the variable was set in.
        Cache {
            root: std::path::absolute(&root).unwrap_or(root),
        }
    }

    /// A cache in the folder `root`.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Cache {
        Cache { root: root.into() }
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `GOCACHE` of everything that the tests build.
    #[must_use]
    pub fn gocache(&self) -> PathBuf {
        self.root.join("gocache")
    }

    /// `GOPATH` of everything that the tests build.
    #[must_use]
    pub fn gopath(&self) -> PathBuf {
        self.root.join("gopath")
    }

    /// The Python packages that read goinject's reports.
    #[must_use]
    pub fn readers(&self) -> PathBuf {
        self.root.join("readers")
    }

    /// The folder of the kernels, one folder per `major.minor`.
    #[must_use]
    pub fn kernels(&self) -> PathBuf {
        self.root.join("kernel")
    }
}

/// Something that set-up has not put into the cache.
#[derive(Debug, Clone)]
pub struct NotSetUp {
    /// What is missing, as in "Go 1.27".
    pub what: String,
    /// Where it was looked for.
    pub place: PathBuf,
    /// The part to give to `cargo xtask setup --only`.
    pub part: String,
}

impl fmt::Display for NotSetUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotSetUp { what, place, part } = self;
        write!(
            f,
            "{what} is not in {}: run `cargo xtask setup --only {part}`",
            place.display()
        )
    }
}

impl std::error::Error for NotSetUp {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_part_names_the_command_that_gets_it() {
        let missing = NotSetUp {
            what: "Go 1.27".into(),
            place: "/c/go/1.27.3".into(),
            part: "go-1.27".into(),
        };
        assert_eq!(
            missing.to_string(),
            "Go 1.27 is not in /c/go/1.27.3: run `cargo xtask setup --only go-1.27`"
        );
    }
}
