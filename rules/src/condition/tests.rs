use proptest::prelude::*;

use super::*;
use crate::model::{Comparison, Operand, TextTest};

/// A condition in a form that shows its structure.
fn show(condition: &Condition) -> String {
    match condition {
        Condition::And(left, right) => format!("({} and {})", show(left), show(right)),
        Condition::Or(left, right) => format!("({} or {})", show(left), show(right)),
        Condition::Not(inner) => format!("(not {})", show(inner)),
        Condition::Truth(operand) => show_operand(operand),
        Condition::Compare(left, comparison, right) => {
            let sign = match comparison {
                Comparison::Equal => "==",
                Comparison::NotEqual => "!=",
                Comparison::Less => "<",
                Comparison::LessOrEqual => "<=",
                Comparison::Greater => ">",
                Comparison::GreaterOrEqual => ">=",
            };
            format!("{} {sign} {}", show_operand(left), show_operand(right))
        }
        Condition::Is(error, other) => format!("{} is {}", show_operand(error), show_operand(other)),
        Condition::Has(path) => format!("has {}", path.value),
        Condition::Text(test, operand, text) => {
            let test = match test {
                TextTest::StartsWith => "starts",
                TextTest::EndsWith => "ends",
                TextTest::Contains => "contains",
            };
            format!("{} {test} {:?}", show_operand(operand), text.value)
        }
    }
}

fn show_operand(operand: &Operand) -> String {
    match operand {
        Operand::Path(path) => path.to_string(),
        Operand::Size(path) => format!("#{path}"),
        Operand::Type(path) => format!("type {path}"),
        Operand::Integer(value) => value.to_string(),
        Operand::Float(value) => format!("{value:?}"),
        Operand::Text(text) => format!("{text:?}"),
        Operand::Bool(value) => value.to_string(),
        Operand::Null => "null".to_owned(),
    }
}

/// Every operand's text at its place.
fn operands<'t>(text: &'t str, condition: &Condition, found: &mut Vec<&'t str>) {
    let mut take = |span: crate::source::Span| found.push(&text[span.start..span.end]);
    match condition {
        Condition::And(left, right) | Condition::Or(left, right) => {
            operands(text, left, found);
            operands(text, right, found);
        }
        Condition::Not(inner) => operands(text, inner, found),
        Condition::Truth(operand) => take(operand.span),
        Condition::Compare(left, _, right) => {
            take(left.span);
            take(right.span);
        }
        Condition::Is(error, other) => {
            take(error.span);
            take(other.span);
        }
        Condition::Has(path) => take(path.span),
        Condition::Text(_, operand, literal) => {
            take(operand.span);
            take(literal.span);
        }
    }
}

#[test]
fn structure_and_precedence() {
    for (text, shown) in [
        ("a2", "a2"),
        ("true", "true"),
        ("!a2", "(not a2)"),
        ("!!a2", "a2"),
        ("a1 == 1 && a2", "(a1 == 1 and a2)"),
        ("a || b && c", "(a or (b and c))"),
        ("(a || b) && c", "((a or b) and c)"),
        ("!(a || b)", "(not (a or b))"),
        ("a && b && c", "((a and b) and c)"),
        ("a1 >= -3", "a1 >= -3"),
        ("-3 <= a1", "-3 <= a1"),
        ("a != b", "a != b"),
        ("err == null", "err == null"),
        ("a2 == false", "a2 == false"),
        (
            "s == 'it\\'s' || s == \"\\u00e4\"",
            "(s == \"it's\" or s == \"ä\")",
        ),
        ("s == r'\\d'", "s == \"\\\\d\""),
        ("s == ''", "s == \"\""),
        ("size(s) > 3", "#s > 3"),
        ("xs[0].names.size() == 0", "#xs[0].names == 0"),
        ("s.len > 3 && s.cap == 4", "(s.len > 3 and s.cap == 4)"),
        (
            "s.startsWith('a') && !s.endsWith(\"b\")",
            "(s starts \"a\" and (not s ends \"b\"))",
        ),
        ("req.URL.Path.contains('/x')", "req.URL.Path contains \"/x\""),
        ("t > duration('1.5s')", "t > 1500000000"),
        ("t < duration('-5ns')", "t < -5"),
        ("a == 1 // why\n && b", "(a == 1 and b)"),
    ] {
        let condition = parse(text).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
        assert_eq!(show(&condition), shown, "{text}");
    }
}

