//! What a target is given before rules act: scratch memory, and package data that can be written.
//!
//! It is done by system calls that one of the target's own threads makes under ptrace, stopped for a
//! moment.

use std::io;

use goinject_probes::table::Control;

use crate::plan::Plan;
use crate::plan::encode::{LoadBias, Loaded, scratch_image};
use crate::tracee::{Memory, Remote, Stop, Tracees, mappings, take_lendable};

const PAGE: u64 = 4096;
/// Memory for the copies that values get at each firing. No part of it is used twice, for the program
/// may keep what it got.
const COPIES: u64 = 4 << 20;

/// Why a target can't be given what it needs.
#[derive(Debug, thiserror::Error)]
#[error("cannot put the texts and errors that the rules inject into the target's memory: {0}")]
pub struct ProvisionError(#[from] pub io::Error);

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

/// Gives a process what a plan needs. `stop` is one of its threads, which comes back as it was.
pub fn provide(
    plan: &Plan,
    bias: LoadBias,
    by: WrittenBy,
    tracees: &Tracees,
    memory: &Memory,
    stop: Stop,
) -> Result<(Loaded, Stop), ProvisionError> {
    let mut loaded = Loaded {
        bias,
        ..Loaded::default()
    };
    let shared_data = by == WrittenBy::Kernel && plan.writes_behind_pointers();
    if !is_needed(plan) && !shared_data {
        return Ok((loaded, stop));
    }
    let mut remote = tracees.remote(stop, memory)?;
    if is_needed(plan) {
        map_scratch(plan, &mut remote, &mut loaded)?;
    }
    if shared_data {
        populate_data(plan, bias, &mut remote, tracees.pid())?;
    }
    Ok((loaded, remote.finish()?))
}

/// Gives a running process, which nobody traces, what a plan needs.
pub fn provide_running(
    plan: &Plan,
    bias: LoadBias,
    by: WrittenBy,
    pid: i32,
) -> Result<Loaded, ProvisionError> {
    let only_program = Loaded {
        bias,
        ..Loaded::default()
    };
    let shared_data = by == WrittenBy::Kernel && plan.writes_behind_pointers();
    if !is_needed(plan) && !shared_data {
        return Ok(only_program);
    }
    match stopped_for_a_moment(plan, bias, by, pid) {
        // Data that can't be made its own now may be so already; where not, edits fail and are counted.
        Err(_) if !is_needed(plan) => Ok(only_program),
        result => result,
    }
}

fn stopped_for_a_moment(
    plan: &Plan,
    bias: LoadBias,
    by: WrittenBy,
    pid: i32,
) -> Result<Loaded, ProvisionError> {
    let memory = Memory::open(pid)?;
    let mut tracees = Tracees::attach(pid)?;
    let mut stops = tracees.stop_all()?;
    let Some(stop) = take_lendable(&mut stops) else {
        return Err(io::Error::from_raw_os_error(libc::ESRCH).into());
    };
    let provided = provide(plan, bias, by, &tracees, &memory, stop);
    for stop in stops {
        stop.detach()?;
    }
    let (loaded, stop) = provided?;
    stop.detach()?;
    Ok(loaded)
}

/// Maps the scratch memory, fills it, and protects what never changes.
fn map_scratch(plan: &Plan, remote: &mut Remote<'_>, loaded: &mut Loaded) -> io::Result<()> {
    let constants = (plan.scratch.bytes.len() as u64).next_multiple_of(PAGE);
    let copies = if plan.makes_copies() { COPIES } else { 0 };
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let size = constants + copies;
    let start = remote.syscall(
        libc::SYS_mmap,
        [0, size, protection as u64, flags as u64, u64::MAX, 0],
    )?;
    // Where RLIMIT_MEMLOCK does not allow it, the pages may be swapped out; then they are waited for,
    // or an edit fails and is counted.
    let _ = remote.syscall(libc::SYS_mlock, [start, size, 0, 0, 0, 0]);
    loaded.scratch = start;
    loaded.copies = start + constants..start + size;
    remote.memory().write(start, &scratch_image(plan, loaded))?;
    if constants > 0 {
        let read_only = [start, constants, libc::PROT_READ as u64, 0, 0, 0];
        remote.syscall(libc::SYS_mprotect, read_only)?;
    }
    Ok(())
}

/// Unmaps what nobody got of the memory for copies, when rules act no longer. `stop` is a thread of the target, which
/// comes back as it was.
pub fn give_back(control: &Control, tracees: &Tracees, memory: &Memory, stop: Stop) -> io::Result<Stop> {
    let used = control.copies_next.min(control.copies_end);
    let rest = used.next_multiple_of(PAGE)..control.copies_end;
    // After an `exec` the addresses are another program's, and through `memory` nothing can be read any more.
    if rest.is_empty() || memory.word(rest.start).is_err() {
        return Ok(stop);
    }
    let mut remote = tracees.remote(stop, memory)?;
    remote.syscall(libc::SYS_munmap, [rest.start, rest.end - rest.start, 0, 0, 0, 0])?;
    remote.finish()
}

/// The same in a process that nobody traces.
pub fn give_back_running(control: &Control, memory: &Memory, pid: i32) -> io::Result<()> {
    if control.copies_end == 0 {
        return Ok(());
    }
    let mut tracees = Tracees::attach(pid)?;
    let mut stops = tracees.stop_all()?;
    if let Some(stop) = stops.pop() {
        stops.push(give_back(control, &tracees, memory, stop)?);
    }
    for stop in stops {
        stop.detach()?;
    }
    Ok(())
}

/// Makes the pages of package variables the process's own (Linux 5.14; else what is not so fails when
/// it is written, and is counted).
fn populate_data(plan: &Plan, bias: LoadBias, remote: &mut Remote<'_>, pid: i32) -> io::Result<()> {
    for mapping in mappings(pid)?.into_iter().filter(|mapping| mapping.writable) {
        for data in &plan.runtime.data {
            let start = bias.apply(data.start).max(mapping.range.start) & !(PAGE - 1);
            let end = bias.apply(data.end).min(mapping.range.end);
            if start < end {
                let size = (end - start).next_multiple_of(PAGE);
                let advice = libc::MADV_POPULATE_WRITE as u64;
                let _ = remote.syscall(libc::SYS_madvise, [start, size, advice, 0, 0, 0]);
            }
        }
    }
    Ok(())
}
