//! `cargo xtask demo`: from a fresh checkout to a fault in a running Go program.

use std::process::{Command, ExitCode};

use goinject_lab::{Cache, Toolchain};

use crate::repository::{build_goinject, goinject, root};
use crate::run::{Error, Result, captured, shown};
use crate::setup::{self, Part};

/// The example, in the repository; its program is built beside its rule file.
const EXAMPLE: &str = "examples/parse-me";

pub(crate) fn run() -> Result<ExitCode> {
    let go = Toolchain::newest();
    setup::set_up(&[Part::Build, Part::Go(go)])?;
    println!("demo: building goinject");
    build_goinject()?;
    let folder = root().join(EXAMPLE);
    if !folder.join("chaos.yaml").is_file() {
        return Err(Error::new(format!(
            "{EXAMPLE}/chaos.yaml is not in this checkout"
        )));
    }
    let name = EXAMPLE.rsplit('/').next().expect("it has a last part");
    println!("demo: building {EXAMPLE} with Go {}", go.version);
    let mut build = go.command(&Cache::from_env())?;
    captured(build.args(["build", "-o", name, "."]).current_dir(&folder))?;

    // Relative, so that what is printed can be typed.
    let mut inject = Command::new("target/release/goinject");
    inject.args(["run", &format!("{EXAMPLE}/chaos.yaml")]);
    println!("demo: $ {}\n", shown(&inject));
    let mut run = Command::new(goinject());
    run.args(inject.get_args()).current_dir(root());
    let status = run
        .status()
        .map_err(|error| Error::new(format!("{}: {error}", goinject().display())))?;
    println!("\ndemo: exit status {}", status.code().unwrap_or(-1));
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
