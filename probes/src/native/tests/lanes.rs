//! Counting in lanes, one step after another. Threads make their steps as chance has it, one at a time, so that each order of steps can
//! come, and some stop for good in the middle of one.

use std::ffi::{c_int, c_void};
use std::sync::atomic::AtomicU64;
use std::sync::{Condvar, Mutex};

use crate::table::{RULE_AFTER_CALLS, RULE_EVERY, RULE_FIRST, RULE_NTH, RULE_UNTIL_CALLS, Rule};

type Step = extern "C" fn(*mut c_void);

unsafe extern "C" {
    fn goinject_count_by_steps(
        rule: *const Rule,
        counter: *mut u64,
        lanes: *mut u64,
        at: *mut u32,
        passes: c_int,
        step: Option<Step>,
        stepper: *mut c_void,
    ) -> u64;
    fn goinject_all_by_steps(
        rule: *const Rule,
        counter: *const u64,
        lanes: *const u64,
        step: Option<Step>,
        stepper: *mut c_void,
    ) -> u64;
}

/// `GI_PASSED`.
const PASSED: u64 = u64::MAX;
/// Words of the lanes that the tests have.
const WORDS: usize = 4 * 16;

/// As `gi_counted` has it.
fn is_turn(rule: &Rule, n: u64) -> bool {
    let has = |flag| rule.flags & flag != 0;
    !(has(RULE_NTH) && n != rule.nth
        || has(RULE_EVERY) && !n.is_multiple_of(rule.every)
        || has(RULE_FIRST) && n > rule.first
        || has(RULE_AFTER_CALLS) && n <= rule.after_calls
        || has(RULE_UNTIL_CALLS) && n > rule.until_calls)
}

/// Numbers by chance, the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize % end
    }
}

/// A call that came back: how many had before it began, how many had begun by its end, and its number.
struct Made {
    done_before: u64,
    begun: u64,
    number: u64,
}

/// Who makes the next step.
struct Table {
    chance: Chance,
    /// One step in so many goes to another thread.
    keeps: usize,
    running: usize,
    is_there: Vec<bool>,
    /// A thread that stops after so many steps, until all others are done.
    stops: (usize, u64),
    steps: Vec<u64>,
    begun: u64,
    done: u64,
    made: Vec<Made>,
}

impl Table {
    /// Chooses among the threads that are there, those that have stopped last.
    fn choose(&mut self) {
        let (thread, step) = self.stops;
        let is_stopped = |other: usize| other == thread && self.steps[thread] >= step;
        let there: Vec<usize> = (0..self.is_there.len()).filter(|n| self.is_there[*n]).collect();
        let going: Vec<usize> = there.iter().copied().filter(|n| !is_stopped(*n)).collect();
        let among = if going.is_empty() { there } else { going };
        if among.contains(&self.running) && self.chance.below(self.keeps) != 0 {
            return;
        }
        if !among.is_empty() {
            self.running = among[self.chance.below(among.len())];
        }
    }
}

struct Counted {
    rule: Rule,
    counter: AtomicU64,
    lanes: Vec<AtomicU64>,
    table: Mutex<Table>,
    turned: Condvar,
}

/// A thread, as the steps of the core know it.
struct Stepper<'a> {
    counted: &'a Counted,
    thread: usize,
}

extern "C" fn step(stepper: *mut c_void) {
    // SAFETY: it is lent for the call that makes the step.
    let stepper = unsafe { &*stepper.cast::<Stepper<'_>>() };
    stepper.wait();
}

impl Stepper<'_> {
    /// Waits for the next turn.
    fn wait(&self) {
        let mut table = self.counted.table.lock().unwrap();
        table.steps[self.thread] += 1;
        if table.running == self.thread {
            table.choose();
            self.counted.turned.notify_all();
        }
        while table.running != self.thread {
            table = self.counted.turned.wait(table).unwrap();
        }
    }

    /// What others are in the middle of, for good perhaps, is in the count or is not.
    fn leave(&self) {
        let mut table = self.counted.table.lock().unwrap();
        let all = self.counted.all(None, std::ptr::null_mut());
        assert!((table.done..=table.begun).contains(&all), "{all}");
        table.is_there[self.thread] = false;
        table.choose();
        self.counted.turned.notify_all();
    }

    fn call(&self, lane: u32, passes: bool) {
        let counted = self.counted;
        let done_before = {
            let mut table = counted.table.lock().unwrap();
            table.begun += 1;
            table.done
        };
        let mut at = lane;
        // SAFETY: all of it lives for the call, and is changed atomically.
        let number = unsafe {
            goinject_count_by_steps(
                &raw const counted.rule,
                counted.counter.as_ptr(),
                counted.lanes[0].as_ptr(),
                &raw mut at,
                c_int::from(passes),
                Some(step),
                std::ptr::from_ref(self).cast_mut().cast(),
            )
        };
        let mut table = counted.table.lock().unwrap();
        table.done += 1;
        let begun = table.begun;
        table.made.push(Made {
            done_before,
            begun,
            number,
        });
    }

    /// Looks at the count, as goinject does.
    fn look(&self) {
        let counted = self.counted;
        let before = counted.table.lock().unwrap().done;
        let all = counted.all(Some(step), std::ptr::from_ref(self).cast_mut().cast());
        let begun = counted.table.lock().unwrap().begun;
        assert!((before..=begun).contains(&all), "{before} {all} {begun}");
    }
}

