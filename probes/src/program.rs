//! The BPF program: loaded with a plan's tables, attached to sites, read while it runs.
//!
//! Every map of `bpf/maps.h` is reached through one method here.

use std::cell::RefCell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::Path;
use std::rc::Rc;
use std::thread;

use libbpf_rs::{
    Link, MapCore, MapFlags, MapHandle, Object, ObjectBuilder, ProgramMut, RingBuffer, RingBufferBuilder,
    UprobeMultiOpts, UprobeOpts,
};
use memmap2::{MmapOptions, MmapRaw};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::native::{Core, Memories, Scratch, Shared};
use crate::table::{
    Call, CallKey, Control, Counters, Delay, Event, Goroutine, GoroutineKey, Tables, TermCounters,
};
use crate::verifier;

static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/inject.bpf.o"));
static SLEEPABLE_OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/inject.sleepable.bpf.o"));

/// What the program may do on this host. Everything else is pruned before it reaches the verifier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// Write user memory.
    pub memory: bool,
    /// Write the probe's register context.
    pub context: bool,
    /// Send signals to the probed thread.
    pub signal: bool,
    /// Wait for pages that are out or on the move (Linux 6.0); else they are unreadable at that moment.
    pub sleep: bool,
    /// Device and inode of goinject's PID namespace, so that thread ids agree.
    pub pid_namespace: Option<(u64, u64)>,
}

/// How probes are attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// One perf event per site.
    Single,
    /// One link for all sites (Linux 6.6).
    Multi,
    /// As [`Attach::Single`], with an empty program: the benchmarks' peer.
    Empty,
    /// As [`Attach::Multi`], with an empty program.
    EmptyMulti,
}

/// Why the program could not be loaded or attached.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// The kernel refused the program or a map.
    #[error("the kernel refused the BPF program: {reason}")]
    Load {
        /// The last telling line of the verifier's or libbpf's log, else the error.
        reason: String,
    },
    /// The kernel refused a probe.
    #[error("the kernel refused a probe at file offset 0x{offset:x}: {source}")]
    Attach {
        /// Of the first site concerned.
        offset: u64,
        /// What libbpf said.
        source: libbpf_rs::Error,
    },
    /// A map could not be read or written.
    #[error("BPF map {map}: {source}")]
    Map {
        /// Its name.
        map: &'static str,
        /// What the kernel said.
        source: std::io::Error,
    },
}

/// A probe to attach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// File offset of the instruction.
    pub offset: u64,
    /// Row of the site.
    pub cookie: u64,
}

/// A goroutine sent back to run an instruction again, as `gi_passes` holds it.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Pass {
    /// Distance of its stack pointer from its stack's high end.
    pub depth: u64,
    /// Row of the site.
    pub site: u32,
    #[doc(hidden)]
    pub padding: u32,
}

/// The loaded program with its maps. Dropping it detaches every probe.
pub struct Program {
    attach: Attach,
    links: Vec<Link>,
    events: Rc<RefCell<Vec<Event>>>,
    ring: RingBuffer<'static>,
    scratches: MapHandle,
    passes: MapHandle,
    counters: MmapRaw,
    term_counters: MmapRaw,
    control: MmapRaw,
    tables: Tables,
    object: Object,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program")
            .field("attach", &self.attach)
            .field("links", &self.links.len())
            .finish()
    }
}

