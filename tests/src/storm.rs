//! The program `fixtures/go/storm`: very many faults while stacks move and the collector runs.

use std::fs;

use crate::{Build, Counts, Outcome, Writer, goinject};

/// One run of it, with one rule.
#[derive(Clone, Copy, Debug)]
pub struct Storm {
    /// What it calls, as its first argument.
    pub kind: &'static str,
    /// How often.
    pub calls: u64,
    /// The rule.
    pub rule: &'static str,
}

/// What it printed in the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "by the words that it prints")]
pub struct Seen {
    pub calls: u64,
    pub bodies: u64,
    pub faults: u64,
    pub early: u64,
    pub wrong: u64,
}

impl Storm {
    /// Runs it on this host.
    ///
    /// # Panics
    /// If files can't be written, or the run does not end as it should.
    #[must_use]
    pub fn run(&self, build: Build, writer: Writer) -> (Seen, Counts) {
        let folder = tempfile::tempdir().expect("a folder for the rule file");
        let rules = folder.path().join("storm.yaml");
        let json = folder.path().join("storm.json");
        fs::write(&rules, self.rules()).expect("rules are written");
        let mut command = goinject::command(["run", "--quiet"]);
        command.args(writer.options());
        command.arg(&rules).arg("--json").arg(&json).arg("--");
        command.arg(build.of("storm")).args(self.arguments());
        let mut outcome = goinject::Running::start(&mut command).end();
        let lines = fs::read_to_string(json).unwrap_or_default();
        let kept: Vec<&str> = lines
            .lines()
            .filter(|line| !line.contains("\"type\":\"fired\""))
            .collect();
        outcome.json = Outcome::lines(&kept.join("\n"));
        let name = format!("{}, {}, {}", self.kind, build.name(), writer.name());
        self.judge(&name, &outcome)
    }

    /// Its rule file.
    #[must_use]
    pub fn rules(&self) -> String {
        format!("version: 1\nseed: 1\nrules:\n- {}\n", self.rule)
    }

    /// Its arguments.
    #[must_use]
    pub fn arguments(&self) -> [String; 2] {
        [self.kind.to_owned(), self.calls.to_string()]
    }

    /// What a run saw and counted, when the program's own counters have been found in order.
    ///
    /// # Panics
    /// If the run did not end as it should.
    #[must_use]
    pub fn judge(&self, name: &str, outcome: &Outcome) -> (Seen, Counts) {
        assert_eq!(outcome.code, Some(0), "{name}: {}", outcome.describe());
        let seen = Seen::read(&outcome.stdout);
        let counts = outcome.counts();
        assert_eq!(counts.len(), 1, "{name}: {}", outcome.describe());
        assert_eq!(
            (seen.calls, seen.wrong),
            (self.calls, 0),
            "{name}: {}",
            outcome.describe()
        );
        assert_eq!(counts[0].failed, 0, "{name}: {}", outcome.describe());
        println!("{name}: {seen:?}, {:?}", counts[0]);
        (seen, counts[0])
    }
}

impl Seen {
    /// `calls 1 bodies 2 faults 3 early 4 wrong 5`
    fn read(stdout: &str) -> Seen {
        let words: Vec<&str> = stdout.split_whitespace().collect();
        let number = |name: &str| {
            let at = words.iter().position(|word| *word == name);
            at.and_then(|at| words.get(at + 1)?.parse().ok())
                .unwrap_or(u64::MAX)
        };
        Seen {
            calls: number("calls"),
            bodies: number("bodies"),
            faults: number("faults"),
            early: number("early"),
            wrong: number("wrong"),
        }
    }
}
