//! The plan as the tables that the decision core reads, for one running process.

mod edits;
mod numbering;
mod trigger;

use std::ops::Range;

pub use self::numbering::{Forced, Numbering};

use goinject_probes::table::{self, Tables};
use serde::{Deserialize, Serialize};

use super::scratch::Pointee;
use super::{
    Base, Binding, ContextKind, ContextType, Global, Lead, Operand, OperandKind, Place, Plan, Role, Rule,
    Site, SiteKind, Term, Test, Until, Walk, Wrapper, Wraps,
};
use crate::go::abi::Register;
use crate::go::address::Address;

/// Where things are in one process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// The program.
    pub bias: LoadBias,
    /// Start of the scratch memory; 0 if there is none.
    pub scratch: u64,
    /// Addresses for copies made at hits.
    pub copies: Range<u64>,
    /// The end of those that there is memory for at first.
    pub supplied: u64,
    /// Which words of it are pointers: a byte for each piece, right behind it. Empty where none is to be.
    pub marks: Range<u64>,
    /// Whether the garbage collector scans them.
    pub scanned: bool,
}

impl Loaded {
    /// Where the marks would begin of copies that began at address 0.
    pub fn marks_base(&self) -> u64 {
        self.marks
            .start
            .wrapping_sub(self.copies.start / table::PIECE as u64)
    }
}

/// How far the process lies from where the binary was linked to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadBias(pub u64);

impl LoadBias {
    /// A link-time address in the running process.
    pub fn apply(self, address: Address) -> u64 {
        address.0.wrapping_add(self.0)
    }
}

/// Lays a plan out as tables; `writers` has one writer per site.
pub fn encode(plan: &Plan, loaded: &Loaded, seed: u64, writers: &[table::WriterKind]) -> Tables {
    assert_eq!(writers.len(), plan.sites.len(), "one writer per site");
    let mut tables = Tables {
        rules: plan.rules.iter().map(encode_rule).collect(),
        states: plan
            .tests
            .as_ref()
            .map(|tests| tests.automata.rows())
            .unwrap_or_default(),
        process: encode_process(plan, loaded),
        control: encode_control(plan, seed),
        ..Tables::default()
    };
    let callers: Vec<Callers> = plan
        .rules
        .iter()
        .map(|rule| Callers {
            within: encode_walk(rule.within.as_ref(), loaded.bias, &mut tables.ranges),
            callers: encode_walk(rule.callers.as_ref(), loaded.bias, &mut tables.ranges),
            test: rule.test.map_or(0, |test| row(test) + 1),
        })
        .collect();
    let printing = plan.tests.as_ref().and_then(|tests| tests.printing.as_ref());
    let printing = encode_walk(printing, loaded.bias, &mut tables.ranges);
    tables.process.first_printing = printing.first;
    tables.process.printing = printing.ranges;
    for (site, writer) in plan.sites.iter().zip(writers) {
        let first_binding = row(tables.bindings.len());
        for binding in &site.bindings {
            encode_binding(binding, &callers[binding.rule], loaded, &mut tables);
        }
        tables
            .sites
            .push(encode_site(plan, site, loaded.bias, *writer, first_binding));
    }
    tables
}

fn encode_control(plan: &Plan, seed: u64) -> table::Control {
    table::Control {
        seed,
        deadline: plan.limits.duration.map(trigger::nanoseconds).unwrap_or_default(),
        fault_limit: plan.limits.faults.unwrap_or(u64::MAX),
        event_limit: u64::MAX,
        ..table::Control::default()
    }
}

