//! Folders that go away, or become something that stays.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

use crate::run::Result;

/// A folder that is removed with everything in it.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// In the system's folder for such things, where apt's unprivileged user can reach it.
    pub(crate) fn new(name: &str) -> Result<Scratch> {
        Scratch::within(&env::temp_dir(), &format!("goinject-{name}"))
    }

    /// In this folder: on the same file system as what will stay.
    pub(crate) fn within(parent: &Path, name: &str) -> Result<Scratch> {
        let scratch = Scratch(free_name(parent, name));
        fs::create_dir(scratch.path())?;
        fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755))?;
        Ok(scratch)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn free_name(parent: &Path, name: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    parent.join(format!(".{name}-{}-{count}", process::id()))
}

/// Puts a folder in its place by renaming, so that nobody ever sees it half-way. What was there goes away.
pub(crate) fn replace(place: &Path, new: &Path) -> Result<()> {
    let parent = place.parent().expect("a place is in a folder");
    fs::create_dir_all(parent)?;
    let old = Scratch(free_name(parent, "old"));
    if place.exists() {
        fs::rename(place, old.path())?;
    }
    fs::rename(new, place)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_takes_its_place() {
        let parent = Scratch::new("replace").unwrap();
        let place = parent.path().join("1.27");
        for content in ["old", "new"] {
            let new = Scratch::within(parent.path(), "new").unwrap();
            fs::write(new.path().join("file"), content).unwrap();
            replace(&place, new.path()).unwrap();
            assert_eq!(fs::read_to_string(place.join("file")).unwrap(), content);
        }
        assert_eq!(
            fs::read_dir(parent.path()).unwrap().count(),
            1,
            "nothing else is left"
        );
    }
}
