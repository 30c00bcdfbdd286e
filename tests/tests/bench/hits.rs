//! A hit that does not fire, against an empty program at the same instruction.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use goinject::engine::Session;
use goinject::engine::bpf::{BpfSession, Setup};
use goinject::go::Binary;
use goinject::host;
use goinject::plan::Plan;
use goinject::plan::compile::compile;
use goinject::resolve::resolve;
use goinject::target::verify;
use goinject_probes::program::{Attach, Probe, Program, Switches};
use goinject_probes::table::{Tables, WriterKind};
use goinject_rules::source::Source;

use crate::program;
use crate::target::{Target, median, time};

/// What is attached while calls are measured.
enum Attached {
    Nothing,
    /// An empty program, at this file offset.
    Empty(u64),
    /// The generic program.
    Generic(Box<Plan>, Attach),
}

/// One line of figures.
struct Figure {
    name: &'static str,
    attached: Attached,
    /// Whether its programs may wait for pages.
    sleep: bool,
    /// The figure that it is a multiple of, and what is aimed at.
    against: Option<(usize, Option<f64>)>,
}

/// A plan of rules over the program. None of them ever fires.
pub(crate) fn plan_of(rules: &str, binary: &Binary) -> Plan {
    let text = format!("version: 1\nmode: observe\nrules:\n{rules}");
    let source = Source::new("bench.yaml", text);
    let (rules, _) = goinject_rules::parse(&source).unwrap_or_else(|errors| panic!("{errors:?}"));
    let resolution = resolve(&rules, binary);
    assert!(resolution.failure().is_none(), "{:?}", resolution.findings);
    compile(&rules, &resolution, binary)
}

/// The generic program on a running target, writing nothing.
pub(crate) fn arm(plan: &Plan, pid: i32, attach: Attach, sleep: bool) -> BpfSession {
    let writers = vec![WriterKind::None; plan.sites.len()];
    let setup = Setup {
        writers: &writers,
        attach,
        switches: Switches {
            sleep,
            ..Switches::default()
        },
        seed: 1,
    };
    let bias = verify(plan, pid).expect("it runs the planned program");
    BpfSession::arm_attached(plan, bias, &setup, pid).unwrap_or_else(|error| panic!("{error}"))
}

/// Prints what a hit costs: each figure is the median of so many measurements, taken in turns with the others, and each
/// measurement of at most so many calls.
pub(crate) fn measure(rounds: usize, calls: u64) {
    let support = host::look_at_all().bpf;
    if !support.load.is_yes() {
        println!("a hit that does not fire: skipped: this host loads no BPF");
        return;
    }
    let path = program();
    let binary = Binary::open(&path).expect("a Go program");
    let never = "- {name: never, function: main.hit, if: n == -1, inject: {set: {n: 1}}}\n";
    let three = "- {name: three, function: main.hit, if: n >= 0 && b.size > 0 && text == \"other\", inject: {set: {n: 1}}}\n";
    let one = plan_of(never, &binary);
    let site = one.sites[0].instruction.file_offset.0;
    let function = binary
        .functions()
        .find("main.hit")
        .into_iter()
        .next()
        .expect("the program has it");
    let entry = binary.file_offset(function.entry).expect("it is in the file").0;
    let many_rules = (0..1000).fold(String::new(), |mut text, n| {
        let _ = writeln!(
            text,
            "- {{name: rule-{n}, function: main.hit, if: n == -{}, inject: {{set: {{n: 1}}}}}}",
            n + 1
        );
        text
    });
    let mut many_functions = never.to_owned();
    for (n, name) in names(&binary, 999).iter().enumerate() {
        let _ = writeln!(
            many_functions,
            "- {{name: function-{n}, function: {name:?}, when: {{nth: 1000000000}}, inject: {{panic: true}}}}"
        );
    }
    let generic = |rules: &str, attach| Attached::Generic(Box::new(plan_of(rules, &binary)), attach);
    let (single, multi) = (Attach::Single, Attach::Multi);
    let figure = |name, attached, sleep, against| Figure {
        name,
        attached,
        sleep,
        against,
    };
    let mut figures = vec![
        figure("no probe", Attached::Nothing, false, None),
        figure(
            "empty program at the function's first instruction",
            Attached::Empty(entry),
            false,
            None,
        ),
        figure("empty program at the site", Attached::Empty(site), false, None),
        figure(
            "one rule, one condition",
            generic(never, single),
            false,
            Some((2, Some(1.15))),
        ),
        figure(
            "one rule, three conditions",
            generic(three, single),
            false,
            Some((2, Some(1.3))),
        ),
    ];
    if support.sleep.is_yes() {
        figures.extend([
            figure(
                "the same that may wait for pages: empty program",
                Attached::Empty(site),
                true,
                None,
            ),
            figure(
                "one rule, one condition",
                generic(never, single),
                true,
                Some((5, Some(1.15))),
            ),
            figure(
                "one rule, three conditions",
                generic(three, single),
                true,
                Some((5, Some(1.3))),
            ),
        ]);
    }
    if support.multi.is_yes() {
        let first = figures.len();
        let sleep = support.sleep.is_yes();
        figures.extend([
            figure(
                "one link for all, as `run` does: one condition",
                generic(never, multi),
                sleep,
                Some((2, None)),
            ),
            figure("three conditions", generic(three, multi), sleep, Some((2, None))),
            figure(
                "1,000 rules on this function",
                generic(&many_rules, multi),
                sleep,
                Some((first, None)),
            ),
            figure(
                "1,000 rules on 1,000 functions",
                generic(&many_functions, multi),
                sleep,
                Some((first, None)),
            ),
        ]);
    }
    let mut measured: Vec<Vec<f64>> = vec![Vec::new(); figures.len()];
    let mut target = Target::start();
    for _ in 0..rounds {
        for (figure, measured) in figures.iter().zip(&mut measured) {
            measured.push(one_round(figure, &path, &mut target, calls));
        }
    }
    println!("a hit that does not fire");
    let medians: Vec<f64> = measured.into_iter().map(median).collect();
    for (figure, ns) in figures.iter().zip(&medians) {
        let ratio = figure.against.map_or(String::new(), |(other, aim)| {
            let aim = aim.map_or(String::new(), |aim| format!(" (aim: {aim})"));
            format!(
                "  {:.2} times `{}`{aim}",
                ns / medians[other],
                figures[other].name
            )
        });
        println!("  {:52} {:>10}{ratio}", figure.name, time(*ns));
    }
}

