//! `cargo xtask demo`: from a fresh checkout to a fault in a running Go program, which runs without it
//! first, so that the difference shows.

use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};

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
    let mut alone = Command::new(format!("{EXAMPLE}/{name}"));
    run_shown(&mut alone, &folder.join(name))?;
    let mut inject = Command::new("target/release/goinject");
    inject.args(["run", &format!("{EXAMPLE}/chaos.yaml")]);
    let status = run_shown(&mut inject, &goinject())?;
    println!("\ndemo: exit status {}", status.code().unwrap_or(-1));
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs a command as it is shown, from the root of the repository.
fn run_shown(command: &mut Command, program: &Path) -> Result<ExitStatus> {
    println!("\ndemo: $ {}", shown(command));
    Command::new(program)
        .args(command.get_args())
        .current_dir(root())
        .status()
        .map_err(|error| Error::new(format!("{}: {error}", program.display())))
}