impl Program {
    /// Loads the program and fills its tables. Probes attached later do nothing until [`Program::start`].
    pub fn load(tables: &Tables, switches: Switches, attach: Attach) -> Result<Program, ProgramError> {
        let log = verifier::capture();
        let refused = |error: libbpf_rs::Error| ProgramError::Load {
            reason: log.reason(&error),
        };
        let object = if switches.sleep { SLEEPABLE_OBJECT } else { OBJECT };
        let mut open = ObjectBuilder::default().open_memory(object).map_err(refused)?;
        for mut program in open.progs_mut() {
            let wanted = program.name() == program_name(attach);
            program.set_autoload(wanted);
        }
        for mut map in open.maps_mut() {
            let rows = match map.name().to_str() {
                Some("gi_sites") => tables.sites.len(),
                Some("gi_bindings") => tables.bindings.len(),
                Some("gi_rules" | "gi_counter_map") => tables.rules.len(),
                Some("gi_edit_rows") => tables.edits.len(),
                Some("gi_terms" | "gi_term_counter_map") => tables.terms.len(),
                Some("gi_texts") => tables.texts.len(),
                Some("gi_ranges") => tables.ranges.len(),
                Some(name) if name.ends_with(".rodata") => {
                    write_switches(
                        map.initial_value_mut().expect("read-only data has a value"),
                        switches,
                    );
                    continue;
                }
                _ => continue,
            };
            map.set_max_entries(u32::try_from(rows.max(1)).expect("fewer than 2^32 rows"))
                .map_err(refused)?;
        }
        let object = open.load().map_err(refused)?;

        for (name, bytes) in [
            ("gi_sites", tables.sites.as_bytes()),
            ("gi_bindings", tables.bindings.as_bytes()),
            ("gi_rules", tables.rules.as_bytes()),
            ("gi_edit_rows", tables.edits.as_bytes()),
            ("gi_terms", tables.terms.as_bytes()),
            ("gi_texts", tables.texts.as_bytes()),
            ("gi_ranges", tables.ranges.as_bytes()),
        ] {
            write(&map_memory(&object, name, bytes.len())?, bytes);
        }
        let control = map_memory(&object, "gi_control_map", size_of::<Control>())?;
        write(
            &control,
            Control {
                armed: 0,
                ..tables.control
            }
            .as_bytes(),
        );
        let counters = map_memory(
            &object,
            "gi_counter_map",
            size_of::<Counters>() * tables.rules.len().max(1),
        )?;

        let term_counters = map_memory(
            &object,
            "gi_term_counter_map",
            size_of::<TermCounters>() * tables.terms.len().max(1),
        )?;

        let events = Rc::new(RefCell::new(Vec::new()));
        let sink = Rc::clone(&events);
        let ring_map = map_handle(&object, "gi_events")?;
        let mut builder = RingBufferBuilder::new();
        builder
            .add(&ring_map, move |bytes| {
                if let Ok(event) = Event::read_from_bytes(bytes) {
                    sink.borrow_mut().push(event);
                }
                0
            })
            .map_err(refused)?;
        let ring = builder.build().map_err(refused)?;
        Ok(Program {
            attach,
            links: Vec::new(),
            events,
            ring,
            scratches: map_handle(&object, "gi_scratches")?,
            passes: map_handle(&object, "gi_passes")?,
            counters,
            term_counters,
            control,
            tables: tables.clone(),
            object,
        })
    }

    /// Attaches probes to a binary in the processes that share `pid`'s memory (-1: every process).
    /// With [`Attach::Multi`] the kernel takes all or none.
    pub fn attach(&mut self, path: &Path, pid: i32, probes: &[Probe]) -> Result<(), ProgramError> {
        let mut links = Vec::new();
        let refused = |probe: &Probe, source| ProgramError::Attach {
            offset: probe.offset,
            source,
        };
        let program = self.program();
        match self.attach {
            Attach::Multi | Attach::EmptyMulti => {
                let Some(first) = probes.first() else {
                    return Ok(());
                };
                let options = UprobeMultiOpts {
                    offsets: probes.iter().map(|probe| probe.offset as usize).collect(),
                    cookies: probes.iter().map(|probe| probe.cookie).collect(),
                    ..UprobeMultiOpts::default()
                };
                let link = program.attach_uprobe_multi_with_opts(pid, path, "", options);
                links.push(link.map_err(|error| refused(first, error))?);
            }
            Attach::Single | Attach::Empty => {
                for probe in probes {
                    let options = UprobeOpts {
                        cookie: probe.cookie,
                        ..UprobeOpts::default()
                    };
                    let link = program.attach_uprobe_with_opts(pid, path, probe.offset as usize, options);
                    links.push(link.map_err(|error| refused(probe, error))?);
                }
            }
        }
        self.links.append(&mut links);
        Ok(())
    }

    /// Takes every probe off. Single probes wait for the kernel's grace periods, so they wait together.
    pub fn detach(&mut self) {
        const TOGETHER: usize = 64;
        let mut links = std::mem::take(&mut self.links);
        thread::scope(|scope| {
            let share = links.len().div_ceil(TOGETHER).max(1);
            while !links.is_empty() {
                let part: Vec<Link> = links.drain(..share.min(links.len())).collect();
                scope.spawn(move || drop(part));
            }
        });
    }

