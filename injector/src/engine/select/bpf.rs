//! Which writer each site has with BPF.

use goinject_probes::capability::BpfSupport;
use goinject_probes::program::{Attach, Switches};
use goinject_probes::table::WriterKind;

use super::{Fit, Selection, WriterChoice, breakpoints, require};
use crate::engine::provision;
use crate::host::Host;
use crate::host::refusal::Feature;
use crate::plan::{Consumes, Cost, Needs, Plan, Site};

/// By writers in the kernel. Single sites that none of them serves have breakpoints, where these are wanted.
pub(super) fn in_kernel(
    plan: &Plan,
    host: &Host,
    wanted: Option<WriterChoice>,
    beside: bool,
) -> Result<Selection, String> {
    let bpf = &host.bpf;
    require_bpf(host)?;
    if provision::is_needed(plan) {
        require(Feature::WriteCode, &host.code, host)?;
    }
    let mut writers = Vec::new();
    for site in &plan.sites {
        let needs = site.needs(plan);
        if let Cost::Refused(why) = &site.instruction.cost {
            writers.push(breakpoint(plan, host, beside, unprobeable(plan, site, why))?);
            continue;
        }
        let writer = kernel_writer(needs, host, wanted).map_err(|refused| match refused {
            Refused::Host(reason) => reason,
            Refused::Need(reason) => format!("{reason} at {}", plan.functions[site.function].name),
        })?;
        if writer == WriterKind::Frame {
            if plan.runtime.sigtramp.is_none() {
                return Err("the signal-frame writer finds no runtime.sigtramp in this binary".to_owned());
            }
            if let (true, Consumes::Irreversible(why)) = (needs.before, &site.instruction.consumes) {
                let why = irreversible(plan, site, why);
                writers.push(breakpoint(plan, host, beside, why)?);
                continue;
            }
        }
        writers.push(writer);
    }
    has_probes(plan, &writers)?;
    let explanation = explained(&writers);
    let switches = Switches {
        memory: plan
            .sites
            .iter()
            .zip(&writers)
            .any(|(site, writer)| match writer {
                WriterKind::Memory | WriterKind::Frame => true,
                WriterKind::Direct => false,
                _ => site.needs(plan).memory,
            }),
        context: writers.contains(&WriterKind::Context),
        signal: writers.contains(&WriterKind::Frame),
        sleep: bpf.sleep.is_yes(),
        pid_namespace: None,
    };
    Ok(Selection {
        fit: Fit::Bpf {
            writers,
            attach: attach(bpf),
            switches,
        },
        explanation,
    })
}

/// Why a writer will not do for a site.
enum Refused {
    /// The host does not offer it.
    Host(String),
    /// It cannot write what the site needs written.
    Need(String),
}

/// The writer inside the kernel for a site, the cheapest that will do.
fn kernel_writer(needs: Needs, host: &Host, wanted: Option<WriterChoice>) -> Result<WriterKind, Refused> {
    let bpf = &host.bpf;
    let allows = |choice: WriterChoice| wanted.is_none_or(|wanted| wanted == choice);
    let require = |feature, support| require(feature, support, host).map_err(Refused::Host);
    if !needs.any() && !needs.float_conditions {
        return Ok(WriterKind::None);
    }
    let registers = needs.general || needs.redirect;
    let floats = needs.floats || needs.float_conditions;
    if !registers && !floats && allows(WriterChoice::UserMemory) {
        require(Feature::WriteMemory, &bpf.memory)?;
        return Ok(WriterKind::Memory);
    }
    // Registers alone can be written so even on kernels that are locked down.
    if !floats && allows(WriterChoice::Context) && (wanted.is_some() || bpf.context.is_yes()) {
        require(Feature::WriteContext, &bpf.context)?;
        if needs.memory {
            require(Feature::WriteMemory, &bpf.memory)?;
        }
        return Ok(WriterKind::Context);
    }
    if allows(WriterChoice::SignalFrame) {
        require(Feature::WriteMemory, &bpf.memory)?;
        require(Feature::SendSignal, &bpf.signal)?;
        return Ok(WriterKind::Frame);
    }
    Err(Refused::Need(match wanted {
        Some(WriterChoice::UserMemory) => "user-memory cannot write registers, which is needed".to_owned(),
        _ => "context cannot write floating-point registers, which is needed".to_owned(),
    }))
}

/// What a writer in the kernel would be for a site.
pub(super) fn outlook(needs: Needs, host: &Host) -> Result<Option<WriterChoice>, String> {
    require_bpf(host)?;
    match kernel_writer(needs, host, None) {
        Ok(WriterKind::None) => Ok(None),
        Ok(WriterKind::Memory) => Ok(Some(WriterChoice::UserMemory)),
        Ok(WriterKind::Context) => Ok(Some(WriterChoice::Context)),
        Ok(_) => Ok(Some(WriterChoice::SignalFrame)),
        Err(Refused::Host(why) | Refused::Need(why)) => Err(why),
    }
}

