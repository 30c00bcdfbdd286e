//! Two runs compared: the faults of one that did not come up in the other.

use std::collections::{BTreeMap, BTreeSet};

use super::Generations;
use crate::event::line::{Armed, Fired, Frame, Line, SiteName};
use crate::event::{Notice, Progress, Sink};
use crate::words::count;

/// Groups that are told one by one.
const SHOWN: usize = 20;

/// The faults of a run, counted by what they are recognized by.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// How the run began.
    pub armed: Option<Armed>,
    /// Events that the run could not tell.
    pub dropped: u64,
    /// The rules that it had.
    pub generations: Generations,
    calls: BTreeMap<Call, u64>,
    /// The calls that can be told apart: rule, place, number.
    occurrences: BTreeSet<(String, u64, u64)>,
    /// Events that had to have decided on a call and do not tell which.
    unnumbered: u64,
    /// The build IDs of programs, by their file names.
    builds: BTreeSet<(String, String)>,
}

/// What a call is recognized by in another run: everything but ids, times and values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    rule: String,
    test: Option<String>,
    function: String,
    at_return: bool,
    /// Functions and lines, the function itself first. Files may lie elsewhere.
    stack: Vec<(String, u32)>,
    /// The file of the caller, for people.
    file: Option<String>,
}

impl Call {
    /// The same with no more than the names of its functions.
    fn without_lines(&self) -> Call {
        Call {
            stack: self
                .stack
                .iter()
                .map(|(function, _)| (function.clone(), 0))
                .collect(),
            file: None,
            ..self.clone()
        }
    }

    fn of(fired: &Fired) -> Call {
        let place = |frame: &Frame| (frame.function.clone(), frame.line);
        let caller = fired.stack.get(1);
        Call {
            rule: fired.rule.clone(),
            test: fired.test.clone(),
            function: fired.function.clone(),
            at_return: fired.site == SiteName::Return,
            stack: fired.stack.iter().map(place).collect(),
            file: caller.and_then(|frame| Some(frame.file.rsplit_once('/')?.1.to_owned())),
        }
    }
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.rule, self.function)?;
        if let Some((function, line)) = self.stack.get(1) {
            let file = self.file.as_deref().unwrap_or("?");
            write!(f, ", called from {function} ({file}:{line})")?;
        }
        if let Some(test) = &self.test {
            write!(f, " in {test}")?;
        }
        Ok(())
    }
}

impl Faults {
    /// Takes in the next line of the run.
    pub fn add(&mut self, line: &Line) {
        self.generations.add(line);
        match line {
            Line::Armed(armed) => self.armed = Some(armed.clone()),
            Line::Process(process) => {
                let build = process.build_id.clone().unwrap_or_default();
                self.builds.insert((process.program.clone(), build));
            }
            Line::Fired(fired) => {
                *self.calls.entry(Call::of(fired)).or_default() += 1;
                self.recognize(fired);
            }
            Line::End(end) => self.dropped = end.dropped_events,
            _ => {}
        }
    }

    fn recognize(&mut self, fired: &Fired) {
        let occurrence = fired.occurrence.as_ref();
        let place = occurrence.and_then(|occurrence| u64::from_str_radix(&occurrence.place, 16).ok());
        match (occurrence, place) {
            (Some(occurrence), Some(place)) => {
                self.occurrences
                    .insert((fired.rule.clone(), place, occurrence.number));
            }
            // What a rule does at the return of a call it has decided on at the entry.
            _ if fired.site == SiteName::Return => {}
            _ => self.unnumbered += 1,
        }
    }

    /// The calls that rules decided on, as rule, place and number; none where they can't be told.
    pub fn occurrences(&self) -> Option<&BTreeSet<(String, u64, u64)>> {
        (self.unnumbered == 0 && self.dropped == 0).then_some(&self.occurrences)
    }

    /// The build IDs of the programs that had rules.
    pub fn builds(&self) -> impl Iterator<Item = &str> {
        self.builds.iter().map(|(_, build)| build.as_str())
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.calls.values().sum()
    }

    /// These faults with the lines of recorded ones, where the programs were built anew since and a change has moved
    /// them: calls along the same functions are the same in the order of their lines.
    fn moved_to(&self, recorded: &Faults) -> Faults {
        let mut moved = self.clone();
        if self.builds == recorded.builds {
            return moved;
        }
        moved.calls.clear();
        let sites = |faults: &Faults| {
            let mut sites: BTreeMap<Call, Vec<Call>> = BTreeMap::new();
            for call in faults.calls.keys() {
                sites.entry(call.without_lines()).or_default().push(call.clone());
            }
            sites
        };
        let before = sites(recorded);
        for (functions, now) in sites(self) {
            let mut before = before.get(&functions).cloned().unwrap_or_default();
            let mut now = now;
            if before.len() != now.len() {
                // One has come or gone: those whose lines are the same are the same.
                let same: BTreeSet<Call> = before.iter().filter(|call| now.contains(call)).cloned().collect();
                for call in &same {
                    moved.calls.insert(call.clone(), self.calls[call]);
                }
                before.retain(|call| !same.contains(call));
                now.retain(|call| !same.contains(call));
            }
            for (n, call) in now.iter().enumerate() {
                let place = before.get(n).unwrap_or(call);
                *moved.calls.entry(place.clone()).or_default() += self.calls[call];
            }
        }
        moved
    }

