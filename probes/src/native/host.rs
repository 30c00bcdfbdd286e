//! What the core calls back for. The C side is `bpf/native.h`.

use std::ffi::{c_int, c_void};

use super::memories::Memories;
use super::run::Lane;
use super::{FirstRows, Scratch, Thread};
use crate::table::{
    Binding, Control, Counters, Edit, Event, FixedText, Goroutine, Process, Range, Rule, Site, State, Term,
    TermCounters,
};

#[repr(C)]
pub(super) struct Host {
    pub(super) sites: *mut Site,
    pub(super) bindings: *mut Binding,
    pub(super) rules: *mut Rule,
    pub(super) edits: *mut Edit,
    pub(super) terms: *mut Term,
    pub(super) texts: *mut FixedText,
    pub(super) ranges: *mut Range,
    pub(super) states: *mut State,
    pub(super) counters: *mut Counters,
    pub(super) term_counters: *mut TermCounters,
    pub(super) control: *mut Control,
    pub(super) processes: *mut Process,
    pub(super) forced: *mut u64,
    pub(super) lanes: *mut Lane,
    pub(super) site_count: u32,
    pub(super) binding_count: u32,
    pub(super) rule_count: u32,
    pub(super) edit_count: u32,
    pub(super) term_count: u32,
    pub(super) text_count: u32,
    pub(super) range_count: u32,
    pub(super) process_count: u32,
    pub(super) state_count: u32,
    pub(super) forced_count: u32,
    pub(super) thread_pointer: u64,
    pub(super) context: *mut c_void,
    pub(super) read: unsafe extern "C" fn(*mut c_void, u64, *mut c_void, u32) -> c_int,
    pub(super) write: unsafe extern "C" fn(*mut c_void, u64, *const c_void, u32) -> c_int,
    pub(super) float_read: unsafe extern "C" fn(*mut c_void, u32, *mut u64) -> c_int,
    pub(super) float_write: unsafe extern "C" fn(*mut c_void, u32, u64) -> c_int,
    pub(super) remember: unsafe extern "C" fn(*mut c_void, u32, u32, *const c_void, *mut c_void) -> c_int,
    pub(super) emit: unsafe extern "C" fn(*mut c_void, *const Event),
}

unsafe extern "C" {
    pub(super) fn goinject_hit(host: *mut Host, scratch: *mut Scratch);
    pub(super) fn goinject_perform(host: *mut Host, scratch: *mut Scratch);
    pub(super) fn goinject_abandon(host: *mut Host, scratch: *mut Scratch, reason: u32);
    pub(super) fn goinject_forced_key(place: u64, number: u64, rule: u32) -> u64;
    pub(super) fn goinject_matched(rule: *const Rule, counter: *const u64, lanes: *const Lane) -> u64;
}

/// What the callbacks reach through the host's context.
pub(super) struct Lent<'a, T> {
    pub(super) thread: &'a mut T,
    pub(super) memories: &'a mut dyn Memories,
    pub(super) first: FirstRows,
}

pub(super) unsafe extern "C" fn read<T: Thread>(
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

pub(super) unsafe extern "C" fn write<T: Thread>(
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

pub(super) unsafe extern "C" fn float_read<T: Thread>(
    context: *mut c_void,
    index: u32,
    value: *mut u64,
) -> c_int {
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

pub(super) unsafe extern "C" fn float_write<T: Thread>(
    context: *mut c_void,
    index: u32,
    value: u64,
) -> c_int {
    // SAFETY: as in `read`.
    let lent = unsafe { &mut *context.cast::<Lent<'_, T>>() };
    c_int::from(!lent.thread.set_float(index, value))
}

pub(super) unsafe extern "C" fn emit<T: Thread>(context: *mut c_void, event: *const Event) {
    // SAFETY: as in `read`; the event lies in the scratch, which the core does not touch meanwhile.
    let (lent, event) = unsafe { (&mut *context.cast::<Lent<'_, T>>(), &*event) };
    lent.thread.emit(&lent.first.own(*event));
}

/// `enum gi_memory` and `enum gi_action` of `bpf/native.h`.
pub(super) unsafe extern "C" fn remember<T: Thread>(
    context: *mut c_void,
    memory: u32,
    action: u32,
    key: *const c_void,
    value: *mut c_void,
) -> c_int {
    const LOAD: u32 = 0;
    const SAVE: u32 = 1;
    const COUNT: u32 = 3;
    // SAFETY: as in `read`.
    let memories = unsafe { &mut *(*context.cast::<Lent<'_, T>>()).memories };
    // SAFETY: key and value are of the types that `enum gi_memory` names, in the scratch or on the C stack.
    let done = unsafe {
        match (memory, action) {
            (0, LOAD) => put(value, memories.call(&*key.cast())),
            (0, SAVE) => memories.set_call(&*key.cast(), Some(&*value.cast())),
            (0, _) => memories.set_call(&*key.cast(), None),
            (1, LOAD) => put(value, memories.delay(&*key.cast())),
            (1, SAVE) => memories.set_delay(&*key.cast(), Some(&*value.cast())),
            (1, _) => memories.set_delay(&*key.cast(), None),
            (3, LOAD) => put(value, memories.member(&*key.cast())),
            (3, _) => memories.set_member(&*key.cast(), &*value.cast()),
            (4, LOAD) => put(value, memories.test(&*key.cast())),
            (4, _) => memories.set_test(&*key.cast(), &*value.cast()),
            (_, LOAD) => put(value, memories.goroutine(&*key.cast())),
            (_, COUNT) => {
                let counted = value.cast::<Goroutine>();
                let calls = memories.count(&*key.cast(), (*counted).goid);
                (*counted).calls = calls.unwrap_or_default();
                calls.is_some()
            }
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
