//! What a target is given before rules act: scratch memory, and package data that can be written.
//!
//! It is done by system calls that one of the target's own threads makes under ptrace, stopped for a
//! moment.

use std::io;
use std::ops::Range;

use goinject_probes::table::Process;

use super::supply::{self, FIRST};
use super::{Leftover, scanned};
use crate::plan::Plan;
use crate::plan::encode::{LoadBias, Loaded, scratch_image};
use crate::tracee::{
    Family, Memory, Obstacle, Remote, Stop, borrow_thread, hole_near, mapping_code, mappings, page_size,
};

/// Why a target can't be given what it needs.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// None of its threads can be used.
    #[error("cannot trace the target: {0}")]
    Obstacle(Obstacle),
    /// A thread was refused something.
    #[error("cannot put the texts and errors that the rules inject into the target's memory: {0}")]
    Refused(io::Error),
}

impl From<io::Error> for ProvisionError {
    fn from(error: io::Error) -> ProvisionError {
        match Obstacle::of(&error) {
            Some(obstacle) => ProvisionError::Obstacle(obstacle.clone()),
            None => ProvisionError::Refused(error),
        }
    }
}

/// Whether rules can't act before the target was stopped for a moment: without that there is no place
/// for their texts.
pub fn is_needed(plan: &Plan) -> bool {
    !plan.scratch.is_empty() || plan.makes_copies()
}

/// Who writes the target's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenBy {
    /// BPF. Until a program first writes a page of its data, the page is shared with its file, and the
    /// kernel's helper can't take it out of that. So this is done beforehand.
    Kernel,
    /// A tracer, which may write everywhere.
    Tracer,
}

/// What a plan needs of a process, put there by system calls of one of its threads.
#[derive(Clone, Copy, Debug)]
pub struct Provision<'a> {
    plan: &'a Plan,
    bias: LoadBias,
    by: WrittenBy,
    shared_data: bool,
    is_starting: bool,
}

