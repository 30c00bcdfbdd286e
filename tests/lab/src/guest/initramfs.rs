//! The guest's root file system: a cpio archive in memory, written without tools.
//!
//! Uncompressed: the emulated processor copies pages far faster than it inflates them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const DIRECTORY: u32 = 0o040_755;
const REGULAR: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_777;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// Files of a guest, by absolute path.
#[derive(Debug, Clone, Default)]
pub(super) struct Initramfs {
    entries: BTreeMap<PathBuf, Entry>,
}

#[derive(Debug, Clone)]
enum Entry {
    Directory,
    Bytes { mode: u32, bytes: Vec<u8> },
    Host { path: PathBuf },
    Symlink { to: String },
    Device { major: u32, minor: u32 },
}

impl Initramfs {
    pub(super) fn directory(&mut self, path: &str) {
        self.insert(Path::new(path), Entry::Directory);
    }

    pub(super) fn bytes(&mut self, path: &Path, mode: u32, bytes: Vec<u8>) {
        self.insert(path, Entry::Bytes { mode, bytes });
    }

    pub(super) fn symlink(&mut self, path: &str, to: &str) {
        self.insert(Path::new(path), Entry::Symlink { to: to.to_owned() });
    }

    pub(super) fn character_device(&mut self, path: &str, major: u32, minor: u32) {
        self.insert(Path::new(path), Entry::Device { major, minor });
    }

    /// A file of the host, or a folder with everything in it.
    pub(super) fn host(&mut self, path: &Path, host: &Path) -> io::Result<()> {
        let told = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", host.display()));
        if !fs::metadata(host).map_err(told)?.is_dir() {
            self.insert(
                path,
                Entry::Host {
                    path: host.to_owned(),
                },
            );
            return Ok(());
        }
        self.insert(path, Entry::Directory);
        for entry in fs::read_dir(host).map_err(told)? {
            let entry = entry.map_err(told)?;
            self.host(&path.join(entry.file_name()), &entry.path())?;
        }
        Ok(())
    }

    /// Makes the folders above it, too. A later entry replaces an earlier one.
    fn insert(&mut self, path: &Path, entry: Entry) {
        let path = Path::new("/").join(path);
        for parent in path
            .ancestors()
            .skip(1)
            .filter(|parent| parent.parent().is_some())
        {
            self.entries.entry(parent.to_owned()).or_insert(Entry::Directory);
        }
        self.entries.insert(path, entry);
    }

    /// Bytes that the files take, which decides how much memory the guest needs.
    pub(super) fn size(&self) -> io::Result<u64> {
        self.entries.values().try_fold(0, |sum, entry| {
            Ok(sum
                + match entry {
                    Entry::Bytes { bytes, .. } => bytes.len() as u64,
                    Entry::Host { path } => fs::metadata(path)?.len(),
                    _ => 0,
                })
        })
    }

    /// Writes the archive in the "newc" format of cpio, all files owned by root.
    pub(super) fn write(&self, to: &Path) -> io::Result<()> {
        let mut archive = Archive {
            out: BufWriter::with_capacity(1 << 20, File::create(to)?),
            inode: 0,
        };
        for (path, entry) in &self.entries {
            // Names in a cpio archive are relative; a BTreeMap has folders before what is in them.
            let name = path.to_string_lossy();
            let name = name.trim_start_matches('/');
            match entry {
                Entry::Directory => archive.member(name, DIRECTORY, &[], (0, 0))?,
                Entry::Bytes { mode, bytes } => archive.member(name, REGULAR | mode, bytes, (0, 0))?,
                Entry::Symlink { to } => archive.member(name, SYMLINK, to.as_bytes(), (0, 0))?,
                Entry::Device { major, minor } => {
                    archive.member(name, CHARACTER_DEVICE, &[], (*major, *minor))?;
                }
                Entry::Host { path } => archive.file(name, path)?,
            }
        }
        archive.member("TRAILER!!!", 0, &[], (0, 0))?;
        archive.out.flush()
    }
}

struct Archive<W> {
    out: W,
    inode: u32,
}

impl<W: Write> Archive<W> {
    fn header(&mut self, name: &str, mode: u32, size: u32, device: (u32, u32)) -> io::Result<()> {
        self.inode += 1;
        let links = if mode == DIRECTORY { 2 } else { 1 };
        let (uid, gid, mtime, check) = (0, 0, 0, 0);
        // The name's length counts its NUL.
        let name_size = name.len() as u32 + 1;
        write!(self.out, "070701")?;
        for field in [
            self.inode, mode, uid, gid, links, mtime, size, 0, 0, device.0, device.1, name_size, check,
        ] {
            write!(self.out, "{field:08x}")?;
        }
        self.out.write_all(name.as_bytes())?;
        self.out.write_all(&[0])?;
        self.pad(110 + u64::from(name_size))
    }

