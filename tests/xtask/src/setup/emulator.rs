//! QEMU for the guests.

use std::fs;

use super::host::{Host, major_version};
use super::{Scratch, apt, sources};
use crate::run::{Error, Result, captured};

const PROGRAM: &str = "qemu-system-x86_64";

/// The QEMU 7.2 of Debian 12 panicked guests in a fifth of its boots under emulation; none of this one's did.
const LEAST: u32 = 10;

/// Whether a QEMU that will do is installed.
pub(crate) fn is_there() -> bool {
    major_version(PROGRAM).is_some_and(|version| version >= LEAST)
}

/// Installs it from the host's suite or its backports, whichever is newer, leaving apt's configuration as it is.
pub(crate) fn install(host: &Host) -> Result<()> {
    if !host.has_apt || !host.is_root {
        let how = match host.codename.as_str() {
            "" => "with the package manager of this system".to_owned(),
            name => format!(
                "apt-get install -t {name}-backports qemu-system-x86 (with that suite in apt's sources)"
            ),
        };
        return Err(Error::new(format!(
            "{PROGRAM} {LEAST} or newer: not installed. As root: {how}"
        )));
    }
    let configured = sources::of_host();
    let archives = sources::debian_archives(&configured, &host.codename);
    // All of the host's own suites, because what QEMU depends on must fit what is installed from them.
    let suites =
        [String::new(), "-updates".into(), "-security".into()].map(|end| host.codename.clone() + &end);
    let own: String = configured
        .iter()
        .filter(|source| suites.contains(&source.suite))
        .map(|source| source.line(&source.suite, &source.keyrings))
        .collect();
    let backports = format!("{}-backports", host.codename);
    let mut failure = Error::new("apt's configuration names no Debian archive: install QEMU by hand");
    for archive in archives {
        let scratch = Scratch::new("qemu")?;
        for folder in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(scratch.path().join(folder))?;
        }
        let lines = own.clone() + &archive.line(&backports, &archive.keyrings);
        fs::write(scratch.path().join("sources"), lines)?;
        let apt = || apt::private_apt_get(scratch.path());
        let result = captured(apt().args(["update", "--error-on=any"])).and_then(|_| {
            let arguments = [
                "install",
                "--yes",
                "--no-install-recommends",
                "--target-release",
                &backports,
            ];
            captured(apt().args(arguments).arg("qemu-system-x86"))
        });
        match result {
            Ok(_) if is_there() => return Ok(()),
            Ok(_) => failure = Error::new(format!("{backports} has no {PROGRAM} {LEAST} or newer")),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}
