//! Resolved rules laid out as a plan.

use std::collections::BTreeMap;

use goinject_rules::model::{Mode, RuleSet};

use super::{
    Assignment, Binding, Consumes, Cost, Function, Instruction, Lead, Plan, Rule, Runtime, Site, SiteKind,
};
use crate::go::Binary;
use crate::go::abi::Convention;
use crate::go::address::Address;
use crate::go::sites::{EntryKind, EntrySite, Execution, Leads, MemoryWrite, Site as FoundSite};
use crate::resolve::{ResolvedFunction, ResolvedRule};

/// Lays resolved rules out. The result depends on nothing but the rules and the binary.
pub fn compile(rules: &RuleSet, resolved: &[ResolvedRule], binary: &Binary) -> Plan {
    let mut functions: BTreeMap<Address, Function> = BTreeMap::new();
    for of in resolved.iter().flat_map(|rule| &rule.functions) {
        functions.insert(of.function.entry, function(of));
    }
    let index_of = |of: &ResolvedFunction| {
        functions
            .keys()
            .position(|entry| *entry == of.function.entry)
            .expect("every function was added")
    };
    let mut sites: BTreeMap<Address, Site> = BTreeMap::new();
    let mut plan_rules = Vec::new();
    for rule in resolved {
        let written = &rules.rules[rule.rule];
        let n = plan_rules.len();
        let mut indices: Vec<usize> = rule.functions.iter().map(&index_of).collect();
        indices.sort_unstable();
        plan_rules.push(Rule {
            name: written.name.clone(),
            observe: written.mode == Mode::Observe,
            functions: indices,
        });
        for of in &rule.functions {
            bind(n, index_of(of), of, binary, &mut sites);
        }
    }
    let identity = binary.identity();
    Plan {
        binary: super::Binary {
            path: binary.path().to_owned(),
            go_version: binary.version().text.clone(),
            build_id: identity
                .gnu_build_id
                .clone()
                .or_else(|| identity.go_build_id.clone()),
            device: identity.device,
            inode: identity.inode,
            size: identity.size,
            modified: identity.modified,
            position_independent: binary.is_pie(),
            base: binary.base(),
        },
        rules: plan_rules,
        functions: functions.into_values().collect(),
        sites: sites.into_values().collect(),
        runtime: runtime(binary),
    }
}

fn function(of: &ResolvedFunction) -> Function {
    Function {
        name: of.function.name.clone(),
        address: of.function.entry,
        signature: of.declaration.clone(),
    }
}

/// Binds a rule to a function's sites: the entry if it does anything there, and every RET if it does
/// anything there. Calls are counted at the first of them.
fn bind(
    rule: usize,
    function: usize,
    of: &ResolvedFunction,
    binary: &Binary,
    sites: &mut BTreeMap<Address, Site>,
) {
    let at_entry = !of.at_entry.is_empty();
    let at_return = !of.at_return.is_empty();
    let binding = |assignments: &[Assignment], counts, completes| Binding {
        rule,
        counts,
        completes,
        assignments: assignments.to_vec(),
    };
    if at_entry {
        let entry = &of.sites.entry;
        let kind = match entry.kind {
            EntryKind::CheckJump { morestack_flags } => SiteKind::EntryCheckJump {
                flags: u8::try_from(morestack_flags).expect("carry and zero are in the low byte"),
            },
            EntryKind::AfterCheck | EntryKind::Start => SiteKind::Entry,
        };
        let consumes = entry_consumes(entry, of.float_parameters);
        let site = sites
            .entry(entry.site.address)
            .or_insert_with(|| site(function, kind, &entry.site, consumes, of, binary));
        site.bindings.push(binding(&of.at_entry, true, !at_return));
    }
    if at_return {
        for found in &of.sites.returns {
            let site = sites
                .entry(found.address)
                .or_insert_with(|| site(function, SiteKind::Return, found, Consumes::Nothing, of, binary));
            site.bindings.push(binding(&of.at_return, !at_entry, true));
        }
    }
}