fn encode_process(plan: &Plan, loaded: &Loaded) -> table::Process {
    let runtime = &plan.runtime;
    let bias = loaded.bias;
    let address = |address: Option<Address>| address.map_or(0, |address| bias.apply(address));
    table::Process {
        tls_g: runtime.tls_g.unwrap_or_default(),
        goid_offset: runtime.goid_offset.unwrap_or_default(),
        m_offset: runtime.m_offset.unwrap_or_default(),
        curg_offset: runtime.curg_offset.unwrap_or_default(),
        write_barrier: address(runtime.write_barrier),
        sleep: address(runtime.sleep.map(|sleep| sleep.sleep)),
        frame_return: address(runtime.sleep.map(|sleep| sleep.frame_return)),
        gopanic: address(runtime.panic.map(|panic| panic.gopanic)),
        panic_return: address(runtime.panic.map(|panic| panic.frame_return)),
        copies_next: loaded.copies.start,
        copies_end: loaded.supplied,
        copies_limit: loaded.copies.end,
        copies_scanned: if loaded.scanned { loaded.marks_base() } else { 0 },
        error_string: address(runtime.error_string),
        errno: address(runtime.errno),
        parent_offset: plan
            .tests
            .as_ref()
            .and_then(|tests| tests.parent_offset)
            .unwrap_or_default(),
        test_name: plan.tests.as_ref().map_or(0, |tests| tests.name_offset),
        tests: u32::from(plan.tests.is_some()),
        globs: plan
            .tests
            .as_ref()
            .map_or(0, |tests| row(tests.automata.patterns.len())),
        ..table::Process::default()
    }
}

fn encode_rule(rule: &Rule) -> table::Rule {
    let mut row = trigger::encode(&rule.trigger);
    if rule.observe {
        row.flags |= table::RULE_OBSERVE;
    }
    row
}

/// Where the ranges of a rule's questions about its callers are.
#[derive(Default)]
struct Callers {
    within: EncodedWalk,
    callers: EncodedWalk,
    test: u32,
}

#[derive(Default)]
struct EncodedWalk {
    first: u32,
    ranges: u32,
    levels: u32,
}

fn encode_walk(walk: Option<&Walk>, bias: LoadBias, ranges: &mut Vec<table::Range>) -> EncodedWalk {
    let Some(walk) = walk else {
        return EncodedWalk::default();
    };
    let first = row(ranges.len());
    ranges.extend(walk.ranges.iter().map(|range| table::Range {
        low: bias.apply(range.low),
        high: bias.apply(range.high),
        next: range.next,
    }));
    EncodedWalk {
        first,
        ranges: row(walk.ranges.len()),
        levels: row(walk.functions.len()),
    }
}

fn encode_binding(binding: &Binding, callers: &Callers, loaded: &Loaded, tables: &mut Tables) {
    let bias = loaded.bias;
    let first_edit = row(tables.edits.len());
    // What is made for a value comes right before it.
    let mut before = 0;
    for assignment in &binding.assignments {
        let edits = edits::encode(assignment, before, loaded, &mut tables.texts);
        tables.edits.extend(edits);
        before = assignment.edits.len();
    }
    let first_term = row(tables.terms.len());
    for term in &binding.condition {
        let term = encode_term(term, bias, &mut tables.texts);
        tables.terms.push(term);
    }
    let anywhere = Callers::default();
    let callers = match binding.role {
        Role::Decides { .. } => callers,
        Role::Records | Role::Follows => &anywhere,
    };
    let delay = binding.fault.delay;
    let until = row(tables.texts.len());
    if let Some(until) = &binding.until {
        tables.texts.extend(encode_until(until, bias));
    }
    tables.bindings.push(table::Binding {
        rule: row(binding.rule),
        flags: binding_flags(binding),
        first_edit,
        edits: row(tables.edits.len()) - first_edit,
        first_term,
        terms: row(binding.condition.len()),
        first_range: callers.within.first,
        ranges: callers.within.ranges,
        first_caller: callers.callers.first,
        callers: callers.callers.ranges,
        levels: callers.callers.levels,
        test: callers.test,
        delay: delay.map_or(0, |delay| delay.fixed),
        jitter: delay.map_or(0, |delay| delay.jitter),
        until,
        padding: 0,
    });
}

