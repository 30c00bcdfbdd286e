//! Calls that are counted in lanes, by all that a run has.

use super::*;
use crate::native::{Core, Hit, OutOfReach};

/// The count of a rule as if threads had met there: calls pass in lanes, in 32 of them from the start.
fn open(run: &SharedRun) {
    let word = run.run.counters.as_mut_ptr();
    // SAFETY: the first row; nobody counts yet.
    let matched = unsafe { AtomicU64::from_ptr(&raw mut (*word).matched) };
    assert_eq!(matched.load(Ordering::Relaxed), 0);
    matched.store(1 << 62 | 5 << 56, Ordering::Relaxed);
}

/// One run with two processes that have jumps, and one that has breakpoints. All count in the same order, in lanes where that is open;
/// and what a process that is gone has left in its lanes is there for the others.
#[test]
fn processes_of_a_run_count_in_one_order_whatever_leads_to_the_core() {
    const CALLS: u64 = 20_000;
    for (rule, turns) in [
        (
            Rule {
                flags: RULE_NTH,
                nth: 100_000,
                ..Rule::default()
            },
            vec![100_000],
        ),
        (
            Rule {
                flags: RULE_EVERY | RULE_AFTER_CALLS,
                every: 17_000,
                after_calls: 30_000,
                ..Rule::default()
            },
            (2..=10).map(|n| n * 17_000).collect(),
        ),
        (
            Rule {
                flags: RULE_AFTER_CALLS | RULE_UNTIL_CALLS,
                after_calls: 159_999,
                until_calls: 160_003,
                ..Rule::default()
            },
            vec![160_000, 160_001, 160_002, 160_003],
        ),
    ] {
        // Numbers are told later, or needed at once.
        for source in [Source::Put, Source::Random] {
            let (bindings, mut edits) = sets_rax(0);
            edits[0].source = source as u8;
            let tables = tables(bindings, edits, Vec::new());
            let run = Rc::new(SharedRun::new(&tables).unwrap());
            run.run().set_rule(0, &rule);
            open(&run);
            let mut one = Mapped::in_run(&run, &tables);
            let mut other = Mapped::in_run(&run, &tables);
            let mut numbers = Vec::new();
            let count = |stubs: &[u64]| {
                std::thread::scope(|scope| {
                    for stub in stubs {
                        let stub = *stub;
                        scope.spawn(move || (0..CALLS).for_each(|n| _ = call(stub, n)));
                    }
                });
            };
            count(&[one.stub, other.stub, one.stub, other.stub]);
            assert_eq!(run.counters()[0].matched, 4 * CALLS, "{rule:?}");
            numbers.extend(one.take_events().iter().map(|event| event.call));
            drop(one);
            assert_eq!(run.counters()[0].matched, 4 * CALLS, "{rule:?}");
            // The tracer counts while threads do.
            let stub = other.stub;
            let mut fired = Vec::new();
            let mut traced = OutOfReach(|event: &Event| fired.push(event.call));
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(move || (0..CALLS).for_each(|n| _ = call(stub, n)));
                }
                let mut core = Core::of(run.run(), &tables);
                core.start();
                for _ in 0..2 * CALLS {
                    core.hit(&mut traced, &mut Hit::default());
                }
            });
            numbers.extend(other.take_events().iter().map(|event| event.call));
            numbers.extend(fired);
            numbers.sort_unstable();
            assert_eq!(numbers, turns, "{rule:?}");
            let counters = run.counters()[0];
            let fired = turns.len() as u64;
            assert_eq!((counters.matched, counters.fired), (9 * CALLS, fired), "{rule:?}");
            assert_eq!(counters.held[Held::Calls as usize], 9 * CALLS - fired, "{rule:?}");
        }
    }
}
