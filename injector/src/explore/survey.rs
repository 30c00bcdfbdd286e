//! What happens without a fault: which tests are stable, and where calls are made that can fail.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::time::Duration;

use super::at_point::AtPoint;
use super::code::Side;
use super::explorer::{Settings, Trials};
use super::point::{Found, Place, Reach, points};
use super::program::{Program, Scope};
use super::rule_text::{self, Mode};
use super::subject::{Plain, Subject};
use super::trial::Request;
use crate::event::line::Fired;

/// Plain runs of each subject.
pub const PLAIN_RUNS: usize = 3;
/// Calls of each function in each test that are looked at.
const CALLS: u64 = 64;
/// All of them together, per function.
const KEPT: usize = 4096;
/// How long a run without faults may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);
/// A trial may take so many times what the test takes, and so much more.
const TIMES_LONGER: u32 = 8;
const AT_LEAST: Duration = Duration::from_secs(3);

/// Methods that write, by the beginning of their names.
const WRITES: [&str; 9] = [
    "Write", "ReadFrom", "Copy", "Fprint", "Encode", "Flush", "Sync", "Create", "Truncate",
];
/// Functions that open files, by the beginning of their names.
const OPENS_FILES: [&str; 3] = ["Open", "Create", "TempFile"];
/// Functions that have what was written put on the disk, by the beginning of their names.
const SYNCS: [&str; 4] = ["Sync", "Fsync", "Fdatasync", "fsync"];
/// Functions that open sockets or pipes, by the beginning of their names.
const OPENS: [&str; 4] = ["Dial", "Listen", "Accept", "Pipe"];

/// What the plain runs of a subject showed.
#[derive(Clone, Debug, Default)]
pub struct Stability {
    /// Tests, or the command, and how long they take at least.
    pub stable: BTreeMap<String, Duration>,
    /// Tests that passed and failed.
    pub unstable: BTreeSet<String>,
    /// Tests that always failed.
    pub failing: BTreeSet<String>,
    /// How long everything takes at most.
    pub elapsed: Duration,
    /// How long it takes at least.
    pub least: Duration,
    /// Standard output, where it was always the same.
    pub output: Option<String>,
    /// Why nothing can be explored.
    pub failure: Option<String>,
    /// What fails where two run side by side, though none does alone.
    pub disturbed: Option<String>,
}

/// Runs a subject without faults, several times: alone first, then two side by side where trials will be. What fails only
/// then is asked once more alone.
pub fn run_plainly(
    subject: &Subject,
    settings: &Settings,
    asked: &(dyn Fn() -> bool + Sync),
) -> io::Result<Stability> {
    let run = || subject.run_plainly(settings, PATIENCE, asked);
    let alone = |runs: &mut Vec<Plain>| {
        while runs.len() < PLAIN_RUNS && !asked() {
            runs.push(run()?);
        }
        io::Result::Ok(compare(subject.is_test(), runs))
    };
    let mut runs = vec![run()?];
    // Those that fail anyway need no company.
    if settings.jobs < 2 || runs[0].status != Some(0) || asked() {
        return alone(&mut runs);
    }
    let (first, second) = std::thread::scope(|scope| {
        let other = scope.spawn(run);
        let one = run();
        (one, other.join())
    });
    let second = second.map_err(|_| io::Error::other("a plain run panicked"))?;
    let beside = [runs[0].clone(), first?, second?];
    let together = compare(subject.is_test(), &beside);
    if together.is_steady() || asked() {
        return Ok(together);
    }
    let found = alone(&mut runs)?;
    let disturbed = found.is_steady().then(|| {
        let bad = beside.iter().find(|run| run.status != Some(0));
        let named = together.unstable.iter().next();
        bad.map(|run| tail(&run.output))
            .or_else(|| named.cloned())
            .unwrap_or_default()
    });
    Ok(Stability { disturbed, ..found })
}