impl<'a> Provision<'a> {
    /// What this plan needs, for a program that lies there.
    pub fn of(plan: &'a Plan, bias: LoadBias, by: WrittenBy) -> Provision<'a> {
        Provision {
            plan,
            bias,
            by,
            shared_data: by == WrittenBy::Kernel && plan.writes_behind_pointers(),
            is_starting: false,
        }
    }

    /// The same for a program whose runtime has not run yet: its garbage collector is told of new values later, by
    /// [`have_scanned`].
    pub fn of_starting(plan: &'a Plan, bias: LoadBias, by: WrittenBy) -> Provision<'a> {
        Provision {
            is_starting: true,
            ..Provision::of(plan, bias, by)
        }
    }

    /// Gives it to a process, through one of its threads, which comes back as it was.
    pub fn give(self, family: &Family, pid: i32, stop: Stop) -> Result<(Loaded, Stop), ProvisionError> {
        if !self.is_anything() {
            return Ok((self.nothing(), stop));
        }
        let mut remote = match self.is_starting {
            true => family.remote_at_start(pid, stop)?,
            false => family.remote(pid, stop)?,
        };
        let loaded = self.make(&mut remote)?;
        Ok((loaded, remote.finish()?))
    }

    /// Gives it to a running process, which nobody traces.
    pub fn give_running(self, pid: i32) -> Result<Loaded, ProvisionError> {
        if !self.is_anything() {
            return Ok(self.nothing());
        }
        match borrow_thread(pid, |remote| self.make(remote)) {
            // Data that can't be made its own now may be so already; where not, edits fail and are counted.
            Err(_) if !is_needed(self.plan) => Ok(self.nothing()),
            result => Ok(result?),
        }
    }

    fn is_anything(self) -> bool {
        is_needed(self.plan) || self.shared_data
    }

    fn nothing(self) -> Loaded {
        Loaded {
            bias: self.bias,
            ..Loaded::default()
        }
    }

    /// Makes it with a thread of the process.
    pub fn make(self, remote: &mut Remote) -> io::Result<Loaded> {
        let mut loaded = self.nothing();
        if is_needed(self.plan) {
            map_scratch(self.plan, self.by, remote, &mut loaded)?;
        }
        if self.plan.makes_scanned_copies() && !self.is_starting {
            have_scanned(self.plan, &mut loaded, remote.memory())?;
        }
        if self.shared_data {
            populate_data(self.plan, self.bias, remote)?;
        }
        Ok(loaded)
    }
}

/// Has the garbage collector of a process scan the new values that hold pointers.
///
/// # Errors
/// Those of its memory, or its runtime is not as it should be.
pub fn have_scanned(plan: &Plan, loaded: &mut Loaded, memory: &Memory) -> io::Result<()> {
    if !scanned::list(plan, loaded, memory)? {
        return Err(io::Error::other("its Go runtime is still starting"));
    }
    loaded.scanned = true;
    Ok(())
}

/// Maps the scratch memory, fills it, and protects what never changes.
fn map_scratch(plan: &Plan, by: WrittenBy, remote: &mut Remote, loaded: &mut Loaded) -> io::Result<()> {
    let constants = (plan.scratch.bytes.len() as u64).next_multiple_of(page_size());
    let is_scanned = plan.makes_scanned_copies();
    let size = |copies: u64| constants + copies + if is_scanned { scanned::size(copies) } else { 0 };
    let mut copies = match plan.makes_copies() {
        true => supply::most(remote.pid()),
        false => 0,
    };
    let start = loop {
        match map(remote, 0, size(copies), libc::PROT_WRITE, libc::MAP_NORESERVE) {
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) && copies > FIRST => {
                copies = (copies / 4).max(FIRST);
            }
            other => break other?,
        }
    };
    loaded.scratch = start;
    loaded.copies = start + constants..start + constants + copies;
    let marks = if is_scanned { scanned::marks(copies) } else { 0 };
    loaded.marks = loaded.copies.end..loaded.copies.end + marks;
    remote.memory().write(start, &scratch_image(plan, loaded))?;
    supply::begin(loaded, by, remote.memory())?;
    // Where RLIMIT_MEMLOCK does not allow it, the pages may be swapped out; then they are waited for,
    // or an edit fails and is counted. A filter may end a process for this call.
    let locked = match by {
        WrittenBy::Kernel => constants + copies.min(FIRST),
        WrittenBy::Tracer => constants,
    };
    if locked > 0 && !remote.is_filtered() {
        let _ = remote.syscall(libc::SYS_mlock, [start, locked, 0, 0, 0, 0]);
    }
    // What copies are made of holds words that are read at each firing.
    if constants > 0 && !plan.writes_scratch() {
        let read_only = [start, constants, libc::PROT_READ as u64, 0, 0, 0];
        remote.syscall(libc::SYS_mprotect, read_only)?;
    }
    Ok(())
}

/// What nobody got of the memory for copies, to be unmapped when rules act no longer. From now on the collector does not
/// know of it. `memory` is that of the program that rules acted in.
pub fn unused_copies(process: &Process, memory: &Memory) -> Option<Range<u64>> {
    let used = process.copies_next.min(process.copies_limit);
    let rest = used.next_multiple_of(page_size())..process.copies_limit;
    // After an `exec` the addresses are another program's, and through `memory` nothing can be read any more.
    let is_there = !rest.is_empty() && memory.word(rest.start).is_ok();
    // What the collector knows of must stay.
    (is_there && scanned::end_at(process, rest.start, memory).is_ok()).then_some(rest)
}

/// Unmaps it, with a thread of a process that nobody traces. After an `exec` since then there is nothing to unmap.
pub fn give_back(unused: &Range<u64>, memory: &Memory, pid: i32) -> Option<Leftover> {
    let unmapped = borrow_thread(pid, |remote| match memory.word(unused.start) {
        Ok(_) => unmap(remote, unused),
        Err(_) => Ok(()),
    });
    Leftover::of(words_for_copies(unused), unmapped)
}

/// What a process keeps where unused memory stays.
pub fn words_for_copies(unused: &Range<u64>) -> String {
    format!(
        "{} KB of addresses that nothing uses",
        (unused.end - unused.start) / 1024
    )
}

/// Maps memory that can be read and written.
pub fn map_data(remote: &mut Remote, size: u64) -> io::Result<u64> {
    map(remote, 0, size, libc::PROT_WRITE, 0)
}

/// Maps memory for code within the reach of a jump. It can be run and read, and is never written by the program.
///
/// # Errors
/// Those of the system call, or there is no such place.
pub fn map_code(remote: &mut Remote, near: u64, size: u64) -> io::Result<u64> {
    let hint = hole_near(&mappings(remote.pid())?, near, size)
        .ok_or_else(|| io::Error::other("no room for a page near the program's code"))?;
    map(remote, hint, size, libc::PROT_EXEC, libc::MAP_FIXED_NOREPLACE)
        .map_err(|error| mapping_code(remote.pid(), error))
}

/// Maps memory of the process's own that can be read, and more.
fn map(remote: &mut Remote, at: u64, size: u64, more: i32, how: i32) -> io::Result<u64> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | how;
    let protection = libc::PROT_READ | more;
    remote.syscall(
        libc::SYS_mmap,
        [at, size, protection as u64, flags as u64, u64::MAX, 0],
    )
}

/// Unmaps memory.
pub fn unmap(remote: &mut Remote, range: &Range<u64>) -> io::Result<()> {
    let size = range.end - range.start;
    remote.syscall(libc::SYS_munmap, [range.start, size, 0, 0, 0, 0])?;
    Ok(())
}

/// Makes the pages of package variables the process's own (Linux 5.14; else what is not so fails when
/// it is written, and is counted).
fn populate_data(plan: &Plan, bias: LoadBias, remote: &mut Remote) -> io::Result<()> {
    for mapping in mappings(remote.pid())?
        .into_iter()
        .filter(|mapping| mapping.writable)
    {
        for data in &plan.runtime.data {
            let start = bias.apply(data.start).max(mapping.range.start) & !(page_size() - 1);
            let end = bias.apply(data.end).min(mapping.range.end);
            if start < end {
                let size = (end - start).next_multiple_of(page_size());
                let advice = libc::MADV_POPULATE_WRITE as u64;
                let _ = remote.syscall(libc::SYS_madvise, [start, size, advice, 0, 0, 0]);
            }
        }
    }
    Ok(())
}
