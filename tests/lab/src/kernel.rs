//! The kernels that guests boot.

use std::fs;
use std::path::PathBuf;

use crate::cache::{Cache, NotSetUp};

/// Debian suites that have cloud kernels, in the order in which an unlisted version is looked for.
pub const SUITES: &[&str] = &[
    "bookworm",
    "bookworm-backports",
    "trixie",
    "trixie-backports",
    "sid",
    "bullseye",
];

/// A kernel line of the test matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Which versions count.
    pub wanted: Wanted,
    /// The suites to look in. The highest version in any of them wins, so they need not be in order.
    pub suites: &'static [&'static str],
    /// Why the matrix has it.
    pub why: &'static str,
}

/// Which versions a line takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// `major.minor`, any patch level.
    Exactly(u32, u32),
    /// Whatever is highest.
    Newest,
}

/// The kernels that set-up gets without being asked for one, oldest first.
pub const LINES: &[Line] = &[
    Line {
        wanted: Wanted::Exactly(5, 10),
        suites: &["bullseye"],
        why: "no attach cookies, no uprobe_multi: what old hosts have",
    },
    Line {
        wanted: Wanted::Exactly(6, 1),
        suites: &["bookworm"],
        why: "cookies, no uprobe_multi: Debian 12",
    },
    Line {
        wanted: Wanted::Exactly(6, 12),
        suites: &["trixie", "bookworm-backports"],
        why: "uprobe_multi with a pid filter that works: Debian 13",
    },
    Line {
        wanted: Wanted::Exactly(6, 18),
        suites: &["trixie-backports"],
        why: "the first that lets a uprobe program write registers",
    },
    Line {
        wanted: Wanted::Newest,
        suites: &["sid", "trixie-backports"],
        why: "what comes next",
    },
];

impl Line {
    /// How options and messages name it: "6.12" or "newest".
    #[must_use]
    pub fn name(&self) -> String {
        match self.wanted {
            Wanted::Exactly(major, minor) => format!("{major}.{minor}"),
            Wanted::Newest => "newest".to_owned(),
        }
    }

    /// Whether a kernel release, as in "6.12.107+deb13-cloud-amd64", belongs to it.
    #[must_use]
    pub fn takes(&self, release: &str) -> bool {
        match self.wanted {
            Wanted::Exactly(major, minor) => release_numbers(release) == Some((major, minor)),
            Wanted::Newest => true,
        }
    }
}

/// A kernel in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// `major.minor`: the name of its folder.
    pub name: String,
    /// What `uname -r` says in the guest.
    pub release: String,
    /// The compressed kernel.
    pub image: PathBuf,
    /// Whether it was fetched for the line "newest".
    pub newest: bool,
}

impl Kernel {
    /// Every kernel that is in the cache, oldest first.
    #[must_use]
    pub fn all(cache: &Cache) -> Vec<Kernel> {
        let mut kernels: Vec<Kernel> = fs::read_dir(cache.kernels())
            .into_iter()
            .flatten()
            .filter_map(|entry| Kernel::read(entry.ok()?.path()))
            .collect();
        kernels.sort_by_key(|kernel| release_numbers(&kernel.release));
        kernels
    }

    /// The kernel of a name: "6.12", or "newest" for the highest one there is.
    ///
    /// # Errors
    /// [`NotSetUp`] where the cache has none of that name.
    pub fn find(cache: &Cache, name: &str) -> Result<Kernel, NotSetUp> {
        let all = Kernel::all(cache);
        let found = match name {
            "newest" => all.into_iter().next_back(),
            _ => all.into_iter().find(|kernel| kernel.name == name),
        };
        found.ok_or_else(|| NotSetUp {
            what: format!("kernel {name}"),
            place: cache.kernels(),
            part: format!("kernel-{name}"),
        })
    }

    /// Set-up writes `version` last and renames the folder into place, so one that can be read is complete.
    fn read(folder: PathBuf) -> Option<Kernel> {
        let name = folder.file_name()?.to_str()?.to_owned();
        let version = fs::read_to_string(folder.join("version")).ok()?;
        let mut lines = version.lines();
        let release = lines.next()?.to_owned();
        let (major, minor) = release_numbers(&release)?;
        let image = folder.join("vmlinuz");
        (name == format!("{major}.{minor}") && image.is_file()).then(|| Kernel {
            name,
            release,
            image,
            newest: lines.any(|line| line == "line newest"),
        })
    }
}

/// Major and minor version of a kernel release.
///
/// ```
/// assert_eq!(goinject_lab::release_numbers("6.12.107+deb13-cloud-amd64"), Some((6, 12)));
/// assert_eq!(goinject_lab::release_numbers("7.3-cloud-amd64"), Some((7, 3)));
/// ```
#[must_use]
pub fn release_numbers(release: &str) -> Option<(u32, u32)> {
    let (major, rest) = release.split_once('.')?;
    let minor = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache_with(name: &str, kernels: &[(&str, &str)]) -> Cache {
        let root = std::env::temp_dir().join(format!("goinject-lab-{name}-{}", std::process::id()));
        let cache = Cache::at(root);
        for (folder, version) in kernels {
            let folder = cache.kernels().join(folder);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("version"), version).unwrap();
            fs::write(folder.join("vmlinuz"), "").unwrap();
        }
        cache
    }

    #[test]
    fn kernels_sort_by_number_and_newest_is_the_last() {
        let cache = cache_with(
            "sort",
            &[
                ("6.12", "6.12.1-cloud-amd64\n"),
                ("5.10", "5.10.0-32-cloud-amd64\n"),
                ("6.1", "6.1.0-50-cloud-amd64\n"),
                ("7.3", "7.3.4-cloud-amd64\nline newest\n"),
                ("7.4.partial", "7.4.1-cloud-amd64\n"),
            ],
        );
        let names: Vec<String> = Kernel::all(&cache)
            .into_iter()
            .map(|kernel| kernel.name)
            .collect();
        assert_eq!(names, ["5.10", "6.1", "6.12", "7.3"]);
        assert!(Kernel::find(&cache, "newest").unwrap().newest);
        assert_eq!(
            Kernel::find(&cache, "6.1").unwrap().release,
            "6.1.0-50-cloud-amd64"
        );
        assert_eq!(Kernel::find(&cache, "6.18").unwrap_err().part, "kernel-6.18");
        fs::remove_dir_all(cache.root()).unwrap();
    }

    #[test]
    fn a_line_takes_its_own_minor_version_only() {
        let line = Line {
            wanted: Wanted::Exactly(6, 1),
            suites: &[],
            why: "",
        };
        assert!(line.takes("6.1.0-50-cloud-amd64"));
        assert!(!line.takes("6.12.107+deb13-cloud-amd64"));
        assert!(!line.takes("cloud-amd64"));
    }
}