impl Stability {
    /// Whether any test was run.
    pub fn has_tests(&self) -> bool {
        let all = [&self.unstable, &self.failing];
        !self.stable.is_empty() || all.iter().any(|tests| !tests.is_empty())
    }

    /// Whether every run went well, with every test.
    fn is_steady(&self) -> bool {
        self.failure.is_none() && self.unstable.is_empty()
    }
}

fn compare(is_test: bool, runs: &[Plain]) -> Stability {
    let mut times: Vec<Duration> = runs.iter().map(|run| run.elapsed).collect();
    times.sort();
    let mut found = Stability {
        elapsed: times.last().copied().unwrap_or_default(),
        least: times.first().copied().unwrap_or_default(),
        ..Stability::default()
    };
    let names: BTreeSet<&String> = runs.iter().flat_map(|run| run.tests.keys()).collect();
    for name in names {
        let results: Vec<_> = runs.iter().map(|run| run.tests.get(name)).collect();
        let passed = results
            .iter()
            .filter(|result| result.is_some_and(|(passed, _)| *passed))
            .count();
        if passed == runs.len() {
            let took = results.iter().flatten().map(|(_, took)| *took).max();
            found.stable.insert(name.clone(), took.unwrap_or_default());
        } else if passed == 0 {
            found.failing.insert(name.clone());
        } else {
            found.unstable.insert(name.clone());
        }
    }
    if !is_test {
        let first = runs.first();
        let same = |run: &Plain| Some(&run.stdout) == first.map(|first| &first.stdout);
        found.output = first
            .filter(|_| runs.iter().all(same))
            .map(|run| run.stdout.clone());
    }
    let bad = runs.iter().find(|run| run.status != Some(0));
    // Those of unstable tests are told, and set aside.
    if let Some(run) = bad
        && found.unstable.is_empty()
    {
        let how = match run.status {
            Some(status) => format!("exit status {status}"),
            None => "it did not end, or a signal killed it".to_owned(),
        };
        found.failure = Some(format!("{how}\n{}", tail(&run.output)));
    }
    found
}

