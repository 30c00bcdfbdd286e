//! Traps in a program's code, served through ptrace, and where threads go on behind them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;

use goinject_probes::native::Hit;
use goinject_probes::table::Event;

use super::Spot;
use super::arch::{SIGNAL, TRAP};
use super::sampled::Sampled;
use crate::engine::core_dumps::ends_go;
use crate::engine::guard::{Patch, Way};
use crate::engine::handlers::SERVED;
use crate::engine::stopped::{StoppedThread, commit, gone, hit};
use crate::tracee::arch::{pc, set_pc, stack_pointer};
use crate::tracee::{Family, Memory, Obstacle, Stop, Why};

/// All traps of a target.
#[derive(Debug)]
pub(in crate::engine) struct Traps {
    /// Which is at an address.
    by_address: HashMap<u64, usize>,
    /// Which has its displaced copy at an address.
    by_copy: HashMap<u64, usize>,
    spots: Vec<Spot>,
    copies: Vec<u64>,
    sampled: RefCell<Sampled>,
}

impl Traps {
    /// At these places, with where a thread goes on that passes one.
    pub(in crate::engine) fn new(spots: Vec<Spot>, copies: Vec<u64>) -> Traps {
        let addresses = spots.iter().map(|spot| spot.address);
        Traps {
            by_address: addresses.zip(0..).collect(),
            by_copy: copies.iter().copied().zip(0..).collect(),
            spots,
            copies,
            sampled: RefCell::default(),
        }
    }

    /// What takes them out.
    pub(in crate::engine) fn patches(&self) -> Vec<Patch> {
        let patch = |spot: &Spot| Patch {
            address: spot.address,
            bytes: spot.original().to_vec(),
            way: Way::AtOnce,
        };
        self.spots.iter().map(patch).collect()
    }

    /// Puts them in, while every thread is stopped.
    pub(in crate::engine) fn insert(&self, memory: &Memory) -> io::Result<()> {
        let mut spots = self.spots.iter();
        spots.try_for_each(|spot| memory.write(spot.address, &TRAP).map_err(Obstacle::named))
    }

    /// Takes them out. Threads may be anywhere.
    pub(in crate::engine) fn lift(&self, memory: &Memory) -> io::Result<()> {
        let mut first = Ok(());
        for spot in &self.spots {
            first = first.and(memory.write(spot.address, &spot.original()));
        }
        first
    }

    /// Has a thread that is at one of them go on behind it when it is resumed without the signal; false if it
    /// stopped for another reason. What becomes of its call is for `decide`.
    pub(in crate::engine) fn serve(
        &self,
        stop: &Stop,
        memory: &Memory,
        events: &mut Vec<Event>,
        decide: impl FnOnce(&mut StoppedThread<'_>, &mut Hit),
    ) -> io::Result<bool> {
        if stop.why() != Why::Signal(SIGNAL) || !stop.is_protection_fault() {
            return Ok(false);
        }
        let mut registers = stop.registers()?;
        let address = pc(&registers);
        let Some(which) = self.by_address.get(&address).copied() else {
            return Ok(false);
        };
        let copy = self.copies[which];
        let stack = stack_pointer(&registers);
        if self.sampled.borrow_mut().is_back(stop.tid(), address, stack) {
            set_pc(&mut registers, copy);
        } else {
            let mut hit = hit(&registers, address, self.spots[which].site, stop.tid());
            decide(
                &mut StoppedThread::new(stop, &registers, memory, events),
                &mut hit,
            );
            commit(&hit, &mut registers, copy);
        }
        // If goinject is killed from here on, the trap is delivered, but nothing is left to do about it.
        stop.mark_signal(SERVED)?;
        stop.set_registers(registers)?;
        Ok(true)
    }

    /// A signal that takes a sample for a profile, or at which Go tells where its goroutines are, finds a thread where it was
    /// stopped, and most stops are those of our own traps. The thread stands before a displaced copy then, whose callers no Go
    /// runtime can tell. Here it is put back to the trap for as long as the handler runs, and is let pass there afterwards. True if
    /// its registers were changed.
    pub(in crate::engine) fn show_place(&self, stop: &Stop) -> io::Result<bool> {
        let Why::Signal(signal) = stop.why() else {
            return Ok(false);
        };
        if signal != libc::SIGPROF && !ends_go(stop) {
            // It may have Go's runtime take the goroutine to another thread from here.
            return self.pass_sampled(stop);
        }
        let mut registers = stop.registers()?;
        let Some(which) = self.by_copy.get(&pc(&registers)).copied() else {
            return Ok(false);
        };
        let address = self.spots[which].address;
        set_pc(&mut registers, address);
        stop.set_registers(registers)?;
        let stack = stack_pointer(&registers);
        self.sampled.borrow_mut().put_back(stop.tid(), address, stack);
        Ok(true)
    }

    /// Has a thread that was put back to its trap for a sample, and stands there again, go on behind it: the call was looked
    /// at, and is not to be by the next rules; true if it does.
    fn pass_sampled(&self, stop: &Stop) -> io::Result<bool> {
        let mut sampled = self.sampled.borrow_mut();
        if !sampled.has(stop.tid()) {
            return Ok(false);
        }
        let mut registers = stop.registers()?;
        let at = pc(&registers);
        let Some(which) = self.by_address.get(&at).copied() else {
            return Ok(false);
        };
        if !sampled.is_back(stop.tid(), at, stack_pointer(&registers)) {
            return Ok(false);
        }
        set_pc(&mut registers, self.copies[which]);
        stop.set_registers(registers)?;
        Ok(true)
    }

    /// Has a thread that was served come to its trap once more; true if it does.
    pub(in crate::engine) fn step_back(&self, stop: &Stop) -> io::Result<bool> {
        let mut registers = stop.registers()?;
        let Some(which) = self.by_copy.get(&pc(&registers)).copied() else {
            return Ok(false);
        };
        set_pc(&mut registers, self.spots[which].address);
        stop.set_registers(registers)?;
        Ok(true)
    }

    /// Stopped threads of a process, none with a trap to be told of. `serve` has one that is at one of these go on behind it.
    pub(in crate::engine) fn clean(
        &self,
        pid: i32,
        stops: Vec<Stop>,
        family: &mut Family,
        serve: &mut dyn FnMut(&Stop) -> io::Result<bool>,
    ) -> io::Result<Vec<Stop>> {
        let mut clean = Vec::new();
        for mut stop in stops {
            // A thread may have passed a trap and not have reported it yet: it runs into its
            // report now, before the handler that would catch the signal is taken away.
            if stop.has_pending_fault() {
                match family.go_on_to_signal(pid, stop)? {
                    Some(next) => stop = next,
                    None => continue,
                }
            }
            if !serve(&stop)? {
                self.pass_sampled(&stop).or_else(gone)?;
                clean.push(stop);
            } else if let Some(stop) = family.take_back_signal(pid, stop)? {
                clean.push(stop);
            }
        }
        Ok(clean)
    }

    /// A thread of the process is gone.
    pub(in crate::engine) fn thread_gone(&self, tid: i32) {
        self.sampled.borrow_mut().forget(tid);
    }
}
