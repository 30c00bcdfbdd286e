mod lanes;

use std::arch::asm;

use memmap2::{MmapMut, MmapOptions, MmapRaw};

use super::*;
use crate::table::*;

/// The core mapped into this process, with a stub for its one site.
struct Mapped {
    run: Rc<SharedRun>,
    process: SharedProcess,
    stub: u64,
    _code: memmap2::Mmap,
    _memory: [MmapRaw; 2],
}

/// Registers around a call of the stub.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    rax: u64,
    rbx: u64,
    r10: u64,
    r15: u64,
    flags: u64,
}

const STUB: usize = 16;

impl Mapped {
    fn new(bindings: Vec<Binding>, edits: Vec<Edit>, terms: Vec<Term>) -> Mapped {
        let tables = tables(bindings, edits, terms);
        Mapped::in_run(&Rc::new(SharedRun::new(&tables).unwrap()), &tables)
    }

    /// One more process of a run.
    fn in_run(run: &Rc<SharedRun>, tables: &Tables) -> Mapped {
        let run = Rc::clone(run);
        let process = SharedProcess::new(&run, tables).unwrap();
        let map = |file: BorrowedFd<'_>| MmapOptions::new().map_raw(&file).unwrap();
        let memory = [map(run.file()), map(process.file())];
        let at = |n: usize| memory[n].as_mut_ptr() as u64;
        process.place(at(1), &run, at(0), RuntimeFacts::default());
        process.extend(Duration::from_secs(60));
        let size = (code_size() as usize).next_multiple_of(64);
        let mut code = MmapMut::map_anon(size + 2 * STUB).unwrap();
        let base = code.as_ptr() as u64;
        let (stub, table) = (base + size as u64, size + STUB);
        let head = Head {
            process: at(1),
            displaced: base + table as u64,
        };
        let image = process.code(head);
        code[..image.len()].copy_from_slice(&image);
        // mov r13d, 0; jmp entrance; ret
        code[size..size + 7].copy_from_slice(&[0x41, 0xbd, 0, 0, 0, 0, 0xe9]);
        let distance = (base + entrance()).wrapping_sub(stub + 11) as u32;
        code[size + 7..size + 11].copy_from_slice(&distance.to_le_bytes());
        code[size + 11] = 0xc3;
        code[table..table + 8].copy_from_slice(&(stub + 11).to_le_bytes());
        run.run().start();
        process.arm();
        handle(faults(base));
        Mapped {
            run,
            process,
            stub,
            _code: code.make_exec().unwrap(),
            _memory: memory,
        }
    }

    /// Events as they are told.
    fn take_events(&mut self) -> Vec<Event> {
        let mut events = self.process.take_last_events();
        for event in &mut events {
            self.process.number(&self.run, event);
        }
        events
    }

    fn call(&self, rax: u64) -> Seen {
        call(self.stub, rax)
    }
}

fn call(stub: u64, rax: u64) -> Seen {
    {
        let mut seen = Seen {
            rax,
            rbx: 2,
            r10: 10,
            r15: 15,
            flags: 0,
        };
        // SAFETY: the stub changes no register but those that are listed.
        unsafe {
            asm!(
                "xchg rbx, {rbx}",
                // Overflow, sign and carry are set by this, and zero is not.
                "mov r12d, 0x80000000", "neg r12d", "stc",
                "call {stub}",
                "pushfq", "pop r12",
                "xchg rbx, {rbx}",
                stub = in(reg) stub,
                rbx = inout(reg) seen.rbx,
                inout("rax") seen.rax,
                inout("r10") seen.r10,
                inout("r15") seen.r15,
                out("r12") seen.flags,
                out("r13") _,
            );
        }
        seen
    }
}

fn sets_rax(flags: u32) -> (Vec<Binding>, Vec<Edit>) {
    let binding = Binding {
        edits: 1,
        flags: BINDING_COUNTS | BINDING_COMPLETES | flags,
        ..Binding::default()
    };
    let edit = Edit {
        place: Place {
            base: Base::Integer as u8,
            index: GeneralRegister::Rax as u8,
            size: 8,
            ..Place::default()
        },
        operand: 77,
        ..Edit::default()
    };
    (vec![binding], vec![edit])
}

fn tables(bindings: Vec<Binding>, edits: Vec<Edit>, terms: Vec<Term>) -> Tables {
    Tables {
        sites: vec![Site {
            bindings: u32::try_from(bindings.len()).unwrap(),
            flags: SITE_REGISTER_G,
            ..Site::default()
        }],
        bindings,
        rules: vec![Rule::default()],
        edits,
        terms,
        control: Control {
            fault_limit: u64::MAX,
            event_limit: u64::MAX,
            ..Control::default()
        },
        ..Tables::default()
    }
}