fn binding_flags(binding: &Binding) -> u32 {
    let (pairs, recalls) = match binding.role {
        Role::Decides { pairs, recalls } => (pairs, recalls),
        Role::Records | Role::Follows => (false, false),
    };
    let flags = [
        (
            matches!(binding.role, Role::Decides { .. }),
            table::BINDING_COUNTS,
        ),
        (binding.completes, table::BINDING_COMPLETES),
        (pairs, table::BINDING_PAIRS),
        (recalls, table::BINDING_RECALLS),
        (binding.role == Role::Follows, table::BINDING_FOLLOWS),
        (binding.role == Role::Records, table::BINDING_RECORDS),
        (binding.fault.early_return, table::BINDING_RETURNS),
        (binding.fault.panic, table::BINDING_PANICS),
        (binding.fault.delay.is_some(), table::BINDING_DELAYS),
        (binding.fault.panic_value, table::BINDING_PANIC_VALUE),
        (binding.until.is_some(), table::BINDING_UNTIL),
    ];
    flags
        .into_iter()
        .filter(|(set, _)| *set)
        .map(|(_, flag)| flag)
        .sum()
}

fn encode_term(term: &Term, bias: LoadBias, texts: &mut Vec<table::FixedText>) -> table::Term {
    let op = |op: table::Op| table::Term {
        op: op as u8,
        ..table::Term::default()
    };
    match term {
        Term::Test(test) => encode_test(test, bias, texts),
        Term::Record(slot, test) => table::Term {
            slot: *slot,
            ..encode_test(test, bias, texts)
        },
        Term::Not => op(table::Op::Not),
        Term::And => op(table::Op::And),
        Term::Or => op(table::Op::Or),
        Term::SkipIfFalse(rows) => table::Term {
            skip: *rows,
            ..op(table::Op::SkipIfFalse)
        },
        Term::SkipIfTrue(rows) => table::Term {
            skip: *rows,
            ..op(table::Op::SkipIfTrue)
        },
        Term::Recall(slot) => table::Term {
            slot: *slot,
            ..op(table::Op::Recall)
        },
        Term::Capture(slot, operand) => {
            let mut row = table::Term {
                slot: *slot,
                ..op(table::Op::Capture)
            };
            encode_left(operand, bias, &mut row);
            row
        }
        Term::Find(side, element) => {
            let mut row = op(table::Op::Find);
            row.slot = *side;
            row.left = encode_place(&element.map, 8, bias);
            row.left.index |= found_as(&element.map, *side);
            row.left_source = table::OperandSource::Place as u8;
            row.text = self::row(texts.len());
            texts.push(element.lookup().into());
            row
        }
    }
}

/// Of a place in an element of a map: the number that this was found as.
fn found_as(place: &Place, side: u8) -> u8 {
    if place.element.is_some() { side } else { 0 }
}

fn encode_test(test: &Test, bias: LoadBias, texts: &mut Vec<table::FixedText>) -> table::Term {
    let mut row = table::Term {
        op: table::Op::Test as u8,
        test: test.test as u8,
        ..table::Term::default()
    };
    encode_left(&test.left, bias, &mut row);
    match &test.right {
        Operand::Constant(bits) => {
            row.constant = *bits;
            row.right_source = table::OperandSource::Constant as u8;
            row.right_kind = row.left_kind;
        }
        Operand::Address(global) => {
            row.constant = bias.apply(global.address.plus(global.offset));
            row.right_source = table::OperandSource::Constant as u8;
            row.right_kind = row.left_kind;
        }
        Operand::Error { place, wrappers } => {
            if let Some(place) = place {
                row.right = encode_place(place, 8, bias);
                row.right.index |= found_as(place, 1);
                row.right_source = table::OperandSource::Place as u8;
            }
            row.constant = wrappers.len() as u64;
            row.text = self::row(texts.len());
            texts.extend(encode_wrappers(wrappers, bias));
        }
        Operand::Text(text) => {
            let mut fixed = table::FixedText([0; table::CONDITION_TEXT]);
            fixed.0[..text.len()].copy_from_slice(text);
            row.constant = text.len() as u64;
            row.text = self::row(texts.len());
            texts.push(fixed);
        }
        Operand::Place {
            place,
            size,
            kind,
            nil_is_zero,
        } => {
            row.right = encode_place(place, *size, bias);
            row.right.index |= found_as(place, 1);
            row.right_source = table::OperandSource::Place as u8;
            row.right_kind = operand_kind(*kind);
            if *nil_is_zero {
                row.flags |= table::TERM_NIL_IS_ZERO_RIGHT;
            }
        }
        Operand::Recorded(slot, kind) => {
            row.slot = *slot;
            row.right_source = table::OperandSource::Capture as u8;
            row.right_kind = operand_kind(*kind);
        }
    }
    row
}