#[test]
fn paths_by_name_and_position() {
    for (text, shown) in [
        ("args[0] == 1", "args[0] == 1"),
        ("results[1].len == 1", "results[1].len == 1"),
        ("args[1][2] == 1", "args[1][2] == 1"),
        ("recv.cfg.limits[2].max == 1", "recv.cfg.limits[2].max == 1"),
        ("xs[0x1] == 1", "xs[1] == 1"),
        ("x in [1, 2]", "(x == 1 or x == 2)"),
        ("errors.Is(err, io.EOF)", "err is io.EOF"),
        (
            "h['X-\\'q'][0] == 'a' && m[\"a\"][\"b\"]",
            "(h[\"X-'q\"][0] == \"a\" and m[\"a\"][\"b\"])",
        ),
        (
            "'k' in r.h && !(3 in m[\"a\"])",
            "(has r.h[\"k\"] and (not has m[\"a\"][3]))",
        ),
        ("type(err) == '*os.PathError'", "type err == \"*os.PathError\""),
        (
            "err.(*os.PathError).Err.( syscall.Errno ) == 2 && v.(int) > in.(T[int]).x",
            "(err.(*os.PathError).Err.(syscall.Errno) == 2 and v.(int) > in.(T[int]).x)",
        ),
    ] {
        assert_eq!(show(&parse(text).expect(text)), shown);
    }
}

#[test]
fn names_of_go_that_are_not_names_of_cel() {
    for (text, shown) in [
        ("größe > 3", "größe > 3"),
        ("x.größe > 3", "x.größe > 3"),
        ("in.Limit > 3", "in.Limit > 3"),
        ("in == null && !in", "(in == null and (not in))"),
        ("x.in > 3", "x.in > 3"),
        (
            "as == 1 && loop == 2 && let == 3",
            "((as == 1 and loop == 2) and let == 3)",
        ),
        ("function.namespace == 1", "function.namespace == 1"),
        ("all == 1 && map2.has", "(all == 1 and map2.has)"),
        ("x.true == 1", "x.true == 1"),
        ("r == 1 && b == 2 && rb", "((r == 1 and b == 2) and rb)"),
    ] {
        let condition = parse(text).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
        assert_eq!(show(&condition), shown, "{text}");
    }
}

