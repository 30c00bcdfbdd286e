//! Which Go test a call is made in, and whose calls are counted together.

use super::{Fake, MEMORY};
use crate::native::{Core, Hit};
use crate::table::*;

/// In g: its id, and that of the goroutine that started it.
const GOID: u64 = 0;
const PARENT: u64 = 8;
/// In a T: its name.
const NAME: u64 = 8;
/// Where goroutines, the T and its name, and the stack are.
const G: u64 = MEMORY;
const T: u64 = MEMORY + 0x60;
const TEXT: u64 = MEMORY + 0x80;
const STACK: u64 = MEMORY + 0xc0;

/// What is probed: a function with rules, the beginning of a test, the start of a goroutine.
const CALL: u32 = 0;
const TEST: u32 = 1;
const SPAWN: u32 = 2;

/// An automaton for names that begin with `A`: where it begins, where nothing matches any more, where all does.
fn begins_with_a() -> Vec<State> {
    let state = |next: u16, accepts: u32| State {
        next: [next; 256],
        accepts,
        padding: 0,
    };
    let mut first = state(1, 0);
    first.next[usize::from(b'A')] = 2;
    vec![first, state(1, 0), state(2, 1)]
}

fn tables(rule: Rule, test: u32) -> Tables {
    let site = |flags: u8, bindings: u32| Site {
        bindings,
        flags: SITE_REGISTER_G | flags,
        ..Site::default()
    };
    Tables {
        sites: vec![site(0, 1), site(SITE_TEST, 0), site(SITE_SPAWN, 0)],
        bindings: vec![Binding {
            flags: BINDING_COUNTS | BINDING_COMPLETES,
            test,
            ..Binding::default()
        }],
        rules: vec![rule],
        states: begins_with_a(),
        process: Process {
            goid_offset: GOID,
            parent_offset: PARENT,
            test_name: NAME,
            tests: 1,
            globs: 1,
            ..Process::default()
        },
        control: Control {
            fault_limit: u64::MAX,
            event_limit: u64::MAX,
            ..Control::default()
        },
        ..Tables::default()
    }
}

/// A program, a goroutine at a time.
struct Program {
    core: Core,
    thread: Fake,
}

impl Program {
    fn new(rule: Rule, test: u32) -> Program {
        Program::of(&tables(rule, test))
    }

    fn of(tables: &Tables) -> Program {
        let core = Core::new(tables);
        core.start();
        Program {
            core,
            thread: Fake::new(),
        }
    }

    /// A goroutine comes to a probe.
    fn hit(&mut self, goroutine: u64, parent: u64, site: u32, arguments: [u64; 2]) {
        self.thread.put(G + GOID, goroutine);
        self.thread.put(G + PARENT, parent);
        let mut hit = Hit {
            site,
            ..Hit::default()
        };
        let mut set = |register: GeneralRegister, value: u64| hit.registers[register as usize] = value;
        set(GeneralRegister::R14, G);
        set(GeneralRegister::Rsp, STACK);
        set(GeneralRegister::Rax, arguments[0]);
        set(GeneralRegister::Rbx, arguments[1]);
        self.core.hit(&mut self.thread, &mut hit);
    }

    fn begin(&mut self, goroutine: u64, parent: u64, name: &str) {
        self.thread.put(T + NAME, TEXT);
        self.thread.put(T + NAME + 8, name.len() as u64);
        assert!(crate::native::Thread::write(
            &mut self.thread,
            TEXT,
            name.as_bytes()
        ));
        self.hit(goroutine, parent, TEST, [T, 0]);
    }

    fn spawn(&mut self, goroutine: u64, parent: u64) {
        self.hit(goroutine, parent, SPAWN, [0, G]);
    }

    /// The test that an event of a call tells: none if the call did not fire.
    fn call(&mut self, goroutine: u64, parent: u64) -> Option<Option<String>> {
        self.hit(goroutine, parent, CALL, [0, 0]);
        let event = self.thread.events.pop()?;
        Some(event.test.name())
    }
}

fn test(name: &str) -> Option<Option<String>> {
    Some(Some(name.to_owned()))
}

