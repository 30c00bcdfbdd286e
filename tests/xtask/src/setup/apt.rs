//! Package archives of Debian suites other than the host's, through apt, without touching the host's own lists.
//!
//! apt gets its sources, lists and downloads in a private folder, and everything else (proxies, credentials) from the
//! host's configuration. Signatures are always checked.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use super::host::Host;
use super::sources::{self, Source};
use super::stanza::stanzas;
use super::{Scratch, version};
use crate::run::{self, Error, Result, captured, command};

/// The keyring of the Debian archive on every Debian system.
const ARCHIVE_KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// What is needed for any suite: archives to try, and a place for what comes from them.
pub(crate) struct Archives {
    archives: Vec<Source>,
    host: Host,
    scratch: Scratch,
    suites: Mutex<HashMap<String, Arc<OnceLock<Result<Suite>>>>>,
    fresh_keyrings: OnceLock<Result<Vec<String>>>,
}

/// A suite whose package lists have been fetched and verified.
#[derive(Debug, Clone)]
pub(crate) struct Suite {
    pub(crate) name: String,
    folder: PathBuf,
}

/// A package in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Size of the package file in bytes.
    pub(crate) size: u64,
}

impl Archives {
    pub(crate) fn of_host(host: &Host) -> Result<Archives> {
        let archives = sources::debian_archives(&sources::of_host(), &host.codename);
        if archives.is_empty() || !run::has_program("apt-get") {
            return Err(Error::new(
                "apt's configuration names no Debian archive: set GOINJECT_DEBIAN_MIRROR to the address of one \
                 (and install apt if this is not Debian)",
            ));
        }
        Ok(Archives {
            archives,
            host: host.clone(),
            scratch: Scratch::new("apt")?,
            suites: Mutex::default(),
            fresh_keyrings: OnceLock::new(),
        })
    }

    /// A suite, its lists fetched when it is asked for first.
    pub(crate) fn suite(&self, name: &str) -> Result<Suite> {
        let cell = {
            let mut suites = self.suites.lock().expect("no thread panics with it");
            Arc::clone(suites.entry(name.to_owned()).or_default())
        };
        cell.get_or_init(|| self.open(name)).clone()
    }

    fn open(&self, name: &str) -> Result<Suite> {
        let mut failures = Vec::new();
        let folder = self.scratch.path().join(name);
        let open = |lines: &str| {
            let suite = Suite {
                name: name.to_owned(),
                folder: folder.clone(),
            };
            suite.prepare(lines, self.host.is_root)?;
            captured(suite.apt_get().arg("update").arg("--error-on=any")).map(|_| suite)
        };
        for archive in &self.archives {
            let mut keyrings = archive.keyrings.clone();
            if keyrings.is_empty() && Path::new(ARCHIVE_KEYRING).exists() {
                keyrings.push(ARCHIVE_KEYRING.to_owned());
            }
            match open(&archive.line(name, &keyrings)) {
                Ok(suite) => return Ok(suite),
                Err(error) if !is_about_keys(&error) => failures.push(error.to_string()),
                // Another suite may be signed with keys that came, or went, after this host was installed.
                Err(error) => match self
                    .fresh_keyrings(name)
                    .map(|fresh| open(&archive.line(name, &fresh)))
                {
                    Ok(Ok(suite)) => return Ok(suite),
                    Ok(Err(again)) => failures.push(again.to_string()),
                    Err(none) => failures.push(format!("{error}\nand no newer keyring: {none}")),
                },
            }
        }
        Err(Error::new(format!(
            "the suite {name} cannot be read: {}\n(GOINJECT_DEBIAN_MIRROR can name another archive)",
            failures.join("\n")
        )))
    }

    /// The newest `debian-archive-keyring` of the host's own suite, which is verified with the keyring that is
    /// installed: today's keys, then those of releases that are no longer supported.
    fn fresh_keyrings(&self, wanted_for: &str) -> Result<Vec<String>> {
        if wanted_for == self.host.codename {
            return Err(Error::new(
                "the host's own suite cannot be verified with the keyring that is installed",
            ));
        }
        let fetch = || {
            let files = self
                .suite(&self.host.codename)?
                .fetch(&["debian-archive-keyring".to_owned()])?;
            let folder = self.scratch.path().join("keyring");
            unpack(&files, &folder)?;
            let mut keyrings: Vec<String> = fs::read_dir(folder.join("usr/share/keyrings"))?
                .filter_map(|entry| Some(entry.ok()?.path().to_str()?.to_owned()))
                .filter(|path| path.contains("debian-archive-keyring.") || path.contains("-removed-keys."))
                .collect();
            keyrings.sort();
            Ok(keyrings)
        };
        self.fresh_keyrings.get_or_init(fetch).clone()
    }
}