fn site(
    function: usize,
    kind: SiteKind,
    found: &FoundSite,
    consumes: Consumes,
    of: &ResolvedFunction,
    binary: &Binary,
) -> Site {
    Site {
        function,
        kind,
        instruction: instruction(found, consumes, binary),
        g_in_register: of.function.convention() == Convention::Register,
        bindings: Vec::new(),
    }
}

/// A found site's instruction as the plan has it.
pub(crate) fn instruction(found: &FoundSite, consumes: Consumes, binary: &Binary) -> Instruction {
    let (lead, consumes) = match found.leads {
        Leads::Next(_) => (Lead::Next, consumes),
        Leads::Branch { taken, .. } => (Lead::Branch(taken), consumes),
        Leads::Jump(target)
        | Leads::Call {
            target: Some(target), ..
        } => (Lead::Target(target), consumes),
        Leads::Return => (Lead::Return, consumes),
        Leads::IndirectJump | Leads::Call { target: None, .. } | Leads::Other => (
            Lead::Next,
            Consumes::Irreversible("only at run time is it known where it leads".to_owned()),
        ),
    };
    Instruction {
        address: found.address,
        file_offset: binary
            .file_offset(found.address)
            .expect("the code of a function is in the file"),
        bytes: found.bytes.clone(),
        text: found.text.clone(),
        cost: match found.execution {
            Execution::Emulated => Cost::Emulated,
            Execution::SingleStepped => Cost::Stepped,
            Execution::Refused { why } => Cost::Refused(why.to_owned()),
        },
        lead,
        consumes,
    }
}

/// What the instruction at a function's entry site does to the arguments.
pub(crate) fn entry_consumes(entry: &EntrySite, float_parameters: u16) -> Consumes {
    match entry.kind {
        EntryKind::Start => consumes(&entry.site, float_parameters),
        EntryKind::AfterCheck | EntryKind::CheckJump { .. } => Consumes::Nothing,
    }
}

/// What the first instruction of a function without a stack check does to the arguments.
fn consumes(site: &FoundSite, float_parameters: u16) -> Consumes {
    const RSP: u16 = 1 << RSP_NUMBER;
    let touched = site.reads.integer_arguments
        | site.writes.integer_arguments
        | site.reads.float_arguments
        | site.writes.float_arguments;
    let begins = |starts: &[&str]| starts.iter().any(|start| site.text.starts_with(start));
    let prologue = begins(&["push ", "sub rsp", "lea rsp", "nop", "endbr64"]);
    let uses_stack = site.reads.general & RSP != 0;
    if touched == 0 && (prologue || !uses_stack && site.memory_writes.is_empty()) {
        return Consumes::Nothing;
    }
    if site.writes.float_arguments & float_parameters != 0 {
        return Consumes::Irreversible(format!("`{}` overwrites a floating-point parameter", site.text));
    }
    // A plain store into the call's own stack slots is made again with the edited value.
    let own_slot = |write: &MemoryWrite| {
        write.operand.base == Some(RSP_NUMBER) && write.operand.index.is_none() && !write.operand.in_segment
    };
    let stores = begins(&["mov"]) && site.memory_writes.iter().all(own_slot);
    if !site.memory_writes.is_empty() && !stores {
        return Consumes::Irreversible(format!("`{}` writes memory", site.text));
    }
    Consumes::Restartable
}

/// RSP as instructions encode it.
const RSP_NUMBER: u8 = 4;

fn runtime(binary: &Binary) -> Runtime {
    let sigtramp = ["runtime.sigtramp.abi0", "runtime.sigtramp"]
        .iter()
        .flat_map(|name| binary.functions().find(name))
        .find(|function| !function.is_wrapper)
        .and_then(|function| Some((function.entry, binary.file_offset(function.entry)?)));
    Runtime {
        tls_g: binary.tls_g_offset(),
        goid_offset: Some(binary.goroutine_layout().goid.0),
        write_barrier: binary.write_barrier(),
        sigtramp,
    }
}
