//! `cargo xtask generate`: files in the repository that come out of the code.

use std::fs;
use std::process::{Command, ExitCode};

use clap::Args;

use crate::repository::{build_goinject, goinject, root};
use crate::run::{Error, Result, captured};

#[derive(Args)]
pub(crate) struct Options {
    /// Write nothing; fail if a file is not what the code makes it
    #[arg(long)]
    pub(crate) check: bool,
}

/// Generated files, and the arguments of goinject that print them.
const GENERATED: &[(&str, &[&str])] = &[
    ("schema/rules.schema.json", &["schema"]),
    ("schema/events.schema.json", &["schema", "--events"]),
    ("schema/explore.schema.json", &["schema", "--explore"]),
];

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    build_goinject()?;
    for (file, arguments) in GENERATED {
        let text = captured(Command::new(goinject()).args(*arguments)).map_err(|error| error.during(file))?;
        if text.trim().is_empty() {
            return Err(Error::new(format!(
                "{file}: `goinject {}` printed nothing",
                arguments.join(" ")
            )));
        }
        let path = root().join(file);
        if fs::read_to_string(&path).is_ok_and(|there| there == text) {
            continue;
        }
        if options.check {
            return Err(Error::new(format!(
                "{file} is not what the code makes it: run `cargo xtask generate` and commit the result"
            )));
        }
        fs::create_dir_all(path.parent().expect("all are in folders"))?;
        fs::write(&path, text)?;
        println!("wrote {file}");
    }
    Ok(ExitCode::SUCCESS)
}
