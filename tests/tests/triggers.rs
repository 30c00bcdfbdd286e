//! Random triggers over random calls: the decision core against a model that is plain to read.

use std::collections::{BTreeSet, HashMap};
use std::fs;

use goinject::go::Binary;
use goinject_probes::table::GeneralRegister;
use goinject_tests::goinject::{Running, command};
use goinject_tests::{Build, Decisions, MadeUpCall, Outcome, Writer};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

#[derive(Clone, Debug)]
struct Trigger {
    nth: Option<u64>,
    every: Option<u64>,
    first: Option<u64>,
    after: Option<u64>,
    until: Option<u64>,
    times: Option<u64>,
    per_goroutine: bool,
    /// Calls match with more than this.
    above: i64,
}

fn trigger() -> impl Strategy<Value = Trigger> {
    let number = |most: u64| prop::option::weighted(0.4, 0..most);
    let rare = prop::option::weighted(0.15, 1..8u64);
    (
        (rare, number(5), number(30), number(10)),
        (number(40), number(8), any::<bool>()),
        0..3i64,
    )
        .prop_map(
            |((nth, every, first, after), (until, times, per_goroutine), above)| Trigger {
                nth,
                every,
                first,
                after,
                until,
                times,
                per_goroutine,
                above,
            },
        )
}

impl Trigger {
    fn yaml(&self) -> String {
        let mut parts = Vec::new();
        let mut add =
            |key: &str, value: Option<u64>| parts.extend(value.map(|value| format!("{key}: {value}")));
        add("nth", self.nth);
        add("every", self.every);
        add("first", self.first);
        add("after", self.after);
        add("until", self.until);
        add("times", self.times);
        if self.per_goroutine {
            parts.push("scope: goroutine".to_owned());
        }
        format!("if: n > {}, when: {{{}}}", self.above, parts.join(", "))
    }

    /// Refused in rule files.
    fn never_fires(&self) -> bool {
        !(1..1_000).any(|n| self.has_turn(n))
    }

    /// Whether the turn of a goroutine's, or the rule's, n-th matching call has come.
    fn has_turn(&self, n: u64) -> bool {
        self.nth.is_none_or(|nth| n == nth)
            && self
                .every
                .is_none_or(|every| every > 0 && n.is_multiple_of(every))
            && self.first.is_none_or(|first| n <= first)
            && self.after.is_none_or(|after| n > after)
            && self.until.is_none_or(|until| n <= until)
    }

    /// Which calls fire: the whole trigger, written down as one would say it.
    fn model(&self, calls: &[(i64, u64)]) -> Vec<bool> {
        let mut counts: HashMap<u64, u64> = HashMap::new();
        let mut fired = 0;
        let decide = |(n, goroutine): &(i64, u64)| {
            if *n <= self.above {
                return false;
            }
            let key = if self.per_goroutine { *goroutine } else { 0 };
            let count = counts.entry(key).or_default();
            *count += 1;
            let allowed = self.times.is_none_or(|times| fired < times);
            let fires = self.has_turn(*count) && allowed;
            fired += u64::from(fires);
            fires
        };
        calls.iter().map(decide).collect()
    }
}

/// Rules that each decide for themselves, as all of them would have been alone.
fn rules(triggers: &[Trigger]) -> String {
    let mut rules = "version: 1\nmode: observe\nrules:\n".to_owned();
    for (number, trigger) in triggers.iter().enumerate() {
        rules.push_str(&format!(
            "- {{name: r{number}, function: main.counted, {}, inject: {{set: {{n: 77}}}}, expect: {{fired: \">=0\"}}}}\n",
            trigger.yaml()
        ));
    }
    rules
}

fn decisions(triggers: &[Trigger], binary: &Binary) -> Result<Decisions, String> {
    Decisions::new(&rules(triggers), binary)
}

fn binary() -> Binary {
    Binary::open(&Build::plain("1.27").of("cases")).expect("a fixture is a Go binary")
}

fn config(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    }
}

