//! Random conditions over random values: the compiled tables against a CEL interpreter.

use cel::{Context, Program, Value};
use goinject::go::Binary;
use goinject_probes::table::Held;
use goinject_tests::{Build, Decisions, MadeUpCall};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// What `main.(*part).weigh` is called with.
#[derive(Clone, Debug)]
struct Values {
    /// `p.size` and `p.label`.
    size: i64,
    label: String,
    i: i64,
    u: u64,
    s: String,
    small: i8,
    on: bool,
    f: f64,
    t: String,
}

/// A condition as goinject and as CEL has it: CEL tells unsigned literals from signed ones.
type Written = (String, String);

fn same(text: String) -> Written {
    (text.clone(), text)
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![-3..4i64, any::<i64>(), Just(i64::MIN), Just(i64::MAX)]
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![(-4..5i32).prop_map(|n| f64::from(n) / 2.0), -1e18..1e18f64]
}

/// Of one byte a character: CEL's size counts characters, and goinject's counts bytes, as Go's len does.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ab]{0,4}", "[a-c ]{0,12}"]
}

fn values() -> impl Strategy<Value = Values> {
    (
        (number(), text(), number(), any::<u64>(), 0..4u64, any::<bool>()),
        (text(), any::<i8>(), any::<bool>(), float(), text()),
    )
        .prop_map(
            |((size, label, i, wide, narrow, is_narrow), (s, small, on, f, t))| Values {
                size,
                label,
                i,
                u: if is_narrow { narrow } else { wide },
                s,
                small,
                on,
                f,
                t,
            },
        )
}

fn order() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="])
}

fn equality() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["==", "!="])
}

fn any_text() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["s", "t", "p.label"])
}

/// A test of one or two values.
fn test() -> impl Strategy<Value = Written> {
    let whole = prop::sample::select(vec!["i", "p.size", "small", "size(s)", "size(p.label)"]);
    prop_oneof![
        Just(same("on".to_owned())),
        (equality(), any::<bool>()).prop_map(|(op, value)| same(format!("on {op} {value}"))),
        (whole.clone(), order(), -128..128i64)
            .prop_map(|(name, op, value)| same(format!("{name} {op} {value}"))),
        (order(), number()).prop_map(|(op, value)| same(format!("{value} {op} i"))),
        (whole.clone(), order(), whole).prop_map(|(left, op, right)| same(format!("{left} {op} {right}"))),
        (order(), any::<u64>())
            .prop_map(|(op, value)| (format!("u {op} {value}"), format!("u {op} {value}u"))),
        (order(), 0..4u64).prop_map(|(op, value)| (format!("u {op} {value}"), format!("u {op} {value}u"))),
        (order(), float()).prop_map(|(op, value)| same(format!("f {op} {value:?}"))),
        (any_text(), equality(), text())
            .prop_map(|(name, op, value)| same(format!("{name} {op} \"{value}\""))),
        (any_text(), equality(), any_text())
            .prop_map(|(left, op, right)| same(format!("{left} {op} {right}"))),
        (
            any_text(),
            prop::sample::select(vec!["startsWith", "endsWith", "contains"]),
            text()
        )
            .prop_map(|(name, does, value)| same(format!("{name}.{does}(\"{value}\")"))),
    ]
}

fn condition() -> impl Strategy<Value = Written> {
    test().prop_recursive(4, 24, 2, |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            pair.clone()
                .prop_map(|(a, b)| (format!("({} && {})", a.0, b.0), format!("({} && {})", a.1, b.1))),
            pair.prop_map(|(a, b)| (format!("({} || {})", a.0, b.0), format!("({} || {})", a.1, b.1))),
            inner.prop_map(|a| (format!("!({})", a.0), format!("!({})", a.1))),
        ]
    })
}

fn oracle(condition: &str, values: &Values) -> bool {
    let mut context = Context::default();
    let part: std::collections::HashMap<String, Value> = [
        ("size".to_owned(), Value::from(values.size)),
        ("label".to_owned(), Value::from(values.label.as_str())),
    ]
    .into();
    context.add_variable_from_value("p", part);
    context.add_variable_from_value("i", values.i);
    context.add_variable_from_value("u", values.u);
    context.add_variable_from_value("s", values.s.as_str());
    context.add_variable_from_value("small", i64::from(values.small));
    context.add_variable_from_value("on", values.on);
    context.add_variable_from_value("f", values.f);
    context.add_variable_from_value("t", values.t.as_str());
    let program = Program::compile(condition).unwrap_or_else(|error| panic!("{condition}: {error:?}"));
    match program.execute(&context) {
        Ok(Value::Bool(truth)) => truth,
        other => panic!("{condition}: {other:?}"),
    }
}

/// Where things are in the made-up memory.
const PART: u64 = 0x10_0000;
const LABEL: u64 = 0x20_0000;
const S: u64 = 0x30_0000;
const T: u64 = 0x40_0000;

