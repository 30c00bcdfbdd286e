//! What the rules say is what the file said.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use goinject_rules::model::{
    Condition, CountRange, Delay, ExitExpect, FunctionSelector, Mode, Operand, PatternKind, Point, Rate,
    Root, Rule, RuleSet, Scope, Step, Target, Trigger, Value,
};
use goinject_rules::source::{Source, Span};

fn fixture(name: &str) -> RuleSet {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/valid")
        .join(name);
    parse(&fs::read_to_string(path).expect("a fixture"))
}

fn parse(text: &str) -> RuleSet {
    let source = Source::new("examples/shop/chaos.yaml", text);
    match goinject_rules::parse(&source) {
        Ok((rules, _)) => rules,
        Err(findings) => panic!("{}", goinject_rules::diagnostic::render_short(&findings, &source)),
    }
}

fn with_rules(rules: &str) -> Vec<Rule> {
    parse(&format!("version: 1\nrules:\n{rules}")).rules
}

fn text(rules: &RuleSet, span: Span) -> &str {
    &rules.source.text()[span.start..span.end]
}

#[test]
fn the_file_as_a_whole() {
    let rules = fixture("everything.yaml");
    assert_eq!(rules.name.as_deref(), Some("checkout survives a flaky store"));
    assert_eq!(rules.seed, Some(u64::MAX));
    assert_eq!(rules.limits.duration, Some(Duration::from_secs(5400)));
    assert_eq!(rules.limits.faults, Some(1000));
    assert_eq!(rules.expect.exit, ExitExpect::Any);
    assert_eq!(text(&rules, rules.expect.span.expect("a place")), "any");
}

#[test]
fn a_target_to_start_is_found_from_the_files_folder() {
    let rules = fixture("everything.yaml");
    let Some(Target::Command(command)) = &rules.target else {
        panic!("a command")
    };
    assert_eq!(command.program.value, PathBuf::from("examples/shop/shop"));
    assert_eq!(
        command.arguments,
        ["-addr", "127.0.0.1:8080", "8080", "true", "007"]
    );
    assert_eq!(
        command.dir.as_ref().expect("a folder").value,
        PathBuf::from("examples/shop/../shop")
    );
    let env: Vec<(&str, &str)> = command
        .env
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let expected = [
        ("DEBUG", "1"),
        ("VERBOSE", "true"),
        ("HOME", "/tmp"),
        ("EMPTY", ""),
        ("x-note", "data too"),
    ];
    assert_eq!(env, expected);
}

#[test]
fn a_program_without_a_slash_is_looked_up() {
    let rules =
        parse("version: 1\ntarget: {command: [go]}\nrules:\n- {function: main.f, inject: {panic: true}}\n");
    let Some(Target::Command(command)) = rules.target else {
        panic!("a command")
    };
    assert_eq!(command.program.value, PathBuf::from("go"));
    assert_eq!(
        (command.arguments.len(), command.dir, command.env.len()),
        (0, None, 0)
    );
}

#[test]
fn a_rule_with_every_key() {
    let rules = fixture("everything.yaml");
    let [rule] = rules.rules.as_slice() else {
        panic!("one rule")
    };
    assert_eq!(rule.name, "big-order");
    assert_eq!(text(&rules, rule.function.span), "main.parseMe");
    assert_eq!(
        rule.signature.as_ref().expect("a signature").value,
        "func(a1 int, a2 bool) (r1 int)"
    );
    assert_eq!(
        text(&rules, rule.condition.as_ref().expect("a condition").span),
        "a1 == 1 && a2"
    );
    assert_eq!(rule.within[0].value.text(), "main.checkout");
    assert_eq!(rule.mode, Mode::Observe);
    assert_eq!(
        rule.when,
        Trigger {
            nth: None,
            every: Some(3),
            first: Some(100),
            after: Some(Point::Calls(3)),
            until: Some(Point::Time(Duration::from_secs(300))),
            probability: Some(0.25),
            times: Some(10),
            rate: Some(Rate {
                count: 5,
                per: Duration::from_secs(1)
            }),
            scope: Scope::Goroutine,
        }
    );
    let paths: Vec<String> = rule.inject.set.iter().map(|set| set.path.to_string()).collect();
    assert_eq!(paths, ["a1", "r1"]);
    let delay = &rule.inject.delay.as_ref().expect("a delay").value;
    assert_eq!(
        *delay,
        Delay {
            fixed: Duration::from_millis(50),
            jitter: Duration::from_millis(10),
            until: None
        }
    );
    assert_eq!(
        rule.expect.fired.value,
        CountRange {
            min: 1,
            max: u64::MAX
        }
    );
    assert_eq!(
        rule.expect.matched.as_ref().expect("a range").value,
        CountRange { min: 1, max: 20 }
    );
    assert_eq!(rule.expect.failed.value, CountRange { min: 0, max: 0 });
    assert!(text(&rules, rule.span).starts_with("name: big-order"));
    assert!(text(&rules, rule.span).ends_with("mode: observe"));
}

