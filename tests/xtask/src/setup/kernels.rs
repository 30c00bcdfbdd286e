//! Kernels for guests, from the package archive as it is at the time of set-up.

use std::fs;
use std::path::{Path, PathBuf};

use goinject_lab::{Cache, Kernel, Line, release_numbers};

use super::apt::{Archives, Package, Suite, unpack};
use super::{Scratch, replace, version};
use crate::run::{Error, Result};

/// How Debian ends the names of kernels for virtual machines.
const FLAVOUR: &str = "-cloud-amd64";

/// A package that depends on others for its files is this small; one with a kernel in it is far bigger.
const EMPTY: u64 = 1 << 20;

/// A kernel that can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    /// What `uname -r` will say.
    release: String,
    package: Package,
    /// The package that has the configuration, where that is another one.
    base: Option<Package>,
}

/// Fetches the highest version of a line. Its release, in words.
pub(crate) fn fetch(archives: &Archives, line: &Line, cache: &Cache) -> Result<String> {
    let mut candidates = Vec::new();
    let mut failures = Vec::new();
    for &name in line.suites {
        let listed = archives.suite(name).and_then(|suite| {
            let packages =
                suite.packages(|package| package.starts_with("linux-") && package.ends_with(FLAVOUR))?;
            Ok((suite, packages))
        });
        match listed {
            Ok((suite, packages)) => candidates.extend(
                choose(&packages, line)
                    .into_iter()
                    .map(|candidate| (suite.clone(), candidate)),
            ),
            Err(error) => failures.push(error.to_string()),
        }
    }
    // Other suites may do, but then "newest" may not be the newest.
    for failure in failures.iter().filter(|_| !candidates.is_empty()) {
        println!("set-up: kernel {}: {failure}", line.name());
    }
    candidates.sort_by(|(_, a), (_, b)| version::compare(&b.package.version, &a.package.version));
    if candidates.is_empty() && failures.is_empty() {
        failures.push(format!("there is none in {}", line.suites.join(", ")));
    } else if candidates.is_empty() {
        failures.push("and there is none in the other suites".to_owned());
    }
    // A list can be ahead of its archive's files, or behind them: then the next lower version will do.
    for (suite, candidate) in candidates.iter().take(3) {
        match install(suite, candidate, line, cache) {
            Ok(()) => return Ok(candidate.release.clone()),
            Err(error) => failures.push(error.to_string()),
        }
    }
    Err(Error::new(failures.join("\n")))
}

/// The kernels of a line among packages.
///
/// Up to 6.18 all is in `linux-image-R`. Later `linux-binary-R` has the kernel, `linux-base-R` its configuration, and
/// `linux-image-R` nothing.
fn choose(packages: &[Package], line: &Line) -> Vec<Candidate> {
    let find = |prefix: &str, release: &str| {
        packages
            .iter()
            .find(|package| package.name == format!("{prefix}{release}"))
            .cloned()
    };
    let mut found: Vec<Candidate> = Vec::new();
    for package in packages.iter().filter(|package| package.size >= EMPTY) {
        let name = &package.name;
        let release = name
            .strip_prefix("linux-binary-")
            .or_else(|| name.strip_prefix("linux-image-"));
        // Names such as linux-image-cloud-amd64 or linux-binary-unsigned-… have no number there.
        let Some(release) = release.filter(|r| release_numbers(r).is_some() && line.takes(r)) else {
            continue;
        };
        if name.starts_with("linux-image-") && find("linux-binary-", release).is_some() {
            continue;
        }
        found.push(Candidate {
            release: release.to_owned(),
            package: package.clone(),
            base: find("linux-base-", release),
        });
    }
    found
}

