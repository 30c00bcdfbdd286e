//! Rules that are measured, as lines of a rule file. None of these ever fires.

use std::fmt::Write;

use goinject::go::Binary;

use crate::hits::plan_of;

/// A condition that never holds.
pub(crate) const NEVER: &str =
    "- {name: never, function: main.hit, if: n == -1, inject: {set: {n: 1}}, expect: {fired: 0}}\n";

/// Three, of which the last never holds.
pub(crate) const THREE: &str = "- {name: three, function: main.hit, if: n >= 0 && b.size > 0 && text == \"other\", inject: {set: {n: 1}}, expect: {fired: 0}}\n";

/// Nothing to look at: never is its turn.
pub(crate) const NO_TURN: &str =
    "- {name: no-turn, function: main.hit, when: {nth: 0}, inject: {set: {n: 1}}, expect: {fired: 0}}\n";

/// The same where each call's number is looked at, since one of them would fire.
pub(crate) const NO_TURN_YET: &str = "- {name: no-turn-yet, function: main.hit, when: {nth: 1000000000000}, inject: {set: {n: 1}}, expect: {fired: 0}}\n";

/// A rule for some two thousand functions, which every program has that speaks HTTP.
pub(crate) const MANY: &str = "- {function: {regex: '^(net|math/big|crypto/tls|crypto/x509|encoding/asn1|compress/flate|mime/multipart|vendor)[./]', max_matches: 20000}, inject: {panic: true}}\n";

/// So many rules on one function.
pub(crate) fn on_one_function(count: usize) -> String {
    (1..=count).fold(String::new(), |mut text, n| {
        let _ = writeln!(
            text,
            "- {{name: rule-{n}, function: main.hit, if: n == -{n}, inject: {{set: {{n: 1}}}}, expect: {{fired: 0}}}}"
        );
        text
    })
}

/// So many rules on as many functions, the first of them on the one that is called.
pub(crate) fn on_functions(binary: &Binary, count: usize) -> String {
    let text = NEVER.to_owned();
    let plan = plan_of(MANY, binary);
    let functions = plan.functions.iter();
    let names = functions.map(|function| function.name.clone());
    let names: Vec<String> = names.filter(|name| !name.contains('[')).take(count - 1).collect();
    assert_eq!(names.len(), count - 1, "the program has enough functions");
    text + &on_each(&names)
}

/// A rule for each of these functions.
pub(crate) fn on_each(names: &[String]) -> String {
    names.iter().enumerate().fold(String::new(), |mut text, (n, name)| {
        let _ = writeln!(
            text,
            "- {{name: function-{n}, function: {name:?}, when: {{nth: 0}}, inject: {{panic: true}}, expect: {{fired: 0}}}}"
        );
        text
    })
}
