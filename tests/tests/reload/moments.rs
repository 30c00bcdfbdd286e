//! When jumps are swapped: at a moment at which no thread is in goinject's code, where there is one.

use std::fmt::Write as _;

use goinject_tests::Writer;
use goinject_tests::long_run::LongRun;
use serde_json::Value;

const SPINNING: [&str; 4] = ["--", "./watched", "-crash", "input"];

/// Two threads call a function all the time, and the rules on it are swapped: what is told of the process afterwards, and all that
/// is said.
fn swapped(former: &str, later: &str) -> (Value, String) {
    let run = LongRun::start(
        Writer::Trampoline,
        "watched",
        former,
        &["--json", "events"],
        &SPINNING,
    );
    run.has_fired("spun", 1);
    let told = run.reload(later);
    assert!(told["refused"].is_null(), "{told}: {}", run.text("err"));
    run.has_fired("spun", 2);
    let (outcome, _) = run.end();
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    let process = outcome.of_type("process").find(|line| line["again"] == true);
    let process = process.unwrap_or_else(|| panic!("{}", outcome.describe()));
    (process.clone(), outcome.stderr)
}

const ONE: &str = "- {name: spun, function: main.spun, when: {every: 10000}, inject: {set: {n: 5}}}\n";
const WARNING: &str = "warning: the calls of process ";

/// Rules that take so long to decide that there is always a thread in one of its calls: the former ones come out all the same, with
/// a gap that is told.
#[test]
fn where_there_is_no_moment_calls_have_no_rules_for_a_while() {
    let mut former = format!("version: 1\nrules:\n{ONE}");
    for n in 0..200 {
        let terms: Vec<String> = (0..20).map(|term| format!("n == {}", 1_000_000 + term)).collect();
        let condition = terms.join(" || ");
        writeln!(
            former,
            "- {{name: slow-{n}, function: main.spun, if: \"{condition}\", inject: {{set: {{n: 6}}}}, expect: {{fired: \">=0\"}}}}"
        )
        .expect("texts grow");
    }
    let (process, said) = swapped(&former, &format!("version: 1\nrules:\n{ONE}"));
    let gap = process["without_rules_ns"].as_u64();
    let millis = gap.unwrap_or_else(|| panic!("{process}: {said}")) / 1_000_000;
    let pid = &process["pid"];
    let words = format!(
        "{WARNING}{pid} had no rules for {millis} ms, and were not counted: it did not come to a moment at which its rules could be \
         swapped"
    );
    assert_eq!(said.matches(&words).count(), 1, "{words}: {said}");
    // Once nobody comes to a jump any more, threads are outside soon.
    assert!(millis < 2_000, "{process}");
}

/// A thread in a loop with a trap stops there most of the time: that is no reason for a gap.
#[test]
fn threads_at_traps_are_in_nobodys_way() {
    let rules = |value: u32| {
        format!(
            "version: 1\nrules:\n{ONE}- {{name: result, function: main.spun, when: {{every: 10000}}, inject: {{set: {{\"results[0]\": \
             {value}}}}}}}\n"
        )
    };
    let (process, said) = swapped(&rules(6), &rules(7));
    assert!(process["without_rules_ns"].is_null(), "{process}");
    assert!(!said.contains(WARNING), "{said}");
}
