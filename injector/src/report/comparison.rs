//! Two runs compared: the faults of one that did not come up in the other.

use std::collections::BTreeMap;

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
    calls: BTreeMap<Call, u64>,
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
        match line {
            Line::Armed(armed) => self.armed = Some(armed.clone()),
            Line::Fired(fired) => *self.calls.entry(Call::of(fired)).or_default() += 1,
            Line::End(end) => self.dropped = end.dropped_events,
            _ => {}
        }
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.calls.values().sum()
    }

    /// What another run has made of these: how many did not come up again, and that in words.
    pub fn compare(&self, again: &Faults) -> (u64, Vec<String>) {
        let mut missing = 0;
        let mut words = Vec::new();
        for (call, recorded) in &self.calls {
            let came = again.calls.get(call).copied().unwrap_or(0);
            if came < *recorded {
                missing += recorded - came;
                words.push(format!(
                    "did not come up again, {} of {recorded}: {call}",
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
                "{} of {recorded} recorded faults came up again",
                recorded - missing
            ),
        );
        if more > 0 {
            words.push(format!("{more} more came up that were not recorded"));
        }
        if self.dropped > 0 || again.dropped > 0 {
            let [before, now] = [self.dropped, again.dropped];
            words.push(format!(
                "not compared: events that came too fast to be told, {before} when recorded and {now} now"
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
    fn faults_are_recognized_by_test_and_stack_and_counted() {
        let recorded = faults(&[("TestPut", 20), ("TestPut", 20), ("TestPut", 21), ("TestAll", 20)]);
        assert_eq!(
            recorded.compare(&recorded.clone()),
            (0, vec!["4 of 4 recorded faults came up again".to_owned()])
        );
        let again = faults(&[("TestPut", 20), ("TestPut", 21), ("TestAll", 22)]);
        let (missing, words) = recorded.compare(&again);
        assert_eq!(missing, 2);
        assert_eq!(
            words,
            [
                "2 of 4 recorded faults came up again",
                "did not come up again, 1 of 1: put: store.Put, called from store.TestPut (store_test.go:20) in TestAll",
                "did not come up again, 1 of 2: put: store.Put, called from store.TestPut (store_test.go:20) in TestPut",
                "1 more came up that were not recorded",
            ]
        );
    }
}