/// What all of BPF needs of the host: without ptrace no program is started or attached to.
fn require_bpf(host: &Host) -> Result<(), String> {
    require(Feature::Bpf, &host.bpf.load, host)?;
    require(Feature::TraceChild, &host.tracing, host)
}

/// What the tracer writer needs of the host.
pub(super) fn require_tracer(host: &Host) -> Result<(), String> {
    require_bpf(host)?;
    require(Feature::SendSignal, &host.bpf.signal, host)?;
    require(Feature::WriteCode, &host.code, host)
}

/// By goinject, where BPF says so.
pub(super) fn tracer(plan: &Plan, host: &Host, wanted: Option<WriterChoice>) -> Result<Selection, String> {
    require_tracer(host)?;
    let mut writers = Vec::new();
    for site in &plan.sites {
        let needs = site.needs(plan);
        writers.push(match why_not_probed(plan, site, needs) {
            Some(why) => breakpoint(plan, host, wanted.is_none(), why)?,
            None if needs.any() || needs.float_conditions => WriterKind::Tracer,
            None => WriterKind::None,
        });
    }
    has_probes(plan, &writers)?;
    let switches = Switches {
        signal: true,
        // Conditions look at pages that nobody has touched yet, or that are swapped out.
        sleep: host.bpf.sleep.is_yes(),
        ..Switches::default()
    };
    let explanation = explained(&writers);
    Ok(Selection {
        fit: Fit::Bpf {
            writers,
            attach: attach(&host.bpf),
            switches,
        },
        explanation,
    })
}

/// Why a probe at a site would not do, where it would not.
fn why_not_probed(plan: &Plan, site: &Site, needs: Needs) -> Option<String> {
    match (&site.instruction.cost, &site.instruction.consumes) {
        (Cost::Refused(why), _) => Some(unprobeable(plan, site, why)),
        (_, Consumes::Irreversible(why)) if needs.before => Some(irreversible(plan, site, why)),
        _ => None,
    }
}

fn unprobeable(plan: &Plan, site: &Site, why: &str) -> String {
    let name = &plan.functions[site.function].name;
    format!(
        "no uprobe can be put on `{}` of {name}: {why}",
        site.instruction.text
    )
}

fn irreversible(plan: &Plan, site: &Site, why: &str) -> String {
    let name = &plan.functions[site.function].name;
    format!("{name} must be changed before its first instruction runs: {why}")
}

/// The writer of a single site at which a probe would not do for the reason that is given: a breakpoint, where these are wanted,
/// which goinject serves as it does those of the ptrace engine.
fn breakpoint(plan: &Plan, host: &Host, is_wanted: bool, why: String) -> Result<WriterKind, String> {
    match is_wanted && breakpoints(plan, host).is_ok() {
        true => Ok(WriterKind::Direct),
        false => Err(why),
    }
}

/// Where every site would have a breakpoint, BPF has nothing to do.
fn has_probes(plan: &Plan, writers: &[WriterKind]) -> Result<(), String> {
    let mut sites = plan.sites.iter().zip(writers).peekable();
    if sites.peek().is_none() || sites.any(|(_, writer)| *writer != WriterKind::Direct) {
        return Ok(());
    }
    let first = plan.sites.first();
    let why = first.and_then(|site| why_not_probed(plan, site, site.needs(plan)));
    Err(why.unwrap_or_default())
}

fn explained(writers: &[WriterKind]) -> String {
    match writer_names(writers).as_slice() {
        [] => "engine bpf, nothing to write".to_owned(),
        [only] => format!("engine bpf, writer {only}"),
        several => format!("engine bpf, writers {}", several.join(" and ")),
    }
}

fn attach(bpf: &BpfSupport) -> Attach {
    if bpf.multi.is_yes() {
        Attach::Multi
    } else {
        Attach::Single
    }
}

/// The names of the writers that are in use, each once.
pub(super) fn writer_names(writers: &[WriterKind]) -> Vec<&'static str> {
    let names = [
        (WriterKind::Memory, "user-memory"),
        (WriterKind::Context, "context"),
        (WriterKind::Frame, "signal-frame"),
        (WriterKind::Tracer, "tracer"),
        (WriterKind::Direct, "breakpoints"),
    ];
    let used = names.iter().filter(|(kind, _)| writers.contains(kind));
    used.map(|(_, name)| *name).collect()
}