#[test]
fn numbers_are_gos_and_exact() {
    for (text, value) in [
        ("1_000", "1000"),
        ("0xff", "255"),
        ("0x_FF", "255"),
        ("0b11", "3"),
        ("0o17", "15"),
        ("18446744073709551615", "18446744073709551615"),
        ("255u", "255"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("1.5", "1.5"),
        (".5", "0.5"),
        ("-1.5e3", "-1500.0"),
        ("1e-3", "0.001"),
    ] {
        let text = format!("a == {text}");
        assert_eq!(show(&parse(&text).expect(&text)), format!("a == {value}"));
    }
}

#[test]
fn places_of_operands() {
    for (text, expected) in [
        ("a1 == 1 && a2", vec!["a1", "1", "a2"]),
        ("größe == -1_0 || x", vec!["größe", "-1_0", "x"]),
        ("recv . cfg [ 2 ] . max > 3", vec!["recv . cfg [ 2 ] . max", "3"]),
        ("size( xs[0] ) == 3", vec!["size( xs[0] )", "3"]),
        ("((s)).startsWith(('ä'))", vec!["s", "'ä'"]),
        ("s.x.size() == 3", vec!["s.x.size()", "3"]),
        ("t == duration(\"5s\")", vec!["t", "duration(\"5s\")"]),
        ("s == \"ä(\" && (b)", vec!["s", "\"ä(\"", "b"]),
    ] {
        let condition = parse(text).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
        let mut found = Vec::new();
        operands(text, &condition, &mut found);
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn the_place_of_a_part_is_from_its_first_operand_to_its_last() {
    let text = "a == 1 && !(b || c.startsWith('x'))";
    let condition = parse(text).expect(text);
    assert_eq!(&text[condition.span.start..condition.span.end], text);
    let Condition::And(left, _) = condition.value else {
        panic!("an and")
    };
    assert_eq!(&text[left.span.start..left.span.end], "a == 1");
}

/// The message, the marked text and the help of the only problem.
fn problem(text: &str) -> (String, &str, String) {
    let mut problems = parse(text).expect_err(text);
    assert_eq!(problems.len(), 1, "{text}: {problems:?}");
    let problem = problems.remove(0);
    (problem.message, &text[problem.range], problem.help)
}

#[test]
fn mistakes_of_syntax() {
    for (text, message, place, help) in [
        ("", "empty", "", "a1 == 1"),
        ("  ", "empty", "  ", "a1 == 1"),
        ("a = 1", "`=`", "=", "write `==`"),
        ("a := 1", "`:=`", ":=", "write `==`"),
        ("a === 1", "unexpected", "===", "write `==`"),
        ("a <> 1", "unexpected", "<>", "write `!=`"),
        ("a & b", "`&`", "&", "write `&&`"),
        ("a | b", "`|`", "|", "write `||`"),
        ("a and b", "`and`", "and", "write `&&`"),
        ("a or b", "`or`", "or", "write `||`"),
        ("not a", "`not`", "not", "write `!`"),
        ("a is null", "`is`", "is", "write `==`"),
        ("a == ", "too early", "", "missing here"),
        ("(a == 1", "too early", "", "missing here"),
        ("a == 1)", "`)`", ")", "there is no opening bracket"),
        ("a == ) b", "`)`", ")", "something is missing"),
        ("a == 'x", "no closing quote", "'x", "close it"),
        ("a == `x`", "backticks", "`", "write text in"),
        ("a == '\\q'", "escape", "'\\q'", "those of Go"),
        ("ä ~ 3", "`~`", "~", "names, values"),
        ("a == #3", "`#`", "#", "names, values"),
        ("a b", "`b`", "b", "names, values"),
        ("size(", "too early", "", "missing here"),
    ] {
        let found = problem(text);
        assert!(found.0.contains(message), "{text}: {found:?}");
        assert_eq!(found.1, place, "{text}: {found:?}");
        assert!(found.2.contains(help), "{text}: {found:?}");
    }
}

#[test]
fn what_of_cel_is_missing_is_refused_by_name() {
    for (text, message, place, help) in [
        ("1", "neither true nor false", "1", "compare it"),
        ("\"x\"", "neither true nor false", "\"x\"", "compare it"),
        ("a in b", "takes a list", "a in b", "in [1, 2]"),
        ("a in []", "empty list", "a in []", "in [1, 2]"),
        ("a ? b : c", "no `? :`", "a ? b : c", "&&"),
        ("a + 1 == 2", "arithmetic", "a + 1", "computed"),
        ("a % 2 == 0", "arithmetic", "a % 2", "computed"),
        ("-a == 1", "before a number", "-a", "other way"),
        ("a < b < c", "chained", "a < b < c", "&&"),
        ("(a < b) == true", "chained", "(a < b) == true", "&&"),
        ("(a && b) == true", "can't be compared", "a && b", "without"),
        (
            "s.matches('x')",
            "no `matches`",
            "s.matches('x')",
            "no regular expressions",
        ),
        ("has(a.b)", "no `has`", "has(a.b)", "null"),
        ("xs.all(x, x > 1)", "no `all`", "xs.all(x, x > 1)", "write out"),
        ("len(s) > 1", "no `len`", "len(s)", "size(x)"),
        (
            "strings.HasPrefix(s, 'x')",
            "no `HasPrefix`",
            "strings.HasPrefix(s, 'x')",
            "startsWith",
        ),
        (
            "startsWith(s, 'x')",
            "no `startsWith`",
            "startsWith(s, 'x')",
            "call it on a text",
        ),
        ("s.startsWith(t)", "one text", "s.startsWith(t)", "s.startsWith"),
        ("s.startsWith()", "one text", "s.startsWith()", "s.startsWith"),
        ("'x'.startsWith('x')", "no fields", "'x'", "parameter"),
        ("size(s)", "is a number", "size(s)", "size(s) > 0"),
        ("size(s, t) > 1", "takes one", "size(s, t)", "size(x)"),
        ("size('x') > 1", "no fields", "'x'", "parameter"),
        ("size(s) == 'x'", "whole number", "'x'", "size(x) > 0"),
        ("size(s) == 1.5", "whole number", "1.5", "size(x) > 0"),
        ("t > duration(5)", "takes one text", "duration(5)", "50ms"),
        ("t > duration('5')", "no unit", "duration('5')", "5ms"),
        ("t > 50ms", "not a number", "50ms", "duration(\"50ms\")"),
        ("a == 017", "leading zero", "017", "0o17"),
        ("a == nil", "no `nil`", "nil", "null"),
        ("a == True", "no `True`", "True", "true"),
        ("a == [1]", "behind `in` only", "[1]", "in [1, 2]"),
        ("a == {1: 2}", "no `{…}`", "{1: 2}", "field by field"),
        ("a == b\"x\"", "no bytes", "b\"x\"", "text"),
        ("type(e) < 'm'", "`==` and `!=` only", "'m'", "order"),
        ("type(e)", "neither true nor false", "type(e)", "type(err)"),
        ("e.(type) == 1", "name of a type", "(type)", "type(err)"),
        ("e.().x == 1", "name of a type", "()", "*os.PathError"),
        ("errors.Is(e)", "two errors", "errors.Is(e)", "io.EOF"),
        ("a < true", "`==` and `!=` only", "true", "order"),
        ("a < null", "`==` and `!=` only", "null", "order"),
        ("1 == 1", "never change", "1 == 1", "parameter"),
        ("_ == 1", "`_`", "_", "args[n]"),
        ("func == 1", "keyword of Go", "func", "name"),
        (".a == 1", "begin with `.`", "a", "alone"),
        ("a[-1] == 1", "negative", "-1", "from 0"),
        ("a[i] == 1", "must be a number", "i", "from 0"),
        ("a[1.5] == 1", "whole number", "1.5", "from 0"),
        ("a.?b == 1", "unexpected", ".", "names, values"),
        ("(a == 1).b", "can't stand here", "a == 1", "parameter"),
    ] {
        let found = problem(text);
        assert!(found.0.contains(message), "{text}: {found:?}");
        assert_eq!(found.1, place, "{text}: {found:?}");
        assert!(found.2.contains(help), "{text}: {found:?}");
    }
}

#[test]
fn several_mistakes_of_one_condition_come_together() {
    let problems = parse("len(s) > 3 && a == nil || b < true").expect_err("three mistakes");
    assert_eq!(problems.len(), 3, "{problems:?}");
}

#[test]
fn hostile_conditions_end() {
    let long = "a".repeat(LONGEST + 1);
    let parentheses = format!("{}a{}", "(".repeat(900), ")".repeat(900));
    let fields = format!("a{}", ".b".repeat(990));
    let indexes = format!("a{} == 1", "[0]".repeat(660));
    let chain = vec!["a"; 490].join("&&");
    let sum = vec!["a"; 900].join("-");
    let ternaries = format!("{}c", "a?b:".repeat(490));
    let signs = format!("{}1 == a", "-".repeat(1900));
    for text in [
        &long,
        &parentheses,
        &fields,
        &indexes,
        &chain,
        &sum,
        &ternaries,
        &signs,
    ] {
        let _ = parse(text);
    }
    assert!(parse(&chain).is_ok());
    assert!(parse(&format!("{}a{}", "(".repeat(24), ")".repeat(24))).is_ok());
}

proptest! {
    #[test]
    fn no_text_panics_and_places_are_in_it(text in "\\PC{0,40}|[a-z1ä.\\[\\](){}\"'!=<>&|+?:, -]{0,40}") {
        match parse(&text) {
            Ok(condition) => {
                let mut found = Vec::new();
                operands(&text, &condition, &mut found);
            }
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                for problem in problems {
                    prop_assert!(text.get(problem.range).is_some());
                }
            }
        }
    }

    #[test]
    fn conditions_are_read_as_they_are_shown(
        names in proptest::collection::vec("[a-z]{3}|größe|in|recv\\.x|args\\[1\\]", 1..6),
        signs in proptest::collection::vec("&&|\\|\\|", 6),
    ) {
        let mut text = String::new();
        for (name, sign) in names.iter().zip(&signs) {
            if !text.is_empty() {
                text.push_str(sign);
            }
            text.push_str(&format!(" {name} == 1 "));
        }
        prop_assume!(!names.iter().any(|name| crate::path::parse(name).is_err()));
        let condition = parse(&text).expect("a condition");
        let mut found = Vec::new();
        operands(&text, &condition, &mut found);
        let expected: Vec<&str> = names.iter().flat_map(|name| [name.as_str(), "1"]).collect();
        prop_assert_eq!(found, expected);
    }
}