/// What ends a delay, and behind it the types of contexts.
fn encode_until(until: &Until, bias: LoadBias) -> Vec<table::FixedText> {
    let table = |global: &Option<Global>| global.as_ref().map_or(0, |global| bias.apply(global.address));
    let row = table::Until {
        canceled: table(&until.canceled),
        exceeded: table(&until.exceeded),
        types: row(until.types.len()),
        ..table::Until::at(encode_place(&until.context, 8, bias))
    };
    let types: Vec<table::Wrapper> = until
        .types
        .iter()
        .map(|known| encode_context(known, bias))
        .collect();
    let types = types.chunks(table::WRAPPERS).map(table::FixedText::of_wrappers);
    [row.into()].into_iter().chain(types).collect()
}

fn encode_context(known: &ContextType, bias: LoadBias) -> table::Wrapper {
    let (kind, offset) = match known.kind {
        ContextKind::Error(offset) => (table::ContextKind::Error, offset),
        ContextKind::Value(offset) => (table::ContextKind::Value, offset),
        ContextKind::Inner(offset) => (table::ContextKind::Inner, offset),
        ContextKind::Endless => (table::ContextKind::Endless, 0),
    };
    table::Wrapper {
        ty: bias.apply(known.ty.address),
        offset,
        kind: kind as u16,
        number: [0; 2],
    }
}

fn encode_wrappers(wrappers: &[Wrapper], bias: LoadBias) -> Vec<table::FixedText> {
    let encode = |wrapper: &Wrapper| {
        let (kind, offset, number) = match wrapper.wraps {
            Wraps::One(offset) => (table::Wraps::One, offset, [0; 2]),
            Wraps::List(offset) => (table::Wraps::List, offset, [0; 2]),
            Wraps::Errno(number) => (table::Wraps::Errno, 0, number),
        };
        table::Wrapper {
            ty: bias.apply(wrapper.ty.address),
            offset,
            kind: kind as u16,
            number,
        }
    };
    let rows: Vec<table::Wrapper> = wrappers.iter().map(encode).collect();
    rows.chunks(table::WRAPPERS)
        .map(table::FixedText::of_wrappers)
        .collect()
}

fn encode_left(operand: &Operand, bias: LoadBias, row: &mut table::Term) {
    match operand {
        Operand::Place {
            place,
            size,
            kind,
            nil_is_zero,
        } => {
            row.left = encode_place(place, *size, bias);
            row.left_source = table::OperandSource::Place as u8;
            row.left_kind = operand_kind(*kind);
            if *nil_is_zero {
                row.flags |= table::TERM_NIL_IS_ZERO_LEFT;
            }
        }
        Operand::Recorded(slot, kind) => {
            row.slot = *slot;
            row.left_source = table::OperandSource::Capture as u8;
            row.left_kind = operand_kind(*kind);
        }
        Operand::Constant(bits) => row.constant = *bits,
        Operand::Text(_) | Operand::Address(_) | Operand::Error { .. } => {
            unreachable!("a fixed text, an address and another error stand on the right")
        }
    }
}

fn operand_kind(kind: OperandKind) -> u8 {
    let kind = match kind {
        OperandKind::Unsigned => table::ValueKind::Unsigned,
        OperandKind::Signed => table::ValueKind::Signed,
        OperandKind::Float => table::ValueKind::Float,
        OperandKind::Text => table::ValueKind::Text,
    };
    kind as u8
}

