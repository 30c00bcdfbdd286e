//! The files that an exploration's reports go to.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use super::html::html;
use super::junit::junit;
use super::markdown::markdown;
use super::sarif::sarif;
use super::{Report, github};
use crate::console;
use crate::explore::results::Exploration;
use crate::report::github::Runner;
use crate::report::outputs::open;

/// Which reports are wanted, as the command line says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Reports {
    /// Write a JUnit report to this file, for GitLab, Jenkins and others
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Write findings as SARIF 2.1.0 to this file, for code scanning
    #[arg(long, value_name = "FILE")]
    pub sarif: Option<PathBuf>,
    /// Write a Markdown report to this file, short enough for a comment on a pull request
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Write a self-contained HTML report to this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write no annotations and no job summary for GitHub Actions (written by default if GITHUB_ACTIONS is `true`)
    #[arg(long)]
    pub no_github: bool,
}

type Writer = fn(&Report<'_>) -> String;

/// Files that are open, and wait for the end of the exploration.
#[derive(Debug, Default)]
pub struct Outputs {
    files: Vec<(PathBuf, File, Writer)>,
    github: Option<Runner>,
}

impl Outputs {
    /// Opens all files, so that one that can't be written is found before anything runs.
    pub fn open(reports: &Reports) -> io::Result<Outputs> {
        let wanted: [(&Option<PathBuf>, Writer); 4] = [
            (&reports.junit, junit),
            (&reports.sarif, sarif),
            (&reports.markdown, markdown),
            (&reports.html, html),
        ];
        let mut taken = Vec::new();
        let mut outputs = Outputs {
            files: Vec::new(),
            github: Runner::of_environment().filter(|_| !reports.no_github),
        };
        for (path, write) in wanted {
            let Some(path) = path else { continue };
            let file = open(path, &mut taken, |path| File::create(path))?;
            outputs.files.push((path.clone(), file, write));
        }
        Ok(outputs)
    }

    /// Writes the reports. What could not be written is told in words.
    pub fn write(self, exploration: &Exploration, has_baseline: bool) -> Vec<String> {
        let report = Report::new(exploration, has_baseline);
        let mut failures = Vec::new();
        for (path, mut file, write) in self.files {
            if let Err(error) = file.write_all(write(&report).as_bytes()) {
                failures.push(format!("cannot write {}: {error}", path.display()));
            }
        }
        if let Some(runner) = self.github {
            let mut text = github::annotations(&report).join("\n");
            if let Err(error) = runner.append(&markdown(&report)) {
                text.push_str(&format!("\n::warning title=goinject::no summary: {error}"));
            }
            if !text.is_empty() {
                // The runner reads both of a step's streams.
                console::write(&format!("{}\n", text.trim_start()));
            }
        }
        failures
    }
}