#[test]
fn goroutines_belong_to_the_test_that_their_ancestors_belong_to() {
    let mut program = Program::new(Rule::default(), 0);
    program.begin(10, 1, "A");
    program.begin(20, 1, "B/sub");
    assert_eq!(program.call(10, 1), test("A"));
    assert_eq!(program.call(20, 1), test("B/sub"));
    assert_eq!(program.call(1, 0), Some(None), "what runs the tests is in none");
    assert_eq!(program.call(30, 2), Some(None), "another's child");
    // 10 starts 11, which starts 12, which starts 13; nobody looks at 11 and 12 but there.
    program.spawn(10, 1);
    assert_eq!(program.call(11, 10), test("A"));
    program.spawn(11, 10);
    program.spawn(12, 11);
    assert_eq!(program.call(13, 12), test("A"));
    // What runs the tests starts others, too.
    program.spawn(1, 0);
    assert_eq!(program.call(14, 1), Some(None));
    assert_eq!(program.core.counters()[0].fired, 7);
}

#[test]
fn a_pattern_is_asked_of_the_tests_name() {
    let mut program = Program::new(Rule::default(), 1);
    program.begin(10, 1, "A/x");
    program.begin(20, 1, "B");
    program.spawn(10, 1);
    program.spawn(20, 1);
    assert_eq!(program.call(10, 1), test("A/x"));
    assert_eq!(program.call(11, 10), test("A/x"));
    assert_eq!(program.call(20, 1), None);
    assert_eq!(program.call(21, 20), None);
    assert_eq!(program.call(1, 0), None);
    let counters = program.core.counters()[0];
    assert_eq!((counters.calls, counters.matched), (5, 2));
    assert_eq!(counters.held[Held::Within as usize], 3);
}

#[test]
fn what_testing_prints_on_the_goroutine_of_a_test_is_not_the_tests() {
    let tables = Tables {
        ranges: vec![Range {
            low: 0x500,
            high: 0x600,
            next: 0xfedc_ba98_7654_3211,
        }],
        ..tables(Rule::default(), 1)
    };
    let process = Process {
        printing: 1,
        ..tables.process
    };
    let mut program = Program::of(&Tables { process, ..tables });
    program.begin(10, 1, "A");
    program.thread.put(STACK, 0x580);
    assert_eq!(program.call(10, 1), None);
    program.thread.put(STACK, 0x680);
    assert_eq!(program.call(10, 1), test("A"));
}

/// Which of six calls fire: two of test A, two of test B on goroutines of their own, two outside of tests.
fn fired(rule: Rule) -> [bool; 6] {
    let mut program = Program::new(rule, 0);
    program.begin(10, 1, "A");
    program.begin(20, 1, "B");
    program.spawn(20, 1);
    [(10, 1), (10, 1), (21, 20), (22, 20), (1, 0), (3, 0)]
        .map(|(goroutine, parent)| program.call(goroutine, parent).is_some())
}

#[test]
fn calls_and_firings_are_counted_where_the_scope_says() {
    let second = |scope: u32| Rule {
        flags: RULE_NTH | scope,
        nth: 2,
        ..Rule::default()
    };
    let once = |scope: u32| Rule {
        flags: RULE_TIMES | scope,
        times: 1,
        ..Rule::default()
    };
    let (yes, no) = (true, false);
    assert_eq!(fired(second(0)), [no, yes, no, no, no, no]);
    assert_eq!(fired(second(RULE_PER_PROCESS)), [no, yes, no, no, no, no]);
    assert_eq!(fired(second(RULE_PER_TEST)), [no, yes, no, yes, no, yes]);
    assert_eq!(fired(second(RULE_PER_GOROUTINE)), [no, yes, no, no, no, no]);
    assert_eq!(fired(once(0)), [yes, no, no, no, no, no]);
    assert_eq!(fired(once(RULE_PER_PROCESS)), [yes, no, no, no, no, no]);
    assert_eq!(fired(once(RULE_PER_TEST)), [yes, no, yes, no, yes, no]);
    // `times` is the run's.
    assert_eq!(fired(once(RULE_PER_GOROUTINE)), [yes, no, no, no, no, no]);
}

#[test]
fn the_stack_is_taken_from_the_frames() {
    let mut program = Program::new(Rule::default(), 0);
    // A frame at each: where the one before it is, and where that returns to.
    let frames = [MEMORY + 0xd0, MEMORY + 0xe0];
    program.thread.put(STACK, 0x111);
    program.thread.put(frames[0], frames[1]);
    program.thread.put(frames[0] + 8, 0x222);
    program.thread.put(frames[1], 0);
    program.thread.put(frames[1] + 8, 0x333);
    let mut hit = Hit::default();
    hit.registers[GeneralRegister::Rsp as usize] = STACK;
    hit.registers[GeneralRegister::Rbp as usize] = frames[0];
    program.core.hit(&mut program.thread, &mut hit);
    let event = program.thread.events.pop().expect("it fires");
    assert_eq!(event.return_addresses(), [0x111, 0x222, 0x333]);
}
