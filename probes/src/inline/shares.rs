//! What threads in the core count: each slot has a share of its own, so that they don't wait for each other, and the shares
//! are added up here.

use std::cell::RefCell;
use std::io;
use std::mem::offset_of;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::counted::counted;
use super::layout::{Inside, Room, SLOTS};
use crate::native::Run;
use crate::rows::Rows;
use crate::table::{Counters, TermCounters};

/// The shares of one process.
#[derive(Debug)]
pub(super) struct Shares {
    /// In words.
    size: usize,
    terms: usize,
    rows: Rows<u64>,
    inside: Rc<Rows<Inside>>,
    run: Rc<Run>,
}

impl Shares {
    /// Bytes of a slot's share, a multiple of a page, and where in it the terms begin.
    pub(super) fn layout(rules: usize, terms: usize) -> (u64, u64) {
        let mut room = Room::default();
        room.rows::<Counters>(rules + 1);
        let first = room.rows::<TermCounters>(terms);
        (room.size(), first)
    }

    pub(super) fn of_file(
        file: BorrowedFd<'_>,
        at: u64,
        (size, terms): (u64, u64),
        inside: &Rc<Rows<Inside>>,
        run: &Rc<Run>,
    ) -> io::Result<Shares> {
        Ok(Shares {
            size: size as usize / 8,
            terms: terms as usize / 8,
            rows: Rows::of_file(file, at, (size * SLOTS) as usize / 8)?,
            inside: Rc::clone(inside),
            run: Rc::clone(run),
        })
    }

    /// Only the rows of rules that there are: the others would take memory, in each slot's share.
    fn add_rules(&self, sums: &mut Vec<Counters>) {
        sums.resize(self.run.rule_count(), Counters::default());
        self.add(0, sums);
    }

    fn add_run(&self, sum: &mut Counters) {
        self.add(self.row_of_run() / 8, std::slice::from_mut(sum));
    }

    /// Where in a share the row of the run is: behind all rows of rules that there is room for.
    fn row_of_run(&self) -> usize {
        self.run.rules.len() * size_of::<Counters>()
    }

    /// How often rules have fired, on which no common limit was. Behind the rows of rules there is one for that.
    pub(super) fn faults(&self) -> u64 {
        let fired = (self.row_of_run() + offset_of!(Counters, fired)) / 8;
        let of_slot = |slot| self.rows.get(slot * self.size + fired).unwrap_or_default();
        self.used()
            .fold(0, |sum: u64, slot| sum.wrapping_add(of_slot(slot)))
    }

    /// By each rule.
    pub(super) fn of_rules(&self) -> Vec<Counters> {
        let mut sums = Vec::new();
        self.add_rules(&mut sums);
        sums.into_iter().map(counted).collect()
    }

    pub(super) fn add_terms(&self, sums: &mut [TermCounters]) {
        self.add(self.terms, sums);
    }

    fn add<T: FromBytes + IntoBytes + Immutable + KnownLayout>(&self, first: usize, sums: &mut [T]) {
        let sums = <[u64]>::mut_from_bytes(sums.as_mut_bytes()).expect("counts are of words");
        for slot in self.used() {
            let begin = slot * self.size + first;
            for (sum, word) in sums.iter_mut().zip(begin..) {
                // What is taken back may be in another share.
                *sum = sum.wrapping_add(self.rows.get(word).unwrap_or_default());
            }
        }
    }

    /// The slots that were used: reading the shares of others would take memory for them.
    fn used(&self) -> impl Iterator<Item = usize> + use<> {
        // SAFETY: there is one row, aligned; whoever changes the word does so atomically.
        let used = unsafe { AtomicU64::from_ptr(&raw mut (*self.inside.as_mut_ptr()).shares.used) };
        let used = used.load(Ordering::Acquire);
        (0..SLOTS as usize).filter(move |slot| used & (1 << slot) != 0)
    }
}

/// What processes have counted.
#[derive(Clone, Debug, Default)]
struct Counted {
    rules: Vec<Counters>,
    run: Counters,
}

impl Counted {
    fn add(&mut self, shares: &Shares) {
        shares.add_rules(&mut self.rules);
        shares.add_run(&mut self.run);
    }
}

/// What the processes of a run have counted.
#[derive(Debug)]
pub(super) struct Gathered {
    shares: RefCell<Vec<Rc<Shares>>>,
    /// By those that are gone.
    gone: RefCell<Counted>,
    /// Calls of each rule that are in the common count by now, too.
    numbered: RefCell<Vec<u64>>,
}

impl Gathered {
    pub(super) fn new(rules: usize) -> Gathered {
        Gathered {
            shares: RefCell::default(),
            gone: RefCell::default(),
            numbered: RefCell::new(vec![0; rules]),
        }
    }

    /// One more process counts.
    pub(super) fn join(&self, shares: &Rc<Shares>) {
        let mut all = self.shares.borrow_mut();
        // What is held here alone has nobody who counts any more.
        all.retain(|one| {
            let is_used = Rc::strong_count(one) > 1;
            if !is_used {
                self.gone.borrow_mut().add(one);
            }
            is_used
        });
        all.push(Rc::clone(shares));
    }

    /// So many more calls of a rule are in the common count.
    pub(super) fn is_numbered(&self, rule: usize, calls: u64) {
        let numbered = &mut self.numbered.borrow_mut()[rule];
        *numbered = numbered.wrapping_add(calls);
    }

    /// By each of so many rules.
    pub(super) fn counters(&self, rules: usize) -> Vec<Counters> {
        let mut sums = self.total().rules;
        sums.resize(rules, Counters::default());
        for (sum, numbered) in sums.iter_mut().zip(&*self.numbered.borrow()) {
            sum.matched = sum.matched.wrapping_sub(*numbered);
        }
        sums
    }

    /// Events that found no room.
    pub(super) fn dropped(&self) -> u64 {
        self.total().run.calls
    }

    fn total(&self) -> Counted {
        let mut total = self.gone.borrow().clone();
        self.shares.borrow().iter().for_each(|shares| total.add(shares));
        total
    }
}

/// The sum of two rows of counts.
pub(super) fn sum<T: FromBytes + IntoBytes + Immutable + KnownLayout>(mut one: T, other: &T) -> T {
    let words = <[u64]>::mut_from_bytes(one.as_mut_bytes()).expect("rows of counts are of words");
    let others = <[u64]>::ref_from_bytes(other.as_bytes()).expect("rows of counts are of words");
    for (word, other) in words.iter_mut().zip(others) {
        *word = word.wrapping_add(*other);
    }
    one
}
