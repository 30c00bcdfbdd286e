//! What was tested, what was skipped and why, and what failed.

use std::collections::BTreeMap;
use std::fmt::Write;

use goinject_lab::skips;

use crate::Writer;

/// How one case came out with one writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As expected.
    Passed,
    /// It can't be carried out here, for this reason.
    Skipped(String),
    /// Not as expected.
    Failed(String),
}

/// The count of a test. A skip without a reason can't be written, and none is forgotten: [`Tally::finish`] prints them.
#[derive(Debug)]
#[must_use = "nothing fails without `finish`"]
pub struct Tally {
    title: String,
    passed: BTreeMap<Writer, usize>,
    skipped: BTreeMap<(Writer, String), usize>,
    failures: Vec<String>,
}

impl Tally {
    /// An empty one; the title says what of and where, as in "cases, Linux 6.12".
    pub fn new(title: impl Into<String>) -> Tally {
        Tally {
            title: title.into(),
            passed: BTreeMap::new(),
            skipped: BTreeMap::new(),
            failures: Vec::new(),
        }
    }

    /// Notes one.
    pub fn add(&mut self, writer: Writer, verdict: Verdict) {
        match verdict {
            Verdict::Passed => *self.passed.entry(writer).or_default() += 1,
            Verdict::Skipped(reason) => *self.skipped.entry((writer, reason)).or_default() += 1,
            Verdict::Failed(text) => self.failures.push(text),
        }
    }

    /// Counts a whole test as skipped.
    pub fn skip(title: &str, reason: &str) {
        skips::note(title, 1, reason);
    }

    /// How many passed with a writer.
    #[must_use]
    pub fn passed(&self, writer: Writer) -> usize {
        self.passed.get(&writer).copied().unwrap_or(0)
    }

    /// Prints the count.
    ///
    /// # Panics
    /// If anything failed, or nothing was tested at all.
    #[track_caller]
    pub fn finish(self) {
        const SHOWN: usize = 12;
        println!("{}", self.summary());
        for ((_, reason), count) in &self.skipped {
            skips::note(&self.title, *count, reason);
        }
        let count = self.failures.len();
        let mut shown = self.failures[..count.min(SHOWN)].join("\n");
        if count > SHOWN {
            let _ = write!(shown, "\n##### and {} more:", count - SHOWN);
        }
        for failure in self.failures.iter().skip(SHOWN) {
            let _ = write!(shown, "\n{}", failure.lines().next().unwrap_or_default());
        }
        assert!(count == 0, "{}: {count} failures\n{shown}", self.title);
        assert!(!self.passed.is_empty(), "{}: nothing was tested", self.title);
    }

    fn summary(&self) -> String {
        let mut text = format!("{}:", self.title);
        for writer in Writer::ALL {
            let skipped: usize = self.skips(writer).map(|(_, count)| count).sum();
            if self.passed(writer) + skipped > 0 {
                let _ = write!(
                    text,
                    "\n  {:<12} {:>5} passed",
                    writer.name(),
                    self.passed(writer)
                );
            }
            for (reason, count) in self.skips(writer) {
                let _ = write!(text, "\n  {:<12} {count:>5} skipped: {reason}", "");
            }
        }
        text
    }

    fn skips(&self, writer: Writer) -> impl Iterator<Item = (&str, usize)> {
        self.skipped
            .iter()
            .filter(move |((of, _), _)| *of == writer)
            .map(|((_, reason), count)| (reason.as_str(), *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_are_counted_by_their_reasons() {
        let mut tally = Tally::new("cases");
        tally.add(Writer::Context, Verdict::Passed);
        for _ in 0..2 {
            tally.add(Writer::Context, Verdict::Skipped("no floats".to_owned()));
        }
        assert_eq!(
            tally.summary(),
            "cases:\n  context          1 passed\n                   2 skipped: no floats"
        );
        tally.finish();
    }

    #[test]
    #[should_panic(expected = "nothing was tested")]
    fn a_test_of_nothing_fails() {
        let mut tally = Tally::new("cases");
        tally.add(Writer::Tracer, Verdict::Skipped("no BPF".to_owned()));
        tally.finish();
    }
}
