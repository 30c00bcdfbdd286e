//! The decision core, compiled natively: decides for the ptrace engine, and makes the edits wherever
//! a tracer writes. The C side is `bpf/native.c`; every unsafe call into it is in this file.

use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::fmt;

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use crate::table::{
    Binding, CONDITION_TEXT, Call, CallKey, Control, Counters, Delay, EDITS, Edit, Event, FIRED, Fired,
    FixedText, Goroutine, GoroutineKey, REGISTERS, Range, Reason, Rule, Site, Tables, Term, TermCounters,
};

/// One stopped call: the thread's registers before the probed instruction, edits included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Hit {
    /// General registers in the order of [`crate::table::GeneralRegister`].
    pub registers: [u64; REGISTERS],
    /// Address of the probed instruction.
    pub pc: u64,
    /// RFLAGS.
    pub flags: u64,
    /// Address of the goroutine's `runtime.g`; 0 unknown.
    pub g: u64,
    #[doc(hidden)]
    pub host: u64,
    /// Where the thread goes on, if it is redirected.
    pub to: u64,
    /// Not 0: the thread goes on at `to`, with all general registers as they are here.
    pub redirected: u32,
    /// Bit n: `registers[n]` was edited.
    pub dirty: u32,
    /// Not 0: something was edited, memory included.
    pub edited: u32,
    /// Row of the site.
    pub site: u32,
    /// Thread id.
    pub tid: u32,
    #[doc(hidden)]
    pub padding: u32,
}

/// What a stopped thread lets the core do with it beyond the general registers.
pub trait Thread {
    /// Reads memory; false if not all of it could be read.
    fn read(&mut self, address: u64, to: &mut [u8]) -> bool;
    /// Writes memory; false if not all of it could be written.
    fn write(&mut self, address: u64, from: &[u8]) -> bool;
    /// The low 8 bytes of Xn.
    fn float(&mut self, index: u32) -> Option<u64>;
    /// Sets the low 8 bytes of Xn; false if it can't be done.
    fn set_float(&mut self, index: u32, value: u64) -> bool;
    /// FS base, where g is found under the stack convention.
    fn thread_pointer(&mut self) -> u64;
    /// Takes the event of a rule that fired.
    fn emit(&mut self, event: &Event);
}

/// What the core keeps from one hit to another.
pub trait Memories: fmt::Debug {
    /// What was kept at the entry of a call.
    fn call(&mut self, key: &CallKey) -> Option<Call>;
    /// Keeps or drops it; false if there is no room.
    fn set_call(&mut self, key: &CallKey, call: Option<&Call>) -> bool;
    /// The delay of a goroutine, by its g.
    fn delay(&mut self, g: u64) -> Option<Delay>;
    /// Keeps or drops it; false if there is no room.
    fn set_delay(&mut self, g: u64, delay: Option<&Delay>) -> bool;
    /// A rule's calls on one goroutine.
    fn goroutine(&mut self, key: &GoroutineKey) -> Option<Goroutine>;
    /// Keeps their number; false if there is no room.
    fn set_goroutine(&mut self, key: &GoroutineKey, calls: &Goroutine) -> bool;
}

/// Memories of goinject's own.
#[derive(Debug, Default)]
struct OwnMemories {
    calls: HashMap<CallKey, Call>,
    delays: HashMap<u64, Delay>,
    goroutines: HashMap<GoroutineKey, Goroutine>,
}

impl Memories for OwnMemories {
    fn call(&mut self, key: &CallKey) -> Option<Call> {
        self.calls.get(key).copied()
    }
    fn set_call(&mut self, key: &CallKey, call: Option<&Call>) -> bool {
        match call {
            Some(call) => drop(self.calls.insert(*key, *call)),
            None => drop(self.calls.remove(key)),
        }
        true
    }
    fn delay(&mut self, g: u64) -> Option<Delay> {
        self.delays.get(&g).copied()
    }
    fn set_delay(&mut self, g: u64, delay: Option<&Delay>) -> bool {
        match delay {
            Some(delay) => drop(self.delays.insert(g, *delay)),
            None => drop(self.delays.remove(&g)),
        }
        true
    }
    fn goroutine(&mut self, key: &GoroutineKey) -> Option<Goroutine> {
        self.goroutines.get(key).copied()
    }
    fn set_goroutine(&mut self, key: &GoroutineKey, calls: &Goroutine) -> bool {
        self.goroutines.insert(*key, *calls);
        true
    }
}

