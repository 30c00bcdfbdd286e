//! The plan as the tables that the decision core reads, for one running process.

use goinject_probes::table::{self, Tables};

use super::{Base, Binding, Edit, Extend, Lead, Place, Plan, Site, SiteKind, Source};
use crate::go::abi::Register;
use crate::go::address::Address;

/// How far the process lies from where the binary was linked to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadBias(pub u64);

impl LoadBias {
    /// A link-time address in the running process.
    pub fn apply(self, address: Address) -> u64 {
        address.0.wrapping_add(self.0)
    }
}

/// Lays a plan out as tables; `writers` has one writer per site.
pub fn encode(plan: &Plan, bias: LoadBias, writers: &[table::WriterKind]) -> Tables {
    assert_eq!(writers.len(), plan.sites.len(), "one writer per site");
    let mut tables = Tables {
        rules: plan
            .rules
            .iter()
            .map(|rule| table::Rule {
                flags: if rule.observe { table::RULE_OBSERVE } else { 0 },
                padding: 0,
            })
            .collect(),
        control: table::Control {
            armed: 1,
            tls_g: plan.runtime.tls_g.unwrap_or_default(),
            goid_offset: plan.runtime.goid_offset.unwrap_or_default(),
            write_barrier: plan
                .runtime
                .write_barrier
                .map_or(0, |address| bias.apply(address)),
            ..table::Control::default()
        },
        ..Tables::default()
    };
    for (site, writer) in plan.sites.iter().zip(writers) {
        let first_binding = row(tables.bindings.len());
        for binding in &site.bindings {
            let first_edit = row(tables.edits.len());
            for assignment in &binding.assignments {
                let text = assignment.shape == super::Shape::String;
                for (n, edit) in assignment.edits.iter().enumerate() {
                    tables.edits.push(encode_edit(edit, bias, text && n == 0));
                }
            }
            tables.bindings.push(table::Binding {
                rule: row(binding.rule),
                first_edit,
                edits: row(tables.edits.len()) - first_edit,
                flags: binding_flags(binding),
            });
        }
        tables.sites.push(encode_site(site, bias, *writer, first_binding));
    }
    tables
}

fn binding_flags(binding: &Binding) -> u32 {
    let counts = if binding.counts { table::BINDING_COUNTS } else { 0 };
    let completes = if binding.completes {
        table::BINDING_COMPLETES
    } else {
        0
    };
    counts | completes
}

fn encode_site(site: &Site, bias: LoadBias, writer: table::WriterKind, first_binding: u32) -> table::Site {
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
    let mut flags = 0;
    if site.g_in_register {
        flags |= table::SITE_REGISTER_G;
    }
    if site.instruction.consumes != super::Consumes::Nothing {
        flags |= table::SITE_RESTART;
    }
    let kind = match site.kind {
        SiteKind::Entry | SiteKind::EntryCheckJump { .. } => table::SiteKind::Entry,
        SiteKind::Return => table::SiteKind::Return,
    };
    let check_flags = match site.kind {
        SiteKind::EntryCheckJump { flags } => flags,
        SiteKind::Entry | SiteKind::Return => 0,
    };
    table::Site {
        address: bias.apply(address),
        first_binding,
        bindings: row(site.bindings.len()),
        displacement,
        kind: kind as u8,
        flags,
        writer: writer as u8,
        lead: lead as u8,
        length: u8::try_from(site.instruction.bytes.len()).expect("instructions have at most 15 bytes"),
        check_flags,
        ..table::Site::default()
    }
}

fn encode_edit(edit: &Edit, bias: LoadBias, text: bool) -> table::Edit {
    let (source, operand) = match edit.source {
        Source::Literal(bits) => (table::Source::Put, bits),
        Source::Copy(address) => (table::Source::Copy, bias.apply(address)),
        Source::Keep => (table::Source::Keep, 0),
    };
    let kind = match edit.extend {
        Extend::Zero => table::ValueKind::Unsigned,
        Extend::Sign => table::ValueKind::Signed,
        Extend::Float => table::ValueKind::Float,
    };
    let mut flags = 0;
    if edit.pointer {
        flags |= table::EDIT_POINTER;
    }
    if text {
        flags |= table::EDIT_TEXT;
    }
    table::Edit {
        place: encode_place(&edit.place, edit.size, bias),
        operand,
        source: source as u8,
        kind: kind as u8,
        flags,
        ..table::Edit::default()
    }
}

fn encode_place(place: &Place, size: u8, bias: LoadBias) -> table::Place {
    let mut row = table::Place {
        size,
        ..table::Place::default()
    };
    match place.base {
        Base::Register(Register::Integer(index)) => {
            row.base = table::Base::Integer as u8;
            row.index = index;
        }
        Base::Register(Register::Float(index)) => {
            row.base = table::Base::Float as u8;
            row.index = index;
        }
        Base::Stack(offset) => {
            row.base = table::Base::Stack as u8;
            row.offset = offset;
        }
        Base::Absolute(address) => {
            row.base = table::Base::Absolute as u8;
            row.address = bias.apply(address);
        }
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

fn row(index: usize) -> u32 {
    u32::try_from(index).expect("tables have fewer than 2^32 rows")
}