const FLAGS: u64 = 0x8d5;

#[test]
fn a_thread_finds_its_registers_as_they_were_but_for_edits() {
    let (bindings, edits) = sets_rax(0);
    let mut mapped = Mapped::new(bindings, edits, Vec::new());
    let plain = Seen {
        rax: 1,
        rbx: 2,
        r10: 10,
        r15: 15,
        flags: 0x895 & FLAGS,
    };
    mapped.process.disarm();
    let seen = mapped.call(1);
    assert_eq!((seen.flags & FLAGS) | 0x10, plain.flags | 0x10);
    assert_eq!(
        Seen {
            flags: plain.flags,
            ..seen
        },
        plain
    );
    assert_eq!(mapped.run.counters()[0], Counters::default());
    mapped.process.arm();
    let seen = mapped.call(1);
    assert_eq!((seen.rax, seen.rbx, seen.r10, seen.r15), (77, 2, 10, 15));
    assert_eq!((seen.flags & FLAGS) | 0x10, plain.flags | 0x10);
    let counters = mapped.run.counters()[0];
    assert_eq!((counters.calls, counters.fired, counters.applied), (1, 1, 1));
    let events = mapped.take_events();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].word[0], Word { before: 1, after: 77 });
    assert_eq!(events[0].tid, nix::unistd::gettid().as_raw().cast_unsigned());
    assert_eq!(events[0].process, mapped.process.serial());
}

#[test]
fn many_threads_count_exactly_and_lose_no_event_uncounted() {
    const CALLS: u64 = 20_000;
    let (bindings, edits) = sets_rax(0);
    let mut mapped = Mapped::new(bindings, edits, Vec::new());
    let stub = mapped.stub;
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for n in 0..CALLS {
                    assert_eq!(call(stub, n).rax, 77);
                }
            });
        }
    });
    let counters = mapped.run.counters()[0];
    assert_eq!((counters.calls, counters.applied), (8 * CALLS, 8 * CALLS));
    let events = mapped.take_events().len() as u64;
    assert_eq!(events + mapped.run.lost()[0], 8 * CALLS);
}

#[test]
fn memory_that_is_missing_fails_and_is_counted() {
    let (bindings, mut edits) = sets_rax(0);
    edits[0].place = Place {
        base: Base::Absolute as u8,
        size: 8,
        address: 0x10,
        ..Place::default()
    };
    let mapped = Mapped::new(bindings, edits, Vec::new());
    assert_eq!(mapped.call(1).rax, 1);
    let counters = mapped.run.counters()[0];
    assert_eq!(counters.failed[Reason::ReadFault as usize], 1);
}

/// A thread that faults in the core goes on where the core says, and has failed.
#[test]
fn memory_that_nobody_has_faults_and_is_counted() {
    let nobodys = MmapOptions::new().len(1 << 16).map_anon().unwrap();
    // SAFETY: nothing else knows of this memory.
    unsafe {
        nix::libc::mprotect(
            nobodys.as_ptr() as *mut nix::libc::c_void,
            1 << 16,
            nix::libc::PROT_NONE,
        )
    };
    let sizes = [1, 2, 4, 8];
    for size in sizes {
        let (bindings, mut edits) = sets_rax(0);
        edits[0].place = Place {
            base: Base::Absolute as u8,
            size,
            address: nobodys.as_ptr() as u64,
            ..Place::default()
        };
        let mapped = Mapped::new(bindings, edits, Vec::new());
        let before = TAKEN.load(Ordering::Relaxed);
        assert_eq!(mapped.call(1).rax, 1);
        assert!(TAKEN.load(Ordering::Relaxed) > before, "{size}");
        let counters = mapped.run.counters()[0];
        assert_eq!(counters.failed[Reason::ReadFault as usize], 1, "{size}");
    }
}

static DETOURS: std::sync::Mutex<Vec<(u64, u64)>> = std::sync::Mutex::new(Vec::new());
static TAKEN: AtomicU32 = AtomicU32::new(0);

/// Has threads that fault there go on, as a target's handler does.
fn handle(faults: Vec<(u64, u64)>) {
    DETOURS.lock().unwrap().extend(faults);
    // SAFETY: a handler that takes a lock which nobody has while the core runs.
    unsafe {
        let mut action: nix::libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = detour as *const () as usize;
        action.sa_flags = nix::libc::SA_SIGINFO | nix::libc::SA_ONSTACK;
        nix::libc::sigaction(nix::libc::SIGSEGV, &raw const action, std::ptr::null_mut());
    }
}