impl Suite {
    /// Its packages that have a name which is `wanted`.
    pub(crate) fn packages(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<Package>> {
        let mut packages = Vec::new();
        for entry in fs::read_dir(self.folder.join("lists"))? {
            let path = entry?.path();
            if path.to_string_lossy().ends_with("_Packages") {
                packages.extend(read_packages(&fs::read_to_string(path)?, &wanted));
            }
        }
        Ok(packages)
    }

    /// Downloads packages, each given as `name` or `name=version`.
    pub(crate) fn fetch(&self, packages: &[String]) -> Result<Vec<PathBuf>> {
        let folder = self
            .folder
            .join("download")
            .join(packages.join(" ").replace('/', "-"));
        fs::create_dir_all(&folder)?;
        own_by_apt(&folder);
        captured(self.apt_get().current_dir(&folder).arg("download").args(packages))?;
        let files = fs::read_dir(&folder)?.filter_map(|entry| Some(entry.ok()?.path()));
        Ok(files
            .filter(|file| file.extension().is_some_and(|extension| extension == "deb"))
            .collect())
    }

    fn prepare(&self, sources: &str, is_root: bool) -> Result<()> {
        for folder in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(self.folder.join(folder))?;
        }
        if is_root {
            own_by_apt(&self.folder.join("lists/partial"));
        }
        fs::write(self.folder.join("sources"), sources)?;
        // What is installed on the host must not decide what a download takes.
        fs::write(self.folder.join("status"), "")?;
        Ok(())
    }

    fn apt_get(&self) -> Command {
        let mut apt = private_apt_get(&self.folder);
        apt.arg("-o").arg(format!(
            "Dir::State::status={}",
            self.folder.join("status").display()
        ));
        apt
    }
}

/// `apt-get` with the sources, lists and downloads of a private folder, and the installed packages of the host.
pub(super) fn private_apt_get(folder: &Path) -> Command {
    let at = |name: &str| folder.join(name).display().to_string();
    let mut apt = command("apt-get", ["-q"]);
    for option in [
        format!("Dir::Etc::sourcelist={}", at("sources")),
        "Dir::Etc::sourceparts=-".to_owned(),
        format!("Dir::State::lists={}", at("lists")),
        format!("Dir::Cache={}", at("cache")),
        // Some images switch these off or compress lists; here they are read by us, and more than once by apt.
        "Dir::Cache::pkgcache=pkgcache.bin".to_owned(),
        "Dir::Cache::srcpkgcache=srcpkgcache.bin".to_owned(),
        "Acquire::GzipIndexes=false".to_owned(),
        "Acquire::Languages=none".to_owned(),
        "Acquire::Retries=3".to_owned(),
        "DPkg::Lock::Timeout=300".to_owned(),
    ] {
        apt.args(["-o", &option]);
    }
    apt.env("LC_ALL", "C.UTF-8")
        .env("DEBIAN_FRONTEND", "noninteractive");
    apt
}

/// Lets apt's own unprivileged user write into a folder. Where there is none, apt does without.
fn own_by_apt(folder: &Path) {
    let _ = run::output(command("chown", ["_apt"]).arg(folder));
}

/// Unpacks package files into one folder, without installing them.
pub(crate) fn unpack(files: &[PathBuf], folder: &Path) -> Result<()> {
    for file in files {
        captured(command("dpkg-deb", ["--extract"]).arg(file).arg(folder))?;
    }
    // The folder takes on the permissions of the archive's root; ours must stay open to apt's user.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn is_about_keys(error: &Error) -> bool {
    let text = error.to_string();
    [
        "NO_PUBKEY",
        "EXPKEYSIG",
        "is not signed",
        "signature",
        "Missing key",
    ]
    .iter()
    .any(|word| text.contains(word))
}

fn read_packages(list: &str, wanted: impl Fn(&str) -> bool) -> Vec<Package> {
    let mut packages = Vec::new();
    let mut rest = list;
    while !rest.is_empty() {
        // Taking paragraphs apart costs more than finding them, and nearly all are none of ours.
        let (paragraph, after) = rest.split_once("\n\n").unwrap_or((rest, ""));
        rest = after;
        let name = paragraph
            .trim_start()
            .strip_prefix("Package:")
            .and_then(|text| text.lines().next());
        if !name.is_some_and(|name| wanted(name.trim())) {
            continue;
        }
        packages.extend(stanzas(paragraph).filter_map(|stanza| {
            Some(Package {
                name: stanza.get("Package")?.to_owned(),
                version: stanza.get("Version")?.to_owned(),
                size: stanza.get("Size").and_then(|size| size.parse().ok()).unwrap_or(0),
            })
        }));
    }
    packages.sort_by(|a, b| version::compare(&a.version, &b.version));
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_read_lowest_version_first() {
        let list = "Package: linux-image-6.1.0-50-cloud-amd64\nSource: linux-signed-amd64 (6.1.176+1)\n\
                    Version: 6.1.176-1\nDescription: Linux\n more\nSize: 26484304\n\n\
                    Package: linuxinfo\nVersion: 3\nSize: 1\n\n\
                    Package: linux-image-6.1.0-47-cloud-amd64\nVersion: 6.1.170-3\nSize: 26429640\n";
        let packages = read_packages(list, |name| name.starts_with("linux-image-"));
        let shown: Vec<String> = packages
            .iter()
            .map(|p| format!("{} {} {}", p.name, p.version, p.size))
            .collect();
        assert_eq!(
            shown,
            [
                "linux-image-6.1.0-47-cloud-amd64 6.1.170-3 26429640",
                "linux-image-6.1.0-50-cloud-amd64 6.1.176-1 26484304",
            ]
        );
    }
}