fn encode_site(
    plan: &Plan,
    site: &Site,
    bias: LoadBias,
    writer: table::WriterKind,
    first_binding: u32,
) -> table::Site {
    let address = site.instruction.address;
    let displacement = |target: Address| {
        i32::try_from(target.0.wrapping_sub(address.0).cast_signed()).expect("branches reach 2 GiB")
    };
    let (lead, displacement) = match site.instruction.lead {
        Lead::Next => (table::Lead::Next, 0),
        Lead::Branch(target) => (table::Lead::Branch, displacement(target)),
        Lead::Target(target) => (table::Lead::Target, displacement(target)),
        Lead::Return => (table::Lead::Return, 0),
    };
    let signalled = matches!(writer, table::WriterKind::Frame | table::WriterKind::Tracer);
    let flags = [
        (site.g_in_register, table::SITE_REGISTER_G),
        (
            site.instruction.consumes != super::Consumes::Nothing,
            table::SITE_RESTART,
        ),
        (signalled && site.needs(plan).float_conditions, table::SITE_FLOATS),
        (
            site.slot.is_some() && site.kind != SiteKind::Slot,
            table::SITE_DELAYS,
        ),
        (site.slot.is_some_and(|slot| slot.sleeps()), table::SITE_SLEEPS),
        (site.notes == Some(super::Notes::Test), table::SITE_TEST),
        (site.notes == Some(super::Notes::Goroutine), table::SITE_SPAWN),
    ];
    let kind = match site.kind {
        SiteKind::Entry | SiteKind::EntryCheckJump { .. } => table::SiteKind::Entry,
        SiteKind::Return => table::SiteKind::Return,
        SiteKind::Slot => table::SiteKind::Slot,
    };
    let slot = site.slot.map(|slot| {
        if site.kind == SiteKind::Slot {
            slot.after_call
        } else {
            slot.start
        }
    });
    table::Site {
        address: bias.apply(address),
        slot: slot.map_or(0, |slot| bias.apply(slot)),
        first_binding,
        bindings: row(site.bindings.len()),
        displacement,
        kind: kind as u8,
        flags: flags
            .into_iter()
            .filter(|(set, _)| *set)
            .map(|(_, flag)| flag)
            .sum(),
        writer: writer as u8,
        lead: lead as u8,
        length: u8::try_from(site.instruction.bytes.len()).expect("instructions have at most 15 bytes"),
        check_flags: match site.kind {
            SiteKind::EntryCheckJump { flags } => flags,
            _ => 0,
        },
        ..table::Site::default()
    }
}

fn encode_place(place: &Place, size: u8, bias: LoadBias) -> table::Place {
    let mut row = table::Place {
        size,
        ..table::Place::default()
    };
    match place.base {
        Base::Register(named) => {
            (row.base, row.index) = match named.register {
                Register::Integer(index) => (table::Base::Integer as u8, index),
                Register::Float(index) => (table::Base::Float as u8, index),
            };
        }
        Base::Stack(offset) => {
            row.base = table::Base::Stack as u8;
            row.offset = offset;
        }
        Base::Absolute(address) => {
            row.base = table::Base::Absolute as u8;
            row.address = bias.apply(address);
        }
        // Counted from the start of the scratch memory, which only edits go to.
        Base::Scratch(offset) => {
            row.base = table::Base::Absolute as u8;
            row.address = offset.into();
        }
        Base::Copy(offset) => {
            row.base = table::Base::Copy as u8;
            row.address = offset.into();
        }
        Base::Element(offset) => {
            row.base = table::Base::Element as u8;
            row.offset = offset;
        }
        Base::Nowhere => row.base = table::Base::Absolute as u8,
    }
    assert!(
        place.steps.len() <= table::STEPS,
        "the planner refuses longer paths"
    );
    row.steps = u8::try_from(place.steps.len()).expect("checked above");
    for (to, step) in row.step.iter_mut().zip(&place.steps) {
        *to = table::Step {
            offset: step.offset,
            bound: step.index.map_or(0, |index| index + 1),
        };
    }
    row
}

/// The scratch memory's bytes for where it is mapped.
pub fn scratch_image(plan: &Plan, loaded: &Loaded) -> Vec<u8> {
    let mut bytes = plan.scratch.bytes.clone();
    for (at, pointee) in &plan.scratch.pointers {
        let address = match pointee {
            Pointee::Scratch(offset) => loaded.scratch + u64::from(*offset),
            Pointee::Global(global) => loaded.bias.apply(global.address.plus(global.offset)),
        };
        let at = *at as usize;
        bytes[at..at + 8].copy_from_slice(&address.to_le_bytes());
    }
    bytes
}

fn row(index: usize) -> u32 {
    u32::try_from(index).expect("tables have fewer than 2^32 rows")
}