extern "C" fn detour(_: i32, _: *const nix::libc::siginfo_t, context: *mut nix::libc::ucontext_t) {
    // SAFETY: the kernel gives a context for as long as this runs.
    let pc = unsafe { &mut (*context).uc_mcontext.gregs[nix::libc::REG_RIP as usize] };
    let detours = DETOURS.lock().unwrap();
    match detours.iter().find(|(at, _)| *at == pc.cast_unsigned()) {
        Some((_, to)) => *pc = to.cast_signed(),
        None => std::process::abort(),
    }
    TAKEN.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn a_call_can_end_before_it_begins() {
    let (bindings, edits) = sets_rax(BINDING_RETURNS);
    let mapped = Mapped::new(bindings, edits, Vec::new());
    assert_eq!(mapped.call(1).rax, 77);
    assert_eq!(mapped.run.counters()[0].applied, 1);
}

#[test]
fn what_threads_of_all_processes_count_is_added_up() {
    const CALLS: u64 = 5000;
    let (mut bindings, edits) = sets_rax(0);
    bindings[0].terms = 1;
    // rax is below a hundred.
    let term = Term {
        test: TestKind::Less as u8,
        left_source: OperandSource::Place as u8,
        left: edits[0].place,
        constant: 100,
        ..Term::default()
    };
    let mapped = Mapped::new(bindings.clone(), edits.clone(), vec![term]);
    let stub = mapped.stub;
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for n in 0..CALLS {
                    assert_eq!(
                        call(stub, n * 4 + thread).rax,
                        if n < 25 { 77 } else { n * 4 + thread }
                    );
                }
            });
        }
    });
    let counters = mapped.run.counters()[0];
    assert_eq!(
        (counters.calls, counters.matched, counters.fired),
        (4 * CALLS, 100, 100)
    );
    let terms = mapped.process.term_counters();
    let term = terms[0];
    assert_eq!(
        (term.held, term.failed, term.unreadable),
        (100, 4 * CALLS - 100, 0)
    );
    let Mapped { run, process, .. } = mapped;
    drop(process);
    assert_eq!(run.counters()[0].calls, 4 * CALLS);
    // What is gone is no longer held when another comes.
    let tables = Tables {
        rules: vec![Rule::default()],
        ..Tables::default()
    };
    let other = SharedProcess::new(&run, &tables).unwrap();
    assert_eq!(run.counters()[0], counters);
    drop(other);
}

#[test]
fn events_have_all_of_their_parts_however_many_there_are() {
    // More words than an entry of the ring has room for, twice around.
    let (mut bindings, edits) = sets_rax(0);
    bindings[0].edits = 16;
    let edits = (0..16)
        .map(|n| Edit {
            operand: 100 + n,
            ..edits[0]
        })
        .collect();
    let mut mapped = Mapped::new(bindings, edits, Vec::new());
    for n in 0..2 * ring::ENTRIES as u64 {
        assert_eq!(mapped.call(n).rax, 115);
        let events = mapped.take_events();
        assert_eq!(events.len(), 1);
        let event = &events[0];
        let words = (0..16).map(|i| Word {
            before: n,
            after: 100 + i,
        });
        assert_eq!(event.word.to_vec(), words.collect::<Vec<_>>());
        assert_eq!((event.call, event.known, event.padding), (n + 1, 0xffff, 0));
        assert_eq!((event.texts, event.test.length), (0, 0));
        let (in_use, rest) = event.stack.split_at(event.frames as usize);
        assert!(in_use.iter().all(|frame| *frame != 0) && rest.iter().all(|frame| *frame == 0));
    }
}

#[test]
fn calls_are_numbered_as_they_are_told_and_each_number_is_used_once() {
    const CALLS: u64 = 400;
    let (bindings, edits) = sets_rax(0);
    let mut mapped = Mapped::new(bindings, edits, Vec::new());
    let stub = mapped.stub;
    // Threads with stacks of their own are in slots of their own.
    for round in 1..=3 {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..CALLS {
                        assert_eq!(call(stub, n).rax, 77);
                    }
                });
            }
        });
        let events = mapped.take_events();
        assert_eq!(mapped.run.lost(), [0, 0]);
        let numbers: Vec<u64> = events.iter().map(|event| event.call).collect();
        let all: Vec<u64> = (4 * CALLS * (round - 1) + 1..=4 * CALLS * round).collect();
        assert_eq!(numbers, all);
        assert!(events.is_sorted_by_key(|event| event.time));
        assert_eq!(mapped.run.counters()[0].matched, 4 * CALLS * round);
    }
}

