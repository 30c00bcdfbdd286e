//! Calls with a jump to the core inside the program, against the plain call and against an empty program of the kernel at the
//! same instruction. All in one run, by turns.

use goinject::go::Binary;
use goinject::host;
use goinject_probes::program::Attach;

use crate::faults::{Run, numbers};
use crate::hits::{batches, plan_of, with_empty_program};
use crate::program;
use crate::rules::NEVER;
use crate::target::{CROWD, Target, least, time};

/// Batches of calls, and what is in one of a thread alone, and of each of two threads.
const BATCHES: usize = 20;
/// Batches of a crowd.
const CROWDS: usize = 5;
const CALLS: [u64; 2] = [50_000, OF_EACH];
const OF_EACH: u64 = 100_000;
/// The same where each call is changed: not more than there is room for events, and milliseconds in which goinject takes them.
const CHANGED: [u64; 2] = [2000, 1000];
const REST: u64 = 25;
/// Processor time against time, from which on two threads are taken to have run at once.
const AT_ONCE: f64 = 1.8;

/// What becomes of the events.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Events {
    /// No call is changed.
    None,
    /// Nobody takes them.
    Untaken,
    /// They go to a file, and there is room for each.
    Told,
    /// They go to a file, and there are more than there is room for.
    Dropped,
}

/// One line of figures: a rule file, and what it may cost.
struct Figure {
    name: &'static str,
    rules: &'static str,
    events: Events,
    /// Nanoseconds over the plain call that are aimed at.
    aim: f64,
    alone: Vec<f64>,
    both: Vec<f64>,
    crowd: Vec<f64>,
}

/// Prints what a call costs. `run` runs the program with jumps, `run_told` so that events are taken.
pub(crate) fn measure(run: &mut Run<'_>, run_told: &mut Run<'_>, turns: usize) {
    let figure = |name, rules, events, aim| Figure {
        name,
        rules,
        events,
        aim,
        alone: Vec::new(),
        both: Vec::new(),
        crowd: Vec::new(),
    };
    let mut figures = [
        figure("never its turn again", "no-turn", Events::None, 50.0),
        figure("not yet its turn", "no-turn-yet", Events::None, 50.0),
        figure("one condition", "never", Events::None, 50.0),
        figure("three conditions", "three", Events::None, 80.0),
        figure("an edit", "edit", Events::Untaken, 60.0),
        figure("an early return", "end", Events::Untaken, 80.0),
        figure("an edit, told", "edit", Events::Told, 60.0),
        figure("an early return, told", "end", Events::Told, 80.0),
        figure("an edit, events dropped", "edit", Events::Dropped, 60.0),
        figure("a return, events dropped", "end", Events::Dropped, 80.0),
    ];
    let binary = Binary::open(&program()).expect("a Go program");
    let site = plan_of(NEVER, &binary).sites[0].instruction.file_offset.0;
    let has_bpf = host::look_at_all().bpf.load.is_yes();
    let mut target = Target::start();
    let (mut plain, mut plain_both, mut empty) = (Vec::new(), Vec::new(), Vec::new());
    let mut plain_crowd = Vec::new();
    for _ in 0..turns {
        plain.push(batches(&mut target, 3.0));
        plain_both.push(target.call_on_both(OF_EACH));
        plain_crowd.extend((0..CROWDS).map(|_| target.call_in_a_crowd(OF_EACH)));
        if has_bpf {
            empty.push(with_empty_program(site, Attach::Empty, &mut target));
        }
        for figure in &mut figures {
            match figure.events {
                Events::None | Events::Untaken => one_turn(figure, run),
                Events::Told | Events::Dropped => one_turn(figure, run_told),
            }
        }
    }
    let [plain, plain_both, plain_crowd, empty] =
        [plain, plain_both, plain_crowd, empty].map(|measured| least(&measured));
    println!(
        "jumps inside the program, the least of {turns} turns; the plain call takes {}",
        time(plain)
    );
    for figure in &figures {
        let (alone, both) = (least(&figure.alone) - plain, least(&figure.both) - plain_both);
        let (more, aim) = (time(alone), time(figure.aim));
        println!("  {:24} {more:>10} more (aim: {aim})", figure.name);
        match figure.both.is_empty() {
            true => println!(
                "{:>14} two threads never ran at once: this machine is too busy",
                ""
            ),
            false => println!(
                "{:>14} {:.2} times that on two threads at once (aim: 1.5)",
                "",
                both / alone
            ),
        }
        if !figure.crowd.is_empty() {
            println!(
                "{:>14} {:.2} times its processor time on eight threads (aim: 1.5)",
                "",
                (least(&figure.crowd) - plain_crowd) / alone
            );
        }
        if has_bpf && figure.events == Events::None {
            let ratio = (alone + plain) / empty;
            println!(
                "{:>14} {ratio:.3} times an empty program at the site (aim: 0.1)",
                ""
            );
        }
    }
}

/// Nanoseconds of a call, and of one while another thread makes some, too.
fn one_turn(figure: &mut Figure, run: &mut Run<'_>) {
    let is_told = figure.events == Events::Told;
    let [alone, both] = if is_told { CHANGED } else { CALLS };
    let rest = if is_told {
        format!("rest {REST}\n")
    } else {
        String::new()
    };
    let commands = |command: &str, calls: u64| format!("{rest}{command} {calls}\n").repeat(BATCHES);
    // Of a crowd, some threads wait for a processor, and their events would not be taken in time.
    let crowd = match is_told {
        true => String::new(),
        false => format!("crowd {both}\n").repeat(CROWDS),
    };
    let commands = commands("calls", alone) + &commands("both", both) + &crowd;
    let output = run(figure.rules, commands.trim_end()).unwrap_or_else(|error| panic!("{error}"));
    let answers = numbers(&output);
    let (of_one, rest) = answers.split_at(BATCHES.min(answers.len()));
    let (of_both, of_crowd) = rest.split_at(BATCHES.min(rest.len()));
    let of_one: Vec<f64> = of_one.iter().map(|(total, _)| *total).collect();
    figure.alone.push(least(&of_one) / alone as f64);
    let at_once = of_both.iter().filter(|(total, used)| used / total >= AT_ONCE);
    figure
        .crowd
        .extend(of_crowd.iter().map(|(_, used)| used / both as f64 / CROWD));
    figure.both.extend(at_once.map(|(total, _)| total / both as f64));
}
