//! Calls with a jump to the core inside the program, against the plain call and against an empty program of the kernel at the
//! same instruction. All in one run, by turns.

use std::rc::Rc;

use goinject::engine::inline::InlineEngine;
use goinject::engine::select::Fit;
use goinject::engine::{Engine, Session, Start, Subject};
use goinject::go::Binary;
use goinject::host;
use goinject::plan::Plan;
use goinject::plan::encode::Numbering;
use goinject::run::target::load_bias;
use goinject::tracee::{Family, Follow};
use goinject_probes::program::Attach;

use crate::hits::{acting_plan_of, batches, plan_of, with_empty_program};
use crate::program;
use crate::rules::{EARLY, EDIT, NEVER, NO_TURN, THREE};
use crate::target::{Target, least, time};

/// Calls of a batch of edits: not more than the ring has room for.
const EDITED: u64 = 2000;
/// Calls of each of two threads.
const AT_ONCE: u64 = 200_000;

/// Jumps in a running target.
struct Armed {
    engine: InlineEngine,
    session: Box<dyn Session>,
    family: Family,
}

fn arm(plan: &Rc<Plan>, pid: i32) -> Armed {
    let subject = Subject {
        plan,
        fit: &Fit::Inline,
        bias: load_bias(plan, pid).expect("it runs the planned program"),
        start: Start::Running(pid),
        follow: Follow::Threads,
    };
    let mut family = Family::default();
    let mut engine = InlineEngine::new(1, Numbering::Off).expect("a timer");
    let session = engine
        .arm(subject, &mut family)
        .unwrap_or_else(|error| panic!("{error}"));
    Armed {
        engine,
        session,
        family,
    }
}

/// One line of figures: rules, and what they may cost.
struct Figure {
    name: &'static str,
    plan: Rc<Plan>,
    fires: bool,
    /// Nanoseconds over the plain call that are aimed at.
    aim: f64,
    alone: Vec<f64>,
    both: Vec<f64>,
}

/// Prints what a call costs.
pub(crate) fn measure(turns: usize) {
    let binary = Binary::open(&program()).expect("a Go program");
    let figure = |name, plan, fires, aim| Figure {
        name,
        plan,
        fires,
        aim,
        alone: Vec::new(),
        both: Vec::new(),
    };
    let mut figures = [
        figure("never its turn", plan_of(NO_TURN, &binary), false, 50.0),
        figure("one condition", plan_of(NEVER, &binary), false, 50.0),
        figure("three conditions", plan_of(THREE, &binary), false, 80.0),
        figure("an edit", acting_plan_of(EDIT, &binary), true, 60.0),
        figure("an early return", acting_plan_of(EARLY, &binary), true, 80.0),
    ];
    let site = figures[0].plan.sites[0].instruction.file_offset.0;
    let has_bpf = host::look_at_all().bpf.load.is_yes();
    let mut target = Target::start();
    let (mut plain, mut plain_both, mut empty) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..turns {
        plain.push(batches(&mut target, 3.0));
        plain_both.push(target.call_on_both(AT_ONCE));
        if has_bpf {
            empty.push(with_empty_program(site, Attach::Empty, &mut target));
        }
        for figure in &mut figures {
            let (alone, both) = one_turn(figure, &mut target);
            figure.alone.push(alone);
            figure.both.push(both);
        }
    }
    let (plain, plain_both, empty) = (least(&plain), least(&plain_both), least(&empty));
    println!(
        "jumps inside the program, the least of {turns} turns; the plain call takes {}",
        time(plain)
    );
    for figure in &figures {
        let (alone, both) = (least(&figure.alone) - plain, least(&figure.both) - plain_both);
        println!(
            "  {:24} {:>10} more (aim: {})",
            figure.name,
            time(alone),
            time(figure.aim)
        );
        println!(
            "  {:>59} {:.2} times that on two threads at once (aim: 1.5)",
            "",
            both / alone
        );
        if has_bpf && !figure.fires {
            let aim = "(aim: 0.1)";
            println!(
                "  {:>59} {:.3} times an empty program at the site {aim}",
                "",
                (alone + plain) / empty
            );
        }
    }
}

/// Nanoseconds of a call, and of one while another thread makes some, too.
fn one_turn(figure: &Figure, target: &mut Target) -> (f64, f64) {
    const BATCHES: usize = 20;
    let mut armed = arm(&figure.plan, target.pid());
    let (mut alone, mut both) = (Vec::new(), Vec::new());
    for _ in 0..BATCHES {
        let calls = if figure.fires { EDITED } else { AT_ONCE / 4 };
        alone.push(target.call(calls));
        armed.engine.take_events();
        both.push(target.call_on_both(if figure.fires { EDITED } else { AT_ONCE }));
        armed.engine.take_events();
    }
    let counters = &armed.engine.tally().counters[0];
    assert_eq!(
        (counters.fired > 0, counters.failed),
        (figure.fires, [0; _]),
        "{}",
        figure.name
    );
    armed.session.let_go(&mut armed.family).expect("it can be let go");
    (least(&alone), least(&both))
}
