mod constants;
mod frame;
mod lanes;
mod layout;
mod members;

use super::*;
use crate::table::*;

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
            fault_limit: u64::MAX,
            event_limit: u64::MAX,
            ..Control::default()
        },
        ..Tables::default()
    };
    let core = Core::new(&tables);
    core.start();
    core
}

fn register(argument: usize, size: u8, kind: u8, operand: u64) -> Edit {
    let place = Place {
        base: Base::Integer as u8,
        index: GeneralRegister::ARGUMENTS[argument] as u8,
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
    let register_of = GeneralRegister::ARGUMENTS[1];
    let mut core = one_rule(vec![register(1, 1, 1, 0xfe)]);
    let mut hit = Hit {
        registers: [0x1234_5678_9abc_def0; 32],
        ..Hit::default()
    };
    core.hit(&mut Fake::new(), &mut hit);
    assert_eq!(hit.registers[register_of as usize], -2i64 as u64);
    assert_eq!(hit.dirty, 1 << register_of as u32);
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
    hit.registers[GeneralRegister::STACK_POINTER as usize] = MEMORY;
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
    let mut core = one_rule(vec![register(0, 8, 0, 1)]);
    core.cease();
    core.hit(&mut Fake::new(), &mut Hit::default());
    assert_eq!(core.counters()[0], Counters::default());
}
