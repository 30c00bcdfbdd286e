//! `cargo xtask dist`: what is published of a release, from one static program.

mod build;
mod contents;
mod deb;
mod image;
mod licences;
mod tarball;
mod wheel;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use sha2::{Digest, Sha256};

use crate::repository::target;
use crate::run::{Error, Result, captured, command};
use contents::Release;

#[derive(Args)]
pub(crate) struct Options {
    /// The folder for the packages, instead of `target/packages`
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Build a second time, in a copy of the checkout elsewhere, and compare
    #[arg(long)]
    twice: bool,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let out = options.out.clone().unwrap_or_else(folder);
    dist(&out)?;
    if options.twice {
        compare_with_second_build(&out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Where packages go, and where tests look for them.
pub(crate) fn folder() -> PathBuf {
    target().join("packages")
}

/// Builds the program and makes every package of it, and a list of their checksums.
pub(crate) fn dist(out: &Path) -> Result<()> {
    let start = Instant::now();
    let program = build::build()?;
    println!(
        "dist: static program, {:.1} MB ({:.0} s)",
        megabytes(&program)?,
        start.elapsed().as_secs_f64()
    );
    let release = Release::collect(&program)?;
    let packages = [
        ("goinject".to_owned(), release.program.clone()),
        tarball::tarball(&release)?,
        deb::deb(&release)?,
        wheel::wheel(&release)?,
        image::image(&release)?,
    ];
    write_packages(out, &packages)
}

/// A file to publish: its name, and what is in it.
type Package = (String, Vec<u8>);

fn write_packages(out: &Path, packages: &[Package]) -> Result<()> {
    if out.exists() {
        // Packages of former versions would be published with it.
        for old in fs::read_dir(out)? {
            fs::remove_file(old?.path())?;
        }
    }
    fs::create_dir_all(out)?;
    let mut sums = String::new();
    for (name, bytes) in packages {
        fs::write(out.join(name), bytes)?;
        sums.push_str(&format!("{}  {name}\n", sha256(bytes)));
        println!("dist: {} ({:.1} MB)", out.join(name).display(), size(bytes.len()));
    }
    make_executable(&out.join("goinject"))?;
    fs::write(out.join("SHA256SUMS"), sums)?;
    Ok(())
}

fn make_executable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

fn megabytes(path: &Path) -> Result<f64> {
    let length = fs::metadata(path)?.len();
    Ok(size(usize::try_from(length).unwrap_or(usize::MAX)))
}

fn size(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

/// As `sha256sum` prints it.
fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Builds what is committed once more in a folder of another name, with a target folder of its own.
fn compare_with_second_build(out: &Path) -> Result<()> {
    let root = crate::repository::root();
    let changed = captured(command("git", ["status", "--porcelain"]).current_dir(root))?;
    if !changed.is_empty() {
        return Err(Error::new(
            "--twice compares with a second checkout: commit your changes first",
        ));
    }
    let elsewhere = std::env::temp_dir().join(format!("goinject-second-build-{}", std::process::id()));
    let result = second_sums(root, &elsewhere);
    let _ = fs::remove_dir_all(&elsewhere);
    let first = fs::read_to_string(out.join("SHA256SUMS"))?;
    let second = result?;
    if first != second {
        return Err(Error::new(format!(
            "two builds differ:\n{first}and in another folder:\n{second}"
        )));
    }
    println!("dist: a second build in another folder is the same, byte for byte");
    Ok(())
}

fn second_sums(root: &Path, elsewhere: &Path) -> Result<String> {
    captured(
        command("git", ["clone", "--quiet", "--no-hardlinks"])
            .arg(root)
            .arg(elsewhere),
    )?;
    captured(
        command("cargo", ["xtask", "dist"])
            .current_dir(elsewhere)
            .env_remove("CARGO_TARGET_DIR"),
    )?;
    Ok(fs::read_to_string(elsewhere.join("target/packages/SHA256SUMS"))?)
}