#[test]
fn values_keep_their_type_and_every_digit() {
    let rules = fixture("values.yaml");
    let value = |name: &str| {
        let set = &rules.rules[0].inject.set;
        &set.iter()
            .find(|set| set.path.to_string() == name)
            .unwrap_or_else(|| panic!("{name}"))
            .value
            .value
    };
    let text = |text: &str| Value::Text(text.to_owned());
    for (name, expected) in [
        ("int", Value::Integer(2021)),
        ("negative", Value::Integer(i128::from(i64::MIN))),
        ("largest", Value::Integer(i128::from(u64::MAX))),
        ("hexadecimal", Value::Integer(255)),
        ("binary", Value::Integer(10)),
        ("octal", Value::Integer(0o644)),
        ("separated", Value::Integer(1_000_000)),
        ("float", Value::Float(2500.0)),
        ("infinite", Value::Float(f64::NEG_INFINITY)),
        ("go_infinite", Value::Float(f64::INFINITY)),
        ("truth", Value::Bool(true)),
        ("text", text("plain text")),
        ("quoted", text("100")),
        ("duration", text("50ms")),
        ("variable", text("io.EOF")),
        ("nothing", Value::Null),
        ("tilde", Value::Null),
        ("err", Value::Message("disk full".to_owned())),
        ("sys", Value::Errno("ENOSPC".to_owned())),
        ("more", Value::Add(Box::new(Value::Integer(10)))),
        ("later", Value::Add(Box::new(text("-50ms")))),
        ("flipped", Value::Xor(255)),
        (
            "dice",
            Value::Random(Box::new(Value::Integer(1)), Box::new(Value::Integer(6))),
        ),
        (
            "wait",
            Value::Random(Box::new(text("10ms")), Box::new(text("1s"))),
        ),
        ("cut", Value::Len(3)),
        ("digits", Value::Bytes(vec![0x68, 0x69, 0xff])),
        ("numbers", Value::Bytes(vec![104, 105, 255])),
    ] {
        assert_eq!(value(name), &expected, "{name}");
    }
    assert!(matches!(value("not_a_number"), Value::Float(nan) if nan.is_nan()));
    let Value::Fields(fields) = value("config") else {
        panic!("fields")
    };
    let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Host", "Port", "Limits"]);
    assert!(matches!(fields[2].1.value, Value::Fields(_)));
    assert!(matches!(value("sized"), Value::Fields(fields) if fields.len() == 2));
    assert!(matches!(value("list"), Value::List(items) if items.len() == 3));
}

#[test]
fn paths_keep_their_steps() {
    let rules = fixture("paths.yaml");
    let paths: Vec<_> = rules.rules[0]
        .inject
        .set
        .iter()
        .map(|set| &set.path.value)
        .collect();
    assert_eq!(paths[0].root, Root::Argument(0));
    assert_eq!(
        (&paths[1].root, paths[1].steps.as_slice()),
        (&Root::Argument(1), &[Step::Field("len".to_owned())][..])
    );
    assert_eq!(paths[2].root, Root::Result(0));
    assert_eq!((&paths[3].root, paths[3].steps.len()), (&Root::Receiver, 4));
    assert_eq!(paths[4].root, Root::Name("größe".to_owned()));
    // YAML 1.1 would take these for booleans.
    assert_eq!(paths[5].root, Root::Name("y".to_owned()));
    assert_eq!(paths[6].root, Root::Name("on".to_owned()));
}

#[test]
fn functions_and_patterns() {
    let rules = fixture("functions.yaml").rules;
    assert!(
        matches!(&rules[0].function.value, FunctionSelector::Exact(name) if name == "github.com/acme/blob.(*Reader).Next")
    );
    let FunctionSelector::Pattern(glob) = &rules[3].function.value else {
        panic!("a pattern")
    };
    assert_eq!((glob.kind, glob.max_matches), (PatternKind::Glob, 100));
    assert!(glob.regex.is_match("github.com/acme/blob.(*Reader).Next"));
    let FunctionSelector::Pattern(regex) = &rules[4].function.value else {
        panic!("a pattern")
    };
    assert_eq!(
        (regex.kind, regex.max_matches, regex.text.as_str()),
        (PatternKind::Regex, 32, r"^main\.(parse|read)")
    );
}

#[test]
fn places_in_conditions_are_places_in_the_file() {
    let rules = fixture("conditions.yaml");
    let condition = |name: &str| {
        let rule = rules.rules.iter().find(|rule| rule.name == name).expect("a rule");
        &rule.condition.as_ref().expect("a condition").value
    };
    let Condition::And(left, right) = condition("j") else {
        panic!("an and")
    };
    assert_eq!(
        (text(&rules, left.span), text(&rules, right.span)),
        ("a1 == 1", "recv.cfg.name == \"größe\"")
    );
    let Condition::Compare(left, _, right) = condition("e") else {
        panic!("a comparison")
    };
    assert_eq!(
        (text(&rules, left.span), text(&rules, right.span)),
        ("größe", "18446744073709551615")
    );
    assert_eq!(right.value, Operand::Integer(i128::from(u64::MAX)));
}

