use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use super::*;
use crate::capability::{BpfSupport, Support, own_file_offset, probed};
use crate::table::{BINDING_COUNTS, Binding, Edit, Needs, RULE_OBSERVE, RULE_TIMES, Rule, Site, Term};

/// Where BPF is out of reach, what `doctor` says is printed instead. Tried once: trying calls the function whose calls the tests
/// count, and they may be threads of one process.
fn support() -> Option<(Attach, Switches)> {
    static SUPPORT: LazyLock<BpfSupport> = LazyLock::new(BpfSupport::probe);
    let support = &*SUPPORT;
    if let Support::No(reason) | Support::Unknown(reason) = &support.load {
        eprintln!("skipped: {reason}");
        return None;
    }
    let attach = if support.multi.is_yes() {
        Attach::Multi
    } else {
        Attach::Single
    };
    let switches = Switches {
        sleep: support.sleep.is_yes(),
        ..Switches::default()
    };
    Some((attach, switches))
}

/// One rule that observes calls of goinject's own `probed`, twice in all.
fn tables() -> Tables {
    Tables {
        sites: vec![Site {
            address: probed as extern "C" fn(u64) -> u64 as usize as u64,
            bindings: 1,
            ..Site::default()
        }],
        bindings: vec![Binding {
            flags: BINDING_COUNTS,
            ..Binding::default()
        }],
        rules: vec![Rule {
            flags: RULE_OBSERVE | RULE_TIMES,
            times: 2,
            ..Rule::default()
        }],
        control: Control {
            fault_limit: u64::MAX,
            event_limit: u64::MAX,
            ..Control::default()
        },
        ..Tables::default()
    }
}

fn armed(program: &Program, tables: &Tables) -> ProcessRows {
    let own = std::process::id().cast_signed();
    let offset = own_file_offset(tables.sites[0].address).unwrap();
    let mut rows = program.add(tables, Switches::default(), own).unwrap();
    program
        .attach(
            &mut rows,
            Path::new("/proc/self/exe"),
            &[Probe { offset, site: 0 }],
        )
        .unwrap();
    assert!(program.arm(&rows));
    rows
}

fn call() {
    let call: extern "C" fn(u64) -> u64 = std::hint::black_box(probed);
    std::thread::spawn(move || call(1)).join().unwrap();
}

#[test]
fn processes_share_rules_and_have_rows_of_their_own() {
    let Some((attach, switches)) = support() else {
        return;
    };
    let mut tables = tables();
    let capacity = Capacity::of(&tables).times(2);
    let program = Program::load(&tables, switches, attach, capacity).unwrap();
    program.start();
    let (first, second) = (armed(&program, &tables), armed(&program, &tables));
    call();
    // Both see the call, and the rule's number of times is that of the run.
    let counters = program.counters()[0];
    assert_eq!((counters.calls, counters.fired), (2, 2));
    let events = program.take_events();
    let mut serials: Vec<u32> = events.iter().map(|event| event.process).collect();
    serials.sort_unstable();
    assert_eq!(serials, [first.serial(), second.serial()]);
    assert!(events.iter().all(|event| (event.site, event.binding) == (0, 0)));

    // One leaves: its rows are used again, but never its serial. Another condition needs more of the program, and
    // the counters stay those of the run.
    let (place, serial) = (first.place, first.serial());
    let removed = program.remove(first);
    assert_eq!(removed.process.pid, std::process::id());
    call();
    assert_eq!(program.counters()[0].calls, 3);
    program.finish();
    let third = armed(&program, &tables);
    assert_eq!(third.place, place);
    assert!(third.serial() > second.serial() && third.serial() != serial);
    tables.terms.push(Term {
        constant: 1,
        ..Term::default()
    });
    tables.bindings[0].terms = 1;
    assert!(Needs::of(&tables).has(Needs::CONDITIONS));
    let fourth = armed(&program, &tables);
    assert_eq!(program.instances.borrow().len(), 2);
    call();
    assert_eq!(program.counters()[0].calls, 6);
    assert_eq!(program.term_counters(&fourth).len(), 1);
    for rows in [second, third, fourth] {
        let _ = program.remove(rows);
    }
    program.finish();
    call();
    assert_eq!(program.counters()[0].calls, 6);
}

#[test]
fn a_process_that_runs_another_program_is_disarmed_and_cannot_be_armed() {
    let Some((attach, switches)) = support() else {
        return;
    };
    let tables = tables();
    let program = Program::load(&tables, switches, attach, Capacity::of(&tables)).unwrap();
    assert!(program.notices_exec());
    program.start();
    let mut child = std::process::Command::new("/bin/sh")
        .args(["-c", "read line; exec sleep 60"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let rows = program.add(&tables, switches, child.id().cast_signed()).unwrap();
    assert!(program.arm(&rows));
    drop(child.stdin.take());
    let name = format!("/proc/{}/comm", child.id());
    while std::fs::read_to_string(&name).unwrap() != "sleep\n" {
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(program.process(&rows).armed, crate::table::Armed::Executed as u32);
    program.disarm(&rows);
    assert!(!program.arm(&rows));
    let _ = program.remove(rows);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_the_tracer_writes_needs_no_edits_in_the_program() {
    let mut tables = tables();
    tables.rules[0].flags = 0;
    tables.edits.push(Edit::default());
    tables.bindings[0].edits = 1;
    tables.sites[0].writer = crate::table::WriterKind::Tracer as u8;
    assert_eq!(Needs::of(&tables), Needs::NONE);
    tables.sites[0].writer = crate::table::WriterKind::Context as u8;
    assert_eq!(Needs::of(&tables), Needs::EDITS);
    tables.rules[0].flags = RULE_OBSERVE | RULE_TIMES;
    tables.sites[0].writer = crate::table::WriterKind::Tracer as u8;
    assert_eq!(Needs::of(&tables), Needs::EDITS.and(Needs::TRIGGERS));
}

/// What comes later may have the program do more than what it was loaded for: it is loaded once more, and only then.
#[test]
fn what_it_may_do_grows_with_what_rules_need() {
    let Some((attach, none)) = support() else {
        return;
    };
    let tables = tables();
    let signal = Switches { signal: true, ..none };
    let own = std::process::id().cast_signed();
    let program = Program::load(&tables, none, attach, Capacity::of(&tables).times(4)).unwrap();
    let loaded = || program.instances.borrow().len();
    let mut rows = vec![program.add(&tables, none, own).unwrap()];
    assert_eq!(loaded(), 1);
    for (switches, count) in [(signal, 2), (none, 2), (signal, 2)] {
        rows.push(program.add(&tables, switches, own).unwrap());
        assert_eq!(loaded(), count);
        let instance = rows.last().unwrap().instance;
        assert!(program.instances.borrow()[instance].switches.allow(switches));
    }
    for rows in rows {
        let _ = program.remove(rows);
    }
}
