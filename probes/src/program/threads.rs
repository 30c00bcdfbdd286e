//! What a program's maps keep of threads and goroutines of processes: edits that wait for one, and sites that one passes.

use std::time::{Duration, Instant};

use libbpf_rs::{MapCore, MapFlags};
use nix::libc;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::instance::map_error;
use super::{ProcessRows, Program, ProgramError};
use crate::native::{Core, Moved, Scratch};
use crate::table::GKey;

/// A goroutine sent back to run an instruction again, as `gi_passes` holds it.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Pass {
    /// Distance of its stack pointer from its stack's high end.
    pub depth: u64,
    /// Row of the site, as a hit has it.
    pub site: u32,
    #[doc(hidden)]
    pub padding: u32,
}

impl Program {
    /// Takes over what is kept of another process's calls and goroutines: of the same one, with other rules. Neither may be armed.
    pub fn inherit(&self, rows: &ProcessRows, former: u32, moved: &Moved, core: &mut Core) {
        core.inherit_within(former, rows.serial, moved);
        let Some(place) = self.directory.place(former) else {
            return;
        };
        let of_former = |key: &Vec<u8>| {
            GKey::read_from_bytes(key)
                .ok()
                .filter(|key| key.process == former)
        };
        for key in self
            .passes
            .keys()
            .filter_map(|key| of_former(&key))
            .collect::<Vec<_>>()
        {
            let pass = self.passes.lookup(key.as_bytes(), MapFlags::ANY).ok().flatten();
            let pass = pass.and_then(|bytes| Pass::read_from_bytes(&bytes).ok());
            let site = pass.and_then(|pass| moved.sites.get(&pass.site.wrapping_sub(place.sites)));
            if let (Some(pass), Some(site)) = (pass, site) {
                let goroutine = GKey {
                    process: rows.serial,
                    ..key
                };
                let site = site + rows.place.sites;
                // Where there is no room, the call counts twice.
                let _ = self.let_pass(goroutine, Pass { site, ..pass });
            }
        }
    }

    /// Waits for edits that threads of a disarmed process have begun and their signals are to end, while that lasts no longer
    /// than this.
    pub fn settle(&self, rows: &ProcessRows, patience: Duration) {
        let sleep = self.instances.borrow()[rows.instance].switches.sleep;
        // One that has counted a firing marks its edits as begun later,
        let begun = Instant::now();
        outlast_running(sleep);
        while self.has_begun_edits(rows) && begun.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
        // and one that makes them counts them after they are marked as ended.
        outlast_running(sleep);
    }

    /// Whether edits wait for a thread of the process.
    pub fn has_begun_edits(&self, rows: &ProcessRows) -> bool {
        let waits = |tid: &u32| {
            let scratch = self.scratch(*tid);
            scratch.is_some_and(|s| s.is_waiting() && s.hit.serial == rows.serial)
        };
        self.threads().iter().any(waits)
    }

    /// Drops the scratches of the threads of a process that has ended or runs another program: what waits in them ended with
    /// their calls, and has not failed.
    pub fn forget_threads(&self, rows: &ProcessRows) {
        for tid in self.threads() {
            if self.scratch(tid).is_some_and(|s| s.hit.serial == rows.serial) {
                self.forget(tid);
            }
        }
    }

    /// The edits that wait for a thread, if any.
    pub fn waiting(&self, tid: u32) -> Option<Scratch> {
        let scratch = self.scratch(tid).filter(Scratch::is_waiting)?;
        let left = self.leaving.borrow().contains_key(&scratch.hit.serial);
        (!left && self.directory.find(scratch.hit.serial).is_some()).then_some(scratch)
    }

    pub(super) fn scratch(&self, tid: u32) -> Option<Scratch> {
        let bytes = self.scratches.lookup(&tid.to_ne_bytes(), MapFlags::ANY).ok()??;
        Scratch::read_from_bytes(&bytes).ok()
    }

    /// Every thread that has a scratch.
    pub fn threads(&self) -> Vec<u32> {
        self.scratches
            .keys()
            .filter_map(|key| Some(u32::from_ne_bytes(key.try_into().ok()?)))
            .collect()
    }

    /// Drops a thread's scratch: its edits are made, or the thread is gone.
    pub fn forget(&self, tid: u32) {
        // A missing key is what is wanted.
        let _ = self.scratches.delete(&tid.to_ne_bytes());
    }

    /// Lets a goroutine pass a site once, because it is sent back to run the probed instruction again.
    pub fn let_pass(&self, goroutine: GKey, pass: Pass) -> Result<(), ProgramError> {
        self.passes
            .update(goroutine.as_bytes(), pass.as_bytes(), MapFlags::ANY)
            .map_err(|error| map_error("gi_passes", error))
    }
}

/// Returns when every program that was running on a processor has ended: after a grace period of RCU, under which programs
/// run. Those that may `sleep`, and kernels that give no such barrier, get the time that one takes.
fn outlast_running(sleep: bool) {
    const MEMBARRIER_CMD_GLOBAL: i32 = 1;
    const PAUSE: Duration = Duration::from_millis(10);
    // SAFETY: it takes numbers only.
    let waited = unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) } == 0;
    // With one processor it returns at once.
    let is_alone = || std::thread::available_parallelism().is_ok_and(|processors| processors.get() == 1);
    if !waited || sleep || is_alone() {
        std::thread::sleep(PAUSE);
    }
}
