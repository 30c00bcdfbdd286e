//! Conditions over values of every kind, at entry and at return, and callers.

use goinject_tests::{Case, Counts, case, counts, set};

pub(crate) fn rows() -> Vec<Case> {
    [kinds(), paths(), pairs(), callers(), call_stacks()].concat()
}

/// Conditions, and how many of the four calls of section `picks` they hold in.
const KINDS: [(&str, u64); 46] = [
    ("i == 1", 1),
    ("i != 1", 3),
    ("i < 0", 1),
    ("i >= 2", 2),
    ("2 <= i", 2),
    ("i == -3 || i == 4", 2),
    ("i > 0 && i < 3", 2),
    ("!(i > 0 && i < 3)", 2),
    ("small == -128", 1),
    ("small < 0", 2),
    ("u == 9223372036854775808", 1),
    ("u > 3", 2),
    ("u < 2", 1),
    ("i < u", 2),
    ("f == 0.5", 1),
    ("f < 0.0", 1),
    ("f > 1e299", 1),
    ("f <= 0", 2),
    ("g == 0.1", 1),
    ("g >= 0.2", 3),
    ("f > g", 2),
    ("s == \"alpha\"", 1),
    ("s == \"\"", 1),
    ("s != \"beta\"", 3),
    ("s.startsWith(\"gam\")", 1),
    ("s.endsWith(\"a\")", 2),
    ("s.contains(\"a\")", 3),
    ("s.contains(\"ma r\")", 1),
    ("!s.contains(\"a\")", 1),
    ("size(s) == 4", 1),
    ("size(s) > size(list)", 3),
    ("size(list) == 0", 2),
    ("list == null", 1),
    ("list != null && size(list) == 0", 1),
    ("on", 2),
    ("!on", 2),
    ("on == false", 2),
    ("err == null", 2),
    ("err != null", 2),
    ("wait == duration(\"1s\")", 1),
    ("wait <= duration(\"0s\")", 2),
    ("p.size == 9", 2),
    ("p.label == \"end\"", 2),
    ("p.next == null", 2),
    ("size(p.bits) == 2", 2),
    ("size(p.bits) == 0", 2),
];

fn kinds() -> Vec<Case> {
    // None of them fires: how often they match is what counts.
    let rule = |condition: &str, value: &str| {
        format!(
            "{{name: '{condition} {value}', function: \"main.(*part).pick\", if: '{condition}', when: {{times: 0}}, \
             expect: {{fired: 0}}, inject: {{set: {{{value}: 1}}}}}}"
        )
    };
    let all = |value: &str| {
        let rules: Vec<String> = KINDS
            .iter()
            .map(|(condition, _)| rule(condition, value))
            .collect();
        let mut all = case("picks", rules[0].clone());
        all.rules = rules;
        all.counts = KINDS
            .iter()
            .map(|(_, matched)| counts(4, *matched, 0, 0))
            .collect();
        all.prints(["1 alpha 2 beta -3 gamma ray 4 "])
    };
    vec![
        all("i").when("every kind at entry"),
        all("r").when("every kind at return"),
        case(
            "picks",
            "{function: \"main.(*part).pick\", if: 'out == \"beta\" && i == 2 && r == i', inject: {set: {r: 20, out: b}}}",
        )
        .when("parameters and results")
        .counted([counts(4, 1, 1, 0)])
        .prints(["1 alpha 20 b -3 gamma ray 4 "]),
    ]
}

/// A path that ends at nil is no match, whatever is asked of it.
fn paths() -> Vec<Case> {
    let walk = |condition: &str, value: &str| {
        format!("{{function: \"main.(*part).walk\", if: {condition}, inject: {{set: {{{value}: 7}}}}}}")
    };
    vec![
        case("walk", walk("p.next.size == 8", "n"))
            .counted([counts(3, 1, 1, 0)])
            .prints(["7 2 3"]),
        case("walk", walk("p.next.size != 8", "n"))
            .when("unequal")
            .counted([counts(3, 1, 1, 0)])
            .prints(["1 7 3"]),
        case("walk", walk("p.next.size != 8 || p.size == 3", "n"))
            .when("the other part holds")
            .counted([counts(3, 2, 2, 0)])
            .prints(["1 7 7"]),
        case("walk", walk("p.next.next.size == 3 && r == 1", "r"))
            .when("at return")
            .counted([counts(3, 1, 1, 0)])
            .prints(["7 2 3"]),
    ]
}

