//! What tells one build of a program from another.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use super::bytes::{slice_at, u32_at};
use super::image::Image;

/// Identifies a file and the build in it. Compare before arming: offsets of another build would
/// corrupt the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The Go linker's build id: four hashes joined by slashes.
    pub go_build_id: Option<String>,
    /// The build id in the form that other tools use, lower-case hexadecimal.
    pub gnu_build_id: Option<String>,
    /// Device number of the file system that it is on.
    pub device: u64,
    /// Inode number on that file system.
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// Last change: seconds since 1970 and nanoseconds.
    pub modified: (i64, i64),
}

impl Identity {
    pub(super) fn new(image: &Image, metadata: &Metadata) -> Identity {
        Identity {
            go_build_id: go_build_id(image),
            gnu_build_id: gnu_build_id(image),
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }

    /// Whether this is still so of a file; of another file nothing is said.
    pub(super) fn is_of(&self, now: &Metadata) -> bool {
        let same_file = (self.device, self.inode) == (now.dev(), now.ino());
        !same_file || (self.size, self.modified) == (now.size(), (now.mtime(), now.mtime_nsec()))
    }

    /// Of bytes that are in no file.
    pub(super) fn of_bytes(image: &Image, size: u64) -> Identity {
        Identity {
            go_build_id: go_build_id(image),
            gnu_build_id: gnu_build_id(image),
            device: 0,
            inode: 0,
            size,
            modified: (0, 0),
        }
    }
}

/// The GNU build id of a file.
pub(super) fn gnu_build_id(image: &Image) -> Option<String> {
    let id = note(image.section(".note.gnu.build-id")?, "GNU", 3)?;
    Some(id.iter().map(|b| format!("{b:02x}")).collect())
}

/// The Go build id of a file.
pub(super) fn go_build_id(image: &Image) -> Option<String> {
    let id = note(image.section(".note.go.buildid")?, "Go", 4)?;
    String::from_utf8(id.to_vec()).ok()
}

/// The contents of the first note of an owner and type.
fn note<'d>(section: &'d [u8], owner: &str, kind: u32) -> Option<&'d [u8]> {
    let mut at = 0_usize;
    loop {
        let name_size = usize::try_from(u32_at(section, at)?).ok()?;
        let size = usize::try_from(u32_at(section, at.checked_add(4)?)?).ok()?;
        let found = u32_at(section, at.checked_add(8)?)?;
        let name = slice_at(section, at.checked_add(12)?, name_size)?;
        let start = at
            .checked_add(12)?
            .checked_add(name_size.checked_next_multiple_of(4)?)?;
        let contents = slice_at(section, start, size)?;
        if found == kind && name.starts_with(owner.as_bytes()) && name[owner.len()..].iter().all(|&b| b == 0)
        {
            return Some(contents);
        }
        at = start.checked_add(size.checked_next_multiple_of(4)?)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_by_owner_and_type() {
        let mut section = Vec::new();
        for (owner, kind, contents) in [(&b"Go\0\0"[..], 4_u32, &b"abcde"[..]), (b"GNU\0", 3, &[1, 2])] {
            section.extend(4_u32.to_le_bytes());
            section.extend((contents.len() as u32).to_le_bytes());
            section.extend(kind.to_le_bytes());
            section.extend(owner);
            section.extend(contents);
            section.resize(section.len().next_multiple_of(4), 0);
        }
        assert_eq!(note(&section, "Go", 4), Some(&b"abcde"[..]));
        assert_eq!(note(&section, "GNU", 3), Some(&[1, 2][..]));
        assert_eq!(note(&section, "GNU", 4), None);
        assert_eq!(note(&section[..10], "Go", 4), None);
    }
}
