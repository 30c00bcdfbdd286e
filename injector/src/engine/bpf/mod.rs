//! The BPF engine: one generic uprobe program, told apart by attach cookies.
//!
//! With the in-kernel writers goinject only watches. With the tracer writer it also makes the edits:
//! the program stops a thread with a signal, and goinject, its tracer, changes it before the signal
//! goes on to the target.

mod target;
mod tracer;

use std::io;
use std::os::fd::RawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use goinject_probes::program::{
    Attach, Capacity, Probe, ProcessRows, Program, ProgramError, Removed, Switches,
};
use goinject_probes::table::{Counters, Lead, Site, SiteKind, Tables, TermCounters, WriterKind};

use self::target::Target;
use self::tracer::Tracer;
use super::code::{CodeError, Others, verify};
use super::provision::{Provision, ProvisionError, WrittenBy, give_back, unused_copies};
use super::{Happened, Session};
use crate::plan::Plan;
use crate::plan::encode::{LoadBias, Loaded, encode};
use crate::tracee::{Memory, Spawned, Stop, Tracees, borrow_thread};

/// Why a target can't be armed with BPF.
#[derive(Debug, thiserror::Error)]
pub enum ArmError {
    /// The kernel refused something.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The target's memory can't be had.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    /// It runs another program by now.
    #[error("the target ran another program while it was being armed")]
    Executed,
    /// The code in memory is not the plan's.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The target is out of reach.
    #[error("cannot trace the target: {0}")]
    Trace(io::Error),
}

/// A target armed with uprobes.
pub struct BpfSession {
    program: Program,
    rows: Option<ProcessRows>,
    removed: Removed,
    tables: Tables,
    tracer: Option<Tracer>,
    target: Target,
    /// That of the program which was armed.
    memory: Memory,
    ended: bool,
    swept: Instant,
}

/// How often what dead threads left behind is looked for.
const SWEEP: Duration = Duration::from_secs(1);
/// As many threads may leave something behind before it is.
const LEFT_BEHIND: usize = 512;

/// How to arm: what [`super::select`] chose.
#[derive(Clone, Debug)]
pub struct Setup<'a> {
    /// One per site.
    pub writers: &'a [WriterKind],
    /// Single or multi.
    pub attach: Attach,
    /// What the program may do.
    pub switches: Switches,
    /// Of every chance decision.
    pub seed: u64,
}

impl BpfSession {
    /// Arms a command that was just started, before its first instruction.
    pub fn arm_spawned(
        plan: &Plan,
        bias: LoadBias,
        setup: &Setup<'_>,
        spawned: Spawned,
    ) -> Result<BpfSession, ArmError> {
        let pid = spawned.stop.tid();
        let memory = Memory::open(pid).map_err(ArmError::Trace)?;
        let (armed, tracer) = arm_stopped(plan, bias, setup, &memory, spawned.stop)?;
        Ok(BpfSession {
            program: armed.program,
            rows: Some(armed.rows),
            removed: Removed::default(),
            tables: armed.tables,
            tracer,
            target: Target::child(pid),
            memory,
            ended: false,
            swept: Instant::now(),
        })
    }

    /// Arms a running process. It is stopped for a moment if it must be given memory.
    pub fn arm_attached(
        plan: &Plan,
        bias: LoadBias,
        setup: &Setup<'_>,
        pid: i32,
    ) -> Result<BpfSession, ArmError> {
        let target = Target::process(pid).map_err(ArmError::Trace)?;
        let memory = Memory::open(pid).map_err(ArmError::Trace)?;
        let loaded = Provision::of(plan, bias, setup.written_by()).give_running(pid)?;
        let armed = attach(plan, &loaded, setup, pid, &memory)?;
        let tracer = setup
            .is_traced()
            .then(|| Tracees::attach(pid).and_then(|tracees| Tracer::new(tracees, &armed.program)))
            .transpose()
            .map_err(ArmError::Trace)?;
        armed.start()?;
        Ok(BpfSession {
            program: armed.program,
            rows: Some(armed.rows),
            removed: Removed::default(),
            tables: armed.tables,
            tracer,
            target,
            memory,
            ended: false,
            swept: Instant::now(),
        })
    }
}

impl Drop for BpfSession {
    fn drop(&mut self) {
        if let Some(rows) = self.rows.take() {
            let _ = self.program.remove(rows);
        }
    }
}

impl Setup<'_> {
    fn is_traced(&self) -> bool {
        self.writers.contains(&WriterKind::Tracer)
    }

    fn written_by(&self) -> WrittenBy {
        match self.switches.memory {
            true => WrittenBy::Kernel,
            false => WrittenBy::Tracer,
        }
    }
}

/// Arms a command before its first instruction, and lets it go.
fn arm_stopped(
    plan: &Plan,
    bias: LoadBias,
    setup: &Setup<'_>,
    memory: &Memory,
    stop: Stop,
) -> Result<(Armed, Option<Tracer>), ArmError> {
    let pid = stop.tid();
    let tracees = Tracees::of_spawned(&stop);
    let (loaded, stop) = Provision::of(plan, bias, setup.written_by()).give(&tracees, memory, stop)?;
    let armed = attach(plan, &loaded, setup, pid, memory)?;
    let tracer = setup
        .is_traced()
        .then(|| Tracer::new(tracees, &armed.program))
        .transpose()
        .map_err(ArmError::Trace)?;
    armed.start()?;
    let resumed = match &tracer {
        Some(_) => stop.resume(),
        None => stop.detach(),
    };
    resumed.map_err(ArmError::Trace)?;
    Ok((armed, tracer))
}

