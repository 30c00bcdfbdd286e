//! The file: whoever reads it sees the last version or the one before, never a part.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Puts a text in the place of a file.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let told =
        |error: io::Error| io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()));
    write(path, text).map_err(told)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    // Beside it, for a name is replaced within a file system only; one that does not end in `.prom` is not collected.
    let mut new = tempfile::Builder::new()
        .prefix(".goinject-")
        .suffix(".tmp")
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    new.write_all(text.as_bytes())?;
    // node_exporter is another user.
    let permissions = std::fs::Permissions::from_mode(0o644);
    new.as_file().set_permissions(permissions)?;
    new.persist(path).map(drop).map_err(|error| error.error)
}