fn install(suite: &Suite, candidate: &Candidate, line: &Line, cache: &Cache) -> Result<()> {
    let Candidate {
        release,
        package,
        base,
    } = candidate;
    let pinned = |package: &Package| format!("{}={}", package.name, package.version);
    let wanted: Vec<String> = [package].into_iter().chain(base).map(pinned).collect();
    let scratch = Scratch::new("kernel")?;
    unpack(&suite.fetch(&wanted)?, scratch.path())?;

    let (major, minor) = release_numbers(release).expect("chosen for its numbers");
    let folder = cache.kernels().join(format!("{major}.{minor}"));
    let was_newest = Kernel::all(cache)
        .iter()
        .any(|k| k.newest && k.image.starts_with(&folder));
    let image = find_file(scratch.path(), release, "vmlinuz")
        .ok_or_else(|| Error::new(format!("{} has no kernel in it", package.name)))?;
    fs::create_dir_all(cache.kernels())?;
    let new = Scratch::within(&cache.kernels(), "new")?;
    fs::copy(image, new.path().join("vmlinuz"))?;
    if let Some(config) = find_file(scratch.path(), release, "config") {
        fs::copy(config, new.path().join("config"))?;
    }
    let mut about = format!(
        "{release}\npackage {} {}\nsuite {}\n",
        package.name, package.version, suite.name
    );
    if was_newest || line.name() == "newest" {
        about.push_str("line newest\n");
    }
    fs::write(new.path().join("version"), about)?;
    replace(&folder, new.path())
}

/// Kernels lie in `/boot` with their release in the name, or among their modules without it.
fn find_file(unpacked: &Path, release: &str, name: &str) -> Option<PathBuf> {
    [
        unpacked.join(format!("boot/{name}-{release}")),
        unpacked.join(format!("usr/lib/modules/{release}/{name}")),
        unpacked.join(format!("lib/modules/{release}/{name}")),
    ]
    .into_iter()
    .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use goinject_lab::Wanted;

    use super::*;

    fn package(name: &str, version: &str, size: u64) -> Package {
        Package {
            name: name.into(),
            version: version.into(),
            size,
        }
    }

    const NEWEST: Line = Line {
        wanted: Wanted::Newest,
        suites: &[],
        why: "",
    };

    #[test]
    fn both_layouts_of_packages_are_understood() {
        let packages = [
            package(
                "linux-image-6.18.15+deb13-cloud-amd64",
                "6.18.15-1~bpo13+1",
                49_146_196,
            ),
            package("linux-image-cloud-amd64", "7.3.4-1~bpo13+1", 1524),
            package("linux-image-7.3.4+deb13-cloud-amd64", "7.3.4-1~bpo13+1", 1928),
            package(
                "linux-binary-7.3.4+deb13-cloud-amd64",
                "7.3.4-1~bpo13+1",
                13_604_064,
            ),
            package(
                "linux-binary-unsigned-7.3.4+deb13-cloud-amd64",
                "7.3.4-1~bpo13+1",
                13_602_692,
            ),
            package("linux-base-7.3.4+deb13-cloud-amd64", "7.3.4-1~bpo13+1", 1_025_208),
            package(
                "linux-modules-7.3.4+deb13-cloud-amd64",
                "7.3.4-1~bpo13+1",
                22_918_420,
            ),
            package(
                "linux-headers-7.3.4+deb13-cloud-amd64",
                "7.3.4-1~bpo13+1",
                2_000_000,
            ),
        ];
        let found: Vec<String> = choose(&packages, &NEWEST)
            .into_iter()
            .map(|c| format!("{} {} {}", c.release, c.package.name, c.base.is_some()))
            .collect();
        assert_eq!(
            found,
            [
                "6.18.15+deb13-cloud-amd64 linux-image-6.18.15+deb13-cloud-amd64 false",
                "7.3.4+deb13-cloud-amd64 linux-binary-7.3.4+deb13-cloud-amd64 true",
            ]
        );
    }

    #[test]
    fn a_line_leaves_other_lines_alone() {
        let packages = [
            package("linux-image-6.1.0-50-cloud-amd64", "6.1.176-1", 26_484_304),
            package("linux-image-6.12.107+deb13-cloud-amd64", "6.12.107-1", 34_402_644),
        ];
        let line = Line {
            wanted: Wanted::Exactly(6, 1),
            suites: &[],
            why: "",
        };
        let found: Vec<String> = choose(&packages, &line).into_iter().map(|c| c.release).collect();
        assert_eq!(found, ["6.1.0-50-cloud-amd64"]);
    }
}