/// A program with a process in it, its probes attached.
struct Armed {
    program: Program,
    rows: ProcessRows,
    tables: Tables,
}

impl Armed {
    fn start(&self) -> Result<(), ArmError> {
        self.program.start();
        match self.program.arm(&self.rows) {
            true => Ok(()),
            false => Err(ArmError::Executed),
        }
    }
}

fn attach(
    plan: &Plan,
    loaded: &Loaded,
    setup: &Setup<'_>,
    pid: i32,
    memory: &Memory,
) -> Result<Armed, ArmError> {
    verify(plan, loaded.bias, memory, Others::Probes)?;
    let mut tables = encode(plan, loaded, setup.seed, setup.writers);
    let mut probes: Vec<Probe> = plan
        .sites
        .iter()
        .zip(0..)
        .map(|(place, site)| Probe {
            offset: place.instruction.file_offset.0,
            site,
        })
        .collect();
    if setup.writers.contains(&WriterKind::Frame) {
        probes.push(add_signal_site(plan, loaded.bias, &mut tables));
    }
    let switches = Switches {
        pid_namespace: pid_namespace(),
        ..setup.switches
    };
    let capacity = Capacity::of(&tables);
    let program = Program::load(&tables.rules, tables.control, switches, setup.attach, capacity)?;
    let mut rows = program.add(&tables, pid)?;
    // An `exec` from here on is noticed, and what `memory` shows is gone after one that came before.
    if let Some(site) = tables.sites.first()
        && memory.word(site.address).is_err()
    {
        return Err(ArmError::Executed);
    }
    program.attach(&mut rows, &PathBuf::from(format!("/proc/{pid}/exe")), &probes)?;
    Ok(Armed {
        program,
        rows,
        tables,
    })
}

/// goinject's PID namespace, if it is not the first one: there the kernel's thread ids are everybody's.
fn pid_namespace() -> Option<(u64, u64)> {
    /// `PROC_PID_INIT_INO` of the kernel.
    const FIRST: u64 = 0xeffffffc;
    let namespace = std::fs::metadata("/proc/self/ns/pid").ok()?;
    (namespace.ino() != FIRST).then(|| (namespace.dev(), namespace.ino()))
}

impl BpfSession {
    /// Makes room where threads have ended: the table of threads is as large as no program should need
    /// at one time, but a long run may see many come and go.
    fn sweep(&mut self) {
        if self.swept.elapsed() < SWEEP {
            return;
        }
        self.swept = Instant::now();
        let threads = self.program.threads();
        if threads.len() < LEFT_BEHIND {
            return;
        }
        let pid = self.target.pid();
        for tid in threads {
            if !Path::new(&format!("/proc/{pid}/task/{tid}")).exists() {
                self.program.forget(tid);
            }
        }
    }
}

/// The site at `runtime.sigtramp`, which only the signal-frame writer pays for.
fn add_signal_site(plan: &Plan, bias: LoadBias, tables: &mut Tables) -> Probe {
    let (address, offset) = plan
        .runtime
        .sigtramp
        .expect("checked when the writer was selected");
    let site = u32::try_from(tables.sites.len()).expect("fewer than 2^32 sites");
    tables.sites.push(Site {
        address: bias.apply(address),
        kind: SiteKind::Signal as u8,
        lead: Lead::Next as u8,
        ..Site::default()
    });
    Probe {
        offset: offset.0,
        site,
    }
}

impl Session for BpfSession {
    fn pid(&self) -> i32 {
        self.target.pid()
    }

    fn wake_fds(&self) -> Vec<RawFd> {
        std::iter::once(self.program.event_fd())
            .chain(self.target.wake_fd())
            .collect()
    }

    fn advance(&mut self) -> io::Result<Happened> {
        let mut happened = Happened::default();
        match &mut self.tracer {
            Some(tracer) => tracer.advance(&self.program, &mut happened)?,
            None => happened.end = self.target.end()?,
        }
        self.ended |= happened.end.is_some();
        self.sweep();
        happened.events.append(&mut self.program.take_events());
        happened.events.sort_by_key(|event| event.time);
        Ok(happened)
    }

    fn counters(&self) -> Vec<Counters> {
        self.program.counters()
    }

    fn term_counters(&self) -> Vec<TermCounters> {
        match &self.rows {
            Some(rows) => self.program.term_counters(rows),
            None => self.removed.term_counters.clone(),
        }
    }

    fn tables(&self) -> &Tables {
        &self.tables
    }

    fn lost_hits(&self) -> u64 {
        self.program.lost_hits()
    }

    fn dropped_events(&self) -> u64 {
        self.program.dropped_events()
    }

    fn cease(&mut self) {
        self.program.cease();
    }

    fn disarm(&mut self) -> io::Result<Happened> {
        let mut happened = Happened::default();
        self.program.cease();
        if let Some(tracer) = self.tracer.take() {
            tracer.release(&self.program, &mut happened)?;
        }
        if let Some(rows) = self.rows.take() {
            self.removed = self.program.remove(rows);
        }
        let unused = unused_copies(&self.removed.process, &self.memory);
        self.program.finish();
        self.ended |= happened.end.is_some();
        if !self.ended
            && let Some(unused) = unused
        {
            // Where this fails, the process keeps a few megabytes that nobody uses.
            let _ = borrow_thread(self.target.pid(), |remote| {
                give_back(&unused, &self.memory, remote)
            });
        }
        happened.events.append(&mut self.program.take_events());
        Ok(happened)
    }
}
