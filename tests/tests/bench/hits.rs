//! A hit that does not fire, against an empty program at the same instruction.

use std::path::Path;
use std::rc::Rc;

use goinject::compile::compile;
use goinject::engine::bpf::BpfEngine;
use goinject::engine::select::Fit;
use goinject::engine::{Engine, Session, Start, Subject};
use goinject::go::Binary;
use goinject::host;
use goinject::plan::Plan;
use goinject::plan::encode::Numbering;
use goinject::resolve::resolve;
use goinject::run::target::load_bias;
use goinject::tracee::{Family, Follow};
use goinject_probes::program::{Attach, Capacity, Probe, Program, Switches};
use goinject_probes::table::{Counters, Tables, WriterKind};
use goinject_rules::source::Source;

use crate::program;
use crate::rules::{self, NEVER, THREE};
use crate::target::{Target, least, time};

/// What is attached while calls are measured.
enum Attached {
    Nothing,
    /// An empty program, at this file offset.
    Empty(u64, Attach),
    /// The generic program.
    Generic(Rc<Plan>, Attach),
}

/// One line of figures.
struct Figure {
    name: &'static str,
    attached: Attached,
    /// Whether its programs may wait for pages.
    sleep: bool,
    /// What it is a multiple of, and the multiple that is aimed at.
    against: Vec<(&'static str, Option<f64>)>,
    /// Nanoseconds of a call, one of each turn.
    measured: Vec<f64>,
}

impl Figure {
    fn new(name: &'static str, attached: Attached) -> Figure {
        Figure {
            name,
            attached,
            sleep: false,
            against: Vec::new(),
            measured: Vec::new(),
        }
    }

    fn sleeping(self, sleep: bool) -> Figure {
        Figure { sleep, ..self }
    }

    fn against(mut self, other: &'static str, aim: Option<f64>) -> Figure {
        self.against.push((other, aim));
        self
    }
}

/// A plan of rules over a program. None of them ever fires.
pub(crate) fn plan_of(rules: &str, binary: &Binary) -> Rc<Plan> {
    let text = format!("version: 1\nmode: observe\nrules:\n{rules}");
    let source = Source::new("bench.yaml", text);
    let (rules, _) = goinject_rules::parse(&source).unwrap_or_else(|errors| panic!("{errors:?}"));
    let resolution = resolve(&rules, binary);
    assert!(resolution.failure().is_none(), "{:?}", resolution.findings);
    Rc::new(compile(&rules, &resolution, binary))
}

/// The generic program on a running target.
pub(crate) struct Armed {
    engine: BpfEngine,
    session: Box<dyn Session>,
    family: Family,
}

impl Armed {
    /// What its first rule has done.
    fn first(&self) -> Counters {
        self.engine.tally().counters[0]
    }

