//! Breakpoints in a running program, served through ptrace: what becomes of a thread that comes to one is decided, and it goes on
//! in a displaced copy of the instruction.

mod arch;
mod ground;
mod sampled;

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;

use goinject_probes::native::Hit;
use goinject_probes::table::Event;

pub(super) use self::arch::{TRAP, Trap, trap_beside_uprobes};
pub(super) use self::ground::Ground;
pub use self::ground::Refusal;
use self::sampled::Sampled;
use super::guard::{Guard, Patch, Way};
use super::stopped::{StoppedThread, commit, gone, hit};
use crate::plan::Plan;
use crate::plan::encode::LoadBias;
use crate::tracee::arch::{pc, set_pc, stack_pointer};
use crate::tracee::{Family, Memory, Obstacle, Remote, Stop, Why, borrow_thread};

/// Why breakpoints can't be put in.
#[derive(Debug, thiserror::Error)]
pub enum InsertError {
    /// The target's code is out of reach.
    #[error("cannot trace the target: {0}")]
    Trace(io::Error),
    /// The guard process did not start.
    #[error("cannot start the process that guards the breakpoints: {0}")]
    Guard(io::Error),
}

/// A breakpoint to be.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    /// The row of its site.
    site: u32,
    /// Run-time address.
    address: u64,
    /// The instruction there.
    bytes: Vec<u8>,
}

impl Spot {
    /// Those of a plan's sites that are wanted.
    pub(super) fn of(plan: &Plan, bias: LoadBias, is_wanted: impl Fn(usize) -> bool) -> Vec<Spot> {
        let sites = plan.sites.iter().enumerate().zip(0..);
        let wanted = sites.filter(|((n, _), _)| is_wanted(*n));
        wanted
            .map(|((_, place), site)| Spot {
                site,
                address: bias.apply(place.instruction.address),
                bytes: place.instruction.bytes.clone(),
            })
            .collect()
    }

    /// The bytes that the breakpoint is over.
    fn original(&self) -> Trap {
        *self
            .bytes
            .first_chunk()
            .expect("no instruction is shorter than a breakpoint")
    }
}

/// All breakpoints of a target. Dropping this leaves them in, and the guard takes them out.
#[derive(Debug)]
pub(super) struct Breakpoints {
    pid: i32,
    /// Which is at an address.
    by_address: HashMap<u64, usize>,
    /// Which has its displaced copy at an address.
    by_copy: HashMap<u64, usize>,
    spots: Vec<Spot>,
    ground: Ground,
    sampled: RefCell<Sampled>,
    guard: Option<Guard>,
}

impl Breakpoints {
    /// Puts breakpoints in, while every thread is stopped.
    pub(super) fn insert(
        memory: &Memory,
        pid: i32,
        ground: Ground,
        (spots, trap): (Vec<Spot>, Trap),
    ) -> Result<Breakpoints, InsertError> {
        let patch = |spot: &Spot| Patch {
            address: spot.address,
            bytes: spot.original().to_vec(),
            way: Way::AtOnce,
        };
        let patches: Vec<Patch> = spots.iter().map(patch).collect();
        let guard = Guard::start(memory, pid, &patches).map_err(InsertError::Guard)?;
        let addresses = spots.iter().map(|spot| spot.address);
        let breakpoints = Breakpoints {
            pid,
            by_address: addresses.zip(0..).collect(),
            by_copy: ground.copies.iter().copied().zip(0..).collect(),
            spots,
            ground,
            sampled: RefCell::default(),
            guard: Some(guard),
        };
        for spot in &breakpoints.spots {
            memory
                .write(spot.address, &trap)
                .map_err(|error| InsertError::Trace(Obstacle::named(error)))?;
        }
        Ok(breakpoints)
    }