#[test]
fn a_rule_that_counts_calls_is_exact_with_many_threads_and_numbers_go_on_when_it_is_done() {
    const CALLS: u64 = 5000;
    for (rule, fired) in [
        (
            Rule {
                flags: RULE_NTH,
                nth: 1000,
                ..Rule::default()
            },
            1000..=1000,
        ),
        (
            Rule {
                flags: RULE_FIRST,
                first: 700,
                ..Rule::default()
            },
            1..=700,
        ),
        (
            Rule {
                flags: RULE_AFTER_CALLS,
                after_calls: 8 * CALLS - 900,
                ..Rule::default()
            },
            8 * CALLS - 899..=8 * CALLS,
        ),
    ] {
        let (bindings, edits) = sets_rax(0);
        let mut mapped = Mapped::new(bindings, edits, Vec::new());
        mapped.run.run().set_rule(0, &rule);
        let stub = mapped.stub;
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..CALLS).for_each(|n| _ = call(stub, n)));
            }
        });
        let mut numbers: Vec<u64> = mapped.take_events().iter().map(|event| event.call).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, fired.clone().collect::<Vec<_>>(), "{rule:?}");
        let counters = mapped.run.counters()[0];
        assert_eq!(
            (counters.matched, counters.fired),
            (8 * CALLS, numbers.len() as u64)
        );
        assert_eq!(counters.held[Held::Calls as usize], 8 * CALLS - counters.fired);
    }
}

/// Limits are exact also where one comes later, which faults before it count against.
#[test]
fn faults_count_against_a_limit_that_comes_later() {
    const CALLS: u64 = 500;
    let (bindings, edits) = sets_rax(0);
    let mut mapped = Mapped::new(bindings, edits, Vec::new());
    let stub = mapped.stub;
    let on_four_threads = || {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..CALLS).for_each(|n| _ = call(stub, n)));
            }
        });
    };
    on_four_threads();
    assert_eq!(mapped.run.run().control().faults, 0);
    mapped.process.settle(&mapped.run);
    mapped.run.run().set_limits(None, Some(4 * CALLS + 100));
    mapped.process.settle(&mapped.run);
    assert_eq!(mapped.run.run().control().faults, 4 * CALLS);
    on_four_threads();
    let counters = mapped.run.counters()[0];
    assert_eq!(counters.fired, 4 * CALLS + 100);
    assert_eq!(counters.held[Held::Limit as usize], 4 * CALLS - 100);
    assert_eq!(counters.matched, 8 * CALLS);
}

/// Events that nobody takes are neither told nor dropped, and what they were is still known.
#[test]
fn events_beyond_their_limit_are_only_counted() {
    const CALLS: u64 = 500;
    const LIMIT: u64 = 10;
    let (bindings, edits) = sets_rax(0);
    let mut mapped = Mapped::new(bindings, edits, Vec::new());
    // SAFETY: there is one row, and nobody looks at it yet.
    unsafe { (*mapped.run.run.control.as_mut_ptr()).event_limit = LIMIT };
    let stub = mapped.stub;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..CALLS).for_each(|n| assert_eq!(call(stub, n).rax, 77)));
        }
    });
    let slots = u64::from(mapped.process.inside.get(0).unwrap().shares.used.count_ones());
    let told = mapped.take_events().len() as u64;
    // A slot in which fewer calls were made tells of each.
    assert!(
        told <= LIMIT * slots && told >= LIMIT,
        "{told} events of {slots} slots"
    );
    assert_eq!(mapped.run.lost(), [0, 0]);
    let counters = mapped.run.counters()[0];
    assert_eq!((counters.fired, counters.applied), (4 * CALLS, 4 * CALLS));
    let untold = Faults {
        fired: 4 * CALLS - told,
        failed: 0,
    };
    assert_eq!(mapped.process.untold()[0], untold);
}

/// A thread that is still writing its event holds up no others' but those that may follow from what is behind it.
#[test]
fn events_are_told_in_the_order_in_which_they_may_follow_from_each_other() {
    let (bindings, edits) = sets_rax(0);
    let mut mapped = Mapped::new(bindings, edits, Vec::new());
    // The same ring as long as the stack is the same.
    (0..4).for_each(|n| _ = mapped.call(n));
    let ring = (0..RINGS)
        .find(|ring| mapped.process.rings.is_whole(*ring, 0))
        .unwrap();
    mapped.process.rings.unfinish(ring, 1);
    let before = mapped.process.take_events();
    assert_eq!(before.len(), 1);
    std::thread::scope(|scope| {
        scope.spawn(|| (0..4).for_each(|n| _ = call(mapped.stub, n)));
    });
    // Of another ring, unless the other thread's stack happened to be in the same.
    assert_eq!(mapped.process.take_events(), []);
    let last = mapped.take_events();
    assert_eq!(last.len(), 6);
    assert!(last.is_sorted_by_key(|event| event.time) && before[0].time <= last[0].time);
}
