//! The signal-frame writer over a memory that may refuse writes: what does not reach the thread is counted as failed.

use super::{one_rule, register};
use crate::native::host::Host;
use crate::native::scratch::Scratch;
use crate::native::{Core, Hit, Thread};
use crate::table::*;

unsafe extern "C" {
    fn goinject_in_frame(host: *mut Host, scratch: *mut Scratch, ucontext: u64, pass_room: u32) -> u32;
}

const BASE: u64 = 0x1000;
/// The frame, its floating-point registers, g, and the stack.
const FRAME: u64 = BASE;
const FLOATS: u64 = BASE + 0x400;
const G: u64 = BASE + 0x300;
const STACK: u64 = BASE + 0x800;
const PC: u64 = 0x40_0000;
const LENGTH: u64 = 3;

/// Where the frame has a register, by its slot; 16 is the PC.
fn slot(slot: u64) -> u64 {
    FRAME + 40 + 8 * slot
}
const SLOT_RBX: u64 = 11;
const SLOT_R15: u64 = 7;
const SLOT_PC: u64 = 16;
const SLOT_FLOATS: u64 = 23;

/// A memory that takes so many writes.
struct Memory {
    bytes: Vec<u8>,
    writes: u32,
    events: Vec<Event>,
}

impl Memory {
    fn new() -> Memory {
        let mut memory = Memory {
            bytes: vec![0; 0x1000],
            writes: u32::MAX,
            events: Vec::new(),
        };
        for n in 0..16 {
            memory.put(slot(n), 0x1000 + n);
        }
        memory.put(slot(SLOT_PC), PC + LENGTH);
        memory.put(slot(SLOT_FLOATS), FLOATS);
        memory.put(FLOATS + 464, 0x4650_5853);
        memory.put(FLOATS + 512, 3);
        memory.put(G + 8, STACK + 0x100);
        memory
    }

    fn range(&self, address: u64, size: usize) -> Option<std::ops::Range<usize>> {
        let start = usize::try_from(address.checked_sub(BASE)?).ok()?;
        (start + size <= self.bytes.len()).then_some(start..start + size)
    }

    fn put(&mut self, address: u64, word: u64) {
        let range = self.range(address, 8).expect("in the memory");
        self.bytes[range].copy_from_slice(&word.to_le_bytes());
    }

    fn word(&self, address: u64) -> u64 {
        let range = self.range(address, 8).expect("in the memory");
        u64::from_le_bytes(self.bytes[range].try_into().expect("eight bytes"))
    }
}

impl Thread for Memory {
    fn read(&mut self, address: u64, to: &mut [u8]) -> bool {
        self.range(address, to.len()).is_some_and(|range| {
            to.copy_from_slice(&self.bytes[range]);
            true
        })
    }
    fn write(&mut self, address: u64, from: &[u8]) -> bool {
        let Some(range) = self.range(address, from.len()).filter(|_| self.writes > 0) else {
            return false;
        };
        self.writes -= 1;
        self.bytes[range].copy_from_slice(from);
        true
    }
    fn float(&mut self, _: u32) -> Option<u64> {
        panic!("floats are in the frame")
    }
    fn set_float(&mut self, _: u32, _: u64) -> bool {
        panic!("floats are in the frame")
    }
    fn thread_pointer(&mut self) -> u64 {
        0
    }
    fn emit(&mut self, event: &Event) {
        self.events.push(*event);
    }
}

fn rbx() -> Edit {
    register(1, 8, 0, 0x77)
}

fn float() -> Edit {
    let place = Place {
        base: Base::Float as u8,
        index: 2,
        size: 8,
        ..Place::default()
    };
    Edit {
        place,
        operand: 0x4000_0000_0000_0000,
        ..Edit::default()
    }
}

/// A thread left the probed instruction, and its signal has come. Gives how many goroutines are let pass.
fn signal(core: &mut Core, memory: &mut Memory, flags: u8, pass_room: u32) -> u32 {
    let serial = core.serial();
    let rows = &core.process.as_ref().expect("of one process").rows;
    let mut site = rows.sites.get(0).expect("a site");
    site.flags = flags;
    site.length = LENGTH as u8;
    site.lead = Lead::Next as u8;
    rows.sites.set(0, &[site]);
    let mut hit = Hit {
        pc: PC,
        g: G,
        serial,
        ..Hit::default()
    };
    hit.registers[GeneralRegister::Rsp as usize] = STACK;
    hit.registers[GeneralRegister::R15 as usize] = 0x15;
    core.scratch.hit = hit;
    let mut passes = 0;
    core.with(memory, |host, scratch| {
        // SAFETY: both are valid for the call.
        passes = unsafe { goinject_in_frame(host, scratch, FRAME, pass_room) };
    });
    passes
}

/// Applied ones, failed ones of a reason, and reasons of events in their order.
fn outcome(core: &Core, memory: &Memory, reason: Reason) -> (u64, u64, Vec<u32>) {
    let counters = core.counters()[0];
    let reasons = memory.events.iter().map(|event| event.reason).collect();
    let all: u64 = counters.failed.iter().sum();
    let failed = counters.failed[reason as usize];
    assert_eq!(all, failed, "for no other reason");
    (counters.applied, failed, reasons)
}

