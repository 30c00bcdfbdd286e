//! Elements of maps, by their keys.

use goinject_tests::{Case, case, counts, set};

/// Conditions, and how many of the three calls of section `lookups` they hold in.
const LOOKUPS: [(&str, u64); 45] = [
    ("\"X-Trace\" in s.header", 1),
    ("\"b\" in s.header", 2),
    ("s.header[\"X-Trace\"][0] == \"on\"", 1),
    ("s.header[\"Accept\"][1] == \"json\"", 2),
    ("s.header[\"Accept\"][2] != \"json\"", 0),
    ("s.header[\"\"][0].startsWith(\"em\")", 2),
    ("size(s.header[\"Accept\"]) == 2", 2),
    ("size(s.header[\"Nope\"]) == 0", 3),
    ("s.header[\"b\"] == null", 3),
    ("s.byID[7].count == 7", 1),
    ("s.byID[7].count == 70", 1),
    ("s.byID[1073741824].name == \"far\"", 2),
    ("s.byID[8] == null", 3),
    ("7 in s.byID", 2),
    ("s.flags[0]", 2),
    ("!s.flags[255]", 3),
    ("255 in s.flags && !(254 in s.flags)", 2),
    ("s.nested[\"a\"][\"b\"] == 5", 2),
    ("s.nested[\"a\"][\"c\"] < 0", 2),
    ("size(s.nested[\"a\"]) == 2", 2),
    ("size(s.nested[\"none\"]) == 0", 3),
    ("\"b\" in s.nested[\"a\"]", 2),
    ("s.nested[\"none\"][\"b\"] == 0", 3),
    ("s.large[\"b\"].last == 1", 1),
    ("s.large[\"b\"].last == 2", 1),
    ("s.large[\"z\"].last == 0", 3),
    ("\"two\" in s.set", 2),
    ("!(\"four\" in s.set)", 3),
    ("s.values[\"v\"].count == -3", 2),
    ("s.values[\"v\"].tags[1] == \"t1\"", 2),
    ("s.values[\"w\"].name == \"\"", 3),
    ("s.values[\"v\"].name == s.values[\"v\"].name", 3),
    ("s.values[\"v\"].name > \"vec\"", 2),
    ("s.many[4999] == 24990001", 1),
    ("s.many[77] == 77", 1),
    ("78 in s.many", 1),
    ("s.many[0] == 0", 3),
    ("5000 in s.many", 0),
    ("s.ports[80] == null", 1),
    ("type(s.ports[80]) == \"string\"", 2),
    ("s.ports[443].(*main.item).name == \"tls\"", 2),
    ("s.nested[\"a\"][\"b\"] == s.values[\"v\"].count", 1),
    ("s.nested[\"a\"][\"c\"] < s.values[\"v\"].count", 2),
    ("s.values[\"v\"].count > s.nested[\"a\"][\"c\"]", 2),
    ("s.byID[7].count in [7, 70] || s.flags[0]", 2),
];

/// The same of conditions that look at the result, too.
const AT_RETURN: [(&str, u64); 4] = [
    ("found[\"b\"] == 5", 2),
    ("s.nested[\"a\"][\"b\"] == found[\"b\"]", 3),
    ("found[\"c\"] < s.values[\"v\"].count", 2),
    ("\"b\" in found && \"two\" in s.set", 2),
];

pub(crate) fn rows() -> Vec<Case> {
    [conditions(), edits()].concat()
}

pub(crate) fn conditions() -> Vec<Case> {
    const PLAIN: &str = "1 2 seven 7 [text json] [t0 t1] 1 2 seven 70 [text json] [t0 t1] 1 0";
    let looked = |conditions: &[(&str, u64)], value: &str| {
        // None of them fires: how often they match is what counts.
        let rule = |condition: &str| {
            format!(
                "{{name: '{condition} {value}', function: \"main.(*shelf).look\", if: '{condition}', when: {{times: 0}}, \
                 expect: {{fired: 0}}, inject: {{set: {{{value}: 9}}}}}}"
            )
        };
        let rules: Vec<String> = conditions.iter().map(|(condition, _)| rule(condition)).collect();
        let mut all = case("lookups", rules[0].clone());
        all.rules = rules;
        all.counts = conditions
            .iter()
            .map(|(_, matched)| counts(3, *matched, 0, 0))
            .collect();
        all.prints([PLAIN])
    };
    let grown = |condition: &str, matched| {
        let rule = format!(
            "{{function: \"main.(*shelf).look\", if: '{condition}', when: {{times: 0}}, expect: {{fired: 0}}, \
             inject: {{set: {{n: 0}}}}}}"
        );
        case("growing", rule)
            .counted([counts(600, matched, 0, 0)])
            .prints(["179700"])
    };
    vec![
        looked(&LOOKUPS, "n"),
        looked(&LOOKUPS, "r").when("at return"),
        looked(&AT_RETURN, "r").when("parameters and results"),
        grown("\"a\" in s.values", 568),
        grown("s.values[\"a\"].count == 32", 568).when("what the element is"),
    ]
}

fn edits() -> Vec<Case> {
    vec![
        case(
            "lookups",
            "{function: \"main.(*shelf).look\", if: 7 in s.byID, inject: {set: {\"s.byID[7].count\": 71, \"s.byID[7].name\": new, \
             's.header[\"Accept\"][1]': x, 's.values[\"v\"].tags[0]': y}}}",
        )
        .when("changed behind elements")
        .counted([counts(3, 2, 2, 0)])
        .prints(["1 2 new 71 [text x] [y t1] 1 2 new 71 [text x] [y t1] 1 0"]),
        case("lookups", set("(*shelf).look", "{\"s.byID[7].count\": {add: 1}, n: 2}"))
            .when("no such key")
            .counted([counts(3, 3, 3, 1)])
            .exits(1)
            .prints(["2 2 seven 8 [text json] [t0 t1] 2 2 seven 71 [text json] [t0 t1] 1 0"]),
    ]
}
