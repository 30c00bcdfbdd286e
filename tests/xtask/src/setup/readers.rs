//! Programs that read goinject's reports in tests: none of them is by us.

use std::fs;
use std::path::Path;
use std::process::Command;

use goinject_lab::Cache;

use super::{Scratch, host, replace};
use crate::run::{Error, Result, captured};

/// Packages of the Python package index: a reader of JUnit files, one that knows XML schemas, a client of language
/// servers, an engine that goinject is a part of experiments of, the schemas of GitHub's actions and GitLab's pipelines, those of
/// Kubernetes, and a reader of metrics.
const PACKAGES: &[&str] = &[
    "junitparser==5.0.3",
    "lxml==6.1.3",
    "pygls==2.1.1",
    "chaostoolkit==1.19.0",
    "check-jsonschema==0.39.0",
    "kubernetes-validate==1.37.0",
    "prometheus-client==0.26.0",
];

/// The crate that carries the schema of SARIF 2.1.0 as OASIS publishes it.
const SARIF: (&str, &str) = ("serde-sarif", "=0.8.0");

fn stamp() -> String {
    format!("{}\n{}{}", PACKAGES.join("\n"), SARIF.0, SARIF.1)
}

/// Whether the readers of this release of the tests are there.
pub(crate) fn are_there(cache: &Cache) -> bool {
    let there = fs::read_to_string(cache.readers().join("packages"));
    there.is_ok_and(|there| there == stamp())
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
    let schema = new.path().join("sarif-schema-2.1.0.json");
    fetch_sarif_schema(parent, &schema).map_err(|error| error.during("the schema of SARIF"))?;
    fs::write(new.path().join("packages"), stamp())?;
    replace(&cache.readers(), new.path())?;
    Ok(format!("{}, {}", PACKAGES.join(", "), SARIF.0))
}

/// Cargo downloads the crate with all that it needs, and builds nothing.
fn fetch_sarif_schema(parent: &Path, to: &Path) -> Result<()> {
    let package = Scratch::within(parent, "sarif")?;
    let (name, version) = SARIF;
    let manifest = format!(
        "[package]\nname = \"reader\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[lib]\npath = \"lib.rs\"\n\n\
         [dependencies]\n{name} = {{ version = \"{version}\", default-features = false }}\n\n[workspace]\n"
    );
    fs::write(package.path().join("Cargo.toml"), manifest)?;
    fs::write(package.path().join("lib.rs"), "")?;
    let mut cargo = Command::new("cargo");
    captured(
        cargo
            .current_dir(package.path())
            .args(["vendor", "--quiet", "vendored"]),
    )?;
    let schema = package.path().join("vendored").join(name).join("src/schema.json");
    fs::copy(schema, to)?;
    Ok(())
}
