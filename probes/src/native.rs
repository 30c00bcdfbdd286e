//! The decision core, compiled natively: decides for the ptrace engine, and makes the edits wherever
//! a tracer writes. The C side is `bpf/native.c`; every unsafe call into it is in this file.

use std::ffi::{c_int, c_void};

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use crate::table::{
    Binding, Control, Counters, EDITS, Edit, Event, FIRED, REGISTERS, Reason, Rule, Site, Tables,
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
    /// Bit n: `registers[n]` was edited.
    pub dirty: u32,
    /// Not 0: something was edited, memory included.
    pub edited: u32,
    /// Row of the site.
    pub site: u32,
    /// Thread id.
    pub tid: u32,
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

#[repr(C)]
struct Host<'a> {
    sites: *mut Site,
    bindings: *mut Binding,
    rules: *mut Rule,
    edits: *mut Edit,
    counters: *mut Counters,
    control: *mut Control,
    site_count: u32,
    binding_count: u32,
    rule_count: u32,
    edit_count: u32,
    thread_pointer: u64,
    context: *mut c_void,
    read: unsafe extern "C" fn(*mut c_void, u64, *mut c_void, u32) -> c_int,
    write: unsafe extern "C" fn(*mut c_void, u64, *const c_void, u32) -> c_int,
    float_read: unsafe extern "C" fn(*mut c_void, u32, *mut u64) -> c_int,
    float_write: unsafe extern "C" fn(*mut c_void, u32, u64) -> c_int,
    emit: unsafe extern "C" fn(*mut c_void, *const Event),
    lifetime: std::marker::PhantomData<&'a mut ()>,
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Fired {
    binding: u32,
    padding: u32,
    call: u64,
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Planned {
    address: u64,
    base: u32,
    index: u32,
    before: u64,
    after: u64,
    size: u32,
    kind: u8,
    source: u8,
    known: u8,
    padding: u8,
}

/// `gi_scratch.state`: waiting for the signal that brings the thread to where edits can be made.
const SCRATCH_SIGNAL: u32 = 1;

/// A thread's scratch: the rules that fired in a call and what they are about to change.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Scratch {
    state: u32,
    fired_count: u32,
    /// The call, as it was saved by the BPF program.
    pub hit: Hit,
    where_: [u64; 2],
    word: [u64; 4],
    fired: [Fired; FIRED],
    planned: [Planned; EDITS],
    event: Event,
}

impl Scratch {
    /// Whether edits are waiting to be made.
    pub fn is_waiting(&self) -> bool {
        self.state == SCRATCH_SIGNAL && self.fired_count > 0
    }

    /// The rules (by binding row) that fired and wait.
    pub fn waiting(&self) -> impl Iterator<Item = u32> + '_ {
        self.fired
            .iter()
            .take(self.fired_count as usize)
            .map(|fired| fired.binding)
    }
}