/// The end of an output.
fn tail(output: &str) -> String {
    let lines: Vec<&str> = output.trim_end().lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

/// The calls that a subject makes and that can fail.
pub fn record(subject: &Subject, scope: Scope, trials: &Trials<'_>, engine: &str) -> Result<Survey, String> {
    let candidates = subject.program.candidates(scope);
    let scope = subject.is_test().then_some("test");
    let rules: Vec<String> = candidates
        .iter()
        .enumerate()
        .map(|(n, function)| rule_text::watch(&format!("watch-{n}"), function, CALLS, scope))
        .collect();
    let rules = subject.program.fitting(&rules);
    if rules.is_empty() {
        return Ok(Survey::default());
    }
    let watched = rules.len();
    let text = rule_text::head() + &rules.concat();
    let request = Request {
        engine: engine.to_owned(),
        kept_events: KEPT,
        ..trials.request(subject, None, (text, Path::new(rule_text::FILE)), 0)
    };
    let outcome = trials.make(request).map_err(|error| error.to_string())?;
    if let Some(failure) = outcome.record.failure {
        return Err(failure);
    }
    if outcome.record.status != Some(0) {
        return Err(format!(
            "it fails where its calls are only watched:\n{}",
            tail(&format!("{}{}", outcome.stdout, outcome.stderr))
        ));
    }
    trials.begin_faults();
    let calls = outcome.record.fired;
    Ok(Survey {
        points: points(&calls, &subject.program.code, &|name, callee| {
            subject.program.may_pass_on(name, callee)
        }),
        watched,
        calls,
        dropped: outcome.record.dropped,
        elapsed: outcome.record.elapsed,
    })
}

/// What a subject does without faults.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Its fault points.
    pub points: Vec<Found>,
    /// Functions that were watched.
    pub watched: usize,
    /// Calls that were seen.
    pub calls: Vec<Fired>,
    /// Calls that were not.
    pub dropped: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// Faults to be tried, the cheapest first, and points at which none can be made.
pub fn plan(
    index: usize,
    subject: &Subject,
    survey: &Survey,
    stability: &Stability,
    modes: &[Mode],
) -> (Vec<AtPoint>, BTreeMap<String, String>) {
    let mut experiments = Vec::new();
    let mut passed_over = BTreeMap::new();
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    let habits = Habits::of(survey, &subject.program);
    let mut points: Vec<&Found> = survey.points.iter().collect();
    points.sort_by_key(|found| &found.point);
    for found in points {
        let Some((test, reach, took)) = cheapest(found, stability) else {
            let why = "only tests that are not stable come to it".to_owned();
            passed_over.insert(found.point.function.clone(), why);
            continue;
        };
        let Some(failing) = subject.program.failing(&found.point.function) else {
            let why = "no error that it could return is known".to_owned();
            passed_over.insert(found.point.function.clone(), why);
            continue;
        };
        let number = numbers.entry(found.point.id()).or_default();
        *number += 1;
        for mode in modes {
            experiments.push(AtPoint {
                subject: index,
                point: found.point.clone(),
                number: *number,
                mode: *mode,
                test: test.map(str::to_owned),
                reach: reach.clone(),
                failing: failing.clone(),
                patience: AT_LEAST + took * TIMES_LONGER,
                plain_output: stability.output.clone(),
                caller_writes: habits.writes(found),
                caller_opens: habits.opens(found),
            });
        }
    }
    (experiments, passed_over)
}

/// The test that comes to a point in the shortest time. Calls outside of tests come up whichever runs.
fn cheapest<'f>(found: &'f Found, stability: &Stability) -> Option<(Option<&'f str>, &'f Reach, Duration)> {
    found
        .tests
        .iter()
        .filter_map(|(test, reach)| match test {
            Some(test) => Some((Some(test.as_str()), reach, *stability.stable.get(test)?)),
            None => Some((None, reach, stability.elapsed)),
        })
        .min_by_key(|(test, _, took)| (*took, test.map(str::to_owned)))
}

/// What the user's functions call beside what fails.
struct Habits {
    writers: BTreeSet<String>,
    openers: BTreeSet<String>,
    /// Those that open files themselves.
    file_openers: BTreeSet<String>,
    syncers: BTreeSet<String>,
}

impl Habits {
    fn of(survey: &Survey, program: &Program) -> Habits {
        let mut habits = Habits {
            writers: BTreeSet::new(),
            openers: BTreeSet::new(),
            file_openers: BTreeSet::new(),
            syncers: BTreeSet::new(),
        };
        for call in &survey.calls {
            let method = call.function.rsplit('.').next().unwrap_or(&call.function);
            let begins = |words: &[&str]| words.iter().any(|word| method.starts_with(word));
            let mut own = call
                .stack
                .iter()
                .filter(|frame| program.code.side_of(frame) == Side::Own)
                .map(|frame| frame.function.clone());
            if begins(&WRITES) {
                habits.writers.extend(own.clone());
            }
            if begins(&SYNCS) {
                habits.syncers.extend(own.clone());
            }
            if begins(&OPENS) {
                habits.openers.extend(own.clone());
            }
            if begins(&OPENS_FILES) {
                habits.file_openers.extend(own.next());
            }
        }
        habits
    }

    /// Whether what a function closes may have been written to, as far as is known: by itself if it has opened it, else by
    /// any of its callers. What was synced is safe.
    fn writes(&self, found: &Found) -> bool {
        let stack = &found.point.stack;
        let writes = |place: &Place| self.writers.contains(&place.function);
        match stack.first() {
            Some(inner) if self.syncers.contains(&inner.function) => false,
            Some(inner) if self.file_openers.contains(&inner.function) => writes(inner),
            _ => stack.iter().any(writes),
        }
    }

    fn opens(&self, found: &Found) -> bool {
        found
            .point
            .stack
            .iter()
            .any(|place| self.openers.contains(&place.function))
    }
}
