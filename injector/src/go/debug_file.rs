//! Separate files of debug information, as distributions and `objcopy --only-keep-debug` make them.

use std::fs;
use std::path::{Path, PathBuf};

use super::bytes::{c_string_at, u32_at};
use super::dwarf::Dwarf;
use super::error::GoError;
use super::identity::{gnu_build_id, go_build_id};
use super::image::Image;
use super::mapped::Contents;

const ROOT: &str = "/usr/lib/debug";

/// Opens a debug file that was named, and checks that it belongs to the program.
pub(super) fn open(program: &Image, path: &Path) -> Result<Image, GoError> {
    let debug = Image::open(path)?;
    let mismatch = |why: &str| GoError::DebugFileMismatch {
        path: program.path().to_owned(),
        debug: path.to_owned(),
        why: why.to_owned(),
    };
    for (kind, id) in [
        ("GNU", gnu_build_id as fn(&Image) -> Option<String>),
        ("Go", go_build_id),
    ] {
        match (id(program), id(&debug)) {
            (Some(a), Some(b)) if a != b => return Err(mismatch(&format!("their {kind} build ids differ"))),
            _ => {}
        }
    }
    if Dwarf::open(&debug).is_none() && debug.symbols().is_none() {
        return Err(mismatch("it has neither debug information nor symbols"));
    }
    Ok(debug)
}

/// Looks for the debug file of a program that has no debug information itself.
pub(super) fn find(program: &Image) -> Option<Image> {
    let root = own_root(program.path()).join(ROOT.trim_start_matches('/'));
    first_whole(program, &candidates(program, &root))
}

/// The root folder of the process whose program a path such as `/proc/PID/exe` stands for; that of everybody for other paths.
/// In a container `/usr/lib/debug` is another folder than here.
fn own_root(program: &Path) -> PathBuf {
    match process_folder(program).map(|folder| folder.join("root")) {
        // With a slash it is looked into, which may not be allowed.
        Some(root) if fs::read_dir(root.join("")).is_ok() => root,
        _ => PathBuf::from("/"),
    }
}

fn process_folder(program: &Path) -> Option<&Path> {
    let folder = program.parent().filter(|_| program.ends_with("exe"))?;
    let pid = folder.strip_prefix("/proc").ok()?.to_str()?;
    pid.parse::<i32>().is_ok().then_some(folder)
}

/// Looks for the debug file of a program in a folder that was named.
pub(super) fn find_in(program: &Image, root: &Path) -> Result<Image, GoError> {
    let candidates = candidates(program, root);
    first_whole(program, &candidates).ok_or_else(|| GoError::NoDebugFile {
        path: program.path().to_owned(),
        root: root.to_owned(),
        tried: tried(&candidates),
    })
}

/// A wrong or damaged file in a folder is not the user's mistake: the program is read without it.
fn first_whole(program: &Image, candidates: &[PathBuf]) -> Option<Image> {
    let mut opened = candidates.iter().filter_map(|path| open(program, path).ok());
    opened.find(|debug| Dwarf::open(debug).is_some())
}

fn tried(candidates: &[PathBuf]) -> String {
    match candidates {
        [] => "it has neither a GNU build id nor a debug link: name the file".to_owned(),
        all => {
            let all: Vec<String> = all.iter().map(|path| path.display().to_string()).collect();
            format!("there is no {}", all.join(" and no "))
        }
    }
}

fn candidates(program: &Image, root: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    if let Some(id) = gnu_build_id(program)
        && let Some((first, rest)) = id.split_at_checked(2)
    {
        paths.push(root.join(".build-id").join(first).join(format!("{rest}.debug")));
    }
    let own_root = own_root(program.path());
    let file = match process_folder(program.path()) {
        Some(_) => fs::read_link(program.path()),
        None => fs::canonicalize(program.path()),
    };
    let folder = file.ok().and_then(|p| p.parent().map(Path::to_owned));
    if let (Some((name, checksum)), Some(folder)) = (debug_link(program), folder) {
        let inside_root = root.join(folder.strip_prefix("/").unwrap_or(&folder));
        let folder = own_root.join(folder.strip_prefix("/").unwrap_or(&folder));
        let linked = [
            folder.join(name),
            folder.join(".debug").join(name),
            inside_root.join(name),
        ];
        paths.extend(linked.into_iter().filter(|p| {
            p != program.path()
                && Contents::of_file(p).is_ok_and(|contents| crc32(contents.bytes()) == checksum)
        }));
    }
    paths
}

/// The name and checksum in `.gnu_debuglink`.
fn debug_link(program: &Image) -> Option<(&str, u32)> {
    let section = program.section(".gnu_debuglink")?;
    let name = c_string_at(section, 0).filter(|n| !n.is_empty() && !n.contains('/'))?;
    let checksum = u32_at(section, (name.len() + 1).next_multiple_of(4))?;
    Some((name, checksum))
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = libdeflater::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::crc32;

    #[test]
    fn the_checksum_is_the_one_of_zip_and_debug_links() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