    fn member(&mut self, name: &str, mode: u32, bytes: &[u8], device: (u32, u32)) -> io::Result<()> {
        self.header(name, mode, bytes.len() as u32, device)?;
        self.out.write_all(bytes)?;
        self.pad(bytes.len() as u64)
    }

    fn file(&mut self, name: &str, host: &Path) -> io::Result<()> {
        let told = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", host.display()));
        let mut file = File::open(host).map_err(told)?;
        let metadata = file.metadata().map_err(told)?;
        let size = u32::try_from(metadata.len())
            .map_err(|_| io::Error::other(format!("{}: over 4 GiB, too much for cpio", host.display())))?;
        self.header(
            name,
            REGULAR | (metadata.permissions().mode() & 0o777),
            size,
            (0, 0),
        )?;
        let copied = io::copy(&mut file, &mut self.out).map_err(told)?;
        if copied != u64::from(size) {
            return Err(io::Error::other(format!(
                "{} changed while it was copied",
                host.display()
            )));
        }
        self.pad(copied)
    }

    fn pad(&mut self, written: u64) -> io::Result<()> {
        let missing = written.next_multiple_of(4) - written;
        self.out.write_all(&[0; 3][..missing as usize])
    }
}

/// The shared libraries of a program of the host, its loader among them, as `ldd` finds them. None of a static one.
pub(super) fn libraries(program: &Path) -> io::Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if let Some(line) = text.lines().find(|line| line.contains("not found")) {
        return Err(io::Error::other(format!(
            "{} needs a library: {}",
            program.display(),
            line.trim()
        )));
    }
    Ok(text.lines().filter_map(library).collect())
}

/// `libelf.so.1 => /lib/x86_64-linux-gnu/libelf.so.1 (0x…)` or `/lib64/ld-linux-x86-64.so.2 (0x…)`.
fn library(line: &str) -> Option<PathBuf> {
    let path = line.split_once("=> ").map_or(line, |(_, path)| path).trim();
    let path = path.split_once(" (").map_or(path, |(path, _)| path);
    path.starts_with('/').then(|| PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_one_that_cpio_would_write() {
        let mut tree = Initramfs::default();
        tree.bytes(Path::new("/a/b/hello"), 0o755, b"hello".to_vec());
        tree.symlink("/a/link", "b/hello");
        tree.character_device("/dev/console", 5, 1);
        let file = std::env::temp_dir().join(format!("goinject-initramfs-{}", std::process::id()));
        tree.write(&file).unwrap();
        let bytes = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();

        let mut names = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let field = |n: usize| {
                let start = at + 6 + 8 * n;
                usize::from_str_radix(std::str::from_utf8(&bytes[start..start + 8]).unwrap(), 16).unwrap()
            };
            assert_eq!(&bytes[at..at + 6], b"070701");
            let (mode, size, name_size) = (field(1), field(6), field(11));
            let name = std::str::from_utf8(&bytes[at + 110..at + 110 + name_size - 1]).unwrap();
            let data = (at + 110 + name_size).next_multiple_of(4);
            names.push(format!(
                "{name} {mode:o} {}",
                String::from_utf8_lossy(&bytes[data..data + size])
            ));
            at = (data + size).next_multiple_of(4);
        }
        assert_eq!(
            names,
            [
                "a 40755 ",
                "a/b 40755 ",
                "a/b/hello 100755 hello",
                "a/link 120777 b/hello",
                "dev 40755 ",
                "dev/console 20600 ",
                "TRAILER!!! 0 "
            ]
        );
    }

    #[test]
    fn libraries_are_read_from_both_kinds_of_line() {
        let parsed = |line| library(line).map(|path| path.display().to_string());
        assert_eq!(
            parsed("\tlibelf.so.1 => /lib/x86_64-linux-gnu/libelf.so.1 (0x7f)"),
            Some("/lib/x86_64-linux-gnu/libelf.so.1".into())
        );
        assert_eq!(
            parsed("\t/lib64/ld-linux-x86-64.so.2 (0x7f)"),
            Some("/lib64/ld-linux-x86-64.so.2".into())
        );
        assert_eq!(parsed("\tlinux-vdso.so.1 (0x7f)"), None);
        assert_eq!(parsed("\tstatically linked"), None);
    }
}