#[repr(C)]
struct Host {
    sites: *mut Site,
    bindings: *mut Binding,
    rules: *mut Rule,
    edits: *mut Edit,
    terms: *mut Term,
    texts: *mut FixedText,
    ranges: *mut Range,
    counters: *mut Counters,
    term_counters: *mut TermCounters,
    control: *mut Control,
    site_count: u32,
    binding_count: u32,
    rule_count: u32,
    edit_count: u32,
    term_count: u32,
    text_count: u32,
    range_count: u32,
    padding: u32,
    thread_pointer: u64,
    context: *mut c_void,
    read: unsafe extern "C" fn(*mut c_void, u64, *mut c_void, u32) -> c_int,
    write: unsafe extern "C" fn(*mut c_void, u64, *const c_void, u32) -> c_int,
    float_read: unsafe extern "C" fn(*mut c_void, u32, *mut u64) -> c_int,
    float_write: unsafe extern "C" fn(*mut c_void, u32, u64) -> c_int,
    remember: unsafe extern "C" fn(*mut c_void, u32, u32, *const c_void, *mut c_void) -> c_int,
    emit: unsafe extern "C" fn(*mut c_void, *const Event),
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Planned {
    address: u64,
    base: u32,
    index: u32,
    before: u64,
    after: u64,
    extra: u64,
    size: u32,
    kind: u8,
    source: u8,
    known: u8,
    padding: u8,
}

/// `gi_scratch.state`: waiting for the signal that brings the thread to where edits can be made.
const SCRATCH_SIGNAL: u32 = 1;

/// A thread's scratch: a call, the rules that fired in it, and what they are about to do.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Scratch {
    state: u32,
    stage: u32,
    fired_count: u32,
    writes: u32,
    slept: u32,
    next_row: u32,
    /// The call, as it was saved by the BPF program.
    pub hit: Hit,
    found: [u64; 2],
    word: [u64; 4],
    applying: [u32; 4],
    operand: [u64; 2],
    truths: u64,
    depth: u64,
    length: [u64; 2],
    text: [u8; CONDITION_TEXT],
    other_text: [u8; CONDITION_TEXT],
    call_key: CallKey,
    call: Call,
    goroutine_key: GoroutineKey,
    delay: Delay,
    fired: [Fired; FIRED],
    planned: [Planned; EDITS],
    event: Event,
}

impl Scratch {
    /// Whether something waits to be done where edits can be made.
    pub fn is_waiting(&self) -> bool {
        self.state == SCRATCH_SIGNAL
    }
}

unsafe extern "C" {
    fn goinject_hit(host: *mut Host, scratch: *mut Scratch);
    fn goinject_perform(host: *mut Host, scratch: *mut Scratch);
    fn goinject_abandon(host: *mut Host, scratch: *mut Scratch, reason: u32);
}

/// What the callbacks reach through the host's context.
struct Lent<'a, T> {
    thread: &'a mut T,
    memories: &'a mut dyn Memories,
}

unsafe extern "C" fn read<T: Thread>(
    context: *mut c_void,
    address: u64,
    to: *mut c_void,
    size: u32,
) -> c_int {
    // SAFETY: `context` is what `Core::with` lent, alive for the call; `to` has `size` bytes.
    let (lent, to) = unsafe {
        (
            &mut *context.cast::<Lent<'_, T>>(),
            std::slice::from_raw_parts_mut(to.cast::<u8>(), size as usize),
        )
    };
    c_int::from(!lent.thread.read(address, to))
}

unsafe extern "C" fn write<T: Thread>(
    context: *mut c_void,
    address: u64,
    from: *const c_void,
    size: u32,
) -> c_int {
    // SAFETY: as in `read`.
    let (lent, from) = unsafe {
        (
            &mut *context.cast::<Lent<'_, T>>(),
            std::slice::from_raw_parts(from.cast::<u8>(), size as usize),
        )
    };
    c_int::from(!lent.thread.write(address, from))
}