/// At return, parameters have the values that they had at entry: of the same call.
fn pairs() -> Vec<Case> {
    let result = "{function: main.pairs, if: n == 3 && r == 3, inject: {set: {r: 50}}}";
    let both = "{function: main.pairs, if: n == 2, inject: {set: {n: 1, r: 10}}}";
    vec![
        case("pairs", result).counted([counts(6, 1, 1, 0)]).prints(["52"]),
        case("pairs", both)
            .when("both ways")
            .counted([counts(5, 1, 1, 0)])
            .prints(["13"]),
        case("pairs on a growing stack", result)
            .counted([counts(6, 1, 1, 0)])
            .prints(["52"]),
        case("pairs on a growing stack", both)
            .when("both ways")
            .counted([counts(5, 1, 1, 0)])
            .prints(["13"]),
        case(
            "sometimes",
            "{function: main.sometimes, if: n == r, inject: {set: {r: 70}}}",
        )
        .calls(3)
        .prints([
            "70",
            "sometimes <nil>",
            "sometimes 1",
            "70",
            "sometimes <nil>",
            "sometimes 3",
            "70",
            "sometimes <nil>",
            "sometimes 5",
        ]),
        case(
            "sometimes",
            "{function: main.sometimes, if: n <= 1, inject: {set: {n: 7, r: 9}}}",
        )
        .when("both ways")
        .counted([Counts {
            applied: 0,
            ..counts(6, 2, 2, 0)
        }])
        .prints([
            "sometimes 7",
            "sometimes 7",
            "2",
            "sometimes <nil>",
            "sometimes 3",
            "4",
            "sometimes <nil>",
            "sometimes 5",
        ]),
        case(
            "heals",
            "{function: main.heals, if: n == 1 && r == 1001, inject: {set: {r: 5}}}",
        )
        .counted([counts(4, 1, 1, 0)])
        .prints(["0 5 2 1003"]),
        case(
            "leaves",
            "{function: main.leaves, if: n == 1 || n == 2, inject: {set: {r: 8}}}",
        )
        .counted([counts(3, 1, 1, 0)])
        .prints(["0", "8", "3"]),
    ]
}

fn call_stacks() -> Vec<Case> {
    let rule = |origin: &str| format!("{{function: main.inner, {origin}, inject: {{set: {{n: 5}}}}}}");
    let row = |origin: &str, fired: u64, prints: &'static str| {
        case("callers", rule(origin))
            .when(origin)
            .counted([counts(4, fired, fired, 0)])
            .exits(if fired == 0 { 4 } else { 0 })
            .prints([prints])
    };
    vec![
        row("callers: [main.middle, main.outer]", 1, "1 102 115 2"),
        row("callers: [main.outer, main.middle]", 0, "1 102 111 2"),
        row("callers: [main.middle, main.middle]", 0, "1 102 111 2"),
        row("callers: [main.folded, main.around]", 1, "1 106 111 2"),
        row("callers: [main.around, main.folded]", 0, "1 102 111 2"),
        row("callers: main.folded", 2, "1 106 111 6"),
        row(
            "callers: [\"main.*\", \"main.*\", \"main.*\", main.main]",
            2,
            "1 106 115 2",
        ),
        row("within: [main.around, main.outer]", 2, "1 106 115 2"),
        row("within: \"main.{arou,midd}*\"", 2, "1 106 115 2"),
        row("within: main.outer, callers: [main.middle]", 1, "1 102 115 2"),
        row("within: main.around, callers: [main.middle]", 0, "1 102 111 2"),
        case(
            "within a recursion",
            "{function: main.inner, callers: [main.deepInner, main.deepInner], inject: {set: {n: 50}}}",
        )
        .when("two calls of it")
        .counted([counts(2, 1, 1, 0)])
        .prints(["55 1"]),
    ]
}

fn callers() -> Vec<Case> {
    let within = |caller: &str, value: &str| {
        format!("{{function: main.inner, within: main.{caller}, inject: {{set: {{{value}}}}}}}")
    };
    vec![
        case("within", within("middle", "n: 5"))
            .counted([counts(4, 2, 2, 0)])
            .prints(["1 15 115 1"]),
        case("within", within("outer", "n: 5, r: 6"))
            .when("both ways")
            .counted([counts(4, 1, 1, 0)])
            .prints(["1 11 116 1"]),
        case("within", within("spawns", "n: 5"))
            .when("not on another goroutine")
            .exits(4)
            .counted([counts(4, 0, 0, 0)])
            .prints(["1 11 111 1"]),
        case("within a recursion", within("deepInner", "r: 50"))
            .counted([counts(2, 1, 1, 0)])
            .prints(["55 1"]),
        case("within far", within("outer", "n: 5"))
            .counted([counts(2, 1, 1, 0)])
            .prints(["900 115"]),
        case("within too far", within("outer", "n: 5"))
            .exits(4)
            .counted([counts(1, 0, 0, 0)])
            .prints(["2000"]),
        case("within a callback", within("callsBack", "n: 5"))
            .counted([counts(2, 1, 1, 0)])
            .prints(["1005 2"]),
        case(
            "within",
            "{function: main.inner, within: main.middle, if: n == 1, when: {nth: 2}, inject: {return: {r: 7}}}",
        )
        .when("with a condition and a turn")
        .counted([counts(4, 2, 1, 0)])
        .prints(["1 11 117 1"]),
        case("within", set("inner", "{n: 2}"))
            .when("anywhere")
            .calls(4)
            .prints(["2 12 112 2"]),
    ]
}
