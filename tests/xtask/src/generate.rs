//! `cargo xtask generate`: writes the files that are generated and committed.

use std::path::Path;
use std::process::ExitCode;
use std::{fs, io};

use clap::Args;

#[derive(Args)]
pub(crate) struct Options {
    /// Write nothing; fail if a file is out of date
    #[arg(long)]
    check: bool,
}

/// A generated file, from the root of the repository, and what generates its text.
type Generated = (&'static str, fn() -> String);

const FILES: [Generated; 1] = [("schema/rules.schema.json", goinject_rules::schema::rules_schema)];

pub(crate) fn run(options: &Options) -> io::Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut outdated = false;
    for (name, generate) in FILES {
        let path = root.join(name);
        let text = generate();
        if fs::read_to_string(&path).is_ok_and(|committed| committed == text) {
            continue;
        }
        if options.check {
            eprintln!("{name} is out of date: run `cargo xtask generate`");
            outdated = true;
        } else {
            fs::write(&path, text)?;
            println!("{name} written");
        }
    }
    Ok(if outdated {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
