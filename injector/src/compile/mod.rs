//! Resolved rules laid out as a plan.

mod condition;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use goinject_rules::model::{Mode, RuleSet, Trigger};
use goinject_rules::source::Span;

use crate::go::Binary;
use crate::go::abi::Convention;
use crate::go::address::Address;
use crate::go::sites::{EntryKind, Site as FoundSite};
use crate::plan::{
    self, Assignment, Binding, Consumes, Fault, Function, GoTests, Instruction, Modules, Notes, Panic, Plan,
    Preemption, Role, Rule, Runtime, Site, SiteKind, Sleep, Term,
};
use crate::resolve::{Resolution, ResolvedFunction};

/// Lays resolved rules out. The result depends on nothing but the rules and the binary.
pub fn compile(rules: &RuleSet, resolution: &Resolution, binary: &Binary) -> Plan {
    let (resolved, panics) = (&resolution.rules, resolution.panics.as_ref());
    let mut functions: BTreeMap<Address, Function> = BTreeMap::new();
    let tests = resolution.tests.as_ref();
    let noting = tests
        .into_iter()
        .flat_map(|tests| tests.runners.iter().chain(&tests.spawner));
    let acting = resolved.iter().flat_map(|rule| &rule.functions);
    for of in acting.chain(panics).chain(noting) {
        functions.insert(of.function.entry, function(of));
    }
    let indices: HashMap<Address, usize> = functions.keys().copied().zip(0..).collect();
    let index_of = |of: &ResolvedFunction| indices[&of.function.entry];
    let mut sites: BTreeMap<Address, Site> = BTreeMap::new();
    let mut plan_rules = Vec::new();
    // One row for each rule of the file, whether this binary has its functions or not: the rows are the run's.
    for (n, written) in rules.rules.iter().enumerate() {
        let found = resolved.iter().find(|rule| rule.rule == n);
        let functions = found.into_iter().flat_map(|rule| &rule.functions);
        let mut indices: Vec<usize> = functions.clone().map(&index_of).collect();
        indices.sort_unstable();
        plan_rules.push(Rule {
            name: written.name.clone(),
            observe: written.mode == Mode::Observe,
            functions: indices,
            condition: written
                .condition
                .as_ref()
                .map(|condition| written_text(rules, condition.span)),
            within: found.and_then(|rule| rule.within.clone()),
            callers: found.and_then(|rule| rule.callers.clone()),
            test: found.and_then(|rule| rule.test),
            trigger: written.when.clone(),
            unseen: found.map(|rule| rule.unseen.clone()).unwrap_or_default(),
            counts_panics: false,
        });
        for of in functions {
            bind(n, index_of(of), of, binary, &mut sites);
        }
    }
    if let Some(panics) = panics {
        plan_rules.push(count_panics(
            plan_rules.len(),
            index_of(panics),
            panics,
            binary,
            &mut sites,
        ));
    }
    if let Some(tests) = tests {
        for of in &tests.runners {
            entry(index_of(of), of, binary, &mut sites).notes = Some(Notes::Test);
        }
        if let Some(of) = &tests.spawner {
            entry(index_of(of), of, binary, &mut sites).notes = Some(Notes::Goroutine);
        }
    }
    let identity = binary.identity();
    let mut plan = Plan {
        binary: plan::Binary {
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
            c_archive: binary.build().c_archive,
            base: binary.base(),
        },
        rules: plan_rules,
        functions: functions.into_values().collect(),
        sites: sites.into_values().collect(),
        scratch: resolution.scratch.clone(),
        runtime: runtime(binary),
        limits: rules.limits,
        tests: tests.map(|tests| GoTests {
            name_offset: tests.name_offset,
            parent_offset: binary.goroutine_layout().parent.map(|parent| parent.0),
            automata: tests.automata.clone(),
            printing: tests.printing.clone(),
        }),
    };
    // Looking the symbol up takes time in large programs.
    if plan.makes_scanned_copies() {
        plan.runtime.modules = modules(binary);
    }
    plan
}

/// A rule beyond those of the file, which counts the target's panics and never fires.
fn count_panics(
    rule: usize,
    function: usize,
    of: &ResolvedFunction,
    binary: &Binary,
    sites: &mut BTreeMap<Address, Site>,
) -> Rule {
    entry(function, of, binary, sites).bindings.push(Binding {
        rule,
        role: Role::Decides {
            pairs: false,
            recalls: false,
        },
        completes: true,
        condition: Vec::new(),
        fault: Fault::default(),
        until: None,
        assignments: Vec::new(),
    });
    Rule {
        name: "panics".to_owned(),
        observe: true,
        functions: vec![function],
        condition: None,
        within: None,
        callers: None,
        test: None,
        trigger: Trigger {
            times: Some(0),
            ..Trigger::default()
        },
        unseen: Vec::new(),
        counts_panics: true,
    }
}

fn written_text(rules: &RuleSet, span: Span) -> String {
    rules
        .source
        .text()
        .get(span.start..span.end)
        .unwrap_or_default()
        .to_owned()
}

fn function(of: &ResolvedFunction) -> Function {
    Function {
        name: of.function.name.clone(),
        address: of.function.entry,
        signature: of.declaration.clone(),
    }
}