    /// What another run has made of these: how many did not occur again, and that in words.
    pub fn compare(&self, again: &Faults) -> (u64, Vec<String>) {
        let again = &again.moved_to(self);
        let mut missing = 0;
        let mut words = Vec::new();
        for (call, recorded) in &self.calls {
            let came = again.calls.get(call).copied().unwrap_or(0);
            if came < *recorded {
                missing += recorded - came;
                words.push(format!(
                    "did not occur again, {} of {recorded}: {call}",
                    recorded - came
                ));
            }
        }
        let more: u64 = again
            .calls
            .iter()
            .map(|(call, came)| came.saturating_sub(self.calls.get(call).copied().unwrap_or(0)))
            .sum();
        let untold = words.len().saturating_sub(SHOWN);
        words.truncate(SHOWN);
        if untold > 0 {
            words.push(format!("and so in {}", count(untold, "other place")));
        }
        let recorded = self.count();
        words.insert(
            0,
            format!(
                "{} of {recorded} recorded faults occurred again",
                recorded - missing
            ),
        );
        if more > 0 {
            words.push(format!("{more} more occurred that were not recorded"));
        }
        for (program, build) in &again.builds {
            let known = |(name, other): &(String, String)| name == program && other != build;
            if !self.builds.contains(&(program.clone(), build.clone())) && self.builds.iter().any(known) {
                words.push(format!(
                    "{program} has been rebuilt since: there the rules decided, not the recording"
                ));
            }
        }
        if self.dropped > 0 || again.dropped > 0 {
            let [before, now] = [self.dropped, again.dropped];
            words.push(format!(
                "not compared: events that were dropped because they came too fast, {before} when recorded and {now} now"
            ));
        }
        (missing, words)
    }
}

impl Sink for Faults {
    fn line(&mut self, line: &Line) {
        self.add(line);
    }

    fn notice(&mut self, _: &Notice) {}

    fn tick(&mut self, _: &[Progress]) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(lines: &[(&str, u32)]) -> Faults {
        let mut faults = Faults::default();
        for (test, line) in lines {
            let call = Call {
                rule: "put".to_owned(),
                test: Some((*test).to_owned()),
                function: "store.Put".to_owned(),
                at_return: false,
                stack: vec![("store.Put".to_owned(), 7), ("store.TestPut".to_owned(), *line)],
                file: Some("store_test.go".to_owned()),
            };
            *faults.calls.entry(call).or_default() += 1;
        }
        faults
    }

    #[test]
    fn lines_that_a_change_has_moved_are_the_same_calls() {
        let mut recorded = faults(&[("TestPut", 20), ("TestPut", 24), ("TestPut", 24), ("TestAll", 40)]);
        let mut again = faults(&[("TestPut", 24), ("TestPut", 28), ("TestPut", 28), ("TestAll", 44)]);
        recorded.builds.insert(("store.test".to_owned(), "a".to_owned()));
        again.builds.insert(("store.test".to_owned(), "b".to_owned()));
        assert_eq!(recorded.compare(&again).0, 0);
        let fewer = Faults {
            calls: faults(&[("TestPut", 28), ("TestAll", 40)]).calls,
            ..again
        };
        let (missing, words) = recorded.compare(&fewer);
        assert_eq!(missing, 2, "{words:?}");
    }

    #[test]
    fn faults_are_recognized_by_test_and_stack_and_counted() {
        let recorded = faults(&[("TestPut", 20), ("TestPut", 20), ("TestPut", 21), ("TestAll", 20)]);
        assert_eq!(
            recorded.compare(&recorded.clone()),
            (0, vec!["4 of 4 recorded faults occurred again".to_owned()])
        );
        let again = faults(&[("TestPut", 20), ("TestPut", 21), ("TestAll", 22)]);
        let (missing, words) = recorded.compare(&again);
        assert_eq!(missing, 2);
        assert_eq!(
            words,
            [
                "2 of 4 recorded faults occurred again",
                "did not occur again, 1 of 1: put: store.Put, called from store.TestPut (store_test.go:20) in TestAll",
                "did not occur again, 1 of 2: put: store.Put, called from store.TestPut (store_test.go:20) in TestPut",
                "1 more occurred that were not recorded",
            ]
        );
    }
}