unsafe extern "C" fn float_read<T: Thread>(context: *mut c_void, index: u32, value: *mut u64) -> c_int {
    // SAFETY: as in `read`; `value` is a word of the scratch.
    let (lent, value) = unsafe { (&mut *context.cast::<Lent<'_, T>>(), &mut *value) };
    match lent.thread.float(index) {
        Some(float) => {
            *value = float;
            0
        }
        None => 1,
    }
}

unsafe extern "C" fn float_write<T: Thread>(context: *mut c_void, index: u32, value: u64) -> c_int {
    // SAFETY: as in `read`.
    let lent = unsafe { &mut *context.cast::<Lent<'_, T>>() };
    c_int::from(!lent.thread.set_float(index, value))
}

unsafe extern "C" fn emit<T: Thread>(context: *mut c_void, event: *const Event) {
    // SAFETY: as in `read`; the event lies in the scratch, which the core does not touch meanwhile.
    let (lent, event) = unsafe { (&mut *context.cast::<Lent<'_, T>>(), &*event) };
    lent.thread.emit(event);
}

/// `enum gi_memory` and `enum gi_action` of `bpf/native.h`.
unsafe extern "C" fn remember<T: Thread>(
    context: *mut c_void,
    memory: u32,
    action: u32,
    key: *const c_void,
    value: *mut c_void,
) -> c_int {
    const LOAD: u32 = 0;
    const SAVE: u32 = 1;
    // SAFETY: as in `read`.
    let memories = unsafe { &mut *(*context.cast::<Lent<'_, T>>()).memories };
    // SAFETY: key and value are of the types that `enum gi_memory` names, in the scratch or on the C stack.
    let done = unsafe {
        match (memory, action) {
            (0, LOAD) => put(value, memories.call(&*key.cast())),
            (0, SAVE) => memories.set_call(&*key.cast(), Some(&*value.cast())),
            (0, _) => memories.set_call(&*key.cast(), None),
            (1, LOAD) => put(value, memories.delay(*key.cast())),
            (1, SAVE) => memories.set_delay(*key.cast(), Some(&*value.cast())),
            (1, _) => memories.set_delay(*key.cast(), None),
            (_, LOAD) => put(value, memories.goroutine(&*key.cast())),
            (_, _) => memories.set_goroutine(&*key.cast(), &*value.cast()),
        }
    };
    c_int::from(!done)
}

/// # Safety
/// `to` must be valid for a write of the type.
unsafe fn put<V>(to: *mut c_void, value: Option<V>) -> bool {
    value.is_some_and(|value| {
        // SAFETY: the caller's.
        unsafe { to.cast::<V>().write(value) };
        true
    })
}

/// Where the counters and the control row are.
#[derive(Debug)]
enum State {
    /// In goinject alone.
    Owned {
        counters: Vec<Counters>,
        term_counters: Vec<TermCounters>,
        control: Box<Control>,
    },
    /// In memory shared with the BPF program, which adds to them at the same time.
    Shared(Shared),
}

/// Rows in memory shared with the BPF program.
#[derive(Clone, Copy, Debug)]
pub struct Shared {
    /// One row per rule.
    pub counters: *mut Counters,
    /// One row per term.
    pub term_counters: *mut TermCounters,
    /// The switch.
    pub control: *mut Control,
}

/// The decision core with its tables.
#[derive(Debug)]
pub struct Core {
    tables: Tables,
    state: State,
    memories: Box<dyn Memories>,
    scratch: Box<Scratch>,
}

impl Core {
    /// A core of its own, with all counters at zero. It does nothing until it is started.
    pub fn new(tables: Tables) -> Core {
        let counters = vec![Counters::default(); tables.rules.len()];
        let term_counters = vec![TermCounters::default(); tables.terms.len()];
        let control = Box::new(tables.control);
        let state = State::Owned {
            counters,
            term_counters,
            control,
        };
        Core {
            tables,
            state,
            memories: Box::new(OwnMemories::default()),
            scratch: Box::new(Scratch::new_zeroed()),
        }
    }

    /// A core that counts and remembers where a BPF program does.
    ///
    /// # Safety
    /// The pointers of `shared` must have as many rows as the tables say and stay mapped for as long as
    /// the core lives.
    pub unsafe fn shared(tables: Tables, shared: Shared, memories: Box<dyn Memories>) -> Core {
        Core {
            tables,
            state: State::Shared(shared),
            memories,
            scratch: Box::new(Scratch::new_zeroed()),
        }
    }

    /// The rows it decides by.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Lets probes act from now on.
    pub fn start(&mut self) {
        if let State::Owned { control, .. } = &mut self.state {
            control.start();
        }
    }

    /// Lets all probes pass.
    pub fn cease(&mut self) {
        if let State::Owned { control, .. } = &mut self.state {
            control.armed = 0;
        }
    }

    /// Its switches and what it hands out, as they are now.
    pub fn control(&self) -> Control {
        match &self.state {
            State::Owned { control, .. } => **control,
            // SAFETY: the contract of `shared`; the BPF program changes it meanwhile, hence volatile.
            State::Shared(shared) => unsafe { shared.control.read_volatile() },
        }
    }

    /// What each rule has done so far.
    pub fn counters(&self) -> Vec<Counters> {
        match &self.state {
            State::Owned { counters, .. } => counters.clone(),
            State::Shared(shared) => {
                // SAFETY: the contract of `shared`; the BPF program adds to them meanwhile, hence volatile.
                (0..self.tables.rules.len())
                    .map(|row| unsafe { shared.counters.add(row).read_volatile() })
                    .collect()
            }
        }
    }

    /// How each row of the conditions has come out so far.
    pub fn term_counters(&self) -> Vec<TermCounters> {
        match &self.state {
            State::Owned { term_counters, .. } => term_counters.clone(),
            State::Shared(shared) => (0..self.tables.terms.len())
                // SAFETY: as in `counters`.
                .map(|row| unsafe { shared.term_counters.add(row).read_volatile() })
                .collect(),
        }
    }

    /// Decides for every rule of the hit's site and makes the edits of those that fire: registers in
    /// the hit, the rest in the thread.
    pub fn hit<T: Thread>(&mut self, thread: &mut T, hit: &mut Hit) {
        self.scratch.hit = *hit;
        // SAFETY: host and scratch are valid for the call; the core is synchronous.
        self.with(thread, |host, scratch| unsafe { goinject_hit(host, scratch) });
        *hit = self.scratch.hit;
    }

    /// Does what the BPF program left to be done in a thread's scratch.
    pub fn perform<T: Thread>(&mut self, thread: &mut T, scratch: &Scratch) -> Hit {
        *self.scratch = *scratch;
        // SAFETY: as in `hit`.
        self.with(thread, |host, scratch| unsafe { goinject_perform(host, scratch) });
        self.scratch.hit
    }

    /// Counts a failure for every rule that waits in a thread's scratch.
    pub fn abandon<T: Thread>(&mut self, thread: &mut T, scratch: &Scratch, reason: Reason) {
        *self.scratch = *scratch;
        // SAFETY: as in `hit`.
        self.with(thread, |host, scratch| unsafe {
            goinject_abandon(host, scratch, reason as u32)
        });
    }

    fn with<T: Thread>(&mut self, thread: &mut T, run: impl FnOnce(*mut Host, *mut Scratch)) {
        let shared = match &mut self.state {
            State::Owned {
                counters,
                term_counters,
                control,
            } => Shared {
                counters: counters.as_mut_ptr(),
                term_counters: term_counters.as_mut_ptr(),
                control: &raw mut **control,
            },
            State::Shared(shared) => *shared,
        };
        let thread_pointer = thread.thread_pointer();
        let mut lent = Lent {
            thread,
            memories: &mut *self.memories,
        };
        let tables = &mut self.tables;
        let mut host = Host {
            sites: tables.sites.as_mut_ptr(),
            bindings: tables.bindings.as_mut_ptr(),
            rules: tables.rules.as_mut_ptr(),
            edits: tables.edits.as_mut_ptr(),
            terms: tables.terms.as_mut_ptr(),
            texts: tables.texts.as_mut_ptr(),
            ranges: tables.ranges.as_mut_ptr(),
            counters: shared.counters,
            term_counters: shared.term_counters,
            control: shared.control,
            site_count: row_count(&tables.sites),
            binding_count: row_count(&tables.bindings),
            rule_count: row_count(&tables.rules),
            edit_count: row_count(&tables.edits),
            term_count: row_count(&tables.terms),
            text_count: row_count(&tables.texts),
            range_count: row_count(&tables.ranges),
            padding: 0,
            thread_pointer,
            context: (&raw mut lent).cast(),
            read: read::<T>,
            write: write::<T>,
            float_read: float_read::<T>,
            float_write: float_write::<T>,
            remember: remember::<T>,
            emit: emit::<T>,
        };
        run(&raw mut host, &raw mut *self.scratch);
    }
}

fn row_count<T>(rows: &[T]) -> u32 {
    u32::try_from(rows.len()).expect("tables have fewer than 2^32 rows")
}

#[cfg(test)]
mod tests;