    /// Lets probes act from now on.
    pub fn start(&self) {
        let mut started = self.tables.control;
        started.start();
        let control = self.control.as_mut_ptr().cast::<Control>();
        // SAFETY: the map holds one control row; the program reads it meanwhile, hence volatile, and the
        // switch last.
        unsafe {
            (&raw mut (*control).armed_at).write_volatile(started.armed_at);
            (&raw mut (*control).deadline).write_volatile(started.deadline);
            (&raw mut (*control).armed).write_volatile(1);
        }
    }

    /// Lets all probes pass.
    pub fn cease(&self) {
        let control = self.control.as_mut_ptr().cast::<Control>();
        // SAFETY: as in `start`.
        unsafe { (&raw mut (*control).armed).write_volatile(0) };
    }

    /// Its switches and what it hands out, as they are now.
    pub fn control(&self) -> Control {
        // SAFETY: as in `start`.
        unsafe { self.control.as_ptr().cast::<Control>().read_volatile() }
    }

    /// What each rule has done so far.
    pub fn counters(&self) -> Vec<Counters> {
        let counters = self.counters.as_ptr().cast::<Counters>();
        // SAFETY: the map holds one row per rule; the program adds to them meanwhile, hence volatile.
        (0..self.tables.rules.len())
            .map(|rule| unsafe { counters.add(rule).read_volatile() })
            .collect()
    }

    /// How each row of the conditions has come out so far.
    pub fn term_counters(&self) -> Vec<TermCounters> {
        let counters = self.term_counters.as_ptr().cast::<TermCounters>();
        // SAFETY: as in `counters`, with one row per term.
        (0..self.tables.terms.len())
            .map(|row| unsafe { counters.add(row).read_volatile() })
            .collect()
    }

    /// Events that found no room in the ring.
    pub fn dropped_events(&self) -> u64 {
        let control = self.control.as_ptr().cast::<Control>();
        // SAFETY: as in `start`.
        unsafe { (&raw const (*control).dropped_events).read_volatile() }
    }

    /// Readable when events wait.
    pub fn event_fd(&self) -> RawFd {
        self.ring.epoll_fd()
    }

    /// The events that came since the last call, in order.
    pub fn take_events(&self) -> Vec<Event> {
        // An interrupted read only means that the rest comes with the next call.
        let _ = self.ring.consume();
        self.events.take()
    }

    /// The edits that wait for a thread, if any.
    pub fn waiting(&self, tid: u32) -> Option<Scratch> {
        let bytes = self.scratches.lookup(&tid.to_ne_bytes(), MapFlags::ANY).ok()??;
        Scratch::read_from_bytes(&bytes).ok().filter(Scratch::is_waiting)
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
    pub fn let_pass(&self, g: u64, pass: Pass) -> Result<(), ProgramError> {
        self.passes
            .update(&g.to_ne_bytes(), pass.as_bytes(), MapFlags::ANY)
            .map_err(|error| ProgramError::Map {
                map: "gi_passes",
                source: std::io::Error::other(error),
            })
    }

    /// The rows it was loaded with.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Calls that could not be looked at, because the table of threads was full.
    pub fn lost_hits(&self) -> u64 {
        let control = self.control.as_ptr().cast::<Control>();
        // SAFETY: as in `start`.
        unsafe { (&raw const (*control).lost_hits).read_volatile() }
    }

    /// The native core over this program's counters and memories: for edits that goinject makes itself.
    pub fn core(&self) -> Result<Core, ProgramError> {
        let shared = Shared {
            counters: self.counters.as_mut_ptr().cast(),
            term_counters: self.term_counters.as_mut_ptr().cast(),
            control: self.control.as_mut_ptr().cast(),
        };
        let memories = MapMemories {
            calls: map_handle(&self.object, "gi_calls")?,
            delays: map_handle(&self.object, "gi_delays")?,
            goroutines: map_handle(&self.object, "gi_goroutines")?,
        };
        // SAFETY: rows as `shared` wants them; the engine drops the core before the program.
        Ok(unsafe { Core::shared(self.tables.clone(), shared, Box::new(memories)) })
    }

    fn program(&self) -> ProgramMut<'_> {
        let name = program_name(self.attach);
        self.object
            .progs_mut()
            .find(|program| program.name() == name)
            .expect("the object has the program")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.cease();
        self.detach();
    }
}