fn one_round(figure: &Figure, path: &Path, target: &mut Target, calls: u64) -> f64 {
    // Few first: with a slow probe that is enough to tell how many there is time for.
    let mut run = || {
        let first = target.call(2000);
        let enough = (2e8 / first.max(1.0)) as u64;
        target.call(enough.clamp(2000, calls))
    };
    match &figure.attached {
        Attached::Nothing => run(),
        Attached::Empty(offset) => {
            let switches = Switches {
                sleep: figure.sleep,
                ..Switches::default()
            };
            let mut program = Program::load(&Tables::default(), switches, Attach::Empty)
                .unwrap_or_else(|error| panic!("{error}"));
            let probe = Probe {
                offset: *offset,
                cookie: 0,
            };
            program
                .attach(path, -1, &[probe])
                .unwrap_or_else(|error| panic!("{error}"));
            let ns = run();
            program.detach();
            ns
        }
        Attached::Generic(plan, attach) => {
            let mut session = arm(plan, target.pid(), *attach, figure.sleep);
            let before: u64 = session.counters()[0].calls;
            let ns = target.call(2000);
            let counted = session.counters()[0].calls - before;
            assert_eq!(counted, 2000, "each call is a hit");
            let enough = (2e8 / ns.max(1.0)) as u64;
            let ns = target.call(enough.clamp(2000, calls));
            assert_eq!(session.counters()[0].fired, 0, "nothing fires");
            session.disarm().expect("it can be disarmed");
            ns
        }
    }
}

/// A rule for some thousands of functions, which every program has that speaks HTTP.
pub(crate) const MANY: &str = "- {function: {regex: '^(net/http|net|crypto|encoding/asn1|math/big)[./]', max_matches: 20000}, inject: {panic: true}}\n";

/// Functions of [`MANY`] that have names of their own.
fn names(binary: &Binary, count: usize) -> Vec<String> {
    let all = plan_of(MANY, binary)
        .functions
        .into_iter()
        .map(|function| function.name);
    let names: Vec<String> = all.filter(|name| !name.contains('[')).take(count).collect();
    assert_eq!(names.len(), count, "the program has enough functions");
    names
}

/// A folder of its own for what commands want as files.
pub(crate) fn in_folder(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("written");
    path
}