/// Binds a rule to a function's sites: the entry if it does anything there, and every RET if it does
/// anything there. It decides at the first of them. One that decides at return has the entry record
/// what it wants to know of the parameters.
fn bind(
    rule: usize,
    function: usize,
    of: &ResolvedFunction,
    binary: &Binary,
    sites: &mut BTreeMap<Address, Site>,
) {
    let acts_at_entry = of.acts_at_entry();
    let acts_at_return = !of.at_return.is_empty();
    let binding = |role, completes, condition: &[Term], fault, assignments: &[Assignment]| Binding {
        rule,
        role,
        completes,
        condition: condition.to_vec(),
        fault,
        until: None,
        assignments: assignments.to_vec(),
    };
    let (recorded, decided_at_return) = match &of.condition {
        Some(condition) if !acts_at_entry => condition::rows_at_return(condition),
        _ => (Vec::new(), Vec::new()),
    };
    if acts_at_entry {
        let decides = Role::Decides {
            pairs: acts_at_return,
            recalls: false,
        };
        let condition = of.condition.as_ref().map(condition::rows).unwrap_or_default();
        let binding = Binding {
            until: of.until.clone(),
            ..binding(decides, !acts_at_return, &condition, of.fault, &of.at_entry)
        };
        entry(function, of, binary, sites).bindings.push(binding);
    } else if !recorded.is_empty() {
        let binding = binding(Role::Records, false, &recorded, Fault::default(), &[]);
        entry(function, of, binary, sites).bindings.push(binding);
    }
    if acts_at_return {
        let role = match acts_at_entry {
            true => Role::Follows,
            false => Role::Decides {
                pairs: false,
                recalls: !recorded.is_empty(),
            },
        };
        for found in &of.sites.returns {
            let site = sites
                .entry(found.address)
                .or_insert_with(|| site(function, SiteKind::Return, found, Consumes::Nothing, of, binary));
            site.bindings.push(binding(
                role,
                true,
                &decided_at_return,
                Fault::default(),
                &of.at_return,
            ));
        }
    }
}

/// A function's entry site, made at its first use; with a delay also its slot.
fn entry<'a>(
    function: usize,
    of: &ResolvedFunction,
    binary: &Binary,
    sites: &'a mut BTreeMap<Address, Site>,
) -> &'a mut Site {
    if let (Some(slot), Some(morestack)) = (of.slot.filter(|slot| slot.sleeps()), &of.sites.morestack) {
        sites.entry(morestack.call).or_insert_with(|| Site {
            slot: Some(slot),
            ..site(
                function,
                SiteKind::Slot,
                &morestack.call_site,
                Consumes::Nothing,
                of,
                binary,
            )
        });
    }
    let found = &of.sites.entry;
    let kind = match found.kind {
        EntryKind::CheckJump { morestack_flags } => SiteKind::EntryCheckJump {
            flags: u8::try_from(morestack_flags).expect("carry and zero are in the low byte"),
        },
        EntryKind::AfterCheck | EntryKind::Start => SiteKind::Entry,
    };
    let consumes = Consumes::at_entry(found, of.float_parameters, binary.architecture());
    let site = sites
        .entry(found.site.address)
        .or_insert_with(|| site(function, kind, &found.site, consumes, of, binary));
    site.slot = site.slot.or(of.slot);
    site
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
        instruction: Instruction::of(found, consumes, binary),
        g_in_register: of.function.convention() == Convention::Register,
        slot: None,
        notes: None,
        bindings: Vec::new(),
    }
}

fn runtime(binary: &Binary) -> Runtime {
    let goroutine = binary.goroutine_layout();
    let sigtramp = ["runtime.sigtramp.abi0", "runtime.sigtramp"]
        .iter()
        .flat_map(|name| binary.functions().find(name))
        .find(|function| !function.is_wrapper)
        .and_then(|function| Some((function.entry, binary.file_offset(function.entry)?)));
    let signal_handlers = ["runtime.sigtramp", "runtime.sigtramp.abi0", "runtime.cgoSigtramp"]
        .iter()
        .flat_map(|name| binary.functions().find(name))
        .map(|function| function.entry);
    Runtime {
        tls_g: binary.tls_g_offset(),
        goid_offset: Some(goroutine.goid.0),
        m_offset: Some(goroutine.m.0),
        curg_offset: Some(goroutine.curg.0),
        procid_offset: Some(goroutine.procid.0),
        preemption: binary
            .functions()
            .find("runtime.asyncPreempt")
            .iter()
            .flat_map(|function| binary.functions().stack_depths(function))
            .filter_map(|(code, depth)| {
                Some(Preemption {
                    code,
                    depth: u64::try_from(depth).ok()?,
                })
            })
            .collect(),
        write_barrier: binary.write_barrier(),
        sleep: binary.sleep().ok().map(|means| Sleep {
            sleep: means.sleep,
            frame_return: means.frame_return,
        }),
        panic: binary.panic_frame().ok().map(|means| Panic {
            gopanic: means.gopanic,
            frame_return: means.frame_return,
        }),
        sigtramp,
        signal_handlers: signal_handlers.collect(),
        error_string: binary
            .itab("error", "*errors.errorString")
            .map(|itab| itab.address),
        errno: binary.itab("error", "syscall.Errno").map(|itab| itab.address),
        data: binary.writable_segments().collect(),
        modules: None,
    }
}

/// The list of modules, for new values that hold pointers.
fn modules(binary: &Binary) -> Option<Modules> {
    let module = binary.module()?;
    let words = |range: &Range<Address>| (range.end.0 - range.start.0) / 8;
    Some(Modules {
        first: module.address,
        list: binary.symbol("runtime.modulesSlice").map(|symbol| symbol.address),
        data_offset: module.data_offset,
        data_words: words(&module.data),
        bss_words: words(&module.bss),
    })
}