#[test]
fn places_in_files_with_a_byte_order_mark() {
    let rules =
        parse("\u{feff}version: 1\nrules:\n- {function: größe.F, if: 'a == 1', inject: {set: {größe: 1}}}\n");
    let rule = &rules.rules[0];
    assert_eq!(text(&rules, rule.function.span), "größe.F");
    assert_eq!(
        text(&rules, rule.condition.as_ref().expect("a condition").span),
        "a == 1"
    );
    assert_eq!(text(&rules, rule.inject.set[0].path.span), "größe");
}

#[test]
fn anchors_and_merge_keys_are_resolved() {
    let rules = fixture("anchors.yaml").rules;
    assert_eq!((rules[0].when.every, rules[1].when.every), (Some(3), Some(5)));
    assert_eq!(rules[1].expect.fired.min, 0);
    assert!(rules.iter().all(|rule| rule.inject.early_return.is_some()));
}

#[test]
fn names_are_derived_and_unique() {
    let rules = with_rules(
        "- {function: main.parseMe, inject: {panic: true}}\n\
         - {function: other.parseMe, inject: {panic: true}}\n\
         - {function: third.parseMe, inject: {panic: true}}\n\
         - {function: main.x, name: parseMe-2, inject: {panic: true}}\n\
         - {function: {glob: \"main.*\"}, inject: {panic: true}}\n",
    );
    let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["parseMe", "parseMe-3", "parseMe-4", "parseMe-2", "*"]);
}

#[test]
fn a_rule_is_expected_to_fire_unless_it_is_switched_off() {
    for (key, fired) in [
        (
            "when: {}",
            CountRange {
                min: 1,
                max: u64::MAX,
            },
        ),
        (
            "when: {times: 3}",
            CountRange {
                min: 1,
                max: u64::MAX,
            },
        ),
        ("when: {times: 0}", CountRange { min: 0, max: 0 }),
        ("when: {every: 0}", CountRange { min: 0, max: 0 }),
        ("when: {probability: 0}", CountRange { min: 0, max: 0 }),
        ("when: {rate: 0/s}", CountRange { min: 0, max: 0 }),
        ("when: {until: 0s}", CountRange { min: 0, max: 0 }),
        ("if: false", CountRange { min: 0, max: 0 }),
        ("expect: {fired: 3}", CountRange { min: 3, max: 3 }),
        ("expect: {fired: \"<=5\"}", CountRange { min: 0, max: 5 }),
        (
            "expect: {calls: 3}",
            CountRange {
                min: 1,
                max: u64::MAX,
            },
        ),
    ] {
        let rules = with_rules(&format!(
            "- function: main.f\n  {key}\n  inject: {{panic: true}}\n"
        ));
        assert_eq!(rules[0].expect.fired.value, fired, "{key}");
    }
}

#[test]
fn a_rule_may_differ_from_the_files_mode() {
    let rules = parse(
        "version: 1\nmode: observe\nrules:\n- {function: main.a, inject: {panic: true}}\n\
         - {function: main.b, mode: inject, inject: {panic: true}}\n",
    );
    assert_eq!(
        (rules.rules[0].mode, rules.rules[1].mode),
        (Mode::Observe, Mode::Inject)
    );
}

#[test]
fn an_early_return_may_set_nothing_or_some_results() {
    let rules = with_rules(
        "- {function: main.a, inject: {return: {}}}\n- {function: main.b, inject: {return: {err: io.EOF}, delay: 5ms}}\n",
    );
    assert_eq!(rules[0].inject.early_return.as_ref().expect("a return").value, []);
    assert_eq!(
        rules[1]
            .inject
            .early_return
            .as_ref()
            .expect("a return")
            .value
            .len(),
        1
    );
}

#[test]
fn files_are_read_from_disk() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/valid");
    let source = goinject_rules::read(folder.join("smallest.yaml")).expect("a file");
    assert_eq!(source.folder(), folder);
    let error = goinject_rules::read(folder.join("absent.yaml")).expect_err("no file");
    assert!(error.to_string().contains("absent.yaml"), "{error}");
    let bytes = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bytes.yaml");
    fs::write(&bytes, b"version: 1\nname: \xff\n").expect("a file");
    let error = goinject_rules::read(&bytes).expect_err("no text");
    assert!(
        error.to_string().ends_with("bytes.yaml:2: not UTF-8 text"),
        "{error}"
    );
    fs::write(&bytes, b"\x7fELF\x02\x01\x01").expect("a file");
    let error = goinject_rules::read(&bytes).expect_err("a program");
    assert!(
        error
            .to_string()
            .contains("bytes.yaml is a program, not a rule file"),
        "{error}"
    );
}