/// What the core remembers, where the BPF program remembers it.
#[derive(Debug)]
struct MapMemories {
    calls: MapHandle,
    delays: MapHandle,
    goroutines: MapHandle,
}

fn load<V: FromBytes>(map: &MapHandle, key: &[u8]) -> Option<V> {
    V::read_from_bytes(&map.lookup(key, MapFlags::ANY).ok()??).ok()
}

fn save<V: IntoBytes + Immutable>(map: &MapHandle, key: &[u8], value: Option<&V>) -> bool {
    match value {
        Some(value) => map.update(key, value.as_bytes(), MapFlags::ANY).is_ok(),
        // A missing key is what is wanted.
        None => {
            let _ = map.delete(key);
            true
        }
    }
}

impl Memories for MapMemories {
    fn call(&mut self, key: &CallKey) -> Option<Call> {
        load(&self.calls, key.as_bytes())
    }
    fn set_call(&mut self, key: &CallKey, call: Option<&Call>) -> bool {
        save(&self.calls, key.as_bytes(), call)
    }
    fn delay(&mut self, g: u64) -> Option<Delay> {
        load(&self.delays, g.as_bytes())
    }
    fn set_delay(&mut self, g: u64, delay: Option<&Delay>) -> bool {
        save(&self.delays, g.as_bytes(), delay)
    }
    fn goroutine(&mut self, key: &GoroutineKey) -> Option<Goroutine> {
        load(&self.goroutines, key.as_bytes())
    }
    fn set_goroutine(&mut self, key: &GoroutineKey, calls: &Goroutine) -> bool {
        save(&self.goroutines, key.as_bytes(), Some(calls))
    }
}

fn program_name(attach: Attach) -> &'static str {
    match attach {
        Attach::Single => "goinject_single",
        Attach::Multi => "goinject_multi",
        Attach::Empty => "goinject_empty",
        Attach::EmptyMulti => "goinject_empty_multi",
    }
}

/// The read-only data of `bpf/inject.bpf.c`, in its order.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct ReadOnlyData {
    may_write_memory: u32,
    may_write_context: u32,
    may_signal: u32,
    padding: u32,
    pid_namespace_device: u64,
    pid_namespace_inode: u64,
}

fn write_switches(data: &mut [u8], switches: Switches) {
    let (device, inode) = switches.pid_namespace.unwrap_or_default();
    let values = ReadOnlyData {
        may_write_memory: u32::from(switches.memory),
        may_write_context: u32::from(switches.context),
        may_signal: u32::from(switches.signal),
        padding: 0,
        pid_namespace_device: device,
        pid_namespace_inode: inode,
    };
    let values = values.as_bytes();
    assert!(
        data.len() >= values.len(),
        "read-only data is smaller than declared"
    );
    data[..values.len()].copy_from_slice(values);
}

fn map_handle(object: &Object, name: &'static str) -> Result<MapHandle, ProgramError> {
    let map = object
        .maps()
        .find(|map| map.name() == name)
        .expect("the object has the map");
    MapHandle::try_from(&map).map_err(|error| ProgramError::Map {
        map: name,
        source: std::io::Error::other(error),
    })
}

fn map_memory(object: &Object, name: &'static str, length: usize) -> Result<MmapRaw, ProgramError> {
    let map = map_handle(object, name)?;
    let fd: BorrowedFd<'_> = map.as_fd();
    MmapOptions::new()
        .len(length.max(1))
        .map_raw(fd.as_raw_fd())
        .map_err(|source| ProgramError::Map { map: name, source })
}

fn write(memory: &MmapRaw, bytes: &[u8]) {
    assert!(bytes.len() <= memory.len());
    // SAFETY: the mapping is writable and long enough; no probe is attached yet, so nobody reads it.
    unsafe {
        memory
            .as_mut_ptr()
            .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len())
    };
}