    /// Has a thread that is at one of the breakpoints go on behind it when it is resumed without the signal; false if it
    /// stopped for another reason. What becomes of its call is for `decide`.
    pub(super) fn serve(
        &self,
        stop: &Stop,
        memory: &Memory,
        events: &mut Vec<Event>,
        decide: impl FnOnce(&mut StoppedThread<'_>, &mut Hit),
    ) -> io::Result<bool> {
        if stop.why() != Why::Signal(libc::SIGTRAP) || !stop.is_from_kernel() {
            return Ok(false);
        }
        let mut registers = stop.registers()?;
        let address = arch::breakpoint_address(pc(&registers));
        let Some(which) = self.by_address.get(&address).copied() else {
            return Ok(false);
        };
        let copy = self.ground.copies[which];
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
        stop.mark_signal(arch::SERVED)?;
        stop.set_registers(registers)?;
        Ok(true)
    }

    /// A signal that takes a sample for a profile finds a thread where it was stopped, and most stops are those of our own
    /// breakpoints. The thread stands before a displaced copy then, whose callers no Go runtime can tell. Here it is put back to
    /// the breakpoint for as long as the handler runs, and is let pass there afterwards. True if its registers were changed.
    pub(super) fn show_place(&self, stop: &Stop) -> io::Result<bool> {
        let Why::Signal(signal) = stop.why() else {
            return Ok(false);
        };
        if signal != libc::SIGPROF {
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

    /// Has a thread that was put back to its breakpoint for a sample, and stands there again, go on behind it: the call was looked
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
        set_pc(&mut registers, self.ground.copies[which]);
        stop.set_registers(registers)?;
        Ok(true)
    }

    /// Stopped threads, none with a breakpoint's trap to be told of. `serve` has one that is at a breakpoint go on behind it.
    pub(super) fn clean(
        &self,
        stops: Vec<Stop>,
        family: &mut Family,
        serve: &mut dyn FnMut(&Stop) -> io::Result<bool>,
    ) -> io::Result<Vec<Stop>> {
        let mut clean = Vec::new();
        for mut stop in stops {
            // A thread may have passed a breakpoint and not have reported its trap yet: it runs into its
            // report now, before the stub that would catch the trap is taken away.
            if stop.has_pending_trap() {
                match family.go_on_to_signal(self.pid, stop)? {
                    Some(next) => stop = next,
                    None => continue,
                }
            }
            let served = serve(&stop)?;
            if !served {
                self.pass_sampled(&stop).or_else(gone)?;
            }
            clean.push(if served { stop.without_signal() } else { stop });
        }
        Ok(clean)
    }

    /// A thread of the process is gone.
    pub(super) fn thread_gone(&self, tid: i32) {
        self.sampled.borrow_mut().forget(tid);
    }

    /// Takes the breakpoints out. Threads may be anywhere.
    ///
    /// # Errors
    /// One of them can't be written over. A target that is gone or runs another program has none.
    pub(super) fn lift(&self, memory: &Memory) -> io::Result<()> {
        let mut first = Ok(());
        for spot in &self.spots {
            first = first.and(memory.write(spot.address, &spot.original()));
        }
        match self.are_in(memory) {
            true => first,
            false => Ok(()),
        }
    }

    /// Whether the program that has the breakpoints still runs.
    pub(super) fn are_in(&self, memory: &Memory) -> bool {
        memory.word(self.ground.page.start).is_ok()
    }

    /// Gives SIGTRAP back its former action, once no thread can have a trap pending. The copies stay
    /// mapped: a thread may be interrupted within one.
    pub(super) fn restore_action(&self, remote: &mut Remote) -> io::Result<()> {
        self.ground.restore_action(remote)
    }

    /// Has a target that has been let go, but for the thread that is lent, take back what it was given: SIGTRAP's action, and
    /// what `also` does. The breakpoints have been lifted.
    ///
    /// # Errors
    /// It has to keep that.
    pub(super) fn leave(
        &mut self,
        lent: Option<Stop>,
        is_child: bool,
        (family, memory): (&Family, &Memory),
        also: impl FnOnce(&mut Remote) -> io::Result<()>,
    ) -> io::Result<()> {
        let leave = |remote: &mut Remote| {
            if !self.are_in(memory) {
                return Ok(());
            }
            self.restore_action(remote)?;
            also(remote)
        };
        let left = match lent {
            Some(stop) => family.lend_last(self.pid, stop, leave),
            None if is_child => Ok(()),
            None => borrow_thread(self.pid, leave),
        };
        self.dismiss_guard();
        left
    }

    /// Sees the guard off: no breakpoint is left.
    pub(super) fn dismiss_guard(&mut self) {
        if let Some(guard) = self.guard.take() {
            guard.dismiss();
        }
    }
}

/// What stays where SIGTRAP can't be given back its former action.
pub(super) const LEFT: &str = "goinject's handler of SIGTRAP, which passes on what is not its own";
