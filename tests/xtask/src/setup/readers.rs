//! Programs that read goinject's reports in tests: none of them is by us.

use std::fs;

use goinject_lab::Cache;

use super::{Scratch, host, replace};
use crate::run::{Error, Result, captured};

/// Packages of the Python package index: a reader of JUnit files, one that knows XML schemas, and a client of language
/// servers.
const PACKAGES: &[&str] = &["junitparser==5.0.3", "lxml==6.1.3", "pygls==2.1.1"];

/// Whether the readers of this release of the tests are there.
pub(crate) fn are_there(cache: &Cache) -> bool {
    let stamp = fs::read_to_string(cache.readers().join("packages"));
    stamp.is_ok_and(|stamp| stamp == PACKAGES.join("\n"))
}

/// Puts them into the cache. The browser is installed with what else the host must have.
pub(crate) fn fetch(cache: &Cache) -> Result<String> {
    let parent = cache.root();
    fs::create_dir_all(parent)?;
    let new = Scratch::within(parent, "new")?;
    let mut pip = host::pip()?;
    pip.args([
        "--disable-pip-version-check",
        "install",
        "--quiet",
        "--no-cache-dir",
    ]);
    pip.args(["--only-binary", ":all:", "--progress-bar", "off", "--target"]);
    captured(pip.arg(new.path()).args(PACKAGES))?;
    if !new.path().join("junitparser").is_dir() {
        return Err(Error::new("pip installed no junitparser"));
    }
    fs::write(new.path().join("packages"), PACKAGES.join("\n"))?;
    replace(&cache.readers(), new.path())?;
    Ok(PACKAGES.join(", "))
}