const OK: u32 = Reason::Ok as u32;

#[test]
fn edits_reach_the_frame_and_nothing_else_does() {
    let (mut core, mut memory) = (one_rule(vec![rbx(), float()]), Memory::new());
    assert_eq!(signal(&mut core, &mut memory, 0, 0), 0);
    assert_eq!(outcome(&core, &memory, Reason::Ok), (1, 0, vec![OK]));
    assert_eq!(memory.word(slot(SLOT_RBX)), 0x77);
    assert_eq!(memory.word(slot(SLOT_R15)), 0x1000 + SLOT_R15);
    assert_eq!(memory.word(slot(SLOT_PC)), PC + LENGTH);
    assert_eq!(memory.word(FLOATS + 160 + 32), 0x4000_0000_0000_0000);
}

#[test]
fn floats_that_were_not_saved_are_said_to_be_there() {
    let (mut core, mut memory) = (one_rule(vec![float()]), Memory::new());
    memory.put(FLOATS + 512, 1);
    memory.put(FLOATS + 160, 0xdead);
    signal(&mut core, &mut memory, 0, 0);
    assert_eq!(outcome(&core, &memory, Reason::Ok), (1, 0, vec![OK]));
    assert_eq!((memory.word(FLOATS + 512), memory.word(FLOATS + 160)), (3, 0));
    assert_eq!(memory.word(FLOATS + 160 + 32), 0x4000_0000_0000_0000);
}

#[test]
fn a_frame_that_takes_no_write_is_a_failure_before_anything_is_done() {
    for writes in 0..2 {
        let (mut core, mut memory) = (one_rule(vec![rbx()]), Memory::new());
        memory.writes = writes;
        let before = memory.bytes.clone();
        signal(&mut core, &mut memory, 0, 0);
        let failed = outcome(&core, &memory, Reason::WriteFault);
        assert_eq!(failed, (0, 1, vec![Reason::WriteFault as u32]));
        assert_eq!(memory.bytes, before);
    }
}

#[test]
fn what_is_refused_in_the_end_is_taken_back() {
    for (flags, writes) in [(0, 2), (SITE_RESTART, 2), (SITE_RESTART, 10), (SITE_RESTART, 18)] {
        let (mut core, mut memory) = (one_rule(vec![rbx()]), Memory::new());
        memory.writes = writes;
        signal(&mut core, &mut memory, flags, 1);
        let failed = outcome(&core, &memory, Reason::WriteFault);
        assert_eq!(
            failed,
            (0, 1, vec![OK, Reason::WriteFault as u32]),
            "{flags}, {writes}"
        );
    }
}

#[test]
fn floats_that_cannot_be_written_are_a_failure() {
    let (mut core, mut memory) = (one_rule(vec![float()]), Memory::new());
    memory.writes = 2;
    signal(&mut core, &mut memory, 0, 0);
    let failed = (0, 1, vec![Reason::NoFloats as u32]);
    assert_eq!(outcome(&core, &memory, Reason::NoFloats), failed);
    let (mut core, mut memory) = (one_rule(vec![float()]), Memory::new());
    memory.put(slot(SLOT_FLOATS), 0);
    signal(&mut core, &mut memory, 0, 0);
    assert_eq!(outcome(&core, &memory, Reason::NoFloats), failed);
}

#[test]
fn a_thread_is_sent_back_only_if_there_is_room_to_let_it_pass() {
    let (mut core, mut memory) = (one_rule(vec![rbx()]), Memory::new());
    assert_eq!(signal(&mut core, &mut memory, SITE_RESTART, 1), 1);
    assert_eq!(outcome(&core, &memory, Reason::Ok), (1, 0, vec![OK]));
    assert_eq!(memory.word(slot(SLOT_PC)), PC);
    assert_eq!(
        memory.word(slot(SLOT_R15)),
        0x15,
        "all as they were at the instruction"
    );

    let (mut core, mut memory) = (one_rule(vec![rbx()]), Memory::new());
    let before = memory.bytes.clone();
    assert_eq!(signal(&mut core, &mut memory, SITE_RESTART, 0), 0);
    let failed = outcome(&core, &memory, Reason::NoRoom);
    assert_eq!(failed, (0, 1, vec![Reason::NoRoom as u32]));
    assert_eq!(memory.bytes, before);

    // One whose edits can't be made is not sent back, and not let pass.
    let (mut core, mut memory) = (one_rule(vec![float()]), Memory::new());
    memory.put(slot(SLOT_FLOATS), 0);
    assert_eq!(signal(&mut core, &mut memory, SITE_RESTART, 1), 0);
    assert_eq!(memory.word(slot(SLOT_PC)), PC + LENGTH);
}

#[test]
fn a_thread_that_is_elsewhere_is_left_alone() {
    let (mut core, mut memory) = (one_rule(vec![rbx()]), Memory::new());
    memory.put(slot(SLOT_PC), PC + 100);
    signal(&mut core, &mut memory, 0, 0);
    let failed = (0, 1, vec![Reason::WrongPc as u32]);
    assert_eq!(outcome(&core, &memory, Reason::WrongPc), failed);
    assert_eq!(memory.word(slot(SLOT_RBX)), 0x1000 + SLOT_RBX);
}
