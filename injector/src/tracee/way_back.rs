//! The way back of a thread that makes system calls for goinject.
//!
//! Whoever traces the thread may be killed in any moment, and the kernel then lets the thread run on as it is. So it
//! never has registers that lead nowhere: the system call that it makes is the first instruction of a piece of code that
//! gives the thread its own signal mask and registers again and goes where it was. goinject puts that code into bytes
//! that nothing uses, and makes them zero again afterwards.

use std::io;
use std::ops::Range;

use super::arch::{self, GeneralRegisters, WAY_BACK_SIZE};
use super::ending::is_ending;
use super::maps::{self, Mapping};
use super::memory::Memory;

/// Bytes before it that stay zero, in case what lies there ends in zeros of its own.
const MARGIN: usize = 64;
const ALIGNMENT: u64 = 16;

/// The code, in the target's memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct WayBack {
    /// A system call instruction; what follows is the way back.
    pub(super) system_call: u64,
    /// Where a thread goes on that makes no system call any more.
    pub(super) start: u64,
    /// Where there is room for what the kernel tells of a signal, if there is.
    pub(super) room_behind: Option<u64>,
}

/// Bytes that the kernel tells of a signal.
pub(super) const SIGNAL_INFO_SIZE: usize = size_of::<libc::siginfo_t>();

impl WayBack {
    /// Writes it for a thread that is to have these registers and this signal mask.
    pub(super) fn put(
        pid: i32,
        memory: &Memory,
        registers: &GeneralRegisters,
        mask: u64,
    ) -> io::Result<WayBack> {
        let room = find_room(pid, memory)?;
        let at = room.start;
        let behind = at + WAY_BACK_SIZE as u64;
        memory.write(at, &arch::way_back(registers, mask))?;
        Ok(WayBack {
            system_call: at,
            start: at + arch::SYSTEM_CALL.len() as u64,
            room_behind: (behind + SIGNAL_INFO_SIZE as u64 <= room.end).then_some(behind),
        })
    }

    /// Takes it out, once the thread has its own registers.
    pub(super) fn remove(self, memory: &Memory) -> io::Result<()> {
        memory.write(self.system_call, &[0; WAY_BACK_SIZE])
    }
}

/// Zeros at the end of a mapping with code: the vDSO is filled up to whole pages, and so is a program's code.
fn find_room(pid: i32, memory: &Memory) -> io::Result<Range<u64>> {
    let mut mappings = maps::read(pid)?;
    mappings
        .retain(|mapping| mapping.executable && !mapping.name.is_empty() && mapping.name != arch::NO_CODE);
    mappings.sort_by_key(|mapping| mapping.name != "[vdso]");
    let room = |mapping: &Mapping| {
        let mut last = vec![0; usize::try_from(maps::page_size()).expect("a page")];
        let start = mapping.range.end - last.len() as u64;
        memory.read(start, &mut last).ok()?;
        let used = last.iter().rposition(|byte| *byte != 0)? + 1;
        let at = (start + (used + MARGIN) as u64).next_multiple_of(ALIGNMENT);
        (at + WAY_BACK_SIZE as u64 <= mapping.range.end).then_some(at..mapping.range.end)
    };
    // Of a program that is just ending nothing is mapped.
    mappings
        .iter()
        .find_map(room)
        .ok_or_else(|| match is_ending(pid) {
            true => io::Error::from_raw_os_error(libc::ESRCH),
            false => io::Error::new(
                io::ErrorKind::NotFound,
                "no room for a system call in the target's code",
            ),
        })
}
