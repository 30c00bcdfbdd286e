//! Events that a target has written itself, in the memory through which the inline engine's come.

use std::rc::Rc;

use goinject::compile::compile;
use goinject::event::{Clock, DynamicTypes, Origin, Stacks, fired};
use goinject::go::Binary;
use goinject::plan::Plan;
use goinject::plan::encode::LoadBias;
use goinject::resolve::resolve;
use goinject_probes::table::Event;
use goinject_rules::source::Source;
use goinject_tests::{Flags, fixture};

use super::{Random, feed_so_many};

/// Events are shown with the names of the program's own types and lines: that takes longer than reading a file of rules.
const EVENTS: u64 = 200_000;

const RULES: &str = "version: 1
rules:
- {name: ends, function: main.ended, inject: {return: {m: 1, back: x, y: 1.5, list: null, err: {errno: EIO}}}}
- {name: sees, function: main.ended, mode: observe, inject: {set: {n: 1, err: null, list: null, back: longer}}}
- {name: sets, function: main.late, inject: {set: {text: {xor: 1}, n: {add: 3}, x: 2.5}}}
";

/// A word as hostile programs would have it: at an edge, or anything.
fn word(random: &mut Random, binary: &Binary, near: u64) -> u64 {
    let edge = [0, 1, near, u64::MAX, 1 << 63, u64::from(u32::MAX)][random.below(6)];
    match random.below(4) {
        0 => random.next(),
        1 => edge.wrapping_add(random.next() % 16),
        2 => near + random.next() % 64,
        // Within the program, where types and code are.
        _ => {
            let names = binary.functions();
            let function = names.get(random.below(1000));
            function.map_or(edge, |function| {
                function.entry.0.wrapping_add(random.next() % 0x20_0000)
            })
        }
    }
}

fn event(random: &mut Random, binary: &Binary, plan: &Plan) -> Event {
    let words = size_of::<Event>() / 8;
    let bytes: Vec<u8> = (0..words)
        .flat_map(|_| word(random, binary, 16).to_le_bytes())
        .collect();
    let mut event = Event::from_sent(&bytes).expect("as long as an event");
    let row = |random: &mut Random, rows: usize, other: u32| match random.below(8) {
        0 => other,
        _ => random.below(rows + 1) as u32,
    };
    event.site = row(random, plan.sites.len(), event.site);
    event.rule = row(random, plan.rules.len(), event.rule);
    event.reason = row(random, 1, event.reason);
    event.texts = row(random, 4, event.texts);
    event.frames = row(random, 32, event.frames);
    event
}

#[test]
fn events_of_a_target() {
    let path = fixture("storm", "1.27", Flags::default());
    let binary = Binary::open(&path).expect("a Go program");
    let source = Source::new("rules.yaml", RULES.to_owned());
    let (rules, _) = goinject_rules::parse(&source).expect("rules");
    let resolution = resolve(&rules, &binary);
    assert!(resolution.failure().is_none(), "{resolution:?}");
    let plan = Rc::new(compile(&rules, &resolution, &binary));
    let (bias, stacks, clock) = (LoadBias(0), Stacks::default(), Clock::start());
    let origin = Origin {
        plan: &plan,
        types: DynamicTypes::new(&binary, bias),
        binary: &binary,
        bias,
        stacks: &stacks,
        pid: 1,
        program: "storm",
        clock: &clock,
        generation: 1,
    };
    feed_so_many("events of a target", EVENTS, |random| {
        let event = event(random, &binary, &plan);
        let Some(fired) = fired(&origin, &event) else {
            return false;
        };
        // As reports tell it.
        let shown = fired.values.iter().map(|value| value.after.to_string().len());
        shown.sum::<usize>() + serde_json::to_string(&fired).expect("JSON").len() < 1 << 20
    });
}