impl Counted {
    fn all(&self, step: Option<Step>, stepper: *mut c_void) -> u64 {
        // SAFETY: as in `call`.
        unsafe {
            goinject_all_by_steps(
                &raw const self.rule,
                self.counter.as_ptr(),
                self.lanes[0].as_ptr(),
                step,
                stepper,
            )
        }
    }
}

const THREADS: usize = 3;
const CALLS: usize = 14;

/// Has threads count as chance has it, and returns how many calls passed without a number.
fn run(rule: Rule, seed: u64) -> u64 {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let keeps = [1, 2, 8][chance.below(3)];
    let stops = (chance.below(THREADS), chance.below(300) as u64 + 1);
    // Some calls need a number whatever the turn.
    let needs_number = chance.below(3) == 0;
    let lanes: Vec<Vec<u32>> = (0..THREADS)
        .map(|_| (0..CALLS).map(|_| chance.below(4) as u32).collect())
        .collect();
    let counted = Counted {
        rule,
        counter: AtomicU64::new(0),
        lanes: (0..WORDS).map(|_| AtomicU64::new(0)).collect(),
        table: Mutex::new(Table {
            running: 0,
            is_there: vec![true; THREADS + 1],
            steps: vec![0; THREADS + 1],
            chance,
            keeps,
            stops,
            begun: 0,
            done: 0,
            made: Vec::new(),
        }),
        turned: Condvar::new(),
    };
    std::thread::scope(|scope| {
        for (thread, lanes) in lanes.iter().enumerate() {
            let stepper = Stepper {
                counted: &counted,
                thread,
            };
            scope.spawn(move || {
                stepper.wait();
                for (n, lane) in lanes.iter().enumerate() {
                    stepper.call(*lane, !(needs_number && n % 5 == thread));
                }
                stepper.leave();
            });
        }
        let stepper = Stepper {
            counted: &counted,
            thread: THREADS,
        };
        scope.spawn(move || {
            stepper.wait();
            (0..8).for_each(|_| stepper.look());
            stepper.leave();
        });
    });
    let all = (THREADS * CALLS) as u64;
    assert_eq!(counted.all(None, std::ptr::null_mut()), all);
    let made = counted.table.into_inner().unwrap().made;
    let (passed, numbered): (Vec<_>, Vec<_>) = made.iter().partition(|made| made.number == PASSED);
    let mut numbers: Vec<u64> = numbered.iter().map(|made| made.number).collect();
    numbers.sort_unstable();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    for made in &numbered {
        let possible = made.done_before + 1..=made.begun;
        assert!(possible.contains(&made.number), "{possible:?} {}", made.number);
    }
    let turns: Vec<u64> = (1..=all).filter(|n| is_turn(&rule, *n)).collect();
    numbers.retain(|n| is_turn(&rule, *n));
    assert_eq!(numbers, turns, "{rule:?}");
    passed.len() as u64
}

#[test]
fn each_turn_comes_once_in_whatever_order_threads_count() {
    let of = |flags, set: &dyn Fn(&mut Rule)| {
        let mut rule = Rule {
            flags,
            ..Rule::default()
        };
        set(&mut rule);
        rule
    };
    let rules = [
        of(RULE_NTH, &|rule| rule.nth = 30),
        of(RULE_EVERY, &|rule| rule.every = 7),
        of(RULE_EVERY | RULE_AFTER_CALLS, &|rule| {
            (rule.every, rule.after_calls) = (5, 20)
        }),
        of(RULE_AFTER_CALLS | RULE_FIRST, &|rule| {
            (rule.after_calls, rule.first) = (18, 30)
        }),
        of(RULE_EVERY | RULE_UNTIL_CALLS, &|rule| {
            (rule.every, rule.until_calls) = (12, 30)
        }),
    ];
    for rule in rules {
        let passed: u64 = (0..150).map(|seed| run(rule, seed)).sum();
        assert!(
            passed > 150,
            "calls are to pass without a number: {passed}, {rule:?}"
        );
    }
}
