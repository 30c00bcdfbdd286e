//! The files and streams that a run's lines go to. Each is a consumer of lines alone, so that a report can be
//! made of a recorded run as well.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::github::Runner;
use super::html::html;
use super::junit::junit;
use super::markdown::markdown;
use super::record::Record;
use super::stream::{Rotation, Stream, parse_size};
use crate::console;
use crate::event::line::Line;
use crate::event::{Progress, Sink};

/// Which reports are wanted, as the command line says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Reports {
    /// Write events to this file as JSON Lines, one by one as they happen
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Begin a new file of events before one is larger than this, such as `100M`; FILE becomes FILE.1, that FILE.2 and so on
    #[arg(long, value_name = "SIZE", value_parser = parse_size, requires = "json")]
    pub json_max_size: Option<u64>,
    /// Keep only so many files of events beside FILE; by default all of them
    #[arg(long, value_name = "N", requires = "json_max_size")]
    pub json_keep: Option<usize>,
    /// Write a JUnit report to this file, for GitLab, Jenkins and others
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
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

/// A report that is written at the end.
type Writer = fn(&Record) -> String;

/// A report, and the file that it goes to.
#[derive(Debug)]
struct Report {
    path: PathBuf,
    file: File,
    write: Writer,
}

/// What takes the lines of a run.
#[derive(Debug, Default)]
pub struct Outputs {
    json: Option<(PathBuf, Stream)>,
    reports: Vec<Report>,
    github: Option<Runner>,
    record: Record,
}

impl Outputs {
    /// Opens all files, so that one that can't be written is found before anything runs.
    pub fn open(reports: &Reports, rule_file: &Path) -> io::Result<Outputs> {
        let wanted: [(&Option<PathBuf>, Writer); 3] = [
            (&reports.junit, junit),
            (&reports.markdown, markdown),
            (&reports.html, html),
        ];
        let mut taken = vec![rule_file.canonicalize().unwrap_or_else(|_| rule_file.to_owned())];
        let mut outputs = Outputs {
            github: Runner::of_environment().filter(|_| !reports.no_github),
            record: Record {
                rule_file: rule_file.to_owned(),
                ..Record::default()
            },
            ..Outputs::default()
        };
        if let Some(path) = &reports.json {
            let rotation = Rotation::new(reports.json_max_size, reports.json_keep);
            let stream = open(path, &mut taken, |path| Stream::create(path, rotation))?;
            outputs.json = Some((path.clone(), stream));
        }
        for (path, write) in wanted {
            let Some(path) = path else { continue };
            let file = open(path, &mut taken, |path| File::create(path))?;
            outputs.reports.push(Report {
                path: path.clone(),
                file,
                write,
            });
        }
        Ok(outputs)
    }

    /// Whether anything takes lines.
    pub fn is_empty(&self) -> bool {
        self.json.is_none() && !self.keeps_record()
    }

    fn keeps_record(&self) -> bool {
        !self.reports.is_empty() || self.github.is_some()
    }

    /// Writes the reports. What could not be written is told in words.
    pub fn close(self) -> Vec<String> {
        let mut failures = Vec::new();
        if let Some((path, stream)) = self.json
            && let Err(error) = stream.close()
        {
            failures.push(format!(
                "the events in {} are not complete: {error}",
                path.display()
            ));
        }
        for mut report in self.reports {
            let text = (report.write)(&self.record);
            if let Err(error) = report.file.write_all(text.as_bytes()) {
                failures.push(format!("cannot write {}: {error}", report.path.display()));
            }
        }
        if let Some(runner) = self.github {
            let mut text = runner.annotations(&self.record).join("\n");
            if let Err(error) = runner.append_summary(&self.record) {
                text.push_str(&format!("\n::warning title=goinject::no summary: {error}"));
            }
            if !text.is_empty() {
                // The runner reads both of a step's streams, and this one is not the target's. One that is closed
                // has nobody to be told.
                console::write(&format!("{}\n", text.trim_start()));
            }
        }
        failures
    }
}

impl Sink for Outputs {
    fn line(&mut self, line: &Line) {
        if let Some((_, stream)) = &mut self.json {
            stream.line(line);
        }
        if self.keeps_record() {
            self.record.line(line);
        }
    }

    fn event_limit(&self) -> u64 {
        if self.is_empty() { 0 } else { u64::MAX }
    }

    fn tick(&mut self, _: &[Progress]) {
        if let Some((_, stream)) = &mut self.json {
            stream.follow_name();
            stream.advance();
        }
    }
}

/// Opens a file that nothing else of the run is.
pub(super) fn open<T>(
    path: &Path,
    taken: &mut Vec<PathBuf>,
    create: impl FnOnce(&Path) -> io::Result<T>,
) -> io::Result<T> {
    let told =
        |error: &io::Error| io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()));
    // Devices and pipes may take more than one.
    let is_there = path.canonicalize().ok().filter(|path| path.is_file());
    if is_there.is_some_and(|path| taken.contains(&path)) {
        let error = io::Error::other("it is the rule file, or already takes another report");
        return Err(told(&error));
    }
    let opened = create(path).map_err(|error| told(&error))?;
    taken.extend(path.canonicalize());
    Ok(opened)
}
