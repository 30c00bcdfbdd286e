//! Memory for the copies that values get at each firing, supplied as it is used.
//!
//! No part of it is used twice, for the program may keep what it got. The addresses are taken at once, and cost nothing until
//! something is written there. Two things must not reach that far from the start. The kernel's helper for writing can't wait for
//! memory, so where BPF writes, the pages are there before they are needed. And the garbage collector looks through all that
//! it knows of in each of its cycles. So both are moved on in steps, while the program runs: as much as was used so far is
//! ahead, and once anything was used, no less than [`AHEAD`].

use std::fs;
use std::io;
use std::ops::Range;

use goinject_probes::table::{PIECE, Process};

use super::provision::WrittenBy;
use super::scanned;
use crate::plan::encode::Loaded;
use crate::tracee::{Memory, page_size};

/// Bytes in each process at the most.
const MOST: u64 = 1 << 30;
/// As many are ready from the start, and made ready at once. They are locked in memory where the kernel writes: programs may
/// lock twice as many by default.
pub(super) const FIRST: u64 = 4 << 20;
/// As many are ready at least. A kernel that copies the longest values on two processors takes some ten milliseconds for them.
const AHEAD: u64 = 16 << 20;
/// So many are written at a time for their pages to be there.
const STEP: usize = 256 << 10;

/// What a process's copies can grow into.
#[derive(Debug)]
pub(super) struct Supply {
    copies: Range<u64>,
    marks: Range<u64>,
    is_scanned: bool,
    by: WrittenBy,
    end: u64,
}

impl Supply {
    /// That of a process with such memory; none where all of it is ready.
    pub(super) fn of(loaded: &Loaded, by: WrittenBy) -> Option<Supply> {
        (loaded.supplied < loaded.copies.end).then(|| Supply {
            copies: loaded.copies.clone(),
            marks: loaded.marks.clone(),
            is_scanned: loaded.scanned,
            by,
            end: loaded.supplied,
        })
    }

    /// Up to where there is memory.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The collector was told of the copies.
    pub(super) fn is_scanned_now(&mut self) {
        self.is_scanned = true;
    }

    /// Makes a little more memory ready where too little is ahead: where it ends now. To be called until there is none.
    pub(super) fn more(&mut self, process: &Process, memory: &Memory) -> Option<u64> {
        let next = process.copies_next.clamp(self.copies.start, self.copies.end);
        let ahead = match next - self.copies.start {
            0 => FIRST,
            used => AHEAD.max(used),
        };
        let wanted = (next + ahead).min(self.copies.end);
        let end = (self.end + FIRST).min(self.copies.end);
        if end > wanted || end == self.end {
            return None;
        }
        // A program that is gone needs none.
        self.make_ready(end, memory).ok()?;
        Some(end)
    }

    fn make_ready(&mut self, end: u64, memory: &Memory) -> io::Result<()> {
        if self.by == WrittenBy::Kernel {
            fill(self.end..end, memory)?;
            if !self.marks.is_empty() {
                fill(self.mark(self.end)..self.mark(end), memory)?;
            }
        }
        // Before a copy lies there.
        if self.is_scanned {
            scanned::extend_to(end, &self.marks, memory)?;
        }
        self.end = end;
        Ok(())
    }

    /// Where the mark of a copy is.
    fn mark(&self, copy: u64) -> u64 {
        self.marks.start + (copy - self.copies.start) / PIECE as u64
    }
}

/// Makes the first memory of a process ready, before there are copies.
pub(super) fn begin(loaded: &mut Loaded, by: WrittenBy, memory: &Memory) -> io::Result<()> {
    loaded.supplied = loaded.copies.end;
    if by == WrittenBy::Tracer && loaded.marks.is_empty() {
        return Ok(());
    }
    loaded.supplied = loaded.copies.start;
    if let Some(mut supply) = Supply::of(loaded, by) {
        supply.make_ready((loaded.copies.start + FIRST).min(loaded.copies.end), memory)?;
        loaded.supplied = supply.end;
    }
    Ok(())
}

/// Has the pages of memory that nothing was put into yet be there.
fn fill(range: Range<u64>, memory: &Memory) -> io::Result<()> {
    let zeros = vec![0; STEP];
    for start in range.clone().step_by(STEP) {
        let rest = usize::try_from(range.end - start).unwrap_or(STEP);
        memory.write(start, &zeros[..rest.min(STEP)])?;
    }
    Ok(())
}

/// How much a process may be given: where addresses or data are limited, or all memory must be there for what is mapped, no more
/// than a quarter of what is left, since the program needs some itself.
pub(super) fn most(pid: i32) -> u64 {
    let read = |path: String| fs::read_to_string(path).unwrap_or_default();
    let limits = read(format!("/proc/{pid}/limits"));
    let used = read(format!("/proc/{pid}/status"));
    let strict = read("/proc/sys/vm/overcommit_memory".to_owned());
    let memory = match strict.trim() {
        "2" => read("/proc/meminfo".to_owned()),
        _ => String::new(),
    };
    let left = [
        (limit(&limits, "Max address space"), kilobytes(&used, "VmSize:")),
        (limit(&limits, "Max data size"), kilobytes(&used, "VmData:")),
        (
            kilobytes(&memory, "CommitLimit:"),
            kilobytes(&memory, "Committed_AS:"),
        ),
    ];
    let left = left
        .into_iter()
        .filter_map(|(limit, used)| Some(limit?.saturating_sub(used.unwrap_or(0))));
    let least = left.min().unwrap_or(u64::MAX);
    (least / 4).clamp(FIRST, MOST) / page_size() * page_size()
}

/// A limit of a process, as `/proc/PID/limits` has it; none where there is none.
fn limit(limits: &str, name: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.split_whitespace().next()?.parse().ok()?;
    number.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 0x10_0000;

    fn supply(end: u64) -> Supply {
        Supply {
            copies: START..START + MOST,
            marks: 0..0,
            is_scanned: false,
            by: WrittenBy::Tracer,
            end,
        }
    }

    fn used(bytes: u64) -> Process {
        Process {
            copies_next: START + bytes,
            ..Process::default()
        }
    }

    /// Where the memory ends once so much was used.
    fn end_after(supply: &mut Supply, bytes: u64) -> u64 {
        let memory = Memory::open(std::process::id().cast_signed()).expect("our own");
        while supply.more(&used(bytes), &memory).is_some() {}
        supply.end() - START
    }

    #[test]
    fn as_much_as_was_used_is_ahead() {
        let mut supply = supply(START + FIRST);
        assert_eq!(end_after(&mut supply, 0), FIRST, "nothing was used");
        assert_eq!(end_after(&mut supply, 64), AHEAD);
        assert_eq!(end_after(&mut supply, AHEAD), 2 * AHEAD);
        assert_eq!(end_after(&mut supply, 4 * AHEAD), 8 * AHEAD);
        assert_eq!(end_after(&mut supply, 3 * AHEAD), 8 * AHEAD);
        assert_eq!(end_after(&mut supply, MOST - 1), MOST);
        assert_eq!(end_after(&mut supply, 2 * MOST), MOST, "there is an end to it");
    }

    #[test]
    fn limits_are_read() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
            Max data size             unlimited            unlimited            bytes     \n\
            Max address space         8589934592           unlimited            bytes     \n";
        assert_eq!(limit(limits, "Max address space"), Some(8 << 30));
        assert_eq!(limit(limits, "Max data size"), None);
        assert_eq!(
            kilobytes("VmPeak:\t 9 kB\nVmSize:\t 4 kB\n", "VmSize:"),
            Some(4096)
        );
    }
}
