//! Whatever a file contains: no panic, an answer in time, and every place inside the file.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use goinject_rules::diagnostic::{Diagnostic, Severity, Style, render, render_short};
use goinject_rules::source::{Source, Span};
use proptest::prelude::*;

/// Parses, renders what was found, and checks that every place is a part of the text.
fn survives(text: &str) {
    let source = Source::new("hostile.yaml", text);
    let findings = match goinject_rules::parse(&source) {
        Ok((rules, warnings)) => {
            assert!(!rules.rules.is_empty());
            for rule in &rules.rules {
                inside(text, rule.span);
                inside(text, rule.function.span);
                inside(text, rule.expect.fired.span);
                rule.inject
                    .set
                    .iter()
                    .for_each(|assignment| inside(text, assignment.path.span));
            }
            warnings
        }
        Err(findings) => {
            assert!(
                findings.iter().any(|finding| finding.severity == Severity::Error),
                "refused without an error:\n{text}"
            );
            findings
        }
    };
    for Diagnostic { span, secondary, .. } in &findings {
        span.iter().for_each(|span| inside(text, *span));
        secondary.iter().for_each(|(span, _)| inside(text, *span));
    }
    render(&findings, &source, Style::Coloured);
    render_short(&findings, &source);
}

#[track_caller]
fn inside(text: &str, span: Span) {
    assert!(
        text.get(span.start..span.end).is_some(),
        "{span:?} is no part of {text:?}"
    );
}

fn valid_files() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/valid");
    let mut paths: Vec<_> = fs::read_dir(folder)
        .expect("fixtures")
        .map(|entry| entry.expect("a file").path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| fs::read_to_string(path).expect("text"))
        .collect()
}

/// Pieces that mean something to YAML, to conditions or to paths.
const PIECES: [&str; 48] = [
    "\"",
    "'",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "\t",
    "#",
    "&a ",
    "*a",
    "<<: ",
    "!x ",
    "|",
    ">",
    "|\n",
    "-",
    "~",
    "null",
    "true",
    "0",
    "-1",
    "1e999",
    "017",
    "18446744073709551616",
    ".inf",
    "ä",
    "\u{feff}",
    "\r\n",
    "\\",
    "\\u00e4",
    "x-",
    "==",
    "&&",
    "(",
    ")",
    "args[0]",
    "results[0]",
    "50ms",
    "25%",
    ">=1",
    "---\n",
    "\u{85}",
];

/// One change to a text: a piece put in, a part taken out, repeated or exchanged.
fn mutate(text: &mut String, choice: u64, place: u64, length: u64) {
    let boundary = |at: u64| text.floor_char_boundary(usize::try_from(at).unwrap_or(0) % (text.len() + 1));
    let start = boundary(place);
    let end = text.floor_char_boundary((start + usize::try_from(length % 12).unwrap_or(0)).min(text.len()));
    let piece = PIECES[usize::try_from(choice / 4).unwrap_or(0) % PIECES.len()];
    match choice % 4 {
        0 => text.insert_str(start, piece),
        1 => text.replace_range(start..end.max(start), ""),
        2 => text.replace_range(start..end.max(start), piece),
        _ => {
            let part = text[start..end.max(start)].to_owned();
            text.insert_str(boundary(length), &part);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in "(?s).{0,200}") {
        survives(&text);
    }

    #[test]
    fn text_of_meaningful_pieces(choices in proptest::collection::vec(0..PIECES.len(), 0..40)) {
        let text: String = choices.into_iter().map(|choice| PIECES[choice]).collect();
        survives(&format!("version: 1\nrules:\n- function: main.f\n  if: {text}\n"));
        survives(&text);
    }

    #[test]
    fn any_text_as_a_value(text in "\\PC{0,60}", place in 0..6_usize) {
        let quoted = format!("'{}'", text.replace('\'', "''"));
        let (function, condition, path, value) = match place {
            0 => (quoted.as_str(), "a", "a", "1"),
            1 => ("main.f", quoted.as_str(), "a", "1"),
            2 => ("main.f", "a", quoted.as_str(), "1"),
            3 => ("main.f", "a", "a", quoted.as_str()),
            4 => ("main.f", text.as_str(), "a", "1"),
            _ => ("main.f", "a", "a", text.as_str()),
        };
        survives(&format!(
            "version: 1\nrules:\n- function: {function}\n  if: {condition}\n  inject:\n    set:\n      {path}: {value}\n"
        ));
    }
}

/// `GOINJECT_MUTATIONS=1000000 cargo test -p goinject-rules --release --test hostile -- mutated --nocapture`
#[test]
fn mutated_files() {
    let wanted = std::env::var("GOINJECT_MUTATIONS")
        .ok()
        .and_then(|number| number.parse().ok())
        .unwrap_or(2000_u64);
    let seed = std::env::var("GOINJECT_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(1_u64);
    let files = valid_files();
    let mut random = SplitMix(seed);
    let (mut taken, mut slowest) = (0, Duration::ZERO);
    for _ in 0..wanted {
        let mut text = files[usize::try_from(random.next()).unwrap_or(0) % files.len()].clone();
        for _ in 0..=random.next() % 4 {
            mutate(&mut text, random.next(), random.next(), random.next());
        }
        let begin = Instant::now();
        survives(&text);
        slowest = slowest.max(begin.elapsed());
        taken += u64::from(goinject_rules::parse(&Source::new("hostile.yaml", text)).is_ok());
    }
    println!("{wanted} mutated files (seed {seed}): {taken} still valid, the slowest took {slowest:?}");
}

/// A small generator of random numbers, so that a run can be repeated by its seed.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // The upper half fits a usize everywhere.
        (mixed ^ (mixed >> 31)) >> 32
    }
}

#[test]
fn bombs_are_refused_in_time() {
    let begin = Instant::now();
    let laughs = (1..30).fold("x-a0: &a0 [1]\n".to_owned(), |text, n| {
        let before = format!("*a{}", n - 1);
        text + &format!("x-a{n}: &a{n} [{}]\n", vec![before; 9].join(", "))
    });
    survives(&laughs);
    survives(&"[".repeat(100_000));
    survives(&"{a: ".repeat(100_000));
    survives(&"- ".repeat(100_000));
    survives(&format!("a: {}", "x ".repeat(500_000)));
    survives(&format!(
        "version: 1\nrules:\n- function: main.f\n  if: {}\n",
        "a && ".repeat(100_000)
    ));
    survives(&format!(
        "version: 1\nrules:\n- function: {{glob: \"{}\"}}\n",
        "{a,".repeat(10_000)
    ));
    survives(&format!(
        "version: 1\nrules:\n- function: {{regex: \"(a{{1000}}){{1000}}{}\"}}\n",
        "b".repeat(100)
    ));
    let keys: String = (0..1000).map(|n| format!("k{n}: 1\n")).collect();
    survives(&keys);
    assert!(
        begin.elapsed() < Duration::from_secs(300),
        "took {:?}",
        begin.elapsed()
    );
}

#[test]
fn many_rules_are_read_in_time() {
    let rules: String = (0..2000)
        .map(|n| format!("- function: main.f{n}\n  if: a == {n}\n  inject: {{set: {{a: {n}}}}}\n"))
        .collect();
    let source = Source::new("many.yaml", format!("version: 1\nrules:\n{rules}"));
    let begin = Instant::now();
    let (rules, _) = goinject_rules::parse(&source).expect("valid");
    assert_eq!(rules.rules.len(), 2000);
    assert!(
        begin.elapsed() < Duration::from_secs(300),
        "took {:?}",
        begin.elapsed()
    );
}
