//! The checkout that these commands work on, and cargo in it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Error, Result, shown_to_user};

/// The repository's root. The program is built in the checkout that it works on.
pub(crate) fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest
        .ancestors()
        .nth(2)
        .expect("this package is two folders below the root")
}

/// cargo with these arguments, at the root.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    // Set by `cargo run` for this program; build scripts that look at them would run anew.
    for name in [
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_PATH",
        "CARGO_PKG_NAME",
        "CARGO_PKG_VERSION",
    ] {
        command.env_remove(name);
    }
    command
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// The program that users run, as `cargo build --release` leaves it.
pub(crate) fn goinject() -> PathBuf {
    target().join("release/goinject")
}

/// Builds it. The tests and the demo use what users use, so nothing here builds it in any other way.
pub(crate) fn build_goinject() -> Result<()> {
    let mut build = cargo(&["build", "--quiet", "--release", "--package", "goinject"]);
    match shown_to_user(build.args(locked()))? {
        true => Ok(()),
        false => Err(Error::new("goinject does not build")),
    }
}

/// Where nobody is there to commit it, a lock file that is out of date is a mistake.
pub(crate) fn locked() -> Option<&'static str> {
    env::var_os("CI")
        .is_some_and(|value| !value.is_empty() && value != "false")
        .then_some("--locked")
}
