//! Programs that other people built: packages unpacked into the cache, nothing installed.

use std::fs;

use goinject_lab::{Cache, Published, Source};

use super::apt::{Archives, unpack};
use super::{Scratch, replace};
use crate::run::{Error, Result, captured, command};

/// Fetches the package of a program and puts its contents in their place.
pub(crate) fn fetch<'a>(
    program: &Published,
    archives: impl FnOnce() -> Result<&'a Archives>,
    cache: &Cache,
) -> Result<String> {
    let folder = program.folder(cache);
    let parent = folder.parent().expect("a folder of the cache");
    fs::create_dir_all(parent)?;
    let new = Scratch::within(parent, "new")?;
    let package = match program.source {
        Source::Debian { suite, package } => {
            let files = archives()?.suite(suite)?.fetch(&[package.to_owned()])?;
            unpack(&files, new.path())?;
            package
        }
        Source::Npm { package } => {
            from_npm(package, &new)?;
            package
        }
    };
    if !new.path().join(program.file).is_file() {
        return Err(Error::new(format!("{package} has no {}", program.file)));
    }
    replace(&folder, new.path())?;
    Ok(package.to_owned())
}

fn from_npm(package: &str, into: &Scratch) -> Result<()> {
    let scratch = Scratch::new("npm")?;
    captured(
        command("npm", ["pack", "--silent", "--pack-destination"])
            .arg(scratch.path())
            .arg(package),
    )?;
    let archive = fs::read_dir(scratch.path())?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|file| file.extension().is_some_and(|extension| extension == "tgz"))
        .ok_or_else(|| Error::new("npm downloaded no package"))?;
    captured(command("tar", ["-xzf"]).arg(archive).arg("-C").arg(into.path())).map(|_| ())
}