    /// Takes it off.
    pub(crate) fn let_go(&mut self) {
        self.session.let_go(&mut self.family).expect("it can be let go");
    }
}

/// The generic program on a running target, writing nothing.
pub(crate) fn arm(plan: &Rc<Plan>, pid: i32, attach: Attach, sleep: bool) -> Armed {
    let fit = Fit::Bpf {
        writers: vec![WriterKind::None; plan.sites.len()],
        attach,
        switches: Switches {
            sleep,
            ..Switches::default()
        },
    };
    let subject = Subject {
        plan,
        fit: &fit,
        bias: load_bias(plan, pid).expect("it runs the planned program"),
        start: Start::Running(pid),
        follow: Follow::Threads,
        is_child: false,
    };
    let (mut engine, mut family) = (BpfEngine::new(1, Numbering::Off), Family::default());
    let session = engine
        .arm(subject, &mut family)
        .unwrap_or_else(|error| panic!("{error}"));
    Armed {
        engine,
        session,
        family,
    }
}

/// Prints what a hit costs. Figures are taken in turns, so that each meets the same machine; a figure is the least of its
/// turns, as whatever else the machine does can only add to it.
pub(crate) fn measure(turns: usize) {
    let support = host::look_at_all().bpf;
    if !support.load.is_yes() {
        println!("a hit that does not fire: skipped: this host loads no BPF");
        return;
    }
    let path = program();
    let binary = Binary::open(&path).expect("a Go program");
    let multi = support.multi.is_yes();
    let mut figures = figures(&binary, multi, support.sleep.is_yes());
    let mut target = Target::start();
    for _ in 0..turns {
        for figure in &mut figures {
            let ns = one_turn(figure, &path, &mut target);
            figure.measured.push(ns);
        }
    }
    println!("a hit that does not fire, the least of {turns} turns");
    let find = |name: &str| {
        let found = figures.iter().find(|figure| figure.name == name);
        least(&found.expect("figures are compared with earlier ones").measured)
    };
    for figure in &figures {
        let ns = least(&figure.measured);
        println!("  {:48} {:>10}", figure.name, time(ns));
        for (other, aim) in &figure.against {
            let aim = aim.map_or(String::new(), |aim| format!(" (aim: {aim})"));
            println!("  {:>59} {:.2} times `{other}`{aim}", "", ns / find(other));
        }
    }
}

fn figures(binary: &Binary, multi: bool, sleep: bool) -> Vec<Figure> {
    const ENTRY: &str = "empty program at the first instruction";
    const EMPTY: &str = "empty program at the site";
    const EMPTY_WAITING: &str = "empty program that may wait for pages";
    const EMPTY_AS_RUN: &str = "empty program as `run` attaches";
    const ONE_AS_RUN: &str = "as `run` attaches: one condition";
    let never = plan_of(NEVER, binary);
    let site = never.sites[0].instruction.file_offset.0;
    let function = binary.functions().find("main.hit");
    let function = function.into_iter().next().expect("the program has it");
    let entry = binary.file_offset(function.entry).expect("it is in the file").0;
    let empty = |name, at, attach| Figure::new(name, Attached::Empty(at, attach));
    let generic = |name, rules: &str, attach| {
        let plan = plan_of(rules, binary);
        Figure::new(name, Attached::Generic(plan, attach))
    };
    let mut figures = vec![
        Figure::new("no probe", Attached::Nothing),
        empty(ENTRY, entry, Attach::Empty),
        empty(EMPTY, site, Attach::Empty),
        generic("one rule, one condition", NEVER, Attach::Single)
            .against(EMPTY, Some(1.15))
            .against(ENTRY, Some(1.0)),
        generic("three conditions", THREE, Attach::Single).against(EMPTY, Some(1.3)),
    ];
    if sleep {
        figures.extend(
            [
                empty(EMPTY_WAITING, site, Attach::Empty),
                generic("may wait: one condition", NEVER, Attach::Single).against(EMPTY_WAITING, Some(1.15)),
                generic("may wait: three conditions", THREE, Attach::Single)
                    .against(EMPTY_WAITING, Some(1.3)),
            ]
            .map(|figure| figure.sleeping(true)),
        );
    }
    if multi {
        let named = |rules: String| {
            move |name| {
                let plan = plan_of(&rules, binary);
                Figure::new(name, Attached::Generic(plan, Attach::Multi))
            }
        };
        figures.extend(
            [
                empty(EMPTY_AS_RUN, site, Attach::EmptyMulti).against(EMPTY, None),
                generic(ONE_AS_RUN, NEVER, Attach::Multi)
                    .against(EMPTY_AS_RUN, Some(1.15))
                    .against(EMPTY, Some(1.15)),
                generic("as `run` attaches: three conditions", THREE, Attach::Multi)
                    .against(EMPTY_AS_RUN, Some(1.3))
                    .against(EMPTY, Some(1.3)),
                named(rules::on_one_function(1000))("as `run` attaches: 1,000 rules on it")
                    .against(ONE_AS_RUN, None),
                named(rules::on_functions(binary, 1000))("as `run` attaches: 1,000 rules, one on it")
                    .against(ONE_AS_RUN, None),
            ]
            .map(|figure| figure.sleeping(sleep)),
        );
    }
    figures
}

/// Calls of the program that one batch takes some ten milliseconds for, and the least of some batches.
pub(crate) fn batches(target: &mut Target, first: f64) -> f64 {
    const BATCHES: usize = 10;
    let calls = ((1e7 / first.max(1.0)) as u64).clamp(200, 200_000);
    let measured: Vec<f64> = (0..BATCHES).map(|_| target.call(calls)).collect();
    least(&measured)
}

fn one_turn(figure: &Figure, path: &Path, target: &mut Target) -> f64 {
    const FIRST: u64 = 1000;
    match &figure.attached {
        Attached::Nothing => {
            let first = target.call(FIRST);
            batches(target, first)
        }
        Attached::Empty(offset, attach) => with_empty(*offset, *attach, figure.sleep, path, target),
        Attached::Generic(plan, attach) => {
            let mut session = arm(plan, target.pid(), *attach, figure.sleep);
            let before: u64 = session.first().calls;
            let first = target.call(FIRST);
            let counted = session.first().calls - before;
            assert_eq!(counted, FIRST, "each call is a hit");
            let ns = batches(target, first);
            assert_eq!(session.first().fired, 0, "nothing fires");
            session.let_go();
            ns
        }
    }
}

/// Nanoseconds of a call with an empty program at a file offset.
pub(crate) fn with_empty_program(offset: u64, attach: Attach, target: &mut Target) -> f64 {
    with_empty(offset, attach, false, &program(), target)
}

fn with_empty(offset: u64, attach: Attach, sleep: bool, path: &Path, target: &mut Target) -> f64 {
    const FIRST: u64 = 1000;
    let switches = Switches {
        sleep,
        ..Switches::default()
    };
    let tables = Tables::default();
    let capacity = Capacity::of(&tables);
    let program =
        Program::load(&tables, switches, attach, capacity).unwrap_or_else(|error| panic!("{error}"));
    let probe = Probe { offset, site: 0 };
    let mut rows = program
        .add(&tables, switches, target.pid())
        .unwrap_or_else(|error| panic!("{error}"));
    program
        .attach(&mut rows, path, &[probe])
        .unwrap_or_else(|error| panic!("{error}"));
    let first = target.call(FIRST);
    let ns = batches(target, first);
    let _ = program.remove(rows);
    program.finish();
    ns
}