#[test]
fn triggers_are_what_the_model_says() {
    let binary = binary();
    let able = trigger().prop_filter("refused", |trigger| !trigger.never_fires());
    let calls = prop::collection::vec((0..6i64, 1..4u64), 60);
    let strategy = (prop::collection::vec(able, 24), calls);
    let result = TestRunner::new(config(50)).run(&strategy, |(triggers, calls)| {
        let mut decisions = decisions(&triggers, &binary).expect("all of them can fire");
        let models: Vec<Vec<bool>> = triggers.iter().map(|trigger| trigger.model(&calls)).collect();
        let mut expected = vec![0; triggers.len()];
        for (number, (n, goroutine)) in calls.iter().enumerate() {
            decisions.decide(&MadeUpCall::default().with(0, n.cast_unsigned()), *goroutine);
            for (rule, counters) in decisions.counters().iter().enumerate() {
                expected[rule] += u64::from(models[rule][number]);
                prop_assert_eq!(
                    counters.fired,
                    expected[rule],
                    "call {}: {}",
                    number,
                    triggers[rule].yaml()
                );
            }
        }
        for (trigger, counters) in triggers.iter().zip(decisions.counters()) {
            let matched = calls.iter().filter(|(n, _)| *n > trigger.above).count() as u64;
            prop_assert_eq!((counters.calls, counters.matched), (60, matched));
            let held: u64 = counters.held.iter().sum();
            prop_assert_eq!(
                held,
                matched - counters.fired,
                "what did not fire was held back by something"
            );
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// What a program does, section by section, and the calls that it makes then, each with its goroutine.
fn in_a_program() -> (Vec<&'static str>, Vec<(i64, u64)>) {
    let mut sections = Vec::new();
    let mut calls = Vec::new();
    let mut goroutine = 1;
    for _ in 0..5 {
        sections.push("tens");
        calls.extend((1..=10).map(|n| (n, 1)));
        sections.push("tens of two");
        for _ in 0..2 {
            goroutine += 1;
            calls.extend((1..=10).map(|n| (n, goroutine)));
        }
    }
    (sections, calls)
}

/// The rules that fired, each with the number among its matching calls.
fn fired(rules: &str, writer: Writer, sections: &[&str]) -> BTreeSet<(String, u64)> {
    let folder = tempfile::tempdir().expect("a folder for the rule file");
    let (file, json) = (folder.path().join("rules.yaml"), folder.path().join("json"));
    fs::write(&file, rules).expect("rules are written");
    let mut command = command(["run", "--quiet", "--writer", writer.name()]);
    command.arg(&file).arg("--json").arg(&json).arg("--");
    command.arg(Build::plain("1.27").of("cases")).args(sections);
    let mut outcome = Running::start(&mut command).end();
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    outcome.json = Outcome::lines(&fs::read_to_string(&json).expect("it is written"));
    let end = outcome.of_type("end").next().expect("it ended");
    assert_eq!(end["dropped_events"], 0);
    let events = outcome.of_type("fired").map(|event| {
        let rule = event["rule"].as_str().expect("a name").to_owned();
        (rule, event["call"].as_u64().expect("a number"))
    });
    events.collect()
}

/// The same in a program, where the one core is machine code and the other runs in the kernel. Chance, which the model
/// has not, is the same with both.
#[test]
fn triggers_are_what_the_model_says_in_a_program_too() {
    const SOLVABLE: usize = 24;
    let (sections, calls) = in_a_program();
    let able = trigger().prop_filter("refused", |trigger| !trigger.never_fires());
    let chances = prop::collection::vec((1..100u32, any::<bool>()), 6);
    let strategy = (prop::collection::vec(able, SOLVABLE), chances, any::<u32>());
    let result = TestRunner::new(config(12)).run(&strategy, |(triggers, chances, seed)| {
        let mut rules = format!("seed: {seed}\n{}", rules(&triggers));
        for (number, (percent, per_goroutine)) in chances.iter().enumerate() {
            let scope = if *per_goroutine {
                ", every: 2, scope: goroutine"
            } else {
                ""
            };
            rules.push_str(&format!(
                "- {{name: c{number}, function: main.counted, when: {{probability: {percent}%{scope}}}, \
                 inject: {{set: {{n: 77}}}}, expect: {{fired: \">=0\"}}}}\n"
            ));
        }
        let mut expected = BTreeSet::new();
        for (number, trigger) in triggers.iter().enumerate() {
            let model = trigger.model(&calls);
            let matched = calls.iter().zip(model).filter(|((n, _), _)| *n > trigger.above);
            for (call, (_, fires)) in (1..).zip(matched) {
                if fires {
                    expected.insert((format!("r{number}"), call));
                }
            }
        }
        let [bpf, native, inside] = Writer::ANYWHERE.map(|writer| fired(&rules, writer, &sections));
        prop_assert_eq!(&bpf, &native, "{}", rules);
        prop_assert_eq!(&bpf, &inside, "{}", rules);
        let solved: BTreeSet<_> = bpf
            .into_iter()
            .filter(|(rule, _)| rule.starts_with('r'))
            .collect();
        prop_assert_eq!(solved, expected, "{}", rules);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// A rule that no call can satisfy is a mistake in the file, unless it says so with a 0.
#[test]
fn only_triggers_that_never_fire_are_refused() {
    let binary = binary();
    let result = TestRunner::new(config(60)).run(&trigger(), |trigger| {
        if let Err(error) = decisions(std::slice::from_ref(&trigger), &binary) {
            prop_assert!(trigger.never_fires(), "{}: {}", trigger.yaml(), error);
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// All of a call that fires is done, and nothing of one that does not.
#[test]
fn a_call_is_changed_when_its_rule_fires() {
    let rules = "version: 1\nlimits: {faults: 2}\nrules:\n\
                 - {function: main.counted, if: n > 1, when: {every: 2}, inject: {set: {n: 77}}}\n";
    let mut decisions = Decisions::new(rules, &binary()).expect("they are right");
    let after = (0..12u64).map(|n| {
        let call = MadeUpCall::default().with(0, n);
        decisions.decide(&call, 1).registers[GeneralRegister::ARGUMENTS[0] as usize]
    });
    assert_eq!(
        after.collect::<Vec<_>>(),
        [0, 1, 2, 77, 4, 77, 6, 7, 8, 9, 10, 11]
    );
}
