//! When rules fire: by number, time and chance.

use goinject_tests::{Case, case, counts};

pub(crate) fn rows() -> Vec<Case> {
    [by_number(), by_time(), by_goroutine()].concat()
}

fn counted(when: &str) -> String {
    format!("{{function: main.counted, when: {{{when}}}, inject: {{set: {{r: 0}}}}}}")
}

/// What section `tens` prints if these of its calls return 0.
fn tens(fired: &[u32]) -> String {
    let results = (1..=10).map(|n| match fired.contains(&n) {
        true => "0".to_owned(),
        false => n.to_string(),
    });
    results.collect::<Vec<_>>().join(" ")
}

fn tens_case(when: &str, fired: &[u32]) -> Case {
    let count = fired.len() as u64;
    case("tens", counted(when))
        .when(when)
        .counted([counts(10, 10, count, 0)])
        .prints([&tens(fired)])
}

fn by_number() -> Vec<Case> {
    vec![
        tens_case("nth: 3", &[3]),
        tens_case("every: 3", &[3, 6, 9]),
        tens_case("every: 0", &[]),
        tens_case("first: 2", &[1, 2]),
        tens_case("after: 7", &[8, 9, 10]),
        tens_case("until: 3", &[1, 2, 3]),
        tens_case("after: 2, until: 6, every: 2", &[4, 6]),
        tens_case("times: 2", &[1, 2]),
        tens_case("every: 2, times: 2", &[2, 4]),
        tens_case("probability: 0", &[]),
        tens_case("probability: 100%", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        tens_case("rate: 1/h", &[1]),
        // The same seed decides the same calls, with every writer and in every version.
        tens_case("probability: 0.5", &[1, 2, 3, 6]).head("seed: 7"),
        case(
            "tens",
            "{function: main.counted, if: n > 3, when: {nth: 2}, inject: {set: {r: 0}}}",
        )
        .when("of those that match")
        .counted([counts(10, 7, 1, 0)])
        .prints([&tens(&[5])]),
        case("tens", counted("every: 2"))
            .when("two rules count for themselves")
            .and("{function: main.counted, when: {every: 3}, inject: {set: {r: -1}}}")
            .counted([counts(10, 10, 5, 0), counts(10, 10, 3, 0)])
            .prints(["1 0 -1 0 5 -1 7 0 -1 0"]),
    ]
}

fn by_time() -> Vec<Case> {
    let (none, all) = (tens(&[]), tens(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]));
    let half = counts(20, 20, 10, 0);
    vec![
        case("tens after a while", counted("after: 600ms"))
            .when("after")
            .counted([half])
            .prints([&none, &all]),
        case("tens after a while", counted("until: 600ms"))
            .when("until")
            .counted([half])
            .prints([&all, &none]),
        case("tens every while", counted("rate: 1/100ms"))
            .counted([counts(8, 8, 4, 0)])
            .prints(["0 1", "0 2", "0 3", "0 4"]),
    ]
}

fn by_goroutine() -> Vec<Case> {
    let own = |when: &str| counted(&format!("{when}, scope: goroutine"));
    let third = tens(&[3, 6, 9]);
    vec![
        case("tens of two", own("every: 3"))
            .counted([counts(20, 20, 6, 0)])
            .prints([&third, &third]),
        case("tens of many", own("first: 1"))
            .calls(3)
            .prints(["0", "0", "0"]),
        case("tens of two", own("nth: 2, times: 1"))
            .when("of all together")
            .counted([counts(20, 20, 1, 0)])
            .prints([&tens(&[2]), &tens(&[])]),
    ]
}
