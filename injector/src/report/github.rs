//! What GitHub shows of a run: annotations in the user's code, and a table on the page of the job.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::call_sites::call_sites;
use super::html::legible;
use super::markdown::{markdown, sentence};
use super::place::Workspace;
use super::record::Record;
use crate::event::line::RuleResult;

/// Annotations of a run; GitHub shows ten of a kind for each step.
pub(super) const MOST: usize = 10;

/// What GitHub's runner says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runner {
    /// The folder that paths are relative to.
    pub workspace: Option<PathBuf>,
    /// The file that the job's page is made of.
    pub summary: Option<PathBuf>,
}

impl Runner {
    /// The runner that goinject runs on; none elsewhere.
    pub fn of_environment() -> Option<Runner> {
        let set = |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        std::env::var_os("GITHUB_ACTIONS").filter(|value| value == "true")?;
        Some(Runner {
            workspace: set("GITHUB_WORKSPACE"),
            summary: set("GITHUB_STEP_SUMMARY"),
        })
    }

    /// Appends the run to the job's page.
    pub fn append_summary(&self, record: &Record) -> io::Result<()> {
        self.append(&markdown(record))
    }

    /// Appends Markdown to the job's page.
    pub(super) fn append(&self, text: &str) -> io::Result<()> {
        let Some(path) = &self.summary else { return Ok(()) };
        let told = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .map_err(told)?;
        file.write_all(format!("{text}\n").as_bytes()).map_err(told)
    }

    /// The worst of a run as commands to the runner, a line each.
    pub fn annotations(&self, record: &Record) -> Vec<String> {
        let level = if record.passed() { "notice" } else { "error" };
        let lines = record.rule_lines();
        let mut found = Vec::new();
        let folder = record.folder();
        let rule_file = self.relative(&folder.join(record.path()));
        for error in &record.errors {
            let help = error.help.as_ref().map(|help| format!("\n{help}"));
            let message = format!("{}{}", error.message, help.unwrap_or_default());
            let rule = error.rule.as_deref().unwrap_or("not armed");
            let line = error.line.unwrap_or(1);
            found.push(annotation("error", &rule_file, line, rule, &message));
        }
        // A rule that did not do what was expected has perhaps no call to be shown at.
        let unmet = |rule: &&RuleResult| !rule.unmet.is_empty() && record.error_of(&rule.rule).is_none();
        for rule in record.rules.iter().filter(unmet) {
            let unmet: Vec<String> = rule.unmet.iter().map(ToString::to_string).collect();
            let message = format!("{}: {}", rule.rule, unmet.join("; "));
            let line = lines.get(&rule.rule).copied().unwrap_or(1);
            found.push(annotation("error", &rule_file, line, &rule.rule, &message));
        }
        let workspace = Workspace::new(&folder, self.workspace.as_deref());
        for site in call_sites(record, &workspace) {
            let Some(place) = &site.place else { continue };
            let level = if site.failed > 0 { "error" } else { level };
            found.push(annotation(
                level,
                &place.file,
                place.line as usize,
                &site.rule,
                &site.words(),
            ));
        }
        if found.is_empty() && !record.passed() {
            found.push(format!("::error title=goinject::{}", data(&sentence(record))));
        }
        let more = found.len().saturating_sub(MOST);
        found.truncate(MOST);
        if more > 0 {
            found.push(format!(
                "::notice title=goinject::{more} more places are in the summary of the job and in the reports"
            ));
        }
        found
    }

    fn relative(&self, path: &Path) -> String {
        let path: PathBuf = path.components().collect();
        let root = self.workspace.as_deref();
        let inside = root
            .and_then(|root| path.strip_prefix(root).ok())
            .unwrap_or(&path);
        inside.to_string_lossy().into_owned()
    }
}

pub(super) fn annotation(level: &str, file: &str, line: usize, rule: &str, message: &str) -> String {
    let title = property(&format!("goinject: {rule}"));
    format!(
        "::{level} file={},line={line},title={title}::{}",
        property(file),
        data(message)
    )
}

/// What follows the second `::`.
pub(super) fn data(text: &str) -> String {
    let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    legible(&text)
}

/// The value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