unsafe extern "C" {
    fn goinject_hit(host: *mut Host<'_>, scratch: *mut Scratch);
    fn goinject_apply(host: *mut Host<'_>, scratch: *mut Scratch);
    fn goinject_abandon(host: *mut Host<'_>, scratch: *mut Scratch, reason: u32);
}

unsafe extern "C" fn read<T: Thread>(
    context: *mut c_void,
    address: u64,
    to: *mut c_void,
    size: u32,
) -> c_int {
    // SAFETY: `context` is the thread that `Core::with` was given, alive for the call; `to` has `size` bytes.
    let (thread, to) = unsafe {
        (
            &mut *context.cast::<T>(),
            std::slice::from_raw_parts_mut(to.cast::<u8>(), size as usize),
        )
    };
    c_int::from(!thread.read(address, to))
}

unsafe extern "C" fn write<T: Thread>(
    context: *mut c_void,
    address: u64,
    from: *const c_void,
    size: u32,
) -> c_int {
    // SAFETY: as in `read`.
    let (thread, from) = unsafe {
        (
            &mut *context.cast::<T>(),
            std::slice::from_raw_parts(from.cast::<u8>(), size as usize),
        )
    };
    c_int::from(!thread.write(address, from))
}

unsafe extern "C" fn float_read<T: Thread>(context: *mut c_void, index: u32, value: *mut u64) -> c_int {
    // SAFETY: as in `read`; `value` is a local of the caller.
    let (thread, value) = unsafe { (&mut *context.cast::<T>(), &mut *value) };
    match thread.float(index) {
        Some(float) => {
            *value = float;
            0
        }
        None => 1,
    }
}

unsafe extern "C" fn float_write<T: Thread>(context: *mut c_void, index: u32, value: u64) -> c_int {
    // SAFETY: as in `read`.
    let thread = unsafe { &mut *context.cast::<T>() };
    c_int::from(!thread.set_float(index, value))
}

unsafe extern "C" fn emit<T: Thread>(context: *mut c_void, event: *const Event) {
    // SAFETY: as in `read`; the event lies in the scratch, which the core does not touch meanwhile.
    let (thread, event) = unsafe { (&mut *context.cast::<T>(), &*event) };
    thread.emit(event);
}

/// Where the counters and the control row are.
#[derive(Debug)]
pub enum State {
    /// In goinject alone.
    Owned {
        /// One row per rule.
        counters: Vec<Counters>,
        /// The switch.
        control: Box<Control>,
    },
    /// In memory shared with the BPF program, which adds to them at the same time.
    Shared {
        /// One row per rule.
        counters: *mut Counters,
        /// The switch.
        control: *mut Control,
    },
}

/// The decision core with its tables.
#[derive(Debug)]
pub struct Core {
    tables: Tables,
    state: State,
    scratch: Box<Scratch>,
}

impl Core {
    /// A core of its own, with all counters at zero.
    pub fn new(tables: Tables) -> Core {
        let counters = vec![Counters::default(); tables.rules.len()];
        let control = Box::new(tables.control);
        Core {
            tables,
            state: State::Owned { counters, control },
            scratch: Box::new(Scratch::new_zeroed()),
        }
    }

    /// A core that counts in memory shared with a BPF program.
    ///
    /// # Safety
    /// `counters` must point to one row per rule, `control` to one row; both must stay mapped for as
    /// long as the core lives.
    pub unsafe fn shared(tables: Tables, counters: *mut Counters, control: *mut Control) -> Core {
        Core {
            tables,
            state: State::Shared { counters, control },
            scratch: Box::new(Scratch::new_zeroed()),
        }
    }

    /// The rows it decides by.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Lets probes act, or all pass.
    pub fn arm(&mut self, armed: bool) {
        let armed = u32::from(armed);
        match &mut self.state {
            State::Owned { control, .. } => control.armed = armed,
            // SAFETY: the contract of `shared`. A volatile write, for the BPF program reads it meanwhile.
            State::Shared { control, .. } => unsafe { (&raw mut (**control).armed).write_volatile(armed) },
        }
    }

    /// What each rule has done so far.
    pub fn counters(&self) -> Vec<Counters> {
        match &self.state {
            State::Owned { counters, .. } => counters.clone(),
            State::Shared { counters, .. } => {
                // SAFETY: the contract of `shared`; volatile for the same reason.
                (0..self.tables.rules.len())
                    .map(|rule| unsafe { counters.add(rule).read_volatile() })
                    .collect()
            }
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

    /// Makes the edits that the BPF program decided on and left in a thread's scratch.
    pub fn apply<T: Thread>(&mut self, thread: &mut T, scratch: &Scratch) -> Hit {
        *self.scratch = *scratch;
        // SAFETY: as in `hit`.
        self.with(thread, |host, scratch| unsafe { goinject_apply(host, scratch) });
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

    fn with<T: Thread>(&mut self, thread: &mut T, run: impl FnOnce(*mut Host<'_>, *mut Scratch)) {
        let (counters, control): (*mut Counters, *mut Control) = match &mut self.state {
            State::Owned { counters, control } => (counters.as_mut_ptr(), &raw mut **control),
            State::Shared { counters, control } => (*counters, *control),
        };
        let thread_pointer = thread.thread_pointer();
        let mut host = Host {
            sites: self.tables.sites.as_mut_ptr(),
            bindings: self.tables.bindings.as_mut_ptr(),
            rules: self.tables.rules.as_mut_ptr(),
            edits: self.tables.edits.as_mut_ptr(),
            counters,
            control,
            site_count: row_count(&self.tables.sites),
            binding_count: row_count(&self.tables.bindings),
            rule_count: row_count(&self.tables.rules),
            edit_count: row_count(&self.tables.edits),
            thread_pointer,
            context: (&raw mut *thread).cast(),
            read: read::<T>,
            write: write::<T>,
            float_read: float_read::<T>,
            float_write: float_write::<T>,
            emit: emit::<T>,
            lifetime: std::marker::PhantomData,
        };
        run(&raw mut host, &raw mut *self.scratch);
    }
}

fn row_count<T>(rows: &[T]) -> u32 {
    u32::try_from(rows.len()).expect("tables have fewer than 2^32 rows")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{
        BINDING_COMPLETES, BINDING_COUNTS, Base, GeneralRegister, Place, SITE_REGISTER_G, Step, Word,
    };

    unsafe extern "C" {
        static goinject_sizes: [u64; 11];
    }

    #[test]
    fn rust_and_c_agree_on_every_row() {
        let rust = [
            size_of::<Place>(),
            size_of::<Edit>(),
            size_of::<Binding>(),
            size_of::<Rule>(),
            size_of::<Counters>(),
            size_of::<Site>(),
            size_of::<Control>(),
            size_of::<Event>(),
            size_of::<Hit>(),
            size_of::<Scratch>(),
            size_of::<Host<'_>>(),
        ];
        // SAFETY: a constant array of the linked C object.
        let c = unsafe { goinject_sizes };
        assert_eq!(rust.map(|size| size as u64), c);
    }

    /// A thread with a few bytes of memory at address 0x1000.
    struct Fake {
        memory: Vec<u8>,
        floats: [u64; 16],
        events: Vec<Event>,
    }

    const MEMORY: u64 = 0x1000;

    impl Fake {
        fn new() -> Fake {
            Fake {
                memory: vec![0; 0x100],
                floats: [0; 16],
                events: Vec::new(),
            }
        }

        fn put(&mut self, address: u64, word: u64) {
            assert!(self.write(address, &word.to_le_bytes()));
        }

        fn range(&self, address: u64, size: usize) -> Option<std::ops::Range<usize>> {
            let start = usize::try_from(address.checked_sub(MEMORY)?).ok()?;
            (start + size <= self.memory.len()).then_some(start..start + size)
        }
    }

    impl Thread for Fake {
        fn read(&mut self, address: u64, to: &mut [u8]) -> bool {
            self.range(address, to.len()).is_some_and(|range| {
                to.copy_from_slice(&self.memory[range]);
                true
            })
        }
        fn write(&mut self, address: u64, from: &[u8]) -> bool {
            self.range(address, from.len()).is_some_and(|range| {
                self.memory[range].copy_from_slice(from);
                true
            })
        }
        fn float(&mut self, index: u32) -> Option<u64> {
            Some(self.floats[index as usize])
        }
        fn set_float(&mut self, index: u32, value: u64) -> bool {
            self.floats[index as usize] = value;
            true
        }
        fn thread_pointer(&mut self) -> u64 {
            0
        }
        fn emit(&mut self, event: &Event) {
            self.events.push(*event);
        }
    }

    fn one_rule(edits: Vec<Edit>) -> Core {
        let tables = Tables {
            sites: vec![Site {
                bindings: 1,
                flags: SITE_REGISTER_G,
                ..Site::default()
            }],
            bindings: vec![Binding {
                edits: u32::try_from(edits.len()).unwrap(),
                flags: BINDING_COUNTS | BINDING_COMPLETES,
                ..Binding::default()
            }],
            rules: vec![Rule::default()],
            edits,
            control: Control {
                armed: 1,
                ..Control::default()
            },
        };
        Core::new(tables)
    }

    fn register(index: GeneralRegister, size: u8, kind: u8, operand: u64) -> Edit {
        let place = Place {
            base: Base::Integer as u8,
            index: index as u8,
            size,
            ..Place::default()
        };
        Edit {
            place,
            operand,
            kind,
            ..Edit::default()
        }
    }

    #[test]
    fn a_narrow_signed_value_fills_its_register() {
        let mut core = one_rule(vec![register(GeneralRegister::Rbx, 1, 1, 0xfe)]);
        let mut hit = Hit {
            registers: [0x1234_5678_9abc_def0; 16],
            ..Hit::default()
        };
        core.hit(&mut Fake::new(), &mut hit);
        assert_eq!(hit.registers[GeneralRegister::Rbx as usize], -2i64 as u64);
        assert_eq!(hit.dirty, 1 << GeneralRegister::Rbx as u32);
        assert_eq!(core.counters()[0].applied, 1);
    }

    #[test]
    fn edits_are_made_all_or_none() {
        let stack = Place {
            base: Base::Stack as u8,
            size: 8,
            offset: 8,
            ..Place::default()
        };
        let wild = Place {
            base: Base::Absolute as u8,
            size: 8,
            address: 0x9999,
            ..Place::default()
        };
        let mut core = one_rule(vec![
            Edit {
                place: stack,
                operand: 7,
                ..Edit::default()
            },
            Edit {
                place: wild,
                operand: 7,
                ..Edit::default()
            },
        ]);
        let mut thread = Fake::new();
        thread.put(MEMORY + 8, 5);
        let mut hit = Hit::default();
        hit.registers[GeneralRegister::Rsp as usize] = MEMORY;
        core.hit(&mut thread, &mut hit);
        assert_eq!(thread.memory[8], 5);
        let counters = core.counters()[0];
        assert_eq!((counters.fired, counters.applied, counters.failures()), (1, 0, 1));
        assert_eq!(counters.failed[Reason::ReadFault as usize], 1);
        assert_eq!(thread.events[0].reason, Reason::ReadFault as u32);
    }

    #[test]
    fn a_path_through_a_slice_in_registers_is_followed_and_bounded() {
        let mut place = Place {
            base: Base::Integer as u8,
            index: 0,
            size: 4,
            steps: 1,
            ..Place::default()
        };
        place.step[0] = Step { offset: 8, bound: 3 };
        let edit = Edit {
            place,
            operand: 99,
            ..Edit::default()
        };
        let mut thread = Fake::new();
        thread.put(MEMORY + 8, 0xffff_ffff_0000_0001);
        let mut hit = Hit::default();
        hit.registers[0] = MEMORY;
        hit.registers[1] = 3;
        let mut core = one_rule(vec![edit]);
        core.hit(&mut thread, &mut hit);
        assert_eq!(thread.memory[8..16], [99, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(thread.events[0].word[0], Word { before: 1, after: 99 });
        hit.registers[1] = 2;
        core.hit(&mut thread, &mut hit);
        hit.registers[0] = 0;
        hit.registers[1] = 3;
        core.hit(&mut thread, &mut hit);
        let failed = core.counters()[0].failed;
        assert_eq!(
            (failed[Reason::Range as usize], failed[Reason::Nil as usize]),
            (1, 1)
        );
    }

    #[test]
    fn nothing_happens_while_disarmed() {
        let mut core = one_rule(vec![register(GeneralRegister::Rax, 8, 0, 1)]);
        core.arm(false);
        core.hit(&mut Fake::new(), &mut Hit::default());
        assert_eq!(core.counters()[0], Counters::default());
    }
}
