//! What goes into packages: the program, its documents, and what is made from its command line.

use std::fs;
use std::path::Path;
use std::process::Command;

use chrono::{DateTime, Utc};

use super::licences;
use crate::repository::root;
use crate::run::{Error, Result, captured, command};

/// What is published.
pub(crate) struct Release {
    pub(crate) version: String,
    /// Seconds since 1970 that files are dated with, so that the same source makes the same packages.
    pub(crate) time: u64,
    pub(crate) program: Vec<u8>,
    /// Manual pages: names such as `goinject-run.1`, and texts.
    pub(crate) manual: Vec<(String, Vec<u8>)>,
    /// Completions: the shell, and its script.
    pub(crate) completions: Vec<(&'static str, Vec<u8>)>,
    /// Documents by the names they have in the checkout.
    pub(crate) documents: Vec<(&'static str, Vec<u8>)>,
    /// Whose code the program has in it, and under which licences.
    pub(crate) third_parties: Vec<u8>,
}

/// A file or folder of an archive.
pub(crate) struct Entry {
    pub(crate) path: String,
    pub(crate) mode: u32,
    /// None for a folder.
    pub(crate) bytes: Option<Vec<u8>>,
}

impl Entry {
    pub(crate) fn file(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Entry {
        Entry {
            path: path.into(),
            mode: 0o644,
            bytes: Some(bytes.into()),
        }
    }

    pub(crate) fn program(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Entry {
        Entry {
            mode: 0o755,
            ..Entry::file(path, bytes)
        }
    }

    pub(crate) fn folder(path: impl Into<String>, mode: u32) -> Entry {
        Entry {
            path: path.into(),
            mode,
            bytes: None,
        }
    }
}

/// The shells whose completions are packaged.
const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

const DOCUMENTS: [&str; 4] = ["README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"];

impl Release {
    /// Asks the program for what it knows of itself.
    pub(crate) fn collect(program: &Path) -> Result<Release> {
        let said = captured(Command::new(program).arg("--version"))?;
        let version = said
            .trim()
            .strip_prefix("goinject ")
            .ok_or_else(|| Error::new(format!("{} says it is {said}", program.display())))?;
        let mut completions = Vec::new();
        for shell in SHELLS {
            let script = captured(Command::new(program).args(["completions", shell]))?;
            completions.push((shell, script.into_bytes()));
        }
        let mut documents = Vec::new();
        for name in DOCUMENTS {
            documents.push((name, fs::read(root().join(name))?));
        }
        Ok(Release {
            version: version.to_owned(),
            time: time()?,
            program: fs::read(program)?,
            manual: manual(program)?,
            completions,
            documents,
            third_parties: licences::third_parties()?.into_bytes(),
        })
    }

    /// The same as a date.
    pub(crate) fn date(&self) -> Result<DateTime<Utc>> {
        i64::try_from(self.time)
            .ok()
            .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
            .ok_or_else(|| Error::new(format!("there is no day {} seconds after 1970", self.time)))
    }

    /// The text of a document.
    pub(crate) fn document(&self, name: &str) -> &[u8] {
        let found = self.documents.iter().find(|(known, _)| *known == name);
        &found.expect("one of the table").1
    }
}

fn manual(program: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut pages = Vec::new();
    let first = captured(Command::new(program).arg("man"))?;
    let commands: Vec<String> = first
        .lines()
        .filter_map(|line| line.strip_prefix("goinject\\-")?.strip_suffix("(1)"))
        .map(str::to_owned)
        .collect();
    pages.push(("goinject.1".to_owned(), first.into_bytes()));
    for name in commands {
        let page = captured(Command::new(program).args(["man", &name]))?;
        pages.push((format!("goinject-{name}.1"), page.into_bytes()));
    }
    Ok(pages)
}

/// `$SOURCE_DATE_EPOCH`, else the time of the commit that is checked out.
fn time() -> Result<u64> {
    let number = |text: &str| {
        text.trim()
            .parse()
            .map_err(|_| Error::new(format!("`{}` is no number of seconds", text.trim())))
    };
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(set) => number(&set).map_err(|error| error.during("SOURCE_DATE_EPOCH")),
        Err(_) => number(&captured(
            command("git", ["log", "-1", "--format=%ct"]).current_dir(root()),
        )?),
    }
}
