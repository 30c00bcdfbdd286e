//! The static program: the same bytes wherever the checkout is.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::repository::{cargo, locked, root, target};
use crate::run::{Error, Result, captured, command, shown_to_user};

/// The target is named so that build scripts and procedural macros are not linked statically.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// What a published program may weigh.
const MOST: u64 = 12_000_000;

/// Builds it, and looks whether it is what is promised of it.
pub(crate) fn build() -> Result<PathBuf> {
    let mut build = cargo(&["build", "--quiet", "--package", "goinject"]);
    build
        .args(["--profile", "dist", "--features", "static", "--target", TARGET])
        .args(locked())
        .env("LIBBPF_SYS_LIBRARY_PATH", folders_of_libraries()?)
        .env(
            "CFLAGS",
            format!("-ffile-prefix-map={}=/goinject", root().display()),
        )
        .env("CARGO_ENCODED_RUSTFLAGS", flags()?.join("\u{1f}"))
        .env_remove("RUSTFLAGS");
    if !shown_to_user(&mut build)? {
        return Err(Error::new("goinject does not build statically"));
    }
    let program = target().join(TARGET).join("dist/goinject");
    check(&program)?;
    Ok(program)
}

/// Static, and without the names of folders of this machine, which panics would tell.
fn flags() -> Result<Vec<String>> {
    let mut flags = vec![
        "-Ctarget-feature=+crt-static".to_owned(),
        // Half a megabyte less of relocations, which the program makes by itself: Debian's C library can since 2.36.
        "-Clink-arg=-Wl,-z,pack-relative-relocs".to_owned(),
    ];
    let sources = sources_of_crates()?;
    let folders = [
        (target(), "/goinject/target"),
        (root().to_owned(), "/goinject"),
        (sources, "/crates"),
    ];
    // The last that fits is taken: the target folder may be inside of the checkout.
    for (folder, name) in folders.iter().rev() {
        flags.push(format!("--remap-path-prefix={}={name}", folder.display()));
    }
    Ok(flags)
}

/// Where cargo unpacks crates: its folder has a name made from the registry's address, which is no part of the program.
fn sources_of_crates() -> Result<PathBuf> {
    let metadata = captured(
        cargo(&["metadata", "--format-version", "1", "--quiet"])
            .args(locked())
            .stderr(std::process::Stdio::null()),
    )?;
    let metadata: serde_json::Value =
        serde_json::from_str(&metadata).map_err(|error| Error::new(format!("cargo metadata: {error}")))?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages
        .filter(|package| !package["source"].is_null())
        .filter_map(|package| package["manifest_path"].as_str())
        .find_map(|manifest| Path::new(manifest).ancestors().nth(2))
        .map(Path::to_owned)
        .ok_or_else(|| Error::new("cargo metadata names no crate of a registry"))
}

/// Where the C compiler finds the static libraries, which Rust's linking has to be told.
fn folders_of_libraries() -> Result<String> {
    let mut folders = Vec::new();
    for library in ["libelf.a", "libz.a"] {
        let found = captured(&mut command("cc", [format!("-print-file-name={library}")]))?;
        let found = Path::new(found.trim());
        // The name alone comes back where there is none.
        let folder = found.parent().filter(|_| found.is_absolute()).ok_or_else(|| {
            Error::new(format!(
                "{library} is missing, which a static program has in it. On Debian: apt-get install libelf-dev zlib1g-dev"
            ))
        })?;
        let folder = fs::canonicalize(folder)?.display().to_string();
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    Ok(folders.join(":"))
}

fn check(program: &Path) -> Result<()> {
    let length = fs::metadata(program)?.len();
    if length > MOST {
        return Err(Error::new(format!(
            "{} has {length} bytes, more than the {MOST} that it may have",
            program.display()
        )));
    }
    let headers = captured(
        Command::new("readelf")
            .args(["--wide", "--program-headers", "--dynamic"])
            .arg(program),
    )?;
    for word in ["INTERP", "NEEDED"] {
        if headers.contains(word) {
            return Err(Error::new(format!(
                "{} is not static: it has {word}",
                program.display()
            )));
        }
    }
    let bytes = fs::read(program)?;
    let home = env::var_os("HOME")
        .filter(|home| home.len() > 1)
        .map(PathBuf::from);
    // Sources and tools are in folders such as `.cargo` there; `/proc/1/root/` is not the home of root.
    let hidden = home.map(|home| format!("{}/.", home.display()));
    let folders = [root().to_owned(), target()].map(|folder| format!("{}/", folder.display()));
    for name in folders.into_iter().chain(hidden) {
        if bytes.windows(name.len()).any(|window| window == name.as_bytes()) {
            return Err(Error::new(format!(
                "{} has {name} in it: it would be another program if built elsewhere",
                program.display()
            )));
        }
    }
    Ok(())
}
