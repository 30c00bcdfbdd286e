//! Go toolchains from Debian packages, made into folders that stand on their own.

use std::fs;
use std::path::Path;

use super::Scratch;
use super::apt::{Archives, unpack};
use crate::run::{Error, Result};

/// Fetches the compiler and the standard library of a suite, so that `into/go` is a GOROOT.
pub(crate) fn fetch(archives: &Archives, version: &str, suite: &str, into: &Path) -> Result<()> {
    let packages = [format!("golang-{version}-go"), format!("golang-{version}-src")];
    let files = archives.suite(suite)?.fetch(&packages)?;
    // Beside its destination: moving must not copy.
    let scratch = Scratch::within(into, "debian")?;
    unpack(&files, scratch.path())?;
    let root = scratch.path().join(format!("usr/lib/go-{version}"));
    if !root.join("bin/go").is_file() {
        return Err(Error::new(format!(
            "the packages of Go {version} in {suite} have another layout than known"
        )));
    }
    replace_links(&root, &scratch.path().join(format!("usr/share/go-{version}")))?;
    fs::rename(&root, into.join("go"))?;
    Ok(())
}

/// Debian has what does not depend on the processor in `/usr/share`, with links to it; Go wants it in GOROOT.
fn replace_links(root: &Path, shared: &Path) -> Result<()> {
    for name in ["src", "misc", "api", "pkg/include"] {
        let link = root.join(name);
        if link.is_symlink() {
            fs::remove_file(&link)?;
            let content = shared.join(name);
            if content.exists() {
                fs::rename(content, &link)?;
            }
        }
    }
    // The compiler's own tests: nothing here needs them.
    let tests = root.join("test");
    if tests.is_symlink() {
        fs::remove_file(tests)?;
    }
    Ok(())
}