/// The call, by Go's convention: receiver and parameters take the integer registers in turn.
fn call(values: &Values, receiver: u64) -> MadeUpCall {
    let mut part = values.size.to_ne_bytes().to_vec();
    part.extend(LABEL.to_ne_bytes());
    part.extend((values.label.len() as u64).to_ne_bytes());
    // next and bits
    part.extend([0; 16]);
    // What is above a narrow value in its register is anybody's guess.
    let garbage = 0xa5a5_a5a5_a5a5_a500;
    MadeUpCall::default()
        .with(0, receiver)
        .with(1, values.i.cast_unsigned())
        .with(2, values.u)
        .with(3, S)
        .with(4, values.s.len() as u64)
        .with(5, garbage | u64::from(values.small.cast_unsigned()))
        .with(6, garbage | u64::from(values.on))
        .with(7, T)
        .with(8, values.t.len() as u64)
        .with_float(0, values.f)
        .with_memory(PART, &part)
        .with_memory(LABEL, values.label.as_bytes())
        .with_memory(S, values.s.as_bytes())
        .with_memory(T, values.t.as_bytes())
}

fn decisions(conditions: &[&str], binary: &Binary) -> Decisions {
    let mut rules = "version: 1\nrules:\n".to_owned();
    for (number, condition) in conditions.iter().enumerate() {
        rules.push_str(&format!(
            "- {{name: r{number}, function: \"main.(*part).weigh\", if: '{condition}', mode: observe, \
             inject: {{set: {{i: 1}}}}}}\n"
        ));
    }
    Decisions::new(&rules, binary).unwrap_or_else(|error| panic!("{error}"))
}

fn binary() -> Binary {
    Binary::open(&Build::plain("1.27").of("cases")).expect("a fixture is a Go binary")
}

#[test]
fn conditions_mean_what_cel_says() {
    let binary = binary();
    let mut runner = TestRunner::new(Config {
        cases: 40,
        failure_persistence: None,
        ..Config::default()
    });
    let conditions = prop::collection::vec(condition(), 20);
    let strategy = (conditions, prop::collection::vec(values(), 10));
    let result = runner.run(&strategy, |(conditions, all)| {
        let ours: Vec<&str> = conditions.iter().map(|(ours, _)| ours.as_str()).collect();
        let mut decisions = decisions(&ours, &binary);
        let mut expected = vec![0; conditions.len()];
        for values in &all {
            decisions.decide(&call(values, PART), 1);
            for (((ours, cel), expected), counters) in
                conditions.iter().zip(&mut expected).zip(decisions.counters())
            {
                *expected += u64::from(oracle(cel, values));
                prop_assert_eq!(counters.matched, *expected, "{} of {:?}", ours, values);
                prop_assert_eq!(counters.held[Held::Unreadable as usize], 0);
            }
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// A nil receiver can't be read through. What is decided without it, is; the rest is no match, and counted.
#[test]
fn what_cannot_be_read_is_neither_true_nor_false() {
    let binary = binary();
    let values = Values {
        size: 1,
        label: String::new(),
        i: 1,
        u: 2,
        s: "s".to_owned(),
        small: -1,
        on: true,
        f: 0.5,
        t: "t".to_owned(),
    };
    let unreadable = "p.size == 1";
    for (condition, matches, counted) in [
        (unreadable, false, true),
        ("!(p.size == 1)", false, true),
        ("p.label == \"\"", false, true),
        ("size(p.label) == 0", false, true),
        ("p.label.contains(\"\")", false, true),
        ("p.label != s", false, true),
        ("p.size == 1 && i == 1", false, true),
        ("i == 1 && p.size == 1", false, true),
        ("p.size == 1 && i == 2", false, false),
        ("i == 2 && p.size == 1", false, false),
        ("p.size == 1 || i == 1", true, false),
        ("i == 1 || p.size == 1", true, false),
        ("p.size == 1 || i == 2", false, true),
        ("!(p.size == 1 || i == 1)", false, false),
        ("!(p.size == 1 && i == 2)", true, false),
        ("(p.size == 1 && i == 2) || on", true, false),
        ("p == null", true, false),
        ("p != null && p.size == 1", false, false),
    ] {
        let mut decisions = decisions(&[condition], &binary);
        decisions.decide(&call(&values, 0), 1);
        let counters = decisions.counters()[0];
        assert_eq!(counters.calls, 1);
        assert_eq!(counters.matched == 1, matches, "{condition}");
        assert_eq!(
            counters.held[Held::Unreadable as usize] == 1,
            counted,
            "{condition}"
        );
    }
}

/// Texts are compared up to a length; a longer one is not taken for a different one.
#[test]
fn longer_texts_than_conditions_look_at() {
    let binary = binary();
    let long = "a".repeat(300);
    let values = Values {
        size: 1,
        label: long.clone(),
        i: 1,
        u: 2,
        s: long.clone(),
        small: -1,
        on: true,
        f: 0.5,
        t: long,
    };
    for (condition, matches, counted) in [
        ("s == \"a\"", false, false),
        ("s != \"a\"", true, false),
        ("s.startsWith(\"aa\")", true, false),
        ("s.startsWith(\"ab\")", false, false),
        ("s.endsWith(\"aa\")", true, false),
        ("s.endsWith(\"ba\")", false, false),
        ("s.contains(\"b\")", false, true),
        ("s == t", false, true),
        ("size(s) == 300", true, false),
    ] {
        let mut decisions = decisions(&[condition], &binary);
        decisions.decide(&call(&values, PART), 1);
        let counters = decisions.counters()[0];
        assert_eq!(counters.matched == 1, matches, "{condition}");
        assert_eq!(
            counters.held[Held::Unreadable as usize] == 1,
            counted,
            "{condition}"
        );
    }
}
