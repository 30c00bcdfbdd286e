//! Trees of files in one file, in the manner of Go's `txtar`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Makes the files of an archive under a folder. `-- PATH --` begins a file, `-- PATH -> TARGET --` is a link, and what stands
/// before the first is a comment.
///
/// # Panics
/// If the archive can't be read, or the files can't be made.
pub fn unpack(archive: &Path, folder: &Path) {
    let text = fs::read_to_string(archive).unwrap_or_else(|error| panic!("{}: {error}", archive.display()));
    let mut file: Option<(String, String)> = None;
    for line in text.lines() {
        let head = line.strip_prefix("-- ").and_then(|rest| rest.strip_suffix(" --"));
        let Some(head) = head else {
            if let Some((_, text)) = &mut file {
                text.push_str(line);
                text.push('\n');
            }
            continue;
        };
        write(folder, file.take());
        match head.split_once(" -> ") {
            Some((path, target)) => {
                let path = place(folder, path);
                symlink(target, &path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            }
            None => file = Some((head.to_owned(), String::new())),
        }
    }
    write(folder, file);
}

fn place(folder: &Path, path: &str) -> std::path::PathBuf {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().expect("a path in the folder")).expect("a folder");
    path
}

fn write(folder: &Path, file: Option<(String, String)>) {
    if let Some((path, text)) = file {
        let path = place(folder, &path);
        fs::write(&path, text.replace("\\0", "\0"))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
